"""Who asks about something, undoes it or reports it, asks for no call; a question that asks for a result does."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from compiled_ai.library.calling import fill


@dataclass(frozen=True)
class Trip:
    distance: int


CUES = {"distance": "distance, km"}
TOPIC = ["plan, book, trip, drive"]


@pytest.mark.parametrize(
    "request_text",
    [
        # about the tool, or how to
        "What does plan_trip do with a distance of 300?",
        "Can you explain how to book a trip of 300 km?",
        "What does a trip of 300 km mean?",
        "How do I book a trip of 300 km?",
        "How to plan a trip of 300 km",
        "How does a trip of 300 km work?",
        "Could you tell me what this tool does for a trip of 300 km?",
        "Please explain a trip of 300 km.",
        "Hello, describe a trip of 300 km",
        "Do you support trips of 300 km?",
        "Which arguments does a trip of 300 km need?",
        "Tell me about the trip tool with a distance of 300",
        "Why is a trip of 300 km so long?",
        "Should I plan a trip of 300 km?",
        "Plan a trip of 300 km and explain it.",
        # undone
        "Cancel the trip of 300 km.",
        "Could you please cancel my trip of 300 km?",
        "I want to cancel the trip of 300 km",
        # over and done
        "I booked a trip of 300 km yesterday.",
        "Yesterday we made a trip of 300 km.",
        "We drove 300 km on our trip.",
        "I have already planned a trip of 300 km.",
        "I've just booked the trip of 300 km",
        "My boss planned a trip of 300 km",
        "I went home and booked a trip of 300 km",
        "Did you plan the trip of 300 km?",
        "When did we plan the trip of 300 km?",
        "Thanks for planning my trip of 300 km.",
        "Have you booked the trip of 300 km?",
        "Bob planned the trip of 300 km",
        "Bob Smith has already planned a trip of 300 km.",
        "The new boss booked a trip of 300 km.",
        "Bob drove the trip of 300 km",
        "The trip of 300 km was planned by Bob.",
        "Our trip of 300 km has been booked already",
        "Trips of 300 km were made by Bob",
        "The trip of 300 km was wrong",
        "This trip of 300 km is too long.",
        "Thanks for planning my trip of 300 km! Bye.",
        "Bob's already planned the trip of 300 km",
        "Bob was calculating the trip of 300 km",
        "I was driving a trip of 300 km",
        "It was Bob who planned the trip of 300 km",
        "The trip of 300 km has just been booked",
        "The trip of 300 km turned out great",
        "Thanks for the help! I booked a trip of 300 km.",
        "Hi, thanks for planning my trip of 300 km, okay?",
        "Thanks for planning" + " and planning" * 50 + " my trip of 300 km",
        # not to be done
        "Stop planning the trip of 300 km",
        "Please quit booking trips of 300 km.",
        "Stop the calculation of the trip of 300 km",
        "Explain and cancel the trip of 300 km",
        "Explain and show a trip of 300 km",
    ],
)
def test_what_asks_for_nothing_to_be_done_gives_no_call(request_text: str) -> None:
    assert fill(request_text, Trip, TOPIC, CUES) is None


@pytest.mark.parametrize(
    "request_text",
    [
        "What is the cost of a trip of 300 km?",
        "How much is a trip of 300 km?",
        "How long does a trip of 300 km take?",
        "Can you plan a trip of 300 km?",
        "Could I book a trip of 300 km, please?",
        "A trip of 300 km",
        "I want to plan a trip of 300 km.",
        "I wanted to plan a trip of 300 km",
        "We need a trip of 300 km.",
        "I rented a car. Plan a trip of 300 km.",
        "I rented a car and would like to plan a trip of 300 km.",
        "I rented a car for a trip of 300 km, can you plan it?",
        "Plan a trip of 300 km, thanks for helping.",
        "How do I get to Rome by a trip of 300 km?",
        "He rented a car; calculate a trip of 300 km for him.",
        "Bob rented a car. Plan a trip of 300 km.",
        "Bob rented a car for a trip of 300 km, what does it cost?",
        "The car was rented by Bob. Plan a trip of 300 km.",
        "The trip that was planned by Bob, of 300 km",
        "The road is right angled, a trip of 300 km",
        "Find the shortest guided trip of 300 km",
        "The trip of 300 km was wanted",
        "I was planning a trip of 300 km",
        "Drive a trip of 300 km and stop in Rome",
        "Thanks for the help! Now plan a trip of 300 km.",
        "Thank you for computing; next: trip of 300 km",
        "Can you explain and calculate a trip of 300 km?",
    ],
)
def test_questions_and_wishes_are_requests(request_text: str) -> None:
    assert fill(request_text, Trip, TOPIC, CUES) == Trip(300)


def test_what_the_topic_names_is_wanted() -> None:
    assert fill("Cancel the trip of 300 km.", Trip, ["cancel", "trip"], CUES) == Trip(300)
    assert fill("Explain the trip of 300 km.", Trip, ["explain, describe"], CUES) == Trip(300)
    assert fill("Stop planning the trip of 300 km.", Trip, ["stop", "trip"], CUES) == Trip(300)


def test_a_number_within_thanks_is_not_read() -> None:
    assert fill("Thanks for the 20 km! Plan a trip of 300 km.", Trip, TOPIC, CUES) == Trip(300)


@pytest.mark.parametrize(
    "text",
    [
        "how do ",
        "what does a ",
        "i really ",
        "please, ",
        ", and then ",
        "my boss ",
        "can the ",
        "thanks for ",
        "the was ",
        "Bob has ",
    ],
)
def test_hostile_purposes_are_read_in_bounded_time(text: str) -> None:
    started = time.process_time()
    fill(text * 100_000, Trip, TOPIC, CUES)
    assert time.process_time() - started < 5
