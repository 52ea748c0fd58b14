"""Carries runs of one artifact on record, one round at a time: what the activities do, without Temporal.

Every method may be called again with the same arguments, in another process and after a crash: a run is begun once,
the first result of an effect counts, a decision is recorded once. All that a round needs is the run's id, since the
run store holds input, effects and decisions.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, cast

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.capabilities import Repeats
from compiled_ai.errors import InputError, NotFound, ReviewConflict, StoreFailed, Waiting
from compiled_ai.records import EffectState, RunRecord
from compiled_ai.runtime.local import Answers, ModelSource, RunResult, as_effect, effects_of, nanoseconds, open_review
from compiled_ai.runtime.reviews import record_decision
from compiled_ai.runtime.stepper import EffectRequest, Outcome, Pending, Program, StepInfo, Stepping
from compiled_ai.runtime.temporal.messages import (
    MOST_RANGES,
    MOST_REVIEWS,
    Answered,
    AwaitedReview,
    Carried,
    Decision,
    Portion,
    RunStart,
    Standing,
    Wanted,
    ranges_of,
)

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

Beat = Callable[[int], None]
Advance = Callable[[Stepping], Outcome]
"""Steps a run: `Stepping.advance` in this thread, `rounds.Rounds` in a process that can be killed."""
Requests = Mapping[tuple[str, str, int, int], EffectRequest]
_AT_ONCE = ("today", "clock", "id")
"""Effects that cost nothing and are answered within a round."""
_KEPT_RUNS = 32
_PAUSES_SECONDS = 210
"""Pauses between the attempts of one call, and the time to connect."""


class Carrier:
    """One artifact, the store its runs are in, and who serves its bounded calls. Safe to use from many threads."""

    def __init__(
        self, program: Program, store: RunStore, model: ModelSource = None, advance: Advance = Stepping.advance
    ) -> None:
        self.program = program
        self.store = store
        self.model = model
        self._advance = advance
        self._requests: OrderedDict[str, Requests] = OrderedDict()
        self._lock = Lock()

    # ------------------------------------------------------------ rounds

    def begin(self, start: RunStart) -> Standing:
        """Begins a run, or says where it stands if it has begun; `InputError` if its input does not fit."""
        if start.input.text is None:
            start.input.checked(self.store.load(start.run_id).input)
            return self.advance(start.run_id, deadline=start.deadline)
        started = time_ns()
        stepping = Stepping(self.program, start.input.value)
        outcome = self._at_once(stepping, start.run_id, recorded=False)
        ended = RunResult(stepping, outcome, started, start.run_id)
        shown = RunResult(stepping, Pending(()), started, start.run_id) if isinstance(outcome, Pending) else ended
        if not self._keep(shown.record()):
            return self.advance(start.run_id, deadline=start.deadline)
        return self._standing(ended, start.deadline, kept=True)

    def advance(self, run_id: str, *, deadline: str | None = None) -> Standing:
        """Replays a run with what is on record, and carries it as far as it goes without the outside."""
        record = self.store.load(run_id)
        stepping = Stepping(self.program, record.input, effects_of(self.store, record, self.program))
        outcome = self._at_once(stepping, record.run_id, recorded=True)
        result = RunResult(stepping, outcome, nanoseconds(record.started_at), record.run_id)
        return self._standing(result, deadline, kept=record.status in ("completed", "failed"))

    def answer(self, portion: Portion, beat: Beat, *, again: bool = False) -> Answered:
        """Answers a portion of effects, and reports after each how many are done.

        All are asked before the absence of a model's reply is reported (`Waiting`).

        Args:
            portion: Which effects.
            beat: Called with the number that is done.
            again: The portion was begun before: what is on record is passed over.
        """
        wanted, states, waits = portion.wanted, Counter[EffectState](), list[Waiting]()
        if again:
            self._forget(portion.run_id)
        answers = Answers(self.model, self.store, portion.run_id)
        for done, item in enumerate(wanted.items(), start=1):
            request = self._request(portion.run_id, (wanted.step, wanted.kind, item, wanted.attempt))
            if request is not None:
                answers.check((request,), self.program)  # what is not set up here is said before anything is intended
                try:
                    states[cast(EffectState, answers.answer(request, self.program).state)] += 1
                except Waiting as wait:
                    waits.append(wait)
            beat(done)
        if waits:
            raise waits[0]
        standing = self.advance(portion.run_id, deadline=portion.deadline) if portion.carry_on else None
        return Answered(states=dict(states), standing=standing)

    def decide(self, run_id: str, decision: Decision) -> str:
        """Checks and records a decision; returns the whole id of the review.

        Raises `InputError` if it cannot stand, and `ReviewConflict` if there is another one already.
        """
        value = None if decision.value is None else parse_json(decision.value)
        review = self.store.review(decision.review_id)
        if review.run_id != run_id:
            raise InputError(f"Review {decision.review_id!r} is not of run {run_id!r}.", remedy="Nothing was changed.")
        try:
            record_decision(
                review.review_id,
                decision.action,
                by=decision.by,
                reason=decision.reason,
                value=value,
                store=self.store,
                programs=lambda _: self.program,
            )
        except ReviewConflict:
            if not self._stands(review.review_id, decision):
                raise
        return review.review_id

    def _stands(self, review_id: str, decision: Decision) -> bool:
        """True if just this decision is on record: the answer to it was lost, not the decision."""
        known = self.store.review(review_id).decision
        if known is None:
            return False
        value = None if known.value is None else canonical_json(known.value)
        same = (decision.action, decision.by, decision.reason, decision.value)
        return (known.action, known.by, known.reason, value) == same

    def abandon(self, run_id: str, reason: str) -> None:
        """Ends a run that an operator cancelled, unless it has ended."""
        try:
            status = self.store.summary(run_id).status
        except NotFound:
            return
        if status not in ("completed", "failed"):
            self.store.finish(run_id, "failed", error=reason)

    # ------------------------------------------------------------ parts of a round

    def _at_once(self, stepping: Stepping, run_id: str, *, recorded: bool) -> Outcome:
        """Steps a run, reading clocks and ids on the way; `recorded` puts each reading on record."""
        answers = Answers(self.model)
        outcome = self._advance(stepping)
        while isinstance(outcome, Pending):
            cheap = [request for request in outcome.requests if request.kind in _AT_ONCE]
            if not cheap:
                break
            for request in cheap:
                effect = answers.answer(request, self.program)
                stepping.record(self.store.effect(run_id, as_effect(effect)) if recorded else effect)
            outcome = self._advance(stepping)
        return outcome

    def _keep(self, record: RunRecord) -> bool:
        """Stores a new run; says no if it is stored already."""
        from compiled_ai.runtime.store import Protection

        protection = Protection.from_sinks(self.program.sinks)
        write = self.store.save if record.status in ("completed", "failed") else self.store.start
        try:
            write(record, protection)
        except StoreFailed:
            if not self._stored(record.run_id):
                raise
            return False
        return True

    def _stored(self, run_id: str) -> bool:
        try:
            return self.store.summary(run_id).run_id == run_id
        except NotFound:
            return False

    def _standing(self, result: RunResult, deadline: str | None, *, kept: bool) -> Standing:
        """Says where a run stands, and puts it on record: its end, or the questions to people."""
        outcome, run_id = result.outcome, result.run_id
        if not isinstance(outcome, Pending):
            if not kept:
                end = (result.status, result.output, result.error, result.evidence)
                self.store.finish(run_id, *end, abstained=result.stepping.abstained)
            self._forget(run_id)
            output = None if result.output is None else Carried.of(result.output)
            return Standing(status=result.status, output=output, error=result.error)
        self._remember(run_id, outcome.requests)
        ids = [open_review(self.store, run_id, request, self.program, deadline=deadline) for request in result.reviews]
        named = zip(ids[:MOST_REVIEWS], result.reviews, strict=False)
        return Standing(
            status=result.status,
            wanted=tuple(self._wanted(outcome.requests)),
            reviews=tuple(self._awaited(review_id, request, deadline) for review_id, request in named),
            reviews_open=len(ids),
        )

    def _awaited(self, review_id: str, request: EffectRequest, deadline: str | None) -> AwaitedReview:
        """Names a review; where the step says when the answer is due, the store knows since when."""
        if self.program.steps[request.step].module == "human":
            deadline = self.store.review(review_id).deadline or deadline
        return AwaitedReview(review_id=review_id, step=request.step, item=request.item, deadline=deadline)

    def _wanted(self, requests: Iterable[EffectRequest]) -> Iterable[Wanted]:
        """The effects to be answered, those of a step together."""
        grouped: dict[tuple[str, str, int], list[int]] = {}
        for request in requests:
            if request.kind in ("bounded", "call"):
                grouped.setdefault((request.step, request.kind, request.attempt), []).append(request.item)
        for (step, kind, attempt), items in grouped.items():
            info = self.program.steps[step]
            yield Wanted(
                step=step,
                kind="bounded" if kind == "bounded" else "call",
                attempt=attempt,
                ranges=tuple(ranges_of(sorted(items)))[:MOST_RANGES],
                timeout_seconds=info.timeout_seconds if kind == "bounded" else _call_seconds(info),
                repeats="asked" if kind == "bounded" else _repeats(info),
            )

    # ------------------------------------------------------------ requests of runs under way

    def _request(self, run_id: str, key: tuple[str, str, int, int]) -> EffectRequest | None:
        """A request that the run waits for; `None` if it does not (any more)."""
        with self._lock:
            known = self._requests.get(run_id)
        if known is None or key not in known:
            record = self.store.load(run_id)
            if record.status in ("completed", "failed"):
                return None
            with Stepping(self.program, record.input, effects_of(self.store, record, self.program)) as stepping:
                outcome = self._advance(stepping)
            known = self._remember(record.run_id, outcome.requests if isinstance(outcome, Pending) else ())
        return known.get(key)

    def _remember(self, run_id: str, requests: Iterable[EffectRequest]) -> Requests:
        """Keeps what a run asks for, so that a portion need not replay it. What is once asked for never changes."""
        found = {request.key: request for request in requests}
        with self._lock:
            self._requests[run_id] = found
            self._requests.move_to_end(run_id)
            while len(self._requests) > _KEPT_RUNS:
                self._requests.popitem(last=False)
        return found

    def _forget(self, run_id: str) -> None:
        with self._lock:
            self._requests.pop(run_id, None)


def _call_seconds(info: StepInfo) -> int:
    """What a call may take in all: its module tries as often as the step says, and pauses in between."""
    from compiled_ai.runtime.calls import declared_of

    declared = declared_of(info)
    return int(declared.says("timeout_seconds", 30)) * int(declared.says("attempts", 3)) + _PAUSES_SECONDS


def _repeats(info: StepInfo) -> Repeats:
    from compiled_ai.runtime.calls import repeats_of

    return repeats_of(info)


__all__ = ["Advance", "Beat", "Carrier"]
