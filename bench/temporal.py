"""What a run costs on Temporal: `python bench/temporal.py [--runs 200] [--at-once 32] [--rounds 5] [--json]`.

One development server and one worker process in this process; the contestants take turns, so that a busy machine slows
them alike:

- `by hand`: a workflow as one would write it, with pydantic records and one activity that holds the same logic;
- `by hand, recorded`: the same, whose activity writes what it decided into a SQLite file and commits it;
- `artifact`: the same logic as an artifact, on record in the run store (goal: at least 0.9 times `by hand`).

Throughput is measured with `--at-once` workflows under way, latency one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from math import ceil
from pathlib import Path
from time import perf_counter

from temporal_by_hand import ByHand, ByHandRecorded, ClaimIn, Recorder, triage
from temporalio.client import Client
from temporalio.worker import Worker

from compiled_ai.errors import CompiledAIError
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.temporal.connecting import Connection, connect, dev_server
from compiled_ai.runtime.temporal.submitting import Submission, submit, wait_for
from compiled_ai.runtime.temporal.worker import WorkerSettings, serving

ARTIFACT = Path(__file__).parent.parent / "tests" / "runtime" / "fixtures" / "triage"
CLAIM = {"claim_id": "c-1", "age": 41, "amount": Decimal("812.25"), "plan": "silver", "in_network": True}
LEAST_TIMES_BY_HAND = 0.9
WORKERS = 16
PEAK, LOAD = 3, 0.6


@dataclass(frozen=True)
class Figures:
    name: str
    per_second: float
    """Median over the rounds."""
    p50_ms: float
    p99_ms: float
    n: int
    """Workflows measured for throughput, and as many for latency."""


Contestant = Callable[[], Awaitable[object]]


async def measure(contestants: dict[str, Contestant], runs: int, at_once: int, rounds: int) -> list[Figures]:
    """Lets the contestants take turns, round after round."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    latencies: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        await asyncio.gather(*(run() for _ in range(at_once)))
    for turn in range(rounds):
        names = list(contestants)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            rates[name].append(await _throughput(contestants[name], runs, at_once))
            latencies[name] += await _latencies(contestants[name], max(runs // 4, 1))
    return [
        Figures(
            name,
            round(statistics.median(rates[name]), 1),
            round(_percentile(latencies[name], 50), 1),
            round(_percentile(latencies[name], 99), 1),
            runs * rounds,
        )
        for name in contestants
    ]


async def _throughput(run: Contestant, runs: int, at_once: int) -> float:
    window = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with window:
            await run()

    begun = perf_counter()
    await asyncio.gather(*(one() for _ in range(runs)))
    return runs / (perf_counter() - begun)


async def _latencies(run: Contestant, runs: int) -> list[float]:
    found = []
    for _ in range(runs):
        begun = perf_counter()
        await run()
        found.append((perf_counter() - begun) * 1000)
    return found


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def contestants_of(client: Client, program: Program, store: RunStore) -> dict[str, Contestant]:
    claim = ClaimIn.model_validate(CLAIM)
    given = {**CLAIM, "amount": str(CLAIM["amount"])}
    submission = Submission(version="1.0.0")

    async def by_hand() -> object:
        return await client.execute_workflow(ByHand.run, claim, id=new_run_id(), task_queue="by-hand")

    async def by_hand_recorded() -> object:
        return await client.execute_workflow(ByHandRecorded.run, claim, id=new_run_id(), task_queue="by-hand")

    async def artifact() -> object:
        start = await submit(client, program, given, store, submission)
        return await wait_for(client, start.run_id, people=True)

    return {"by hand": by_hand, "by hand, recorded": by_hand_recorded, "artifact": artifact}


def server_at(address: str) -> AbstractAsyncContextManager[Client]:
    """A development server, or a client of the one at an address."""

    @asynccontextmanager
    async def given() -> AsyncIterator[Client]:
        yield await connect(Connection(address=address), KeyRing())

    return given() if address else dev_server(KeyRing())


def processes_for(per_day: int, per_second: float) -> int:
    """Worker processes for so many runs a day, at a peak of three times the mean, loaded to 60 %."""
    return max(1, ceil(per_day * PEAK / 86_400 / (per_second * LOAD)))


async def bench(runs: int, at_once: int, rounds: int, folder: Path, address: str) -> list[Figures]:
    program = load_program(ARTIFACT)
    async with AsyncExitStack() as stack:
        store = stack.enter_context(RunStore.open(folder / "runs.db", home=folder))
        client = await stack.enter_async_context(server_at(address))
        executor = stack.enter_context(ThreadPoolExecutor(WORKERS))
        await stack.enter_async_context(serving(client, [program], store, WorkerSettings(max_concurrent=WORKERS)))
        await stack.enter_async_context(
            Worker(
                client,
                task_queue="by-hand",
                workflows=[ByHand, ByHandRecorded],
                activities=[triage, Recorder(folder / "by-hand.db").triage],
                activity_executor=executor,
                max_concurrent_activities=WORKERS,
            )
        )
        return await measure(contestants_of(client, program, store), runs, at_once, rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a run costs on Temporal.")
    parser.add_argument("--runs", type=int, default=200, help="workflows of one contestant in one round")
    parser.add_argument("--at-once", type=int, default=32, help="workflows under way")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-day", type=int, default=0, help="say how many worker processes so many runs need")
    parser.add_argument("--address", default="", help="measure this server instead of a development server")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures = asyncio.run(bench(chosen.runs, chosen.at_once, chosen.rounds, Path(folder), chosen.address))
    except CompiledAIError as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    by_name = {each.name: each for each in figures}
    ratio = by_name["artifact"].per_second / by_name["by hand"].per_second
    if chosen.json:
        told = {"figures": [asdict(each) for each in figures], "ratio": round(ratio, 3), "goal": LEAST_TIMES_BY_HAND}
        sys.stdout.write(json.dumps(told) + "\n")
        return 0
    for each in figures:
        sys.stdout.write(
            f"{each.name:<20} {each.per_second:>7.1f} workflows/s   P50 {each.p50_ms:>7.1f} ms   "
            f"P99 {each.p99_ms:>7.1f} ms   n={each.n}\n"
        )
    sys.stdout.write(f"artifact against by hand: {ratio:.2f}x (goal {LEAST_TIMES_BY_HAND:.1f}x)\n")
    if chosen.per_day:
        needed = processes_for(chosen.per_day, by_name["artifact"].per_second)
        sys.stdout.write(
            f"{chosen.per_day} runs a day: {needed} worker process(es), at {PEAK} times the mean and {LOAD:.0%} load\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
