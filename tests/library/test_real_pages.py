"""On real pages: labels, totals and tables work, and every value can be pointed at."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.library.issuers import issuer
from compiled_ai.library.layout import Page
from compiled_ai.library.places import place_of

DATA = Path(os.environ.get("COMPILED_AI_DATA") or Path(__file__).parents[3] / "shared" / "data")


def _rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name / "dev.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is missing; set COMPILED_AI_DATA to the folder of the data sets.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_labelled_values_of_invoices_stand_where_their_place_says() -> None:
    found = 0
    for row in _rows("adbuy"):
        page = Page.from_text(row["text"])
        for value in (
            page.labelled("Advertiser", kind="name"),
            page.labelled("Estimate #", "Order #", kind="identifier"),
        ):
            place = place_of(value)
            if value is not None and place is not None and len(place.spans) == 1:
                assert page.text[place.start : place.end] == value
                found += 1
    assert found > 200


def test_totals_of_receipts_are_mostly_right() -> None:
    rows = _rows("sroie")
    right = sum(str(Page.from_boxes(row["lines"]).total()) in row["labels"]["total"] for row in rows)
    assert right / len(rows) > 0.9


def test_places_of_receipts_name_boxes_that_hold_the_value() -> None:
    for row in _rows("sroie"):
        page = Page.from_boxes(row["lines"])
        place = place_of(issuer(page))
        assert place is None or all(row["lines"][box][4] for box in place.boxes)


def test_a_row_of_a_receipt_is_its_label_and_amount_however_slanted() -> None:
    slanted = [
        [10 + 30 * x, 10 + 40 * y + 3 * x, 35 + 30 * x, 30 + 40 * y + 3 * x, f"r{y}c{x}"]
        for y in range(9)
        for x in range(9)
    ]
    page = Page.from_boxes(slanted)
    assert [line.split("  ")[0] for line in page.lines] == [f"r{y}c0" for y in range(9)]


def test_a_page_is_read_in_milliseconds() -> None:
    text = max((row["text"] for row in _rows("adbuy")), key=len)
    started = time.perf_counter()
    Page.from_text(text).labelled("Advertiser", kind="name")
    assert time.perf_counter() - started < 1
