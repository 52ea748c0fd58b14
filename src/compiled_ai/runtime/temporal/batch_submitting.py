"""Starting batches on Temporal, and waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from compiled_ai.errors import RunFailed
from compiled_ai.runtime.batch import Batch
from compiled_ai.runtime.batch.portions import order
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.temporal.batch_messages import BatchEnd, BatchProgress, BatchStart, workflow_id_of
from compiled_ai.runtime.temporal.batch_workflow import BatchWorkflow
from compiled_ai.runtime.temporal.messages import COMMON_QUEUE
from compiled_ai.runtime.temporal.submitting import attributes_of, cause_of, require_sealing

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class BatchSubmission:
    """How a batch is submitted."""

    version: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Input field to column."""
    keep: Sequence[str] = ()
    most_errors: int | None = None
    resume: bool = False
    """Go on with the batch to this output, or join those who wait for it."""
    queue: str = COMMON_QUEUE
    searchable: bool = True


async def submit_batch(
    client: Client, program: Program, source: str, target: Path, store: RunStore, how: BatchSubmission
) -> BatchStart:
    """Puts on disk what the batch is, and starts its workflow; one that is under way is left as it is.

    Args:
        client: Connected.
        program: A verified artifact's program.
        source: As for `runtime.batch.run_batch`; workers reach it under the same path.
        target: The output; workers reach its folder under the same path.
        store: Where runs are recorded.
        how: Mapping, columns to keep, and so on.

    Raises:
        UsageError: A column or an input is not there, or there is another batch to this output. Nothing has run.
        KeyMissing: A pack asks for encryption and there is no key.
    """
    require_sealing(program, store)
    source = source if source.startswith("sql:") else str(Path(source).absolute())
    with ExitStack() as opened:
        batch = Batch.prepare(program, source, target.absolute(), how.mapping, how.keep, store, None, opened)
        naming = order(batch, resume=how.resume)
    start = BatchStart(
        batch=naming,
        artifact=program.digest,
        workflow=program.workflow,
        version=how.version,
        source=source,
        target=str(target.absolute()),
        mapping=dict(how.mapping),
        keep=tuple(how.keep),
        most_errors=how.most_errors,
        queue=how.queue,
        searchable=how.searchable,
    )
    await start_batch(client, start)
    return start


async def start_batch(client: Client, start: BatchStart) -> WorkflowHandle[BatchWorkflow, BatchEnd]:
    """Starts the workflow of a batch; starting one that is under way does nothing."""
    try:
        return await client.start_workflow(
            BatchWorkflow.run,
            start,
            id=workflow_id_of(start.batch),
            task_queue=start.queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=attributes_of(start) if start.searchable else None,
            static_summary=f"batch on {start.workflow}@{start.version} {start.artifact[:12]}",
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle_for(BatchWorkflow.run, workflow_id_of(start.batch))


async def wait_for_batch(
    client: Client, batch: str, heard: Callable[[BatchProgress], None] = lambda progress: None
) -> BatchEnd:
    """Waits until a batch has ended, and tells now and then how far it is.

    Raises `RunFailed` if it was stopped, cancelled or terminated.
    """
    handle = client.get_workflow_handle_for(BatchWorkflow.run, workflow_id_of(batch))
    ended = asyncio.ensure_future(handle.result())
    try:
        while not (await asyncio.wait([ended], timeout=_LOOK_SECONDS))[0]:
            try:
                heard(await handle.query(BatchWorkflow.progress, rpc_timeout=timedelta(seconds=5)))
            except (RPCError, WorkflowQueryFailedError):
                continue  # no worker answers at the moment
        return ended.result()
    except WorkflowFailureError as fault:
        raise RunFailed(
            f"The batch did not end on Temporal: {cause_of(fault)}.",
            remedy="What is done stays beside the output; go on with --resume.",
        ) from fault
    finally:
        ended.cancel()
