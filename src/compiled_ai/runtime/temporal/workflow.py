"""The one workflow: it knows a run's id and its artifact's digest, and never what the artifact does.

A new artifact therefore cannot break a history that is under way. Change what this file schedules only behind
`workflow.patched`: histories recorded under every released form are replayed by the tests.

It runs outside of the SDK's sandbox, which would import it anew for every run: nothing here reads a clock, a file or a
random number, and the replays prove it.
"""

from __future__ import annotations

import asyncio
import builtins
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    TimeoutError,
    TimeoutType,
    is_cancelled_exception,
)

from compiled_ai.runtime.temporal.messages import (
    ABANDON,
    ADVANCE,
    ANSWER,
    BEGIN,
    DECIDE,
    WORKFLOW,
    Abandoned,
    Answered,
    Deciding,
    Decision,
    Portion,
    RunEnd,
    RunStart,
    Standing,
    Wanted,
    queue_of,
)

T = TypeVar("T")

STATUS = SearchAttributeKey.for_keyword("CompiledAiStatus")
"""`running`, `review`, `no_worker`, `completed`, `failed`."""
REVIEW = SearchAttributeKey.for_keyword("CompiledAiReview")
"""`open` or `overdue` while a person is awaited, `decided` afterwards."""

SINGLE = 64
"""Up to so many effects are activities of their own; more go in portions, so that no history grows without bound."""
PORTION = 100
WINDOW = 16
"""Activities of one run that are under way at once."""
PATIENCE = timedelta(seconds=60)
"""An activity that no worker takes for so long is told of; then it waits on, ever longer."""
MOST_PATIENCE = timedelta(hours=12)
FIRST_LOOK = timedelta(minutes=2)
"""A decision that nobody told of is found by looking: after this time, then ever later."""
MOST_LOOK = timedelta(hours=6)
ROUND_SECONDS = 600
"""What one round of an artifact may take."""
HEARTBEAT = timedelta(seconds=20)
"""A worker that is silent for so long is given up, and its activity goes to another."""
_KEEP_TRYING = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=5)
)


