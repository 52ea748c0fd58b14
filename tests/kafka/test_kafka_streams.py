"""Streams from and to a real broker: in order, each at least once, none decided twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka_support import PASSWORD, Broker, wait_for

from compiled_ai.errors import CompiledAIError, RunFailed, StoreFailed, UsageError
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.stream import run_stream

CONSOLE = Path(__file__).with_name("stream_console.py")
EXTRACT = Path(__file__).parents[1] / "runtime" / "fixtures" / "extract"
POISON = b"{bad"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


def totals(*numbers: int) -> list[bytes]:
    return [f'{{"document": "Total: {number}"}}'.encode() for number in numbers]


def run(tmp_path: Path, source: str, sink: Path | str, store: RunStore | None = None, **more: Any) -> None:
    """Runs until a record fails: poison, at the end, ends it."""
    options: dict[str, Any] = {"store": store, "state": tmp_path / "streams", "workers": 1, "max_errors": 0}
    with pytest.raises(RunFailed):
        run_stream(load_program(EXTRACT), source, str(sink), **{**options, **more})


def refused(tmp_path: Path, source: str, sink: str = "", store: RunStore | None = None) -> CompiledAIError:
    with pytest.raises(CompiledAIError) as fault:
        run_stream(
            load_program(EXTRACT), source, sink or str(tmp_path / "out.jsonl"), store=store, state=tmp_path, workers=1
        )
    return fault.value


def start(home: Path, source: str, sink: str, *more: str) -> subprocess.Popen[bytes]:
    home.mkdir(exist_ok=True)
    command = [sys.executable, str(CONSOLE), str(home), source, sink, *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> str:
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0, told
    return told


def read(path: Path) -> list[dict[str, Any]]:
    """The lines that have ended; another may be under way."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]


def found(path: Path) -> list[str | None]:
    return [line["output"] and line["output"]["total"] for line in read(path)]


# ---------------------------------------------------------------------------------------------- what comes


def test_records_come_out_in_order_from_the_earliest_and_are_committed(
    broker: Broker, store: RunStore, tmp_path: Path
) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.write(topic, [*totals(*range(1, 101)), POISON])
    run(tmp_path, f"kafka://{broker.plain}/{topic}", out, store)
    assert found(out)[:-1] == [str(number) for number in range(1, 101)]
    assert [line["position"] for line in read(out)] == [f"0:{number}" for number in range(101)]
    assert broker.committed(topic) == {0: 101}
    letter = read(next((tmp_path / "streams").glob("*.dead.jsonl")))[0]
    assert (letter["position"], letter["line"]) == ("0:100", "{bad")
    assert store.load(read(out)[7]["run_id"]).output == read(out)[7]["output"]


def test_the_group_keeps_the_place_and_another_group_begins_at_the_beginning(broker: Broker, tmp_path: Path) -> None:
    topic, first, again, other = broker.topic(), *(tmp_path / name for name in ("first", "again", "other"))
    source = f"kafka://{broker.plain}/{topic}?group=mine"
    broker.write(topic, [*totals(1), POISON])
    run(tmp_path, source, first)
    broker.write(topic, [*totals(2), POISON])
    run(tmp_path, source, again)
    assert (found(first), found(again)) == (["1", None], ["2", None])
    run(tmp_path, f"kafka://{broker.plain}/{topic}?group=other", other)
    assert found(other)[0] == "1"


def test_tombstones_are_passed_over_and_committed(broker: Broker, tmp_path: Path) -> None:
    topic, out = broker.topic(cleanup_policy="compact"), tmp_path / "out.jsonl"
    broker.write(topic, [None, *totals(1), None, None])
    process = start(tmp_path, f"kafka://{broker.plain}/{topic}", str(out))
    wait_for(lambda: broker.committed(topic) == {0: 4})
    ended(process)
    assert [line["position"] for line in read(out)] == ["0:1"]


def test_what_a_transaction_took_back_is_no_record(broker: Broker, tmp_path: Path) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.transact(topic, totals(1), commits=False)
    broker.transact(topic, [*totals(2), POISON], commits=True)
    run(tmp_path, f"kafka://{broker.plain}/{topic}", out)
    assert found(out) == ["2", None]


# ---------------------------------------------------------------------------------------------- ends of all kinds


def test_what_is_killed_between_sink_and_commit_comes_again_to_the_same_runs(broker: Broker, tmp_path: Path) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.write(topic, totals(1, 2, 3))
    source = f"kafka://{broker.plain}/{topic}"
    process = start(tmp_path, source, str(out), "unacknowledged")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before = read(out)
    assert before and broker.committed(topic) == {}
    process = start(tmp_path, source, str(out))
    wait_for(lambda: broker.committed(topic) == {0: 3})
    ended(process)
    after = read(out)[len(before) :]
    assert [line["output"]["total"] for line in after] == ["1", "2", "3"]
    assert after[: len(before)] == before
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as store:
        assert len(store.list()) == 3
        assert store.verify().status == "clean"


