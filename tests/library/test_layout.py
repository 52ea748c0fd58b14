"""Pages: labels, values, tables and totals, on synthetic pages."""

import re
import time
from datetime import date
from decimal import Decimal

import pytest

from compiled_ai.library.addresses import issuer_address, parse_us_address
from compiled_ai.library.issuers import issuer
from compiled_ai.library.layout import Page
from compiled_ai.library.places import place_of

FORM = """\
                                   INVOICE
Acme Fixtures LLC                                   Invoice No.      A-20417
12 Harbour Road                                     Invoice Date     03/09/2021
Portland, OR 97201                                  Terms            Net 30

Customer                      Contract Dates                 Estimate #
Northwind Traders             01/02/2021 - 02/28/2021        8177
                              Ordered by: Mary Major         Region: West

Description                   Qty     Rate        Amount
Oak shelf, long                 2     $40.00      $80.00
  with brackets
Pine box                        1     $5.50        $5.50
Totals                          3                 $85.50
"""
PAGE = Page.from_text(FORM)
RECEIPT = [
    [100, 10, 300, 30, "LUCKY MART"],
    [100, 34, 320, 54, "TRADING SDN. BHD."],
    [100, 58, 260, 78, "(123456-X)"],
    [90, 82, 330, 102, "NO. 7, JALAN BESAR,"],
    [90, 106, 330, 126, "43000 KAJANG, SELANGOR"],
    [90, 130, 300, 150, "TEL: 03-1234 5678"],
    [20, 180, 200, 200, "DATE : 07/08/2019"],
    [20, 220, 120, 240, "BREAD"],
    [300, 221, 360, 241, "3.48"],
    [20, 250, 180, 270, "TOTAL EXCL. GST"],
    [300, 253, 360, 273, "3.48"],
    [20, 280, 140, 300, "ROUNDING"],
    [300, 283, 360, 303, "0.02"],
    [20, 310, 200, 330, "TOTAL ROUNDED"],
    [300, 314, 360, 334, "3.50"],
    [20, 340, 90, 360, "CASH"],
    [300, 345, 360, 365, "5.00"],
    [20, 370, 110, 390, "CHANGE"],
    [300, 376, 360, 396, "1.50"],
]


def test_a_label_that_is_not_there_gives_nothing() -> None:
    assert PAGE.labelled("Passport", kind="identifier") is None
    assert Page.from_text("").labelled("Total", kind="money") is None
    assert Page.from_boxes([]).total() is None


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="Unknown kind 'colour'. Known: date"):
        PAGE.labelled("Terms", kind="colour")  # type: ignore[call-overload]


def test_a_box_without_text_is_refused() -> None:
    with pytest.raises(ValueError, match="is no box"):
        Page.from_boxes([[1, 2, 3, 4, 5]])


def test_values_right_of_below_and_inside_are_found() -> None:
    assert PAGE.labelled("Invoice #", kind="identifier") == "A-20417"
    assert PAGE.labelled("Customer", kind="name") == "Northwind Traders"
    assert PAGE.labelled("Ordered by") == "Mary Major"
    assert PAGE.labelled("Estimate Number", kind="number") == 8177
    assert PAGE.labelled("Invoice Date", kind="date") == date(2021, 3, 9)


def test_a_range_below_its_label_has_two_places() -> None:
    found = PAGE.labelled("Contract Dates", kind="date_range")
    assert found is not None and (found.start, found.end) == (date(2021, 1, 2), date(2021, 2, 28))
    assert place_of(found.start) != place_of(found.end)


def test_alternatives_are_taken_in_order() -> None:
    assert PAGE.labelled("Order #", "Invoice #", "Estimate #", kind="identifier") == "A-20417"


def test_the_side_can_be_fixed() -> None:
    assert PAGE.value_below("Customer", kind="name") == "Northwind Traders"
    assert PAGE.labelled("Invoice No", kind="date", side="right") is None


def test_slips_of_ocr_in_a_label_are_forgiven() -> None:
    assert Page.from_text("lnvoice Numbcr    4471").labelled("Invoice Number", kind="identifier") == "4471"
    assert Page.from_text("OrderFlight   01/02/20-01/05/20").labelled("Order Flight", kind="date_range") is not None


def test_a_longer_label_is_not_taken_for_the_short_one() -> None:
    page = Page.from_text("Total Spots:  22   Total CPP: $3.00\nTotal:  $99.00")
    assert page.labelled("Total", kind="money") == Decimal("99.00")


