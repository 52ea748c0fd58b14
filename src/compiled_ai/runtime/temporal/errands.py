"""What both workflows do alike: activities on a queue of their artifact, and what operators see of it.

It runs within workflows: nothing here reads a clock, a file or a random number.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, TimeoutError, TimeoutType

T = TypeVar("T")

STATUS = SearchAttributeKey.for_keyword("CompiledAiStatus")
"""`running`, `review`, `no_worker`, `completed`, `failed`."""
REVIEW = SearchAttributeKey.for_keyword("CompiledAiReview")
"""`open` or `overdue` while a person is awaited, `decided` afterwards."""

PATIENCE = timedelta(seconds=60)
"""An activity that no worker takes for so long is told of; then it waits on, ever longer."""
MOST_PATIENCE = timedelta(hours=12)
ROUND_SECONDS = 600
"""What one round of an artifact may take."""
HEARTBEAT = timedelta(seconds=20)
"""A worker that is silent for so long is given up, and its activity goes to another."""


def keep_trying(first: float, longest: float) -> RetryPolicy:
    """Tries without end, since an operator mends what is wrong here; pauses in seconds, each twice the one before."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=first), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=longest)
    )


ROUND_RETRY = keep_trying(1, 300)


class Started(Protocol):
    """What of a workflow's start says who does its errands."""

    @property
    def artifact(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def searchable(self) -> bool: ...


class Errands:
    """The activities of one workflow."""

    def __init__(self, start: Started, queue: str) -> None:
        self._start = start
        self._queue = queue
        self._shown: dict[str, str] = {STATUS.name: "running"}
        """What is shown, to write search attributes only when they change."""

    async def run(
        self,
        name: str,
        argument: Any,
        result: type[T],
        *,
        seconds: int = ROUND_SECONDS,
        summary: str | None = None,
        retry: RetryPolicy = ROUND_RETRY,
    ) -> T:
        """Runs an activity. Where no worker holds the artifact the workflow waits, and says so."""
        patience = PATIENCE
        while True:
            try:
                found: T = await workflow.execute_activity(
                    name,
                    argument,
                    task_queue=self._queue,
                    result_type=result,
                    start_to_close_timeout=timedelta(seconds=seconds),
                    schedule_to_start_timeout=patience,
                    heartbeat_timeout=HEARTBEAT,
                    retry_policy=retry,
                    summary=summary,
                )
                return found
            except ActivityError as fault:
                cause = fault.cause
                if not (isinstance(cause, TimeoutError) and cause.type == TimeoutType.SCHEDULE_TO_START):
                    raise
            self.show(STATUS, "no_worker")
            self.note(no_worker(self._start, self._queue))
            patience = min(patience * 4, MOST_PATIENCE)

    def show(self, key: SearchAttributeKey[str], value: str) -> None:
        if self._start.searchable and self._shown.get(key.name) != value:
            self._shown[key.name] = value
            workflow.upsert_search_attributes([key.value_set(value)])

    def note(self, text: str) -> None:
        workflow.set_current_details(text)


def no_worker(start: Started, queue: str) -> str:
    """What an operator reads of a workflow that no worker takes."""
    return (
        f"No worker that holds artifact {start.artifact[:12]} ({start.workflow}@{start.version}) takes this run. "
        f"It waits on queue {queue!r} and loses nothing. Start one: compiled-ai worker {start.artifact[:12]}"
    )
