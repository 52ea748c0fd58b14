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
        # a sign, a bracket, a comma, or a word between
        "<= 300 km",
        ">= 300 km",
        "=< 300 km",
        "\u2264 300 km",
        "> 300 km",
        "\u2260 300 km",
        "!= 300 km",
        "300 km (max)",
        "300 km (max.)",
        "300 km (min)",
        "300 km [at most]",
        "300 km (at least)",
        "300 km, at least;",
        "300 km, or more",
        "300 km - at most",
        "300 km as a maximum",
        "300 km is the limit",
        "300 km plus",
        "(max) 300 km",
        "max: 300 km",
        "min. 300 km",
        "at most: 300 km",
        "a distance of, at most, 300 km",
        "a distance (at least) 300 km",
        "more than a distance of 300 km",
        "more than distance 300 km",
        "less than or equal to 300 km",
        "at least a distance of 300 km",
        "below a distance of 300 km",
        "under a limit of 300 km",
        "an upper bound of 300 km",
        "a lower bound of 300 km",
        "a cap of 300 km",
        "starting at 300 km",
        "starting from a distance of 300 km",
        "anywhere from 300 km",
        "approaching 300 km",
        "topping out at 300 km",
        "maximally 300 km",
        "up to and including 300 km",
        "in excess of 300 km",
        "greater or equal 300 km",
        "smaller than or equal to 300 km",
        "300 km and more",
        "300 km and less",
        "from 300 km up",
        "\u2272 300 km",
        "&lt;= 300 km",
    ],
)
def test_a_bound_gives_no_call_where_an_exact_figure_is_wanted(told: str) -> None:
    assert fill(f"Plan a trip of {told}.", Trip, ["trip"], TRIP, units=UNITS) is None
    assert fill(f"Plan a trip of {told}", Trip, ["trip"], TRIP) is None


@pytest.mark.parametrize(
    "told",
    [
        "about 300 km",
        "~300 km",
        "a distance of 300 km, more or less straight",
        "300 km, over 3 hills",
        "300 km within the city",
    ],
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


def test_a_maximum_behind_a_comma_is_that_of_the_next_number() -> None:
    @dataclass(frozen=True)
    class Limited:
        distance: int
        max_speed: int

    cues = {"distance": "distance", "max_speed": "maximum speed, at most"}
    for told in ("max speed: 60 km/h", "at most 60 km/h", "maximum speed of 60 km/h", "speed 60 km/h (max)"):
        found = fill(f"A trip with a distance of 300 km, {told}", Limited, ["trip"], cues)
        assert found == Limited(300, 60), told


@pytest.mark.parametrize("told", ["at most", "max", "or more", "plus", "tops", "(at least)"])
def test_a_bound_behind_a_number_is_no_less_one_where_another_number_follows(told: str) -> None:
    for joined in ("and speed 60 km/h", "with a speed of 60 km/h", "at 60 km/h", ", speed 60 km/h"):
        assert fill(f"A trip, distance 300 km {told} {joined}", Trip, ["trip"], TRIP, units=UNITS) is None, joined


def test_where_something_starts_is_no_bound_where_the_start_is_wanted() -> None:
    @dataclass(frozen=True)
    class Series:
        start: int

    assert fill("A series starting at 5", Series, ["series"], {"start": "start, starting at"}) == Series(5)
    assert fill("A series of at least 5", Series, ["series"], {"start": "start, starting at"}) is None


@dataclass(frozen=True)
class Circle:
    radius: Decimal


CIRCLE = {"radius": "radius"}


@pytest.mark.parametrize(
    "told",
    [
        "radius 3 at the most",
        "radius under a limit of 3",
        "radius <= 3",
        "radius less than 3",
        "3 >= radius",
        "3 < radius",
    ],
)
def test_a_radius_is_no_bound(told: str) -> None:
    assert fill(f"area of a circle with {told}", Circle, ["area"], CIRCLE) is None


def test_within_a_radius_states_the_radius() -> None:
    assert fill("area within a radius of 3", Circle, ["area"], CIRCLE) == Circle(Decimal(3))
    assert fill("area 3 km radius", Circle, ["area"], CIRCLE) == Circle(Decimal(3))
    assert fill("area within 3 km", Circle, ["area"], {"radius": "radius, within"}) == Circle(Decimal(3))


@pytest.mark.parametrize(
    "told",
    [
        "diameter 3",
        "a diameter of 3 m",
        "circumference = 3",
        "a 3 m diameter",
        "3 m in diameter",
        "an area of 3",
        "a diameter equal to 3",
    ],
)
def test_a_number_that_is_told_as_another_measure_gives_no_call(told: str) -> None:
    assert fill(f"A circle with {told}", Circle, ["circle"], CIRCLE) is None
    assert fill(f"A circle with {told}", Circle, ["circle"], CIRCLE, units={"radius": "m"}) is None


def test_a_measure_that_names_the_next_number_names_no_other() -> None:
    found = fill("A trip, 300 km, speed 60 km/h", Trip, ["trip"], {"distance": "far", "speed": "speed"}, units=UNITS)
    assert found == Trip(300, Decimal(60))


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