def test_a_name_goes_on_in_the_next_line_of_its_column() -> None:
    page = Page.from_text("  Advertiser: Committee to Defend     Market: Reno\n              the President\n")
    name = page.labelled("Advertiser", kind="name")
    assert name == "Committee to Defend the President"
    place = place_of(name)
    assert place is not None and len(place.spans) == 2


def test_a_pattern_is_a_kind() -> None:
    assert PAGE.labelled("Terms", kind=re.compile(r"Net (\d+)")) == "30"
    assert PAGE.find_all(re.compile(r"[A-Z]-\d{5}")) == ("A-20417",)


def test_candidates_are_ranked() -> None:
    best = PAGE.candidates("Invoice Date", "Contract Dates", kind="date")
    assert best[0].value == date(2021, 3, 9) and best[0].score > best[-1].score


def test_a_table_gives_records_and_joins_continued_lines() -> None:
    first, second = PAGE.table("Description", "Qty", "Amount")
    assert first == {"Description": "Oak shelf, long with brackets", "Qty": "2", "Amount": "$80.00"}
    assert second["Description"] == "Pine box"


def test_values_are_found_without_a_label() -> None:
    assert PAGE.largest() == Decimal("85.50")
    assert PAGE.first("date") == date(2021, 3, 9)
    assert len(PAGE.find_all("money")) == 5


def test_blocks_are_columns_of_lines() -> None:
    assert any(block.lines[:2] == ("Acme Fixtures LLC", "12 Harbour Road") for block in PAGE.blocks())


def test_a_receipt_is_read_from_its_boxes() -> None:
    page = Page.from_boxes(RECEIPT, order="dmy")
    assert issuer(page) == "LUCKY MART TRADING SDN. BHD."
    assert issuer_address(page) == "NO. 7, JALAN BESAR, 43000 KAJANG, SELANGOR"
    assert page.first("date") == date(2019, 8, 7)
    assert page.total() == Decimal("3.50")
    assert [line.role for line in page.totals()] == ["subtotal", "rounding", "total", "paid", "change"]


def test_the_order_of_the_boxes_does_not_matter() -> None:
    page = Page.from_boxes(list(reversed(RECEIPT)))
    assert page.lines == Page.from_boxes(RECEIPT).lines


def test_a_us_address_is_split() -> None:
    found = parse_us_address("222 W. Ontario St Ste 600, Chicago, IL 60654")
    assert found is not None
    assert (found.street, found.unit, found.city, found.state, found.zip) == (
        "222 W. Ontario St",
        "Ste 600",
        "Chicago",
        "IL",
        "60654",
    )
    assert parse_us_address("no state here") is None


@pytest.mark.parametrize(
    "text",
    [
        "total amount due " * 60_000,
        "1" * 1_000_000,
        "(" * 1_000_000,
        "a:" * 500_000,
        "Invoice #\n" * 100_000,
        "$ " * 500_000,
        "|a" * 500_000,
    ],
    ids=["one line", "digits", "brackets", "colons", "labels", "symbols", "columns"],
)
def test_a_hostile_page_of_a_megabyte_ends_soon(text: str) -> None:
    started = time.process_time()
    page = Page.from_text(text)
    page.labelled("Invoice #", "Total", kind="money")
    page.labelled("Amount Due", kind="name")
    issuer(page), issuer_address(page)
    assert time.process_time() - started < 60  # a blow-up takes hours; how fast it is, bench/documents.py says


def test_a_search_gives_the_same_values_and_places_before_and_after_the_cells_were_made() -> None:
    text = "Line\tRate   01/02/20 - 01/31/20 | $5.00\n\n  7   (3.50)   Jan 5, 2020  RM 2.00\n"
    fresh, used = Page.from_text(text), Page.from_text(text)
    assert [cell.text for cell in used.cells][:2] == ["Line", "Rate"]
    for kind in ("money", "date", "number"):
        one, other = fresh.find_all(kind), used.find_all(kind)
        assert one == other and [*map(place_of, one)] == [*map(place_of, other)] and one
    places = [place for value in fresh.find_all("money") if (place := place_of(value))]
    assert [text[place.start : place.end] for place in places] == ["$5.00", "(3.50)", "RM 2.00"]


def test_a_row_of_boxes_is_searched_box_by_box() -> None:
    page = Page.from_boxes([[0, 0, 20, 10, "TOTAL 1.00"], [40, 1, 60, 11, "RM 2.50"], [0, 40, 20, 50, "3.75"]])
    places = [place_of(value) for value in page.find_all("money")]
    assert [place.boxes for place in places if place] == [(0,), (1,), (2,)]
