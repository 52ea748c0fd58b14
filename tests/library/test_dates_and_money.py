"""Dates and amounts as they are printed."""

from datetime import date
from decimal import Decimal

import pytest

from compiled_ai.library.dates import add_months, age_on, find_dates, month_range, parse_date, parse_range
from compiled_ai.library.money import currency_of, find_amounts, parse_amount, parse_number, plain_amount


@pytest.mark.parametrize(
    "text", ["", "31/31/2020", "02/30/20", "12:30", "05.22.95.66.66", "555-1234", "6/8", "May 2020"]
)
def test_what_is_no_date_is_not_read_as_one(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("06/08/20", date(2020, 6, 8)),
        ("13/08/20", date(2020, 8, 13)),
        ("2020-06-08 14:30", date(2020, 6, 8)),
        ("7 May 2018", date(2018, 5, 7)),
        ("7-MAY-18", date(2018, 5, 7)),
        ("Apr 7, 2020", date(2020, 4, 7)),
        ("September 1st, 1999", date(1999, 9, 1)),
        ("l2/O3/2O18", date(2018, 12, 3)),
        ("20171231", date(2017, 12, 31)),
        ("12/30/69", date(1969, 12, 30)),
    ],
)
def test_dates_are_read_in_american_order(text: str, expected: date) -> None:
    assert parse_date(text) == expected


def test_the_order_decides_and_an_impossible_month_swaps() -> None:
    assert parse_date("08/06/2020", order="dmy") == date(2020, 6, 8)
    assert parse_date("06/13/2020", order="dmy") == date(2020, 6, 13)


def test_a_base_date_completes_a_year_and_a_century() -> None:
    assert parse_date("12/28", base=date(2020, 1, 3)) == date(2019, 12, 28)
    assert parse_date("01/02/45", base=date(1950, 1, 1)) == date(1945, 1, 2)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("06/08/20-06/13/20", date(2020, 6, 8), date(2020, 6, 13)),
        ("Apr 7, 2020 - Apr 13, 2020", date(2020, 4, 7), date(2020, 4, 13)),
        ("12/30/19 through 3/29/20", date(2019, 12, 30), date(2020, 3, 29)),
        ("4/17 - 4/23/20", date(2020, 4, 17), date(2020, 4, 23)),
        ("12/28 - 1/3/20", date(2019, 12, 28), date(2020, 1, 3)),
    ],
)
def test_ranges_of_dates_are_read(text: str, start: date, end: date) -> None:
    found = parse_range(text)
    assert found is not None and (found.start, found.end) == (start, end)


def test_a_range_that_runs_backwards_or_has_one_date_is_none() -> None:
    assert parse_range("06/13/20 - 06/08/20") is None
    assert parse_range("06/13/20") is None


def test_dates_are_found_in_order_with_their_characters() -> None:
    text = "from 01/02/20 to 03/04/20"
    assert [text[one.start : one.end] for one in find_dates(text)] == ["01/02/20", "03/04/20"]


def test_months_and_ages_are_counted_by_the_calendar() -> None:
    assert add_months(date(2020, 1, 31), 1) == date(2020, 2, 29)
    assert add_months(date(2020, 1, 31), -13) == date(2018, 12, 31)
    assert age_on(date(2004, 2, 29), date(2022, 2, 28)) == 17
    assert month_range(2023, 12).end == date(2023, 12, 31)


@pytest.mark.parametrize("text", ["", "abc", "SS21/39", "03:55", "06/08/20", "12.50 and more", "5%", "(603) 555 1234"])
def test_what_is_no_amount_alone_is_none(text: str) -> None:
    assert parse_amount(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1,234.50", "1234.50"),
        ("RM 13.50", "13.50"),
        ("-RM0.01", "-0.01"),
        ("(12.00)", "-12.00"),
        ("$(1,200.00)", "-1200.00"),
        ("12.00-", "-12.00"),
        ("1.234,56 €", "1234.56"),
        ("1,234", "1234"),
        ("1O.5O", "10.50"),
        ("12. 50", "12.50"),
        (".05", "0.05"),
        ("12.50 CR", "-12.50"),
    ],
)
def test_amounts_are_read_exactly(text: str, expected: str) -> None:
    assert parse_amount(text) == Decimal(expected)


def test_the_decimal_mark_can_be_fixed() -> None:
    assert parse_amount("1.234", decimal_mark=",") == Decimal("1234")
    assert parse_amount("1.234", decimal_mark=".") == Decimal("1.234")


def test_an_amount_that_contradicts_its_decimal_mark_is_none() -> None:
    assert parse_amount("1.234,56", decimal_mark=".") is None
    assert parse_amount("1,234.56", decimal_mark=",") is None
    assert [one.value for one in find_amounts("1.234,56 and 7.50", decimal_mark=".")] == [Decimal("7.50")]


@pytest.mark.parametrize("text", ["augu\u017ft 5, 2020", "janv\u0130er 5, 2020", "5 \u017fep 2020"])
def test_a_month_in_letters_that_only_look_alike_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("text", "value", "start", "end"),
    [
        ("due -$ 5.00", "-5.00", 4, 11),
        ("due ($5.00) now", "-5.00", 4, 11),
        ("due ($5.00 now", "5.00", 5, 10),
        ("due RM: 5.00", "5.00", 4, 12),
        ("due 5.00 USD", "5.00", 4, 12),
        ("form 5.00", "5.00", 5, 9),
        ("5.00 criminal", "5.00", 0, 4),
    ],
)
def test_the_signs_and_currencies_beside_an_amount_belong_to_it(text: str, value: str, start: int, end: int) -> None:
    (found,) = find_amounts(text)
    assert (found.value, found.start, found.end) == (Decimal(value), start, end)


def test_numbers_percentages_and_currencies() -> None:
    assert parse_number("12.5%") == Decimal("12.5")
    assert parse_number("x 12.5") is None
    assert currency_of("Total RM51.30") == "MYR" and currency_of("51.30") is None
    assert plain_amount(Decimal("5")) == "5.00"
    assert [one.value for one in find_amounts("2 x $5.00 = 10.00 @6%")] == [2, 5, 10, 6]
