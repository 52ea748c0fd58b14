"""Open runs that no workflow carries any more: an operator terminated it, or the server lost it."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from compiled_ai.errors import UsageError
from compiled_ai.runtime.ids import engine_of
from compiled_ai.runtime.temporal.connecting import ensure_search_attributes
from compiled_ai.runtime.temporal.messages import Carried, RunStart
from compiled_ai.runtime.temporal.submitting import start_run

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

MOST_LOOKED_AT = 1_000
"""Open runs, the newest first, that one look asks the server about."""


async def forsaken(client: Client, store: RunStore) -> list[str]:
    """Returns the ids of open runs on Temporal whose workflow is not running."""
    opened = chain(*(store.list(status=status, limit=None) for status in ("waiting", "review")))
    carried = (summary.run_id for summary in opened if engine_of(summary.run_id) == "temporal")
    return [run_id for run_id in islice(carried, MOST_LOOKED_AT) if not await _runs(client, run_id)]


async def _runs(client: Client, run_id: str) -> bool:
    try:
        described = await client.get_workflow_handle(run_id).describe()
    except RPCError as fault:
        if fault.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return described.status == WorkflowExecutionStatus.RUNNING


async def take_up(client: Client, store: RunStore, run_id: str, version: str) -> RunStart:
    """Starts the workflow of an open run anew; it goes on from what is on record.

    Args:
        client: Connected.
        store: Where the run is.
        run_id: Its whole id.
        version: Of its artifact, as operators will see it.

    Raises:
        UsageError: It has ended, or a workflow carries it.
    """
    summary = store.summary(run_id)
    if summary.status in ("completed", "failed"):
        raise UsageError(f"Run {run_id!r} has ended.", remedy=f"`compiled-ai runs show {run_id}` says how.")
    if await _runs(client, run_id):
        raise UsageError(f"Run {run_id!r} is carried by Temporal.", remedy="Its workers take it up again.")
    start = await _started_with(client, run_id) or RunStart(
        run_id=run_id,
        artifact=summary.artifact,
        workflow=summary.workflow,
        version=version,
        input=Carried.of(store.load(run_id).input),
        searchable=await ensure_search_attributes(client),
    )
    await start_run(client, start.model_copy(update={"continued": True}), again=True)
    return start


async def _started_with(client: Client, run_id: str) -> RunStart | None:
    """What the earlier workflow was started with, if the server still knows."""
    try:
        async for event in client.get_workflow_handle(run_id).fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            [start] = await client.data_converter.decode(payloads, [RunStart])
            return RunStart.model_validate(start)
    except RPCError as fault:
        if fault.status != RPCStatusCode.NOT_FOUND:
            raise
    return None
