"""`init --from TABLE`: what is guessed, what is refused, and that what it writes compiles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest

from compiled_ai.cli import main
from compiled_ai.compiler import compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import SpecError, UsageError
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.supplied import decide
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import RuleStep
from compiled_ai.spec.table_starter import table_starter

ROWS = [
    ["id", "Service line", "amount", "received", "in network", "why", "queue"],
    ["R1", "dental, vision", "<= 500", "-", True, "small", "auto"],
    ["R2", "dental, vision", "> 500", ">= 2026-01-01", None, "large", "senior"],
    ["R3", "not(dental, vision)", None, None, False, "other", "desk"],
    ["R4", None, None, None, None, "rest", "desk"],
]


def workbook(folder: Path, rows: list[list[object]], name: str = "routing.xlsx") -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / name)
    return folder / name


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no table '.*none\.xlsx'"):
        table_starter(tmp_path / "none.xlsx", tmp_path / "a.yaml")


def test_an_output_that_is_no_column_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no column 'queu'. Did you mean 'queue'"):
        table_starter(workbook(tmp_path, ROWS), tmp_path / "a.yaml", outputs=["queu"])


def test_a_sheet_that_breaks_the_contract_is_refused_at_its_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path, ROWS)
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("B2:B3")
    book.save(path)
    with pytest.raises(SpecError) as caught:
        table_starter(path, tmp_path / "a.yaml")
    assert "routing.xlsx[Sheet]!B2: Cells B2:B3 are merged." in str(caught.value)


def test_a_table_without_a_column_to_decide_by_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("queue\nauto\n", "utf-8")
    with pytest.raises(UsageError, match="no column to decide by"):
        table_starter(tmp_path / "one.csv", tmp_path / "a.yaml")


def test_types_and_roles_are_told_by_the_cells_and_the_headers(tmp_path: Path) -> None:
    target = tmp_path / "routing.yaml"
    target.write_text(table_starter(workbook(tmp_path, ROWS), target), "utf-8")
    spec = load_spec(target)
    kinds = {each.name: each.type.kind for each in spec.inputs}
    assert kinds == {"Service line": "string", "amount": "decimal", "received": "date", "in network": "boolean"}
    (step,) = spec.steps
    assert isinstance(step, RuleStep) and step.logic.hit_policy == "FIRST"
    assert [row.id for row in step.logic.rows] == ["R1", "R2", "R3", "R4"]
    assert [field.name for field in step.result] == ["queue", "reason"]


def test_columns_right_of_an_output_are_outputs_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,queue,days,notes\n>= 18,DESK,3,x\n< 18,CHILD,5,y\n", "utf-8")
    (tmp_path / "a.yaml").write_text(table_starter(tmp_path / "a.csv", tmp_path / "a.yaml"), "utf-8")
    (step,) = load_spec(tmp_path / "a.yaml").steps
    assert [field.name for field in step.result] == ["queue", "days", "reason"]


def test_what_it_writes_compiles_and_decides_as_the_table_says(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "rates.csv").write_text(
        'age (years),code,rate\n< 18,"0123, 0456",0.5\n[18..65),-,1\n>= 65,null,0.75\n', "utf-8"
    )
    target = tmp_path / "rates.yaml"
    target.write_text(table_starter(tmp_path / "tables" / "rates.csv", target), "utf-8")
    assert "hit_policy: UNIQUE" in target.read_text("utf-8")
    done = compile_spec(target, Settings(tmp_path / "home", f"sqlite:///{tmp_path / 'runs.db'}"))
    program = load_program(done.folder / "identity")
    decided = [
        decide(program, {"age (years)": age, "code": code}).output["rate"]  # type: ignore[union-attr]
        for age, code in ((7, "0123"), (40, "x"), (70, None))
    ]
    assert decided == [Decimal("0.5"), 1, Decimal("0.75")]


def test_rows_that_overlap_are_read_under_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,outcome\n>= 18,ADULT\n-,ANYONE\n", "utf-8")
    assert "hit_policy: FIRST   # rows overlap" in table_starter(tmp_path / "a.csv", tmp_path / "a.yaml")


def test_the_command_writes_the_file_beside_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workbook(tmp_path, ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["compiled-ai", "init", "desk.yaml", "--from", "routing.xlsx", "--output", "why"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert 'file: "routing.xlsx"' in (tmp_path / "desk.yaml").read_text("utf-8")
    assert "Next: compiled-ai compile desk.yaml" in capsys.readouterr().err
