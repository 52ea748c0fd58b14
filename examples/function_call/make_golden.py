"""Writes `golden.jsonl`: synthetic requests, most of them for a meeting room.

    python examples/function_call/make_golden.py > examples/function_call/golden.jsonl

Every wording is a group of its own, so that no wording stands in two pools; city, day and numbers are drawn.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

CITIES = (
    "Lisbon",
    "Boston",
    "Hamburg",
    "Oslo",
    "Montreal",
    "Lyon",
    "Austin",
    "Leeds",
    "Porto",
    "San Diego",
    "New Haven",
)
COMPLETE = (
    "Please reserve a meeting room in {city} for {people} people on {day}.",
    "We need a room for {people} in {city} on {day}, for {hours} hours.",
    "On {day} we meet in {city}, {people} participants. Can you get us a room with a projector?|projector",
    "Book a conference room in {city} on {day} for {people} persons with a whiteboard.|whiteboard",
    "Is there a room in {city} on {day}? We will be {people} people and stay {hours} hours.",
    "Reserve a room in our {city} house, {day}, {people} attendees.",
    "I would like to hold a workshop with {people} colleagues in {city} on {day}. A room with a whiteboard, please.|whiteboard",
    "{people} of us come to {city} on {day}, please book a room for {hours} hours.",
    "Can I have a meeting room for {people} guests on {day} in {city}?",
    "Get me a room near the station in {city} on {day}; {people} people, {hours} hours, projector needed.|projector",
    "Room wanted: {city}, {day}, {people} people.",
    "Could you set aside a room at {city} for a meeting of {people} members on {day}?",
    "For {day}, reserve a room for {people} attendees in {city}, with video for those at home.|video",
    "A room for {people} people in {city}, please, on {day}, {hours} h.",
    "My team of {people} needs a room on {day} in {city}.",
    "Hello, we plan an interview in {city} on {day} with {people} participants and need a room with a camera.|video",
    "Reserve a meeting room on {day} in {city}. Number of people: {people}. Duration: {hours} hours.",
    "Please book us a room with a beamer in {city} on {day}, we are {people} people.|projector",
    "There will be {people} attendees at the training in {city} on {day}. Reserve a room for {hours} hours.",
    "In {city}, on {day}, a meeting room for {people} people for {hours} hours, please.",
    "Find a meeting room in {city} that seats {people} on {day}.",
    "I want to reserve a room for {day}. It is for {people} people, in {city}.",
    "Kindly arrange a room in {city} for {people} visitors on {day}, {hours} hours long.",
    "Our board meets in {city} on {day}: {people} members, {hours} hours, video conference. Please reserve a room.|video",
    "Need a room in {city}. {people} people. {day}. {hours} hours.",
    "Would you book the room for our meeting in {city} on {day}? We expect {people} guests.",
)  # fmt: skip
INCOMPLETE = (
    "Please reserve a meeting room in {city} for {people} people.",
    "We need a room in {city} on {day}.",
    "Book a conference room for {people} people on {day}.",
    "Can I have a room next week in {city}?",
    "Reserve a room, please.",
)
OTHER = (
    "How is the weather in {city} on {day}?",
    "Order lunch for {people} people in {city} on {day}.",
    "Book a flight to {city} on {day} for {people} passengers.",
    "Send the minutes of {day} to all {people} participants.",
    "Who was in {city} on {day} with {people} colleagues?",
    "Remind me on {day} to call {city}.",
)


def filled(pattern: str, dice: random.Random) -> tuple[str, dict[str, Any]]:
    """Returns a request and the call that it would be, if it asks for one."""
    wording, _, equipment = pattern.partition("|")
    day = date(2026, 1, 5) + timedelta(days=dice.randrange(700))
    written = dice.choice(
        (f"{day:%B} {day.day}, {day.year}", f"{day.day} {day:%B} {day.year}", day.isoformat(), f"{day:%m/%d/%Y}")
    )
    people, hours, city = dice.randrange(2, 40), dice.choice((1.5, 2, 3, 4, 6)), dice.choice(CITIES)
    request = wording.format(city=city, day=written, people=people, hours=hours)
    call = {
        "city": city,
        "day": day.isoformat(),
        "people": people,
        "hours": hours if "{hours}" in wording else None,
        "equipment": equipment or None,
    }
    return request, call


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(117)
    kinds = [*((wording, True) for wording in COMPLETE), *((wording, False) for wording in (*INCOMPLETE, *OTHER))]
    for index, (wording, complete) in enumerate(kinds * 3):
        request, call = filled(wording, dice)
        yield {
            "id": f"synthetic-{index:03}",
            "group": f"wording {index % len(kinds)}",
            "input": {"request": request},
            "expected": {"call": call if complete else None},
        }


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case))
