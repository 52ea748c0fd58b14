"""What one run costs: `python bench/run_overhead.py [--sizes 100,10000,1000000] [--json]`.

All in one process, inline, the contestants taking turns, so that a busy machine slows them alike:

- the bare function of the artifact;
- a typed wrapper as one would write it by hand: pydantic in, the function, pydantic out;
- `run` without a store (goal: at most twice the wrapper);
- `run` with the SQLite store, safe against a process crash (goal: at most 150 us), at several numbers of stored runs;
- the same, safe against power loss, beside the disk's own write-and-fsync.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Literal

from pydantic import BaseModel

from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import run
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import Durability, RunStore

ARTIFACT = Path(__file__).parent.parent / "tests" / "runtime" / "fixtures" / "triage"
CLAIM = {"claim_id": "c-1", "age": 41, "amount": Decimal("812.25"), "plan": "silver", "in_network": True}
MOST_TIMES_WRAPPER = 2.0
MOST_MICROSECONDS_STORED = 150.0


class ClaimIn(BaseModel):
    claim_id: str
    age: int
    amount: Decimal
    plan: Literal["gold", "silver"]
    in_network: bool


class DecisionOut(BaseModel):
    outcome: Literal["APPROVE", "DENY", "REFER"]
    reason: str


@dataclass(frozen=True)
class Timing:
    """Microseconds."""

    name: str
    p50: float
    p99: float
    n: int

    def __str__(self) -> str:
        return f"{self.name:58} P50 {self.p50:9.2f} us   P99 {self.p99:9.2f} us   n {self.n}"


def measure(contestants: dict[str, Callable[[], Any]], *, rounds: int, turns: int) -> dict[str, Timing]:
    """Times each call by itself; every round gives each contestant its turns."""
    times: dict[str, list[int]] = {name: [] for name in contestants}
    for act in contestants.values():
        for _ in range(min(turns, 200)):
            act()
    for _ in range(rounds):
        for name, act in contestants.items():
            kept = times[name]
            for _ in range(turns):
                start = perf_counter_ns()
                act()
                kept.append(perf_counter_ns() - start)
    return {name: _timing(name, taken) for name, taken in times.items()}


def _timing(name: str, nanoseconds: list[int]) -> Timing:
    ordered = sorted(nanoseconds)
    return Timing(name, ordered[len(ordered) // 2] / 1000, ordered[len(ordered) * 99 // 100] / 1000, len(ordered))


def without_store(program: Program) -> dict[str, Timing]:
    triage = program.run.__globals__["triage"]
    typed = program.decode_input(CLAIM)

    def bare() -> Any:
        return triage(Decimal(typed.age), typed.amount, typed.plan, typed.in_network)

    def wrapper() -> Any:
        given = ClaimIn.model_validate(CLAIM)
        decided = triage(Decimal(given.age), given.amount, given.plan, given.in_network)
        return DecisionOut(outcome=decided.outcome, reason=decided.reason).model_dump()

    def inline() -> Any:
        return run(program, CLAIM).output

    assert inline() == wrapper()
    return measure(
        {"bare function": bare, "typed wrapper (pydantic in and out)": wrapper, "run, no store": inline},
        rounds=40,
        turns=500,
    )


def with_store(program: Program, sizes: Sequence[int], durability: Durability, *, turns: int) -> list[Timing]:
    """Times runs on record, in stores that hold so many runs already; the stores take turns."""
    fault = "process crash" if durability == "process" else "power loss"
    with ExitStack() as opened:
        contestants: dict[str, Callable[[], Any]] = {}
        for size in sizes:
            home = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            keys = KeyRing(home=home)
            store = opened.enter_context(RunStore.open(home / "runs.db", keys=keys, durability=durability))
            _fill(store, program, size)
            contestants[f"run, SQLite, safe against a {fault}, {size:,} runs"] = partial(
                run, program, CLAIM, store=store
            )
        return list(measure(contestants, rounds=10, turns=max(turns // 10, 5)).values())


def _fill(store: RunStore, program: Program, size: int) -> None:
    record = run(program, CLAIM).record()
    with store.group(2000):
        for _ in range(size):
            store.save(record.model_copy(update={"run_id": new_run_id()}))


def disk_sync(turns: int) -> Timing:
    """Write 4 KB and fsync: what no store that survives a power cut can be faster than."""
    with tempfile.TemporaryFile() as stream:

        def write() -> None:
            stream.seek(0)
            stream.write(b"x" * 4096)
            stream.flush()
            os.fsync(stream.fileno())

        return measure({"write 4 KB and fsync": write}, rounds=1, turns=turns)["write 4 KB and fsync"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,10000,100000", help="numbers of stored runs, by comma")
    parser.add_argument("--turns", type=int, default=3000, help="timed runs for each store")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    program = load_program(ARTIFACT)
    plain = without_store(program)
    wrapper, inline = plain["typed wrapper (pydantic in and out)"], plain["run, no store"]
    sizes = [int(size) for size in chosen.sizes.split(",")]
    stored = with_store(program, sizes, "process", turns=chosen.turns)
    synced = with_store(program, sizes[:1], "power", turns=max(chosen.turns // 10, 50))[0]
    disk = disk_sync(max(chosen.turns // 10, 50))
    ratio = inline.p50 / wrapper.p50
    held = ratio <= MOST_TIMES_WRAPPER and all(timing.p50 <= MOST_MICROSECONDS_STORED for timing in stored)
    timings = [*plain.values(), *stored, synced, disk]
    if chosen.json:
        facts = {"ratio_to_wrapper": round(ratio, 3), "goals_met": held, "timings": [asdict(each) for each in timings]}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        lines = [
            *map(str, timings),
            "",
            f"run / wrapper {ratio:.2f} (goal <= {MOST_TIMES_WRAPPER:g})   "
            f"run / bare function {inline.p50 / plain['bare function'].p50:.1f}",
            f"stored, largest / smallest {stored[-1].p50 / stored[0].p50:.2f} (flat is 1; goal P50 <= "
            f"{MOST_MICROSECONDS_STORED:g} us)",
            f"power-safe run / fsync {synced.p50 / disk.p50:.2f}",
            "goals met" if held else "goals missed",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
