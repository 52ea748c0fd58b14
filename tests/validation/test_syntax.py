"""The syntax stage: types, names, size, and whose fault it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compiled_ai.assemble import Assembled
from compiled_ai.errors import StageUnavailable
from compiled_ai.plan import CompilePlan
from compiled_ai.records import StageResult
from compiled_ai.sandbox import ToolResult
from compiled_ai.validation import checkers
from compiled_ai.validation.syntax import syntax

Build = Callable[[str], Assembled]
GOOD = '''
import re
from decimal import Decimal

def read_letter(letter: str, weight: Decimal) -> ReadLetter:
    """Reads the vendor."""
    found = re.search(r"From: ([^\\n]*)", letter)
    return ReadLetter(found.group(1) if found else None, weight * 2)
'''


@pytest.fixture(scope="module")
def judge(build: Build, plan: CompilePlan, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StageResult]:
    cache = tmp_path_factory.mktemp("cache")
    return lambda body: syntax(build(body), plan, cache=cache)


def seen(result: StageResult) -> set[tuple[str, int | None]]:
    return {(finding.rule, finding.line) for finding in result.findings}


def test_a_good_function_passes_and_its_size_is_told(judge: Callable[[str], StageResult]) -> None:
    result = judge(GOOD)
    assert (result.status, result.findings) == ("passed", ())
    told = result.measures["functions"]["read_letter"]
    assert (told["lines"], told["complexity"]) == (3, 2)
    assert "fewer than 20" in told["note"]


def test_a_wrong_type_is_found_in_the_functions_own_line(judge: Callable[[str], StageResult]) -> None:
    result = judge(GOOD.replace("weight * 2)", "str(weight))"))
    assert result.status == "failed"
    assert seen(result) == {("mypy.arg-type", 4)}
    assert result.findings[0].step == "read_letter"


def test_an_unknown_name_is_found_by_ruff_and_mypy(judge: Callable[[str], StageResult]) -> None:
    assert seen(judge(GOOD.replace("weight * 2", "wieght * 2"))) == {("ruff.F821", 4), ("mypy.name-defined", 4)}


def test_a_comment_for_a_checker_switches_nothing_off_in_ruff(judge: Callable[[str], StageResult]) -> None:
    assert ("ruff.F821", 4) in seen(judge(GOOD.replace("weight * 2)", "wieght * 2)  # noqa")))


def test_another_signature_is_named_and_is_the_candidates_fault(judge: Callable[[str], StageResult]) -> None:
    result = judge(GOOD.replace("weight: Decimal", "weight: int"))
    assert result.status == "failed"
    assert ("syntax.signature", 1) in seen(result)
    assert "def read_letter(letter: str, weight: Decimal) -> ReadLetter:" in result.findings[0].message


def test_a_function_that_is_too_long_or_too_tangled_fails(judge: Callable[[str], StageResult]) -> None:
    many = "".join(f"    if weight == {n}:\n        weight += {n}\n" for n in range(30))
    result = judge(GOOD.replace("    found =", many + "    found ="))
    assert {"syntax.complexity", "syntax.length"} <= {finding.rule for finding in result.findings}
    assert "complexity of 32, at most 10" in result.findings[0].message


def test_lines_are_counted_without_blanks_comments_and_docstring() -> None:
    assert checkers.code_lines('def f():\n    """Says\n    much."""\n\n    # why\n    return 1\n') == 2


def test_a_fault_outside_of_every_function_is_an_error(build: Build, plan: CompilePlan) -> None:
    candidate = build(GOOD)
    broken = replace(candidate, source=candidate.source + "\nLAST: int = ''\n")
    result = syntax(broken, plan)
    assert result.status == "error"
    assert "outside of every function" in result.findings[0].message


def test_a_module_that_does_not_parse_is_an_error(build: Build, plan: CompilePlan) -> None:
    result = syntax(replace(build(GOOD), source="def f(:\n"), plan)
    assert (result.status, result.findings[0].rule) == ("error", "syntax.ast_unavailable")


@pytest.mark.parametrize(
    "result",
    [
        ToolResult(2, "[]", "", False),
        ToolResult(0, "", "", False),
        ToolResult(0, "[]", "", False),
        ToolResult(-9, "", "", True),
    ],
    ids=["crashes", "prints nothing", "misses the canary", "hangs"],
)
def test_ruff_that_did_not_look_has_not_passed(result: ToolResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkers, "run_tool", lambda *_, **__: result)
    with pytest.raises(StageUnavailable, match="ruff"):
        checkers.ruff("x = 1\n")


def test_mypy_that_did_not_look_has_not_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mypy.api.run", lambda _: ("", "killed", 1))
    with pytest.raises(StageUnavailable, match="canary"):
        checkers.mypy("x = 1\n", tmp_path)


def test_radon_that_saw_no_function_has_not_passed() -> None:
    with pytest.raises(StageUnavailable, match="no function"):
        list(checkers.radon("x = 1\n", 50))
