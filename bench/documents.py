"""How long a page takes, by layout module: `python bench/documents.py [--pages 40] [--help]`.

Prints P50 and P99 in milliseconds of processor time a page over real invoices and receipts (where the data sets are
present), then over synthetic pages of 500 and 5,000 lines, no two of them equal, with their ratio (10 is linear) and
whether the goal is met: 10 ms a page of 500 lines. Then hostile pages (one sign, word or line repeated to 250 kB and
1 MB) through the invoice function and through the search for a value without a place (seconds, and the ratio, which
is 4 where time is linear), and other ones of 0.1 and 1 MB and of 2,000 and 20,000 boxes through the receipt function
(ratio 10 where time is linear).

The cyclic collector runs as it does in a program; what the benchmark itself holds is kept from it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from compiled_ai.library.addresses import issuer_address
from compiled_ai.library.evidence import Source
from compiled_ai.library.issuers import issue_date, issuer
from compiled_ai.library.layout import Page

DATA = Path(os.environ.get("COMPILED_AI_DATA") or Path(__file__).parents[2] / "shared" / "data")
GOAL_MS = 10.0
"""What a module may take for a page of 500 lines."""
Action = Callable[[Page], object]


def whole_invoice(page: Page) -> object:
    return (
        page.labelled("Invoice #", "Contract #", "Order #", kind="identifier"),
        page.labelled("Advertiser", "Customer", kind="name"),
        page.labelled("Gross Total", "Grand Total", "Total $", "Totals", kind="money"),
        page.labelled("Flight Dates", "Contract Dates", "Period", kind="date_range"),
    )


def whole_receipt(page: Page) -> object:
    return issuer(page), issue_date(page), issuer_address(page), page.total()


MODULES: dict[str, Action] = {
    "rows and cells": lambda page: page.cells,
    "labelled": lambda page: page.labelled("Advertiser", "Customer", kind="name"),
    "labelled, absent (fuzzy)": lambda page: page.labelled("Passport Number", kind="identifier"),
    "find_all money": lambda page: page.find_all("money"),
    "find_all date": lambda page: page.find_all("date"),
    "total": lambda page: page.total(),
    "table": lambda page: page.table("Description", "Rate", "Amount"),
    "blocks": lambda page: page.blocks(),
    "invoice function": whole_invoice,
    "receipt function": whole_receipt,
}


HOSTILE = (
    "word ",
    "x",
    " ",
    "\n",
    ":",
    "a: ",
    "1",
    "1,",
    "12 ",
    "1/",
    "1/1/20 ",
    "$1.00 ",
    "lO",
    "\u0661\u0130\u00df ",
    "a\tb\t",
    "a | b | ",
    "Total\n",
    "Advertiser ",
    "Contract # ",
    "Flight 1/1/20 - ",
)
"""What hostile pages repeat."""


def synthetic(lines: int, seed: int) -> str:
    """An invoice of one table; its numbers, days and amounts depend on the seed."""
    of = random.Random(seed)
    head = ["   Invoice #   A-20417        Advertiser   Northwind Traders", "   Flight Dates   01/02/20 - 01/31/20", ""]
    head.append("   Line   Description              Date        Rate        Amount")
    rows = [
        f"   {n:<6} Morning news {of.randrange(97):<10} {of.randint(1, 12):02d}/{of.randint(1, 28):02d}/20"
        f"    ${of.randrange(90)}.50     ${of.randrange(1000)}.00"
        for n in range(lines - 5)
    ]
    return "\n".join([*head, *rows, "   Totals                                       $9,999.00"])


def milliseconds(pages: Sequence[Callable[[], Page]], action: Action) -> list[float]:
    taken = []
    for make in pages:
        started = time.process_time()
        action(make())
        taken.append((time.process_time() - started) * 1e3)
    return sorted(taken)


def middle(taken: Sequence[float]) -> float:
    return taken[len(taken) // 2]


def report(name: str, pages: Sequence[Callable[[], Page]]) -> None:
    for module, action in MODULES.items():
        taken = milliseconds(pages, action)
        p99 = taken[len(taken) * 99 // 100]
        print(f"{name:<22} {module:<26} P50 {middle(taken):8.2f} ms   P99 {p99:8.2f} ms   n {len(taken)}", flush=True)


def by_length() -> None:
    """Prints each module's time for pages of 500 and 5,000 lines, and whether the goal is met."""
    small, large = [[synthetic(lines, seed) for seed in range(count)] for lines, count in ((500, 21), (5000, 5))]
    met = 0
    for module, action in MODULES.items():
        milliseconds([partial(Page.from_text, synthetic(500, -1))], action)
        one, ten = (
            middle(milliseconds([partial(Page.from_text, text) for text in texts], action)) for texts in (small, large)
        )
        met += one <= GOAL_MS
        verdict = "met" if one <= GOAL_MS else "MISSED"
        print(
            f"{'500 lines':<22} {module:<26} P50 {one:8.2f} ms   5,000 lines {ten:8.2f} ms   ratio {ten / one:5.1f}"
            f"   goal {GOAL_MS:g} ms: {verdict}",
            flush=True,
        )
    print(f"goal of {GOAL_MS:g} ms a page of 500 lines: {met} of {len(MODULES)} modules")


