"""What a batch costs: `python bench/batch.py [--records 1000000] [--rounds 1] [--json]`.

The baseline is what one would write by hand: a loop that reads the same JSONL, calls the same function of the artifact
with the same types, and writes JSONL; in this process, without checks, order, checkpoint or record. Beside it `batch`
with one and with two workers, without and with the SQLite store, for a trivial function and for one that works for
some 60 us. The contestants take turns within a round.

"per core" is records a second over the baseline's, where the batch has one worker; "per processor second" counts the
processor time of parent and workers together instead of the clock on the wall, so that other work on the machine does
not change it much. Peak memory is the largest sum of the resident sets of parent and workers. The first batch of a
process starts the server that forks its workers; that is told apart, as seconds, and is in no other figure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Any, NamedTuple

from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore

ARTIFACT = Path(__file__).parent.parent / "tests" / "runtime" / "fixtures" / "triage"
PLANS = ("gold", "silver")
LEAST_WITHOUT_STORE, LEAST_BUSY, LEAST_WITH_STORE, LEAST_TWO_CORES = 0.7, 0.7, 0.35, 1.6


@dataclass(frozen=True)
class Measured:
    name: str
    records_per_second: float
    processor_us: float
    """Processor time of all processes, per record."""
    peak_mb: float


class Watch:
    """Tells the processor time of this process and all below it, and looks at their memory five times a second."""

    def __enter__(self) -> Watch:
        self.peak_mb, self._looking, self._over = 0.0, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._below, self._own, self._wall = _used_below(), process_time(), perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, own = perf_counter() - self._wall, process_time() - self._own
        self._over.set()
        self._thread.join()
        self.processor = own - self._looking + _used_below() - self._below

    def _look(self) -> None:
        while not self._over.wait(0.2):
            self.peak_mb = max(self.peak_mb, sum(each.memory_mb for each in _family()))
            self._looking = thread_time()


class Process(NamedTuple):
    pid: int
    parent: int
    used: float
    """Processor seconds, with those of the children that it has waited for."""
    memory_mb: float


def _family() -> list[Process]:
    """This process and all below it, in the order of their numbers, which are higher than their parents'."""
    family: dict[int, Process] = {}
    for each in _processes():
        if each.pid == os.getpid() or each.parent in family:
            family[each.pid] = each
    return list(family.values())


def _used_below() -> float:
    return sum(each.used for each in _family() if each.pid != os.getpid())


def _processes() -> list[Process]:
    found, tick, page = [], os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") / 1e6
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            used = sum(map(int, fields[11:15])) / tick
            found.append(Process(int(folder.name), int(fields[1]), used, int(fields[21]) * page))
    return sorted(found)


def busy_program(microseconds: float) -> Program:
    """The same artifact, whose function counts for a while before it decides."""
    program = load_program(ARTIFACT)
    first = "    # line 15: IF age < 18 THEN REFER\n"

    def made(turns: int) -> Program:
        source = program.source.replace(first, f"    for _ in range({turns}):\n        pass\n{first}")
        return load_program({**program.files, "workflow.py": source})

    slow = made(10_000).run.__globals__["triage"]
    started = process_time()
    for _ in range(50):
        slow(Decimal(20), Decimal(1), "gold", True)
    return made(round(10_000 * microseconds * 50 / ((process_time() - started) * 1e6)))


def write_records(path: Path, count: int) -> None:
    with path.open("w") as out:
        for number in range(count):
            plan, inside = PLANS[number % 2], ("true", "false")[number % 3 == 0]
            out.write(
                f'{{"claim_id": "c-{number}", "age": {number % 90}, "amount": {number % 9000}.25, '
                f'"plan": "{plan}", "in_network": {inside}}}\n'
            )


def bare_loop(program: Program, source: Path, target: Path) -> None:
    triage = program.run.__globals__["triage"]
    with source.open() as lines, target.open("w") as out:
        for index, line in enumerate(lines):
            given = json.loads(line, parse_float=Decimal)
            decided = triage(Decimal(given["age"]), given["amount"], given["plan"], given["in_network"])
            output = {"outcome": decided.outcome, "reason": decided.reason}
            out.write(json.dumps({"index": index, "status": "completed", "output": output}) + "\n")


def measure(name: str, records: int, act: Callable[[], Any]) -> Measured:
    with Watch() as watch:
        act()
    return Measured(name, records / watch.wall, watch.processor / records * 1e6, watch.peak_mb)


def batch(program: Program, source: Path, target: Path, *, workers: int, stored: bool) -> None:
    target.unlink(missing_ok=True)
    if not stored:
        run_batch(program, source, target, workers=workers)
        return
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        home = Path(folder)
        with RunStore.open(home / "runs.db", keys=KeyRing(home=home)) as store:
            run_batch(program, source, target, workers=workers, store=store)


