"""Wrong rules, tables and sheets: the exact message of each, and where it points."""

from __future__ import annotations

from pathlib import Path

import pytest
from wrong import UP_TO_DATE, all_findings, findings_of_formula

MESSAGES = Path(__file__).parent / "wrong_messages.txt"


def _expected() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in MESSAGES.read_text("utf-8").splitlines():
        if line.startswith("  "):
            found[name].append(line.strip())
        elif line:
            name = line
            found[name] = []
    return found


def test_every_wrong_rule_gets_its_exact_messages(tmp_path: Path) -> None:
    found = all_findings(tmp_path)
    assert found == _expected()


def test_there_are_fifty_of_them_and_each_has_a_message(tmp_path: Path) -> None:
    found = all_findings(tmp_path)
    assert len(found) >= 50
    assert [name for name, messages in found.items() if not messages] == []


@pytest.mark.parametrize("calculation", UP_TO_DATE)
def test_a_formula_whose_stored_value_is_up_to_date_is_read(calculation: str, tmp_path: Path) -> None:
    assert findings_of_formula(calculation, tmp_path) == ()
