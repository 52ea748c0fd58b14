"""The workflow of a batch: it knows where the files are and how many portions there are, and never what they say.

A window of portions slides over the batch: as soon as one is done the next is begun, whichever worker takes it. As in
`workflow`, what this file schedules changes only behind `workflow.patched`.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from compiled_ai.runtime.temporal.batch_messages import (
    BATCH,
    CUT,
    DO,
    JOIN,
    BatchEnd,
    BatchProgress,
    BatchStart,
    Counted,
    Cut,
    Numbered,
    batch_queue_of,
)
from compiled_ai.runtime.temporal.errands import STATUS, Errands, keep_trying

WINDOW = 32
"""Portions that are under way or offered at once."""
PORTION_SECONDS = 24 * 3600
"""What cutting, one portion or joining may take; heartbeats show much earlier that a worker is lost."""
_RETRY = keep_trying(1, 120)


@workflow.defn(name=BATCH, sandboxed=False)
class BatchWorkflow:
    """Carries a batch: cut, a sliding window of portions, join."""

    def __init__(self) -> None:
        self._portions: int | None = None
        self._done = 0
        self._counts: Counter[str] = Counter()
        self._errands: Errands

    @workflow.run
    async def run(self, start: BatchStart) -> BatchEnd:
        self._errands = Errands(start, batch_queue_of(start.artifact, start.queue))
        try:
            return await self._carry(start)
        except (asyncio.CancelledError, ActivityError, ApplicationError) as fault:
            if isinstance(fault, ApplicationError) or is_cancelled_exception(fault):
                self._errands.show(STATUS, "failed")
            raise

    async def _carry(self, start: BatchStart) -> BatchEnd:
        self._counts.update(start.counts)
        self._portions, self._done = start.portions, start.next
        if self._portions is None:
            cut = await self._errands.run(CUT, start, Cut, seconds=PORTION_SECONDS, retry=_RETRY)
            self._portions = cut.portions
        await self._slide(start, self._portions)
        await self._errands.run(JOIN, start, type(None), seconds=PORTION_SECONDS, retry=_RETRY)
        self._errands.show(STATUS, "completed")
        return BatchEnd(batch=start.batch, target=start.target, counts=dict(self._counts))

    async def _slide(self, start: BatchStart, portions: int) -> None:
        """Has all portions done; in a history that grew long no further one is begun, and a new one goes on."""
        number, running = start.next, set[asyncio.Task[Counted]]()
        bare = start.model_copy(update={"portions": None, "next": 0, "counts": {}})
        while True:
            long = self._is_long()
            while not long and number < portions and len(running) < WINDOW:
                running.add(asyncio.create_task(self._portion(Numbered(start=bare, number=number))))
                number += 1
            if not running:
                break
            done, pending = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running = set(pending)
            for task in done:
                self._counts.update(task.result().counts)
                self._done += 1
            self._check_errors(start)
        if number < portions:
            following = {"portions": portions, "next": number, "counts": dict(self._counts)}
            workflow.continue_as_new(start.model_copy(update=following))

    async def _portion(self, numbered: Numbered) -> Counted:
        summary = f"portion {numbered.number}"
        return await self._errands.run(
            DO, numbered, Counted, seconds=PORTION_SECONDS, summary=summary, retry=_RETRY
        )

    def _check_errors(self, start: BatchStart) -> None:
        failed, most = self._counts["failed"], start.most_errors
        if most is not None and failed > most:
            raise ApplicationError(
                f"The batch was stopped: {failed} lines failed, and {most} may (--max-errors)",
                type="run_failed",
                non_retryable=True,
            )

    def _is_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    @workflow.query
    def progress(self) -> BatchProgress:
        """How far the batch is."""
        return BatchProgress(portions=self._portions, done=self._done, counts=dict(self._counts))
