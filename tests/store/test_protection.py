"""What a sink demands is what lies on the disk; what is purged is gone, and the chain still verifies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from store_samples import ALL_ENCRYPTED, Place, call_effect, run_record, waiting_record

from compiled_ai.errors import ConfigError, KeyMissing, NotFound, StoreFailed
from compiled_ai.library.context import EffectRequest
from compiled_ai.records import Effect, ReviewDecision
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.store import CLEAR, Protection, RunStore, now_text

MARK = "ZZ-marker-4711-ZZ"
PARTS = ("inputs", "effects", "outputs", "reviews", "error_texts")
SINKS = {
    "inputs": "encrypted",
    "effects": "encrypted",
    "outputs": "clear",
    "reviews": "encrypted",
    "dead_letters": "encrypted",
    "caches": "forbidden",
    "checkpoints": "encrypted",
    "golden_cases": "forbidden",
    "prompts": "encrypted",
    "error_texts": "masked",
    "temporal": "encrypted",
    "logs": "forbidden",
}


def bytes_on_disk(place: Place) -> bytes:
    """Everything that lies in the store's folder, the write-ahead log too; on a server, every table."""
    if place.url.startswith("sqlite"):
        file = Path(place.url.removeprefix("sqlite:///"))
        return b"".join(found.read_bytes() for found in sorted(file.parent.glob(f"{file.name}*")))
    tables = ("events", "payloads", "runs", "effects", "reviews", "business_keys", "writers", "secrets")
    rows = [row for table in tables for row in place.execute(f"SELECT * FROM {table}")]
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row)


def tell_marker_everywhere(store: RunStore, protection: Protection) -> list[str]:
    """Two runs that mention the marker wherever a record can: one stored whole, one step by step."""
    whole = store.save(
        run_record(
            input={"name": MARK},
            output={"outcome": MARK},
            error=f"cannot read {MARK}",
            reference={"name": MARK},
            effects=(
                call_effect(request={"arguments": {"id": MARK}}, result=MARK, origin=MARK),
                call_effect(item=1, state="failed", result=None, error=f"no {MARK}"),
                Effect(step="decide", kind="review", request={"proposed": MARK}, result={"value": MARK}),
            ),
        ),
        protection,
    )
    step = store.start(waiting_record(input={"name": MARK}, reference={"name": MARK}), protection)
    store.intend(step, EffectRequest("find_member", "call", 0, 0, {"arguments": {"id": MARK}}))
    store.effect(step, call_effect(result=MARK, origin=MARK))
    store.effect(step, call_effect(item=1, state="failed", result=None, error=f"no {MARK}"))
    review = store.open_review(step, step="decide", proposed={"outcome": MARK}, reason=MARK, problems=[MARK])
    store.decide(review, ReviewDecision(action="correct", by=MARK, reason=MARK, value={"outcome": MARK}, at=now_text()))
    store.finish(step, "failed", {"outcome": MARK}, f"cannot go on with {MARK}")
    return [whole, step]


def test_with_everything_encrypted_no_byte_on_the_disk_tells_the_marker(place: Place) -> None:
    with place.open() as store:
        whole, step = tell_marker_everywhere(store, ALL_ENCRYPTED)
        assert MARK.encode() not in bytes_on_disk(place)
        assert store.load(whole).input == {"name": MARK}
        assert MARK in str(store.load(step).error)
        assert store.verify().status == "clean"
    assert MARK.encode() not in bytes_on_disk(place)


@pytest.mark.parametrize("level", ["masked", "forbidden"])
def test_what_is_withheld_is_nowhere_and_is_read_back_as_withheld(place: Place, level: Any) -> None:
    with place.open() as store:
        whole, step = tell_marker_everywhere(store, Protection(level, level, level, level, level))
        for run_id in (whole, step):
            record = store.load(run_id)
            assert record.input["withheld"] == level
            assert record.output["withheld"] == level
            assert record.error == f"(error text {level})"
            assert all(effect.result["withheld"] == level for effect in record.effects)
        assert store.reviews("decided")[0].proposed is None
        assert store.verify().status == "clean"
    assert MARK.encode() not in bytes_on_disk(place)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_protected_for_itself(place: Place, part: str) -> None:
    """With one part left clear the marker is on the disk; so the search above can find it."""
    levels: dict[str, Any] = {name: "clear" if name == part else "encrypted" for name in PARTS}
    with place.open() as store:
        tell_marker_everywhere(store, Protection(**levels))
        assert MARK.encode() in bytes_on_disk(place)


def test_a_business_key_is_no_marker_even_in_a_clear_run(place: Place) -> None:
    with place.open() as store:
        store.save(run_record(reference={"name": MARK}))
        assert [run.status for run in store.find(MARK)] == ["completed"]
    assert MARK.encode() not in bytes_on_disk(place)


def test_equal_masked_values_can_be_told_from_different_ones(sqlite_place: Place) -> None:
    masked = Protection(inputs="masked")
    with sqlite_place.open() as store:
        ids = [store.save(run_record(input={"name": name}), masked) for name in ("a", "a", "b")]
        marks = [store.load(run_id).input["mark"] for run_id in ids]
    assert marks[0] == marks[1] != marks[2]


