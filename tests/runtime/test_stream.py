"""Records as they come: in order, at least once, none decided twice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.errors import NotFound, RunFailed, UsageError
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.stream import run_stream

Programs = Callable[[str], Program]
FIXTURES = Path(__file__).parent / "fixtures"
STREAM = """
import sys
from pathlib import Path
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.stream import run_stream

if __name__ == "__main__":
    home = Path(sys.argv[1])
    with RunStore.open(home / "runs.db", keys=KeyRing(home=home)) as store:
        found = run_stream(
            load_program(Path(sys.argv[2])), sys.argv[3], sys.argv[4], store=store, state=home / "streams", workers=1
        )
    print(found.text(), file=sys.stderr)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "stream.py"
    path.write_text(STREAM)
    return path


def start(script: Path, source: str, sink: str, **options: Any) -> subprocess.Popen[bytes]:
    home = script.parent
    command = [sys.executable, str(script), str(home), str(FIXTURES / "extract"), source, sink]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.05)


def ended(process: subprocess.Popen[bytes]) -> str:
    told = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0, told
    return told


@pytest.mark.parametrize(
    ("source", "sink", "said"),
    [
        ("amqp://host/queue", "-", "'amqp' is no kind of stream"),
        ("-", "ftp://host/x", "'ftp' is no kind of stream"),
        ("redis://localhost/0", "-", "names no stream"),
        ("redis://localhost/0?stream=x&grup=y", "-", "'grup' is no option"),
        ("redis://localhost/0?stream=x&claim=soon", "-", "claim is 'soon'"),
    ],
)
def test_an_address_that_is_none_is_refused(
    program: Programs, tmp_path: Path, source: str, sink: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said.replace("'", ".")):
        run_stream(program("extract"), source, sink, store=None, state=tmp_path, workers=1)


def test_a_file_that_is_not_there_cannot_be_followed(program: Programs, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="to follow"):
        run_stream(program("extract"), str(tmp_path / "none"), "-", store=None, state=tmp_path, workers=1)


