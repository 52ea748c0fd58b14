"""How long a page takes, by layout module: `python bench/documents.py [--pages 40] [--help]`.

Prints P50 and P99 in milliseconds a page over real invoices and receipts (where the data sets are present), over
synthetic pages of 500 and 5,000 lines, and the ratio of the two: 10 is linear. Aim: 10 ms for a page of 500 lines.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compiled_ai.library.addresses import issuer_address
from compiled_ai.library.layout import Page
from compiled_ai.library.issuers import issuer

DATA = Path(os.environ.get("COMPILED_AI_DATA") or Path(__file__).parents[2] / "shared" / "data")
Action = Callable[[Page], object]


def whole_invoice(page: Page) -> object:
    return (
        page.labelled("Invoice #", "Contract #", "Order #", kind="identifier"),
        page.labelled("Advertiser", "Customer", kind="name"),
        page.labelled("Gross Total", "Grand Total", "Total $", "Totals", kind="money"),
        page.labelled("Flight Dates", "Contract Dates", "Period", kind="date_range"),
    )


def whole_receipt(page: Page) -> object:
    return issuer(page), page.first("date"), issuer_address(page), page.total()


MODULES: dict[str, Action] = {
    "rows and cells": lambda page: page.rows,
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


def synthetic(lines: int) -> str:
    head = ["   Invoice #   A-20417        Advertiser   Northwind Traders", "   Flight Dates   01/02/20 - 01/31/20", ""]
    head.append("   Line   Description              Date        Rate        Amount")
    rows = [
        f"   {n:<6} Morning news {n % 97:<10} 01/{n % 28 + 1:02d}/20    ${n % 90}.50     ${n % 90 * 2}.00"
        for n in range(lines - 5)
    ]
    return "\n".join([*head, *rows, "   Totals                                       $9,999.00"])


def milliseconds(pages: Sequence[Callable[[], Page]], action: Action) -> list[float]:
    taken = []
    for make in pages:
        started = time.perf_counter()
        action(make())
        taken.append((time.perf_counter() - started) * 1e3)
    return sorted(taken)


def middle(taken: Sequence[float]) -> float:
    return taken[len(taken) // 2]


def report(name: str, pages: Sequence[Callable[[], Page]]) -> None:
    for module, action in MODULES.items():
        taken = milliseconds(pages, action)
        p99 = taken[len(taken) * 99 // 100]
        print(f"{name:<22} {module:<26} P50 {middle(taken):8.2f} ms   P99 {p99:8.2f} ms   n {len(taken)}", flush=True)


def rows(name: str, most: int) -> list[dict[str, Any]]:
    path = DATA / name / "dev.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:most]] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=40, help="real pages of each set")
    options = parser.parse_args()
    invoices = [lambda text=row["text"]: Page.from_text(text) for row in rows("adbuy", options.pages)]
    receipts = [lambda boxes=row["lines"]: Page.from_boxes(boxes) for row in rows("sroie", options.pages)]
    for name, pages in (("real invoices", invoices), ("real receipts", receipts)):
        report(name, pages) if pages else print(f"{name}: {DATA} is missing; set COMPILED_AI_DATA")
    small, large = synthetic(500), synthetic(5000)
    for module, action in MODULES.items():
        one = middle(milliseconds([lambda: Page.from_text(small + " ")] * 7, action))
        ten = middle(milliseconds([lambda: Page.from_text(large + " ")] * 3, action))
        print(
            f"{'500 lines':<22} {module:<26} P50 {one:8.2f} ms   5,000 lines {ten:8.2f} ms   ratio {ten / one:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
