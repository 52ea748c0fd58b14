"""Writes the tables of abbreviations and `golden.jsonl`: synthetic addresses as 24 sources would type them.

    python examples/address_normalisation/make_golden.py

The abbreviations are those of the postal service's Publication 28 (a part of them); streets, numbers and their
combinations with towns are made up. A source has its own habits: case, commas, line breaks, long or short words.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SUFFIXES = {
    "ALLEY": "ALY", "AVENUE": "AVE", "BOULEVARD": "BLVD", "CIRCLE": "CIR", "COURT": "CT", "COVE": "CV",
    "CROSSING": "XING", "DRIVE": "DR", "EXPRESSWAY": "EXPY", "HEIGHTS": "HTS", "HIGHWAY": "HWY", "HILL": "HL",
    "LANE": "LN", "LOOP": "LOOP", "PARK": "PARK", "PARKWAY": "PKWY", "PASS": "PASS", "PATH": "PATH", "PIKE": "PIKE",
    "PLACE": "PL", "PLAZA": "PLZ", "POINT": "PT", "RIDGE": "RDG", "ROAD": "RD", "ROW": "ROW", "SQUARE": "SQ",
    "STREET": "ST", "TERRACE": "TER", "TRAIL": "TRL", "TURNPIKE": "TPKE", "VIEW": "VW", "WALK": "WALK", "WAY": "WAY",
}  # fmt: skip
MORE_SUFFIXES = {
    "AV": "AVE", "AVEN": "AVE", "BOUL": "BLVD", "CRT": "CT", "DRV": "DR", "HIWAY": "HWY", "PKY": "PKWY",
    "PRKWY": "PKWY", "SQR": "SQ", "STR": "ST", "TERR": "TER", "TR": "TRL", "WY": "WAY",
}  # fmt: skip
UNITS = {
    "APARTMENT": "APT", "BUILDING": "BLDG", "DEPARTMENT": "DEPT", "FLOOR": "FL", "LOT": "LOT", "ROOM": "RM",
    "SUITE": "STE", "TRAILER": "TRLR", "UNIT": "UNIT", "#": "#",
}  # fmt: skip
DIRECTIONS = {
    "NORTH": "N", "SOUTH": "S", "EAST": "E", "WEST": "W", "NORTHEAST": "NE", "NORTHWEST": "NW", "SOUTHEAST": "SE",
    "SOUTHWEST": "SW",
}  # fmt: skip
STATES = {
    "ALABAMA": "AL", "ALASKA": "AK", "ARIZONA": "AZ", "ARKANSAS": "AR", "CALIFORNIA": "CA", "COLORADO": "CO",
    "CONNECTICUT": "CT", "DELAWARE": "DE", "DISTRICT OF COLUMBIA": "DC", "FLORIDA": "FL", "GEORGIA": "GA",
    "HAWAII": "HI", "IDAHO": "ID", "ILLINOIS": "IL", "INDIANA": "IN", "IOWA": "IA", "KANSAS": "KS", "KENTUCKY": "KY",
    "LOUISIANA": "LA", "MAINE": "ME", "MARYLAND": "MD", "MASSACHUSETTS": "MA", "MICHIGAN": "MI", "MINNESOTA": "MN",
    "MISSISSIPPI": "MS", "MISSOURI": "MO", "MONTANA": "MT", "NEBRASKA": "NE", "NEVADA": "NV", "NEW HAMPSHIRE": "NH",
    "NEW JERSEY": "NJ", "NEW MEXICO": "NM", "NEW YORK": "NY", "NORTH CAROLINA": "NC", "NORTH DAKOTA": "ND",
    "OHIO": "OH", "OKLAHOMA": "OK", "OREGON": "OR", "PENNSYLVANIA": "PA", "RHODE ISLAND": "RI",
    "SOUTH CAROLINA": "SC", "SOUTH DAKOTA": "SD", "TENNESSEE": "TN", "TEXAS": "TX", "UTAH": "UT", "VERMONT": "VT",
    "VIRGINIA": "VA", "WASHINGTON": "WA", "WEST VIRGINIA": "WV", "WISCONSIN": "WI", "WYOMING": "WY",
}  # fmt: skip
TOWNS = (
    ("Ashford", "OH", "44822"), ("Bellmont", "VA", "22945"), ("Cedar Gap", "NC", "28701"), ("Dunmore", "PA", "18512"),
    ("St. Anne", "MN", "55101"), ("New Harbor", "ME", "04554"), ("Lake Orrin", "NH", "03253"), ("Fort Weller", "TX", "76101"),
    ("San Bartolo", "NM", "87008"), ("Mount Kerr", "WV", "26408"), ("East Hollow", "NY", "12801"), ("Pine", "AZ", "85544"),
)  # fmt: skip
STREETS = (
    "Mill",
    "Foundry",
    "Harbor",
    "Chestnut",
    "5th",
    "22nd",
    "Old Post",
    "Martin Luther King Jr",
    "Lakeview",
    "St. Mark's",
    "King",
    "Ox Bow",
)
WHOLE = ("Highway 50", "County Road 9", "Avenue of the Pines", "Broadway", "US Route 2")
KINDS = (
    "STREET",
    "AVENUE",
    "ROAD",
    "LANE",
    "BOULEVARD",
    "DRIVE",
    "COURT",
    "PARKWAY",
    "SQUARE",
    "TERRACE",
    "WAY",
    "HIGHWAY",
)
PEOPLE = ("Jane Doe", "Lindqvist Dental Group", "c/o R. Tran", "Ashby Press LLC")


@dataclass(frozen=True)
class Habit:
    """How one source types."""

    case: str
    commas: bool
    lines: bool
    long_kind: bool
    long_direction: bool
    long_state: bool
    dots: bool
    unit_form: str
    plus4: float
    country: bool


def habit_of(dice: random.Random) -> Habit:
    return Habit(
        case=dice.choice(("title", "title", "upper", "lower")),
        commas=dice.random() < 0.7,
        lines=dice.random() < 0.4,
        long_kind=dice.random() < 0.5,
        long_direction=dice.random() < 0.4,
        long_state=dice.random() < 0.25,
        dots=dice.random() < 0.3,
        unit_form=dice.choice(("long", "short", "short", "sign", "comma")),
        plus4=dice.choice((0.0, 0.0, 0.5)),
        country=dice.random() < 0.15,
    )


def plain(text: str) -> str:
    return " ".join(text.upper().replace(".", "").replace(",", " ").split())


def short(word: str, known: Mapping[str, str], habit: Habit, *, long: bool) -> str:
    """A word of a table as a source types it."""
    return word.title() if long else known[word].title() + ("." if habit.dots else "")


def unit(dice: random.Random, habit: Habit) -> tuple[str, str]:
    """A unit as typed, and in its standard form."""
    kind = dice.choice(("APARTMENT", "APARTMENT", "SUITE", "SUITE", "UNIT", "FLOOR"))
    name = dice.choice(
        (f"{dice.randrange(1, 20)}", f"{dice.randrange(1, 9)}{dice.choice('ABC')}", f"{dice.randrange(100, 900)}")
    )
    if kind == "FLOOR":
        floor = dice.randrange(2, 9)
        ordinal = {2: "2nd", 3: "3rd"}.get(floor, f"{floor}th")
        return (f"{ordinal} Floor" if habit.unit_form == "long" else f"Fl {floor}"), f"FL {floor}"
    if habit.unit_form == "sign":
        return f"#{name}", f"# {name}"
    return f"{short(kind, UNITS, habit, long=habit.unit_form == 'long')} {name}", f"{UNITS[kind]} {name}"


def street(dice: random.Random, habit: Habit) -> tuple[str, str]:
    """A street line as typed, and in its standard form."""
    number = dice.choice(
        (str(dice.randrange(1, 9999)), str(dice.randrange(1, 999)), f"{dice.randrange(1, 99)}{dice.choice('AB')}")
    )
    if dice.random() < 0.1:
        box = dice.randrange(10, 9999)
        return f"{dice.choice(('P.O. Box', 'PO Box', 'P O Box'))} {box}", f"PO BOX {box}"
    if dice.random() < 0.12 and (habit.commas or habit.lines):
        name = dice.choice(WHOLE)
        return f"{number} {name}", plain(f"{number} {name}")
    name, kind = dice.choice(STREETS), dice.choice(KINDS)
    before = dice.choice(("", "", "", "NORTH", "EAST", "SOUTHWEST"))
    after = dice.choice(("NORTHWEST", "SOUTH")) if not before and dice.random() < 0.2 else ""
    direction = {"": ""}
    for word, code in DIRECTIONS.items():
        direction[word] = word.title() if habit.long_direction else code + ("." if habit.dots else "")
    typed = [number, direction[before], name, short(kind, SUFFIXES, habit, long=habit.long_kind), direction[after]]
    standard = [number, DIRECTIONS.get(before, ""), plain(name), SUFFIXES[kind], DIRECTIONS.get(after, "")]
    if dice.random() < 0.4:
        inner, inner_standard = unit(dice, habit)
        typed[-1] += "," if habit.unit_form == "comma" and habit.commas else ""
        typed.append(inner)
        standard.append(inner_standard)
    return " ".join(filter(None, typed)).replace(" ,", ","), " ".join(filter(None, standard))


def case_of(text: str, habit: Habit) -> str:
    return text.upper() if habit.case == "upper" else text.lower() if habit.case == "lower" else text


def address(habit: Habit, dice: random.Random) -> tuple[str, dict[str, Any]]:
    typed, standard = street(dice, habit)
    city, state, zip_code = dice.choice(TOWNS)
    name = next(long for long, code in STATES.items() if code == state).title()
    code = zip_code + (f"-{dice.randrange(1000, 9999)}" if dice.random() < habit.plus4 else "")
    missing = dice.random() < 0.06
    tail = f"{name if habit.long_state else state} {'' if missing else code}".strip()
    between = "\n" if habit.lines else ", " if habit.commas else " "
    text = f"{typed}{between}{city}{',' if habit.commas else ''} {tail}"
    if habit.lines and dice.random() < 0.5:
        text = f"{dice.choice(PEOPLE)}\n{text}"
    if habit.country and not missing:
        text += "\nUSA" if habit.lines else ", USA"
    expected = {
        "line": standard,
        "city": plain(city),
        "state": state,
        "zip": None if missing else code,
        "outcome": "INCOMPLETE" if missing else "COMPLETE",
        "reason": "city, state or ZIP code is missing" if missing else "all parts are there",
    }
    return case_of(text, habit), expected


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(28)
    for index in range(120):
        source = f"source {index % 24}"
        typed, expected = address(habit_of(random.Random(f"habits of {source}")), dice)
        yield {"id": f"synthetic-{index:03}", "group": source, "input": {"address": typed}, "expected": expected}


def write_table(name: str, standard: Mapping[str, str]) -> None:
    """Every word and its abbreviation, each with the abbreviation."""
    rows = {**standard, **{code: code for code in standard.values()}}
    with (HERE / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("written", "standard"))
        writer.writerows(rows.items())


if __name__ == "__main__":
    write_table("suffixes", SUFFIXES | MORE_SUFFIXES)
    write_table("units", UNITS)
    write_table("directions", DIRECTIONS)
    write_table("states", STATES)
    (HERE / "golden.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases()), "utf-8")
