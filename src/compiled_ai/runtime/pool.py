"""A killable pool of processes: one record that never ends, or eats all memory, costs that record and nothing else.

Items go out in chunks, which grow while they are quick, and a worker hands over what it has done of one now and then.
A worker limits itself (processor time per item, address space); one that does not react is killed by the parent,
which reads its processor time, and by the system if the parent was killed. What a lost worker had not handed over is
done again by its successor, except for the item that it died on.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import ceil
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic, process_time
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

from compiled_ai.errors import CompiledAIError, SandboxFailed

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
_GRACE_SECONDS = 2.0
_TICKS = 4
"""A worker looks at the clock so many times within the time of an item."""
_UNSEEN = 10
"""Where the system does not tell a process's processor time: so many times the limit by the clock on the wall."""
_SOON = 0.25
"""Seconds after which a worker hands over; chunks grow while they take less than half of it."""
_LARGEST_CHUNK = 4096
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
_MOST_BARREN = 3
_MOST_AHEAD = 64
"""Chunks that may be under way or finished before the oldest one is, ..."""
_MOST_BYTES_AHEAD = 64 << 20
"""... and their bytes."""


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """What one record may use."""

    seconds: float = 10.0
    """Processor time; waiting for a model does not count. It is looked at in steps of a quarter of it."""
    memory_mb: int = 512
    """Address space beyond what a worker needs before it starts."""


class Bench(Protocol[T_contra]):
    """What a worker works at."""

    def take(self, index: int, item: T_contra) -> None:
        """Does an item, and keeps what came of it."""
        ...

    def lost(self, index: int, item: T_contra, why: str) -> None:
        """Keeps that an item has no result."""
        ...

    def hand_over(self) -> Any:
        """Makes lasting what was done since the last time, and returns it (it is pickled)."""
        ...

    def close(self) -> None: ...


class Job(Protocol[T_contra]):
    """What workers do; it is pickled once for each."""

    def open(self) -> Bench[T_contra]:
        """Called in the worker."""
        ...


@dataclass(slots=True)
class Chunk(Generic[T]):
    """Items that follow each other, on their way to a worker."""

    first: int
    """Index of the first item."""
    items: Sequence[T]
    size: int = 0
    """Bytes, about."""
    mark: Any = None
    """Whatever its maker knows of the place where it ends."""
    done: int = 0
    """Items that were handed over."""
    lost: dict[int, str] = field(default_factory=dict)
    """Index to reason, of items that a worker died on."""
    sent_done: int = 0
    """What was done of it when it was sent last."""
    barren: int = 0
    """How many workers in a row were lost with it that did nothing of it, at no item."""


@dataclass(frozen=True, slots=True)
class Piece(Generic[T]):
    """What a worker handed over of a chunk: `count` items from index `first` on."""

    chunk: Chunk[T]
    first: int
    count: int
    result: Any

    @property
    def is_last(self) -> bool:
        """True if the chunk is done with it."""
        return self.first + self.count == self.chunk.first + len(self.chunk.items)


Supply = Callable[[int], Chunk[T] | None]
"""Gives the next chunk of at most so many items; `None` at the end."""


def work(bench: Bench[T], chunk: Chunk[T], guard: Callable[[int, T], None] | None = None) -> Generator[Any, None, None]:
    """Does a chunk from where it stands, and yields `(count, result)` at every handing over."""
    take, handed_over, since = guard or bench.take, monotonic(), 0
    index = chunk.first + chunk.done
    for item in chunk.items[chunk.done :]:
        if chunk.lost and index in chunk.lost:
            bench.lost(index, item, chunk.lost[index])
        else:
            take(index, item)
        index += 1
        since += 1
        if monotonic() - handed_over > _SOON:
            yield since, bench.hand_over()
            handed_over, since = monotonic(), 0
    if since:
        yield since, bench.hand_over()


