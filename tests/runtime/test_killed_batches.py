"""A batch that is killed at any instant loses nothing, doubles nothing, and is never mistaken for a whole one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.errors import NotFound, RunFailed, UsageError
from compiled_ai.runtime import batch
from compiled_ai.runtime.batch import journal, run_batch, running
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.store import RunStore

Programs = Callable[[str], Program]
FIXTURES = Path(__file__).parent / "fixtures"
KILLS = 20


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_records(home: Path, count: int) -> None:
    records = [json.dumps({"document": f"Total: {number}", "n": number}) for number in range(1, count + 1)]
    for place in range(5, count, 500):
        records[place] = "{poison"
    (home / "in.jsonl").write_text("\n".join(records) + "\n")


def test_killed_at_random_instants_it_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    """The script does the same for 200 kills."""
    script = Path(__file__).parents[2] / "bench" / "killed_batches.py"
    command = [sys.executable, str(script), "--points", str(KILLS), "--records", "2000"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert f"killed {KILLS} times: nothing lost, nothing doubled" in done.stdout


STUCK = """
import sys
from pathlib import Path
from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import load_program

if __name__ == "__main__":
    fixture, folder = Path(sys.argv[1]), Path(sys.argv[2])
    limits = RecordLimits(seconds=0.2)
    run_batch(load_program(fixture), folder / "in.jsonl", folder / "out.jsonl", workers=1, limits=limits)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="other processes are seen in /proc only")
def test_a_worker_stuck_where_no_timer_reaches_it_outlives_a_killed_parent_by_seconds_only(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"document": "Total: 2 STUCK"}\n')
    (tmp_path / "script.py").write_text(STUCK)
    command = [sys.executable, str(tmp_path / "script.py"), str(FIXTURES / "extract"), str(tmp_path)]
    parent = subprocess.Popen(command, env={**os.environ, "MARK_OF_THIS_TEST": str(tmp_path)})
    try:
        wait_until(lambda: any(used > 0.5 for used in processor_seconds(str(tmp_path), parent.pid)))
    finally:
        parent.kill()
        parent.wait()
    assert processor_seconds(str(tmp_path))
    wait_until(lambda: not processor_seconds(str(tmp_path)))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def processor_seconds(mark: str, *but: int) -> list[float]:
    """Processor time of every process that has the mark in its environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) not in but:
            try:
                marked = f"MARK_OF_THIS_TEST={mark}\0".encode() in (folder / "environ").read_bytes()
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if marked:
                found.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return found


# ---------------------------------------------------------------------------------------------- cut off in this process


class Cut(Exception):
    """What a progress function raises to break a batch off."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


@pytest.fixture
def cut_off(program: Programs, store: RunStore, tmp_path: Path) -> dict[str, Any]:
    """A batch of 2000 records that was broken off after some chunks; returns how it was called."""
    write_records(tmp_path, 2000)
    options: dict[str, Any] = {
        "artifact": program("extract"),
        "source": tmp_path / "in.jsonl",
        "target": tmp_path / "out.jsonl",
        "workers": 0,
        "store": store,
        "keep": ["n"],
    }

    def breaks(done: int, total: int | None) -> None:
        if done > 600:
            raise Cut

    time.sleep(0.15)  # progress is told ten times a second
    with pytest.raises(Cut):
        run_batch(**options, progress=breaks, checkpoint_seconds=0)
    return options


def test_what_is_under_way_has_another_name_and_is_not_begun_anew_by_mistake(
    cut_off: dict[str, Any], tmp_path: Path
) -> None:
    assert not (tmp_path / "out.jsonl").exists()
    assert (tmp_path / "out.jsonl.part").exists()
    with pytest.raises(UsageError, match="was cut off, and what it did is still there"):
        run_batch(**cut_off)
    result = run_batch(**cut_off, resume=True)
    assert (result.lines, result.failed) == (2000, 4)
    assert 0 < result.here < 2000
    assert len(read(tmp_path / "out.jsonl")) == 2000


