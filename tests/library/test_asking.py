"""Arguments of a call are read from plain words; what is not clear is left out."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal

import pytest

from compiled_ai.library.asking import Asked
from compiled_ai.library.places import place_of


def test_a_number_belongs_to_the_word_beside_it() -> None:
    ask = Asked("Calculate the area of a triangle with a base of 10 units and height of 5 units.")
    assert ask.numbers({"base": "base", "height": "height, tall"}) == {"base": 10, "height": 5}


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("$2 million at 5% for ten years", {"amount": 2_000_000, "rate": 5, "years": 10}),
        ("over 20 years, amount 1,500.50, rate: 2.5 percent", {"amount": "1500.50", "rate": "2.5", "years": 20}),
        ("rate=3 amount=-7 years=1e2", {"amount": -7, "rate": 3, "years": 100}),
        ("the amount is $5k, the rate twenty-five %, three years", {"amount": 5000, "rate": 25, "years": 3}),
    ],
)
def test_numbers_are_read_however_they_are_written(request_text: str, expected: dict[str, object]) -> None:
    found = Asked(request_text).numbers({"amount": "amount, $", "rate": "rate, %", "years": "years"})
    assert found == {name: Decimal(str(value)) for name, value in expected.items()}


def test_a_percentage_is_a_fraction_where_one_is_wanted() -> None:
    ask = Asked("5% interest and 12% tax")
    found = ask.numbers({"interest": "interest", "tax": "tax"}, fractions="interest")
    assert found == {"interest": Decimal("0.05"), "tax": 12}


@pytest.mark.parametrize(
    "request_text", ["sides 3, 4 and 5", "its three sides are 3 units, 4 units and 5 units long", "lengths: 3, 4, 5"]
)
def test_numbers_in_a_row_go_to_arguments_of_equal_rank_in_order(request_text: str) -> None:
    cues = "side, length"
    assert Asked(request_text).numbers({"a": cues, "b": cues, "c": cues}) == {"a": 3, "b": 4, "c": 5}


def test_numbers_without_a_cue_are_given_in_order_only_if_equally_many() -> None:
    assert Asked("What do 36 and 48 have in common?").numbers({"x": "first", "y": "second"}) == {"x": 36, "y": 48}
    assert Asked("What do 36, 48 and 60 have in common?").numbers({"x": "first", "y": "second"}) == {}


def test_a_word_that_counts_things_is_no_value_beside_written_numbers() -> None:
    ask = Asked("Find the divisor of two numbers, say 36 and 48.")
    assert ask.numbers({"x": "first", "y": "second"}) == {"x": 36, "y": 48}


def test_an_optional_argument_needs_a_cue() -> None:
    ask = Asked("The 10 best films of 1994")
    assert ask.numbers({"year": "of, year"}, {"limit": "limit"}) == {"year": 1994}


def test_no_number_is_given_twice() -> None:
    assert Asked("a width of 20").numbers({"width": "width", "height": "width"}) == {"width": 20}


@pytest.mark.parametrize(
    "request_text", ["case CA123456", "docket 2022/AL2562", "at 6:30", "on March 3, 2024", "m/s^2"]
)
def test_numbers_within_codes_times_and_dates_are_none(request_text: str) -> None:
    assert Asked(request_text).numbers({"n": "case, docket, at, on, m"}) == {}


def test_a_single_letter_is_a_cue_only_if_it_is_linked() -> None:
    cues = {"a": "a", "b": "b", "c": "c"}
    assert Asked("a = 3, b = -11 and c is 4").numbers(cues) == {"a": 3, "b": -11, "c": 4}
    assert Asked("a 5 meter rope and more, 6, 7, 8").numbers({"a": "a", "x": "x"}) == {}


def test_a_long_cue_may_be_misspelt_in_one_letter() -> None:
    cues = {"acceleration": "acceleration", "time": "time"}
    assert Asked("an acceeleration of 9.8 for a time of 5").numbers(cues) == {"acceleration": Decimal("9.8"), "time": 5}
    assert not Asked("a celebration").mentions("acceleration") and not Asked("the times").mentions("dimes")


def test_lists_of_numbers_keep_their_order() -> None:
    assert Asked("compare [1, 2, 3] with 4.5, 5 and 6").number_lists() == ((1, 2, 3), (Decimal("4.5"), 5, 6))
    assert Asked("one 5 alone").number_lists() == ()


def test_the_unit_is_the_word_behind_the_number() -> None:
    assert Asked("a circle with a radius of 4 inches").unit("radius") == "inches"
    assert Asked("a radius of 4 and more").unit("radius") is None
    assert Asked("a circle").unit("radius") is None


SONG = "Find the lyrics to the song 'Bohemian Rhapsody' by Queen in San Diego, California."


@pytest.mark.parametrize(
    ("request_text", "after", "before", "expected"),
    [
        (SONG, "song", "", "Bohemian Rhapsody"),
        (SONG, "by", "", "Queen"),
        ("the profile of basketball player Lebron James", "of", "", "Lebron James"),
        ("the hours of the Museum of Modern Art today", "of", "", "Museum of Modern Art"),
        ("Get the closest sushi restaurant", "", "restaurant", "sushi"),
        ("Apple's stock", "", "stock", "Apple"),
        ("Find a lawyer", "city", "company", None),
        ("Who is Isaac Newton?", "", "", "Isaac Newton"),
        ("Compare Apple with Google", "", "", None),
        ("", "in", "", None),
    ],
)
def test_a_text_stands_beside_its_cue(request_text: str, after: str, before: str, expected: str | None) -> None:
    assert Asked(request_text).text(after, before) == expected


def test_a_place_may_be_given_with_its_state() -> None:
    assert Asked(SONG).place() == "San Diego, California"
    assert Asked(SONG).place(state=True) == "San Diego, CA"
    assert Asked("museums in Boston").place(state=True) == "Boston, MA"
    assert Asked("museums in Lisbon").place(state=True) == "Lisbon"
    assert Asked("museums in general").place() is None


def test_the_items_of_a_list_are_parted_by_commas_and_words() -> None:
    ask = Asked("Find a recipe with milk, eggs and oat flakes for 4 people")
    assert ask.texts(after="with") == ("milk", "eggs", "oat flakes")
    assert ask.texts(after="without") == ()


def test_only_one_choice_may_be_mentioned() -> None:
    options = {"celsius": "centigrade", "fahrenheit": ""}
    assert Asked("in centigrade").choice(options) == "celsius"
    assert Asked("celsius or fahrenheit").choice(options) is None
    assert Asked("in kelvin").choice(options) is None


def test_a_flag_can_be_negated() -> None:
    assert Asked("include taxes").flag("tax") is True
    assert Asked("without any tax").flag("tax") is False
    assert Asked("the price").flag("tax") is None


def test_words_are_found_in_any_form() -> None:
    assert Asked("I am booking Rooms").mentions("book, reserve") and Asked("two cities").mentions("city")
    assert not Asked("notebook").mentions("book")


def test_dates_with_a_year_are_found_in_order() -> None:
    assert Asked("from July 10, 2022 to 2022-07-20, not May 1").dates() == (date(2022, 7, 10), date(2022, 7, 20))


def test_values_know_their_place_in_the_request() -> None:
    ask = Asked("Hello,\na song by Queen for 5% on May 3, 2024")
    percent = ask.numbers({"n": "%"}, fractions="n")["n"]
    places = [str(place_of(value)) for value in (ask.text("by"), percent, ask.dates()[0])]
    assert places == ["line 2, column 11", "line 2, column 21", "line 2, column 27"]


@pytest.mark.parametrize(
    "text", ["base 1 ", "Aa, ", "'a ", "1,", "A of ", "1/2/", "two hundred and ", "\u2019s\n", "\x00"]
)
def test_hostile_requests_are_read_in_bounded_time(text: str) -> None:
    started = time.process_time()
    ask = Asked(text * 100_000)
    ask.numbers({"base": "base, a, and", "height": "base, in"}, {"depth": "1, base"})
    ask.text("in, of", "base, the")
    ask.texts("in, of, and")
    ask.place()
    ask.text()
    ask.number_lists()
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("from 0 to 2 pi", ["0", "6.283185307179586476925286766559006"]),
        ("\u2212\u03c0/2 and 3*pi", ["-1.570796326794896619231321691639752", "9.424777960769379715387930149838509"]),
        ("a million and a dozen", ["1000000", "12"]),
        ("two dozen", ["24"]),
        ("a 20x10 room", ["20", "10"]),
        ("[200,300,400] of 1,200", ["200", "300", "400", "1200"]),
        ("a Raspberry Pi 4", ["4"]),
    ],
)
def test_multiples_of_pi_measures_and_bracketed_lists_are_numbers(request_text: str, expected: list[str]) -> None:
    names = {f"n{index}": f"n{index}" for index in range(len(expected))}
    assert list(Asked(request_text).numbers(names).values()) == [Decimal(number) for number in expected]


def test_what_no_cue_names_is_given_in_order_where_only_order_parts_it() -> None:
    cues = {"price": "price", "width": "width", "depth": "depth"}
    assert Asked("price 5, 30 by 12").numbers(cues) == {"price": 5, "width": 30, "depth": 12}
    assert Asked("price 5, first 30 feet then 12 feet").numbers(cues) == {"price": 5, "width": 30, "depth": 12}
    assert Asked("price 5, first 30 and then 12").numbers(cues) == {"price": 5}


def test_a_preposition_names_the_number_behind_it() -> None:
    assert Asked("30 by 12").numbers({"width": "wide", "depth": "by"}) == {"width": 30, "depth": 12}


def test_a_number_word_is_the_value_of_a_word_right_beside_it_only() -> None:
    assert Asked("for two years").numbers({}, {"years": "years"}) == {"years": 2}
    assert Asked("significance between two sets").numbers({}, {"level": "significance"}) == {}


def test_a_denial_reaches_to_the_next_comma() -> None:
    assert Asked("not shy, loud").flag("loud") is True
    assert Asked("has few friends").flag("friend") is False
    assert Asked("it isn\u2019t loud").flag("loud") is False


@pytest.mark.parametrize("form", ["dropped", "dropping", "drops", "Drop"])
def test_a_doubled_consonant_is_a_form_of_the_word(form: str) -> None:
    assert Asked(f"the stone {form} here").mentions("drop")
    assert Asked("gases are mixed").mentions("mix") and not Asked("falling").mentions("fa")


def test_a_text_in_front_ends_at_of() -> None:
    assert Asked("the price of silver wire").text(before="wire") == "silver"
    assert Asked("tickets for the Museum of Modern Art museum").text(before="museum") == "Museum of Modern Art"
