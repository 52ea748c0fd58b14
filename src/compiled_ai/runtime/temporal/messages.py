"""What crosses the border between workflow, activities and clients: frozen records, small by construction.

Values of a run (input, output, a corrected result) travel as canonical JSON text, so that no number passes through a
double, and only up to `INLINE_BYTES`; beyond it only the digest travels, and the value lies in the run store.
Requests and results of effects never travel: both sides read them from the run's record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from compiled_ai.canonical import canonical_json, digest, parse_json
from compiled_ai.errors import StoreFailed
from compiled_ai.records import EffectState, Record, RunStatus

WORKFLOW = "CompiledAIRun"
BEGIN, ADVANCE, ANSWER, DECIDE, ABANDON = (
    f"compiled_ai_{name}" for name in ("begin", "advance", "answer", "decide", "abandon")
)
COMMON_QUEUE = "compiled-ai"
INLINE_BYTES = 64 * 1024
"""A larger value travels by its digest."""
MOST_RANGES = 5_000
"""Ranges of items that one message names at most; what is left out is named in the next round."""
MOST_REVIEWS = 200
"""Reviews that one message names at most."""


def queue_of(artifact: str, common: str = COMMON_QUEUE) -> str:
    """The queue of an artifact's activities: only workers that hold the artifact take from it."""
    return f"{common}-{artifact}"


class Carried(Record):
    """A value of a run, or the digest by which it is found in the run store."""

    text: str | None
    """Canonical JSON, or `None` if it is too large to travel."""
    digest: str
    size: int
    """Bytes of the canonical JSON."""

    @classmethod
    def of(cls, value: Any) -> Carried:
        text = canonical_json(value)
        size = len(text.encode("utf-8", "surrogatepass"))
        return cls(text=text if size <= INLINE_BYTES else None, digest=digest(text), size=size)

    @property
    def value(self) -> Any:
        """The value, if it travelled; numbers are exact."""
        if self.text is None:
            raise StoreFailed(
                f"A value of {self.size} bytes does not travel.", remedy="Read it from the run's record in the store."
            )
        return parse_json(self.text)

    def checked(self, stored: Any) -> Any:
        """Returns the stored value if it is the one that this names; raises `StoreFailed` otherwise."""
        if digest(canonical_json(stored)) != self.digest:
            raise StoreFailed(
                f"The run store holds another value than the one of digest {self.digest[:12]!r}.",
                remedy="Submit the run again; `compiled-ai runs verify` examines the store.",
            )
        return stored


class RunStart(Record):
    """What a run is started with: the artifact's digest, and the input or where it is found."""

    run_id: str
    """Also the id of the workflow."""
    artifact: str
    """Digest."""
    workflow: str
    version: str
    input: Carried
    deadline: str | None = None
    """ISO 8601 in UTC: by when people must have decided."""
    queue: str = COMMON_QUEUE
    searchable: bool = True
    """The server knows the search attributes."""
    continued: bool = False
    """The history was cut and goes on in a new one; the run has begun already."""


class Wanted(Record):
    """Effects of one step that are wanted next: the same kind and attempt, ranges of items (both ends included)."""

    step: str
    kind: Literal["bounded", "call"]
    attempt: int
    ranges: tuple[tuple[int, int], ...]
    timeout_seconds: int
    repeats: Literal["asked", "reads", "same", "keyed", "once"] = "same"
    """What doing it twice does (`capabilities.Repeats`); a bounded call is `asked` again."""

    @property
    def count(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def items(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def portions(self, size: int) -> Iterator[Wanted]:
        """The same effects in portions of `size` items at most."""
        items = list(self.items())
        for start in range(0, len(items), size):
            yield self.model_copy(update={"ranges": tuple(ranges_of(items[start : start + size]))})


class AwaitedReview(Record):
    """A decision that the run waits for."""

    review_id: str
    step: str
    item: int
    deadline: str | None = None


class Standing(Record):
    """Where a run stands: ended, or what it waits for."""

    status: RunStatus
    wanted: tuple[Wanted, ...] = ()
    reviews: tuple[AwaitedReview, ...] = ()
    reviews_open: int = 0
    """Reviews that are awaited in all; `reviews` names the first of them."""
    output: Carried | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed")


class Portion(Record):
    """Effects that one activity answers."""

    run_id: str
    wanted: Wanted
    carry_on: bool = False
    """Nothing else is wanted: say also where the run stands afterwards."""
    deadline: str | None = None


class Answered(Record):
    """What came of a portion: how many effects ended how."""

    states: dict[EffectState, int]
    standing: Standing | None = None


class Decision(Record):
    """A person's decision, as the workflow's update takes it."""

    review_id: str
    action: Literal["approve", "correct", "reject"]
    by: str
    reason: str
    value: str | None = None
    """Canonical JSON of the corrected result."""


class Deciding(Record):
    """A decision and the run that it belongs to."""

    run_id: str
    decision: Decision


class Abandoned(Record):
    """A run that an operator cancelled."""

    run_id: str
    reason: str


class RunEnd(Record):
    """How a run ended: the result of the workflow, and of an artifact called as an activity."""

    run_id: str
    artifact: str
    status: RunStatus
    output: Carried | None = None
    error: str | None = None
    reviews: tuple[str, ...] = ()
    """Reviews that are awaited (only where an artifact is called as an activity)."""

    @property
    def value(self) -> Any:
        """The output as JSON with exact numbers; `None` unless the run is completed."""
        return None if self.output is None else self.output.value


def ranges_of(items: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as ranges."""
    first = last = None
    for item in items:
        if first is None or last is None:
            first = last = item
        elif item == last + 1:
            last = item
        else:
            yield first, last
            first = last = item
    if first is not None and last is not None:
        yield first, last
