"""Algorithm 1 of the paper: generate, assemble, validate; send back precise findings; seal what passes.

```
plan -> for at most N attempts: ask for each function that is missing or failed
                                assemble, validate (security, syntax, execution, accuracy)
                                passed: seal.  failed: feed the findings back.  error: stop, nothing is judged.
```
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiled_ai.artifact import load_artifact, seal
from compiled_ai.assemble import Assembled, assemble
from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import load_catalog
from compiled_ai.config import Settings
from compiled_ai.errors import CompileFailed, ConfigError, StageUnavailable
from compiled_ai.generate import build_request, extract_candidate
from compiled_ai.models import Budget, Model, Reply, Request, ask_all, open_model
from compiled_ai.plan import CompilePlan, FunctionPlan, make_plan
from compiled_ai.records import Finding, StageResult, Usage, ValidationReport
from compiled_ai.spec.loader import load_spec

Progress = Callable[[str], None]


@dataclass(frozen=True)
class CompileOptions:
    model: str | None = None
    """`recorded:DIR`, `exchange:DIR` or a pydantic-ai name; not needed where no function is to be written."""
    record: Path | None = None
    max_attempts: int = 5
    budget: Budget | None = None
    require_sandbox: bool = False
    explain_stages: bool = False


@dataclass(frozen=True)
class Attempt:
    """One round: what was asked, and what the stages found."""

    number: int
    asked: tuple[str, ...]
    """Steps whose function was asked for in this round."""
    report: ValidationReport
    usage: Usage


@dataclass(frozen=True)
class Compilation:
    """What came of one compilation that passed."""

    plan: CompilePlan
    folder: Path
    attempts: tuple[Attempt, ...]
    usage: Usage
    origins: tuple[str, ...]
    """Where the replies came from: `live`, `exchange`, `authored`."""
    models: tuple[str, ...]
    seconds: float
    provisional: str | None

    @property
    def digest(self) -> str:
        return self.folder.name

    @property
    def report(self) -> ValidationReport:
        return self.attempts[-1].report

    def describe(self) -> dict[str, Any]:
        """Returns the result as the command line prints it with `--json`."""
        return {
            "workflow": self.plan.spec.slug,
            "version": self.plan.spec.version,
            "digest": self.digest,
            "path": str(self.folder),
            "attempts": len(self.attempts),
            "stages": [stage.model_dump(mode="json", exclude_none=True) for stage in self.report.stages],
            "tokens": {
                "input": self.usage.input_tokens,
                "output": self.usage.output_tokens,
                "origin": self.usage.origin,
            },
            "replies": list(self.origins),
            "models": list(self.models),
            "provisional": self.provisional,
            "seconds": round(self.seconds, 3),
        }


def compile_spec(
    path: Path, settings: Settings, options: CompileOptions | None = None, *, progress: Progress | None = None
) -> Compilation:
    """Compiles one specification into a sealed artifact.

    Raises:
        SpecError: the specification is wrong.
        Waiting: an exchange lacks replies; every request that can be written is written.
        CompileFailed: no candidate passed within `max_attempts` (`details` holds every attempt).
        StageUnavailable: a stage could not judge.
    """
    return _Compiler(path, settings, options or CompileOptions(), progress or (lambda _: None)).compile()


@dataclass
class _Compiler:
    path: Path
    settings: Settings
    options: CompileOptions
    progress: Progress
    replies: list[tuple[Request, Reply]] = field(default_factory=list)
    candidates: dict[str, str] = field(default_factory=dict)
    """Step to the source of its latest candidate."""

    def compile(self) -> Compilation:
        started = time.perf_counter()
        plan = make_plan(load_spec(self.path), load_catalog())
        model = self._model(plan)
        attempts: list[Attempt] = []
        pending: Sequence[FunctionPlan] = plan.functions
        feedback: Mapping[str, Sequence[Finding]] = {}
        for number in range(1, self.options.max_attempts + 1):
            attempt, assembled = self._attempt(plan, model, number, pending, feedback)
            attempts.append(attempt)
            status = attempt.report.status
            self.progress(f"attempt {number}: {_summary(attempt.report)}")
            if status == "error":
                raise _unavailable(attempts)
            if status == "passed" and assembled is not None:
                return self._seal(plan, assembled, attempts, time.perf_counter() - started)
            if not plan.functions:
                break  # nothing that a further attempt could change
            feedback = _by_step(attempt.report.findings, plan)
            pending = [function for function in plan.functions if function.step in feedback] or plan.functions
        raise _gave_up(plan, attempts)

    def _model(self, plan: CompilePlan) -> Model | None:
        if not plan.functions:
            return None
        if self.options.model is None:
            steps = ", ".join(function.step for function in plan.functions)
            raise ConfigError(
                f"The specification asks a model to write {steps}, and no model is named.",
                remedy="Give --model recorded:DIR, exchange:DIR, or a provider's name such as anthropic:NAME.",
            )
        return open_model(self.options.model, record=self.options.record, budget=self.options.budget)

    def _attempt(
        self,
        plan: CompilePlan,
        model: Model | None,
        number: int,
        pending: Sequence[FunctionPlan],
        feedback: Mapping[str, Sequence[Finding]],
    ) -> tuple[Attempt, Assembled | None]:
        usage, findings = Usage(), []
        if model is not None:
            usage, findings = self._generate(plan, model, number, pending, feedback)
        asked = tuple(function.step for function in pending)
        if findings:
            stage = StageResult(name="syntax", status="failed", milliseconds=0, findings=tuple(findings))
            return Attempt(number, asked, ValidationReport(stages=(stage,)), usage), None
        try:
            assembled = self._assemble(plan)
        except CompileFailed as clash:
            finding = Finding(rule="assemble.clash", message=str(clash))
            stage = StageResult(name="syntax", status="failed", milliseconds=0, findings=(finding,))
            return Attempt(number, asked, ValidationReport(stages=(stage,)), usage), None
        return Attempt(number, asked, self._validate(plan, assembled), usage), assembled

    def _generate(
        self,
        plan: CompilePlan,
        model: Model,
        number: int,
        pending: Sequence[FunctionPlan],
        feedback: Mapping[str, Sequence[Finding]],
    ) -> tuple[Usage, list[Finding]]:
        requests = [
            build_request(
                plan, each, feedback.get(each.step, ()), self.candidates.get(each.step), sample=number - 1
            )
            for each in pending
        ]
        replies = ask_all(model, requests)
        usage, findings = Usage(), []
        for function, request, reply in zip(pending, requests, replies, strict=True):
            self.replies.append((request, reply))
            usage = usage + reply.usage
            findings.extend(self._take(function, reply))
        return usage, findings

    def _take(self, function: FunctionPlan, reply: Reply) -> Sequence[Finding]:
        raise CompileFailed("not connected")

    def _assemble(self, plan: CompilePlan) -> Assembled:
        raise CompileFailed("not connected")

    def _validate(self, plan: CompilePlan, assembled: Assembled) -> ValidationReport:
        raise CompileFailed("not connected")

    def _seal(self, plan: CompilePlan, assembled: Assembled, attempts: Sequence[Attempt], seconds: float) -> Compilation:
        raise CompileFailed("not connected")


def _by_step(findings: Sequence[Finding], plan: CompilePlan) -> dict[str, list[Finding]]:
    """Sends each finding to the function that it is about; one that names none goes to all."""
    grouped: dict[str, list[Finding]] = {}
    steps = [function.step for function in plan.functions]
    for finding in findings:
        if finding.severity != "error":
            continue
        for step in [finding.step] if finding.step in steps else steps:
            grouped.setdefault(str(step), []).append(finding)
    return grouped


def _summary(report: ValidationReport) -> str:
    return ", ".join(f"{stage.name} {stage.status} ({stage.milliseconds:.0f} ms)" for stage in report.stages)


def _told(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [
        {
            "attempt": attempt.number,
            "asked": list(attempt.asked),
            "stages": [stage.model_dump(mode="json", exclude_none=True) for stage in attempt.report.stages],
            "tokens": attempt.usage.model_dump(mode="json"),
        }
        for attempt in attempts
    ]


def _unavailable(attempts: Sequence[Attempt]) -> StageUnavailable:
    stage = next(stage for stage in attempts[-1].report.stages if stage.status == "error")
    why = "; ".join(str(finding) for finding in stage.findings) or "it gave no reason"
    return StageUnavailable(
        f"The stage {stage.name!r} could not judge the candidate: {why}.",
        remedy="Nothing was accepted. `compiled-ai doctor` says what is missing.",
        details=_told(attempts),
    )


def _gave_up(plan: CompilePlan, attempts: Sequence[Attempt]) -> CompileFailed:
    last = attempts[-1].report
    listed = "\n".join(f"  attempt {each.number}: {_summary(each.report)}" for each in attempts)
    found = "\n".join(f"  {finding.rule}: {finding}" for finding in last.findings[:20])
    return CompileFailed(
        f"No candidate of {plan.spec.slug!r} passed in {len(attempts)} attempts.\n{listed}\nlast findings:\n{found}\n",
        remedy="Nothing was written. Make the specification more precise, or add examples.",
        details=_told(attempts),
    )


__all__ = ["Attempt", "Compilation", "CompileOptions", "canonical_json", "compile_spec", "load_artifact", "seal", "assemble", "extract_candidate"]
