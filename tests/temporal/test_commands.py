"""The commands `worker` and `submit`, as a person uses them, with `review decide` and `explain`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_support import EXAMPLES, Home, environment
from in_process import Desk

from compiled_ai.runtime.keys import new_key

CLAIM = json.dumps(
    {
        "claim_id": "C-1",
        "kind": "vision",
        "provider_id": "00137",
        "billed": "2000",
        "service_date": "2026-01-01",
        "received": "2026-01-05",
    }
)
RECORDED = f"recorded:{EXAMPLES / 'prior_auth_glp1' / 'recordings'}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, server: str) -> Home:
    """A home with two artifacts and a key, whose commands find the server."""
    folder = tmp_path_factory.mktemp("site")
    home = Desk(folder, {**environment(folder), "COMPILED_AI_KEY": new_key("test"), "TEMPORAL_ADDRESS": server})
    for name in ("claim_routing", "prior_auth_glp1"):
        home.compiled(str(EXAMPLES / f"{name}.yaml"))
    return home


@contextmanager
def worker(home: Home, *arguments: str, wait: str = "queue compiled-ai") -> Iterator[subprocess.Popen[str]]:
    """A worker process; it must drain and end by itself."""
    command = [sys.executable, "-c", "from compiled_ai.cli import main; main()", "worker", *arguments]
    log = home.folder / "worker.err"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, env=home.environment, cwd=home.folder, stderr=stream, stdout=stream, text=True
        )
    try:
        deadline = time.monotonic() + 60
        while wait not in log.read_text("utf-8"):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.1)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert log.read_text("utf-8").rstrip().endswith("worker: drained")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_run_is_submitted_decided_and_explained(site: Home) -> None:
    with worker(site, "--model", RECORDED, "--task-queue", "compiled-ai-one", wait="queue compiled-ai-one"):
        queue = ("--task-queue", "compiled-ai-one", "--json")
        done = site("submit", "claim_routing", "--input", CLAIM, "--wait", *queue)
        assert done.code == 0, done.err
        assert done.json["output"]["queue"] == "SENIOR_EXAMINER"
        _batch(site, *queue)
        chart = str(EXAMPLES / "prior_auth_glp1" / "inputs" / "deny.json")
        waits = site("submit", "prior_auth_glp1", "--input", chart, "--wait", "--deadline", "P7D", *queue)
        assert (waits.code, waits.json["status"]) == (3, "review"), waits.err
        [review] = site("review", "list", "--json").json
        assert review["deadline"] is not None
        decided = site(
            "review", "decide", review["review_id"], "--approve", "--by", "Dr. Ito", "--reason", "met", "--json"
        )
        assert (decided.code, decided.json["status"]) == (0, "completed"), decided.err
        run_id = waits.json["run_id"]
        deadline = time.monotonic() + 30
        while site("runs", "show", run_id, "--json").json["status"] != "completed":
            assert time.monotonic() < deadline
        explained = site("explain", run_id)
        assert explained.out.rstrip().endswith("reproduced")
    assert site("runs", "verify").code == 0


def _batch(site: Home, *queue: str) -> None:
    """Three claims of which one is none, in a file."""
    source = site.folder / "claims.csv"
    rows = ["C-1,vision,00137,2000,2026-01-01,2026-01-05", "C-2,vision,00137,20,2026-01-01,2026-01-05", "C-3,,,,,"]
    source.write_text("\n".join(["number,kind,provider_id,billed,service_date,received", *rows]))
    options = ("--batch", "claims.csv", "routes.jsonl", "--map", "claim_id=number", "--keep", "number")
    done = site("submit", "claim_routing", *options, "--wait", "--strict", *queue)
    assert done.code == 1, done.err
    assert (done.json["lines"], done.json["completed"], done.json["failed"]) == (3, 2, 1)
    lines = [json.loads(line) for line in (site.folder / "routes.jsonl").read_text("utf-8").splitlines()]
    assert [line["number"] for line in lines] == ["C-1", "C-2", "C-3"]
    assert lines[0]["output"]["queue"] == "SENIOR_EXAMINER"
    assert site("runs", "show", lines[0]["run_id"], "--json").json["status"] == "completed"
    for arguments, said in (
        ((*options, "--input", CLAIM), "--batch takes neither --input nor --deadline. Leave them out."),
        (("--keep", "number"), "--keep belongs to a batch. Give --batch IN OUT, or leave it out."),
        (("--batch", "claims.csv", "no/where.jsonl"), "There is no folder"),
        (("--batch", "claims.csv", "new.jsonl"), "The file has no column 'claim_id'."),
        ((*options, "--resume"), "There is no batch in portions to"),
    ):
        refused = site("submit", "claim_routing", *arguments, *queue)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    submitted = site("submit", "claim_routing", "--batch", "claims.csv", "later.jsonl", *options[3:], *queue)
    assert (submitted.code, submitted.json["status"]) == (0, "submitted")
    again = site("submit", "claim_routing", "--batch", "claims.csv", "later.jsonl", *options[3:], *queue)
    assert again.code == 2 or (site.folder / "later.jsonl").exists(), again.err


def test_doctor_asks_the_server_about_open_runs(site: Home) -> None:
    [found] = [check for check in site("doctor", "--json").json if check["what"] == "temporal"]
    assert (found["status"], found["found"]) == ("ok", "every open run is carried by its workflow")


def test_a_run_without_a_worker_is_told_and_waits(site: Home) -> None:
    ran = site("submit", "claim_routing", "--input", CLAIM, "--task-queue", "compiled-ai-two")
    assert ran.code == 0
    assert ran.out.startswith("submitted  run ")
    assert "No worker holds claim_routing@1.0.0 at the moment: the run waits, and loses nothing." in ran.err
    with worker(site, "claim_routing", "--task-queue", "compiled-ai-two", wait="queue compiled-ai-two"):
        run_id = ran.out.split()[2]
        deadline = time.monotonic() + 60
        while site("runs", "show", run_id).code != 0:
            assert time.monotonic() < deadline
    assert site("runs", "show", run_id, "--json").json["status"] == "completed"


def test_a_worker_brings_its_own_server_for_development(tmp_path: Path, server: str) -> None:
    home = Desk(tmp_path, environment(tmp_path))
    home.compiled(str(EXAMPLES / "claim_routing.yaml"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"localhost:{free.getsockname()[1]}"
    with worker(home, "--dev", "--address", address):
        done = home("submit", "claim_routing", "--input", CLAIM, "--wait", "--json", "--address", address)
        assert (done.code, done.json["status"]) == (0, "completed"), done.err
    assert (tmp_path / "home" / "temporal.db").exists()


def test_without_a_server_binary_the_way_to_one_is_told(tmp_path: Path) -> None:
    home = Desk(tmp_path, {**environment(tmp_path), "GOPATH": str(tmp_path)})
    home.compiled(str(EXAMPLES / "claim_routing.yaml"))
    ran = home("worker", "--dev", PATH="/nowhere")
    assert ran.code == 2
    assert "There is no `temporal` binary on this machine. Get one with `go install" in ran.err
    ran = home("worker", "--dev", COMPILED_AI_TEMPORAL_BIN=str(tmp_path))
    assert ran.code == 2
    assert "is no program that can be run. Point COMPILED_AI_TEMPORAL_BIN" in ran.err
    for arguments, said in (
        (("worker", "--address", "localhost:1"), "No Temporal server answers at 'localhost:1'"),
        (("worker", "--dev", "--address", "far.example:7233"), "--dev starts a server here, not at 'far.example:7233'"),
        (("worker", "--metrics", "graphite"), "--metrics is 'graphite'. Write prometheus:HOST:PORT or otlp:URL."),
        (("worker", "--profile", "nowhere"), "Temporal's settings cannot be read (profile 'nowhere'): "),
        (("submit", "claim_routing", "--input", CLAIM, "--deadline", "soon"), "--deadline is 'soon'."),
        (("submit", "claim_routing", "--input", "{}", "--address", "localhost:1"), "No Temporal server answers"),
    ):
        refused = home(*arguments)
        assert refused.code == 2, refused.err
        assert said in refused.err
    empty = Desk(tmp_path, {**home.environment, "COMPILED_AI_HOME": str(tmp_path / "other")})
    assert "There is no artifact in" in empty("worker").err


def test_metrics_are_served_for_prometheus(site: Home) -> None:
    from urllib.request import urlopen

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with worker(site, "claim_routing", "--metrics", f"prometheus:{place}", "--task-queue", "q3", wait="queue q3"):
        site("submit", "claim_routing", "--input", CLAIM, "--wait", "--task-queue", "q3")
        with urlopen(f"http://{place}/metrics") as page:
            assert "temporal_workflow_completed" in page.read().decode()


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    home = Desk(tmp_path, environment(tmp_path))
    blocked = "import sys; sys.modules['temporalio'] = None; from compiled_ai.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, "worker"], capture_output=True, text=True, env=home.environment, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "The Temporal engine is not installed. Run `pip install compiled-ai[temporal]`." in done.stderr


def test_an_address_and_credentials_come_from_the_environment(site: Home) -> None:
    ran = site("submit", "claim_routing", "--input", CLAIM, TEMPORAL_ADDRESS="localhost:1")
    assert "No Temporal server answers at 'localhost:1'" in ran.err
    keyed = site("submit", "claim_routing", "--input", CLAIM, TEMPORAL_API_KEY="secret-key")
    assert keyed.code == 2, "an API key switches TLS on, which this server does not speak"
    assert "secret-key" not in keyed.err + keyed.out
