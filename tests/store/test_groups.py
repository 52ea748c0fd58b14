"""Runs of a batch that one event tells: each is found, told, purged and examined by itself, as if it had its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_samples import Place, run_record

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import InputError, NotFound, RecordAltered, StoreFailed
from compiled_ai.records import RunRecord
from compiled_ai.runtime.store import CompletedRun, RunStore, VerifyReport
from compiled_ai.runtime.store import dialects as dialects_module
from compiled_ai.runtime.store.chain import BLIND_BYTES, commitment_of
from compiled_ai.runtime.store.schema import MIGRATIONS

NANOSECONDS = 1_790_000_000_123_456_000
TIMES = {"started_at": "2026-09-21T14:13:20.123456Z", "finished_at": "2026-09-21T14:13:21.123456Z"}
RUNS = 250
Tamper = Callable[[Place], None]


def record(number: int) -> RunRecord:
    changes: dict[str, Any] = {"input": {"claim_id": f"C-{number}"}, "output": {"outcome": f"OUT-{number}"}}
    return run_record(run_id=name(number), reference={}, **TIMES, **changes)


def name(number: int) -> str:
    return f"r-{number:04}"


def save(store: RunStore, numbers: range) -> None:
    usual = record(0)
    runs = []
    for number in numbers:
        told = record(number)
        given, output = canonical_json(told.input), canonical_json(told.output)
        runs.append(CompletedRun(told.run_id, given, output, NANOSECONDS, NANOSECONDS + 10**9))
    store.save_completed(store.form(usual.artifact, usual.workflow, usual.environment), runs)


@pytest.fixture
def filled(place: Place) -> Place:
    """A closed store of 250 runs in three groups."""
    with place.open() as store:
        save(store, range(RUNS))
    return place


def verify(place: Place) -> VerifyReport:
    with place.open() as store:
        return store.verify()


def do(sql: str, *values: Any) -> Tamper:
    return lambda place: place.execute(sql, values) and None


def test_a_run_of_a_group_is_told_as_a_run_alone_is(filled: Place) -> None:
    with filled.open() as store:
        for number in (0, 99, 100, RUNS - 1):
            assert store.load(name(number)) == record(number)
        assert [run.run_id for run in store.list(limit=2)] == [name(RUNS - 1), name(RUNS - 2)]
    report = verify(filled)
    assert (report.status, report.runs, report.events) == ("clean", RUNS, 3 + 2)


def test_an_id_that_could_be_misread_is_refused_and_nothing_is_stored(store: RunStore) -> None:
    form = store.form("a" * 64, "prior_auth", {})
    good = CompletedRun("r-1", "{}", "{}", NANOSECONDS, NANOSECONDS)
    with pytest.raises(InputError, match=r"'r-2 0\\n' is not a run id"):
        store.save_completed(form, [good, good._replace(run_id="r-2 0\n")])
    assert store.list() == ()


def test_a_store_from_before_there_were_groups_is_read_and_gone_on_with(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(dialects_module, "MIGRATIONS", MIGRATIONS[:1])
        patched.setattr(dialects_module, "NEWEST", 1)
        with place.open() as store:
            old = store.save(run_record(reference={"claim_id": "C-7"}))
    with place.open() as store:
        save(store, range(3))
        assert store.load(old).output == {"outcome": "APPROVE", "reason": "bmi >= 30"}
        assert store.load(name(2)) == record(2)
        assert store.verify().findings == ()
        assert set(store.purge([old, name(1)])) == {old, name(1)}
        assert store.verify().findings == ()
    assert place.execute("SELECT version FROM migrations ORDER BY version") == [(1,), (2,)]


def _tell_anew(told: bytes) -> Tamper:
    """Puts something else into the first group's event, and mends what can be mended without the store's secret."""

    def tamper(place: Place) -> None:
        [(first,)] = place.execute("SELECT first FROM runs WHERE run_id = 'r-0005'")
        blind = b"b" * BLIND_BYTES
        place.execute("UPDATE payloads SET blind = ?, clear = ? WHERE seq = ?", (blind, told, first))
        place.execute("UPDATE events SET commitment = ? WHERE seq = ?", (commitment_of(blind, told, b""), first))

    return tamper


_THIRD = "(SELECT MIN(seq) + 2 FROM events)"
_OTHER_PAYLOAD = b'{"environment":{},"inputs":{},"outputs":{"outcome":"OTHER"}}'
TAMPERINGS: dict[str, tuple[str, Tamper]] = {
    "a payload": (
        "payload",
        do("UPDATE payloads_of_groups SET clear = ? WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0005')"
           " AND place = 5", _OTHER_PAYLOAD),
    ),
    "a payload is deleted": (
        "payload",
        do("DELETE FROM payloads_of_groups WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0005') AND place = 5"),
    ),
    "a payload is added to a group": (
        "inserted",
        do(f"INSERT INTO payloads_of_groups (seq, place, blind, clear) VALUES ({_THIRD}, 100, ?, ?)", b"", b"{}"),
    ),
    "a payload is copied before a group's first": (
        "inserted",
        do("INSERT INTO payloads_of_groups (seq, place, blind, clear) SELECT seq, -1, blind, clear FROM"
           f" payloads_of_groups WHERE seq = {_THIRD} AND place = 1"),
    ),
    "a payload is added to no group": (
        "inserted",
        do("INSERT INTO payloads_of_groups (seq, place, blind, clear) VALUES (9999, 0, ?, ?)", b"", b"{}"),
    ),
    "what is told of a group": (
        "payload",
        do("UPDATE payloads SET clear = ? WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0005')",
           b"r-0005 0 0 00"),
    ),
    "what is told of a group is deleted": (
        "payload", do("DELETE FROM payloads WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0005')"),
    ),
    "what is told of a group, with its commitment": (
        "altered", _tell_anew(b"\n".join(b"r-%04d 1 2 00" % number for number in range(100))),
    ),
    "what is told of a group, to nonsense": ("altered", _tell_anew(b"\xff\n\n\n\n\nr-0005 x 9 zz")),
    "what is told of a group, to times out of range": ("altered", _tell_anew(b"\n" * 5 + b"r-0005 %d 2 00" % 10**40)),
    "a group's event": (
        "altered", do("UPDATE events SET header = replace(header, 'prior_auth', 'other') WHERE kind = 'recorded_many'"),
    ),
    "a group's event is deleted": (
        "missing", do("DELETE FROM events WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0005')"),
    ),
    "a group's event becomes another kind": (
        "altered",
        do("UPDATE events SET kind = 'recorded' WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0005')"),
    ),
    "a run leaves the list": ("row", do("DELETE FROM runs WHERE run_id = 'r-0005'")),
    "a run's time": ("row", do("UPDATE runs SET started = started + 1 WHERE run_id = 'r-0005'")),
    "a run's artifact": ("row", do("UPDATE runs SET artifact = 'b' WHERE run_id = 'r-0005'")),
    "a run gets another's place": ("missing", do("UPDATE runs SET place = 6 WHERE run_id = 'r-0005'")),
    "a run gets a place that is none": ("missing", do("UPDATE runs SET place = 999 WHERE run_id = 'r-0005'")),
    "a run gets a place before the first": ("missing", do("UPDATE runs SET place = -95 WHERE run_id = 'r-0005'")),
    "a run loses its place": ("missing", do("UPDATE runs SET place = NULL WHERE run_id = 'r-0005'")),
    "a run comes to another group": (
        "missing",
        do("UPDATE runs SET first = (SELECT MAX(first) FROM runs) WHERE run_id = 'r-0005'"),
    ),
    "a run is renamed": ("missing", do("UPDATE runs SET run_id = 'forged' WHERE run_id = 'r-0005'")),
    "a run is marked as purged": ("row", do("UPDATE runs SET purged = 1 WHERE run_id = 'r-0005'")),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_with_a_group_is_found(filled: Place, what: str) -> None:
    kind, tamper = TAMPERINGS[what]
    tamper(filled)
    report = verify(filled)
    assert report.status == "altered"
    assert kind in report.counts, report.findings


@pytest.mark.parametrize("what", sorted(TAMPERINGS.keys() - {
    "a payload is added to a group", "a payload is copied before a group's first",
    "a payload is added to no group"}))  # fmt: skip
def test_a_run_that_was_tampered_with_is_not_loaded(filled: Place, what: str) -> None:
    TAMPERINGS[what][1](filled)
    with filled.open() as store, pytest.raises((RecordAltered, NotFound)):
        store.load(name(5))


@pytest.mark.parametrize("what", ["a payload", "a payload is deleted", "a run leaves the list", "a run's time"])
def test_what_was_done_to_one_run_is_found_at_it_and_the_others_stand(filled: Place, what: str) -> None:
    TAMPERINGS[what][1](filled)
    with filled.open() as store:
        assert {finding.run_id for finding in store.verify().findings} == {name(5)}
        assert store.load(name(6)) == record(6)


def test_a_run_whose_payload_changed_places_with_another_is_found(filled: Place) -> None:
    where = "seq = (SELECT first FROM runs WHERE run_id = 'r-0005') AND place ="
    for old, new in ((5, -1), (6, 5), (-1, 6)):
        filled.execute(f"UPDATE payloads_of_groups SET place = ? WHERE {where} ?", (new, old))
    assert verify(filled).counts == {"payload": 2}


def test_one_run_of_a_group_is_purged_and_the_others_stay(filled: Place) -> None:
    with filled.open() as store:
        assert store.purge([name(5)], by="ann", reason="asked to") == (name(5),)
        with pytest.raises(NotFound, match=r"Run 'r-0005' was purged at"):
            store.load(name(5))
        assert store.purge([name(5)]) == ()
        assert store.load(name(4)) == record(4) and store.load(name(6)) == record(6)
        assert store.summary(name(5)).status == "completed"
    assert verify(filled).findings == ()
    assert filled.execute("SELECT COUNT(*) FROM payloads_of_groups") == [(RUNS - 1,)]


def test_all_runs_of_groups_are_purged_by_date_and_that_they_happened_still_verifies(filled: Place) -> None:
    with filled.open() as store:
        assert len(store.purge(before="2999-01-01")) == RUNS
    assert verify(filled).findings == ()
    assert filled.execute("SELECT COUNT(*) FROM payloads_of_groups") == [(0,)]


def test_a_purged_run_of_a_group_is_gone_from_the_disk(sqlite_place: Place) -> None:
    with sqlite_place.open() as store:
        save(store, range(3))
        store.purge([name(1)])
    file = Path(sqlite_place.url.removeprefix("sqlite:///"))
    left = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert b"OUT-1" not in left and b"C-1" not in left
    assert b"OUT-2" in left


def test_a_purged_payload_of_a_group_that_comes_back_is_found(filled: Place) -> None:
    select = "SELECT seq, place, blind, clear FROM payloads_of_groups WHERE place = 5 ORDER BY seq LIMIT 1"
    [row] = filled.execute(select)
    with filled.open() as store:
        store.purge([name(5)])
    filled.execute("INSERT INTO payloads_of_groups (seq, place, blind, clear) VALUES (?, ?, ?, ?)", row)
    assert verify(filled).counts == {"payload": 1}


def test_an_anchor_sees_a_group_that_was_cut_off(filled: Place, tmp_path: Path) -> None:
    with filled.open() as store:
        store.export_anchor(tmp_path / "anchor.json")
    last = filled.execute("SELECT MAX(first) FROM runs")[0][0]
    for table in ("runs WHERE first", "payloads WHERE seq", "payloads_of_groups WHERE seq", "events WHERE seq"):
        filled.execute(f"DELETE FROM {table} >= ?", (last,))
    filled.execute("UPDATE writers SET closed = NULL")
    assert verify(filled).status == "unclosed"
    with filled.open() as store:
        assert "cut" in store.verify(tmp_path / "anchor.json").counts


def test_a_copy_beside_the_payloads_of_a_group_goes_with_its_run(filled: Place) -> None:
    copy = "INSERT INTO payloads_of_groups (seq, place, blind, clear) SELECT seq, {}, blind, clear FROM"
    where = "payloads_of_groups WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0001') AND place = 1"
    for place in (-1, 100):
        filled.execute(f"{copy.format(place)} {where}")
    with filled.open() as store:
        store.purge([name(1)])
    assert verify(filled).findings == ()


def test_a_group_that_is_given_to_one_run_does_not_go_with_it(filled: Place) -> None:
    filled.execute("UPDATE events SET run_id = 'r-0001' WHERE kind = 'recorded_many'")
    with filled.open() as store:
        assert store.purge([name(1)]) == (name(1),)
    assert filled.execute("SELECT COUNT(*) FROM payloads_of_groups") == [(RUNS - 1,)]
    told = "SELECT COUNT(*) FROM payloads WHERE seq = (SELECT first FROM runs WHERE run_id = 'r-0002')"
    assert filled.execute(told) == [(1,)]


@pytest.mark.parametrize(
    "damage",
    ["UPDATE runs SET head = 'abc'", "UPDATE events SET hash = 'abc'", "UPDATE payloads_of_groups SET clear = 5",
     "UPDATE payloads SET clear = '[]'"],
)  # fmt: skip
def test_what_is_no_bytes_or_no_object_is_a_finding(sqlite_place: Place, damage: str) -> None:
    with sqlite_place.open() as store:
        save(store, range(9))
        store.save(run_record())
    sqlite_place.execute(damage)
    assert verify(sqlite_place).status == "altered"


@pytest.mark.parametrize("value", ["x", 5.5, b"5"])
@pytest.mark.parametrize("table", ["runs", "payloads_of_groups"])
def test_a_place_that_is_no_number_is_a_finding(sqlite_place: Place, table: str, value: Any) -> None:
    with sqlite_place.open() as store:
        save(store, range(9))
    sqlite_place.execute(f"UPDATE {table} SET place = ? WHERE place = 5", (value,))
    assert verify(sqlite_place).status == "altered"


def test_a_run_alone_that_gets_a_place_is_found_and_is_purged_whole(place: Place) -> None:
    with place.open() as store:
        alone = store.save(run_record(reference={"claim_id": "C-7"}))
    place.execute("UPDATE runs SET place = 0")
    report = verify(place)
    assert (report.status, report.counts.get("row")) == ("altered", 1)
    with place.open() as store:
        assert store.purge([alone]) == (alone,)
    assert place.execute("SELECT COUNT(*) FROM business_keys") == [(0,)]
    left = place.execute("SELECT clear FROM payloads")
    assert not any(b"APPROVE" in bytes(clear) for (clear,) in left)


def test_a_run_that_gets_another_place_is_purged_by_what_the_event_tells(filled: Place) -> None:
    filled.execute("UPDATE runs SET place = 6 WHERE run_id = 'r-0005'")
    with filled.open() as store:
        assert store.purge([name(5)]) == (name(5),)
        assert store.load(name(6)) == record(6)
    left = filled.execute("SELECT clear FROM payloads_of_groups WHERE place = 5")
    assert not any(b"OUT-5\"" in bytes(clear) for (clear,) in left)


def test_a_run_of_which_nothing_is_told_is_not_said_to_be_purged(filled: Place) -> None:
    filled.execute("UPDATE runs SET first = (SELECT MAX(first) FROM runs) WHERE run_id = 'r-0005'")
    with filled.open() as store, pytest.raises(StoreFailed, match="first event of run 'r-0005' was altered"):
        store.purge([name(5)])
