"""Whoever can write to the database cannot change what happened without being found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from store_samples import ALL_ENCRYPTED, Place, call_effect, in_another_process, run_record, waiting_record

from compiled_ai.errors import ConfigError, NotFound, RecordAltered
from compiled_ai.library.context import EffectRequest
from compiled_ai.records import ReviewDecision
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.store import VerifyReport, now_text
from compiled_ai.runtime.store.chain import commitment_of

Tamper = Callable[["Filled"], None]


@dataclass(frozen=True)
class Filled:
    """A closed store with two chains, each with whole runs, encrypted ones and one that went step by step."""

    place: Place
    whole: str
    sealed: tuple[str, str]
    stepwise: str
    review: str

    def do(self, sql: str, *values: Any) -> None:
        self.place.execute(sql, values)

    def seq(self, run_id: str, position: int = 0) -> int:
        sql = "SELECT seq FROM events WHERE run_id = ? AND run_position = ?"
        return int(self.place.execute(sql, (run_id, position))[0][0])


@pytest.fixture
def filled(place: Place) -> Filled:
    with place.open() as store:
        whole = store.save(run_record(reference={"claim_id": "C-7"}))
        sealed = (store.save(run_record(), ALL_ENCRYPTED), store.save(run_record(), ALL_ENCRYPTED))
    with place.open() as store:
        stepwise = store.start(waiting_record())
        store.intend(stepwise, EffectRequest("find_member", "call", 0, 0, {"arguments": {"id": "M7"}}))
        store.effect(stepwise, call_effect())
        review = store.open_review(stepwise, step="decide", proposed={"outcome": "DENY"}, reason="a denial")
        store.decide(review, ReviewDecision(action="approve", by="ann", reason="right", at=now_text()))
        store.finish(stepwise, "completed", {"outcome": "DENY"})
        store.save(run_record())
    return Filled(place, whole, sealed, stepwise, review)


def verify(filled: Filled, anchor: Path | None = None) -> VerifyReport:
    with filled.place.open() as store:
        return store.verify(anchor)


def test_an_untouched_store_is_clean(filled: Filled) -> None:
    report = verify(filled)
    assert (report.status, report.findings, report.runs, report.chains) == ("clean", (), 5, 2)
    assert not report.anchored
    assert "With no anchor" in report.cannot_see[0]
    assert json.loads(json.dumps(report.as_json()))["status"] == "clean"


def _swap_events(filled: Filled) -> None:
    """The two encrypted runs change places in the chain's order of storing."""
    one, two = (filled.seq(run_id) for run_id in filled.sealed)
    columns = [
        "writer",
        "position",
        "at",
        "run_id",
        "run_position",
        "kind",
        "header",
        "commitment",
        "previous",
        "run_previous",
        "hash",
    ]
    rows = {
        seq: filled.place.execute(f"SELECT {', '.join(columns)} FROM events WHERE seq = ?", (seq,))[0]
        for seq in (one, two)
    }
    assignments = ", ".join(f"{column} = ?" for column in columns)
    for seq, other in ((one, two), (two, one)):
        filled.do(f"UPDATE events SET {assignments} WHERE seq = ?", *rows[other], seq)


def _copy_event(filled: Filled) -> None:
    columns = "writer, position, at, run_id, kind, header, commitment, previous, run_previous, hash"
    filled.do(
        f"INSERT INTO events ({columns}, run_position) SELECT {columns}, 9 FROM events WHERE run_id = ?", filled.whole
    )


def _forge_run(filled: Filled) -> None:
    """A whole run is made up by somebody who knows everything but the key."""
    filled.do(
        "INSERT INTO events (writer, position, at, run_id, run_position, kind, header, commitment, previous,"
        " run_previous, hash) SELECT writer, position + 1, at, 'forged', 0, 'recorded', header, commitment, hash,"
        " run_previous, commitment FROM events WHERE run_id = ?",
        filled.whole,
    )
    filled.do(
        "INSERT INTO runs (run_id, workflow, artifact, status, started, protection, first, events, head)"
        " SELECT 'forged', workflow, artifact, status, started, protection, (SELECT MAX(seq) FROM events), 1, head"
        " FROM runs WHERE run_id = ?",
        filled.whole,
    )


def _drop_run(filled: Filled) -> None:
    for table in ("events", "runs", "business_keys"):
        filled.do(f"DELETE FROM {table} WHERE run_id = ?", filled.whole)
    filled.do("DELETE FROM payloads WHERE seq NOT IN (SELECT seq FROM events)")