def test_workers_go_on_after_a_checkpoint(cut_off: dict[str, Any], tmp_path: Path) -> None:
    assert run_batch(**{**cut_off, "workers": 2}, resume=True).lines == 2000
    assert [line["index"] for line in read(tmp_path / "out.jsonl")] == list(range(2000))


def test_a_damaged_output_is_not_gone_on_with(cut_off: dict[str, Any], tmp_path: Path) -> None:
    part = tmp_path / "out.jsonl.part"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"out\.jsonl\.part' was damaged or altered: its first \d+ bytes"):
        run_batch(**cut_off, resume=True)


def test_a_damaged_checkpoint_is_not_gone_on_with(cut_off: dict[str, Any], tmp_path: Path) -> None:
    checkpoint = tmp_path / "out.jsonl.checkpoint"
    checkpoint.write_text(checkpoint.read_text()[:50])
    with pytest.raises(UsageError, match="no checkpoint of a batch, or was damaged"):
        run_batch(**cut_off, resume=True)
    checkpoint.unlink()
    with pytest.raises(UsageError, match="has no checkpoint beside it"):
        run_batch(**cut_off, resume=True)


def test_an_input_that_was_changed_before_the_checkpoint_is_refused(cut_off: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(source.read_text().replace('Total: 3"', 'Total: 8"'))
    with pytest.raises(UsageError, match="is not the one that the batch began with"):
        run_batch(**cut_off, resume=True)


def test_an_input_that_grew_is_gone_on_with(cut_off: dict[str, Any], tmp_path: Path) -> None:
    with (tmp_path / "in.jsonl").open("a") as more:
        more.write('{"document": "Total: 9"}\n')
    assert run_batch(**cut_off, resume=True).lines == 2001


def test_another_artifact_or_mapping_is_refused(cut_off: dict[str, Any], program: Programs) -> None:
    with pytest.raises(UsageError, match="The batch began with artifact"):
        run_batch(**{**cut_off, "artifact": program("triage")}, mapping={"claim_id": "n"}, resume=True)
    with pytest.raises(UsageError, match="another input, --map or --keep"):
        run_batch(**{**cut_off, "keep": []}, resume=True)


def test_too_many_errors_stop_it_and_it_can_go_on(program: Programs, store: RunStore, tmp_path: Path) -> None:
    write_records(tmp_path, 2000)
    options: Any = {"workers": 0, "store": store, "checkpoint_seconds": 0}
    arguments = (program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(RunFailed, match=r"2 lines failed, and 1 may \(--max-errors\)"):
        run_batch(*arguments, **options, max_errors=1)
    assert run_batch(*arguments, **options, max_errors=9, resume=True).lines == 2000


def test_two_batches_do_not_write_one_output(
    cut_off: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("compiled_ai.runtime.batch.journal._PATIENCE_SECONDS", 0.1)
    with (tmp_path / "out.jsonl.part").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="is being written by another batch"):
            run_batch(**cut_off, resume=True)


def test_a_whole_output_that_was_damaged_is_located(program: Programs, store: RunStore, tmp_path: Path) -> None:
    write_records(tmp_path, 20)
    arguments = (program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    run_batch(*arguments, workers=0, store=store)
    out = tmp_path / "out.jsonl"
    whole = out.read_text()
    for damaged, line in ((whole[:-20], 20), (whole.replace('"index":3,', '"index":7,'), 4), (whole + "{", 21)):
        out.write_text(damaged)
        with pytest.raises(UsageError, match=rf"out\.jsonl:{line}: this is not line {line} of a batch's output"):
            run_batch(*arguments, workers=0, store=store, resume=True)
    out.unlink()
    with pytest.raises(NotFound, match="to go on with"):
        run_batch(*arguments, workers=0, store=store, resume=True)


def test_names_that_were_not_given_are_given_later(program: Programs, store: RunStore, tmp_path: Path) -> None:
    write_records(tmp_path, 20)
    arguments = (program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr("compiled_ai.runtime.batch.running.give_names", lambda *files: None)
        run_batch(*arguments, workers=0, store=store)
    assert not (tmp_path / "out.jsonl").exists()
    assert run_batch(*arguments, workers=0, store=store, resume=True).lines == 20
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.dead.jsonl", "out.jsonl"]


BATCH = """
import sys
from pathlib import Path
from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.stepper import load_program

if __name__ == "__main__":
    home = Path(sys.argv[1])
    run_batch(load_program(Path(sys.argv[2])), home / "in.jsonl", home / "out.jsonl", workers=2)
"""


def test_workers_do_not_outlive_a_batch_that_is_killed(tmp_path: Path) -> None:
    write_records(tmp_path, 100_000)
    (tmp_path / "batch.py").write_text(BATCH)
    fixture = Path(__file__).parent / "fixtures" / "extract"
    process = subprocess.Popen([sys.executable, str(tmp_path / "batch.py"), str(tmp_path), str(fixture)])
    out, held = tmp_path / "out.jsonl.part", tmp_path / "out.dead.jsonl.part"
    while not (out.exists() and out.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    assert is_locked(held)
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while is_locked(held):
        assert time.monotonic() < end, "a worker lives on"
        time.sleep(0.05)


def is_locked(path: Path) -> bool:
    import fcntl

    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


# ---------------------------------------------------------------------------------------------- two at the same time


def meanwhile(patch: pytest.MonkeyPatch, owner: Any, name: str, event: Callable[[], object]) -> None:
    """Lets something happen once, just before a function is called."""
    original, events = getattr(owner, name), [event]

    def first_then(*arguments: Any, **options: Any) -> Any:
        if events:
            events.pop()()
        return original(*arguments, **options)

    patch.setattr(owner, name, first_then)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(journal, "lock"), (batch.Batch, "check")],
    ids=["while its lock is waited for", "after its checkpoint was read"],
)
def test_a_batch_that_is_finished_meanwhile_is_left_as_it_is(
    cut_off: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    meanwhile(monkeypatch, owner, name, lambda: run_batch(**cut_off, resume=True))
    with pytest.raises(UsageError, match=r"out\.jsonl' has just been finished by another process"):
        run_batch(**cut_off, resume=True)
    assert [line["index"] for line in read(tmp_path / "out.jsonl")] == list(range(2000))
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.dead.jsonl", "out.jsonl"]
    assert run_batch(**cut_off, resume=True).lines == 2000


def test_a_batch_that_another_one_brought_further_goes_on_from_there(
    cut_off: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on_a_little() -> None:
        with pytest.raises(RunFailed):
            run_batch(**cut_off, resume=True, max_errors=2)

    meanwhile(monkeypatch, batch.Batch, "check", go_on_a_little)
    result = run_batch(**cut_off, resume=True)
    assert result.lines == 2000
    assert result.here < 1000  # the other one came to the third failed record, number 1006


def test_names_are_not_given_while_another_batch_is_about_to(
    cut_off: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiled_ai.runtime.batch.journal._PATIENCE_SECONDS", 0.1)

    def second(*_: Any, **__: Any) -> None:
        with pytest.raises(UsageError, match="is being written by another batch"):
            run_batch(**cut_off, resume=True)

    meanwhile(monkeypatch, running, "publish", lambda: second())
    assert run_batch(**cut_off, resume=True).lines == 2000
    assert len(read(tmp_path / "out.jsonl")) == 2000


def test_a_resume_that_is_refused_leaves_no_file_of_its_own(cut_off: dict[str, Any], tmp_path: Path) -> None:
    for name in ("out.jsonl.part", "out.dead.jsonl.part"):
        (tmp_path / name).unlink()
        with pytest.raises(UsageError, match="was damaged or altered"):
            run_batch(**cut_off, resume=True)
        assert not (tmp_path / name).exists()
        assert not (tmp_path / "out.dead.jsonl.part").exists() or name == "out.jsonl.part"
