"""What the activities of a batch do, without Temporal: the portions of `runtime.batch.portions`, named by a start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compiled_ai.runtime.batch import Batch
from compiled_ai.runtime.batch.portions import Portions
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.temporal.batch_messages import BatchStart, Cut

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

Report = Callable[[int], None]
"""Hears how many records are done; what it raises ends the work at a checkpoint."""


class BatchCarrier:
    """One artifact, the store its runs are in, and what a record may use. Safe to use from many threads."""

    def __init__(
        self, program: Program, store: RunStore, model: ModelSource = None, limits: RecordLimits | None = None
    ) -> None:
        self.program = program
        self._store = store
        self._model = model
        self._limits = limits or RecordLimits()

    def cut(self, start: BatchStart, report: Report) -> Cut:
        """Cuts the input into portions."""
        with self._portions(start) as portions:
            spans = portions.cut(lambda done, _: report(done))
        return Cut(portions=len(spans), records=sum(span.mark.records for span in spans))

    def do(self, start: BatchStart, number: int, report: Report) -> dict[str, int]:
        """Does one portion, in a process that can be killed; returns how many of its lines ended how."""
        with self._portions(start) as portions:
            return portions.do(number, lambda done, _: report(done))

    def join(self, start: BatchStart) -> None:
        """Makes the output."""
        with self._portions(start) as portions:
            portions.join()

    @contextmanager
    def _portions(self, start: BatchStart) -> Iterator[Portions]:
        with ExitStack() as opened:
            batch = Batch.prepare(
                self.program, start.source, Path(start.target), start.mapping, start.keep, self._store, None, opened
            )
            by_name = self._model is None or isinstance(self._model, str)
            batch.workers, batch.model, batch.limits = int(by_name), self._model, self._limits
            yield Portions(batch, start.batch)


__all__ = ["BatchCarrier", "Report"]