def _cut_run_and_mend_its_row(filled: Filled) -> None:
    last = filled.place.execute("SELECT MAX(run_position) FROM events WHERE run_id = ?", (filled.stepwise,))[0][0]
    filled.do("DELETE FROM payloads WHERE seq = ?", filled.seq(filled.stepwise, last))
    filled.do("DELETE FROM events WHERE run_id = ? AND run_position = ?", filled.stepwise, last)
    filled.do(
        "UPDATE runs SET events = ?, status = 'review', finished = NULL, head ="
        " (SELECT hash FROM events WHERE run_id = ? AND run_position = ?) WHERE run_id = ?",
        last, filled.stepwise, last - 1, filled.stepwise,
    )  # fmt: skip


def _swap_keys(filled: Filled) -> None:
    one, two = filled.sealed
    key = filled.place.execute("SELECT wrapped FROM runs WHERE run_id = ?", (one,))[0][0]
    filled.do("UPDATE runs SET wrapped = ? WHERE run_id = ?", key, two)


def _drop_older_chain(filled: Filled) -> None:
    first = filled.place.execute("SELECT writer FROM events ORDER BY seq LIMIT 1")[0][0]
    for table in ("business_keys", "runs"):
        filled.do(f"DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM events WHERE writer = ?)", first)
    for table in ("events", "writers"):
        filled.do(f"DELETE FROM {table} WHERE writer = ?", first)
    filled.do("DELETE FROM payloads WHERE seq NOT IN (SELECT seq FROM events)")