@workflow.defn(name=WORKFLOW, sandboxed=False)
class ArtifactWorkflow:
    """Carries one run of one artifact: a round, its effects as activities, people, and again."""

    def __init__(self) -> None:
        self._start: RunStart | None = None
        self._standing: Standing | None = None
        self._told = False
        """Somebody said that there is something new on record."""
        self._unsettled: dict[str, str] = {}
        """What is shown as status, to write search attributes only when they change."""

    @workflow.run
    async def run(self, start: RunStart) -> RunEnd:
        self._start = start
        try:
            return await self._carry(start)
        except (asyncio.CancelledError, ActivityError) as fault:
            if not is_cancelled_exception(fault):
                raise
            await self._activity(ABANDON, Abandoned(run_id=start.run_id, reason="cancelled by an operator"), type(None))
            self._show(STATUS, "failed")
            raise

    async def _carry(self, start: RunStart) -> RunEnd:
        standing = await self._activity(ADVANCE if start.continued else BEGIN, start, Standing)
        while not standing.ended:
            self._standing = standing
            following: Standing | None = None
            if standing.wanted:
                self._show(STATUS, "running")
                following = await self._answer(start, standing)
            else:
                await self._await_people(standing)
            await self._continue_if_long(start)
            standing = following if following is not None else await self._activity(ADVANCE, start, Standing)
        self._standing = standing
        self._show(STATUS, standing.status)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return RunEnd(
            run_id=start.run_id,
            artifact=start.artifact,
            status=standing.status,
            output=standing.output,
            error=standing.error,
        )

    async def _continue_if_long(self, start: RunStart) -> None:
        """Goes on in a fresh history; everything that counts is on record."""
        if self._is_long():
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(start.model_copy(update={"continued": True}))

    def _is_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    # ------------------------------------------------------------ effects

    async def _answer(self, start: RunStart, standing: Standing) -> Standing | None:
        """Has all wanted effects answered; returns where the run stands if the last activity says so."""
        total = sum(wanted.count for wanted in standing.wanted)
        size = 1 if total <= SINGLE else PORTION
        portions = [portion for wanted in standing.wanted for portion in wanted.portions(size)]
        if len(portions) == 1:
            last = Portion(run_id=start.run_id, wanted=portions[0], carry_on=True, deadline=start.deadline)
            return (await self._portion(last)).standing
        window = asyncio.Semaphore(WINDOW)

        async def one(wanted: Wanted) -> None:
            async with window:
                await self._portion(Portion(run_id=start.run_id, wanted=wanted))

        await asyncio.gather(*(one(portion) for portion in portions))
        return None

    async def _portion(self, portion: Portion) -> Answered:
        wanted = portion.wanted
        return await self._activity(
            ANSWER,
            portion,
            Answered,
            seconds=wanted.count * wanted.timeout_seconds + 60,
            summary=f"{wanted.step} ({wanted.kind}), {wanted.count} effect(s)",
        )

    # ------------------------------------------------------------ people

    async def _await_people(self, standing: Standing) -> None:
        """Waits until somebody says that there is something new on record, or for the time to look."""
        overdue = False
        look = FIRST_LOOK
        while not self._told:
            deadline = self._time_left(standing)
            overdue = overdue or (deadline is not None and deadline <= timedelta(0))
            self._show(STATUS, "review")
            self._show(REVIEW, "overdue" if overdue else "open")
            self._note(_waits_for_people(standing, overdue))
            wait = look if deadline is None or overdue else min(look, deadline)
            try:
                await workflow.wait_condition(lambda: self._told, timeout=wait, timeout_summary="time to look")
            except builtins.TimeoutError:
                if wait == look:
                    break
        if self._told:
            self._show(REVIEW, "decided")
        self._told = False

    def _time_left(self, standing: Standing) -> timedelta | None:
        named = [review.deadline for review in standing.reviews if review.deadline]
        if not named:
            return None
        return datetime.fromisoformat(min(named)) - workflow.now()

    @workflow.update
    async def decide(self, decision: Decision) -> str:
        """Records a decision, checked against schema and rules, and lets the run go on; returns the review's id."""
        assert self._start is not None
        try:
            review_id = await self._activity(DECIDE, Deciding(run_id=self._start.run_id, decision=decision), str)
        except ActivityError as fault:
            cause = fault.cause
            if isinstance(cause, ApplicationError):
                raise ApplicationError(cause.message, type=cause.type, non_retryable=True) from fault
            raise
        self._told = True
        return review_id

    @decide.validator
    def check(self, decision: Decision) -> None:
        """Refuses at once, and without a trace in the history, what cannot be a decision of this run."""
        standing = self._standing
        if standing is None or not standing.reviews:
            raise ApplicationError("This run waits for no review.", type="review_conflict", non_retryable=True)
        if not decision.by.strip() or not decision.reason.strip():
            raise ApplicationError("A decision names who decided and why.", type="input", non_retryable=True)
        if (decision.action == "correct") != (decision.value is not None):
            raise ApplicationError(
                f"Action {decision.action!r} and a value do not go together: only 'correct' takes one.",
                type="input",
                non_retryable=True,
            )
        known = [review.review_id for review in standing.reviews]
        if standing.reviews_open == len(known) and decision.review_id not in known:
            raise ApplicationError(
                f"This run does not wait for review {decision.review_id!r}; it waits for {', '.join(known[:3])}.",
                type="review_conflict",
                non_retryable=True,
            )

    @workflow.signal
    def look(self) -> None:
        """Says that a decision was put on record elsewhere."""
        self._told = True

    @workflow.query
    def standing(self) -> Standing | None:
        """Where the run stands; nothing before its first round."""
        return self._standing

    # ------------------------------------------------------------ activities, and what operators see

    async def _activity(
        self,
        name: str,
        argument: Any,
        result: type[T],
        *,
        seconds: int = ROUND_SECONDS,
        summary: str | None = None,
    ) -> T:
        """Runs an activity on the artifact's queue. Where no worker holds the artifact the run waits, and says so."""
        assert self._start is not None
        queue = queue_of(self._start.artifact, self._start.queue)
        patience = PATIENCE
        while True:
            try:
                found: T = await workflow.execute_activity(
                    name,
                    argument,
                    task_queue=queue,
                    result_type=result,
                    start_to_close_timeout=timedelta(seconds=seconds),
                    schedule_to_start_timeout=patience,
                    heartbeat_timeout=HEARTBEAT,
                    retry_policy=_KEEP_TRYING,
                    summary=summary,
                )
                return found
            except ActivityError as fault:
                cause = fault.cause
                if not (isinstance(cause, TimeoutError) and cause.type == TimeoutType.SCHEDULE_TO_START):
                    raise
            self._show(STATUS, "no_worker")
            self._note(no_worker(self._start, queue))
            patience = min(patience * 4, MOST_PATIENCE)

    def _show(self, key: SearchAttributeKey[str], value: str) -> None:
        if self._start is None or not self._start.searchable:
            return
        if self._unsettled.get(key.name, "running" if key == STATUS else None) != value:
            self._unsettled[key.name] = value
            workflow.upsert_search_attributes([key.value_set(value)])

    def _note(self, text: str) -> None:
        workflow.set_current_details(text)


def no_worker(start: RunStart, queue: str) -> str:
    """What an operator reads of a run that no worker takes."""
    return (
        f"No worker that holds artifact {start.artifact[:12]} ({start.workflow}@{start.version}) takes this run. "
        f"It waits on queue {queue!r} and loses nothing. Start one: compiled-ai worker {start.artifact[:12]}"
    )


def _waits_for_people(standing: Standing, overdue: bool) -> str:
    listed = ", ".join(f"{review.review_id} (step {review.step})" for review in standing.reviews[:5])
    late = " The deadline has passed." if overdue else ""
    return f"Waits for {standing.reviews_open} review(s): {listed}.{late} Decide: compiled-ai review decide REVIEW ..."