def hostile(text: str) -> float:
    """Seconds of processor time for the invoice function and three searches."""
    started = time.process_time()
    whole_invoice(Page.from_text(text))
    source = Source([text])
    for value in ("never said this one", date(2031, 1, 1), Decimal("77.13")):
        source.find(value)
    return time.process_time() - started


def rows(name: str, most: int) -> list[dict[str, Any]]:
    path = DATA / name / "dev.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:most]] if path.exists() else []


HOSTILE_RECEIPTS = ("total amount due ", "SDN BHD\n", "12, JALAN BESAR 3,\n", "TOTAL 1.00\n", "1", "(", "0-", "A,")
"""Pieces that fill a page: sums, names and addresses without end, and what regular expressions stumble over."""


def filled(piece: str, characters: int) -> Page:
    return Page.from_text(piece * (characters // len(piece)))


def boxed(text: str, columns: int, count: int) -> Page:
    """A page of equal boxes: one column, one row of all, or a grid."""
    places = [(index % columns * 120, index // columns * 30) for index in range(count)]
    return Page.from_boxes([[x, y, x + 100, y + 20, text] for x, y in places])


def hostile_receipts() -> None:
    """Prints the time of the receipt function on a page and on ten times as much of the same."""
    pages: dict[str, partial[Page]] = {repr(piece): partial(filled, piece) for piece in HOSTILE_RECEIPTS}
    for text in ("TOTAL 1.00", "ABC SDN BHD (1234-X)", "12.00"):
        for columns in (1, 30, 20_000):
            pages[f"boxes {text} in {columns} column(s)"] = partial(boxed, text, columns)
    for name, make in pages.items():
        small, large = (100_000, 1_000_000) if make.func is filled else (2_000, 20_000)
        one = middle(milliseconds([partial(make, small)], whole_receipt))
        ten = middle(milliseconds([partial(make, large)], whole_receipt))
        print(
            f"hostile {name:<42} {one:9.1f} ms   ten times as much {ten:9.1f} ms   ratio {ten / one:5.1f}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=40, help="real pages of each set")
    options = parser.parse_args()
    invoices = [lambda text=row["text"]: Page.from_text(text) for row in rows("adbuy", options.pages)]
    receipts = [lambda boxes=row["lines"]: Page.from_boxes(boxes) for row in rows("sroie", options.pages)]
    gc.collect()
    gc.freeze()
    for name, pages in (("real invoices", invoices), ("real receipts", receipts)):
        report(name, pages) if pages else print(f"{name}: {DATA} is missing; set COMPILED_AI_DATA")
    by_length()
    for piece in HOSTILE:
        page = piece * (1_000_000 // len(piece))
        quarter, whole = hostile(page[:250_000]), hostile(page)
        took = f"250 kB {quarter:6.2f} s   1 MB {whole:6.2f} s   ratio {whole / quarter:5.1f}"
        print(f"{'hostile':<22} {piece!r:<26} {took}", flush=True)
    hostile_receipts()


if __name__ == "__main__":
    main()