TAMPERINGS: dict[str, tuple[str, Tamper]] = {
    "an event's header": (
        "altered",
        lambda f: f.do("UPDATE events SET header = replace(header, 'prior_auth', 'other') WHERE run_id = ?", f.whole),
    ),
    "an event's header, to nonsense": (
        "altered",
        lambda f: f.do("UPDATE events SET header = '[' WHERE run_id = ?", f.whole),
    ),
    "an event's time": ("altered", lambda f: f.do("UPDATE events SET at = at + 1 WHERE run_id = ?", f.whole)),
    "an event's kind": (
        "altered",
        lambda f: f.do("UPDATE events SET kind = 'purged' WHERE seq = ?", f.seq(f.stepwise, 2)),
    ),
    "an event is deleted": ("missing", lambda f: f.do("DELETE FROM events WHERE seq = ?", f.seq(f.stepwise, 2))),
    "a first event is deleted": ("missing", lambda f: f.do("DELETE FROM events WHERE seq = ?", f.seq(f.whole))),
    "a closing is deleted": ("row", lambda f: f.do("DELETE FROM events WHERE kind = 'closed'")),
    "a whole run is deleted": ("missing", _drop_run),
    "a run's end is cut off, and its row mended": ("missing", _cut_run_and_mend_its_row),
    "an older chain is deleted": ("missing", _drop_older_chain),
    "events change places": ("inserted", _swap_events),
    "an event is copied": ("inserted", _copy_event),
    "a run is forged": ("altered", _forge_run),
    "a clear payload": (
        "payload",
        lambda f: f.do("UPDATE payloads SET clear = ? WHERE seq = ?", b'{"inputs":{}}', f.seq(f.whole)),
    ),
    "a sealed payload": (
        "payload",
        lambda f: f.do("UPDATE payloads SET sealed = ? WHERE seq = ?", b"x" * 40, f.seq(f.sealed[0])),
    ),
    "a payload is deleted": ("payload", lambda f: f.do("DELETE FROM payloads WHERE seq = ?", f.seq(f.whole))),
    "a payload is added": (
        "inserted",
        lambda f: f.do("INSERT INTO payloads (seq, blind, clear, sealed) VALUES (9999, ?, ?, ?)", b"", b"{}", b""),
    ),
    "a run's status": ("row", lambda f: f.do("UPDATE runs SET status = 'failed' WHERE run_id = ?", f.whole)),
    "a run's artifact": ("row", lambda f: f.do("UPDATE runs SET artifact = 'b' WHERE run_id = ?", f.whole)),
    "a run's protection": ("row", lambda f: f.do("UPDATE runs SET protection = '' WHERE run_id = ?", f.sealed[0])),
    "a run is marked as purged": ("row", lambda f: f.do("UPDATE runs SET purged = 1 WHERE run_id = ?", f.whole)),
    "a run leaves the list": ("row", lambda f: f.do("DELETE FROM runs WHERE run_id = ?", f.whole)),
    "a run's key is deleted": (
        "key",
        lambda f: f.do("UPDATE runs SET key_name = NULL, wrapped = NULL WHERE run_id = ?", f.sealed[0]),
    ),
    "runs swap their keys": ("key", _swap_keys),
    "a business key is deleted": ("row", lambda f: f.do("DELETE FROM business_keys WHERE run_id = ?", f.whole)),
    "a business key is added": (
        "row",
        lambda f: f.do("INSERT INTO business_keys (hash, run_id, name) VALUES (?, 'nobody', 'x')", b"h"),
    ),
    "an effect's state": ("row", lambda f: f.do("UPDATE effects SET state = 'intended' WHERE step = 'find_member'")),
    "a review is opened again": ("row", lambda f: f.do("UPDATE reviews SET status = 'open'")),
    "a review is deleted": ("row", lambda f: f.do("DELETE FROM reviews")),
    "a chain leaves the list": (
        "row",
        lambda f: f.do("DELETE FROM writers WHERE opened = (SELECT MIN(opened) FROM writers)"),
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_is_found_without_an_anchor(filled: Filled, what: str) -> None:
    kind, tamper = TAMPERINGS[what]
    tamper(filled)
    report = verify(filled)
    assert report.status == "altered"
    assert kind in report.counts, report.findings


@pytest.mark.parametrize(
    "what", ["an event's header", "an event's header, to nonsense", "a clear payload", "a payload is deleted",
             "a run's status", "a run is marked as purged"],
)  # fmt: skip
def test_an_altered_run_is_not_loaded(filled: Filled, what: str) -> None:
    TAMPERINGS[what][1](filled)
    with filled.place.open() as store, pytest.raises((RecordAltered, NotFound)) as fault:
        store.load(filled.whole)
    if what != "a run is marked as purged":
        assert isinstance(fault.value, RecordAltered)
        assert fault.value.code == "record_altered"
        assert filled.whole in fault.value.message


def test_a_finding_says_where_it_is(filled: Filled) -> None:
    TAMPERINGS["an event's time"][1](filled)
    finding = verify(filled).findings[0]
    assert (finding.run_id, finding.position) == (filled.whole, 1)
    assert finding.writer is not None


def _cut_newest_chain(filled: Filled) -> None:
    """The newest chain loses its last run and its close, and every list is mended to agree."""
    writer, run_id = filled.place.execute(
        "SELECT writer, run_id FROM events WHERE run_id IS NOT NULL ORDER BY seq DESC LIMIT 1"
    )[0]
    for table in ("business_keys", "runs"):
        filled.do(f"DELETE FROM {table} WHERE run_id = ?", run_id)
    filled.do("DELETE FROM payloads WHERE seq IN (SELECT seq FROM events WHERE run_id = ?)", run_id)
    filled.do("DELETE FROM events WHERE run_id = ? OR (writer = ? AND kind = 'closed')", run_id, writer)
    filled.do("UPDATE writers SET closed = NULL WHERE writer = ?", writer)


def test_a_chain_whose_end_was_cut_off_is_unclosed_and_with_an_anchor_cut(filled: Filled, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    with filled.place.open() as store:
        store.export_anchor(anchor)
    _cut_newest_chain(filled)
    without = verify(filled)
    assert without.status == "unclosed"
    assert set(without.counts) == {"unclosed"}
    assert "was cut off" in without.findings[0].message
    with_anchor = verify(filled, anchor)
    assert with_anchor.status == "altered"
    assert with_anchor.anchored and "cut" in with_anchor.counts


def test_a_store_replaced_by_an_older_copy_is_found_with_an_anchor_only(sqlite_place: Place, tmp_path: Path) -> None:
    file = Path(sqlite_place.url.removeprefix("sqlite:///"))
    with sqlite_place.open() as store:
        store.save(run_record())
    shutil.copy(file, tmp_path / "old.db")
    with sqlite_place.open() as store:
        store.save(run_record())
        store.export_anchor(tmp_path / "anchor.json")
    with sqlite_place.open() as store:
        assert store.verify(tmp_path / "anchor.json").status == "clean"
    shutil.copy(tmp_path / "old.db", file)
    with sqlite_place.open() as store:
        assert store.verify().status == "clean"
        assert "replaced by an older copy" in store.verify().cannot_see[0]
        assert store.verify(tmp_path / "anchor.json").status == "altered"


def test_an_altered_anchor_is_found(filled: Filled, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    with filled.place.open() as store:
        store.export_anchor(anchor)
    content = json.loads(anchor.read_text())
    content["heads"] = content["heads"][:1]
    anchor.write_text(json.dumps(content))
    report = verify(filled, anchor)
    assert report.status == "altered"
    assert set(report.counts) == {"anchor"}
    assert not report.anchored


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"heads": 7}', '{"heads": [{"writer": "w"}]}'])
def test_an_anchor_that_cannot_be_read_is_refused(sqlite_place: Place, tmp_path: Path, text: str) -> None:
    anchor = tmp_path / "anchor.json"
    with sqlite_place.open() as store:
        with pytest.raises(ConfigError, match="The anchor cannot be read"):
            store.verify(anchor)
        anchor.write_text(text)
        with pytest.raises(ConfigError, match="The anchor cannot be read"):
            store.verify(anchor)


def test_the_anchor_of_another_store_is_refused(sqlite_place: Place, tmp_path: Path) -> None:
    other = replace(sqlite_place, url=f"sqlite:///{tmp_path / 'other.db'}")
    with other.open() as store:
        store.save(run_record())
        store.export_anchor(tmp_path / "anchor.json")
    with sqlite_place.open() as store, pytest.raises(ConfigError, match="belongs to store"):
        store.verify(tmp_path / "anchor.json")


def test_an_anchor_that_cannot_be_written_is_reported(sqlite_place: Place, tmp_path: Path) -> None:
    with sqlite_place.open() as store, pytest.raises(ConfigError, match="cannot be written"):
        store.export_anchor(tmp_path / "nowhere" / "anchor.json")


_DIE = """
import os, signal, sys
from pathlib import Path
from compiled_ai.records import RunRecord
from compiled_ai.runtime.store import RunStore, new_run_id, now_text
store = RunStore.open(sys.argv[1], home=Path(sys.argv[2]))
run_id = new_run_id()
store.save(RunRecord(run_id=run_id, artifact="a", workflow="w", input=1, status="completed", started_at=now_text()))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_an_unclosed_chain_that_names_it(place: Place, key_line: str) -> None:
    child = in_another_process(_DIE, place.url, str(place.home), key_line=key_line)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == -9, errors
    with place.open() as store:
        store.save(run_record())
        report = store.verify()
        assert report.status == "unclosed"
        assert report.runs == 2
        assert f"process {child.pid}" in report.findings[0].message
        assert [chain.process for chain in store.chains(unclosed_only=True) if not chain.own] == [child.pid]


def test_a_store_that_was_only_read_has_no_chain(place: Place) -> None:
    with place.open() as store:
        store.list()
        store.verify()
    with place.open() as store:
        assert store.chains() == ()


def test_without_the_master_key_of_a_run_its_chain_is_still_checked(place: Place, key_line: str) -> None:
    """The chain's secret is wrapped by the current key; a run's key by one that is not here any more."""
    with place.open() as store:
        run_id = store.save(run_record(), ALL_ENCRYPTED)
    place.execute("UPDATE runs SET key_name = 'lost' WHERE run_id = ?", (run_id,))
    with place.open() as store:
        report = store.verify()
    assert report.status == "clean"
    assert any("'lost'" in line for line in report.cannot_see)


def test_rotation_leaves_chains_and_runs_as_they_were_and_the_old_key_unneeded(place: Place, key_line: str) -> None:
    with place.open() as store:
        ids = [store.save(run_record(), ALL_ENCRYPTED) for _ in range(3)] + [store.save(run_record())]
        before = [store.load(run_id) for run_id in ids]
    new = new_key("second")
    both = KeyRing.from_environment({"COMPILED_AI_KEY": f"{new},{key_line}"})
    with place.open(keys=both) as store:
        assert store.rotate() == 4
        assert store.rotate() == 0
    with place.open(keys=KeyRing.from_environment({"COMPILED_AI_KEY": new})) as store:
        assert [store.load(run_id) for run_id in ids] == before
        assert store.find("C-1")
        assert store.verify().status == "clean"


def test_a_store_that_began_with_a_local_key_moves_to_a_master_key(place: Place) -> None:
    with place.open(keys=KeyRing(home=place.home)) as store:
        run_id = store.save(run_record())
    master = {"COMPILED_AI_KEY": new_key("master")}
    with place.open(keys=KeyRing.from_environment(master, home=place.home)) as store:
        assert store.rotate() == 1
    with place.open(keys=KeyRing.from_environment(master)) as store:
        assert store.load(run_id).run_id == run_id
        assert store.verify().status == "clean"


def test_a_payload_that_is_cut_anew_is_found(place: Place) -> None:
    """The blind stands in front of what it blinds: with a part of the text in it, the hash would be the same."""
    with place.open() as store:
        run_id = store.save(run_record(input={"note": "2:{}"}, reference={}))
    [(seq, blind, clear)] = place.execute(
        "SELECT seq, blind, clear FROM payloads WHERE seq = (SELECT first FROM runs WHERE run_id = ?)", (run_id,)
    )
    at = bytes(clear).index(b"2:{}")
    longer, rest = bytes(blind) + b"%d:" % len(clear) + bytes(clear)[:at], bytes(clear)[at + 4 :]
    assert commitment_of(longer, b"{}", rest) == commitment_of(bytes(blind), bytes(clear), b"")
    place.execute("UPDATE payloads SET blind = ?, clear = ?, sealed = ? WHERE seq = ?", (longer, b"{}", rest, seq))
    with place.open() as store:
        assert store.verify().counts == {"payload": 1}
        with pytest.raises(RecordAltered, match="the payload of event 0 is altered"):
            store.load(run_id)