def work_here(job: Job[T], supply: Supply[T]) -> Generator[Piece[T], None, None]:
    """Does everything in this process, where nothing can be killed."""
    bench = job.open()
    try:
        while chunk := supply(_LARGEST_CHUNK // 8):
            for count, result in work(bench, chunk):
                piece = Piece(chunk, chunk.first + chunk.done, count, result)
                chunk.done += count
                yield piece
    finally:
        bench.close()


class WorkerProcess(Generic[T]):
    """One process, the chunk it has, and what the two share: the index of the current item, -1 between items."""

    def __init__(self, context: Any, job: Any, limits: RecordLimits) -> None:
        self.current = context.RawValue("q", -1)
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_serve, args=(child, job, self.current, limits), daemon=True)
        self.process.start()
        child.close()
        self.chunk: Chunk[T] | None = None
        self.ready = False
        self.sent_at = 0.0
        self.seen: tuple[int, float] = (-1, 0.0)
        """The current item, and the processor time that the worker had used when it was first seen there."""

    def send(self, chunk: Chunk[T]) -> None:
        self.chunk, self.sent_at = chunk, monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen as lost when it is read
            chunk.sent_done = chunk.done
            self.pipe.send((chunk.first, chunk.items, chunk.done, chunk.lost))

    def overruns(self, limits: RecordLimits) -> bool:
        """True if it has been at one item for longer than it may, and does not stop itself."""
        index = self.current.value
        if monotonic() - self.sent_at < limits.seconds or index < 0:
            return False
        used = _processor_seconds(self.process.pid)
        clock, patience = (monotonic(), _UNSEEN) if used is None else (used, 1 + 1 / _TICKS)
        if index != self.seen[0]:
            self.seen = (index, clock)
        return clock - self.seen[1] > limits.seconds * patience + _GRACE_SECONDS

    def dismiss(self) -> None:
        """Lets an idle worker end by itself."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def end(self, patience_seconds: float) -> bool:
        """Waits for it, then kills it; returns whether it had to be killed."""
        self.process.join(patience_seconds)
        killed = bool(self.process.exitcode != 0)
        with contextlib.suppress(ProcessLookupError, AttributeError):
            self.process.kill()
        self.process.join()
        self.pipe.close()
        return killed


@dataclass(slots=True)
class KillablePool(Generic[T]):
    """Applies a job to items, in order."""

    job: Job[T]
    workers: int
    limits: RecordLimits = field(default_factory=RecordLimits)
    buried: Callable[[int], None] = lambda process: None
    """Told the process of each worker that died or was killed."""
    draws_ahead: bool = True
    """Draw chunks while all workers are busy, so that none waits for its next one. Not for a supply that blocks."""
    _alive: list[WorkerProcess[T]] = field(default_factory=list)
    _again: deque[Chunk[T]] = field(default_factory=deque)
    _ready: deque[Chunk[T]] = field(default_factory=deque)
    """Chunks that were drawn while the workers were busy: who has done one does not wait for the next."""
    _done: dict[int, Piece[T]] = field(default_factory=dict)
    _ahead: deque[Chunk[T]] = field(default_factory=deque)
    """Chunks that are not yielded to their end, in order."""
    _chunk: int = 4
    _fruitless: int = 0
    _ended: bool = False

    def map(self, supply: Supply[T]) -> Generator[Piece[T], None, None]:
        """Yields what was done, piece by piece, in the order of the items; close the generator to end all workers."""
        context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
        if hasattr(context, "set_forkserver_preload"):
            context.set_forkserver_preload(["compiled_ai.runtime.batch", "compiled_ai.runtime.store"])
        due = -1
        try:
            while not self._ended or self._ahead:
                self._hire(context)
                self._draw(supply)
                for worker in self._alive:
                    self._give(worker)
                if due < 0 and self._ahead:
                    due = self._ahead[0].first  # a batch that goes on after a checkpoint does not begin at 0
                self._collect()
                while (piece := self._done.pop(due, None)) is not None:
                    if piece.is_last:
                        self._ahead.popleft()
                    due += piece.count
                    yield piece
        finally:
            self._end()

    def _hire(self, context: Any) -> None:
        while len(self._alive) < self.workers and not (self._ended and self._alive):
            self._alive.append(WorkerProcess(context, self.job, self.limits))

    def _draw(self, supply: Supply[T]) -> None:
        """Takes chunks from the supply: one for every idle worker, and if it may draw ahead one more for each."""
        idle = sum(worker.ready and worker.chunk is None for worker in self._alive)
        wanted = max(idle - len(self._again), 0) + (self.workers if self.draws_ahead else 0)
        while not self._ended and len(self._ready) < wanted and not self._is_crowded():
            chunk = supply(self._chunk)
            if chunk is None:
                self._ended = True
            else:
                self._ahead.append(chunk)
                self._ready.append(chunk)

    def _is_crowded(self) -> bool:
        return len(self._ahead) >= _MOST_AHEAD or sum(chunk.size for chunk in self._ahead) > _MOST_BYTES_AHEAD

    def _give(self, worker: WorkerProcess[T]) -> None:
        """Gives an idle worker a chunk, if there is one; what a lost worker left comes first."""
        waiting = self._again or self._ready
        if waiting and worker.ready and worker.chunk is None:
            worker.send(waiting.popleft())

    def _collect(self) -> None:
        readable = wait([worker.pipe for worker in self._alive], timeout=0.1)
        for worker in list(self._alive):
            if worker.pipe in readable:
                self._receive(worker)
            elif worker.chunk is not None and worker.overruns(self.limits):
                self._lose(worker, f"stopped after more than {self.limits.seconds:g} s of processor time")

    def _receive(self, worker: WorkerProcess[T]) -> None:
        try:
            told = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(timeout=5)
            self._lose(worker, _how_it_ended(worker.process.exitcode))
            return
        if isinstance(told, CompiledAIError):
            raise told
        worker.ready, self._fruitless = True, 0
        if told is None or (chunk := worker.chunk) is None:
            return
        count, result = told
        piece = Piece(chunk, chunk.first + chunk.done, count, result)
        chunk.done += count
        self._done[piece.first] = piece
        if piece.is_last:
            worker.chunk = None
            self._adapt(monotonic() - worker.sent_at)
            self._give(worker)

    def _adapt(self, seconds: float) -> None:
        if seconds < _SOON / 2:
            self._chunk = min(self._chunk * 2, _LARGEST_CHUNK)
        elif seconds > 4 * _SOON:
            self._chunk = max(self._chunk // 2, 1)

    def _lose(self, worker: WorkerProcess[T], why: str) -> None:
        """Takes a dead or stuck worker out; the item that it was at is lost, the others are done again."""
        current, chunk = worker.current.value, worker.chunk
        self._bury(worker, 0)
        self._alive.remove(worker)
        if not worker.ready or current < 0 or chunk is None:
            self._fruitless += 1
            if self._fruitless > 2 + self.workers:
                raise SandboxFailed(
                    f"Workers cannot be started: {why}.",
                    remedy="In a script, call the batch under `if __name__ == '__main__':`.",
                )
        if chunk is not None:
            chunk.barren = 0 if current >= 0 or chunk.done > chunk.sent_done else chunk.barren + 1
            if chunk.barren > _MOST_BARREN:
                raise SandboxFailed(
                    f"A worker ends again and again at record {chunk.first + chunk.done} or soon after: {why}.",
                    remedy="This is a fault of compiled-ai: please report it. Take the record out to go on.",
                )
            if current >= 0:
                chunk.lost[current] = why
            self._again.append(chunk)

    def _bury(self, worker: WorkerProcess[T], patience_seconds: float) -> None:
        process = worker.process.pid
        if worker.end(patience_seconds) and process is not None:
            self.buried(process)

    def _end(self) -> None:
        """Idle workers end by themselves; the others are killed."""
        for worker in self._alive:
            if worker.chunk is None:
                worker.dismiss()
        for worker in self._alive:
            self._bury(worker, 5.0 if worker.chunk is None else 0)
        self._alive.clear()


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the worker was ended by {signal.Signals(-code).name}"
    return f"the worker ended with exit code {code}"


def _processor_seconds(pid: int | None) -> float | None:
    """Processor time of another process, or `None` where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