def test_sigterm_ends_it_when_what_was_taken_is_in_the_sink(broker: Broker, tmp_path: Path) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.write(topic, totals(*range(1, 3001)))
    process = start(tmp_path, f"kafka://{broker.plain}/{topic}", str(out))
    wait_for(lambda: len(read(out)) > 0)
    told = ended(process)
    written = len(read(out))
    assert found(out) == [str(number) for number in range(1, written + 1)]
    assert broker.committed(topic) == {0: written}
    assert f"{written} records: {written} completed" in told


def test_two_consumers_share_the_partitions_and_lose_nothing_when_one_goes(broker: Broker, tmp_path: Path) -> None:
    topic, number = broker.topic(4), 1
    outs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    source = f"kafka://{broker.plain}/{topic}"

    def write_more() -> None:
        nonlocal number
        for partition in range(4):
            broker.write(topic, totals(*range(number, number + 25)), partition)
            number += 25

    processes = [start(tmp_path, source, str(outs[0]))]
    write_more()
    wait_for(lambda: len(read(outs[0])) > 0)
    processes.append(start(tmp_path, source, str(outs[1])))
    end = time.monotonic() + 60
    while not read(outs[1]):
        assert time.monotonic() < end
        write_more()
        time.sleep(0.5)
    ended(processes[0])
    write_more()
    wait_for(lambda: len(set(found(outs[0])) | set(found(outs[1]))) == number - 1)
    ended(processes[1])
    lines = [line for out in outs for line in read(out)]
    assert Counter(line["position"] for line in lines).most_common(1)[0][1] == 1, "none was delivered twice"
    for out in outs:
        for partition in range(4):
            offsets = [
                int(p.split(":")[1]) for line in read(out) if (p := line["position"]).startswith(f"{partition}:")
            ]
            assert offsets == sorted(offsets)


def test_a_broker_that_goes_and_comes_again_is_read_on_and_written_on(broker: Broker, tmp_path: Path) -> None:
    topic, target, other = broker.topic(), broker.topic(), broker.topic()
    broker.write(topic, totals(1))
    broker.write(other, totals(1))
    process = start(tmp_path / "one", f"kafka://{broker.plain}/{topic}", f"kafka://{broker.plain}/{target}")
    ending = start(tmp_path / "two", f"kafka://{broker.plain}/{other}?group=two", str(tmp_path / "out.jsonl"))
    wait_for(lambda: broker.committed(topic) == {0: 1} and broker.committed(other, "two") == {0: 1})
    broker.kill()
    assert ended(ending) == "1 records: 1 completed, 0 failed, 0 waiting\n", "it ends while the broker is away"
    broker.start()
    broker.write(topic, totals(2, 3))
    wait_for(lambda: broker.committed(topic) == {0: 3})
    assert ended(process) == "3 records: 3 completed, 0 failed, 0 waiting\n"
    lines = [json.loads(value) for _, value in broker.read(target)]
    assert [line["output"]["total"] for line in lines] == ["1", "2", "3"]


# ---------------------------------------------------------------------------------------------- the sink


def test_lines_are_records_whose_key_is_the_run(broker: Broker, store: RunStore, tmp_path: Path) -> None:
    topic, target = broker.topic(), broker.topic()
    broker.write(topic, [*totals(1, 2), POISON])
    run(tmp_path, f"kafka://{broker.plain}/{topic}", f"kafka://{broker.plain}/{target}", store)
    records = broker.read(target)
    lines = [json.loads(value) for _, value in records]
    assert [line["output"] and line["output"]["total"] for line in lines] == ["1", "2", None]
    keys = [key.decode() for key, _ in records]
    assert keys[:2] == [line["run_id"] for line in lines[:2]]
    assert keys[2] == "0:2", "what is no valid record has no run, but a position"


def test_a_sink_can_take_its_key_from_a_field(broker: Broker, tmp_path: Path) -> None:
    topic, target = broker.topic(), broker.topic()
    given = [b'{"document": "Total: 1", "member": "m-7"}', b'{"document": "Total: 1", "member": 7}', POISON]
    broker.write(topic, given)
    run(tmp_path, f"kafka://{broker.plain}/{topic}", f"kafka://{broker.plain}/{target}?key=member", keep=("member",))
    assert [key.decode() for key, _ in broker.read(target)] == ["m-7", "7", "0:2"]


