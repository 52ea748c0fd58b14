"""What crosses the border for a batch: where its files are, numbers of portions, and counts. Records never travel."""

from __future__ import annotations

from compiled_ai.records import Record
from compiled_ai.runtime.temporal.messages import COMMON_QUEUE, queue_of

BATCH = "CompiledAIBatch"
CUT, DO, JOIN = (f"compiled_ai_batch_{name}" for name in ("cut", "portion", "join"))


def batch_queue_of(artifact: str, common: str = COMMON_QUEUE) -> str:
    """The queue of a batch's activities: runs of the same artifact never wait behind them."""
    return f"{queue_of(artifact, common)}-batch"


def workflow_id_of(batch: str) -> str:
    """The id of a batch's workflow; `batch` is what the ids of its runs begin with."""
    return f"batch-{batch.rstrip('-')}"


class BatchStart(Record):
    """What a batch is started with."""

    batch: str
    """The ids of its runs begin with it."""
    artifact: str
    """Digest."""
    workflow: str
    version: str
    source: str
    """An absolute path, or a query; every worker that holds the artifact reaches it, and the target too."""
    target: str
    mapping: dict[str, str] = {}
    keep: tuple[str, ...] = ()
    most_errors: int | None = None
    queue: str = COMMON_QUEUE
    searchable: bool = True
    portions: int | None = None
    """How many there are; set when the history was cut and goes on in a new one."""
    next: int = 0
    """The first portion that was not begun before."""
    counts: dict[str, int] = {}
    """How many lines ended how, before."""


class Cut(Record):
    """Into how many portions a batch was cut."""

    portions: int
    records: int


class Numbered(Record):
    """One portion of a batch."""

    start: BatchStart
    number: int


class Counted(Record):
    """How many lines ended how."""

    counts: dict[str, int]


class BatchEnd(Record):
    """How a batch ended."""

    batch: str
    target: str
    counts: dict[str, int]
    """`completed`, `failed`, `review`, `waiting`."""


class BatchProgress(Record):
    """How far a batch is."""

    portions: int | None
    """`None` until it is cut."""
    done: int
    counts: dict[str, int]