def test_a_table_is_no_file_of_lines(program: Programs, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("document\nTotal: 1\n", "utf-8")
    with pytest.raises(UsageError, match="rows.csv' is no file of JSON lines. `batch` reads tables."):
        run_stream(program("extract"), str(tmp_path / "rows.csv"), "-", store=None, state=tmp_path, workers=1)


def test_no_workers_are_refused(program: Programs, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 workers make no sense"):
        run_stream(program("extract"), "-", "-", store=None, state=tmp_path, workers=0)


def test_standard_input_comes_out_in_order_and_poison_stops_nothing(script: Path) -> None:
    lines = [f'{{"document": "Total: {number}"}}' for number in range(1, 41)]
    lines[7] = "{bad"
    out = script.parent / "out.jsonl"
    process = start(script, "-", str(out), stdin=subprocess.PIPE)
    told = process.communicate("\n".join(lines).encode("utf-8-sig"), timeout=60)[1].decode()
    assert process.returncode == 0, told
    found = read(out)
    assert [line["position"] for line in found] == [str(number) for number in range(40)]
    assert [line["status"] for line in found].count("failed") == 1
    assert found[39]["output"]["total"] == "40"
    assert "40 records: 39 completed, 1 failed, 0 waiting" in told
    letter = read(next((script.parent / "streams").glob("*.dead.jsonl")))[0]
    assert (letter["position"], letter["line"]) == ("7", "{bad")
    with RunStore.open(script.parent / "runs.db", keys=KeyRing(home=script.parent)) as store:
        assert store.load(found[0]["run_id"]).output == found[0]["output"]
        assert store.verify().status == "clean"


def test_a_followed_file_goes_on_where_it_was_after_sigterm(script: Path) -> None:
    source, out = script.parent / "in.jsonl", script.parent / "out.jsonl"
    source.write_text('{"document": "Total: 1"}\n{"document": "Total: 2"}\n{"document": "Tot', encoding="utf-8-sig")
    process = start(script, str(source), str(out))
    wait_for(lambda: len(read(out)) == 2)
    process.send_signal(signal.SIGTERM)
    ended(process)
    with source.open("a") as more:
        more.write('al: 3"}\n')
    process = start(script, str(source), str(out))
    wait_for(lambda: len(read(out)) == 3)
    process.send_signal(signal.SIGTERM)
    ended(process)
    assert [line["output"]["total"] for line in read(out)] == ["1", "2", "3"]


def test_what_is_killed_before_it_is_acknowledged_comes_again_to_the_same_run(script: Path) -> None:
    source, out = script.parent / "in.jsonl", script.parent / "out.jsonl"
    source.write_text("".join(f'{{"document": "Total: {number}"}}\n' for number in range(1, 4)))
    process = start(script, str(source), str(out))
    wait_for(lambda: len(read(out)) == 3)
    process.kill()
    process.communicate()
    for kept in (script.parent / "streams").glob("*.position"):
        kept.unlink()  # as if it had been killed between the sink and the place
    process = start(script, str(source), str(out))
    wait_for(lambda: len(read(out)) == 6)
    process.send_signal(signal.SIGTERM)
    ended(process)
    lines = read(out)
    assert [line["run_id"] for line in lines[:3]] == [line["run_id"] for line in lines[3:]]
    with RunStore.open(script.parent / "runs.db", keys=KeyRing(home=script.parent)) as store:
        assert len(store.list()) == 3


def test_a_followed_file_that_was_cut_is_an_error(program: Programs, store: RunStore, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"document": "Total: 1"}\n')
    threading.Timer(3, lambda: source.write_text("")).start()
    with pytest.raises(UsageError, match="was cut or replaced at byte 25"):
        run_stream(program("extract"), str(source), str(tmp_path / "out"), store=store, state=tmp_path, workers=1)


def test_a_place_that_was_damaged_is_an_error(program: Programs, store: RunStore, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{bad\n")
    options: Any = {"store": store, "state": tmp_path / "s", "workers": 1, "max_errors": 0}
    with pytest.raises(RunFailed, match="1 records failed, and 0 may"):
        run_stream(program("extract"), str(source), str(tmp_path / "out"), **options)
    next((tmp_path / "s").glob("*.position")).write_text("?")
    with pytest.raises(UsageError, match="position' was damaged"):
        run_stream(program("extract"), str(source), str(tmp_path / "out"), **options)


def test_a_record_that_never_ends_is_killed_and_the_next_ones_go_on(
    program: Programs, store: RunStore, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text(
        '{"document": "Total: 1"}\n{"document": "Total: 2 STUCK"}\n{"document": "Total: 3"}\n' + "{bad\n" * 9
    )
    limits = RecordLimits(seconds=0.5, memory_mb=256)
    with pytest.raises(RunFailed):
        run_stream(
            program("extract"), str(source), str(out), store=store, state=tmp_path, workers=1, limits=limits,
            max_errors=9,
        )  # fmt: skip
    assert [line["status"] for line in read(out)][:4] == ["completed", "failed", "completed", "failed"]


# ---------------------------------------------------------------------------------------------- redis


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("redis", reason="redis is not installed")
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [server, "--port", str(port), "--save", "", "--dir", str(folder), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    import redis

    with redis.Redis(port=port) as client:

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_for(answers)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


def test_a_redis_stream_is_acknowledged_when_its_lines_are_in_the_sink(script: Path, redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.xadd("in", {"record": '{"document": "Total: 1"}'})
        client.xadd("in", {"document": "Total: 2", "limit": "1"})  # several fields: an object of texts
        client.xadd("in", {"anything": '{"document": "Total: 3"}'})
        process = start(script, f"{redis_url}?stream=in", f"{redis_url}?stream=out")
        wait_for(lambda: client.xlen("out") == 3)
        process.send_signal(signal.SIGTERM)
        ended(process)
        lines = [json.loads(fields[b"record"]) for _, fields in client.xrange("out")]
        assert [line["output"]["total"] for line in lines] == ["1", "2", "3"]
        assert client.xpending("in", "compiled-ai")["pending"] == 0


def test_what_another_consumer_left_is_taken_over_under_the_same_run(script: Path, redis_url: str) -> None:
    import redis

    out = script.parent / "out.jsonl"
    with redis.Redis.from_url(redis_url) as client:
        identity = client.xadd("left", {"record": '{"document": "Total: 5"}'})
        client.xgroup_create("left", "compiled-ai", id="0")
        client.xreadgroup("compiled-ai", "dead", {"left": ">"})
        process = start(script, f"{redis_url}?stream=left&claim=0", str(out))
        wait_for(lambda: len(read(out)) >= 1)
        process.send_signal(signal.SIGTERM)
        ended(process)
        assert read(out)[0]["position"] == identity.decode()
        assert client.xpending("left", "compiled-ai")["pending"] == 0


# ---------------------------------------------------------------------------------------------- events


@pytest.fixture
def events() -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives two events, breaks off, gives the rest to whoever names the last id, and then ends."""
    pytest.importorskip("httpx_sse", reason="httpx-sse is not installed")
    named: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            last = self.headers.get("Last-Event-ID")
            named.append(last)
            numbers = {None: (1, 2), "2": (3,)}.get(last, ())
            self.send_response(200 if numbers else 204)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for number in numbers:
                text = f'retry: 50\nid: {number}\ndata: {{"document": "Total: {number}"}}\n\n'
                self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/events", named
    server.shutdown()
    server.server_close()
    thread.join()


def test_server_sent_events_are_taken_up_after_the_last_one(
    program: Programs, store: RunStore, tmp_path: Path, events: tuple[str, list[str | None]]
) -> None:
    url, named = events
    out = tmp_path / "out"
    found = run_stream(program("extract"), url, str(out), store=store, state=tmp_path / "s", workers=1)
    assert [line["output"]["total"] for line in read(out)] == ["1", "2", "3"]
    assert named == [None, "2", "3"]
    assert found.to_json() == {"lines": 3, "completed": 3, "failed": 0, "waiting": 0}


def test_a_slow_sink_holds_the_source_up(program: Programs, tmp_path: Path) -> None:
    from compiled_ai.runtime import stream as streams
    from compiled_ai.runtime.stream.messages import Message

    taken = 0

    class Endless:
        place, name, keeps_place = "endless", "endless", False

        async def messages(self, after: str | None) -> Any:
            nonlocal taken
            while True:
                taken += 1
                yield Message(str(taken), b'{"document": "Total: 1"}')

        def stop(self) -> bool:
            return False

        async def acknowledge(self, positions: Any) -> None:
            pass

        async def close(self) -> None:
            pass

    class Stuck(Endless):
        place = "stuck"

        async def open(self) -> None:
            pass

        async def write(self, lines: Any) -> None:
            await asyncio.sleep(2)
            os.kill(os.getpid(), signal.SIGTERM)

    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(streams, "open_source", lambda _: Endless())
        patch.setattr(streams, "open_sink", lambda _: Stuck())
        run_stream(program("extract"), "endless", "stuck", store=None, state=tmp_path, workers=1)
    assert taken < 1000


# ---------------------------------------------------------------------------------------------- what a crash left


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ('{"position":"24","run_id":"s1","sta', ""),
        ('{"position":"1"}\n{"position":"2', '{"position":"1"}\n'),
        ('{"whole":1}', '{"whole":1}\n'),
        ("a note", "a note\n"),
        ('{"position":"' + "x" * 200_000, ""),
        ('{"position":"1"}\n', '{"position":"1"}\n'),
    ],
)
def test_a_line_that_a_crash_cut_off_is_not_gone_on_with(
    program: Programs, tmp_path: Path, left: str, kept: str
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("{bad\n")
    options: Any = {"store": None, "state": tmp_path / "s", "workers": 1, "max_errors": 0}
    with pytest.raises(RunFailed):
        run_stream(program("extract"), str(source), str(out), **options)
    line, letters = out.read_text(), next((tmp_path / "s").glob("*.dead.jsonl"))
    letter = letters.read_text()
    out.write_text(left)
    letters.write_text(left)
    next((tmp_path / "s").glob("*.position")).unlink()
    with pytest.raises(RunFailed):
        run_stream(program("extract"), str(source), str(out), **options)
    assert out.read_text() == kept + line
    assert letters.read_text() == kept + letter


def test_a_stream_does_not_feed_on_what_it_writes(program: Programs, tmp_path: Path) -> None:
    source, out, state = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "s"
    source.write_text("{bad\n")
    options: Any = {"store": None, "state": state, "workers": 1, "max_errors": 0, "name": "loop"}
    with pytest.raises(RunFailed):
        run_stream(program("extract"), str(source), str(out), **options)
    letters = next(state.glob("*.dead.jsonl"))
    (tmp_path / "other.jsonl").symlink_to(source)
    said = "is input and output at once"
    for one, other in ((source, source), (source, tmp_path / "other.jsonl"), (letters, out)):
        with pytest.raises(UsageError, match=said):
            run_stream(program("extract"), str(one), str(other), **options)
    with pytest.raises(UsageError, match="is output and dead letters at once"):
        run_stream(program("extract"), str(source), str(letters), **options)
    assert source.read_text() == "{bad\n"


def test_a_stream_that_is_stopped_by_its_errors_ends_though_more_is_waiting(program: Programs, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{bad\n" * 5000)
    options: Any = {"store": None, "state": tmp_path / "s", "workers": 1, "max_errors": 0}
    asked_to_end = threading.Timer(45, os.kill, (os.getpid(), signal.SIGTERM))
    asked_to_end.start()
    with pytest.raises(RunFailed, match="records failed, and 0 may"):
        run_stream(program("extract"), str(source), str(tmp_path / "out.jsonl"), **options)
    assert asked_to_end.is_alive(), "it ended by itself"
    asked_to_end.cancel()
    asked_to_end.join()
