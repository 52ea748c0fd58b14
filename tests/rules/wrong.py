"""Fifty wrong rules, conditions, tables and sheets."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.model import Mark, Table
from compiled_ai.spec.reference_tables import TableSource, read_reference_table
from compiled_ai.spec.rules import Scope, parse_condition, parse_logic
from compiled_ai.spec.rules.tables import TableText, csv_grid, parse_table
from compiled_ai.spec.sheets import read_sheet

MARK = Mark("spec.yaml", 10, 7)
FORMULARY = Table(
    name="formulary",
    identifier="formulary",
    file="formulary.csv",
    keys=("ndc",),
    columns=(Field("ndc", "ndc", FieldType("string")), Field("tier", "tier", FieldType("integer"))),
    rows=(),
    digest="",
)
SCOPE = Scope(
    {
        "age": FieldType("integer"),
        "bmi": FieldType("decimal", optional=True),
        "plan": FieldType("string", enum=("GOLD", "SILVER")),
        "Monthly Salary": FieldType("money"),
        "name": FieldType("text"),
        "ndc": FieldType("string"),
        "member": FieldType("boolean"),
        "born": FieldType("date"),
        "seen": FieldType("datetime"),
        "codes": FieldType("list", items=FieldType("integer")),
        "claim": FieldType("object", fields=(Field("total", "total", FieldType("money")),), class_name="Claim"),
    },
    {"formulary": FORMULARY},
)
DECLARED = (
    Field("outcome", "outcome", FieldType("string", enum=("APPROVE", "DENY"))),
    Field("copay", "copay", FieldType("integer")),
    Field("reason", "reason", FieldType("text")),
)

RULES: Mapping[str, str] = {
    "empty": "",
    "unknown field": "IF agee > 18 THEN APPROVE ELSE DENY",
    "unknown word": "IF age > LIMIT THEN APPROVE ELSE DENY",
    "unknown member": "IF claim.totl > 5 THEN APPROVE ELSE DENY",
    "member of a number": "IF age.years > 5 THEN APPROVE ELSE DENY",
    "text with number": 'IF age > "18" THEN APPROVE ELSE DENY',
    "date with text": 'IF born > "2020-01-01" THEN APPROVE ELSE DENY',
    "date with datetime": "IF born > seen THEN APPROVE ELSE DENY",
    "boolean with text": 'IF member = "true" THEN APPROVE ELSE DENY',
    "not a member of the enumeration": 'IF plan = "GLOD" THEN APPROVE ELSE DENY',
    "number as condition": "IF age THEN APPROVE ELSE DENY",
    "number beside AND": "IF member AND age THEN APPROVE ELSE DENY",
    "missing THEN": "IF age > 18 APPROVE",
    "missing value": "IF age > THEN APPROVE",
    "ends too early": "IF age > 18 THEN",
    "open bracket": "IF (age > 18 THEN APPROVE",
    "open text": 'IF name = "Smith THEN APPROVE',
    "equality of another language": "IF age == 18 THEN APPROVE",
    "inequality of another language": "IF age <> 18 THEN APPROVE",
    "and of another language": "IF age > 18 && member THEN APPROVE",
    "curly quotes": "IF name = “Smith” THEN APPROVE",
    "percent": "IF age > 10% THEN APPROVE",
    "wrong number of arguments": "IF abs(age, 2) > 1 THEN APPROVE",
    "wrong kind of argument": "IF string length(age) > 1 THEN APPROVE",
    "text plus number": "total = name + age",
    "date plus number": "due = born + 30",
    "no such date": 'IF born > date("2024-02-30") THEN APPROVE',
    "no such duration": 'due = born + duration("30 days")',
    "broken pattern": 'IF name MATCHES "[a-" THEN APPROVE',
    "items of two kinds": 'IF age IN (18, "x") THEN APPROVE',
    "list of two kinds": 'kinds = [1, "x"]',
    "two types of one field": 'IF member THEN copay = 20 ELSE copay = "none"',
    "always null": "IF member THEN null",
    "word beside a named field": "IF member THEN APPROVE, copay = 20",
    "set twice": "IF member THEN copay = 20, copay = 30",
    "computed twice": "total = age + 1\ntotal = age + 2",
    "reason that is a number": "IF member THEN APPROVE BECAUSE 5",
    "table without key": "IF formulary THEN APPROVE",
    "column that is not there": "IF formulary[ndc].tear > 2 THEN APPROVE",
    "key of another kind": "IF age IN formulary THEN APPROVE",
    "reserved word": "IF some x in codes satisfies x > 1 THEN APPROVE",
    "filter": "IF codes[member] = 1 THEN APPROVE",
    "question mark": "IF ? > 1 THEN APPROVE",
}
DECLARED_RULES: Mapping[str, str] = {
    "undeclared field": "IF member THEN outcome = APPROVE, copy = 1 ELSE outcome = DENY, copay = 2",
    "undeclared outcome": "IF member THEN outcome = APROVE, copay = 1 ELSE outcome = DENY, copay = 2",
    "fraction in an integer": "IF member THEN outcome = APPROVE, copay = 1.5 ELSE outcome = DENY, copay = 2",
    "field left out": "IF member THEN outcome = APPROVE, copay = 1 ELSE outcome = DENY",
    "null in a required field": "IF member THEN outcome = APPROVE, copay = bmi ELSE outcome = DENY, copay = 2",
}
CONDITIONS: Mapping[str, str] = {"condition that is a number": "age + 1", "two conditions": "age > 1 member"}
TABLES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "unknown hit policy": ("age,outcome\n>=18,APPROVE\n", {"hit_policy": "FRIST"}),
    "unknown column": ("agee,outcome\n>=18,APPROVE\n", {}),
    "output that is no column": ("age,outcome\n>=18,APPROVE\n", {"outputs": {"outcom": ()}}),
    "cell of another kind": ("age,outcome\nadult,APPROVE\n", {}),
    "not in the enumeration": ("plan,outcome\nGLOD,APPROVE\n", {}),
    "cell that does not parse": ("age,outcome\n>= >= 18,APPROVE\n", {}),
    "contradiction": ("age,outcome\n>=18,APPROVE\n>=18,DENY\n", {}),
    "no rows": ("age,outcome\n", {}),
    "priority without values": ("age,outcome\n>=18,APPROVE\n", {"hit_policy": "PRIORITY"}),
    "sum of text": ("age,outcome\n>=18,APPROVE\n", {"hit_policy": "COLLECT sum"}),
    "row id twice": ("id,age,outcome\na,>=18,APPROVE\na,<18,DENY\n", {"id": "id"}),
    "too many cells": ("age,outcome\n>=18,APPROVE,DENY\n", {}),
}


def findings_of_rule(text: str) -> tuple[Finding, ...]:
    return parse_logic(text, scope=SCOPE, mark=MARK).findings


def findings_of_declared(text: str) -> tuple[Finding, ...]:
    return parse_logic(text, scope=SCOPE, mark=MARK, result=DECLARED).findings


def findings_of_condition(text: str) -> tuple[Finding, ...]:
    return parse_condition(text, scope=SCOPE, mark=MARK).findings


def findings_of_table(text: str, settings: Mapping[str, Any]) -> tuple[Finding, ...]:
    grid = csv_grid(text, file="plans.csv")
    assert grid is not None
    said = {"outputs": {"outcome": ()}, **settings}
    return parse_table(TableText(name="plans", grid=grid, mark=MARK, **said), scope=SCOPE).findings


Fill = Callable[[Any], None]


def _cells(*rows: tuple[Any, ...]) -> Fill:
    def fill(sheet: Any) -> None:
        for row in rows:
            sheet.append(row)

    return fill


def _merged(sheet: Any) -> None:
    _cells(("age", "outcome"), (">=18", "APPROVE"), ("<18", "DENY"))(sheet)
    sheet.merge_cells("A2:A3")


def _hidden_row(sheet: Any) -> None:
    _cells(("age", "outcome"), (">=18", "APPROVE"), ("<18", "DENY"))(sheet)
    sheet.row_dimensions[3].hidden = True


def _hidden_column(sheet: Any) -> None:
    _cells(("age", "name", "outcome"), (">=18", "x", "APPROVE"))(sheet)
    sheet.column_dimensions["B"].hidden = True


def _deep_merge(sheet: Any) -> None:
    _routes(12)(sheet)
    sheet.merge_cells("C13:C14")


def _routes(count: int, **replaced: Any) -> Fill:
    """Rows of age, code and outcome; `replaced` names a cell by its address."""

    def fill(sheet: Any) -> None:
        sheet.append(("age", "ndc", "outcome"))
        for number in range(count):
            sheet.append((number, f"0{number:04}", "APPROVE" if number % 2 else "DENY"))
        for address, value in replaced.items():
            sheet[address] = value

    return fill


SHEETS: Mapping[str, Fill] = {
    "merged cells": _merged,
    "merged outputs far down": _deep_merge,
    "lost leading zeros far down": _routes(13, B14=93),
    "1-2 turned into a date far down": _routes(13, B14=date(2026, 2, 1)),
    "1-2 turned into a date among numbers": _routes(3, A3=date(2026, 2, 1)),
    "number among texts of an output": _routes(3, C4=7),
    "date among texts of an output": _routes(3, C4=date(2026, 2, 1)),
    "true or false in a column of text": _routes(3, B3=True),
    "time in a column of numbers": _routes(3, A3=time(8, 30)),
    "date kept as text": _cells(("born", "outcome"), ("1/2/2026", "APPROVE")),
    "two columns of one name": _cells(("age", "age", "outcome"), (18, 19, "APPROVE")),
    "curly quotes": _cells(("name", "outcome"), ("“Smith”", "APPROVE")),
    "curly quotes around an outcome": _cells(("age", "outcome"), (18, "“APPROVE”")),
    "contradicting rows": _cells(("age", "outcome"), (18, "APPROVE"), (18, "DENY")),
    "hidden row": _hidden_row,
    "hidden column": _hidden_column,
    "formula never calculated": _cells(("age", "outcome"), ("=1+1", "APPROVE")),
    "error value": _cells(("age", "outcome"), ("#N/A", "APPROVE")),
    "lost leading zeros": _cells(("ndc", "outcome"), (93, "APPROVE")),
    "text turned into a date": _cells(("ndc", "outcome"), (date(2026, 2, 1), "APPROVE")),
    "number kept as text": _cells(("age", "outcome"), ("18", "APPROVE")),
    "number in a column of dates": _cells(("born", "outcome"), (45000, "APPROVE")),
    "column without header": _cells(("age", None, "outcome"), (18, "x", "APPROVE")),
    "cell that does not parse": _cells(("age", "outcome"), ("> > 1", "APPROVE")),
}


def findings_of_sheet(fill: Fill, folder: Path) -> tuple[Finding, ...]:
    from openpyxl import Workbook  # type: ignore[import-untyped]

    book = Workbook()
    book.active.title = "Plans"
    fill(book.active)
    book.save(folder / "plans.xlsx")
    reading = read_sheet(folder / "plans.xlsx", file="plans.xlsx", sheet="Plans", range_=None, mark=MARK)
    if reading.grid is None:
        return reading.findings
    table = TableText(name="plans", grid=reading.grid, mark=MARK, outputs={"outcome": ()})
    return parse_table(table, scope=SCOPE).findings


REFERENCES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "key that is no column": ("ndc,tier\n1,2\n", {"keys": ("nbc",)}),
    "key twice": ("ndc,tier\n00093,2\n00093,3\n", {}),
    "key missing": ("ndc,tier\n,2\n", {}),
    "value of another kind": ("ndc,tier\n00093,two\n", {"columns": {"tier": FieldType("integer")}}),
    "two rows in force": (
        "ndc,tier,from,to\n1,2,2026-01-01,2026-06-30\n1,3,2026-06-01,\n",
        {"effective_from": "from", "effective_to": "to"},
    ),
}


def findings_of_formula(calculation: str, folder: Path) -> tuple[Finding, ...]:
    """A formula with a stored value, in a workbook with this setting of its calculation."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Plans"
    _cells(("age", "outcome"), ("=17+1", "APPROVE"))(book.active)
    book.save(folder / "written.xlsx")
    with zipfile.ZipFile(folder / "written.xlsx") as old, zipfile.ZipFile(folder / "plans.xlsx", "w") as new:
        for name in old.namelist():
            text = old.read(name)
            text = re.sub(rb"</f><v\s*/>|</f><v></v>", b"</f><v>18</v>", text)
            new.writestr(name, re.sub(rb"<calcPr[^>]*/>", f"<calcPr {calculation}/>".encode(), text))
    return read_sheet(folder / "plans.xlsx", file="plans.xlsx", sheet="Plans", range_=None, mark=MARK).findings


