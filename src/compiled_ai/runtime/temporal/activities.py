"""The activities of one artifact: the rounds of `carrying`, in threads, with heartbeats and errors with remedies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from compiled_ai.errors import CompiledAIError, InputError, ReviewConflict, Waiting
from compiled_ai.runtime.local import hides_errors
from compiled_ai.runtime.temporal.messages import (
    ABANDON,
    ADVANCE,
    ANSWER,
    BEGIN,
    DECIDE,
    Abandoned,
    Answered,
    Deciding,
    Portion,
    RunStart,
    Standing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiled_ai.runtime.temporal.carrying import Beat, Carrier

R = TypeVar("R")
Faults = tuple[type[CompiledAIError], ...]
_WAIT_FOR_REPLY = timedelta(seconds=30)
_FINAL: Faults = (InputError, ReviewConflict)
"""What no repetition mends in an input or a decision; all else is tried again, since an operator may mend it."""


class ArtifactActivities:
    """The activities of one artifact, for a worker on its queue."""

    def __init__(self, carrier: Carrier, executor: Executor) -> None:
        self._carrier = carrier
        self._executor = executor
        self._hides = hides_errors(carrier.program)

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """What `Worker(activities=...)` takes."""
        return (self.begin, self.advance, self.answer, self.decide, self.abandon)

    @activity.defn(name=BEGIN)
    async def begin(self, start: RunStart) -> Standing:
        return await self._in_thread(lambda _: self._carrier.begin(start), final=_FINAL)

    @activity.defn(name=ADVANCE)
    async def advance(self, start: RunStart) -> Standing:
        return await self._in_thread(lambda _: self._carrier.advance(start.run_id, deadline=start.deadline))

    @activity.defn(name=ANSWER)
    async def answer(self, portion: Portion) -> Answered:
        again = activity.info().attempt > 1
        return await self._in_thread(lambda beat: self._carrier.answer(portion, beat, again=again))

    @activity.defn(name=DECIDE)
    async def decide(self, deciding: Deciding) -> str:
        work = partial(self._carrier.decide, deciding.run_id, deciding.decision)
        return await self._in_thread(lambda _: work(), final=_FINAL)

    @activity.defn(name=ABANDON)
    async def abandon(self, abandoned: Abandoned) -> None:
        await self._in_thread(lambda _: self._carrier.abandon(abandoned.run_id, abandoned.reason))

    async def _in_thread(self, work: Callable[[Beat], R], *, final: Faults = ()) -> R:
        """Works in a thread, and tells the server meanwhile that this worker lives, and how much is done."""
        done = [0]

        def guarded() -> R:
            with self._told(final):
                return work(lambda count: done.__setitem__(0, count))

        return await beating(asyncio.get_running_loop().run_in_executor(self._executor, guarded), done)

    @contextmanager
    def _told(self, final: Faults) -> Iterator[None]:
        """Turns our errors into what Temporal retries or not; texts are left out where a pack protects them."""
        try:
            yield
        except CompiledAIError as fault:
            raise told(fault, hide=self._hides, final=final) from None


async def beating(work: asyncio.Future[R], done: Sequence[int] = (0,)) -> R:
    """Awaits work and sends heartbeats, three in the time that the caller allows without one.

    An activity that is cancelled leaves its thread to its end: what it records counts.
    """
    allowed = activity.info().heartbeat_timeout
    every = None if allowed is None else allowed.total_seconds() / 3
    while True:
        finished, _ = await asyncio.wait([work], timeout=every)
        if finished:
            return work.result()
        activity.heartbeat(done[0])


def told(fault: CompiledAIError, *, hide: bool, final: Faults) -> ApplicationError:
    """One of our errors as Temporal carries it: its code is the type, and all but `final` ones are tried again."""
    text = f"{fault.code} (the text is protected by a compliance pack)" if hide else str(fault)
    return ApplicationError(
        text,
        type=fault.code,
        non_retryable=isinstance(fault, final),
        next_retry_delay=_WAIT_FOR_REPLY if isinstance(fault, Waiting) else None,
    )
