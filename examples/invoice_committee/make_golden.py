"""Writes `golden.jsonl`: the synthetic pages of `invoice_fields`, some with a second page, and doubt where there is any.

    python examples/invoice_committee/make_golden.py > examples/invoice_committee/golden.jsonl

Three of four documents get a second page, which repeats the head of the first as broadcasters' systems print it;
the advertiser of the fourth stands once and is in doubt, and so is one that is printed with a code in parentheses, and
a flight for which only the invoice period can be taken.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SINGLE = Path(__file__).parents[1] / "invoice_fields" / "golden.jsonl"
HEAD = 18
"""Lines that a second page repeats."""
_CODE = re.compile(r"\([^()]*\d[^()]*\)")
_FLIGHT = re.compile(r"flight|dates\b|start date|begins", re.IGNORECASE)
"""A label of the flight; a page without one states the invoice period alone."""


def with_second_page(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        [*lines, "\f", *lines[:HEAD], "", "     Continued from the page before. Thank you for your business."]
    )


def doubted(case: dict[str, Any], *, repeated: bool) -> dict[str, Any]:
    """Returns a case with its second page, if it gets one, and null for what is in doubt."""
    text, expected = case["input"]["document"], dict(case["expected"])
    if not repeated or _CODE.search(expected["advertiser"] or ""):
        expected["advertiser"] = None
    if not _FLIGHT.search(text):
        expected["flight_from"] = expected["flight_to"] = None
    return {**case, "input": {"document": with_second_page(text) if repeated else text}, "expected": expected}


def main() -> None:
    for number, line in enumerate(SINGLE.read_text("utf-8").splitlines()):
        print(json.dumps(doubted(json.loads(line), repeated=number % 4 != 3), ensure_ascii=False))


if __name__ == "__main__":
    main()
