"""Decisions by decision tables name the row: in `explain`, `rerun` and `impact`, for small and large tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest

from compiled_ai.artifact import SealedArtifact, load_artifact
from compiled_ai.comparing import compare_artifacts
from compiled_ai.compiler import compile_spec
from compiled_ai.config import Settings
from compiled_ai.runtime.explain import Explanation, explain
from compiled_ai.runtime.local import run
from compiled_ai.runtime.rerun import impact, rerun
from compiled_ai.runtime.store import RunStore

EXAMPLES = Path(__file__).parents[2] / "examples"
CLAIM = {
    "claim_id": "C",
    "kind": "vision",
    "provider_id": "00137",
    "billed": "2000",
    "service_date": "2026-01-01",
    "received": "2026-01-05",
}

Compiled = Callable[[str], SealedArtifact]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home", f"sqlite:///{tmp_path / 'runs.db'}")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.open(f"sqlite:///{tmp_path / 'runs.db'}", home=tmp_path)


@pytest.fixture
def compiled(tmp_path: Path, settings: Settings) -> Compiled:
    def make(text: str) -> SealedArtifact:
        (tmp_path / "table.yaml").write_text(text, "utf-8")
        return load_artifact(compile_spec(tmp_path / "table.yaml", settings).folder, settings.artifacts)

    return make


def specification(rows: str, policy: str = "FIRST", more: str = "") -> str:
    return f"""
inputs: {{age: integer, plan: string}}
steps:
  - step: rate
    type: deterministic_rule
    table:
      hit_policy: {policy}
      inputs: {{age: age, plan: plan}}
      outputs: {{factor: []}}
      id: id
{more}      rows:
{rows}
  - step: premium
    type: deterministic_rule
    logic: |
      IF factor > 1 THEN outcome = DEAR
      ELSE outcome = CHEAP
outputs: [outcome]
"""


def listed(count: int, factor: int = 1) -> str:
    rows = [f"        - {{id: r{n}, age: '[{n * 10}..{n * 10 + 10})', factor: 1}}" for n in range(count)]
    rows[2] = rows[2].replace("factor: 1", f"factor: {factor}")
    return "\n".join(rows)


def explained(artifact: SealedArtifact, store: RunStore, age: int) -> Explanation:
    done = run(artifact, {"age": age, "plan": "x"}, store=store)
    return explain(done.run_id, store=store, artifacts=lambda _: artifact)


def rows_of(told: Explanation) -> list[tuple[str, str]]:
    return [(row["function"], row["row"]) for row in told.rows]


@pytest.mark.parametrize("count", [4, 12])
def test_explain_names_the_row_of_a_table(count: int, compiled: Compiled, store: RunStore) -> None:
    told = explained(compiled(specification(listed(count))), store, 25)
    assert rows_of(told) == [("rate", "r2")]
    assert "Rows that decided:\n  rate: row r2 (line 14): age [20..30)\n" in told.text()


@pytest.mark.parametrize("count", [4, 12])
def test_no_row_is_named_where_the_default_decides(count: int, compiled: Compiled, store: RunStore) -> None:
    artifact = compiled(specification(listed(count), more="      default: {factor: 7}\n"))
    assert rows_of(explained(artifact, store, 900)) == []
    assert rows_of(explained(artifact, store, 25)) == [("rate", "r2")]


@pytest.mark.parametrize("count", [4, 12])
def test_all_rows_are_named_that_a_sum_is_made_of(count: int, compiled: Compiled, store: RunStore) -> None:
    rows = listed(count) + "\n        - {id: all, plan: x, factor: 5}"
    artifact = compiled(specification(rows, "COLLECT sum"))
    assert rows_of(explained(artifact, store, 25)) == [("rate", "r2"), ("rate", "all")]


@pytest.mark.parametrize("count", [4, 12])
def test_a_change_is_put_down_to_the_row_that_changed(count: int, compiled: Compiled, store: RunStore) -> None:
    before, after = compiled(specification(listed(count))), compiled(specification(listed(count, factor=9)))
    done = [run(before, {"age": age, "plan": "x"}, store=store) for age in (5, 25, 26)]
    compared = rerun(done[1].run_id, after, store=store, artifacts=lambda _: before)
    assert compared.parting is not None and compared.parting.responsible == "rate: row r2"
    found = impact(before, after, store=store)
    assert [(group.responsible, group.change, len(group.runs)) for group in found.groups] == [
        ("rate: row r2", "CHEAP -> DEAR", 2)
    ]


@pytest.mark.parametrize("count", [4, 12])
def test_a_new_row_is_named_with_the_row_that_decided_before(count: int, compiled: Compiled, store: RunStore) -> None:
    before = compiled(specification(listed(count)))
    after = compiled(specification(f"        - {{id: new, plan: x, factor: 3}}\n{listed(count)}"))
    run(before, {"age": 25, "plan": "x"}, store=store)
    (group,) = impact(before, after, store=store).groups
    assert group.responsible == "rate: row new (before: row r2)"


def test_a_row_that_is_changed_in_a_sheet_is_named_by_diff_and_impact(
    tmp_path: Path, settings: Settings, store: RunStore
) -> None:
    folder = tmp_path / "claim_routing"
    folder.mkdir()
    for name in ("routes.xlsx", "providers.csv", "golden.jsonl"):
        (folder / name).write_bytes((EXAMPLES / "claim_routing" / name).read_bytes())
    path = tmp_path / "claim_routing.yaml"
    path.write_bytes((EXAMPLES / "claim_routing.yaml").read_bytes())
    before = load_artifact(compile_spec(path, settings).folder, settings.artifacts)
    book = openpyxl.load_workbook(folder / "routes.xlsx")
    assert book["Routes"]["A45"].value == "VIS-B4"
    book["Routes"]["E45"] = "SPECIAL_INVESTIGATION"
    book.save(folder / "routes.xlsx")
    after = load_artifact(compile_spec(path, settings).folder, settings.artifacts)

    done = run(before, CLAIM, store=store)
    told = explain(done.run_id, store=store, artifacts=lambda _: before)
    assert [row["text"] for row in told.rows] == [
        "row VIS-B4 (routes.xlsx[Routes]!A45): Kind of claim vision, Tier B, Billed > 1500"
    ]
    change = "row VIS-B4 changed: Queue 'SENIOR_EXAMINER' -> 'SPECIAL_INVESTIGATION'"
    assert compare_artifacts(before, after).text().startswith(f"decision table route:\n  {change}\n")
    assert [(group.responsible, group.change) for group in impact(before, after, store=store).groups] == [
        ("route: row VIS-B4", "SENIOR_EXAMINER -> SPECIAL_INVESTIGATION")
    ]
