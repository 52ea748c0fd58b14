"""What the security and the syntax stage share: the text that is judged, lines of one's own, tools that may break."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from compiled_ai.assemble import FunctionPlace
from compiled_ai.errors import CompiledAIError
from compiled_ai.records import Finding, StageName, StageResult


@dataclass
class Judging:
    """Collects what the tools of one stage say, in the order in which they were started, and how long each took."""

    stage: StageName
    measures: dict[str, Any] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    _found: dict[str, list[Finding]] = field(default_factory=dict)
    _broken: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        return [finding for each in self._found.values() for finding in each]

    @property
    def broken(self) -> list[Finding]:
        """Why a tool could not judge."""
        return [finding for each in self._broken.values() for finding in each]

    def run(self, tool: str, judge: Callable[[], Iterable[Finding]]) -> None:
        """Runs a tool; if it breaks the stage is an `error`, whatever the others find."""
        found = self._found.setdefault(tool, [])
        started = time.perf_counter()
        try:
            found.extend(judge())
        except CompiledAIError as fault:
            self._break(tool, "unavailable", str(fault))
        except Exception as fault:  # a tool of others may raise anything, and then it has not judged
            self._break(tool, "crashed", f"{tool} crashed: {type(fault).__name__}: {fault}.")
        spent = (time.perf_counter() - started) * 1000
        self.milliseconds[tool] = round(self.milliseconds.get(tool, 0.0) + spent, 3)

    def _break(self, tool: str, how: str, message: str) -> None:
        finding = Finding(rule=f"{self.stage}.{tool}_{how}", message=message, caught_by=tool)
        self._broken.setdefault(tool, []).append(finding)

    def begin(self, tool: str, judge: Callable[[], Iterable[Finding]]) -> Callable[[], None]:
        """Runs a tool that waits for a process of its own in a thread; call what is returned before `result`."""
        self._found.setdefault(tool, [])
        thread = threading.Thread(target=self.run, args=(tool, judge), name=f"{self.stage}-{tool}")
        thread.start()
        return thread.join

    def result(self) -> StageResult:
        failed = any(finding.severity == "error" for finding in self.findings)
        return StageResult(
            name=self.stage,
            status="error" if self.broken else "failed" if failed else "passed",
            milliseconds=round((time.perf_counter() - self.started) * 1000, 3),
            findings=(*self.broken, *dict.fromkeys(self.findings)),
            measures={**self.measures, "milliseconds": dict(self.milliseconds)},
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