def test_an_input_that_looks_withheld_is_still_an_input(sqlite_place: Place) -> None:
    with sqlite_place.open() as store:
        run_id = store.save(run_record(input={"withheld": "masked"}, output={"withheld": {"inputs": 1}}))
        assert store.load(run_id).input == {"withheld": "masked"}
        assert store.load(run_id).output == {"withheld": {"inputs": 1}}


def test_without_a_master_key_nothing_of_an_encrypted_run_is_stored(place: Place) -> None:
    with place.open(keys=KeyRing(home=place.home)) as store:
        for attempt in (
            lambda: store.require(ALL_ENCRYPTED),
            lambda: store.save(run_record(), ALL_ENCRYPTED),
            lambda: store.start(waiting_record(), Protection(reviews="encrypted")),
            lambda: store.save_many([run_record()], ALL_ENCRYPTED),
        ):
            with pytest.raises(KeyMissing) as fault:
                attempt()
            assert "compiled-ai keys new" in str(fault.value)
            assert fault.value.exit_code == 2
        assert store.list() == ()
        store.require(CLEAR)
        store.save(run_record())


def test_an_encrypted_run_is_not_read_without_its_master_key(place: Place, key_line: str) -> None:
    with place.open() as store:
        run_id = store.save(run_record(), ALL_ENCRYPTED)
    place.execute("UPDATE runs SET key_name = 'lost'")
    with place.open() as store:
        with pytest.raises(KeyMissing, match="'lost' is needed"):
            store.load(run_id)
        assert store.list()[0].run_id == run_id


def test_sinks_of_a_program_become_a_protection() -> None:
    found = Protection.from_sinks(SINKS)
    assert found == Protection("encrypted", "encrypted", "clear", "encrypted", "masked")
    assert Protection.from_text(found.text()) == found
    assert Protection.from_sinks({}) is CLEAR


@pytest.mark.parametrize(
    ("sinks", "says"),
    [
        ({**SINKS, "inputs": "encryptd"}, "Sink 'inputs' has protection 'encryptd'. Use one of clear, encrypted"),
        ({name: level for name, level in SINKS.items() if name != "reviews"}, "Sink 'reviews' has protection ''"),
    ],
)
def test_a_gap_or_an_unknown_level_among_the_sinks_is_refused(sinks: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as fault:
        Protection.from_sinks(sinks)
    assert says in str(fault.value)


# ---------------------------------------------------------------- purging


@pytest.mark.parametrize("protection", [CLEAR, ALL_ENCRYPTED], ids=["clear", "encrypted"])
def test_what_is_purged_is_gone_from_the_disk_and_the_chain_still_verifies(
    place: Place, protection: Protection, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor.json"
    with place.open() as store:
        ids = tell_marker_everywhere(store, protection)
        keys = [bytes(row[0]) for row in place.execute("SELECT wrapped FROM runs WHERE wrapped IS NOT NULL")]
        kept = store.save(run_record(reference={"name": "kept"}))
        store.export_anchor(anchor)
        assert set(store.purge(ids, by="ann", reason="retention")) == set(ids)
        assert store.verify(anchor).status == "clean"
        assert store.find(MARK) == ()
        assert [run.run_id for run in store.find("kept")] == [kept]
        assert {run.run_id: run.purged_at is not None for run in store.list()} == {
            ids[0]: True,
            ids[1]: True,
            kept: False,
        }
        assert store.reviews(None) == ()
    left = bytes_on_disk(place)
    assert MARK.encode() not in left
    assert all(key not in left for key in keys)
    with place.open() as store:
        assert store.verify().status == "clean"
        assert store.load(kept).run_id == kept


def test_a_purged_run_says_when_it_was_purged(store: RunStore) -> None:
    run_id = store.save(run_record())
    assert store.purge([run_id[:20]]) == (run_id,)
    with pytest.raises(NotFound, match=f"Run '{run_id}' was purged at 20"):
        store.load(run_id)
    assert store.purge([run_id]) == ()
    summary = store.summary(run_id)
    assert (summary.status, summary.workflow) == ("completed", "prior_auth")


def test_a_run_that_has_not_ended_is_not_purged(store: RunStore) -> None:
    done, waiting = store.save(run_record()), store.start(waiting_record())
    with pytest.raises(StoreFailed, match=r"has not ended \(waiting\)"):
        store.purge([done, waiting])
    assert store.load(done).run_id == done
    assert store.purge(before="2999-01-01") == (done,)
    assert store.load(waiting).status == "waiting"


def test_runs_before_a_date_are_purged(store: RunStore) -> None:
    old = store.save(run_record(started_at="2020-05-05T10:00:00Z"))
    new = store.save(run_record(started_at="2020-05-06T10:00:00Z"))
    assert store.purge(before="2020-05-06") == (old,)
    assert store.load(new).run_id == new


def test_a_purged_payload_that_comes_back_is_found(place: Place) -> None:
    with place.open() as store:
        run_id = store.save(run_record())
    [row] = place.execute("SELECT seq, blind, clear, sealed FROM payloads")
    with place.open() as store:
        store.purge([run_id])
    place.execute("INSERT INTO payloads (seq, blind, clear, sealed) VALUES (?, ?, ?, ?)", row)
    with place.open() as store:
        assert store.verify().counts == {"payload": 1}
