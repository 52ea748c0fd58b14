"""Kills the local engine at random instants over calls and reviews, and counts what happened outside.

    python bench/effects_crash.py [--points 200] [--seed 1] [--folder DIR]

Each point takes one claim through `examples/claim_intake` (a read, a keyed write, two HTTP calls, a message, and for
every second claim a person) in a process of its own that is killed with SIGKILL after a random time, and again
while it recovers in one point of three. Afterwards every run is taken up. Then:

- nothing is lost: every claim has ended, or waits for a person;
- idempotent effects are not doubled: one row, and one reservation at the service, for each claim;
- the message, which its channel cannot keep from being sent twice, is never sent twice: where it is not known whether
  it was sent, it is listed as in doubt and waits for a person.

Exits with 1 if any of it does not hold. The figures are counts; there is nothing here to be fast or slow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
ANSWERS = {"by": "E. Examiner", "reason": "read the file"}


def claim_of(number: int) -> dict[str, Any]:
    """The input of a point; every second one needs an examiner."""
    billed = "6000" if number % 2 else "120.50"
    return {
        "claim_id": f"C-{number:04d}",
        "member_id": "M-100",
        "provider": "1093817465",
        "service_date": "2026-03-02",
        "billed": billed,
    }


@dataclass
class Engine:
    """What every forked process does; nothing is open when it is forked."""

    program: Any
    store_file: Path

    def open(self) -> Any:
        from compiled_ai.runtime.store import RunStore

        return RunStore.open(self.store_file, home=self.store_file.parent)

    def take(self, given: Mapping[str, Any]) -> None:
        """Runs a claim (or finds its run), and answers the examiner's review."""
        from compiled_ai.runtime.local import run

        with self.open() as store:
            run(self.program, given, store=store, once=True)
            self._examine(store)

    def recover(self) -> None:
        """Takes up every run that has not ended, and answers every review of the examiner."""
        from compiled_ai.runtime.local import resume

        with self.open() as store:
            for left in store.incomplete():
                resume(left.run_id, store=store, programs=lambda _: self.program)
            self._examine(store)

    def _examine(self, store: Any) -> None:
        from compiled_ai.runtime.reviews import decide

        for review in store.reviews():
            if review.step == "examine":
                decide(review.review_id, "approve", **ANSWERS, store=store, programs=lambda _: self.program)


@dataclass
class Tally:
    kills: int = 0
    ended_first: int = 0
    """Processes that had ended before they were to be killed."""


def forked(work: Callable[[], object]) -> int:
    """Does the work in a child, which ends with 0 if it succeeded; returns the child's process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def killed_after(seconds: float, work: Callable[[], object]) -> bool:
    """Forks, works in the child, kills it after a time; says whether it was still alive."""
    child = forked(work)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError("a process failed by itself; its message is above")
    return os.WIFSIGNALED(status)


def finished(work: Callable[[], object]) -> float:
    """Forks, waits for the child to end, and returns how long that took."""
    started = time.perf_counter()
    child = forked(work)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RuntimeError("a process failed by itself; its message is above")
    return time.perf_counter() - started


def prepared(folder: Path) -> Engine:
    """Compiles the example, and imports all that a call needs, so that the forked processes begin at once."""
    from compiled_ai.compiler import compile_spec
    from compiled_ai.config import Settings
    from compiled_ai.runtime.stepper import load_program

    outside = ("apprise", "httpx", "sqlalchemy.dialects.sqlite", "stamina")
    inside = ("store", "reviews", "calls.wire", "calls.database", "calls.http", "calls.notify")
    for name in (*outside, *(f"compiled_ai.runtime.{each}" for each in inside)):
        __import__(name)
    from apprise import Apprise

    Apprise.instantiate("json://127.0.0.1:1/")
    home = folder / "home"
    done = compile_spec(EXAMPLES / "claim_intake.yaml", Settings(home, f"sqlite:///{folder / 'runs.db'}"))
    return Engine(load_program(done.folder / "identity", digest=done.digest), folder / "runs.db")


def crash(engine: Engine, points: int, chance: random.Random) -> Tally:
    tally = Tally()
    usual = sorted(finished(lambda number=number: engine.take(claim_of(9000 + number))) for number in range(6))[3]
    for number in range(points):
        alive = killed_after(chance.uniform(0, usual), lambda number=number: engine.take(claim_of(number)))
        tally.kills += alive
        tally.ended_first += not alive
        if chance.random() < 1 / 3:
            tally.kills += killed_after(chance.uniform(0, usual), engine.recover)
    finished(engine.recover)
    finished(lambda: [engine.take(claim_of(number)) for number in range(points)])
    return tally


def judged(engine: Engine, points: int, counts: Mapping[str, Mapping[str, int]], database: Path) -> dict[str, Any]:
    """Counts, and says what does not hold."""
    faults: list[str] = []
    with sqlite3.connect(database) as opened:
        rows = dict(opened.execute("SELECT claim_id, count(*) FROM claims GROUP BY claim_id").fetchall())
    opened.close()
    with engine.open() as store:
        runs = {number: store.find(claim_of(number)["claim_id"]) for number in range(points)}
        doubtful = {each.run_id: each.in_doubt for each in store.incomplete()}
        waiting = {review.run_id for review in store.reviews()}
        altered = store.verify().status
    in_doubt = 0
    for number, found in runs.items():
        claim = claim_of(number)["claim_id"]
        if len(found) != 1:
            faults.append(f"{claim}: {len(found)} runs")
            continue
        run = found[0]
        if rows.get(claim) != 1 or counts["reserved"].get(claim) != 1:
            faults.append(f"{claim}: {rows.get(claim)} rows, {counts['reserved'].get(claim)} reservations")
        sent = counts["messages"].get(claim, 0)
        if run.status == "completed" and sent != 1:
            faults.append(f"{claim}: completed, and {sent} messages")
        elif run.status != "completed":
            in_doubt += 1
            listed = [key[0] for key in doubtful.get(run.run_id, ())] == ["tell"] and run.run_id in waiting
            if run.status != "review" or not listed or sent > 1:
                faults.append(f"{claim}: {run.status}, {sent} messages, in doubt: {doubtful.get(run.run_id)}")
    if altered == "altered":
        faults.append("the store does not verify")
    return {"claims": points, "in_doubt": in_doubt, "store": altered, "faults": faults}


def main() -> int:
    parser = argparse.ArgumentParser(description="Kills the local engine at random instants.")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="compiled-ai-crash-") as made:
        folder = asked.folder or Path(made)
        told = measured(folder, asked.points, random.Random(asked.seed))
    print(json.dumps(told))
    return 1 if told["faults"] else 0


def measured(folder: Path, points: int, chance: random.Random) -> dict[str, Any]:
    command = [sys.executable, str(EXAMPLES / "claim_intake" / "surroundings.py"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        lines = [service.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3)]
        os.environ.update(dict(lines))
        try:
            engine = prepared(folder)
            tally = crash(engine, points, chance)
            with urllib.request.urlopen(f"{dict(lines)['COMPILED_AI_CONNECTION_CLEARING']}/counts") as reply:
                counts = json.load(reply)
            told = judged(engine, points, counts, folder / "claims.db")
        finally:
            service.terminate()
    return {"kills": tally.kills, "ended_before": tally.ended_first, **told}


if __name__ == "__main__":
    sys.exit(main())
