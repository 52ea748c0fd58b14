"""What happened, as frozen records: the vocabulary that stages, runs, the store and the CLI share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from compiled_ai.errors import one_stop

Severity = Literal["error", "warning"]
StageName = Literal["security", "syntax", "execution", "accuracy"]
StageStatus = Literal["passed", "failed", "error", "skipped"]
Origin = Literal["live", "exchange", "authored", "scripted"]
TokenOrigin = Literal["measured", "estimated", "none"]
EffectState = Literal["intended", "succeeded", "failed", "in_doubt"]
RunStatus = Literal["completed", "review", "failed", "waiting"]
Verdict = Literal["pass", "refuse", "error"]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(Record):
    """One thing that is wrong, where, and what to do about it. `str(finding)` is `file:line:column: message`."""

    rule: str
    """Stable id, for example `spec.unknown_key`, `gate.import`, `accuracy.mismatch`."""
    message: str
    file: str | None = None
    line: int | None = None
    """1-based; in a candidate, the line of the generated function's own text."""
    column: int | None = None
    severity: Severity = "error"
    cwe: str | None = None
    step: str | None = None
    caught_by: str | None = None
    """The tool that saw it (`policy`, `bandit`, `mypy`, ...); never sent to a model."""

    @field_validator("message")
    @classmethod
    def _one_stop(cls, message: str) -> str:
        return one_stop(message)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class StageResult(Record):
    name: StageName
    status: StageStatus
    milliseconds: float
    findings: tuple[Finding, ...] = ()
    measures: Mapping[str, Any] = Field(default_factory=dict)
    """Figures of the stage (inputs tried, branch coverage, accuracy per field); JSON-compatible."""


class ValidationReport(Record):
    stages: tuple[StageResult, ...]

    @property
    def status(self) -> StageStatus:
        """`error` before `failed` before `passed`: a report that could not judge never counts as bad or good."""
        states = {stage.status for stage in self.stages}
        return "error" if "error" in states else "failed" if "failed" in states else "passed"

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for stage in self.stages for finding in stage.findings)


class Usage(Record):
    """Tokens of one or more model calls. Sums keep the weaker origin: measured + estimated = estimated."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    origin: TokenOrigin = "none"

    def __add__(self, other: Usage) -> Usage:
        origins = {self.origin, other.origin} - {"none"}
        origin: TokenOrigin = "estimated" if "estimated" in origins else "measured" if origins else "none"
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            requests=self.requests + other.requests,
            origin=origin,
        )


class Effect(Record):
    """The one recorded result of something outside the program, keyed (run, step, item, attempt)."""

    step: str
    kind: Literal["bounded", "call", "review", "clock", "today", "id"]
    item: int = 0
    """Position within a `for_each`; 0 elsewhere."""
    attempt: int = 0
    """Attempts of a bounded call count from 0; each is an effect of its own."""
    state: EffectState = "succeeded"
    request: Any = None
    """What was asked, JSON: its digest must agree when a run is replayed."""
    result: Any = None
    """Decoded canonical JSON; `None` unless `state` is `succeeded`."""
    error: str | None = None
    origin: str | None = None
    """Where the result came from: a model's name, a reviewer, the system clock."""
    usage: Usage | None = None
    milliseconds: float | None = None

    @property
    def key(self) -> tuple[str, str, int, int]:
        return (self.step, self.kind, self.item, self.attempt)


class ReviewDecision(Record):
    """What a person decided. `correct` carries the whole corrected result of the step."""

    action: Literal["approve", "correct", "reject"]
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    value: Any = None
    at: str
    """UTC, ISO 8601."""


class RunRecord(Record):
    """A run is a pure function of these three: artifact, input, effects. The rest is what came of it."""

    run_id: str
    artifact: str
    """Digest of the artifact's identity."""
    workflow: str
    input: Any
    effects: tuple[Effect, ...] = ()
    status: RunStatus
    output: Any = None
    evidence: Any = None
    """Output path to the place in the source that the value was read at (spans), or `{"dropped": REASON}`."""
    abstained: Any = None
    """What is null because nobody can be sure: a list of `{"step", "item", "field", "reason"}`, where there is any."""
    error: str | None = None
    started_at: str
    finished_at: str | None = None
    environment: Mapping[str, str] = Field(default_factory=dict)
    """Python, interface and package versions that can change a decision."""
    reference: Mapping[str, str] = Field(default_factory=dict)
    """Business keys by which the run can be found (stored only as keyed hashes)."""
