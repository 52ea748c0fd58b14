"""Starting runs on Temporal, waiting for them, and handing decisions to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING, Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import CompiledAIError, InputError, NotFound, ReviewConflict, RunFailed
from compiled_ai.runtime.ids import new_temporal_run_id
from compiled_ai.runtime.local import RunResult
from compiled_ai.runtime.stepper import Pending, Program, Stepping
from compiled_ai.runtime.temporal.connecting import ARTIFACT, NAMED, VERSION
from compiled_ai.runtime.temporal.errands import STATUS, Started
from compiled_ai.runtime.temporal.messages import COMMON_QUEUE, Carried, Decision, RunEnd, RunStart, Standing
from compiled_ai.runtime.temporal.workflow import ArtifactWorkflow

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

_FIRST_LOOK, _MOST_LOOK = 0.2, 5.0


@dataclass(frozen=True, kw_only=True)
class Submission:
    """How a run is submitted."""

    version: str
    queue: str = COMMON_QUEUE
    deadline: str | None = None
    """ISO 8601 in UTC: by when people must have decided."""
    searchable: bool = True


async def submit(
    client: Client, program: Program, given: Mapping[str, Any], store: RunStore, submission: Submission
) -> RunStart:
    """Starts a run and returns what it was started with; its `run_id` is also the workflow's id.

    A large input is put on record first; its digest travels.

    Raises:
        InputError: The input does not fit; nothing has happened.
        KeyMissing: A pack asks for encryption and there is no key.
    """
    from compiled_ai.runtime.store import Protection

    protection = Protection.from_sinks(program.sinks)
    store.require(protection)
    require_sealing(program, store)
    stepping = Stepping(program, given)
    carried = Carried.of(program.encode_input(stepping.input))
    start = RunStart(
        run_id=new_temporal_run_id(),
        artifact=program.digest,
        workflow=program.workflow,
        version=submission.version,
        input=carried,
        deadline=submission.deadline,
        queue=submission.queue,
        searchable=submission.searchable,
    )
    if carried.text is None:
        store.start(RunResult(stepping, Pending(()), time_ns(), start.run_id).record(), protection)
    await start_run(client, start)
    return start


def require_sealing(program: Program, store: RunStore) -> None:
    """Raises `KeyMissing` if a pack protects what Temporal is shown and there is no key to seal it."""
    from compiled_ai.runtime.store import Protection

    if program.sinks.get("temporal", "clear") != "clear":
        store.require(Protection(inputs="encrypted"))


async def start_run(
    client: Client, start: RunStart, *, again: bool = False
) -> WorkflowHandle[ArtifactWorkflow, RunEnd]:
    """Starts the workflow of a run; starting the same run again does nothing, unless `again` and it is not running.

    A server that does not know the search attributes (yet) starts it without them.
    """
    from temporalio.exceptions import WorkflowAlreadyStartedError

    try:
        return await client.start_workflow(
            ArtifactWorkflow.run,
            start,
            id=start.run_id,
            task_queue=start.queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE if again else WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=attributes_of(start) if start.searchable else None,
            static_summary=f"{start.workflow}@{start.version} {start.artifact[:12]}",
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle_for(ArtifactWorkflow.run, start.run_id)
    except RPCError as fault:
        unknown = fault.status == RPCStatusCode.INVALID_ARGUMENT and "search attribute" in fault.message.lower()
        if not (unknown and start.searchable):
            raise
        return await start_run(client, start.model_copy(update={"searchable": False}), again=again)


def attributes_of(start: Started) -> TypedSearchAttributes:
    """The search attributes that a workflow is started with."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(NAMED, start.workflow),
            SearchAttributePair(VERSION, start.version),
            SearchAttributePair(ARTIFACT, start.artifact),
            SearchAttributePair(STATUS, "running"),
        ]
    )