FORMULAS: Mapping[str, str] = {
    "calculated by hand, and not up to date": 'calcMode="manual" calcCompleted="0"',
    "written by a program, to be calculated on opening": 'fullCalcOnLoad="1"',
}
UP_TO_DATE = ("", 'calcId="191029"', 'calcMode="manual"')
PLACES: Mapping[str, Mapping[str, Any]] = {
    "no such sheet": {"sheet": "Plan"},
    "no range": {"range_": "A1 to C9"},
    "empty range": {"range_": "E20:F30"},
    "no workbook": {"file": "broken.xlsx"},
}


def findings_of_place(said: Mapping[str, Any], folder: Path) -> tuple[Finding, ...]:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Plans"
    _routes(2)(book.active)
    book.save(folder / "plans.xlsx")
    (folder / "broken.xlsx").write_bytes(b"age,outcome")
    asked = {"file": "plans.xlsx", "sheet": "Plans", "range_": None, **said}
    return read_sheet(folder / asked["file"], mark=MARK, **asked).findings


REFERENCE_SHEETS: Mapping[str, Fill] = {
    "lost leading zeros": _cells(("ndc", "tier"), ("00093", 1), (93, 2)),
    "1-2 turned into a date": _cells(("ndc", "tier"), ("1-1", 1), (date(2026, 2, 1), 2)),
    "merged cells": _merged,
    "key twice": _cells(("ndc", "tier"), ("00093", 1), ("00093", 2)),
}


