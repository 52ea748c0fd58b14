"""People decide: a decision is checked as a replay would check it, recorded once, and the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from compiled_ai.errors import InputError, ReviewConflict, RunFailed
from compiled_ai.records import ReviewDecision
from compiled_ai.runtime.ids import engine_of
from compiled_ai.runtime.loading import ProgramSource
from compiled_ai.runtime.local import Answers, ModelSource, RunResult, effects_of, go_on, kept, nanoseconds
from compiled_ai.runtime.stepper import EffectRequest, Failed, Pending, Program, Stepping, answer

if TYPE_CHECKING:
    from compiled_ai.runtime.store import Review, RunStore

Action = Literal["approve", "correct", "reject"]


def decide(
    review_id: str,
    action: Action,
    *,
    by: str,
    reason: str,
    value: Any = None,
    store: RunStore,
    programs: ProgramSource,
    model: ModelSource = None,
) -> RunResult:
    """Decides a review and carries its run on, on the artifact that it began on.

    Args:
        review_id: The review, or the beginning of its id.
        action: `approve` takes the proposed result as it is, `correct` gives the whole result of the step as
            `value`, `reject` ends the run without a decision.
        by: Who decides.
        reason: Why; kept with the run.
        value: JSON of the corrected result.
        store: Where the run is.
        programs: Gives the program of a digest.
        model: Who serves bounded calls that follow.

    Raises:
        InputError: The decision cannot stand: its value breaks the schema or a validation rule, there is nothing to
            approve, or nobody is named. Nothing was recorded.
        ReviewConflict: Somebody decided first, or the run ended.
    """
    stepping = record_decision(review_id, action, by=by, reason=reason, value=value, store=store, programs=programs)
    record = store.load(store.review(review_id).run_id)
    if engine_of(record.run_id) == "temporal":
        from compiled_ai.runtime.temporal import hand_over

        hand_over(record.run_id)
        return kept(store, record.run_id, stepping.program)
    return go_on(store, record.run_id, stepping, stepping.advance(), Answers(model), nanoseconds(record.started_at))


def record_decision(
    review_id: str,
    action: Action,
    *,
    by: str,
    reason: str,
    value: Any = None,
    store: RunStore,
    programs: ProgramSource,
) -> Stepping:
    """Checks a decision as a replay would, records it, and returns its run, which has not gone on yet.

    Arguments and errors are those of `decide`.
    """
    review = _open_review(store, review_id)
    decision = _decision(action, by, reason, value)
    record = store.load(review.run_id)
    program = programs(record.artifact)
    stepping = Stepping(program, record.input, effects_of(store, record, program))
    _try(stepping, _awaited(stepping, review), decision)
    store.decide(review.review_id, decision)
    return stepping


def _open_review(store: RunStore, review_id: str) -> Review:
    review = store.review(review_id)
    if review.status != "open":
        decided = f" by {review.decision.by!r}" if review.decision else ""
        raise ReviewConflict(f"Review {review.review_id!r} was decided{decided}.", remedy="Nothing was changed.")
    return review


def _decision(action: str, by: str, reason: str, value: Any) -> ReviewDecision:
    from compiled_ai.runtime.store import now_text

    if action not in get_args(Action):
        raise InputError(f"Unknown action {action!r}.", remedy="Use approve, correct or reject.")
    if not by.strip() or not reason.strip():
        raise InputError("A decision names who decided and why.", remedy="Give --by WHO and --reason TEXT.")
    if (action == "correct") != (value is not None):
        raise InputError(
            f"Action {action!r} {'needs' if action == 'correct' else 'takes no'} value.",
            remedy="Give the whole corrected result of the step with correct, and none otherwise.",
        )
    return ReviewDecision(action=cast(Action, action), by=by, reason=reason, value=value, at=now_text())


def _awaited(stepping: Stepping, review: Review) -> EffectRequest:
    """The request that the review stands for; the run must really be waiting for it."""
    outcome = stepping.advance()
    key = (review.step, "review", review.item, review.attempt)
    if isinstance(outcome, Pending):
        for request in outcome.requests:
            if request.key == key:
                return request
    if isinstance(outcome, Failed) and outcome.code == "diverged":
        raise RunFailed(
            f"Run {review.run_id!r} cannot be replayed: {outcome.masked}.",
            remedy=f"`compiled-ai explain {review.run_id}` says why.",
        )
    raise ReviewConflict(
        f"Run {review.run_id!r} does not wait for review {review.review_id!r}.", remedy="Nothing was changed."
    )


def _try(stepping: Stepping, request: EffectRequest, decision: ReviewDecision) -> None:
    """Steps the run with the decision, before it is on record; the stepper judges whether it can stand."""
    stepping.record(answer(request, decision.model_dump(), origin=decision.by))
    outcome = stepping.advance()
    if isinstance(outcome, Failed) and outcome.code == "decision" and outcome.step == request.step:
        raise InputError(
            outcome.error,
            remedy="Nothing was recorded; correct the value, or reject.",
            details=[{"path": request.step, "message": problem} for problem in outcome.problems],
        )


def preview(review: Review, store: RunStore, programs: ProgramSource) -> dict[str, Any]:
    """What a reviewer needs to see: the question, the run's input, what was recorded, and the type of an answer."""
    from compiled_ai.library.types import type_to_json

    record = store.load(review.run_id)
    program: Program = programs(record.artifact)
    info = program.steps[review.step]
    return {
        "review_id": review.review_id,
        "run_id": review.run_id,
        "workflow": review.workflow,
        "artifact": review.artifact,
        "step": review.step,
        "item": review.item,
        "status": review.status,
        "reason": review.reason,
        "problems": list(review.problems),
        "proposed": review.proposed,
        "answer": type_to_json(info.result),
        "input": record.input,
        "opened_at": review.opened_at,
        "deadline": review.deadline,
    }


__all__ = ["Action", "decide", "preview", "record_decision"]
