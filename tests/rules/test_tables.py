"""Decision tables: hit policies, defaults, reasons, sheets, and what is reported about their rows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rule_support import MARK, Both, both

from compiled_ai.library.types import FieldType
from compiled_ai.spec.rules import Parsed, Scope
from compiled_ai.spec.rules.table_changes import changed_rows
from compiled_ai.spec.rules.tables import TableText, csv_grid, parse_table
from compiled_ai.spec.sheets import read_sheet

SCOPE = Scope(
    {
        "age": FieldType("integer"),
        "plan": FieldType("string", enum=("GOLD", "SILVER")),
        "score": FieldType("decimal", optional=True),
    }
)


def _parsed(text: str, **said: Any) -> Parsed[Any]:
    grid = csv_grid(text, file="plans.csv")
    assert grid is not None
    return parse_table(TableText("plans", grid, MARK, **{"outputs": {"outcome": ()}, **said}), scope=SCOPE)


def _table(text: str, **said: Any) -> Both:
    return both(_parsed(text, **said), SCOPE)


def _rules(text: str, **said: Any) -> list[str]:
    return [finding.rule for finding in _parsed(text, **said).findings]


OVERLAPPING = "age,outcome,copay\n>=18,ADULT,10\n>=65,SENIOR,5\n<18,MINOR,0\n"


def test_no_row_yields_nothing_rather_than_a_guess() -> None:
    assert _table("age,outcome\n>=18,ADULT\n").run(age=17) is None


def test_two_rows_that_apply_under_unique_yield_nothing() -> None:
    table = _table(OVERLAPPING, outputs={"outcome": (), "copay": ()})
    assert table.run(age=70) is None
    assert table.run(age=20) == {"outcome": "ADULT", "copay": Decimal(10), "reason": "row 1: age >=18"}


def test_rows_that_disagree_under_any_yield_nothing() -> None:
    table = _table("age,plan,outcome\n>=18,-,YES\n-,GOLD,YES\n-,SILVER,NO\n", hit_policy="ANY")
    assert (table.run(age=20, plan="GOLD") or {})["outcome"] == "YES"
    assert table.run(age=20, plan="SILVER") is None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("FIRST", "ADULT"),
        ("PRIORITY", "SENIOR"),
        ("RULE ORDER", ("ADULT", "SENIOR")),
        ("OUTPUT ORDER", ("SENIOR", "ADULT")),
        ("COLLECT", ("ADULT", "SENIOR")),
    ],
)
def test_the_hit_policy_decides_among_rows_that_apply(policy: str, expected: Any) -> None:
    table = _table(OVERLAPPING, outputs={"outcome": ("SENIOR", "ADULT", "MINOR"), "copay": ()}, hit_policy=policy)
    assert (table.run(age=70) or {})["outcome"] == expected


@pytest.mark.parametrize(
    ("policy", "expected"), [("C+", Decimal(15)), ("C<", Decimal(5)), ("COLLECT max", Decimal(10)), ("C#", Decimal(2))]
)
def test_collect_aggregates(policy: str, expected: Decimal) -> None:
    text = OVERLAPPING.replace("outcome,copay", "note,copay")
    table = _table(text, outputs={"copay": ()}, inputs={"age": "age"}, hit_policy=policy)
    assert (table.run(age=70) or {})["copay"] == expected


def test_count_of_no_row_is_zero_and_the_sum_of_none_is_nothing() -> None:
    text = "age,copay\n>=18,10\n"
    assert (_table(text, outputs={"copay": ()}, hit_policy="C#").run(age=1) or {})["copay"] == 0
    assert _table(text, outputs={"copay": ()}, hit_policy="C+").run(age=1) is None


def test_a_default_stands_in_where_no_row_applies() -> None:
    table = _table("age,outcome\n>=18,ADULT\n", default={"outcome": "MINOR"})
    assert table.run(age=1) == {"outcome": "MINOR", "reason": "no row applies: default"}


def test_the_reason_column_speaks_for_its_row() -> None:
    table = _table("age,outcome,why\n>=18,ADULT,of age\n<18,MINOR,\n", reason="why")
    assert (table.run(age=18) or {})["reason"] == "of age"
    assert (table.run(age=1) or {})["reason"] == "row 2: age <18"


@pytest.mark.parametrize("count", [3, 40])
def test_null_matches_only_a_cell_that_says_so(count: int) -> None:
    rows = "".join(f"{number},N{number}\n" for number in range(count))
    table = _table(f"score,outcome\n{rows}null,MISSING\n", hit_policy="FIRST")
    assert (table.run(score=None) or {})["outcome"] == "MISSING"
    assert table.run(score=Decimal("0.5")) is None
    assert (table.run(score=Decimal("2.0")) or {})["outcome"] == "N2"


def test_large_tables_are_looked_up_by_column_and_stay_legible() -> None:
    text = "age,plan,outcome\n" + "".join(f"[{n}..{n + 1}),GOLD,R{n}\n" for n in range(30))
    source = _table(text, hit_policy="FIRST").source
    assert "DECIDE_ROWS = RowTable(" in source
    assert '    # row 3 (plans.csv:4): age [2..3), plan GOLD\n    ("3", (span(2, 3, "[)"), one_of("GOLD")), ' in source
    assert source.endswith("    return DECIDE_ROWS.first(age, plan)\n")


@pytest.mark.parametrize(
    ("text", "policy", "rule"),
    [
        ("age,outcome\n>=18,A\n>=18,A\n<18,B\n", "FIRST", "rules.duplicate_row"),
        ("age,outcome\n>=18,A\n>=18,B\n<18,B\n", "UNIQUE", "rules.contradictory_row"),
        ("age,outcome\n>=18,A\n>=65,B\n<18,B\n", "FIRST", "rules.unreachable"),
        ("age,outcome\n>=18,A\n>=65,B\n<18,B\n", "UNIQUE", "rules.overlap"),
        ("plan,outcome\nGOLD,A\n", "FIRST", "rules.gap"),
        ("score,outcome\n>1,A\n<=1,B\n", "FIRST", "rules.null_untested"),
    ],
)
def test_what_is_wrong_with_rows_is_reported(text: str, policy: str, rule: str) -> None:
    assert _rules(text, hit_policy=policy) == [rule]


def test_rows_that_are_right_are_not_reported() -> None:
    assert _rules("plan,age,outcome\nGOLD,>=18,A\nGOLD,<18,B\nSILVER,-,B\n") == []


def test_saving_a_sheet_again_changes_nothing(tmp_path: Path) -> None:
    from openpyxl import Workbook, load_workbook  # type: ignore[import-untyped]

    book = Workbook()
    for row in (("age", "plan", "outcome"), (">=18", "GOLD", "A"), (17, None, "B")):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    again = load_workbook(tmp_path / "a.xlsx")
    again.active.column_dimensions["A"].width = 40
    again.save(tmp_path / "b.xlsx")
    digests = []
    for name in ("a.xlsx", "b.xlsx"):
        grid = read_sheet(tmp_path / name, file=name, sheet=None, range_=None, mark=MARK).grid
        assert grid is not None
        parsed = parse_table(TableText("t", grid, MARK, outputs={"outcome": ()}), scope=SCOPE)
        assert parsed.node is not None, parsed.findings
        digests.append(parsed.node.digest)
        assert (both(parsed, SCOPE).run(age=17, plan="GOLD") or {})["outcome"] == "B"
    assert digests[0] == digests[1]


def test_the_source_does_not_say_in_which_folder_the_table_lay() -> None:
    grid = csv_grid("age,outcome\n>=18,ADULT\n", file="some/folder/plans.csv")
    assert grid is not None
    parsed = parse_table(TableText("plans", grid, MARK, outputs={"outcome": ()}), scope=SCOPE)
    source = both(parsed, SCOPE).source
    assert "row 1 (plans.csv:2)" in source and "folder" not in source


def test_changes_of_a_table_are_shown_by_row_id() -> None:
    text = "id,age,outcome,why\na,>=18,ADULT,x\nb,<18,MINOR,y\n"
    before: Any = _parsed(text, id="id", reason="why").node
    after: Any = _parsed(
        text.replace("b,<18,MINOR,y", "c,<18,MINOR,y").replace(">=18", ">=21"), id="id", reason="why"
    ).node
    changes = changed_rows(before, after)
    assert [(change.id, change.kind) for change in changes] == [("a", "changed"), ("b", "removed"), ("c", "added")]
    assert changes[0].columns == ("age",)
    assert changed_rows(before, before) == ()