def contest(program: Program, source: Path, records: int, rounds: int) -> dict[str, Measured]:
    """The best of some rounds for each contestant."""
    target = source.with_name("out.jsonl")
    contestants: dict[str, Callable[[], None]] = {"bare loop": lambda: bare_loop(program, source, target)}
    for stored in (False, True):
        for workers in (1, 2):
            name = f"batch, {workers} worker{'s' * (workers > 1)}, {'SQLite store' if stored else 'no store'}"
            contestants[name] = partial(batch, program, source, target, workers=workers, stored=stored)
    best: dict[str, Measured] = {}
    for _ in range(rounds):
        for name, act in contestants.items():
            found = measure(name, records, act)
            if name not in best or found.records_per_second > best[name].records_per_second:
                best[name] = found
    return best


def ratios(found: dict[str, Measured], label: str) -> dict[str, float]:
    bare = found["bare loop"]
    told: dict[str, float] = {}
    for kind in ("no store", "SQLite store"):
        one, two = found[f"batch, 1 worker, {kind}"], found[f"batch, 2 workers, {kind}"]
        told[f"{label}, {kind}: per core"] = one.records_per_second / bare.records_per_second
        told[f"{label}, {kind}: per processor second"] = bare.processor_us / one.processor_us
        told[f"{label}, {kind}: two workers to one"] = two.records_per_second / one.records_per_second
    return told


def start_up(folder: Path) -> float:
    """Seconds of the first batch of a process, which has one record."""
    source = folder / "one.jsonl"
    write_records(source, 1)
    started = perf_counter()
    batch(load_program(ARTIFACT), source, folder / "out.jsonl", workers=1, stored=False)
    return perf_counter() - started


def flat(program: Program, folder: Path, records: int) -> float:
    """Peak memory at so many records over that at a tenth of them."""
    peaks = []
    for count in (records // 10, records):
        source = folder / f"{count}.jsonl"
        write_records(source, count)
        target = folder / "out.jsonl"
        act = partial(batch, program, source, target, workers=2, stored=True)
        peaks.append(measure("", count, act).peak_mb)
    return peaks[1] / peaks[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "in.jsonl"
        write_records(source, chosen.records)
        starting = start_up(Path(name))
        trivial = contest(load_program(ARTIFACT), source, chosen.records, chosen.rounds)
        fewer = max(chosen.records // 5, 1)
        write_records(source, fewer)
        busy = contest(busy_program(60), source, fewer, chosen.rounds)
        growth = flat(load_program(ARTIFACT), Path(name), chosen.records)
    told = {**ratios(trivial, "trivial"), **ratios(busy, "60 us"), "memory, all records to a tenth": growth}
    goals = {
        "trivial, no store: per core": LEAST_WITHOUT_STORE,
        "trivial, SQLite store: per core": LEAST_WITH_STORE,
        "60 us, no store: per core": LEAST_BUSY,
        "60 us, SQLite store: per core": LEAST_BUSY,
        "trivial, no store: two workers to one": LEAST_TWO_CORES,
        "60 us, SQLite store: two workers to one": LEAST_TWO_CORES,
    }
    missed = [goal for goal, least in goals.items() if told[goal] < least]
    show(chosen.records, starting, trivial, busy, told, goals, missed, as_json=chosen.json)
    return 1 if missed else 0


def show(
    records: int,
    starting: float,
    trivial: dict[str, Measured],
    busy: dict[str, Measured],
    told: dict[str, float],
    goals: dict[str, float],
    missed: list[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        kinds = {"trivial": trivial, "60 us": busy}
        measured = {kind: [asdict(each) for each in found.values()] for kind, found in kinds.items()}
        figures = {"measured": measured, "ratios": told, "missed": missed}
        facts = {"records": records, "start_up_seconds": starting, **figures}
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    sys.stdout.write(f"first batch of a process, one record: {starting:.2f} s\n")
    for kind, found in (("trivial function", trivial), ("function of 60 us", busy)):
        sys.stdout.write(f"{kind}\n")
        for each in found.values():
            sys.stdout.write(
                f"  {each.name:32} {each.records_per_second:10,.0f} records/s  {each.processor_us:7.2f} us of "
                f"processor a record  {each.peak_mb:6.0f} MB\n"
            )
    for name, value in told.items():
        goal = f" (goal >= {goals[name]:g})" if name in goals else ""
        sys.stdout.write(f"{name:55} {value:5.2f}{goal}\n")
    sys.stdout.write("goals met\n" if not missed else f"goals missed: {'; '.join(missed)}\n")


if __name__ == "__main__":
    sys.exit(main())
