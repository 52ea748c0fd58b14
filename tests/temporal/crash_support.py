"""Kills workers and cuts their connection at random points, over effects and reviews, and counts what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from intake_support import Place, claim_of, intake, surroundings
from temporal_support import CHART, CLEAR, Engine, fixture_program, until

from compiled_ai.errors import NotFound, ReviewConflict, RunFailed
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.store import Review
from compiled_ai.runtime.temporal.messages import Decision, RunEnd, RunStart, Standing
from compiled_ai.runtime.temporal.submitting import decide, wait_for

WORKER = Path(__file__).parent / "crash_worker.py"
NOTES = 6


class Wire:
    """A way to the server that can be cut."""

    def __init__(self, address: str) -> None:
        self._target = address.rpartition(":")
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    async def lay(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target
        other_reader, other_writer = await asyncio.open_connection(host, int(port))
        self._open |= {writer, other_writer}
        for source, target in ((reader, other_writer), (other_reader, writer)):
            task = asyncio.ensure_future(self._pump(source, target))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def take_up(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@dataclass
class Worker:
    """A worker process behind the wire."""

    address: str
    queue: str
    folder: Path
    intake: tuple[Path, Program]
    process: subprocess.Popen[bytes] | None = None

    async def ensure(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        identity, program = self.intake
        place = (self.address, self.queue, str(self.folder), str(identity), program.digest)
        command = [sys.executable, "-W", "ignore", str(WORKER), *place]
        log = (self.folder / "worker.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        ready = self.folder / f"ready-{self.process.pid}"

        async def up() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "worker.log").read_text()
            return ready.exists()

        await until(up, seconds=60)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Crashes:
    """What was done, and what came of it."""

    kills: int = 0
    cuts: int = 0
    runs: int = 0
    completed: int = 0
    reviews: int = 0
    items: int = 0
    """Items of lists that a model had to be asked about."""
    asked: int = 0
    """Questions that reached the model: more than `items` where a worker died before it could record an answer."""
    claims: int = 0
    in_doubt: int = 0
    """Messages of which nobody knew whether they were sent: each was asked of a person."""
    lost: list[str] = field(default_factory=list)
    """What is lost or was done twice; nothing must stand here."""


async def crash(engine: Engine, address: str, folder: Path, *, points: int, seed: int) -> Crashes:
    """Starts runs all the time, and at each point kills the worker or cuts its connection."""
    with surroundings(folder) as place:
        return await _crash(engine, address, folder, place, points, seed)


async def _crash(engine: Engine, address: str, folder: Path, place: Place, points: int, seed: int) -> Crashes:
    dice, found = random.Random(seed), Crashes()
    engine.client.start_workflow = partial(  # type: ignore[method-assign]
        engine.client.start_workflow, task_timeout=timedelta(seconds=2)
    )  # a task that died with its worker is given out again that soon
    wire = Wire(address)
    compiled = intake(folder)
    worker = Worker(await wire.lay(), engine.queue, folder, compiled)
    lists, charts = fixture_program("lines"), fixture_program("glp1", **CLEAR)
    ends: dict[str, asyncio.Task[RunEnd | Standing]] = {}
    try:
        for point in range(points):
            await worker.ensure()
            for start in (
                await _list(engine, lists, point),
                await engine.submit(charts, CHART),
                await engine.submit(compiled[1], claim_of(point)),
            ):
                ends[start.run_id] = asyncio.ensure_future(_to_its_end(engine, start, found))
            await asyncio.sleep(dice.uniform(0, 1.2))
            if dice.random() < 0.5:
                worker.kill()
                found.kills += 1
            else:
                wire.cut()
                found.cuts += 1
        await worker.ensure()
        await asyncio.gather(*ends.values())
    finally:
        worker.kill()
        for task in ends.values():
            task.cancel()
        await wire.take_up()
    _judge(engine, found, list(ends), folder)
    _judge_claims(found, place, points)
    return found


async def _list(engine: Engine, program: Any, point: int) -> RunStart:
    notes = [f"note-{point}-{number}" for number in range(NOTES)]
    return await engine.submit(program, {"claim_id": f"c-{point}", "notes": notes})


async def _to_its_end(engine: Engine, start: RunStart, found: Crashes) -> RunEnd | Standing:
    """Waits for a run, and decides its reviews on the way."""
    while True:
        end = await wait_for(engine.client, start.run_id)
        if not isinstance(end, Standing):
            return end
        await _decide(engine, start.run_id, engine.store.review(end.reviews[0].review_id), found)


async def _decide(engine: Engine, run_id: str, review: Review, found: Crashes) -> None:
    """Sends a decision until it is taken, as a person would; a message in doubt is looked up and confirmed.

    `NotFound` and `ReviewConflict` say that the decision was taken before.
    """
    decision = Decision(review_id=review.review_id, action="approve", by="A", reason="b")
    if review.step == "tell":
        decision = decision.model_copy(update={"action": "correct", "value": '{"sent":true}'})
    while True:
        try:
            await decide(engine.client, run_id, decision)
        except RunFailed:
            await asyncio.sleep(0.5)
            continue
        except (NotFound, ReviewConflict):
            return
        found.reviews += 1
        found.in_doubt += review.step == "tell"
        return


def _judge(engine: Engine, found: Crashes, runs: list[str], folder: Path) -> None:
    asked = Counter((folder / "asked.txt").read_text("utf-8").split())
    found.runs, found.asked = len(runs), sum(asked.values())
    for run_id in runs:
        record = engine.store.load(run_id)
        if record.status != "completed":
            found.lost.append(f"{run_id}: {record.status}")
            continue
        found.completed += 1
        answered = Counter(effect.item for effect in record.effects if effect.kind == "bounded")
        notes = record.input.get("notes")
        if notes is None:
            continue
        found.items += len(notes)
        if answered != Counter(range(len(notes))):
            found.lost.append(f"{run_id}: {answered}")
        if record.output["total"] != sum(range(NOTES)):
            found.lost.append(f"{run_id}: total {record.output['total']}")
        found.lost += [f"{run_id}: {note} was never asked" for note in notes if not asked[note]]
    wrong = [each for each in engine.store.verify().findings if "unclosed" not in str(each)]
    found.lost += [str(each) for each in wrong]


def _judge_claims(found: Crashes, place: Place, points: int) -> None:
    """What the other side counted: each claim kept and reserved once, no message sent twice."""
    kept, counts = place.kept(), place.service.counts()
    found.claims = points
    unsent = 0
    for claim in (claim_of(number)["claim_id"] for number in range(points)):
        done = (kept.get(claim), counts["reserved"].get(claim))
        if done != (1, 1):
            found.lost.append(f"{claim}: kept and reserved {done}")
        sent = counts["messages"].get(claim, 0)
        unsent += sent == 0
        if sent > 1:
            found.lost.append(f"{claim}: {sent} messages")
    if unsent > found.in_doubt:
        found.lost.append(f"{unsent} messages were not sent, and {found.in_doubt} were asked of a person")
