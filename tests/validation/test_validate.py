"""The four stages together: order, skipping, and the difference between bad and unjudged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compiled_ai.assemble import Assembled
from compiled_ai.errors import SandboxFailed
from compiled_ai.plan import CompilePlan
from compiled_ai.records import StageResult
from compiled_ai.sandbox import Sandbox
from compiled_ai.sandbox import box as box_module
from compiled_ai.validation import run_stage, validate

from .conftest import GOOD, pools

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tools that the static stages load
Build = Callable[[str], Assembled]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_a_stage_that_crashes_has_not_judged() -> None:
    def crash() -> StageResult:
        raise ZeroDivisionError("by nought")

    result = run_stage("syntax", crash)
    assert (result.status, result.findings[0].rule) == ("error", "syntax.crashed")
    assert "ZeroDivisionError: by nought" in result.findings[0].message


def test_a_stage_that_is_unavailable_has_not_judged() -> None:
    def unavailable() -> StageResult:
        raise SandboxFailed("gone", remedy="Install it.")

    result = run_stage("execution", unavailable)
    assert (result.status, result.findings[0].rule) == ("error", "execution.sandbox_failed")
    assert str(result.findings[0]) == "gone Install it."


def test_a_sandbox_that_is_required_and_not_there_is_an_error(
    plan: CompilePlan, build: Build, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_module, "sandbox_level", lambda: "process")
    report = validate(build(GOOD), plan, cache=cache, require_sandbox=True)
    assert [stage.status for stage in report.stages] == ["passed", "passed", "error", "skipped"], report.findings
    assert report.status == "error"


def test_later_stages_are_skipped_after_a_failure(plan: CompilePlan, build: Build, box: Sandbox, cache: Path) -> None:
    report = validate(build(GOOD.replace("found.group(1)", "eval(found.group(1))")), plan, box=box, cache=cache)
    assert [stage.status for stage in report.stages] == ["failed", "skipped", "skipped", "skipped"]
    assert report.status == "failed"


def test_explained_stages_say_what_each_would_have_found_alone(
    plan: CompilePlan, build: Build, box: Sandbox, cache: Path
) -> None:
    bad = GOOD.replace("found.group(1)", "eval(found.group(1))")
    report = validate(build(bad), plan, box=box, cache=cache, explain=True)
    execution = report.stages[2]
    assert execution.status == "skipped"
    assert execution.measures["alone"] == "failed"
    assert execution.measures["rules"] == ["execution.raised"]


def test_a_good_candidate_passes_all_four(plan: CompilePlan, build: Build, box: Sandbox, cache: Path) -> None:
    report = validate(build(GOOD), plan, box=box, cache=cache)
    assert [(stage.name, stage.status) for stage in report.stages] == [
        ("security", "passed"),
        ("syntax", "passed"),
        ("execution", "passed"),
        ("accuracy", "passed"),
    ], report.findings
    assert report.stages[3].measures["score"]["pool"] == "sealed"
    assert all(stage.milliseconds > 0 for stage in report.stages)


def test_the_sealed_pool_can_be_left_for_later(plan: CompilePlan, build: Build, box: Sandbox, cache: Path) -> None:
    report = validate(build(GOOD), plan, box=box, cache=cache, sealed=False)
    assert report.stages[3].measures["score"]["pool"] == "selection"


def test_a_candidate_that_only_the_sealed_pool_catches_fails(
    plan: CompilePlan, build: Build, box: Sandbox, cache: Path
) -> None:
    other = replace(plan, pools=replace(pools(), shown=pools().shown[:1], selection=pools().selection[:1]))
    bad = GOOD.replace("found.group(1).strip()", "found.group(1).strip()[:14]")
    report = validate(build(bad), other, box=box, cache=cache)
    assert report.stages[3].status == "failed"
    assert [finding.rule for finding in report.findings] == ["accuracy.sealed"]
