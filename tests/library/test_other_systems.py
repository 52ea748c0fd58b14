"""Pages of other traffic and billing systems: what each repair reads, and beside it what it must leave alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from compiled_ai.library.dates import DateRange, parse_range
from compiled_ai.library.labels import find_same
from compiled_ai.library.layout import Page
from compiled_ai.library.places import place_of


def flight(text: str, *labels: str) -> tuple[date, date] | None:
    found = Page.from_text(text).labelled(*(labels or ("Flight Dates",)), kind="date_range")
    return (found.start, found.end) if found else None


FALL = (date(2020, 9, 7), date(2020, 10, 4))


@pytest.mark.parametrize(
    "below",
    [
        "14 Hill Road, Albany",
        "1200 N. Radio Park Drive",
        "PO Box 9911",
        "Suite 250",
        "Albany NY 12203",
        "Tulsa, OK 74101-1234",
        "(765) 463-1800",
    ],
)
def test_the_number_of_an_address_is_no_number_of_a_document(below: str) -> None:
    page = Page.from_text(f"KQZB Broadcast Order\n             {below}\n\n Contr#      48213377\n")
    assert page.labelled("Order #", "Contract #", "Order", kind="identifier") == "48213377"
    assert Page.from_text(f"Broadcast Order\n{below}\n").labelled("Order", kind="identifier") is None


@pytest.mark.parametrize("number", ["1400", "12203", "463-1800", "WO 12203", "48213 Rev 2", "12203 Drive-time"])
def test_a_short_number_without_an_address_is_that_of_the_document(number: str) -> None:
    got = Page.from_text(f"Broadcast Order   {number}\n").labelled("Order", kind="identifier")
    assert got is not None and got in number


@pytest.mark.parametrize(
    "count", ["Total Spots: 12", "Total Units   12", "Total # of Spots: 12", "Total Commission $9.00"]
)
def test_a_count_is_no_total(count: str) -> None:
    page = Page.from_text(f"Rate $5.00\nAmount $60.00\n{count}\nContract Total   $60.00\n")
    assert page.labelled("Total", kind="money") == Decimal("60.00")
    assert Page.from_text(f"Rate $5.00 $6.00 $7.00\n{count}\n").labelled("Total", kind="money") is None


def test_an_amount_below_with_a_label_of_its_own_is_not_the_value_of_the_label_above() -> None:
    page = Page.from_text("Fee $1.00  Fee $2.00\nGross Total   18450\nAgency Commission: $2,767.50\n")
    assert page.labelled("Gross Total", kind="money") == Decimal("18450")
    below = Page.from_text("Gross Total\n $18,450.00\n")
    assert below.labelled("Gross Total", kind="money") == Decimal("18450.00")


@pytest.mark.parametrize(
    "text",
    [
        "September 7 thru October 4, 2020",
        "SEP07-OCT04/20",
        "From: 09/07/20 Thru: 10/04/20",
        "09/07/20 through and including 10/04/20",
        "9/7/20 -> 10/4/20",
        "9/7/2020 12:00 AM - 10/4/2020 11:59 PM",
        "9/7/20-10/4",
        "9/7/'20 - 10/4/'20",
    ],
)
def test_a_range_is_read_however_it_is_written(text: str) -> None:
    assert flight(f"Flight Dates: {text}\n") == FALL


@pytest.mark.parametrize(
    "text",
    [
        "9/7/20, 12 spots, 10/4/20",
        "9/7/20 5:00 AM 10/4/20",
        "10/4/20 - 9/7",
        "9/7/20 - 1/2 page",
        "9/7/20-10/4/",
        "9/7/20 - 10",
        "6/1/20 and 7/4 holiday",
        "6/1/20 and 7/4",
        "6/1/20 and 9/4 daypart",
        "6/1/20 / 7/2",
        "6/1/20 ~ 7/2 oz",
        "6/1/20 ends 9/10 pts",
        "6/1/20 > 7/2",
        "6/1/20 - 11/12 spots",
        "6/1/20 to 7/5 weeks",
        "1/2/20 - 3/4 page",
        "1/2/20 - 3/4, page",
        "1/2/20 - 3/4-page",
        '1/2/20 - 3/4"',
        "1/2/20 - 3/4%",
        "1/2/20 - 3/4, 2021",
        "1/2/20 - 3/4.5",
        "1/2/20 -\n3/4",
        "6/1/20 10:00a - 6/28",
    ],
)
def test_what_only_resembles_a_range_is_none(text: str) -> None:
    assert parse_range(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "9/7/20 - 10/4",
        "9/7/20-10/4.",
        "(9/7/20 to 10/4)",
        "9/7/20 through 10/4  12 spots",
        "9/7/20 Mon thru Sun 10/4\n",
    ],
)
def test_an_end_without_a_year_ends_its_cell(text: str) -> None:
    found = parse_range(text)
    assert found is not None and (found.start, found.end) == FALL


def test_a_month_by_name_keeps_its_own_year() -> None:
    found = parse_range("07-OCT-04 to 08-OCT-04")
    assert found == DateRange(date(2004, 10, 7), date(2004, 10, 8))


def test_two_dates_side_by_side_are_a_range_where_nothing_stands_before_or_between() -> None:
    assert flight("Flight Dates   09/07/20   10/04/20\n") == FALL
    assert flight("Flight Dates:  09/07/20   Entered  10/04/20\n") is None
    assert flight("Flight Dates: Rev 2 09/07/20  10/04/20\n") is None
    assert flight("Flight Dates:  10/04/20  09/07/20\n") is None


def test_a_written_range_is_preferred_to_dates_side_by_side() -> None:
    text = "Schedule   08/31/20   09/01/20\nFlight Dates   09/07/20 - 10/04/20\n"
    assert flight(text, "Flight Dates", "Schedule") == FALL


def test_a_range_goes_on_in_the_next_line_of_its_column_behind_a_dash() -> None:
    text = "Product    Flight Dates:  09/07/20 -   Rep\nSenate                    10/04/20     Okafor\n"
    assert flight(text) == FALL
    found = Page.from_text(text).labelled("Flight Dates", kind="date_range")
    assert found is not None
    first, last = place_of(found.start), place_of(found.end)
    assert first is not None and last is not None
    assert (first.line, last.line, text[last.start : last.end]) == (1, 2, "10/04/20")
    assert flight("Flight Dates:  09/07/20 -\n10/04/20\n") is None
    assert flight("Flight Dates:  09/07/20\n               10/04/20\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "Start Date / End Date: 09/07/20 - 10/04/20\n",
        "Start Date / End Date   09/07/20   10/04/20\n",
        "Start/End Date\n09/07/20 - 10/04/20\n",
    ],
)
def test_the_second_of_two_labels_takes_the_second_date(text: str) -> None:
    page = Page.from_text(text)
    assert (page.labelled("Start Date", kind="date"), page.labelled("End Date", kind="date")) == FALL


def test_a_label_behind_a_label_without_dates_takes_the_first_date() -> None:
    page = Page.from_text("Start / End Date: 10/04/20\n")
    assert page.labelled("End Date", kind="date") == date(2020, 10, 4)
    page = Page.from_text("Rate/End Date: 09/07/20 - 10/04/20\n")
    assert page.labelled("End Date", kind="date") == date(2020, 9, 7)


LINES = """Ln   Start Date   End Date    Spots
 1   09/14/20     09/20/20    6
     Early News
 2   09/07/20     10/04/20    6
