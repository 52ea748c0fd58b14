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

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from compiled_ai.runtime.temporal.errands import REVIEW, STATUS, Errands, keep_trying
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

SINGLE = 64
"""Up to so many effects are activities of their own; more go in portions, so that no history grows without bound."""
PORTION = 100
WINDOW = 16
"""Activities of one run that are under way at once."""
FIRST_LOOK = timedelta(minutes=2)
"""A decision that nobody told of is found by looking: after this time, then ever later."""
MOST_LOOK = timedelta(hours=6)
EFFECT_RETRIES = {
    "asked": keep_trying(2, 120),
    "reads": keep_trying(0.5, 60),
    "same": keep_trying(1, 300),
    "keyed": keep_trying(1, 300),
    "once": keep_trying(5, 900),
}
"""By what doing an effect twice does. A model that is asked again costs money, a read costs nothing. After a crash the
second attempt of what must be done once only puts on record that it is in doubt."""


@workflow.defn(name=WORKFLOW, sandboxed=False)
class ArtifactWorkflow:
    """Carries one run of one artifact: a round, its effects as activities, people, and again."""

    def __init__(self) -> None:
        self._start: RunStart | None = None
        self._errands: Errands
        """Set when the run starts."""
        self._standing: Standing | None = None
        self._told = False
        """Somebody said that there is something new on record."""
        self._moving = False
        """People are awaited no more, and the next round has not told yet where the run stands."""

    @workflow.run
    async def run(self, start: RunStart) -> RunEnd:
        self._start = start
        self._errands = Errands(start, queue_of(start.artifact, start.queue))
        try:
            return await self._carry(start)
        except (asyncio.CancelledError, ActivityError) as fault:
            if not is_cancelled_exception(fault):
                raise
            abandoned = Abandoned(run_id=start.run_id, reason="cancelled by an operator")
            await self._errands.run(ABANDON, abandoned, type(None))
            self._errands.show(STATUS, "failed")
            raise

    async def _carry(self, start: RunStart) -> RunEnd:
        standing = await self._errands.run(ADVANCE if start.continued else BEGIN, start, Standing)
        while not standing.ended:
            self._standing, self._moving = standing, False
            following: Standing | None = None
            if standing.wanted:
                self._errands.show(STATUS, "running")
                following = await self._answer(start, standing)
            else:
                await self._await_people(standing)
            await self._continue_if_long(start)
            standing = following if following is not None else await self._errands.run(ADVANCE, start, Standing)
        self._standing, self._moving = standing, False
        self._errands.show(STATUS, standing.status)
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
        return await self._errands.run(
            ANSWER,
            portion,
            Answered,
            seconds=wanted.count * wanted.timeout_seconds + 60,
            summary=f"{wanted.step} ({wanted.kind}), {wanted.count} effect(s)",
            retry=EFFECT_RETRIES[wanted.repeats],
        )

    # ------------------------------------------------------------ people

    async def _await_people(self, standing: Standing) -> None:
        """Waits until somebody says that there is something new on record, or for the time to look."""
        overdue = False
        look = FIRST_LOOK
        while not self._told:
            deadline = self._time_left(standing)
            overdue = overdue or (deadline is not None and deadline <= timedelta(0))
            self._errands.show(STATUS, "review")
            self._errands.show(REVIEW, "overdue" if overdue else "open")
            self._errands.note(_waits_for_people(standing, overdue))
            wait = look if deadline is None or overdue else min(look, deadline)
            try:
                await workflow.wait_condition(lambda: self._told, timeout=wait, timeout_summary="time to look")
            except builtins.TimeoutError:
                if wait == look:
                    break
        if self._told:
            self._errands.show(REVIEW, "decided")
        self._told, self._moving = False, True

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
            review_id = await self._errands.run(DECIDE, Deciding(run_id=self._start.run_id, decision=decision), str)
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
        """Where the run stands; nothing before its first round, and while it goes on after a decision."""
        return None if self._told or self._moving else self._standing


def _waits_for_people(standing: Standing, overdue: bool) -> str:
    listed = ", ".join(f"{review.review_id} (step {review.step})" for review in standing.reviews[:5])
    late = " The deadline has passed." if overdue else ""
    return f"Waits for {standing.reviews_open} review(s): {listed}.{late} Decide: compiled-ai review decide REVIEW ..."