def findings_of_reference_sheet(fill: Fill, folder: Path) -> tuple[Finding, ...]:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Drugs"
    fill(book.active)
    book.save(folder / "drugs.xlsx")
    source = TableSource(name="formulary", file="drugs.xlsx", keys=("ndc",), mark=MARK)
    return read_reference_table(source, folder=folder).findings


def findings_of_reference(text: str, settings: Mapping[str, Any], folder: Path) -> tuple[Finding, ...]:
    (folder / "formulary.csv").write_text(text, "utf-8")
    said = {"keys": ("ndc",), **settings}
    return read_reference_table(
        TableSource(name="formulary", file="formulary.csv", mark=MARK, **said), folder=folder
    ).findings


def all_findings(folder: Path) -> dict[str, list[str]]:
    """Returns every case with its messages, errors only."""
    found: dict[str, tuple[Finding, ...]] = {}
    found.update({f"rule: {name}": findings_of_rule(text) for name, text in RULES.items()})
    found.update({f"declared: {name}": findings_of_declared(text) for name, text in DECLARED_RULES.items()})
    found.update({f"condition: {name}": findings_of_condition(text) for name, text in CONDITIONS.items()})
    found.update({f"table: {name}": findings_of_table(*case) for name, case in TABLES.items()})
    found.update({f"sheet: {name}": findings_of_sheet(fill, folder) for name, fill in SHEETS.items()})
    found.update({f"formula: {name}": findings_of_formula(said, folder) for name, said in FORMULAS.items()})
    found.update({f"place: {name}": findings_of_place(said, folder) for name, said in PLACES.items()})
    found.update(
        {f"drug sheet: {name}": findings_of_reference_sheet(fill, folder) for name, fill in REFERENCE_SHEETS.items()}
    )
    found.update({f"reference: {name}": findings_of_reference(*case, folder) for name, case in REFERENCES.items()})
    return {name: [str(one) for one in all_ if one.severity == "error"] for name, all_ in found.items()}
