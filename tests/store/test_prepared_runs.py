"""Runs that are made ready in a quicker way, stored once under ids that come again, by several processes."""

from __future__ import annotations

import pytest
from store_samples import ALL_ENCRYPTED, Place, run_record

from compiled_ai.canonical import Canonical, canonical_json
from compiled_ai.errors import StoreFailed
from compiled_ai.runtime.store import CLEAR, CompletedRun, Protection, RunStore

NANOSECONDS = 1_790_000_000_123_456_000


@pytest.mark.parametrize("protection", [CLEAR, ALL_ENCRYPTED], ids=["clear", "encrypted"])
@pytest.mark.parametrize("reference", [{}, {"claim_id": "C-1"}], ids=["nameless", "with a key"])
def test_a_run_from_a_form_is_the_run_that_a_record_makes(
    store: RunStore, protection: Protection, reference: dict[str, str]
) -> None:
    usual = run_record(
        started_at="2026-09-21T14:13:20.123456Z", finished_at="2026-09-21T14:13:21.123456Z", reference=reference
    )
    form = store.form(usual.artifact, usual.workflow, usual.environment, protection)
    given, output = canonical_json(usual.input), canonical_json(usual.output)
    quick = CompletedRun("other", given, output, NANOSECONDS, NANOSECONDS + 10**9)
    store.save(usual, protection)
    assert store.save_prepared([form.completed(quick, reference)]) == set()
    assert store.load("other").model_copy(update={"run_id": usual.run_id}) == store.load(usual.run_id)
    assert len(store.find("C-1")) == (2 if reference else 0)
    assert store.verify().findings == ()


def test_many_plain_runs_are_stored_as_each_alone_would_be(store: RunStore) -> None:
    """Of 777 runs, since a group has 100 and a statement takes 100, 10 or 1."""
    times = {"started_at": "2026-09-21T14:13:20.123456Z", "finished_at": "2026-09-21T14:13:21.123456Z"}
    usual = run_record(**times, reference={})
    form = store.form(usual.artifact, usual.workflow, usual.environment)
    given, output = canonical_json(usual.input), canonical_json(usual.output)
    runs = [CompletedRun(f"r-{n:04}", given, output, NANOSECONDS, NANOSECONDS + 10**9) for n in range(777)]
    assert form.is_plain and store.save_completed(form, runs[:1]) == set()
    assert store.save_completed(form, runs) == {"r-0000"}
    assert store.verify().findings == () and store.verify().runs == 777
    for run_id in ("r-0000", "r-0001", "r-0499", "r-0776"):
        assert store.load(run_id) == usual.model_copy(update={"run_id": run_id, "reference": {}})


def test_what_runs_differ_in_is_stored_for_each(store: RunStore) -> None:
    """They are written together as far as they follow each other with the same workflow, artifact, and status."""
    differing = [(("a", "b")[n // 2 % 2], ("completed", "failed")[n // 3 % 2]) for n in range(12)]
    records = [
        run_record(run_id=f"r-{n:02}", workflow=workflow, status=status, reference={})
        for n, (workflow, status) in enumerate(differing)
    ]
    store.save_many(records)
    assert [store.load(record.run_id) for record in records] == records
    assert store.verify().findings == ()


def test_what_is_stored_already_stands_and_the_rest_is_stored(store: RunStore) -> None:
    first, second = run_record(run_id="r-1"), run_record(run_id="r-2")
    store.save(first)
    again = run_record(run_id="r-1", output={"outcome": "DENY"})
    assert store.save_prepared([store.prepare(again), store.prepare(second)]) == {"r-1"}
    assert store.load("r-1").output == first.output
    assert store.stored(["r-1", "r-2", "r-3"]) == {"r-1", "r-2"}
    assert (store.has_any("r-"), store.has_any("s-")) == (True, False)
    with pytest.raises(StoreFailed, match="Run 'r-2' is stored already"):
        store.save_many([run_record(run_id="r-3"), second])
    assert store.stored(["r-3"]) == set()


def test_an_address_opens_the_same_store_and_shows_no_key(place: Place, store: RunStore) -> None:
    import pickle

    store.save(run_record(run_id="r-1"), ALL_ENCRYPTED)
    address = pickle.loads(pickle.dumps(store.address))
    assert "keys" not in repr(address)
    with address.open() as other:
        assert other.store_id == store.store_id
        assert other.load("r-1").output == {"outcome": "APPROVE", "reason": "bmi >= 30"}


def test_chains_of_a_dead_process_are_closed_for_it(place: Place, store: RunStore) -> None:
    import os

    store.save(run_record())
    dead = place.open()
    dead.save(run_record())
    place.execute("UPDATE writers SET process = 999999999 WHERE process = ? AND closed IS NULL", (os.getpid(),))
    dead._session.database.close()  # as a process ends that is killed
    store.close_chains_of(999999999)
    assert store.verify().status == "clean"
    assert [chain.closed_at is not None for chain in store.chains() if not chain.own] == [True]


def test_canonical_text_that_is_there_already_is_written_as_it_is() -> None:
    assert canonical_json({"kept": Canonical('{"a":1}')}) == '{"kept":{"a":1}}'