# ---------------------------------------------------------------------------------------------- in the worker


class _Overran(BaseException):
    """Raised in a worker by its timer; no `except Exception` of an artifact stops it."""


def _serve(pipe: Connection, job: Job[Any], current: Any, limits: RecordLimits) -> None:
    """The main loop of a worker process."""
    for harmless in (signal.SIGINT, signal.SIGTERM):  # the parent ends its workers
        signal.signal(harmless, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            bench = job.open()
        except CompiledAIError as fault:
            pipe.send(fault)
            return
        try:
            _limit_memory(limits)
            _collect_rarely()
            guard = _Guard(bench, current, limits)
            pipe.send(None)
            while (told := pipe.recv()) is not None:
                first, items, done, lost = told
                _allow_time(limits)
                for handed_over in work(bench, Chunk(first, items, done=done, lost=lost), guard.take):
                    pipe.send(handed_over)
                    gc.collect(1)
                    _allow_time(limits)
        except CompiledAIError as fault:
            pipe.send(fault)
        finally:
            bench.close()


def _collect_rarely() -> None:
    """What is kept until it is handed over must not be looked through again and again for reference cycles.

    Cycles are collected when something was handed over, and within an item or between them after so many objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


class _Guard:
    """Holds each item to its limits, at the cost of two assignments: a timer ticks beside, whatever the item."""

    def __init__(self, bench: Bench[Any], current: Any, limits: RecordLimits) -> None:
        self.bench, self.current, self.limits = bench, current, limits
        self.at, self.ticks = -1, 0
        if hasattr(signal, "SIGPROF"):
            signal.signal(signal.SIGPROF, self._tick)
            signal.setitimer(signal.ITIMER_PROF, limits.seconds / _TICKS, limits.seconds / _TICKS)

    def take(self, index: int, item: Any) -> None:
        try:
            self.current.value = index
            self.bench.take(index, item)
            self.current.value = -1
        except _Overran:
            self.current.value = -1
            self.bench.lost(index, item, f"stopped after {self.limits.seconds:g} s of processor time")
        except MemoryError:
            self.current.value = -1
            self.bench.lost(index, item, f"stopped at {self.limits.memory_mb} MB of memory")

    def _tick(self, _: int, __: FrameType | None) -> None:
        """The tick after `_TICKS` full steps within one item stops it."""
        index = self.current.value
        self.ticks = self.ticks + 1 if index == self.at else 0
        self.at = index
        if index >= 0 and self.ticks >= _TICKS:
            self.ticks = 0
            raise _Overran


def _allow_time(limits: RecordLimits) -> None:
    """The system ends a worker that is stuck where no timer of Python reaches it, if its parent was killed meanwhile.

    Twice what the parent grants, so that a parent that lives comes first.
    """
    try:
        import resource

        most = process_time() + 2 * (limits.seconds * (1 + 1 / _TICKS) + _GRACE_SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (ceil(most), resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, OSError, ValueError):
        return  # not every system limits processor time; the parent does in any case


def _limit_memory(limits: RecordLimits) -> None:
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + limits.memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError, IndexError):
        return  # not every system limits address space; the time limit holds in any case
