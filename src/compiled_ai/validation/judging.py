"""What the security and the syntax stage share: the text that is judged, lines of one's own, tools that may break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from compiled_ai.assemble import FunctionPlace
from compiled_ai.errors import CompiledAIError
from compiled_ai.records import Finding, StageName, StageResult


@dataclass
class Judging:
    """Collects what the tools of one stage say, and how long each took."""

    stage: StageName
    findings: list[Finding] = field(default_factory=list)
    broken: list[Finding] = field(default_factory=list)
    """Why a tool could not judge."""
    measures: dict[str, Any] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def run(self, tool: str, judge: Callable[[], Iterable[Finding]]) -> None:
        """Runs a tool; if it breaks the stage is an `error`, whatever the others find."""
        started = time.perf_counter()
        try:
            self.findings.extend(judge())
        except CompiledAIError as fault:
            self.broken.append(Finding(rule=f"{self.stage}.{tool}_unavailable", message=str(fault), caught_by=tool))
        except Exception as fault:  # a tool of others may raise anything, and then it has not judged
            message = f"{tool} crashed: {type(fault).__name__}: {fault}."
            self.broken.append(Finding(rule=f"{self.stage}.{tool}_crashed", message=message, caught_by=tool))
        self.milliseconds[tool] = round((time.perf_counter() - started) * 1000, 3)

    def result(self) -> StageResult:
        failed = any(finding.severity == "error" for finding in self.findings)
        return StageResult(
            name=self.stage,
            status="error" if self.broken else "failed" if failed else "passed",
            milliseconds=round((time.perf_counter() - self.started) * 1000, 3),
            findings=(*self.broken, *dict.fromkeys(self.findings)),
            measures={**self.measures, "milliseconds": self.milliseconds},
        )


def text_of(place: FunctionPlace) -> str:
    """Returns a function below the imports that came with it: one text, as its author wrote it."""
    return "\n".join([*place.imports, place.source]) + "\n"


def own(findings: Iterable[Finding], step: str, above: int) -> list[Finding]:
    """Moves findings to the function's own lines: `above` lines of imports stand over it."""
    return [
        finding.model_copy(update={"step": step, "line": max(1, finding.line - above) if finding.line else None})
        for finding in findings
    ]
