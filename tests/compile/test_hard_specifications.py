"""Specifications at the edge: what is too deep or too long is refused at its place, and what is just below compiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiled_ai.artifact import load_artifact
from compiled_ai.compiler import Compilation, compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import InputError, SpecError
from compiled_ai.runtime.local import run
from compiled_ai.scoring import score_file
from compiled_ai.spec.loader import load_spec


def _spec(folder: Path, logic: str, inputs: str = "{a: integer}") -> Path:
    lines = "".join(f"      {line}\n" for line in logic.splitlines())
    path = folder / "hard.yaml"
    path.write_text(
        f"inputs: {inputs}\nsteps:\n  - step: s\n    type: deterministic_rule\n    logic: |\n{lines}", "utf-8"
    )
    return path


def _nested(depth: int) -> str:
    return "".join(f"{'  ' * level}IF a > {level} THEN\n" for level in range(depth)) + "  " * depth + "OK\nELSE NO"


def _compiled(path: Path, folder: Path) -> Compilation:
    return compile_spec(path, Settings(home=folder / "home", store_url=f"sqlite:///{folder / 'runs.db'}"))


def test_thirty_nested_conditions_compile(tmp_path: Path) -> None:
    assert _compiled(_spec(tmp_path, _nested(30)), tmp_path).report.status == "passed"


def test_more_nested_conditions_are_refused_at_the_first_one_too_deep(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r":36:67: More than 30 IFs within each other\. Join conditions") as found:
        load_spec(_spec(tmp_path, _nested(60)))
    assert found.value.exit_code == 2


def test_two_hundred_operators_in_a_row_compile(tmp_path: Path) -> None:
    assert _compiled(_spec(tmp_path, "r = " + " + ".join(["a"] * 201)), tmp_path).report.status == "passed"


def test_more_operators_in_a_row_are_refused_at_the_first_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r":6:813: More than 200 operators in a row\. Sum a list"):
        load_spec(_spec(tmp_path, "r = " + " + ".join(["a"] * 3000)))


def test_very_large_bounds_are_tried_like_others(tmp_path: Path) -> None:
    inputs = "{a: {type: decimal, minimum: -1e400, maximum: 1e400}, b: {type: integer, minimum: 1e50}}"
    compiled = _compiled(_spec(tmp_path, "IF a > b THEN OK ELSE NO", inputs), tmp_path)
    assert compiled.report.status == "passed"


@pytest.mark.parametrize(
    ("bound", "just_out", "just_in"),
    [
        ("minimum: 0", "-0.01", "0"),
        ("maximum: 0", "0.01", "0"),
        ("minimum: 0.01", "0.009", "0.01"),
        ("maximum: 0.30000000000000000001", "0.30000000000000000002", "0.3"),
    ],
)
def test_bounds_hold_in_the_artifact_to_the_last_digit(
    bound: str, just_out: str, just_in: str, tmp_path: Path
) -> None:
    compiled = _compiled(_spec(tmp_path, "IF a > 1 THEN OK ELSE NO", f"{{a: {{type: money, {bound}}}}}"), tmp_path)
    assert compiled.report.status == "passed"
    artifact = load_artifact(compiled.folder, tmp_path / "home" / "artifacts")
    assert run(artifact, {"a": just_in}).status == "completed"
    with pytest.raises(InputError, match="a: "):
        run(artifact, {"a": just_out})


def test_a_case_to_score_whose_effects_are_no_object_is_named(tmp_path: Path) -> None:
    compiled = _compiled(_spec(tmp_path, "IF a > 1 THEN OK ELSE NO"), tmp_path)
    golden = tmp_path / "golden.jsonl"
    golden.write_text(json.dumps({"input": {"a": 2}, "expected": {"outcome": "OK"}, "effects": 5}), "utf-8")
    sealed = load_artifact(compiled.folder, tmp_path / "home" / "artifacts")
    with pytest.raises(InputError, match="golden.jsonl:1: 'effects' is number. Write an object from step") as bad:
        score_file(sealed, golden)
    assert bad.value.exit_code == 2
