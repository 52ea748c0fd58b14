"""Doubt: values of a page that stand well, and those that the page leaves open."""

import time
from datetime import date
from decimal import Decimal

from compiled_ai.library.dates import DateRange
from compiled_ai.library.doubt import sure
from compiled_ai.library.layout import Page
from compiled_ai.library.places import place_of

HEAD = """\
Advertiser     Citizens for Clear Water        Contract #     4966943
Agency         Harbor Lane Media               Flight Dates   03/23/20 - 04/05/20
Product        CITIZENS  for Clear Water       Gross Total    $1,250.00
"""
PAGE = Page.from_text(HEAD)


def test_what_is_not_there_is_not_sure() -> None:
    assert sure(PAGE, None, "Advertiser", kind="name") is None


def test_a_value_right_beside_its_exact_label_is_kept_with_its_place() -> None:
    number = sure(PAGE, PAGE.labelled("Contract #", kind="identifier"), "Order #", "Contract #", kind="identifier")
    assert number == "4966943"
    assert place_of(number) == place_of(PAGE.labelled("Contract #", kind="identifier"))


def test_a_value_that_none_of_the_labels_gives_is_in_doubt() -> None:
    assert sure(PAGE, "Harbor Lane Media", "Advertiser", kind="name") is None
    assert sure(PAGE, "4966943", kind="identifier") is None


def test_a_label_with_slips_of_recognition_leaves_a_doubt() -> None:
    page = Page.from_text("Adverliscr     Citizens for Clear Water\n")
    name = page.labelled("Advertiser", kind="name")
    assert name == "Citizens for Clear Water"
    assert sure(page, name, "Advertiser", kind="name") is None
    assert sure(page, name, "Advertiser", kind="name", least=0.5) == name


def test_of_several_labels_the_one_that_supports_the_value_best_counts() -> None:
    page = Page.from_text("Order for the air time of Contract 4966943\nContract #     4966943\n")
    assert sure(page, "4966943", "Contract #", "Contract", kind="identifier") == "4966943"


def test_a_name_counts_as_printed_again_whatever_its_case_and_spaces() -> None:
    name = PAGE.labelled("Advertiser", kind="name")
    assert sure(PAGE, name, "Advertiser", kind="name", times=2) == name
    assert sure(PAGE, name, "Advertiser", kind="name", times=3) is None


def test_a_part_of_a_longer_word_is_not_the_value_printed_again() -> None:
    page = Page.from_text("Contract #     4966\nExternal #     49661\n")
    assert sure(page, "4966", "Contract #", kind="identifier", times=2) is None


def test_a_name_over_two_lines_is_known_by_its_first() -> None:
    page = Page.from_text(
        "Advertiser: Open Schools and Rural    Total:  $5.00\n"
        "            Clinics                   Spots:  4\n"
        "Product: Open Schools and Rural\n"
    )
    name = page.labelled("Advertiser", kind="name")
    assert name == "Open Schools and Rural Clinics"
    assert sure(page, name, "Advertiser", kind="name", times=2) == name


def test_dates_and_amounts_count_by_value() -> None:
    page = Page.from_text(
        "Gross Total    $1,250.00\nPaid           1250.00\nDue Date       03/23/20\nShip Date      3/23/2020\n"
    )
    assert sure(page, Decimal("1250"), "Gross Total", kind="money", times=2) == Decimal("1250")
    assert sure(page, date(2020, 3, 23), "Due Date", kind="date", times=2) == date(2020, 3, 23)
    assert sure(page, date(2020, 3, 23), "Due Date", kind="date", times=3) is None


def test_a_range_of_dates_is_kept_as_a_range() -> None:
    flight: DateRange | None = sure(
        PAGE, PAGE.labelled("Flight Dates", kind="date_range"), "Flight Dates", kind="date_range"
    )
    assert flight is not None and (flight.start, flight.end) == (date(2020, 3, 23), date(2020, 4, 5))


def test_a_hostile_page_does_not_hang() -> None:
    page = Page.from_text(HEAD + "Citizens for" + " " * 200_000 + "Citizens  for Clear Wate" * 20_000)
    started = time.process_time()
    sure(page, "Citizens for Clear Water", "Advertiser", kind="name", times=3)
    assert time.process_time() - started < 60
