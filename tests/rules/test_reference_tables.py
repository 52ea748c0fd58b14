"""Reference data: read, typed, pinned, looked up in constant time."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from rule_support import MARK, both

from compiled_ai.errors import ArtifactRefused, NotFound
from compiled_ai.library.lookups import ReferenceTable, load_tables
from compiled_ai.library.types import FieldType
from compiled_ai.spec.model import Table
from compiled_ai.spec.reference_tables import (
    TableSource,
    data_files,
    declare_tables,
    filled,
    read_reference_table,
)
from compiled_ai.spec.rules import Scope, parse_logic

DATA = "ndc,tier,note\n00093,1,\n00094,2,generic\n"


def _table(folder: Path, text: str = DATA, *, name: str = "formulary.csv", **said: object) -> Table:
    (folder / name).write_text(text, "utf-8")
    source = TableSource(name="formulary", file=name, keys=("ndc",), mark=MARK, **said)  # type: ignore[arg-type]
    reading = read_reference_table(source, folder=folder)
    assert reading.table is not None, [str(finding) for finding in reading.findings]
    return reading.table


def test_a_table_that_was_never_loaded_refuses_to_answer(tmp_path: Path) -> None:
    space: dict[str, ReferenceTable] = {}
    exec(declare_tables([_table(tmp_path)]), {"ReferenceTable": ReferenceTable}, space)
    with pytest.raises(NotFound, match="never loaded"):
        space["FORMULARY"].has("00093")


def test_altered_data_is_refused_by_its_digest(tmp_path: Path) -> None:
    table = _table(tmp_path)
    ((name, text),) = data_files([table]).items()
    (tmp_path / name).write_text(text.replace("generic", "branded"), "utf-8")
    space: dict[str, ReferenceTable] = {}
    exec(declare_tables([table]), {"ReferenceTable": ReferenceTable}, space)
    with pytest.raises(ArtifactRefused, match="not the one that was compiled against"):
        load_tables(space, tmp_path)


def test_a_declared_table_loads_what_was_written_for_it(tmp_path: Path) -> None:
    table = _table(tmp_path)
    ((name, text),) = data_files([table]).items()
    (tmp_path / name).write_text(text, "utf-8")
    space: dict[str, ReferenceTable] = {}
    exec(declare_tables([table]), {"ReferenceTable": ReferenceTable}, space)
    loaded = space["FORMULARY"]
    load_tables(space, tmp_path)
    assert loaded.has("00093") and not loaded.has("93") and not loaded.has(None)
    assert loaded.value("tier", "00094") == Decimal(2)
    assert loaded.value("note", "00093") is None


def test_rules_read_it_compiled_and_interpreted(tmp_path: Path) -> None:
    table = _table(tmp_path)
    scope = Scope({"ndc": FieldType("string", optional=True)}, {"formulary": table})
    text = "IF ndc NOT IN formulary THEN REVIEW\nELSE IF formulary[ndc].tier <= 1 THEN APPROVE\nELSE DENY"
    rule = both(parse_logic(text, scope=scope, mark=MARK), scope, {"formulary": filled(table)})
    outcomes = [(rule.run(ndc=ndc) or {})["outcome"] for ndc in ("00093", "00094", "x", None)]
    assert outcomes == ["APPROVE", "DENY", "REVIEW", "REVIEW"]


def test_with_effective_dates_the_row_in_force_answers(tmp_path: Path) -> None:
    text = "ndc,tier,from,to\n1,2,2026-01-01,2026-06-30\n1,3,2026-07-01,\n"
    table = filled(_table(tmp_path, text, effective_from="from", effective_to="to"))
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1), date(9999, 1, 1)]
    assert [table.value("tier", "1", day) for day in days] == [None, Decimal(2), Decimal(2), Decimal(3), Decimal(3)]


def test_parquet_and_csv_of_the_same_data_have_the_same_digest(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"ndc": ["00093", "00094"], "tier": [1, 2], "note": [None, "generic"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "formulary.parquet")
    reading = read_reference_table(
        TableSource(name="formulary", file="formulary.parquet", keys=("ndc",), mark=MARK), folder=tmp_path
    )
    assert reading.table is not None, [str(finding) for finding in reading.findings]
    assert reading.table.digest == _table(tmp_path).digest


def test_looking_up_takes_no_longer_in_a_hundred_thousand_rows() -> None:
    def table(rows: int) -> ReferenceTable:
        made = ReferenceTable("t", ("k",), ("k", "v"), ("text", "number"), "")
        made.fill((f"{number:06d}", Decimal(number)) for number in range(rows))
        return made

    def seconds(found: ReferenceTable, rows: int) -> float:
        keys = [f"{number * 7919 % rows:06d}" for number in range(2000)]
        times = []
        for _ in range(7):
            start = time.process_time()
            for key in keys:
                found.value("v", key)
            times.append(time.process_time() - start)
        return min(times)

    # a search through the rows would take a thousand times as long
    assert seconds(table(100_000), 100_000) < 100 * seconds(table(100), 100)