def test_a_line_that_the_topic_does_not_take_stops_the_stream_and_is_not_committed(
    broker: Broker, tmp_path: Path
) -> None:
    topic, target = broker.topic(), broker.topic(max_message_bytes="100")
    broker.write(topic, totals(1))
    said = refused(tmp_path, f"kafka://{broker.plain}/{topic}", f"kafka://{broker.plain}/{target}")
    assert isinstance(said, StoreFailed)
    assert f"{target} does not take a line of" in str(said) and "Raise max.message.bytes" in str(said)
    assert broker.committed(topic) == {}


# ---------------------------------------------------------------------------------------------- what is refused


def test_a_topic_that_is_not_there_is_an_error_and_is_not_made(broker: Broker, tmp_path: Path) -> None:
    topic = broker.topic()
    for source, sink in ((f"kafka://{broker.plain}/none", ""), (f"kafka://{broker.plain}/{topic}", "none")):
        said = refused(tmp_path, source, f"kafka://{broker.plain}/{sink}" if sink else "")
        assert isinstance(said, UsageError)
        assert str(said).startswith(f"There is no topic 'none' at {broker.plain}, or this user may not see it.")
    assert "none" not in broker.topics()


def test_what_retention_took_before_it_was_read_is_an_error(broker: Broker, tmp_path: Path) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.write(topic, [*totals(1), POISON])
    run(tmp_path, f"kafka://{broker.plain}/{topic}", out)
    broker.write(topic, totals(*range(9)))
    broker.delete_before(topic, 5)
    said = refused(tmp_path, f"kafka://{broker.plain}/{topic}")
    assert isinstance(said, StoreFailed)
    assert "the brokers no longer have 0:2, and nobody can say what was missed" in str(said)


def test_a_topic_that_was_made_anew_does_not_get_the_decisions_of_the_old_one(
    broker: Broker, store: RunStore, tmp_path: Path
) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.write(topic, [*totals(1), POISON])
    source = f"kafka://{broker.plain}/{topic}"
    run(tmp_path, source, out, store)
    broker.delete(topic)
    wait_for(lambda: topic not in broker.topics())
    broker.make(topic)
    broker.write(topic, [*totals(2), POISON])
    with pytest.raises(UsageError, match="is on record with another input or artifact.*another --name"):
        run_stream(
            load_program(EXTRACT), source, str(out), store=store, state=tmp_path / "streams", workers=1, max_errors=0
        )
    run(tmp_path, source, out, store, name="claims, second topic")
    assert found(out) == ["1", None, "2", None]


def test_records_whose_compression_cannot_be_read_are_an_error(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiokafka.record import default_records

    monkeypatch.setattr(default_records.codecs, "has_zstd", lambda: False)
    topic = broker.topic(compression_type="zstd")
    broker.write(topic, totals(1))
    said = refused(tmp_path, f"kafka://{broker.plain}/{topic}")
    assert isinstance(said, StoreFailed)
    assert "zstd" in str(said) and "pip install cramjam" in str(said)


# ---------------------------------------------------------------------------------------------- security


def test_a_login_over_tls_reads_and_writes(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPILED_AI_SECRET_KAFKA", PASSWORD)
    topic, target = broker.topic(), broker.topic()
    broker.write(topic, [*totals(1), POISON])
    place, ca = f"kafkas://alice@{broker.login}", f"ca={broker.folder / 'ca.pem'}"
    run(tmp_path, f"{place}/{topic}?{ca}", f"{place}/{target}?{ca}&sasl=PLAIN")
    assert len(broker.read(target)) == 2
    assert PASSWORD not in "".join(capfd.readouterr())


def test_a_certificate_of_our_own_lets_us_in(broker: Broker, tmp_path: Path) -> None:
    topic, out = broker.topic(), tmp_path / "out.jsonl"
    broker.write(topic, [*totals(1), POISON])
    own = f"ca={broker.folder / 'ca.pem'}&certificate={broker.folder / 'own.pem'}"
    run(tmp_path, f"kafkas://{broker.mutual}/{topic}?{own}", out)
    assert found(out) == ["1", None]


def test_a_wrong_password_and_an_unknown_authority_are_said_at_once(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPILED_AI_SECRET_KAFKA", "guessed")
    address = f"kafkas://alice@{broker.login}/{broker.topic()}"
    said = refused(tmp_path, f"{address}?ca={broker.folder / 'ca.pem'}")
    assert isinstance(said, UsageError)
    assert "does not let us in" in str(said) and "Correct the user, the mechanism (sasl) or the secret." in str(said)
    assert "guessed" not in str(said)
    said = refused(tmp_path, address)
    assert isinstance(said, UsageError)
    assert "certificate verify failed" in str(said) and "Name who vouches for it: ca=FILE." in str(said)
