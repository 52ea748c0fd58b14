"""A review is asked once, decided once, and every decision is in the run's chain."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from store_samples import ALL_ENCRYPTED, Place, run_record, waiting_record

from compiled_ai.errors import InputError, NotFound, ReviewConflict
from compiled_ai.records import ReviewDecision
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.store import CLEAR, Protection, Review, RunStore, now_text


def decision(**changes: Any) -> ReviewDecision:
    fields = {"action": "approve", "by": "ann", "reason": "the chart says so", "at": now_text()}
    return ReviewDecision(**{**fields, **changes})


def ask(store: RunStore, run_id: str, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "step": "decide",
        "proposed": {"outcome": "DENY"},
        "reason": "a denial",
        "problems": ["p"],
    }
    return store.open_review(run_id, **{**fields, **changes})


@pytest.fixture(params=[CLEAR, ALL_ENCRYPTED], ids=["clear", "encrypted"])
def run_id(request: pytest.FixtureRequest, store: RunStore) -> str:
    protection: Protection = request.param
    return store.start(waiting_record(), protection)


def test_an_unknown_review_is_not_found(store: RunStore) -> None:
    for missing in ("nothing", ""):
        with pytest.raises(NotFound, match="There is no review"):
            store.review(missing)
        with pytest.raises(NotFound, match="There is no review"):
            store.decide(missing, decision())


def test_an_unknown_state_of_reviews_is_refused(store: RunStore) -> None:
    with pytest.raises(InputError, match="'pending' is not a status of a review"):
        store.reviews("pending")


def test_a_review_is_decided_once(store: RunStore, run_id: str) -> None:
    review = ask(store, run_id)
    store.decide(review, decision())
    with pytest.raises(ReviewConflict, match=r"was decided by 'ann' \(approve\) at 20"):
        store.decide(review, decision(action="reject", by="bob"))
    assert store.review(review).decision is not None
    assert [effect.origin for effect in store.load(run_id).effects] == ["ann"]


def test_of_two_who_decide_together_one_is_told(place: Place) -> None:
    with place.open() as store:
        review = ask(store, store.start(waiting_record()))
    outcomes: list[str] = []

    def decide(who: str) -> None:
        with place.open() as mine:
            start.wait()
            try:
                mine.decide(review, decision(by=who))
                outcomes.append("decided")
            except ReviewConflict:
                outcomes.append("conflict")

    start = threading.Barrier(3)
    threads = [threading.Thread(target=decide, args=(who,)) for who in ("ann", "bob", "cyd")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "conflict", "decided"]
    with place.open() as store:
        assert store.verify().status == "clean"


def test_a_review_of_a_run_that_ended_meanwhile_is_not_decided(store: RunStore, run_id: str) -> None:
    review = ask(store, run_id)
    store.finish(run_id, "failed", error="cancelled")
    with pytest.raises(ReviewConflict, match=r"has ended \(failed\)"):
        store.decide(review, decision())


def test_a_review_stores_all_that_its_decision_needs(store: RunStore, run_id: str) -> None:
    review = store.review(ask(store, run_id, item=2, attempt=1, deadline="2026-12-01T00:00:00Z"))
    assert isinstance(review, Review)
    assert (review.run_id, review.step, review.item, review.attempt) == (run_id, "decide", 2, 1)
    assert (review.status, review.proposed, review.reason) == ("open", {"outcome": "DENY"}, "a denial")
    assert (review.problems, review.deadline) == (("p",), "2026-12-01T00:00:00.000000Z")
    assert (review.workflow, review.artifact, review.decision) == ("prior_auth", "a" * 64, None)
    assert store.load(run_id).status == "review"
    assert store.list(status="review")[0].run_id == run_id


def test_asking_again_for_the_same_place_is_the_same_review(store: RunStore, run_id: str) -> None:
    first = ask(store, run_id)
    assert ask(store, run_id, reason="another") == first
    assert ask(store, run_id, item=1) != first
    assert len(store.reviews()) == 2
    assert store.review(first).reason == "a denial"


def test_a_deadline_without_its_zone_is_refused_and_nothing_is_asked(store: RunStore, run_id: str) -> None:
    with pytest.raises(InputError, match="has no zone"):
        ask(store, run_id, deadline="2026-12-01T00:00:00")
    assert store.reviews() == ()
    assert store.load(run_id).status == "waiting"
    assert store.verify().status == "clean"


def test_open_reviews_are_listed_by_deadline(store: RunStore) -> None:
    deadlines = {"late": "2027-01-01T00:00:00Z", "soon": "2026-12-01T00:00:00Z", "none": None}
    for step, deadline in deadlines.items():
        ask(store, store.start(waiting_record()), step=step, deadline=deadline)
    assert [review.step for review in store.reviews()] == ["soon", "late", "none"]
    store.decide(store.reviews()[0].review_id, decision())
    assert [review.step for review in store.reviews()] == ["late", "none"]
    assert [review.step for review in store.reviews("decided")] == ["soon"]
    assert len(store.reviews(None)) == 3


def test_a_decision_becomes_the_effect_by_which_the_run_goes_on(store: RunStore, run_id: str) -> None:
    review = ask(store, run_id)
    made = decision(action="correct", value={"outcome": "APPROVE"}, by="bob")
    decided = store.decide(review[:-1], made)
    assert (decided.status, decided.decision) == ("decided", made)
    [effect] = store.load(run_id).effects
    assert effect.key == ("decide", "review", 0, 0)
    assert effect.request == {"problems": ["p"], "proposed": {"outcome": "DENY"}, "reason": "a denial"}
    assert effect.result == made.model_dump()
    assert (effect.state, effect.origin) == ("succeeded", "bob")
    store.finish(run_id, "completed", {"outcome": "APPROVE"})
    kinds = [event.kind for event in _events(store, run_id)]
    assert kinds == ["recorded", "review_opened", "review_decided", "status"]
    assert store.verify().status == "clean"


def _events(store: RunStore, run_id: str) -> list[Any]:
    from compiled_ai.runtime.store.runs import run_row
    from compiled_ai.runtime.store.telling import events_of

    database = store._session.database
    return [event for event, _ in events_of(database, run_row(database, run_id))]


def test_a_run_stored_whole_may_wait_for_a_review(store: RunStore) -> None:
    run_id = store.save(run_record(status="review", output=None, finished_at=None))
    review = ask(store, run_id)
    store.decide(review, decision())
    store.finish(run_id, "completed", {"outcome": "DENY"})
    assert store.load(run_id).output == {"outcome": "DENY"}


def test_one_record_that_cannot_be_opened_hides_no_other_review(tmp_path: Path) -> None:
    """A run was stored under a key that is no longer the one of its name."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    first, second = (KeyRing.from_environment({"COMPILED_AI_KEY": new_key("main")}, home=tmp_path) for _ in range(2))
    with RunStore.open(url, keys=KeyRing.from_environment({}, home=tmp_path)) as store:
        ask(store, store.start(waiting_record(), CLEAR))
    with RunStore.open(url, keys=second) as store:
        ask(store, store.start(waiting_record(), ALL_ENCRYPTED))
    with RunStore.open(url, keys=first) as store:
        reasons = sorted(review.reason for review in store.reviews())
    assert reasons[0].startswith("(cannot be read: The key named 'main'")
    assert reasons[1] == "a denial"
