"""Pages whose wording and setting nobody had in mind: what stands near a label is still told from what does not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from compiled_ai.library.labels import bare_label, find_label
from compiled_ai.library.layout import Page
from compiled_ai.library.places import place_of


def test_an_alternate_number_is_not_the_number() -> None:
    page = Page.from_text("Alt Order #   8899001\nExternal Order No: 771\nOrder Ref     1\nContract      4410022\n")
    assert page.labelled("Order #", "Contract #", kind="identifier") == "4410022"
    assert page.labelled("Alt Order #", kind="identifier") == "8899001"


@pytest.mark.parametrize(
    ("label", "number", "dated"),
    [
        ("Contract #", "contract", None),
        ("Begin Date", None, "begin"),
        ("Invoice Number", "invoice", None),
        ("Total", None, None),
        ("#", None, None),
    ],
)
def test_a_label_may_leave_out_what_its_value_shows(label: str, number: str | None, dated: str | None) -> None:
    assert (bare_label(label), bare_label(label, dated=True)) == (number, dated)


def test_a_bare_label_is_taken_where_no_whole_one_has_a_value() -> None:
    page = Page.from_text("Contract    4410022      Begins: 2020-06-08\n")
    assert page.labelled("Contract Number", kind="identifier") == "4410022"
    assert page.labelled("Begin Date", kind="date") == date(2020, 6, 8)
    assert page.labelled("Contract Number", kind="name") is None


def test_a_label_in_the_plural_is_found_in_the_singular_with_less_quality() -> None:
    assert [found.quality for found in find_label("Total  Totals", "Totals")] == [0.88, 1.0]
    assert Page.from_text("Subtotal  $8.00\nTotal  $9.00\n").labelled("Totals", kind="money") == Decimal("9.00")


def test_a_net_total_is_not_the_total() -> None:
    page = Page.from_text("Net Total      $850.00\nGross Amount   $1,000.00\n")
    assert page.labelled("Totals", "Gross Amount", kind="money") == Decimal("1000.00")


def test_a_second_label_before_the_value_is_skipped() -> None:
    assert Page.from_text("Advertiser: Name: Oak Pine\n").labelled("Advertiser", kind="name") == "Oak Pine"
    assert Page.from_text("Advertiser   Name: Oak Pine\n").labelled("Advertiser", kind="name") == "Oak Pine"


def test_running_text_is_no_label() -> None:
    terms = "Advertiser may not settle any claim that imposes an obligation on it without prior written\nconsent.\n"
    page = Page.from_text(terms + "                Advertiser\n                Oak Pine\n")
    assert page.labelled("Advertiser", kind="name") == "Oak Pine"
    assert Page.from_text("the Advertiser is liable\n").labelled("Advertiser", "Client", kind="name") != "Oak Pine"


def test_a_value_that_stands_beside_its_label_on_every_page_wins() -> None:
    head = "                Advertiser\n                Oak Pine\n\n"
    page = Page.from_text("Advertiser      Elm Street Station\n" + head * 3)
    assert page.labelled("Advertiser", kind="name") == "Oak Pine"
    once = Page.from_text("Advertiser      Elm Street Station\n" + head)
    assert once.labelled("Advertiser", kind="name") == "Elm Street Station"


def test_a_page_with_a_blank_line_after_every_line_is_read_as_without() -> None:
    text = (
        "Contract Dates         Estimate\n06/08/20 - 06/13/20    118\n"
        "Advertiser  Citizens for Open    Code  7\n            Schools\n"
    )
    for page in (Page.from_text(text), Page.from_text(text.replace("\n", "\n\n"))):
        span = page.labelled("Contract Dates", kind="date_range")
        assert span is not None and (span.start, span.end) == (date(2020, 6, 8), date(2020, 6, 13))
        assert page.labelled("Advertiser", kind="name") == "Citizens for Open Schools"


def test_beside_a_total_without_symbols_the_largest_amount_is_the_total() -> None:
    page = Page.from_text("Totals     158.62    50    20,530.00    (3,079.50)\n")
    assert page.labelled("Totals", kind="money") == Decimal("20530.00")
    assert page.labelled("Totals", kind="money", side="right") == Decimal("20530.00")


def test_a_count_beside_a_total_is_passed_over_for_the_amount() -> None:
    page = Page.from_text("Grand Total: 7      $160.00\nRate  $20.00  $30.00\n")
    assert page.labelled("Grand Total", kind="money") == Decimal("160.00")


def test_a_name_keeps_a_code_in_parentheses_beside_it_or_below_it() -> None:
    page = Page.from_text("Advertiser   Novak 2020 (811142)\n")
    assert page.labelled("Advertiser", kind="name") == "Novak 2020 (811142)"
    page = Page.from_text("Advertiser   Novak 2020      Original Date   04/16/20\n             (811142)\n")
    name = page.labelled("Advertiser", kind="name")
    place = place_of(name)
    assert name == "Novak 2020 (811142)" and place is not None and len(place.spans) == 2


def test_the_label_of_the_next_column_is_no_part_of_a_name() -> None:
    page = Page.from_text("Advertiser   LAKE COUNTY FORWARD INVOICE DATE     03/29/20\n")
    assert page.labelled("Advertiser", kind="name") == "LAKE COUNTY FORWARD"


def test_an_address_is_a_worse_name_than_a_name() -> None:
    page = Page.from_text("Advertiser\nwww.example.org\n\n")
    (candidate,) = page.candidates("Advertiser", kind="name")
    assert candidate.score < Page.from_text("Advertiser\nOak Pine\n").candidates("Advertiser", kind="name")[0].score


def test_dates_with_two_kinds_of_slips_are_read() -> None:
    span = Page.from_text("Flight Dates   06704/20-06/i1/20\n").labelled("Flight Dates", kind="date_range")
    assert span is not None and (span.start, span.end) == (date(2020, 6, 4), date(2020, 6, 11))


def test_a_line_with_a_label_of_its_own_is_no_second_line_of_a_name() -> None:
    page = Page.from_text(
        "Advertiser:  Friends of a Clean Harbour        Agency: Sail Media\n"
        "Product:     General Election                  Estimate #: 5521\n"
    )
    assert page.labelled("Advertiser", lines=2) == "Friends of a Clean Harbour"


def test_a_name_goes_on_where_the_line_below_has_no_label() -> None:
    page = Page.from_text(
        "Advertiser:  Friends of a Clean Harbour and    Agency: Sail Media\n"
        "             Quiet Bay                         Estimate #: 5521\n"
    )
    assert page.labelled("Advertiser", lines=2) == "Friends of a Clean Harbour and Quiet Bay"