async def wait_for(client: Client, run_id: str, *, people: bool = False) -> RunEnd | Standing:
    """Waits until a run ends; or, unless `people`, until it waits for a person (then a `Standing`).

    Raises `RunFailed` if the workflow was cancelled, terminated or refused.
    """
    handle = client.get_workflow_handle_for(ArtifactWorkflow.run, run_id)
    ended = asyncio.ensure_future(handle.result())
    look = _FIRST_LOOK
    try:
        while True:
            done, _ = await asyncio.wait([ended], timeout=None if people else look)
            if done:
                return _result_of(ended, run_id)
            standing = await _standing(handle)
            if standing is not None and standing.reviews and not standing.wanted:
                return standing
            look = min(look * 1.5, _MOST_LOOK)
    finally:
        ended.cancel()


def _result_of(ended: asyncio.Future[RunEnd], run_id: str) -> RunEnd:
    try:
        return ended.result()
    except WorkflowFailureError as fault:
        raise RunFailed(
            f"Run {run_id!r} did not end on Temporal: {cause_of(fault)}.",
            remedy=f"`temporal workflow show -w {run_id}` shows its history.",
        ) from fault


def cause_of(fault: WorkflowFailureError) -> str:
    """What made a workflow fail, in its own words."""
    cause = getattr(fault.cause, "cause", None) or fault.cause
    return str(getattr(cause, "message", cause)).rstrip(".")


async def _standing(handle: WorkflowHandle[ArtifactWorkflow, RunEnd]) -> Standing | None:
    """Where a run stands, or nothing while no worker answers."""
    from datetime import timedelta

    from temporalio.client import WorkflowQueryFailedError

    try:
        return await handle.query(ArtifactWorkflow.standing, rpc_timeout=timedelta(seconds=5))
    except (RPCError, WorkflowQueryFailedError):
        return None


async def decide(client: Client, run_id: str, decision: Decision) -> str:
    """Decides a review through the workflow's update; returns the review's id.

    Raises `InputError` or `ReviewConflict` if the decision cannot stand: nothing was recorded. After `RunFailed` (the
    server or all workers were lost on the way) the same decision may be sent again.
    """
    handle = client.get_workflow_handle_for(ArtifactWorkflow.run, run_id)
    try:
        return await handle.execute_update(ArtifactWorkflow.decide, decision)
    except WorkflowUpdateFailedError as fault:
        raise _decision_error(fault.cause) from fault
    except RPCError as fault:
        if fault.status == RPCStatusCode.NOT_FOUND:
            raise NotFound(
                f"Run {run_id!r} is not under way on this server.", remedy="`compiled-ai runs show` says how it ended."
            ) from fault
        raise RunFailed(
            f"Temporal did not take the decision for run {run_id!r}: {fault.message}.", remedy="Try again."
        ) from fault


def _decision_error(cause: BaseException) -> CompiledAIError:
    if isinstance(cause, ApplicationError):
        kind = {"input": InputError, "review_conflict": ReviewConflict}.get(cause.type or "", RunFailed)
        return kind(cause.message, remedy="Nothing was recorded.")
    return RunFailed(f"The decision was not taken: {cause}.", remedy="Nothing was recorded.")


def decision_value(value: Any) -> str | None:
    """The corrected result of a decision as it travels."""
    return None if value is None else canonical_json(value)


async def tell(client: Client, run_id: str) -> None:
    """Tells a run that there is a decision on record."""
    await client.get_workflow_handle_for(ArtifactWorkflow.run, run_id).signal(ArtifactWorkflow.look)


async def has_worker(client: Client, queue: str) -> bool:
    """True if a worker polls the queue of activities."""
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    return bool(described.pollers)


async def tell_quickly(run_id: str) -> str:
    """As `tell`, with the server that the environment names; returns why it was not told, or nothing."""
    from temporalio.service import RPCError as Refused

    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.temporal.connecting import Connection, connect

    try:
        async with asyncio.timeout(10):
            await tell(await connect(Connection(), KeyRing.from_environment()), run_id)
    except (CompiledAIError, Refused, TimeoutError) as fault:
        return fault.message if isinstance(fault, (CompiledAIError, Refused)) else "no answer within 10 s"
    return ""
