"""Writes `golden.jsonl`: synthetic broadcaster invoices, orders and contracts. Nobody in them exists.

    python examples/invoice_fields/make_golden.py > examples/invoice_fields/golden.jsonl

Each page is drawn on a grid of characters, as `pdftotext -layout` gives it, in one of eight layouts; columns
shift, labels vary, and the page carries other dates, numbers and amounts beside the ones that are asked for.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta

STATIONS = ("WQXA-TV", "KBRN", "WLTO", "KVDR-TV", "WPNE", "KSUM")
BUYERS = ("Harbor Lane Media", "Northfield Buying Group", "Three Rivers Strategies", "Oak & Pine Media LLC")
PEOPLE = ("Dana Whitlock", "Luis Arroyo", "Priya Menon", "Casey Holm", "Marek Novotny")
STREETS = (
    "418 Mill Street",
    "2200 Foundry Ave. N.W., Suite 310",
    "77 Harbor Road",
    "9 Chestnut Plaza Fl 4",
    "650 Union St #210",
)
TERMS = (
    "Station reserves the right to preempt. AGENCY and ADVERTISER are jointly liable for all charges under this contract;",
    "ADVERTISER shall hold harmless the Station with respect to material furnished on behalf of ADVERTISER or its agency.",
    "Invoices not paid within 30 days of the invoice date bear interest. Gross amounts include agency commission of 15%.",
)
TOWNS = ("Ashford, OH 44822", "Bellmont, VA 22945", "Cedar Gap, NC 28701", "Dunmore, PA 18512")
SURNAMES = ("Reyes", "Obert", "Whitfield", "Lindqvist", "Oakes", "Dreyer", "Kettering", "Marchetti", "Novak", "Tran")
CAUSES = ("Clean Rivers", "Safer Roads", "Rural Clinics", "Fair Courts", "Open Schools")
ADVERTISERS = (
    *(f"{name} for Senate" for name in SURNAMES[:4]),
    *(f"POL/ {name} / D / HOU / OH" for name in SURNAMES[3:7]),
    *(f"{name} 2020" for name in SURNAMES[5:9]),
    *(f"Committee to Elect {name}" for name in SURNAMES[2:6]),
    *(f"{name} for Governor-R" for name in SURNAMES[6:]),
    *(f"Citizens for {cause}" for cause in CAUSES),
    *(f"{cause} Action Fund (I)" for cause in CAUSES),
    "Granite State Forward PAC",
    "Security & Liberty Alliance",
    "Vote Yes on Measure 7",
)


class Page:
    """A grid of characters; later text does not erase earlier text."""

    def __init__(self, shift: int) -> None:
        self.rows: dict[int, list[str]] = {}
        self.shift = shift

    def put(self, row: int, column: int, text: str) -> None:
        line = self.rows.setdefault(row, [])
        start = column + self.shift
        line.extend(" " * (start + len(text) - len(line)))
        line[start : start + len(text)] = text

    def wrap(self, row: int, column: int, text: str, width: int) -> None:
        """Puts a text that goes on in the same column of the next row where it is too long."""
        words, line = text.split(" "), ""
        while words and len(line) + len(words[0]) < width:
            line = f"{line} {words.pop(0)}".strip()
        self.put(row, column, line or words.pop(0))
        if words:
            self.put(row + 1, column, " ".join(words))

    def text(self) -> str:
        return "\n".join("".join(self.rows.get(row, ())).rstrip() for row in range(max(self.rows) + 1)) + "\n"


class Facts:
    """What a document is about."""

    def __init__(self, dice: random.Random, advertiser: str) -> None:
        self.dice = dice
        self.advertiser = f"{advertiser} ({dice.randrange(1000, 999_999)})" if dice.random() < 0.25 else advertiser
        self.station = dice.choice(STATIONS)
        self.start = date(2020, 1, 6) + timedelta(days=dice.randrange(150))
        self.end = self.start + timedelta(days=dice.randrange(4, 24))
        self.spots = [(dice.randrange(2, 60) * 25, dice.randrange(1, 6)) for _ in range(dice.randrange(2, 8))]
        self.gross = sum(rate * count for rate, count in self.spots)
        self.number = str(dice.randrange(100_000, 9_999_999))
        self.other = str(dice.randrange(100_000, 9_999_999))

    def day(self, value: date, *, short: bool = False) -> str:
        return f"{value.month}/{value.day}/{value:%y}" if short else f"{value:%m/%d/%y}"

    def flight(self, *, short: bool = False, dash: str = " - ") -> str:
        return f"{self.day(self.start, short=short)}{dash}{self.day(self.end, short=short)}"

    def money(self, amount: float) -> str:
        return f"${amount:,.2f}"


def contract(facts: Facts, page: Page) -> str:
    page.put(0, 60, f"Print Date     {facts.day(facts.start - timedelta(days=3))}          Page    1 of 2")
    page.put(1, 40, "CONTRACT")
    page.put(3, 0, facts.station)
    page.put(3, 48, "Contract / Revision")
    page.put(3, 78, "Alt Order #")
    page.put(4, 0, facts.dice.choice(STREETS))
    page.put(4, 50, facts.number)
    page.put(4, 62, "/")
    page.put(4, 78, f"WOC{facts.other}")
    page.put(5, 0, facts.dice.choice(TOWNS))
    page.put(6, 48, "Advertiser")
    page.put(6, 88, "Original Date / Revision")
    page.wrap(7, 48, facts.advertiser, 34)
    page.put(7, 88, f"{facts.day(facts.start - timedelta(days=9))}  / {facts.day(facts.start - timedelta(days=2))}")
    page.put(9, 48, "Contract Dates")
    page.put(9, 88, "Estimate #")
    page.put(10, 48, facts.flight())
    page.put(10, 90, str(facts.dice.randrange(1000, 9999)))
    page.put(12, 0, "And:")
    page.put(12, 48, "Billing Cycle   Billing Calendar")
    page.put(13, 0, facts.dice.choice(BUYERS))
    page.put(13, 48, "EOM/EOC         Broadcast")
    page.put(14, 0, f"Attention: {facts.dice.choice(PEOPLE)}")
    page.put(15, 0, facts.dice.choice(STREETS))
    page.put(15, 48, "Agency Ref      Advertiser Ref")
    return _lines(facts, page, 18, total="Totals")


def invoice(facts: Facts, page: Page) -> str:
    number = f"{facts.other}-{facts.dice.randrange(1, 4)}"
    page.put(1, 60, facts.dice.choice(("INVOICE", "DUPLICATE")))
    left = (
        ("Property", facts.station),
        ("Invoice #", number),
        ("Invoice Date", facts.day(facts.end + timedelta(days=6))),
        ("Invoice Month", f"{facts.end:%B %Y}"),
        ("Invoice Period", f"{facts.day(facts.start - timedelta(days=8))} - {facts.day(facts.end)}"),
        ("Advertiser", facts.advertiser),
        ("Product", "GENERAL"),
    )
    right = (
        ("Order #", facts.other),
        ("Alt Order #", f"WOC{facts.number}"),
        ("Deal #", ""),
        (facts.dice.choice(("Flight Dates", "Order Flight")), facts.flight()),
        ("Account Executive", facts.dice.choice(PEOPLE)),
        ("Agency Code", facts.number[:5]),
    )
    for row, (label, value) in enumerate(left):
        page.put(3 + row + (label == "Product"), 46, label)
        page.wrap(3 + row + (label == "Product"), 68, value, 40)
    for row, (label, value) in enumerate(right):
        page.put(4 + row, 112, label)
        page.put(4 + row, 132, value)
    page.put(8, 0, "Billing Address:")
    page.put(9, 4, facts.dice.choice(BUYERS))
    page.put(10, 4, facts.dice.choice(STREETS))
    last = _spots(facts, page, 14)
    page.put(last + 2, 60, "Gross Total")
    page.put(last + 2, 86, facts.money(facts.gross))
    page.put(last + 3, 60, "Agency Commission")
    page.put(last + 3, 86, facts.money(facts.gross * 0.15))
    page.put(last + 4, 60, "Net Amount Due")
    page.put(last + 4, 86, facts.money(facts.gross * 0.85))
    return number


def order(facts: Facts, page: Page) -> str:
    page.put(0, 50, f"Print Date {facts.day(facts.start)} 09:19:38          Page 1 of 2")
    page.put(1, 54, "ORDER")
    rows = (
        ("Orders", "Order / Rev:", facts.number),
        ("", "Alt Order #:", f"WOC{facts.other}"),
        ("", "Product Desc:", "Political"),
        ("", "Estimate:", str(facts.dice.randrange(1000, 9999))),
        ("", "Flight Dates:", facts.flight()),
        ("", "Original Date / Rev:", f"{facts.day(facts.start - timedelta(days=4))} / {facts.day(facts.start)}"),
        ("Agency", "Name:", facts.dice.choice(BUYERS)),
        ("", "Billing Contact:", facts.dice.choice(PEOPLE)),
        ("", facts.dice.choice(STREETS), ""),
        ("", facts.dice.choice(TOWNS), ""),
        ("Advertiser", "Name:", facts.advertiser),
        ("", "Demographic:", "A35+"),
        ("", "Product Codes:", "PL-Candidate"),
    )
    for row, (group, label, value) in enumerate(rows):
        page.put(3 + row, 0, group)
        page.put(3 + row, 14, label)
        page.put(3 + row, 40, value)
    page.put(6, 96, facts.station)
    page.put(18, 0, "Bill Plan")
    page.put(19, 0, "Start Date    End Date     # Spots     Gross Amount      Net Amount")
    count = sum(number for _, number in facts.spots)
    figures = f"{count:>6}     {facts.money(facts.gross):>12}   {facts.money(facts.gross * 0.85):>12}"
    page.put(20, 0, f"{facts.day(facts.start)}      {facts.day(facts.end)}     {figures}")
    page.put(21, 0, f"              Totals       {figures}")
    _spots(facts, page, 24)
    return facts.number


def schedule(facts: Facts, page: Page) -> str:
    rows = (
        ("Contract #", facts.number, "Date Entered", facts.day(facts.start - timedelta(days=5))),
        ("Schedule Dates", facts.flight(dash="-"), "Last Modified", facts.day(facts.start)),
        ("Advertiser", facts.advertiser, "Entered By", facts.dice.choice(PEOPLE)),
        ("Agency", f"{facts.dice.choice(BUYERS)} ({facts.other[:4]})", "CO-OP", "No"),
        ("Product", "POLITICAL CANDIDATE (ns) (1186)", "External #", facts.other),
        ("Salesperson", facts.dice.choice(PEOPLE), "Commission %", "15.00"),
    )
    for row, cells in enumerate(rows):
        for column, cell in zip((44, 66, 112, 134), cells, strict=True):
            page.put(1 + 2 * row, column, cell)
    page.put(2, 4, facts.station)
    page.put(1, 160, "By Broadcast Month        Spots              Rate")
    count = sum(number for _, number in facts.spots)
    page.put(2, 160, f"{facts.start:%b. %Y}                 {count:>5}        {facts.money(facts.gross):>12}")
    page.put(4, 160, f"Grand Total:              {count:>5}        {facts.money(facts.gross):>12}")
    _spots(facts, page, 16)
    return facts.number


def proposal(facts: Facts, page: Page) -> str:
    page.put(
        0,
        30,
        f"Contract # {facts.number}       Changes as of: {facts.day(facts.start)} at 4:50 PM      Status: Confirmed",
    )
    page.put(1, 34, f"CPE: 195/218/{facts.dice.randrange(100, 999)}")
    page.put(1, 66, f"Flight: {facts.flight(short=True)}")
    page.put(1, 100, f"Station: {facts.station}")
    page.put(2, 34, f"Agency: {facts.dice.choice(BUYERS)}")
    page.put(2, 66, "Advertiser:")
    page.wrap(2, 78, facts.advertiser, 26)
    page.put(2, 106, f"Total $: {facts.money(facts.gross)}")
    page.put(4, 66, "Product: TV")
    page.put(3, 106, f"Total Spots: {sum(number for _, number in facts.spots)}")
    page.put(5, 66, f"Buyer: {facts.dice.choice(PEOPLE)}")
    page.put(4, 106, "Total CPP: $0.00")
    _spots(facts, page, 8)
    return facts.number


def statement(facts: Facts, page: Page) -> str:
    rows = (
        ("Advertiser", facts.advertiser, "Invoice", facts.other),
        ("Agency", facts.dice.choice(BUYERS), "Inv Date", facts.day(facts.end + timedelta(days=4))),
        ("Buyer", facts.dice.choice(PEOPLE), "Terms", "Net 30"),
        ("Salesperson", facts.dice.choice(PEOPLE), "Contract", facts.number),
        ("Product", "ISSUE ADVERTISING", "Period", facts.flight(short=True)),
    )
    for row, cells in enumerate(rows):
        for column, cell in zip((46, 64, 118, 134), cells, strict=True):
            page.put(row, column, cell)
    page.put(0, 4, f"REMIT TO {facts.station} Broadcasting")
    page.put(9, 50, "OFFICIAL BILLING INVOICE")
    last = _spots(facts, page, 11)
    page.put(last + 2, 74, f"Gross Total        {facts.money(facts.gross)}")
    page.put(last + 3, 74, f"Less Commission    {facts.money(facts.gross * 0.15)}")
    page.put(last + 4, 74, f"Pay This Amount    {facts.money(facts.gross * 0.85)}")
    return facts.number


def confirmation(facts: Facts, page: Page) -> str:
    """Headings over their values in a ruled grid; dates with the month by name."""
    client = facts.dice.choice(("Client", "Advertiser Name", "Sponsor"))
    dates = facts.dice.choice(("Campaign Dates", "Air Dates", "Flight"))
    number = facts.dice.choice(("Agreement No.", "Contract Number", "Order ID"))
    page.put(0, 30, f"{facts.station}   BROADCAST CONFIRMATION      Printed {facts.start - timedelta(days=2):%b %d, %Y}")
    rows = (
        ((number, facts.number), (client, facts.advertiser), ("Buying Agency", facts.dice.choice(BUYERS))),
        (
            (dates, f"{facts.start:%b %d, %Y} - {facts.end:%b %d, %Y}"),
            ("Salesperson", facts.dice.choice(PEOPLE)),
            ("Agency Order No.", facts.other),
        ),
    )
    for row, cells in enumerate(rows):
        for column, (label, value) in zip((2, 40, 92), cells, strict=True):
            page.put(2 + 3 * row, column, label)
            page.put(3 + 3 * row, column, value)
            page.put(2 + 3 * row, column + (36 if column == 2 else 50), "|")
            page.put(3 + 3 * row, column + (36 if column == 2 else 50), "|")
    last = _spots(facts, page, 10)
    page.put(last + 1, 50, f"Total Net           {facts.money(facts.gross * 0.85)}")
    page.put(last + 2, 50, f"Total Gross         {facts.money(facts.gross)}")
    return facts.number


def insertion(facts: Facts, page: Page) -> str:
    """Labels with colons, first and last day apart, amounts without a symbol."""
    first, last = facts.dice.choice(
        (("Start Date:", "End Date:"), ("Flight Start:", "Flight End:"), ("Begins:", "Ends:"))
    )
    rows = (
        (facts.dice.choice(("Insertion Order No:", "Order Number:", "Order No:")), facts.number),
        ("External Order No:", facts.other),
        (facts.dice.choice(("Client:", "Customer:", "Advertiser:")), facts.advertiser),
        ("Agency:", facts.dice.choice(BUYERS)),
        ("Order Date:", f"{facts.start - timedelta(days=6):%Y-%m-%d}"),
        (first, f"{facts.start:%Y-%m-%d}"),
        (last, f"{facts.end:%Y-%m-%d}"),
    )
    page.put(0, 0, f"{facts.station}  Insertion Order")
    for row, (label, value) in enumerate(rows):
        page.put(2 + row, 4, f"{label} {value}")
    page.put(2, 70, facts.dice.choice(STREETS))
    page.put(3, 70, facts.dice.choice(TOWNS))
    end = _spots(facts, page, 11)
    page.put(end + 1, 60, f"{facts.dice.choice(('Gross Amount:', 'Total Gross Amount:', 'Gross:'))} USD {facts.gross:,.2f}")
    page.put(end + 2, 60, f"Commission (15%): USD {facts.gross * 0.15:,.2f}")
    page.put(end + 3, 60, f"Net Amount: USD {facts.gross * 0.85:,.2f}")
    return facts.number


def _spots(facts: Facts, page: Page, row: int) -> int:
    page.put(row, 0, "Line  Description               Days         Length     Spots         Rate           Amount")
    for index, (rate, count) in enumerate(facts.spots, 1):
        name = facts.dice.choice(
            ("Morning News", "Late News 11p-1135p", "Game Show Hour", "News at Noon", "Weekend Rotator")
        )
        page.put(
            row + index,
            0,
            f"{index:<5} {name:<25} MTWTF--      :30       {count:>6} {facts.money(rate):>13} {facts.money(rate * count):>15}",
        )
    return row + len(facts.spots) + 1


def _lines(facts: Facts, page: Page, row: int, *, total: str) -> str:
    last = _spots(facts, page, row)
    count = sum(number for _, number in facts.spots)
    page.put(last + 1, 40, f"{total:<12}{count:>8}{facts.money(facts.gross):>28}")
    page.put(last + 3, 0, "Time Period              # of Spots    Gross Amount    Agency Comm.      Net Amount")
    line = f"{count:>10} {facts.money(facts.gross):>15} {'(' + facts.money(facts.gross * 0.15) + ')':>15} {facts.money(facts.gross * 0.85):>15}"
    page.put(last + 4, 0, f"{facts.flight():<22}{line}")
    page.put(last + 5, 0, f"{total:<22}{line}")
    return facts.number


def main() -> None:
    """Prints 96 cases: eight layouts, twelve documents each."""
    layouts = (contract, invoice, order, schedule, proposal, statement, confirmation, insertion)
    for index in range(96):
        dice = random.Random(f"invoice {index}")
        advertiser = dice.choice(ADVERTISERS)
        facts, page = Facts(dice, advertiser), Page(dice.randrange(0, 9))
        layout = layouts[index % len(layouts)]
        number = layout(facts, page)
        expected = {
            "contract_num": number,
            "advertiser": facts.advertiser,
            "gross_amount": f"{facts.gross:.2f}",
            "flight_from": facts.start.isoformat(),
            "flight_to": facts.end.isoformat(),
        }
        case = {
            "id": f"synthetic-{index:03}",
            "group": advertiser,
            "input": {"document": page.text()},
            "expected": expected,
        }
        print(json.dumps(case, ensure_ascii=False))


if __name__ == "__main__":
    main()
