"""Pages that a scanner and OCR went over, and forms with little room: torn amounts, blurred dates, labels cut short."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from compiled_ai.library.dates import parse_date, parse_range
from compiled_ai.library.doubt import sure
from compiled_ai.library.labels import find_abbreviated, fuzzy_positions, is_smudged_label
from compiled_ai.library.layout import Page
from compiled_ai.library.money import find_amounts, repair_digits, torn_amounts
from compiled_ai.library.places import place_of

PRICES = "Rate  $10.00\nRate  $20.00\nRate  $30.00\n"


@pytest.mark.parametrize(
    "text", ["06/08120", "06108/20", "06/08l20", "06i08/20", "06//08/20", "06/08//20", "06704/20", "06/08/2O"]
)
def test_a_date_whose_slash_was_misread_is_read(text: str) -> None:
    assert parse_date(text) == date(2020, 6, 4 if "704" in text else 8)


@pytest.mark.parametrize(
    "text", ["06/08.2020", "06/08:2020", "06-08/2020", "06/08,2020", "06/0812020", "06!08/2020", "06//08/2020"]
)
def test_a_slash_misread_as_another_mark_is_read_with_a_full_year(text: str) -> None:
    assert parse_date(text) == date(2020, 6, 8)


@pytest.mark.parametrize(
    "text",
    [
        "Ref 01-02/03",
        "ratio 10-12/15",
        "10-11/12 pcs",
        "at 12:30/11",
        "at 12:30/2011",
        "10:15-10:30/2020",
        "Paid 05/06:30",
        "spend 12/10.25 USD",
        "spend 12/10125.50",
        "part no 12,05/11",
        "score 11!12/13",
        "06/08.20",
        "06-08/20",
        "06108120",
        "06i08l20",
        "06//08120",
        "10-11/1200",
    ],
)
def test_what_only_resembles_a_blurred_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize("text", ["10-12/08/20", "12/345/67", "06/08120/20"])
def test_what_may_be_another_date_is_not_repaired(text: str) -> None:
    assert parse_date(text) != date(2008, 10, 12)


@pytest.mark.parametrize(
    "text",
    [
        "06/08/20 -06/13/2O",
        "06/08120 - 06/13/20",
        "06/08/20 _ 06/13/20",
        "06/08/20 \u2011 06/13/20",
        "Mon 6/8/20 - Sat 6/13/20",
        "06/08/20 (Mon) - 06/13/20 (Sat)",
        "June 8-13, 2020",
        "Jun 8 to 13 2020",
        "Jun 8-Jun 13 2020",
    ],
)
def test_a_range_is_read_through_slips_and_weekdays(text: str) -> None:
    found = parse_range(text)
    assert found is not None
    assert (found.start, found.end) == (date(2020, 6, 8), date(2020, 6, 13))


def test_a_range_within_a_month_knows_its_places() -> None:
    found = Page.from_text("Flight   June 8-13, 2020\n").labelled("Flight", kind="date_range")
    assert found is not None
    places = [place_of(day) for day in (found.start, found.end)]
    assert [(place.spans[0].start, place.spans[0].end) for place in places if place] == [(9, 15), (16, 24)]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$1 ,915.00", "1915.00"),
        ("$1,915 .00", "1915.00"),
        ("$13, 160. 00", "13160.00"),
        ("$1;915.00", "1915.00"),
        ("$1,915 .00  Net", "1915.00"),
        ("$1,915 .00.", "1915.00"),
        ("$5,950,00", "5950.00"),
        ("$100 .15", "100.15"),
        ("$1,91500", "1915.00"),
        ("S1,915.00", "1915.00"),
        ("$1,915.O0", "1915.00"),
        ("$1,915.00", "1915.00"),
        ("$1,915", "1915"),
    ],
)
def test_an_amount_that_was_torn_is_put_together(text: str, amount: str) -> None:
    assert Page.from_text(f"Gross Total   {text}\n{PRICES}").labelled("Gross Total", kind="money") == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$500. 30 day terms", "500"),
        ("$500. 30-day terms", "500"),
        ("$500. 30% down", "500"),
        ("$450 : 30 spots", "450"),
        ("$200 :30 Qty 4", "200"),
        ("$100 . 15 spots", "100"),
        ("$5. 10 spots", "5"),
        ("$1,915. 30 spots", "1915"),
        ("$2:30 pm", None),
        ("$7:45", None),
        ("$1,915:00", None),
    ],
)
def test_what_follows_an_amount_is_not_made_its_cents(text: str, amount: str | None) -> None:
    expected = None if amount is None else Decimal(amount)
    assert Page.from_text(f"Total: {text}\n").labelled("Total", kind="money") == expected
    assert [found.value for found in torn_amounts(text)] == []


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("$1;915:00", []),
        ("$ 1 ;915:00 due", []),
        ("$13, 160. 00 spots", []),
        ("$2, 500, 000 .00 net", []),
        ("$13, 160", []),
        ("$1 ,915", []),
        ("-$1;915:00", []),
        ("$1;915.00", ["1915.00"]),
        ("$1 ,915.00  ($2,500.00)", ["1915.00", "-2500.00"]),
        ("$7.00 $1;915:00 $8.00", ["7.00", "8.00"]),
        ("$30; 150 spots", ["30"]),
        ("$1,500, 200 spots", ["1500"]),
        ("$13,160 .00 spots", ["13160"]),
    ],
)
def test_a_part_of_a_torn_amount_is_no_amount(text: str, amounts: list[str]) -> None:
    page = Page.from_text(f"Total: {text}\n")
    assert [str(found) for found in page.find_all("money")] == amounts
    assert (page.labelled("Total", kind="money") is None) == (amounts == [])


@pytest.mark.parametrize(
    "text",
    [
        "Total Due: $1,200;500 impressions\nInvoice 4471\nTerms net 30\n",
        "Total Due: $1,000, 500\nSpots 12\n",
        "Total Due: $2,500 ,300\nTerms net 30\n",
        "Total Due: $500; 300; 200\nTerms net 30\n",
        "Total Due: $1;915:00 $8.00\n",
        "Total Due   $2,500 ,300   $8.00\n",
        "Total Due   3   5   $2,500 ,300\n",
        "Rate      Spots    Total\n$5.00      3      $2,500 ,300\nTotal Due    $2,500 ,300\n",
        "Total Due\n$2,500 ,300\n$8.00\n",
        "Total Due: $2,500 ,300\nAmount Due: $8.00\n",
    ],
)
def test_an_amount_that_cannot_be_read_answers_its_label(text: str) -> None:
    page = Page.from_text(text)
    labels = ("Total Due", "Amount Due")
    assert page.labelled(*labels, kind="money") is None
    assert page.value_right_of(*labels, kind="money") is None
    assert page.candidates(*labels, kind="money") == ()


def test_an_amount_that_cannot_be_read_answers_for_no_other_label() -> None:
    page = Page.from_text("Total Due: $8.00\nAmount: $2,500 ,300\n")
    assert page.labelled("Total Due", "Amount", kind="money") == Decimal("8.00")
    page = Page.from_text("Total Due:\nAmount: $2,500 ,300\n")
    assert page.labelled("Total Due", kind="money") is None
    page = Page.from_text("Total Due: $7.00 less $2,500 ,300\nTotal Due: $7.00\n")
    assert [one.value for one in page.candidates("Total Due", kind="money")] == [Decimal("7.00")] * 2


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("$1 .50", ["1"]),
        ("12 .50", ["12"]),
        ("5 .25 total", ["5"]),
        ("5 ,25 total", ["5"]),
        ("USD 5 .25", ["5"]),
        ("$2,500 .75 net", ["2500"]),
        ("5\n.25 each", ["5", "0.25"]),
        ("5\t.25", ["5", "0.25"]),
        ("5  .25", ["5", "0.25"]),
        ("at .25", ["0.25"]),
        ("$ .25", ["0.25"]),
        ("$500. 30 days", ["500", "30"]),
        ("$100 . 15 spots", ["100", "15"]),
    ],
)
def test_cents_torn_from_an_amount_are_no_amount(text: str, amounts: list[str]) -> None:
    assert [str(found.value) for found in find_amounts(text)] == amounts


def test_cents_behind_a_tear_end_a_cell() -> None:
    assert list(torn_amounts("$5. 10  spots")) == []
    assert [found.value for found in torn_amounts("$1,915 .00  spots  $5. 10  $7 ,50")] == [
        Decimal("1915.00"),
        Decimal("5.10"),
        Decimal("7.50"),
    ]
    assert repair_digits("12. 50 RM") == "12.50 RM"
    assert repair_digits("$500. 30 day terms") == "$500. 30 day terms"


def test_a_label_whose_second_word_has_a_slip_is_no_value() -> None:
    page = Page.from_text("Advertiser Codc                  Adverti~er\n16                               Oak Pine\n")
    assert page.labelled("Advertiser", kind="name") == "Oak Pine"


@pytest.mark.parametrize(
    ("text", "smudged"),
    [
        ("Codc", True),
        ("Agcncy Rcf", False),
        ("Produt 1", True),
        ("DLC", False),
        ("Reef", True),
        ("Salcs Officc", True),
        ("Oak Pine", False),
    ],
)
def test_words_of_labels_are_known_in_spite_of_one_slip_each(text: str, smudged: bool) -> None:
    assert is_smudged_label(text) is smudged


def test_a_mark_within_a_word_is_a_slip() -> None:
    (found,) = fuzzy_positions("F.ight   6/8/20", "Flight")
    assert (found.start, found.end) == (0, 6)


def test_letters_without_a_meaning_are_no_name() -> None:
    assert Page.from_text("Client  R.f\n").labelled("Client", kind="name", side="right") == "R.f"
    assert Page.from_text("Client  R.f\nClient  Oak Pine\n").labelled("Client", kind="name") == "Oak Pine"
    assert Page.from_text("Client  DLC\n").labelled("Client", kind="name") == "DLC"


def test_labels_cut_short_are_found_where_no_whole_one_has_a_value() -> None:
    page = Page.from_text("ORD# 771204      ADV  OAK PINE      FLT 06/08/20-06/13/20\n")
    assert page.labelled("Order #", kind="identifier") == "771204"
    assert page.labelled("Advertiser", kind="name") == "OAK PINE"
    flight = page.labelled("Flight Dates", "Flight", kind="date_range")
    assert flight is not None and flight.start == date(2020, 6, 8)
    assert find_abbreviated("advance payment", "Advertiser") == []
    assert find_abbreviated("adv", "Salesperson") == []


def test_a_value_below_its_label_is_not_taken_from_the_next_column() -> None:
    page = Page.from_text(
        "Advertiser:                    Agency:\n   Oak Pine                       Ridge Media\n   PO Box 18\n"
    )
    assert page.labelled("Advertiser", kind="name") == "Oak Pine"
    assert page.labelled("Agency", kind="name") == "Ridge Media"


def test_a_value_a_line_lower_belongs_to_a_label_that_has_nothing_below() -> None:
    page = Page.from_text("Sent by Oak Group Advertiser\n          Inc                    Pine Fund\n")
    assert page.labelled("Advertiser", kind="name") == "Pine Fund"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Advertiser: Citizens for Oak Pine Order #: 77", "Citizens for Oak Pine"),
        ("Advertiser: Citizens for Oak Pine Order # 77", "Citizens for Oak Pine"),
        ("Advertiser: Citizens for Oak Pine Sales Office: Troy", "Citizens for Oak Pine"),
        ("Advertiser: Citizens for Oak Pine Widget: Troy", "Citizens for Oak Pine"),
    ],
)
def test_a_name_ends_before_the_label_that_follows_with_one_space(line: str, name: str) -> None:
    assert Page.from_text(line).labelled("Advertiser", kind="name") == name


def test_a_revision_behind_a_slash_is_cut_where_the_label_names_one() -> None:
    for label, number in (("Contract / Revision", "771204"), ("Contract Number", "771204/2")):
        assert Page.from_text(f"{label}   771204/2\n").labelled("Contract", kind="identifier") == number


def test_a_name_is_printed_twice_whatever_its_spaces_and_punctuation() -> None:
    page = Page.from_text("Advertiser   POL/Oak Pine/Mayor\nTo: POL/OakPine/Mayor.\n")
    assert sure(page, page.labelled("Advertiser", kind="name"), "Advertiser", kind="name", times=2) is not None


def test_repairs_take_time_in_proportion_to_the_text() -> None:
    for text in ("$1 " * 20000, "$1, 111 " * 20000, "06/08" * 20000, "06//08-" * 20000, "S1,1" * 20000):
        page = Page.from_text("Total  " + text)
        page.labelled("Total", kind="money")
        page.labelled("Total", kind="date_range")


PAGES = Path(__file__).parents[2] / "bench" / "pages"


def test_the_made_up_pages_of_the_benchmark_name_all_five_values() -> None:
    for path in PAGES.glob("*.txt"):
        text = path.read_text("utf-8")
        assert all(f"{{{name}" in text for name in ("contract", "advertiser", "from", "to")), path.name
        assert "{gross" in text or "{bare" in text, path.name
