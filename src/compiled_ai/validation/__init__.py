"""Validation: four stages that nothing bad passes and nothing good trips over.

| stage | asks | in |
|---|---|---|
| security | may this code be run at all? | `security.py` |
| syntax | is it well-formed, typed, short enough? | `syntax.py` |
| execution | does it run, always, and always the same? | `execution.py` |
| accuracy | is it right? | `accuracy.py` |

`failed` means that the candidate is bad, and goes back to its author. `error` means that we could not judge: a tool is
missing, crashed, ran out of time, or saw nothing. The two never mix.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from compiled_ai.errors import CompiledAIError
from compiled_ai.records import Finding, StageName, StageResult, ValidationReport

if TYPE_CHECKING:
    from compiled_ai.assemble import Assembled
    from compiled_ai.plan import CompilePlan
    from compiled_ai.sandbox import Limits, Sandbox
    from compiled_ai.spec.model import WorkflowSpec
    from compiled_ai.validation.execution import Memory

Stage = Callable[[], StageResult]
_CALL_SECONDS = 2.0
"""Most CPU time of one call while a candidate is judged; a run may be given more."""


def validate(
    candidate: Assembled,
    plan: CompilePlan,
    *,
    cache: Path | None = None,
    require_sandbox: bool = False,
    box: Sandbox | None = None,
    sealed: bool = True,
    reads: int = 1,
    explain: bool = False,
    declared_errors: Collection[str] = (),
    inputs: int = 1000,
    memory: Memory | None = None,
) -> ValidationReport:
    """Judges an assembled candidate in four stages; after the first that is not passed, the rest is `skipped`.

    Args:
        candidate: the assembled module.
        plan: what it was to be; its specification and golden cases.
        cache: folder for generated inputs and tools.
        require_sandbox: no weaker sandbox than bubblewrap (`error` without it).
        box: a sandbox that is already warm; without one, one is opened for this judgement.
        sealed: judge the sealed pool as well, if everything else is passed. A finding `accuracy.sealed` ends a compile.
        reads: how often the sealed pool has been read, this time included.
        explain: run every stage all the same; a skipped one says in `measures["alone"]` what it would have found.
        declared_errors: names of exceptions that a function may raise.
        inputs: how many inputs are generated for each function.
        memory: functions that passed before under the same plan, which are not tried in full again.
    """
    with _Boxes(box, plan, require_sandbox) as boxes:
        boxes.warm_up()
        stages = _stages(candidate, plan, boxes, cache, sealed, reads, declared_errors, inputs, memory)
        results: list[StageResult] = []
        for name, stage in stages.items():
            if all(result.status == "passed" for result in results):
                results.append(run_stage(name, stage))
            elif explain:
                results.append(_alone(run_stage(name, stage)))
            else:
                results.append(StageResult(name=name, status="skipped", milliseconds=0))
        return ValidationReport(stages=tuple(results))


def _stages(
    candidate: Assembled,
    plan: CompilePlan,
    boxes: _Boxes,
    cache: Path | None,
    sealed: bool,
    reads: int,
    declared_errors: Collection[str],
    inputs: int,
    memory: Memory | None,
) -> dict[StageName, Stage]:
    from compiled_ai.plan import may_show
    from compiled_ai.validation.accuracy import accuracy, is_learned, judge_sealed
    from compiled_ai.validation.execution import execution
    from compiled_ai.validation.security import security
    from compiled_ai.validation.syntax import syntax

    spec, pools, tell = plan.spec, plan.pools, may_show(plan.spec, plan.packs)

    def judged_accuracy() -> StageResult:
        first = accuracy(candidate, spec, pools, boxes.open(), tell=tell)
        if first.status != "passed" or not sealed or not is_learned(spec):
            return first
        return _joined(first, judge_sealed(candidate, spec, pools, boxes.open(), reads=reads))

    ahead: list[StageResult] = []

    def judged_syntax() -> StageResult:
        return ahead.pop() if ahead else syntax(candidate, plan, cache=cache)

    def look_ahead() -> None:
        ahead.append(run_stage("syntax", lambda: syntax(candidate, plan, cache=cache)))

    return {
        "security": lambda: security(candidate, plan, meanwhile=look_ahead),
        "syntax": judged_syntax,
        "execution": lambda: execution(
            candidate,
            spec,
            pools,
            boxes.open(),
            cache=cache / "inputs" if cache and plan.sinks.get("caches", "clear") == "clear" else None,
            count=inputs,
            declared_errors=declared_errors,
            tell=tell,
            memory=memory,
        ),
        "accuracy": judged_accuracy,
    }


def with_sealed(
    report: ValidationReport, candidate: Assembled, plan: CompilePlan, box: Sandbox, *, reads: int
) -> ValidationReport:
    """Returns the report of a candidate that passed everything else, with the verdict of the sealed cases.

    Args:
        report: of `validate` with `sealed=False`.
        candidate: the one that was chosen.
        plan: what it was to be.
        box: where it runs.
        reads: how often the sealed pool has been read, this time included.
    """
    from compiled_ai.validation.accuracy import judge_sealed

    first = next(stage for stage in report.stages if stage.name == "accuracy")
    last = run_stage("accuracy", lambda: judge_sealed(candidate, plan.spec, plan.pools, box, reads=reads))
    kept = tuple(stage for stage in report.stages if stage.name != "accuracy")
    return ValidationReport(stages=(*kept, _joined(first, last)))


def run_stage(name: StageName, stage: Stage) -> StageResult:
    """Runs one stage; whatever breaks in it is an `error`, never a verdict on the candidate."""
    started = time.perf_counter()
    try:
        result = stage()
    except CompiledAIError as fault:
        finding = Finding(rule=f"{name}.{fault.code}", message=str(fault))
    except Exception as fault:  # a stage that crashes has not judged
        finding = Finding(rule=f"{name}.crashed", message=f"The stage crashed: {type(fault).__name__}: {fault}.")
    else:
        return result
    milliseconds = round((time.perf_counter() - started) * 1000, 3)
    return StageResult(name=name, status="error", milliseconds=milliseconds, findings=(finding,))


def _alone(result: StageResult) -> StageResult:
    rules = sorted({finding.rule for finding in result.findings})
    return StageResult(
        name=result.name,
        status="skipped",
        milliseconds=result.milliseconds,
        measures={"alone": result.status, "rules": rules},
    )


def _joined(first: StageResult, last: StageResult) -> StageResult:
    """One accuracy stage out of its two halves; the sealed figure is the one that counts."""
    return StageResult(
        name="accuracy",
        status=last.status,
        milliseconds=round(first.milliseconds + last.milliseconds, 3),
        findings=last.findings,
        measures={**first.measures, **last.measures},
    )


class _Boxes:
    """Opens a sandbox when the first stage needs one, and closes what it opened."""

    def __init__(self, given: Sandbox | None, plan: CompilePlan, require: bool) -> None:
        self._given, self._plan, self._require = given, plan, require
        self._own: Sandbox | None = None

    def open(self) -> Sandbox:
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = open_sandbox(self._plan, require=self._require)
        return self._own

    def warm_up(self) -> None:
        """Starts the sandbox while the static stages run; if it cannot start, the stage that needs it says so."""
        from compiled_ai.sandbox import ELSEWHERE

        with contextlib.suppress(CompiledAIError):
            box = self.open()
            box.prepare()
            box.prepare(ELSEWHERE)

    def __enter__(self) -> _Boxes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.close()


PRELOAD = ("compiled_ai.sandbox.runs",)
"""What the sandbox of a validation loads before the first candidate comes."""

_PRELOAD_FOR = {"compiled_ai.library.phones": "phonenumbers:PhoneMetadata.load_all"}
"""What a library module would load from files on first use."""


def open_sandbox(plan: CompilePlan, *, require: bool = False) -> Sandbox:
    """Returns a sandbox for all candidates of a plan; its processes start when they are first needed. Close it.

    Raises:
        SandboxFailed: `require`, and bubblewrap cannot be used here.
    """
    from compiled_ai.sandbox import Sandbox

    return Sandbox(limits_of(plan.spec), require=require, preload=_preload(plan))


def _preload(plan: CompilePlan) -> tuple[str, ...]:
    """A confined child can open no file, so all that a candidate may import is there before it starts."""
    from compiled_ai.closure import library_closure

    allowed = sorted(frozenset[str]().union(*(function.allowed_imports for function in plan.functions)))
    needed = library_closure("\n".join([plan.template.source, *(f"import {module}" for module in allowed)]))
    late = (loads for module, loads in _PRELOAD_FOR.items() if module in needed.library)
    return (*PRELOAD, *needed.library, *needed.outside, *late)


def limits_of(spec: WorkflowSpec) -> Limits:
    """Returns the sandbox limits for judging candidates of a specification."""
    from compiled_ai.sandbox import Limits

    seconds = float(spec.limits.cpu_seconds)
    return Limits(
        memory_mb=spec.limits.memory_mb, call_seconds=min(_CALL_SECONDS, seconds), cpu_seconds=max(60.0, 6 * seconds)
    )
