"""A whole call is filled from plain words; what is missing or could be meant in two ways gives no call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from compiled_ai.library.calling import fill
from compiled_ai.library.places import place_of


@dataclass(frozen=True)
class Trip:
    """A journey by car."""

    distance: int
    speed: Decimal | None


TRIP = {"distance": "distance, far, km", "speed": "speed, km/h, at"}
TRIP_UNITS = {"distance": "km", "speed": "km/h"}


def trip(request: str, **more: Any) -> Trip | None:
    return fill(request, Trip, ["drive, trip"], TRIP, units=TRIP_UNITS, **more)


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("Plan a trip of 300 km at a speed of 90 km/h.", Trip(300, Decimal(90))),
        ("Plan a trip of 300 km.", Trip(300, None)),
        ("At 90 km/h, how long is a drive over a distance of 300?", Trip(300, Decimal(90))),
        ("A trip of 3000 m", Trip(3, None)),
        ("A trip of 300 km at 25 m/s", Trip(300, Decimal(90))),
    ],
)
def test_a_call_is_filled_from_plain_words(request_text: str, expected: Trip) -> None:
    assert trip(request_text) == expected


@pytest.mark.parametrize(
    "request_text",
    [
        "Book a flight of 300 km.",  # not the topic
        "Plan a trip at a speed of 90 km/h.",  # no distance
        "Plan a trip of 300.5 km.",  # not whole
        "Plan a trip of 300 kg.",  # not a length
        "Plan a trip of 300 km at a good speed.",  # a speed, but which
        "Plan a trip of 300 or 400 km.",
        "A trip of 1e400 km",
        "",
    ],
)
def test_what_is_unclear_gives_no_call(request_text: str) -> None:
    assert trip(request_text) is None


def test_every_group_of_the_topic_is_needed_and_no_excluded_word_may_occur() -> None:
    cues = {"distance": "distance, km", "speed": "speed"}
    assert fill("A drive of 3 km to work", Trip, ["drive", "work, office"], cues) == Trip(3, None)
    assert fill("A drive of 3 km", Trip, ["drive", "work, office"], cues) is None
    assert trip("A drive of 3 km by train", unless="train, plane") is None


def test_a_field_that_is_denied_is_not_spoken_of() -> None:
    assert trip("A trip of 300 km without any speed limit") == Trip(300, None)


@dataclass(frozen=True)
class Box:
    width: Decimal
    height: Decimal
    unit: str | None


BOX = {"width": "width, wide", "height": "height, tall", "unit": "unit, measured in, @width"}


@pytest.mark.parametrize(
    ("request_text", "unit"),
    [
        ("A box with a width of 2 inches and a height of 3 inches", "inches"),
        ("A box with a width of 2 and a height of 3, measured in feet", "feet"),
        ("A box with a width of 2 units and a height of 3 units", None),
    ],
)
def test_a_unit_is_the_word_that_is_named_or_stands_behind_a_number(request_text: str, unit: str | None) -> None:
    assert fill(request_text, Box, ["box"], BOX) == Box(Decimal(2), Decimal(3), unit)


@pytest.mark.parametrize(
    "request_text", ["a box of 2 by 3", "a 2 x 3 box", "a box, 2 inches by 3 inches", "a box: 2, 3"]
)
def test_numbers_that_no_word_names_are_given_in_order(request_text: str) -> None:
    found = fill(request_text, Box, ["box"], {**BOX, "unit": "measured in"})
    assert found is not None and [found.width, found.height] == [2, 3]


def test_measures_go_to_what_lacks_a_number() -> None:
    @dataclass(frozen=True)
    class Wall:
        price: int
        width: int
        height: int

    cues = {"price": "price, $", "width": "width", "height": "height"}
    assert fill("A wall of 30 by 12 feet at a price of $5", Wall, ["wall"], cues) == Wall(5, 30, 12)
    assert fill("A wall of 30 and then 12 feet at a price of $5", Wall, ["wall"], cues) is None


@dataclass(frozen=True)
class Payment:
    rate: Decimal
    months: int
    kind: str | None


PAYMENT = {
    "rate": "rate, interest, free=0",
    "months": "months, fortnight=1, =12",
    "kind": {"fixed": "fixed, constant", "flexible": "flexible"},
}


def payment(request: str) -> Payment | None:
    return fill(request, Payment, ["loan"], PAYMENT, fractions="rate", units={"months": "months"})


def test_words_imply_values_and_defaults_stand_in() -> None:
    assert payment("An interest free loan") == Payment(Decimal(0), 12, None)
    assert payment("A loan at a rate of 5% for a fortnight") == Payment(Decimal("0.05"), 1, None)
    assert payment("A loan at a rate of 5% over 3 years") == Payment(Decimal("0.05"), 36, None)


def test_a_number_beside_the_fields_own_name_counts_for_more_than_what_a_word_implies() -> None:
    assert payment("A loan at a rate of 5%, free of charge") == Payment(Decimal("0.05"), 12, None)


def test_a_bare_number_where_a_fraction_is_wanted_is_unclear() -> None:
    assert payment("A loan at a rate of 5") is None
    assert payment("A loan at a rate of 0.05") == Payment(Decimal("0.05"), 12, None)


def test_words_that_imply_two_values_are_unclear() -> None:
    cues = {"distance": "distance, near=1, far=100", "speed": "speed"}
    assert fill("A trip, near or far", Trip, ["trip"], cues) is None


def test_a_closed_set_takes_the_one_option_that_is_meant() -> None:
    assert payment("A flexible loan at a rate of 5%") == Payment(Decimal("0.05"), 12, "flexible")
    assert payment("A fixed or flexible loan at a rate of 5%") is None


def test_an_option_within_the_words_of_another_is_not_meant() -> None:
    @dataclass(frozen=True)
    class Plan:
        kind: str

    cues = {"kind": {"basic": "plain, basic", "premium": "premium, better than basic"}}
    assert fill("the plan that is better than basic", Plan, ["plan"], cues) == Plan("premium")


def test_options_that_case_alone_parts_are_told_by_case() -> None:
    @dataclass(frozen=True)
    class Size:
        code: str

    cues = {"code": {"m": "m, metre", "M": "M, million"}}
    assert fill("the size M, please", Size, ["size"], cues) == Size("M")
    assert fill("a size in metres", Size, ["size"], cues) == Size("m")


@pytest.mark.parametrize(
    "told",
    [
        # a number within a larger one, or in another notation
        *(
            "1 000 km",
            "1\u00a0000 km",
            "1,5 km",
            "2\u00bd km",
            "2 \u00bd km",
            "3/4 km",
            "3 / 4 km",
            "10^3 km",
            "10 ^ 3 km",
        ),
        *("10\u00b3 km", "10**3 km", "3 x 10^2 km", "3 \u00d7 10 km", "1.000 km", "1.234.567 km", "1'000 km", ".5 km"),
        *("5k km", "5M km", "300 grand km", "2 hundred thousand km", "2 and a half km", "two and a half km", "300+ km"),
        *(
            "half of 300 km",
            "a quarter of 300 km",
            "seven-eighths km",
            "3 score km",
            "twice 300 km",
            "three fifty km",
            "one two km",
            ">300 km",
            "\u00b1300 km",
        ),
        # other units
        *("300 nautical miles", "300 furlongs", "3 km 200 m", "3 km and 200 m", "3 km, 200 m"),
        # denied, or taken back
        *("not 300 km", "300 km, no wait, 400 km", "400 km instead of 300 km", "400 km rather than 300 km"),
        *(
            "never 300 km",
            "everything without 300 km",
            "300 km? no, 400 km",
            "300 km, I mean 400 km",
            "300 km, but don't drive it",
        ),
        # ranges, sums, and two values
        *("300 to 400 km", "between 300 and 400 km", "300-400 km", "300\u2013400 km", "300 - 400 km", "300 + 50 km"),
        *(
            "300 km to 400 km",
            "300 km or, if it rains and the roads are wet, 400 km",
            "300 km and 400 km",
            "300 km, 400 km",
        ),
        *("three hundred to four hundred km", "300 km or so, perhaps 400", "300 plus 50 km", "300 km - 400 km"),
        # below zero, names and times
        *(
            "-300 km",
            "- 300 km",
            "minus 300 km",
            "\u2212300 km",
            "300 km at 10 pm",
            "300 km at 9 am",
            "300 km at 9 a.m.",
        ),
        *("300 km in 2024", "distance on route 66", "far on highway 5", "300 km at 9 o'clock"),
    ],
)
def test_what_is_involved_gives_no_call_instead_of_a_part_of_it(told: str) -> None:
    assert trip(f"Plan a trip of {told}.") is None
    assert fill(f"Plan a trip of {told}", Trip, ["trip"], TRIP) is None


@dataclass(frozen=True)
class Bill:
    amount: Decimal
    count: int | None


@pytest.mark.parametrize(
    "told",
    [
        *(
            "\u20ac1.234,56",
            "$1,23",
            "-$50",
            "$-50",
            "- $50",
            "$5 k",
            "$5 m",
            "$2 hundred thousand",
            "$10-20",
            "$10-$20",
        ),
        *("$3 invoices of $50", "$50 to $60", "$50 or $60", "$1 000", "$12,34,567", "$1,234.567,89", "$50/60"),
    ],
)
def test_an_amount_that_is_not_plain_gives_no_call(told: str) -> None:
    cues = {"amount": "amount, $, \u20ac, pay", "count": "count, invoices"}
    assert fill(f"Pay {told}", Bill, ["pay"], cues) is None
    assert fill(f"Pay {told} for 3 invoices", Bill, ["pay"], cues) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("$1,234.50", "1234.50"),
        ("$5k", "5000"),
        ("$3 million", "3000000"),
        ("an amount of 12,345,678", "12345678"),
        ("two hundred and fifty dollars as the amount", "250"),
    ],
)
def test_a_plain_amount_is_read(told: str, expected: str) -> None:
    cues = {"amount": "amount, $, pay", "count": "count, invoices"}
    assert fill(f"Pay {told}", Bill, ["pay"], cues) == Bill(Decimal(expected), None)


@pytest.mark.parametrize(
    "told",
    [
        *("5 ft 10 in wide and 3 ft tall", "2 in by 3 in", "2in by 3in", '2" by 3"', "6'2\" wide and 3 ft tall"),
        *("5 ft 10 wide and 3 ft tall", "5 feet, 10 inches wide and 3 ft tall", "5 feet and 10 inches wide, 3 ft tall"),
        *("5 feet and 10 inches", "2 ft wide and 3 ft tall, not 4 ft", "2 ft or 3 ft", "-2 ft wide and 3 ft tall"),
        *("2 to 3 ft wide and 3 ft tall", "2 ft wide and 3 ft tall and 4 ft deep"),
    ],
)
@pytest.mark.parametrize("units", [{}, {"width": "ft", "height": "ft"}])
def test_compound_measures_give_no_call(told: str, units: dict[str, str]) -> None:
    assert fill(f"A box {told}", Box, ["box"], BOX, units=units) is None
    assert fill(f"A box, {told}", Box, ["box"], {**BOX, "unit": "measured in"}, units=units) is None


def test_a_compound_that_only_one_field_can_mean_is_read() -> None:
    @dataclass(frozen=True)
    class Person:
        height: Decimal
        weight: Decimal

    cues = {"height": "height, tall", "weight": "weight, weighs"}
    told = "the mass index of somebody who is 5 ft 10 in tall and weighs 70 kg"
    units = {"height": "in", "weight": "kg"}
    found = fill(told, Person, ["mass index"], cues, units=units, digits={"height": 6})
    assert found == Person(Decimal(70), Decimal(70))


def test_only_a_truth_value_may_be_denied() -> None:
    assert payment("A loan at a rate of 5%, not fixed") is None
    assert fill("Compare [1, 2] and [4, 5], don't use level 3", Samples, ["compare"], SAMPLES) is None


def test_a_word_that_differs_in_one_letter_from_a_cue_may_be_another_word() -> None:
    @dataclass(frozen=True)
    class Deal:
        contract: int

    assert fill("A deal with a contrast of 3 and 4 of us", Deal, ["deal"], {"contract": "contract"}) is None
    assert fill("A contrast of 3", Deal, ["contract"], {"contract": "contract"}) is None


@dataclass(frozen=True)
class Samples:
    before: tuple[int, ...]
    after: tuple[Decimal, ...]
    level: Decimal | None
    paired: bool | None


SAMPLES = {
    "before": "before, first",
    "after": "after, second",
    "level": "level",
    "paired": {"true": "paired", "false": "independent"},
}


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("Compare before 1, 2, 3 and after [4.5, 5]", Samples((1, 2, 3), (Decimal("4.5"), Decimal(5)), None, None)),
        ("Compare after 4, 5 with before 1, 2", Samples((1, 2), (Decimal(4), Decimal(5)), None, None)),
        ("Compare [1, 2] and [4, 5] at level 3, paired", Samples((1, 2), (Decimal(4), Decimal(5)), Decimal(3), True)),
        ("Compare [1, 2] and [4, 5], not paired", Samples((1, 2), (Decimal(4), Decimal(5)), None, False)),
        ("Compare independent [1, 2] and [4, 5]", Samples((1, 2), (Decimal(4), Decimal(5)), None, False)),
        ("Compare [1, 2] and [4, 5] and [6, 7]", None),
        ("Compare [1.5, 2] and [4, 5]", None),
        ("Compare paired, independent [1, 2] and [4, 5]", None),
    ],
)
def test_rows_go_to_lists_by_name_or_in_order(request_text: str, expected: Samples | None) -> None:
    assert fill(request_text, Samples, ["compare"], SAMPLES) == expected


@dataclass(frozen=True)
class Visit:
    museum: str
    day: date
    guests: tuple[str, ...]
    guided: bool


VISIT = {
    "museum": "at, * museum",
    "day": "on",
    "guests": "guests, with",
    "guided": "guided, alone=false",
}


def test_texts_dates_lists_and_truth_values_are_filled() -> None:
    told = "A guided visit to the Fram museum on May 3, 2027 with Ann, Bo and Cy"
    assert fill(told, Visit, ["visit"], VISIT) == Visit("Fram", date(2027, 5, 3), ("Ann", "Bo", "Cy"), True)
    alone = fill("Visit the Fram museum on May 3, 2027 alone with Ann", Visit, ["visit"], VISIT)
    assert alone is not None and alone.guided is False
    assert fill("Visit the Fram museum with Ann, guided", Visit, ["visit"], VISIT) is None
    assert fill("Visit it on May 3 or May 4, 2027 with Ann, guided", Visit, ["visit"], VISIT) is None


def test_a_list_of_dates_takes_them_all() -> None:
    @dataclass(frozen=True)
    class Days:
        days: tuple[date, ...]

    told = "free on May 3, 2027 and 2027-05-09"
    assert fill(told, Days, ["free"], {"days": "on"}) == Days((date(2027, 5, 3), date(2027, 5, 9)))
    assert fill("free on no day", Days, ["free"], {"days": "on"}) is None


def test_prescribed_decimals_and_multiples_of_pi() -> None:
    @dataclass(frozen=True)
    class Arc:
        start: Decimal
        end: Decimal

    cues = {"start": "start, from", "end": "end, to"}
    found = fill("Draw an arc from -pi/2 to 2 pi", Arc, ["arc"], cues, digits={"start": 4, "end": 2})
    assert found == Arc(Decimal("-1.5708"), Decimal("6.28"))


def test_numbers_know_their_place_in_the_request() -> None:
    found = trip("A trip of 300 km\nat 25 m/s")
    assert found is not None and str(place_of(found.speed)) == "line 2, column 4"


@pytest.mark.parametrize(
    ("cues", "more", "why"),
    [
        ({**TRIP, "days": "days"}, {}, "Trip has no field 'days'; its fields are distance, speed."),
        (TRIP, {"units": {"weight": "kg"}}, "Trip has no field 'weight'; its fields are distance, speed."),
        (TRIP, {"fractions": "rate"}, "Trip has no field 'rate'; its fields are distance, speed."),
        (TRIP, {"digits": {"speed": 30}}, "The field 'speed' is to have 30 decimals; 0 to 9 are read."),
        ({**TRIP, "speed": ["at"]}, {}, "The cues of the field 'speed' are ['at']; write them in one text."),
        ({"distance": "km"}, {}, "The field 'speed' has no cues; give every field of Trip some."),
        ({**TRIP, "speed": "speed, slow=few"}, {}, "A word implies 'few' for the field 'speed', which is 'Decimal'."),
        ({**TRIP, "speed": "speed, @size"}, {}, "'@size' names no field; the fields are distance, speed."),
        (
            {**TRIP, "speed": {"10": "slow"}},
            {},
            "The field 'speed' is 'Decimal' and has words for '10'. Words for each value are for closed sets of texts, "
            "and for 'true' and 'false' of truth values.",
        ),
    ],
)
def test_cues_that_do_not_fit_the_class_are_refused(cues: Any, more: Any, why: str) -> None:
    with pytest.raises(ValueError) as raised:
        fill("A trip", Trip, ["trip"], cues, **more)
    assert str(raised.value) == why


def test_a_type_that_is_not_read_from_words_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        parts: tuple[Trip, ...]

    with pytest.raises(ValueError, match=r"The field 'parts' is 'tuple\[Trip, ...\]', which is not read here; read it"):
        fill("A trip", Odd, ["trip"], {"parts": "parts"})


@pytest.mark.parametrize(
    "text", ["1, ", "trip 3 km by ", "before 1, 2 after ", "pi/2 ", "speed ", "basic ", "\x00", "@* "]
)
def test_hostile_requests_are_read_in_bounded_time(text: str) -> None:
    started = time.process_time()
    trip("trip " + text * 100_000)
    fill("compare " + text * 100_000, Samples, ["compare"], SAMPLES)
    fill("loan basic " + text * 100_000, Payment, ["loan"], PAYMENT)
    assert time.process_time() - started < 10
