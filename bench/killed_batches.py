"""Kills batches with SIGKILL at random instants: `python bench/killed_batches.py [--points 200] [--records 3000]`.

A batch with two workers and a run store is killed again and again and gone on with `resume`, until it ends; then the
next one begins, until there were so many kills. After each, everything is compared with what a batch that nobody
disturbed would have left: one line for each record in order, the same decisions, the dead letters, and one run on
record for each line, under the id that the line names.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore

ARTIFACT = Path(__file__).parent.parent / "tests" / "runtime" / "fixtures" / "extract"
POISON_EVERY = 500


def write_records(home: Path, count: int) -> None:
    records = [json.dumps({"document": f"Total: {number}", "n": number}) for number in range(1, count + 1)]
    for place in range(5, count, POISON_EVERY):
        records[place] = "{poison"
    (home / "in.jsonl").write_text("\n".join(records) + "\n")


def run_here(home: Path, *, resume: bool) -> None:
    """What a killed process runs: checkpoints after every chunk, so that they are in the way of the kills."""
    with RunStore.open(home / "runs.db", keys=KeyRing(home=home)) as store:
        print("begins", flush=True)
        run_batch(
            load_program(ARTIFACT),
            home / "in.jsonl",
            home / "out.jsonl",
            keep=["n"],
            workers=2,
            store=store,
            resume=resume,
            checkpoint_seconds=0,
        )


def begin(home: Path) -> subprocess.Popen[bytes]:
    resume = (home / "out.jsonl.checkpoint").exists()
    command = [sys.executable, __file__, "--run", str(home), *(["--resume"] if resume else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def kill_one(home: Path, drawn: random.Random, most: int, longest_seconds: float) -> int:
    """Kills one batch up to so many times and lets it end; returns how often it was killed before it had ended."""
    kills = 0
    while not (home / "out.jsonl").exists() or (home / "out.jsonl.checkpoint").exists():
        process = begin(home)
        assert process.stdout is not None
        process.stdout.readline()
        if kills < most:
            time.sleep(drawn.uniform(0, longest_seconds))
            process.send_signal(signal.SIGKILL)
            kills += 1
        told = process.communicate()[1].decode()
        assert process.returncode in (0, -signal.SIGKILL), told
    return kills


def check(home: Path, records: int) -> None:
    """Raises `AssertionError` unless the batch left what it must."""
    lines = [json.loads(line) for line in (home / "out.jsonl").read_text().splitlines()]
    poison = range(5, records, POISON_EVERY)
    assert [line["index"] for line in lines] == list(range(records))
    assert [line["index"] for line in lines if line["status"] == "failed"] == list(poison)
    for line in lines:
        assert line["status"] == "failed" or line["output"]["total"] == str(line["index"] + 1) == str(line["n"])
    letters = [json.loads(line) for line in (home / "out.dead.jsonl").read_text().splitlines()]
    assert [letter["index"] for letter in letters] == list(poison)
    assert sorted(path.name for path in home.glob("out*")) == ["out.dead.jsonl", "out.jsonl"]
    with RunStore.open(home / "runs.db", keys=KeyRing(home=home)) as store:
        stored = {run.run_id for run in store.list(limit=None)}
        assert stored == {line["run_id"] for line in lines if line["run_id"]}
        assert store.load(lines[-1]["run_id"]).output == lines[-1]["output"]
        assert store.verify().status != "altered"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run is not None:
        run_here(chosen.run, resume=chosen.resume)
        return 0
    drawn, kills, batches = random.Random(chosen.seed), 0, 0
    while kills < chosen.points:
        with tempfile.TemporaryDirectory() as name:
            write_records(Path(name), chosen.records)
            kills += kill_one(Path(name), drawn, min(10, chosen.points - kills), longest_seconds=1.5)
            check(Path(name), chosen.records)
            batches += 1
    print(f"{batches} batches of {chosen.records} records, killed {kills} times: nothing lost, nothing doubled")
    return 0


if __name__ == "__main__":
    sys.exit(main())
