"""Runs are stored whole, found again, and never twice."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from store_samples import Place, call_effect, in_another_process, run_record, waiting_record

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import ConfigError, InputError, NotFound, StoreFailed
from compiled_ai.records import Effect, RunRecord, Usage
from compiled_ai.runtime.store import RunStore, new_run_id


def test_an_unknown_run_is_not_found(store: RunStore) -> None:
    for missing in ("nothing", "", "zzz"):
        with pytest.raises(NotFound, match="There is no run"):
            store.load(missing)


def test_the_same_run_is_not_stored_twice(store: RunStore) -> None:
    record = run_record()
    store.save(record)
    with pytest.raises(StoreFailed, match="is stored already"):
        store.save(record.model_copy(update={"output": {"outcome": "DENY"}}))
    assert store.load(record.run_id).output == record.output
    assert store.verify().status == "clean"


@pytest.mark.parametrize("run_id", ["", "a b", "a\nb", "x" * 65, "run/1"])
def test_a_run_id_that_could_be_misread_is_refused(sqlite_place: Place, run_id: str) -> None:
    with sqlite_place.open() as store, pytest.raises(InputError, match="is not a run id"):
        store.save(run_record(run_id=run_id))


def test_a_time_without_its_zone_is_refused(sqlite_place: Place) -> None:
    with sqlite_place.open() as store, pytest.raises(InputError, match="has no zone"):
        store.save(run_record(started_at="2026-11-20T10:00:00"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, {"a": object()}])
def test_what_json_cannot_hold_is_refused_and_nothing_is_stored(sqlite_place: Place, value: object) -> None:
    with sqlite_place.open() as store:
        with pytest.raises(InputError):
            store.save(run_record(input={"x": value}))
        assert store.list() == ()


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite:///", "sqlite:///:memory:", ":memory:", "http://example.org"]
)
def test_an_address_that_is_no_store_is_refused(url: str, sqlite_place: Place) -> None:
    with pytest.raises(ConfigError, match="is not the address of a run store"):
        RunStore.open(url, keys=sqlite_place.keys)


def test_a_closed_store_says_so(place: Place) -> None:
    store = place.open()
    store.save(run_record())
    store.close()
    store.close()
    with pytest.raises(StoreFailed, match="is closed"):
        store.save(run_record())


def test_a_run_comes_back_as_it_was_apart_from_its_business_keys(store: RunStore) -> None:
    record = run_record(
        input={
            "amount": Decimal("12.50"),
            "tiny": 1e-9,
            "text": "Zürich \u0000 \U0001f600 \"'",
            "none": None,
            "n": [1],
        },
        effects=(
            call_effect(),
            call_effect(step="ask", kind="bounded", attempt=1, state="failed", result=None, error="timeout"),
            Effect(step="ask", kind="bounded", result="{}", usage=Usage(input_tokens=3, origin="measured"), item=2),
        ),
    )
    store.save(record)
    found = store.load(record.run_id)
    expected = record.model_copy(update={"reference": {}})
    assert canonical_json(found.model_dump()) == canonical_json(expected.model_dump())


def test_a_run_is_found_by_the_beginning_of_its_id_if_that_is_enough(store: RunStore) -> None:
    for run_id in ("aab1", "aab2", "aac", "aac-longer"):
        store.save(run_record(run_id=run_id))
    assert store.load("aab2").run_id == "aab2"
    assert store.resolve("aac-") == "aac-longer"
    assert store.load("aac").run_id == "aac"
    with pytest.raises(NotFound, match="Several runs begin with 'aa': aab1, aab2, aac, ..."):
        store.load("aa")


def test_runs_are_listed_newest_first_and_filtered(store: RunStore) -> None:
    days = {"r1": "2026-11-01", "r2": "2026-11-02", "r3": "2026-11-03"}
    for run_id, day in days.items():
        store.save(
            run_record(run_id=run_id, started_at=f"{day}T10:00:00+01:00", workflow="even" if run_id == "r2" else "odd")
        )
    assert [run.run_id for run in store.list()] == ["r3", "r2", "r1"]
    assert [run.run_id for run in store.list(limit=1)] == ["r3"]
    assert [run.run_id for run in store.list(workflow="odd")] == ["r3", "r1"]
    assert [run.run_id for run in store.list(since="2026-11-02")] == ["r3", "r2"]
    assert [run.run_id for run in store.list(since=date(2026, 11, 3))] == ["r3"]
    assert [run.run_id for run in store.list(since="2026-11-02T09:00:01Z", limit=None)] == ["r3"]
    assert store.list(status="failed") == ()
    assert store.list(artifact="b" * 64) == ()
    assert store.list(limit=1)[0].started_at == "2026-11-03T09:00:00.000000Z"


def test_an_unknown_status_or_date_is_refused_rather_than_matching_nothing(sqlite_place: Place) -> None:
    with sqlite_place.open() as store:
        with pytest.raises(InputError, match="'done' is not a status of a run"):
            store.list(status="done")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="'yesterday' is not a date"):
            store.list(since="yesterday")


def test_runs_are_found_by_business_keys_that_are_kept_as_keyed_hashes_only(place: Place) -> None:
    with place.open() as store:
        first = store.save(run_record(reference={"claim_id": "CLM-77", "member": "M-1"}, input={}))
        second = store.save(run_record(reference={"claim_id": "CLM-78", "member": "CLM-77"}, input={}))
        assert [run.run_id for run in store.find("CLM-77", key="claim_id")] == [first]
        assert [run.run_id for run in store.find("CLM-77")] == [second, first]
        assert store.find("CLM") == ()
        assert store.find("CLM-77", key="unknown") == ()
    for table in ("business_keys", "events", "payloads", "runs"):
        assert "CLM-7" not in repr(place.execute(f"SELECT * FROM {table}"))


def test_runs_are_counted_as_they_are_listed(store: RunStore) -> None:
    for workflow in ("one", "one", "two"):
        store.save(run_record(workflow=workflow))
    assert (store.count(), store.count(workflow="one"), store.count(workflow="three")) == (3, 2, 0)
    with pytest.raises(InputError, match="'done' is not a status of a run"):
        store.count(status="done")  # type: ignore[arg-type]


def test_a_run_keeps_the_names_of_its_business_keys(store: RunStore) -> None:
    known = store.save(run_record(reference={"claim_id": "CLM-77", "member": "M-1"}))
    assert store.reference_names(known) == ("claim_id", "member")
    assert store.reference_names(store.save(run_record(reference={}))) == ()
    with pytest.raises(NotFound, match="There is no run 'gone'"):
        store.reference_names("gone")


def test_once_returns_the_earlier_run_of_the_same_reference_and_artifact(store: RunStore) -> None:
    first = run_record(reference={"claim_id": "1", "line": "a"})
    assert store.once(first.reference, first.artifact) is None
    assert store.save(first, once=True) == first.run_id
    again = run_record(reference={"claim_id": "1", "line": "a"})
    assert store.save(again, once=True) == first.run_id
    assert store.start(waiting_record(reference={"claim_id": "1", "line": "a"}), once=True) == first.run_id
    other = run_record(reference={"claim_id": "1", "line": "b"})
    assert store.save(other, once=True) == other.run_id
    newer = run_record(reference=first.reference, artifact="b" * 64)
    assert store.save(newer, once=True) == newer.run_id
    assert {run.run_id for run in store.list()} == {first.run_id, other.run_id, newer.run_id}


def test_once_without_a_business_key_is_refused(sqlite_place: Place) -> None:
    with sqlite_place.open() as store, pytest.raises(InputError, match="without a business key"):
        store.save(run_record(reference={}), once=True)


_ONCE = """
import sys
from compiled_ai.records import RunRecord
from compiled_ai.runtime.store import RunStore, new_run_id, now_text
from pathlib import Path
with RunStore.open(sys.argv[1], home=Path(sys.argv[2])) as store:
    store.list(limit=1)
    for number in range(20):
        record = RunRecord(run_id=new_run_id(), artifact="a", workflow="w", input={}, status="completed",
                           started_at=now_text(), finished_at=now_text(), reference={"n": str(number)})
        store.save(record, once=True)
