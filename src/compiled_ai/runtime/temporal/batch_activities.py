"""The activities of batches on one artifact: the work of `batching`, in threads, with heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, TypeVar

from temporalio import activity

from compiled_ai.errors import CompiledAIError, RunFailed
from compiled_ai.runtime.local import hides_errors
from compiled_ai.runtime.temporal.activities import beating, told
from compiled_ai.runtime.temporal.batch_messages import CUT, DO, JOIN, BatchStart, Counted, Cut, Numbered
from compiled_ai.runtime.temporal.batching import BatchCarrier, Report

R = TypeVar("R")


class BatchActivities:
    """The activities of batches on one artifact, for a worker on its queue of batches."""

    def __init__(self, carrier: BatchCarrier) -> None:
        self._carrier = carrier
        self._hides = hides_errors(carrier.program)

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """What `Worker(activities=...)` takes."""
        return (self.cut, self.do, self.join)

    @activity.defn(name=CUT)
    async def cut(self, start: BatchStart) -> Cut:
        return await self._in_thread(lambda report: self._carrier.cut(start, report))

    @activity.defn(name=DO)
    async def do(self, numbered: Numbered) -> Counted:
        start, number = numbered.start, numbered.number
        return Counted(counts=await self._in_thread(lambda report: self._carrier.do(start, number, report)))

    @activity.defn(name=JOIN)
    async def join(self, start: BatchStart) -> None:
        await self._in_thread(lambda _: self._carrier.join(start))

    async def _in_thread(self, work: Callable[[Report], R]) -> R:
        """Works in a thread, whose heartbeats say how many records are done.

        An activity that is given up (its worker drains, the batch was ended, another worker has it) stops at a
        checkpoint, from which the next one goes on.
        """
        done, given_up = [0], Event()

        def report(count: int) -> None:
            done[0] = count
            if given_up.is_set():
                raise RunFailed("The portion was given up.", remedy="Another worker goes on with it.")

        def guarded() -> R:
            try:
                return work(report)
            except CompiledAIError as fault:  # all are tried again: an operator mends files and settings
                raise told(fault, hide=self._hides, final=()) from None

        running = asyncio.get_running_loop().run_in_executor(None, guarded)
        try:
            return await beating(running, done)
        except asyncio.CancelledError:
            given_up.set()
            await asyncio.wait([running], timeout=_MOST_PATIENCE_SECONDS)
            raise


_MOST_PATIENCE_SECONDS = 15.0
"""A record that is under way when its portion is given up has so long to end."""
