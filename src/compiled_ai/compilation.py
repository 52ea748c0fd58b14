"""What came of a compile: its attempts, the candidates that were kept, and how both are reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from compiled_ai.errors import CompileFailed, StageUnavailable
from compiled_ai.plan import CompilePlan
from compiled_ai.records import Usage, ValidationReport


@dataclass(frozen=True)
class Attempt:
    """One candidate in one round: what was asked, and what the stages found."""

    number: int
    """Round of the candidate, from 1."""
    asked: tuple[str, ...]
    """Steps whose function was asked for in this round."""
    report: ValidationReport
    usage: Usage
    candidate: int = 1
    """Which of the independent candidates, from 1."""

    @property
    def caught_by(self) -> list[str]:
        """The stages that refuse the candidate, each by itself; with `explain_stages` every stage has looked."""
        stages = self.report.stages
        return [stage.name for stage in stages if "failed" in (stage.status, stage.measures.get("alone"))]


@dataclass(frozen=True)
class Compilation:
    """What came of one compilation that passed."""

    plan: CompilePlan
    folder: Path
    attempts: tuple[Attempt, ...]
    report: ValidationReport
    """Of what is sealed."""
    usage: Usage
    origins: tuple[str, ...]
    """Where the replies came from: `live`, `exchange`, `authored`."""
    models: tuple[str, ...]
    seconds: float
    provisional: str | None
    candidates: tuple[Mapping[str, Any], ...] = ()
    """Each independent candidate, if there are several: attempts, whether it passed, its mean, whether it was kept."""
    explained: bool = False
    """Every stage has judged every candidate."""

    @property
    def digest(self) -> str:
        return self.folder.name

    @property
    def rounds(self) -> int:
        """The most attempts that any candidate took."""
        return max(attempt.number for attempt in self.attempts)

    def page(self) -> str:
        """Returns the result as a person reads it."""
        lines = [f"{self.plan.spec.slug}@{self.plan.spec.version}  {self.digest}"]
        lines += [f"  {stage.name:<10} {stage.status:<8} {stage.milliseconds:>9.1f} ms" for stage in self.report.stages]
        replies = f"replies: {', '.join(self.origins)}" if self.origins else "no model was needed"
        tokens = f"{self.usage.input_tokens} in, {self.usage.output_tokens} out ({self.usage.origin})"
        lines.append(f"  {self.rounds} attempt(s); tokens {tokens}; {replies}")
        lines += [_candidate_line(each) for each in self.candidates]
        lines += explained_lines(self.attempts) if self.explained else []
        lines.append(f"  {self._verdict()}")
        return "\n".join([*lines, f"  {self.folder}"])

    def _verdict(self) -> str:
        if self.provisional:
            return f"provisional: {self.provisional}"
        measured = next((stage.measures.get("score") for stage in self.report.stages if stage.name == "accuracy"), None)
        if measured is not None and measured["n"] == 0:
            return "validated; accuracy is not measured: there is no golden case"
        return "validated"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{escape(self.page())}</pre>"

    def describe(self) -> dict[str, Any]:
        """Returns the result as the command line prints it with `--json`."""
        return {
            "workflow": self.plan.spec.slug,
            "version": self.plan.spec.version,
            "digest": self.digest,
            "path": str(self.folder),
            "attempts": self.rounds,
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
            **({"candidates": [dict(each) for each in self.candidates]} if self.candidates else {}),
            **({"caught_by": [attempt.caught_by for attempt in self.attempts]} if self.explained else {}),
        }

    def evidence(self) -> dict[str, Any]:
        """Returns the content of `evidence/report.json`."""
        described, spec = self.describe(), self.plan.spec
        accuracy = next((stage.measures for stage in self.report.stages if stage.name == "accuracy"), {})
        return {
            **{key: described[key] for key in ("workflow", "version", "attempts", "tokens", "replies", "models")},
            "stages": described["stages"],
            "provisional": self.provisional,
            "seconds": Decimal(str(described["seconds"])),
            "accuracy": accuracy.get("score"),
            **({"candidates": described["candidates"]} if self.candidates else {}),
            "history": history(self.attempts),
            "defaults": [{"path": each.path, "value": each.value, "reason": each.reason} for each in spec.defaults],
            "waived": {pack.name: dict(pack.waived) for pack in spec.packs if pack.waived},
        }


def _candidate_line(each: Mapping[str, Any]) -> str:
    mean = "not measured" if each["mean"] is None else f"{each['mean']:.3f} on the selection cases"
    how = f"mean {mean}, {each['lines']} lines" if each["passed"] else "did not pass"
    return f"  candidate {each['candidate']}: {each['attempts']} attempt(s), {how}{', kept' if each['kept'] else ''}"


def history(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Returns every attempt as JSON."""
    return [
        {
            "attempt": attempt.number,
            "candidate": attempt.candidate,
            "asked": list(attempt.asked),
            "caught_by": attempt.caught_by,
            "stages": [stage.model_dump(mode="json", exclude_none=True) for stage in attempt.report.stages],
            "tokens": attempt.usage.model_dump(mode="json"),
        }
        for attempt in attempts
    ]


def summary(report: ValidationReport) -> str:
    """Returns the stages of a report in one line."""
    return ", ".join(f"{stage.name} {stage.status} ({stage.milliseconds:.0f} ms)" for stage in report.stages)


def named(attempt: Attempt, candidates: int) -> str:
    """Returns what an attempt is called where there are so many candidates."""
    return f"attempt {attempt.number}" + (f" of candidate {attempt.candidate}" if candidates > 1 else "")


def explained_lines(attempts: Sequence[Attempt]) -> list[str]:
    """Says for each candidate which stage would have caught it alone."""
    several = max((each.candidate for each in attempts), default=1)
    return [
        f"  stages that catch {named(each, several)} alone: {', '.join(each.caught_by) or 'none, it is good'}"
        for each in attempts
    ]


def provisional_reason(report: ValidationReport) -> str | None:
    """Returns why the accuracy stage calls the artifact provisional, or `None`."""
    for stage in report.stages:
        why = stage.measures.get("provisional")
        if why:
            return str(why)
    return None


def unavailable(report: ValidationReport, attempts: Sequence[Attempt]) -> StageUnavailable:
    """Returns the error of a compile in which a stage could not judge."""
    stage = next(stage for stage in report.stages if stage.status == "error")
    why = "; ".join(str(finding).rstrip(".") for finding in stage.findings) or "it gave no reason"
    return StageUnavailable(
        f"The stage {stage.name!r} could not judge the candidate: {why}.",
        remedy="Nothing was accepted."
        + ("" if stage.name == "accuracy" else " `compiled-ai doctor` says which tools there are."),
        details=history(attempts),
    )


def gave_up(
    plan: CompilePlan, attempts: Sequence[Attempt], *, explained: bool, report: ValidationReport | None = None
) -> CompileFailed:
    """Returns the error of a compile that ends without an artifact; `report` is the last word, if no attempt's is."""
    several = max(each.candidate for each in attempts)
    told = [f"  {named(each, several)}: {summary(each.report)}" for each in attempts]
    listed = "\n".join([*told, *(explained_lines(attempts) if explained else [])])
    found = "\n".join(f"  {finding.rule}: {finding}" for finding in (report or attempts[-1].report).findings[:20])
    return CompileFailed(
        f"No candidate of {plan.spec.slug!r} passed in {len(attempts)} attempts.\n{listed}\nlast findings:\n{found}\n",
        remedy="Nothing was written. Make the specification more precise, or add examples.",
        details=history(attempts),
    )