"""


def test_the_lines_of_a_schedule_say_its_first_and_last_day() -> None:
    page = Page.from_text(LINES)
    assert (page.labelled("Start Date", kind="date"), page.labelled("End Date", kind="date")) == FALL
    text = "Ln   Flight Dates          Spots\n 1   09/14/20 - 10/04/20   6\n 2   09/07/20 - 09/13/20   6\n"
    assert flight(text) == FALL


def test_dates_beyond_another_label_or_a_gap_are_of_no_line() -> None:
    after = "\n\n\n\n     11/01/20     11/02/20\n"
    page = Page.from_text(LINES + after)
    assert page.labelled("End Date", kind="date") == FALL[1]
    heads = "Start Date   End Date\n09/07/20     10/04/20\nPrint Date   Due Date\n01/01/20     12/01/20\n"
    page = Page.from_text(heads)
    assert (page.labelled("Start Date", kind="date"), page.labelled("End Date", kind="date")) == FALL
    assert page.labelled("Print Date", kind="date") == date(2020, 1, 1)


def test_a_date_that_is_neither_first_nor_last_is_that_of_the_first_line() -> None:
    page = Page.from_text("Air Date    Rate\n09/14/20    $5.00\n09/07/20    $6.00\n")
    assert page.labelled("Air Date", kind="date") == date(2020, 9, 14)


MONTHS = """Month            Gross Amount    Net Amount
September 2020      $9,000.00     $7,650.00
October 2020        $9,450.00     $8,032.50
"""


def test_the_last_amount_of_a_column_is_its_sum_where_it_adds_up() -> None:
    page = Page.from_text(MONTHS + "                   $18,450.00    $15,682.50\n")
    assert page.labelled("Gross Amount", kind="money") == Decimal("18450.00")
    page = Page.from_text(MONTHS + "                   $19,000.00    $15,682.50\n")
    assert page.labelled("Gross Amount", kind="money") == Decimal("9000.00")
    assert Page.from_text(MONTHS).labelled("Gross Amount", kind="money") == Decimal("9000.00")


@pytest.mark.parametrize("amount", ["$12, 345.00", "$12 ,345 .00", "$1 2,345.00", "$12 345.00"])
def test_a_torn_amount_is_read_whole_on_a_page_of_one_amount(amount: str) -> None:
    assert Page.from_text(f"Gross Total  {amount}\n").labelled("Gross Total", kind="money") == Decimal("12345.00")


@pytest.mark.parametrize(
    ("amounts", "first"), [("$12 @ 345.00", "345.00"), ("$100 2,345.00", "2345.00"), ("12 345.00", "345.00")]
)
def test_two_amounts_are_not_made_one(amounts: str, first: str) -> None:
    assert Page.from_text(f"Gross Total  {amounts}\n").labelled("Gross Total", kind="money") == Decimal(first)


def test_a_label_that_was_torn_is_found() -> None:
    page = Page.from_text("Adver tiser: Oak Pine\nCon tract # 48213377\nFl ight: 09/07/20 - 10/04/20\n")
    assert page.labelled("Advertiser", kind="name") == "Oak Pine"
    assert page.labelled("Contract #", kind="identifier") == "48213377"
    assert flight("Fl ight: 09/07/20 - 10/04/20\n", "Flight") == FALL
    assert Page.from_text("Adverse Tiles: Oak Pine\n").labelled("Advertiser", kind="name") is None


def test_a_second_name_of_a_label_is_part_of_it() -> None:
    assert Page.from_text("Advertiser/Client: Oak Pine\n").labelled("Advertiser", kind="name") == "Oak Pine"
    assert Page.from_text("Advertiser & Sponsor: Oak Pine\n").labelled("Advertiser", kind="name") == "Oak Pine"
    assert Page.from_text("Advertiser: POL/Client First\n").labelled("Advertiser", kind="name") == "POL/Client First"


def test_the_same_label_in_other_words_is_found_last() -> None:
    page = Page.from_text("Start Date: 09/07/20   Stop Date: 10/04/20\nContract Amount: $60.00\n")
    assert page.labelled("End Date", kind="date") == date(2020, 10, 4)
    assert page.labelled("Contract Total", kind="money") == Decimal("60.00")
    page = Page.from_text("Contract Amount: $60.00\nContract Total: $70.00\n")
    assert page.labelled("Contract Total", kind="money") == Decimal("70.00")


def test_paid_to_date_is_no_end_date() -> None:
    assert Page.from_text("Paid to Date: 09/01/20\n").labelled("End Date", kind="date") is None
    assert Page.from_text("Flight To: 10/04/20\n").labelled("Flight End", kind="date") == FALL[1]


def test_a_column_of_last_visits_gives_the_first_line_as_before() -> None:
    page = Page.from_text("Last Visit   Fee\n09/14/20     $5.00\n10/04/20     $6.00\n")
    assert page.labelled("Last Visit", kind="date") == date(2020, 9, 14)


@pytest.mark.parametrize("label", ["Gross Total", "Total $", "Total", "Week End", "Order Total Amount"])
def test_what_may_head_a_column_of_lines_has_no_other_words(label: str) -> None:
    assert find_same("Gross Amount  Amount $  Amount  Week Stop  Order Amount Amount", label) == []


def test_a_heading_in_two_lines_is_read_over() -> None:
    page = Page.from_text("Advertiser        Flight\nName              Start\nOak Pine Trust    09/07/20\n")
    assert page.labelled("Advertiser", kind="name") == "Oak Pine Trust"


def test_the_line_of_an_address_does_not_go_on_with_a_name() -> None:
    head = "ADVERTISER         AGENCY\nOak and Pine Trust  Canal Partners\n"
    page = Page.from_text(head + "PO Box 7788         1100 Vine\n")
    assert page.labelled("Advertiser", kind="name") == "Oak and Pine Trust"
    page = Page.from_text(head + "Foundation          of Ohio\n")
    assert page.labelled("Advertiser", kind="name") == "Oak and Pine Trust Foundation"


def test_the_order_number_of_a_rep_is_not_that_of_the_station() -> None:
    page = Page.from_text(" REP ORDER #  77120931      STATION ORDER #  48213377\n")
    assert page.labelled("Order #", kind="identifier") == "48213377"
    assert page.labelled("Rep Order #", kind="identifier") == "77120931"


def test_a_short_number_behind_another_word_is_not_the_value_of_the_label_above() -> None:
    page = Page.from_text("        CONTRACT\n Sta# 1  Mod# 02\n Ord#  48213377\n")
    assert page.labelled("Contract #", "Order #", kind="identifier") == "48213377"
    assert Page.from_text("        CONTRACT\n        02\n").labelled("Contract #", kind="identifier") == "02"


def test_a_value_under_a_label_of_its_own_column_is_no_second_line_of_a_name() -> None:
    page = Page.from_text("Advertiser     Oak Pine     Agency  Canal\nAdv. Product   Senate       Est     1204\n")
    assert page.labelled("Advertiser", kind="name") == "Oak Pine"
    boxed = "| Advertiser          | Agency  |\n| Oak Pine Trust Fund | Canal   |\n|_____________________|_________|\n"
    page = Page.from_text(boxed)
    assert page.labelled("Advertiser", kind="name") == "Oak Pine Trust Fund"


def test_a_heading_of_a_section_is_no_name() -> None:
    text = "Advertiser Information       Agency Information\nName:     Oak Pine           Name:     Canal Street\n"
    assert Page.from_text(text).labelled("Advertiser", kind="name") == "Oak Pine"
    text = "Advertiser:  Center for Voter Information\n"
    assert Page.from_text(text).labelled("Advertiser", kind="name") == "Center for Voter Information"


def test_a_gross_amount_behind_those_of_the_weeks_is_their_sum() -> None:
    page = Page.from_text("Gross   $4,000.00   $5,000.00   $9,450.00   $18,450.00\n")
    assert page.labelled("Gross", kind="money") == Decimal("18450.00")
    page = Page.from_text("Gross   $18,450.00   $2,767.50   $15,682.00\n")
    assert page.labelled("Gross", kind="money") == Decimal("18450.00")
    page = Page.from_text("Gross   $4,000.00   $5,000.00   $9,450.00   $20,000.00\n")
    assert page.labelled("Gross", kind="money") == Decimal("4000.00")


@pytest.mark.parametrize(
    ("printed", "amount"), [("$18,45O.OO", "18450.00"), ("$5O.00", "50.00"), ("$18,45 Off", "18.45")]
)
def test_a_letter_behind_a_digit_is_one_of_the_amount_only_before_a_mark(printed: str, amount: str) -> None:
    assert Page.from_text(f"Gross   {printed}\n").labelled("Gross", kind="money") == Decimal(amount)


def test_dates_of_the_first_line_of_a_table_are_no_range_of_a_heading_further_up() -> None:
    text = "Schedule\n\nLine  Start       End\n1     09/07/20    09/13/20\n2     09/14/20    10/04/20\n"
    page = Page.from_text("Contract 48213377\n" + text)
    assert page.labelled("Contract Dates", kind="date_range") is None
    assert page.labelled("End", kind="date") == FALL[1]
    assert flight("Flight Dates\n09/07/20   10/04/20\n") == FALL


@pytest.mark.parametrize(
    "empty",
    ["Advertiser:", "Advertiser: N/A", "Advertiser:   Product: X", "Client #: 4471", "Advertiser Contact: Joe Roe", ""],
)
def test_an_advertiser_that_is_not_stated_is_none(empty: str) -> None:
    page = Page.from_text(f"{empty}\nAgency: Northgate Media\nBuyer: Ann Roe\n")
    assert page.labelled("Advertiser", "Client", kind="name") is None
    page = Page.from_text(f"{empty}\nAgency: Northgate Media\nClient: None of the Above PAC\n")
    assert page.labelled("Advertiser", "Client", kind="name") == "None of the Above PAC"


def test_a_total_that_is_not_stated_is_none() -> None:
    page = Page.from_text("Gross Total:\nAgency Commission: $2,767.50\n")
    assert page.labelled("Gross Total", kind="money") is None
    page = Page.from_text("Gross Total:\n   $18,450.00\nAgency Commission: $2,767.50\n")
    assert page.labelled("Gross Total", kind="money") == Decimal("18450.00")


def test_a_revision_behind_a_dash_is_cut_only_where_the_label_names_one() -> None:
    assert Page.from_text("Contract/Rev#: 48213377-02\n").labelled("Contract", kind="identifier") == "48213377"
    assert Page.from_text("Invoice #: 48213377-2\n").labelled("Invoice #", kind="identifier") == "48213377-2"
