"""How long the run store takes for one small run: `python bench/store.py [--runs 100 100000] [--help]`.

Prints P50 and P99 of `RunStore.save` (SQLite) beside a store of the given sizes, clear and encrypted, with
durability `process` and `power`, and beside the disk's own write and fsync.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from compiled_ai.records import RunRecord
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.store import CLEAR, Durability, Protection, RunStore, new_run_id, now_text

ENCRYPTED = Protection("encrypted", "encrypted", "encrypted", "encrypted", "encrypted")
ENVIRONMENT = {"interface": "1", "python": "3.11", "tzdata": "2026.1"}


def small_run(number: int) -> RunRecord:
    started = now_text()
    return RunRecord(
        run_id=new_run_id(),
        artifact="a" * 64,
        workflow="prior_auth",
        input={"claim_id": f"C{number}", "bmi": 31.5, "has_t2d_diagnosis": False, "has_step_therapy_failure": True},
        status="completed",
        output={"outcome": "APPROVE", "reason": "(bmi >= 30) AND has_step_therapy_failure"},
        started_at=started,
        finished_at=started,
        environment=ENVIRONMENT,
        reference={"claim_id": f"C{number}"},
    )


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e6


def report(name: str, microseconds: list[float]) -> None:
    ordered = sorted(microseconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(f"{name:<58} P50 {p50:8.1f} us   P99 {p99:8.1f} us   n {len(ordered)}", flush=True)


def saves(store: RunStore, protection: Protection, count: int, *, first: int) -> Iterator[float]:
    for number in range(first, first + count):
        run = small_run(number)
        yield timed(lambda run=run: store.save(run, protection))  # type: ignore[misc]


def fill(store: RunStore, size: int, present: int) -> int:
    with store.group(2000):
        for number in range(present, size):
            store.save(small_run(number))
    return max(size, present)


def disk(folder: Path, count: int) -> None:
    descriptor = os.open(folder / "disk", os.O_WRONLY | os.O_CREAT, 0o600)
    block, times = b"x" * 4096, []

    def write() -> None:
        os.write(descriptor, block)
        os.fsync(descriptor)

    for _ in range(count):
        times.append(timed(write))
    os.close(descriptor)
    report("the disk: write 4 KiB and fsync", times)


def measure(folder: Path, keys: KeyRing, sizes: list[int], count: int) -> None:
    place, present = folder / "runs.db", 0
    for size in sizes:
        with RunStore.open(place, keys=keys) as store:
            start = time.perf_counter()
            added, present = max(0, size - present), fill(store, size, present)
            rate = added / (time.perf_counter() - start) if added else 0
            print(
                f"-- {present:,} stored runs ({rate:,.0f} runs/s in groups of 2,000; {place.stat().st_size >> 20} MiB)"
            )
            report("process durability, clear", list(saves(store, CLEAR, count, first=present)))
            report("process durability, encrypted", list(saves(store, ENCRYPTED, count, first=present + count)))
            run_id = store.list(limit=1)[0].run_id
            report("load one run", [timed(lambda: store.load(run_id)) for _ in range(200)])  # noqa: B023
            report("find by business key", [timed(lambda: store.find("C7")) for _ in range(200)])
        measure_power(place, keys, min(count, 500), first=present + 2 * count)
        present += 2 * count + min(count, 500)


def measure_power(place: Path, keys: KeyRing, count: int, *, first: int) -> None:
    durability: Durability = "power"
    with RunStore.open(place, keys=keys, durability=durability) as store:
        report("power durability, clear", list(saves(store, CLEAR, count, first=first)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 100_000], help="stored runs to measure at")
    parser.add_argument("--count", type=int, default=2000, help="saves to time at each size")
    parser.add_argument("--folder", type=Path, help="where the store is put (default: a temporary folder)")
    parser.add_argument("--verify", action="store_true", help="verify the whole store at the end, and time it")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        folder = Path(name)
        keys = KeyRing.from_environment({"COMPILED_AI_KEY": new_key("bench")}, home=folder)
        disk(folder, 300)
        measure(folder, keys, sorted(settings.runs), settings.count)
        if settings.verify:
            with RunStore.open(folder / "runs.db", keys=keys) as store:
                start = time.perf_counter()
                found = store.verify()
                print(f"verify: {found.status}, {found.events:,} events in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
