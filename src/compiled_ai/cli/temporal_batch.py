"""`submit --batch`: many records on Temporal, with the output and the exit codes of `batch`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from compiled_ai.cli.many import end_batch, note_if_replaced
from compiled_ai.cli.output import emit
from compiled_ai.errors import NotFound

if TYPE_CHECKING:
    from compiled_ai.config import Settings
    from compiled_ai.runtime.store import RunStore
    from compiled_ai.runtime.temporal.batch_messages import BatchEnd, BatchProgress, BatchStart
    from compiled_ai.runtime.temporal.batch_submitting import BatchSubmission
    from compiled_ai.runtime.temporal.connecting import Connection


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for on the command line."""

    source: str
    target: Path
    how: BatchSubmission
    wait: bool
    strict: bool
    as_json: bool


def submit_many(settings: Settings, loaded: Any, connection: Connection, wanted: Wanted) -> None:
    """Submits a batch; with `wait` prints what came of it, and exits as `batch` does."""
    from compiled_ai.cli.govern import open_store

    if not wanted.target.absolute().parent.is_dir():
        raise NotFound(f"There is no folder {str(wanted.target.absolute().parent)!r} for the output.")
    if not wanted.how.resume:
        note_if_replaced(wanted.target)
    started = monotonic()
    with open_store(settings, writes=True) as store:
        start, end = asyncio.run(_submit(settings, loaded, connection, wanted, store))
    if end is None:
        shown = {"batch": start.batch, "status": "submitted", "output": start.target, "artifact": start.artifact}
        emit(shown, as_json=wanted.as_json, text=f"submitted  batch {start.batch}  artifact {start.artifact[:12]}")
        return
    _tell(wanted, end.counts, monotonic() - started)


async def _submit(
    settings: Settings, loaded: Any, connection: Connection, wanted: Wanted, store: RunStore
) -> tuple[BatchStart, BatchEnd | None]:
    from dataclasses import replace

    from compiled_ai.cli.progress import progress_bar
    from compiled_ai.cli.temporal import note_if_unserved
    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.loading import as_program
    from compiled_ai.runtime.temporal.batch_messages import batch_queue_of
    from compiled_ai.runtime.temporal.batch_submitting import submit_batch, wait_for_batch
    from compiled_ai.runtime.temporal.connecting import connect, ensure_search_attributes

    client = await connect(connection, KeyRing.from_environment(home=settings.home))
    how = replace(wanted.how, searchable=await ensure_search_attributes(client))
    start = await submit_batch(client, as_program(loaded), wanted.source, wanted.target, store, how)
    await note_if_unserved(client, batch_queue_of(loaded.digest, how.queue), loaded, what="batch")
    if not wanted.wait:
        return start, None
    with ExitStack() as opened:
        bar = opened.enter_context(progress_bar())

        def heard(progress: BatchProgress) -> None:
            lines = sum(progress.counts.values())
            bar(lines, _expected(progress, lines))

        return start, await wait_for_batch(client, start.batch, heard)


def _expected(progress: BatchProgress, lines: int) -> int | None:
    """How many lines there will be, about: all portions but the last have the same number."""
    if not progress.done or progress.portions is None:
        return None
    return round(lines / progress.done * progress.portions)


def _tell(wanted: Wanted, counts: Mapping[str, int], seconds: float) -> None:
    from compiled_ai.runtime.batch import BatchResult

    lines = sum(counts.values())
    letters = wanted.target.with_name(f"{wanted.target.stem}.dead.jsonl")
    summary = BatchResult(
        lines,
        counts.get("completed", 0),
        counts.get("failed", 0),
        counts.get("review", 0) + counts.get("waiting", 0),
        seconds,
        strict=wanted.strict,
        dead_letters=letters if counts.get("failed") else None,
        here=lines,
    )
    end_batch(summary, as_json=wanted.as_json)
