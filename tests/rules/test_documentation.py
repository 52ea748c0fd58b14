"""Every code block of docs/rules.md is read, checked and run."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from rule_support import MARK, both

from compiled_ai.library.rules import to_text
from compiled_ai.library.types import Field, FieldType
from compiled_ai.library.values import NUMBERS
from compiled_ai.spec.model import Table
from compiled_ai.spec.rules import Scope, interpret_expression, parse_expression, parse_logic
from compiled_ai.spec.rules.interpret import AND_TABLE, NOT_TABLE, OR_TABLE
from compiled_ai.spec.rules.tables import TableText, csv_grid, parse_table

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(.+?)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FORMULARY = Table(
    name="formulary",
    identifier="formulary",
    file="formulary.csv",
    keys=("ndc",),
    columns=(Field("ndc", "ndc", FieldType("string")), Field("tier", "tier", FieldType("integer"))),
    rows=(),
    digest="",
)
VALUES: dict[str, Any] = {
    "age": 40,
    "bmi": None,
    "plan": "GOLD",
    "Monthly Salary": Decimal("4000"),
    "note": None,
    "member": True,
    "pregnant": None,
    "born": date(1980, 2, 29),
    "ended": None,
    "codes": (7, 8),
    "ndc": "00093",
}


def _field(line: str) -> tuple[str, FieldType]:
    name, _, kind = line.partition(": ")
    kind, _, members = kind.partition(" = ")
    kind, _, items = kind.partition(" of ")
    plain: Any = kind.rstrip("?")
    listed = FieldType("integer") if items else None
    enum = tuple(members.split(", ")) if members else None
    return name, FieldType(plain, optional=kind.endswith("?"), enum=enum, items=listed)


def _of(kind: str) -> list[tuple[str, str]]:
    return [(info, body) for info, body in BLOCKS if info.split()[0] == kind]


FIELDS = dict(_field(line) for line in _of("fields")[0][1].splitlines())
SCOPE = Scope(FIELDS)
WITH_TABLE = Scope({**FIELDS, "ndc": FieldType("string")}, {"formulary": FORMULARY})
LINES = [line for _, body in _of("values") for line in body.splitlines() if line.strip()]


@pytest.mark.parametrize(("info", "text"), _of("rule"))
def test_the_rule_compiles_and_runs(info: str, text: str) -> None:
    if "formulary" in info:
        assert parse_logic(text, scope=WITH_TABLE, mark=MARK).node is not None
        return
    parsed = parse_logic(text, scope=SCOPE, mark=MARK)
    assert both(parsed, SCOPE).run(**VALUES) is not None


@pytest.mark.parametrize("line", LINES)
def test_the_expression_gives_what_the_page_says(line: str) -> None:
    text, _, expected = line.partition("->")
    parsed = parse_expression(text.strip(), scope=SCOPE, mark=MARK)
    assert parsed.node is not None, [str(finding) for finding in parsed.findings]
    with localcontext(NUMBERS):
        assert (to_text(interpret_expression(parsed.node, VALUES)) or "null") == expected.strip()


def test_the_table_compiles_and_runs() -> None:
    ((info, text),) = _of("table")
    policy, _, outputs = info.removeprefix("table ").partition(" -> ")
    grid = csv_grid(re.sub(r", +", ",", text), file="docs/rules.md")
    assert grid is not None
    said = TableText("t", grid, MARK, outputs=dict.fromkeys(outputs.split(", "), ()), hit_policy=policy, id="id")
    parsed = parse_table(said, scope=SCOPE)
    found = both(parsed, SCOPE).run(**VALUES)
    assert found == {"outcome": "APPROVE", "copay": Decimal(20), "reason": "row b: age [18..65), plan GOLD,SILVER"}


def test_the_truth_table_is_the_interpreters() -> None:
    rows = re.findall(r"^\| (true|false|null) \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", TEXT, re.MULTILINE)
    words: dict[str, bool | None] = {"true": True, "false": False, "null": None}
    assert len(rows) == 9
    for row in rows:
        a, b, both_true, either, opposite = (words[word] for word in row)
        assert (AND_TABLE[a, b], OR_TABLE[a, b], NOT_TABLE[a]) == (both_true, either, opposite)


def test_every_block_of_the_page_is_checked() -> None:
    assert {info.split()[0] for info, _ in BLOCKS} == {"fields", "rule", "values", "table"}
