"""A number that is stated as a bound is no exact figure; a field that wants a bound takes it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal

import pytest

from compiled_ai.library.calling import fill


@dataclass(frozen=True)
class Trip:
    distance: int
    speed: Decimal | None


TRIP = {"distance": "distance, far, km", "speed": "speed, km/h, at"}
UNITS = {"distance": "km", "speed": "km/h"}


@pytest.mark.parametrize(
    "told",
    [
        "at most 300 km",
        "at the very most 300 km",
        "no more than 300 km",
        "less than 300 km",
        "fewer than 300 km",
        "under 300 km",
        "below 300 km",
        "up to 300 km",
        "within 300 km",
        "a maximum of 300 km",
        "max. 300 km",
        "a maximum distance of 300 km",
        "nearly 300 km",
        "as far as 300 km",
        "not exceeding 300 km",
        "limited to 300 km",
        "at least 300 km",
        "more than 300 km",
        "longer than about 300 km",
        "above 300 km",
        "over 300 km",
        "just over 300",
        "beyond 300 km",
        "upwards of 300 km",
        "exceeding 300 km",
        "a minimum of 300 km",
        "a distance over 300",
        "300 km or less",
        "300 km or more",
        "300 kilometers or longer",
        "300 km and up",
        "300 km at most",
        "300 km max",
        "300 km at the least",
        "300 km tops",
        "300 km minimum",
        "three hundred km or more",
        "between 300 and 400 km",
    ],
)
def test_a_bound_gives_no_call_where_an_exact_figure_is_wanted(told: str) -> None:
    assert fill(f"Plan a trip of {told}.", Trip, ["trip"], TRIP, units=UNITS) is None
    assert fill(f"Plan a trip of {told}", Trip, ["trip"], TRIP) is None


@pytest.mark.parametrize(
    "told", ["about 300 km", "a distance of 300 km, more or less straight", "300 km, over 3 hills"]
)
def test_what_only_looks_like_a_bound_is_read(told: str) -> None:
    cues = {**TRIP, "speed": "speed, hills"}
    found = fill(f"Plan a trip of {told}", Trip, ["trip"], cues)
    assert found is not None and found.distance == 300


@dataclass(frozen=True)
class Loan:
    amount: Decimal
    years: int


@pytest.mark.parametrize("told", ["over 5 years", "over a term of 5 years", "over the next 5 years"])
def test_over_a_time_is_how_long_something_lasts(told: str) -> None:
    cues = {"amount": "amount, $, loan of", "years": "years, term"}
    assert fill(f"A loan of $3000 {told}", Loan, ["loan"], cues) == Loan(Decimal(3000), 5)
    assert fill("A loan over $3000 for 5 years", Loan, ["loan"], cues) is None


@dataclass(frozen=True)
class Search:
    max_price: Decimal | None
    min_stars: Decimal | None


SEARCH = {"max_price": "max price, under, $", "min_stars": "minimum stars, at least, stars"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("under $300", Search(Decimal(300), None)),
        ("for less than $300", Search(Decimal(300), None)),
        ("at most $300 with at least 4 stars", Search(Decimal(300), Decimal(4))),
        ("for $300 with 4 stars or more", Search(Decimal(300), Decimal(4))),
        ("over $300", None),
        ("with at most 4 stars", None),
    ],
)
def test_a_field_whose_words_name_a_bound_takes_one_of_its_direction(told: str, expected: Search | None) -> None:
    assert fill(f"A hotel {told}", Search, ["hotel"], SEARCH) == expected


def test_items_of_a_list_are_no_bounds() -> None:
    @dataclass(frozen=True)
    class Numbers:
        numbers: tuple[int, ...]

    assert fill("The mean of 3, 4 and 5", Numbers, ["mean"], {"numbers": "numbers"}) == Numbers((3, 4, 5))
    assert fill("The mean of 3, 4 and at most 5", Numbers, ["mean"], {"numbers": "numbers"}) is None
    assert fill("The mean of more than 3, 4 and 5", Numbers, ["mean"], {"numbers": "numbers"}) is None


@pytest.mark.parametrize(
    "told",
    [
        "300 km squared",
        "300 kilometers squared",
        "300 km cubed",
        "300 squared km",
        "300 square km",
        "300 km^2",
        "300 km per hour squared",
        "300 km per day",
        "300 km/day",
        "a distance of 300 squared",
    ],
)
def test_a_unit_that_is_only_part_of_what_is_stated_gives_no_call(told: str) -> None:
    assert fill(f"Plan a trip of {told}.", Trip, ["trip"], TRIP, units=UNITS) is None
    assert fill(f"Plan a trip of {told}.", Trip, ["trip"], TRIP) is None


def test_squared_units_are_read_where_they_are_wanted() -> None:
    @dataclass(frozen=True)
    class Field:
        area: Decimal

    for told in ("2 km squared", "2 square km", "2 km2", "2 squared kilometers", "2000000 meters squared"):
        assert fill(f"A field of {told}", Field, ["field"], {"area": "area"}, units={"area": "km2"}) == Field(
            Decimal(2)
        )


@pytest.mark.parametrize("text", ["at most ", "over ", "3 or ", "3 km km km or more ", "maximum a ", "3 squared "])
def test_hostile_bounds_are_read_in_bounded_time(text: str) -> None:
    started = time.process_time()
    fill("trip " + text * 100_000, Trip, ["trip"], TRIP, units=UNITS)
    assert time.process_time() - started < 10