"""


def test_two_processes_that_store_the_same_once_store_it_once(place: Place, key_line: str) -> None:
    place.open().close()
    children = [in_another_process(_ONCE, place.url, str(place.home), key_line=key_line) for _ in range(2)]
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
    with place.open() as store:
        assert len(store.list()) == 20
        report = store.verify()
        assert (report.status, report.chains) == ("clean", len(store.chains()))
        assert report.chains >= 1


def test_many_runs_are_stored_together_or_not_at_all(store: RunStore) -> None:
    good, twice = run_record(), run_record()
    with pytest.raises(StoreFailed, match="is stored already"):
        store.save_many([good, twice, twice])
    assert store.list() == ()
    store.save_many([good, twice])
    assert len(store.list()) == 2
    assert store.verify().status == "clean"


def test_a_group_stores_so_many_at_a_time_and_the_rest_at_its_end(place: Place) -> None:
    with place.open() as writer, place.open() as reader:
        with writer.group(3):
            for number in range(7):
                writer.save(run_record())
                assert len(reader.list()) == (number + 1) // 3 * 3
        assert len(reader.list()) == 7


def test_a_group_that_is_broken_off_stores_what_was_saved(store: RunStore) -> None:
    with pytest.raises(RuntimeError, match="interrupted"), store.group(100):
        store.save(run_record())
        raise RuntimeError("interrupted")
    assert len(store.list()) == 1


def test_within_a_group_everything_that_was_saved_is_seen(store: RunStore) -> None:
    with store.group(100):
        run_id = store.save(run_record())
        assert store.load(run_id).run_id == run_id
        with pytest.raises(StoreFailed, match="open already"), store.group():
            pass


def test_a_group_of_none_is_refused(sqlite_place: Place) -> None:
    with sqlite_place.open() as store, pytest.raises(InputError, match="A group of 0"), store.group(0):
        pass


def test_threads_share_one_store_and_its_one_chain(store: RunStore) -> None:
    def work() -> None:
        for _ in range(20):
            store.load(store.save(run_record()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = store.verify()
    assert (report.status, report.runs, report.chains) == ("clean", 80, 1)


def test_new_ids_are_distinct_and_sort_by_time() -> None:
    ids = [new_run_id() for _ in range(1000)]
    assert ids == sorted(set(ids))


def test_a_stored_record_is_not_tied_to_the_objects_it_was_made_from(store: RunStore) -> None:
    content = {"list": [1]}
    record: RunRecord = run_record(input=content)
    store.save(record)
    content["list"].append(2)
    assert store.load(record.run_id).input == {"list": [1]}


def test_whatever_has_the_fields_of_a_record_is_stored(store: RunStore) -> None:
    record = run_record()
    like = SimpleNamespace(**{name: getattr(record, name) for name in type(record).model_fields})
    store.save(like)
    assert store.load(record.run_id) == record.model_copy(
        update={"reference": {}, "input": store.load(record.run_id).input}
    )


def test_the_schema_version_is_known(store: RunStore, place: Place) -> None:
    assert place.execute("SELECT MAX(version) FROM migrations") == [(store.schema_version,)]
