"""A worker: it takes workflow tasks from the common queue, and the activities of the artifacts that it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from compiled_ai.errors import UsageError
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.store import Protection
from compiled_ai.runtime.temporal.activities import ArtifactActivities
from compiled_ai.runtime.temporal.batch_activities import BatchActivities
from compiled_ai.runtime.temporal.batch_messages import batch_queue_of
from compiled_ai.runtime.temporal.batch_workflow import BatchWorkflow
from compiled_ai.runtime.temporal.batching import BatchCarrier
from compiled_ai.runtime.temporal.carrying import Carrier
from compiled_ai.runtime.temporal.messages import COMMON_QUEUE, queue_of
from compiled_ai.runtime.temporal.rounds import Rounds, processors
from compiled_ai.runtime.temporal.workflow import ArtifactWorkflow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from compiled_ai.runtime.store import RunStore


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    queue: str = COMMON_QUEUE
    """The common queue; those of the artifacts are named after it."""
    max_concurrent: int = 16
    """Activities of one artifact that run at once, each in a thread."""
    drain_seconds: float = 30.0
    """How long a worker that is told to stop waits for what it has begun."""
    model: ModelSource = None
    """Who serves bounded calls; by default the model that each step pins."""
    processes: int | None = None
    """Processes that rounds of artifacts run in, and portions of batches at once; by default one per processor."""
    limits: RecordLimits = RecordLimits()
    """What one round of a run, or one record of a batch, may use."""


@asynccontextmanager
async def serving(
    client: Client, programs: Sequence[Program], store: RunStore, settings: WorkerSettings | None = None
) -> AsyncIterator[None]:
    """Serves artifacts while the block runs, and drains at its end.

    Args:
        client: Connected, with the data converter of `codec`.
        programs: Verified artifacts; several versions of one workflow are served side by side.
        store: Where runs are kept; all workers and whoever submits must share it.
        settings: Queue, concurrency, draining, model.

    Raises:
        UsageError: There is nothing to serve.
        KeyMissing: An artifact's pack asks for encryption and there is no key.
    """
    chosen = settings or WorkerSettings()
    _check(programs, store, chosen)
    held = list({program.digest: program for program in programs}.values())
    with (
        closing(Rounds(held, processes=chosen.processes, limits=chosen.limits)) as rounds,
        ThreadPoolExecutor(chosen.max_concurrent, thread_name_prefix="artifact") as executor,
    ):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(_workflow_worker(client, chosen))
            for program in held:
                carrier = Carrier(program, store, chosen.model, rounds)
                await stack.enter_async_context(_artifact_worker(client, carrier, chosen, executor))
                await stack.enter_async_context(_batch_worker(client, carrier, chosen))
            yield


def _check(programs: Sequence[Program], store: RunStore, settings: WorkerSettings) -> None:
    if not programs:
        raise UsageError("There is no artifact to serve.", remedy="Name one or more, or compile one first.")
    if settings.max_concurrent < 1:
        raise UsageError(f"--max-concurrent is {settings.max_concurrent!r}.", remedy="Give 1 or more.")
    for program in programs:
        store.require(Protection.from_sinks(program.sinks))


def _workflow_worker(client: Client, settings: WorkerSettings) -> Worker:
    return Worker(
        client,
        task_queue=settings.queue,
        workflows=[ArtifactWorkflow, BatchWorkflow],
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
        workflow_task_poller_behavior=_pollers(20),
    )


def _pollers(most: int) -> PollerBehaviorAutoscaling:
    return PollerBehaviorAutoscaling(initial=min(5, most), maximum=most)


def _artifact_worker(
    client: Client, carrier: Carrier, settings: WorkerSettings, executor: ThreadPoolExecutor
) -> Worker:
    return Worker(
        client,
        task_queue=queue_of(carrier.program.digest, settings.queue),
        activities=ArtifactActivities(carrier, executor).all,
        max_concurrent_activities=settings.max_concurrent,
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
        activity_task_poller_behavior=_pollers(settings.max_concurrent),
    )


def _batch_worker(client: Client, carrier: Carrier, settings: WorkerSettings) -> Worker:
    """Portions of batches have places of their own: however many wait, no run waits behind them."""
    work = BatchCarrier(carrier.program, carrier.store, carrier.model, settings.limits)
    places = settings.processes or processors()
    return Worker(
        client,
        task_queue=batch_queue_of(carrier.program.digest, settings.queue),
        activities=BatchActivities(work).all,
        max_concurrent_activities=places,
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
        activity_task_poller_behavior=_pollers(places),
    )


async def serve_until(
    stop: asyncio.Event,
    client: Client,
    programs: Sequence[Program],
    store: RunStore,
    settings: WorkerSettings | None = None,
) -> None:
    """Serves until the event is set, then drains."""
    async with serving(client, programs, store, settings):
        await stop.wait()
