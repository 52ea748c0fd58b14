"""Ten times the lines are about ten times the work: calls are counted, no clock is read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from compiled_ai.library.addresses import issuer_address
from compiled_ai.library.issuers import issue_date, issuer
from compiled_ai.library.layout import Page

MODULES: dict[str, Callable[[Page], object]] = {
    "cells": lambda page: page.cells,
    "labelled": lambda page: page.labelled("Advertiser", "Customer", kind="name"),
    "labelled with slips": lambda page: page.labelled("Passport Number", kind="identifier"),
    "amounts": lambda page: page.find_all("money"),
    "dates": lambda page: page.find_all("date"),
    "total": lambda page: page.total(),
    "table": lambda page: page.table("Description", "Rate", "Amount"),
    "blocks": lambda page: page.blocks(),
    "issuer": lambda page: (issuer(page), issue_date(page), issuer_address(page)),
}


def invoice(lines: int, year: int) -> str:
    """A table whose rows differ; those of another year share no date or amount with them, so that no cache helps."""
    rows = [
        f"   {n:<6} Morning news {n % 97:<6} {n % 12 + 1:02d}/{n % 28 + 1:02d}/{year}    ${n}.{year % 100}"
        for n in range(lines)
    ]
    return "\n".join(["   Line   Description         Date          Amount", *rows, "   Total due          $9,999.00"])


def ragged(lines: int, year: int) -> str:
    """Cells that stand in no common column, and words that are almost a label."""
    rows = [
        " " * (n * 7 % 61) + f"Pasport Nunber{n % 9}" + " " * (n * 3 % 17 + 2) + f"total {n}.{year % 100}"
        for n in range(lines)
    ]
    return "\n".join(rows)


def torn(pieces: int, year: int) -> str:
    """Amounts that OCR tore apart, all on one line."""
    return " ".join(f"${n % 97}; {n % 899 + 100}:{year % 100} ${n}, {year}.50" for n in range(pieces))


def calls(action: Callable[[Page], object], text: str) -> int:
    """How many functions, of Python and of C, are called to read a page."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        action(Page.from_text(text))
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("page", [invoice, ragged, torn])
def test_ten_times_the_lines_are_about_ten_times_the_calls_at_most(name: str, page: Callable[[int, int], str]) -> None:
    action, year = MODULES[name], 1970 + 3 * list(MODULES).index(name)
    action(Page.from_text(page(5, year)))
    assert calls(action, page(3000, year + 1)) <= 12 * calls(action, page(300, year + 2))
