"""A killable pool of processes: one record that never ends, or eats all memory, costs that record and nothing else.

Items go out in chunks, which grow while they are quick. A worker limits itself (processor time per item, address
space); one that does not react is killed by the parent, which reads its processor time. What a lost worker had not
handed back is run again by its successor, except for the item that it died on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic, process_time
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

from compiled_ai.errors import SandboxFailed

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
_GRACE_SECONDS = 2.0
_SOON = 0.05
_LARGEST_CHUNK = 256
_WINDOW = 64
"""Chunks that may be finished ahead of the oldest one under way."""


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """What one record may use."""

    seconds: float = 10.0
    """Processor time; waiting for a model does not count."""
    memory_mb: int = 512
    """Address space beyond what a worker needs before it starts."""


class Job(Protocol[T_contra, R_co]):
    """What a worker does; it is pickled once per worker."""

    def open(self) -> Callable[[T_contra], R_co]:
        """Called in the worker; returns the function that it applies to each item."""
        ...


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that has no result, and why."""

    error: str
    item: Any = None
    """The item itself (filled in by the parent)."""


class _Overran(BaseException):
    """Raised in a worker by its timer; no `except Exception` of an artifact stops it."""


class _Worker(Generic[T]):
    """One process, the chunk it has, and what the two share: current item, processor time at its start, busy."""

    def __init__(self, context: Any, job: Any, limits: RecordLimits) -> None:
        self.state = context.RawArray("d", 3)
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_serve, args=(child, job, self.state, limits), daemon=True)
        self.process.start()
        child.close()
        self.chunk: deque[tuple[int, T]] = deque()
        self.ready = False
        self.sent_at = 0.0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, AttributeError):
            self.process.kill()
        self.process.join()
        self.pipe.close()


@dataclass(slots=True)
class KillablePool(Generic[T, R]):
    """Applies a job to items, in order."""

    job: Job[T, R]
    workers: int
    limits: RecordLimits = field(default_factory=RecordLimits)
    _alive: list[_Worker[T]] = field(default_factory=list)
    _again: deque[tuple[int, T]] = field(default_factory=deque)
    _done: dict[int, R | Lost] = field(default_factory=dict)
    _chunk: int = 4
    _fruitless: int = 0

    def map(self, items: Iterator[T]) -> Generator[R | Lost, None, None]:
        """Yields one result for each item, in the order of the items; close the generator to end all workers."""
        context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
        if hasattr(context, "set_forkserver_preload"):
            context.set_forkserver_preload(["compiled_ai.runtime.batch"])
        source, due, ended = enumerate(items), 0, False
        try:
            while not ended or self._again or self._busy():
                ended = self._feed(context, source, due, ended)
                self._collect(context)
                while due in self._done:
                    yield self._done.pop(due)
                    due += 1
            while due in self._done:
                yield self._done.pop(due)
                due += 1
        finally:
            for worker in self._alive:
                worker.kill()
            self._alive.clear()

    def _busy(self) -> bool:
        return any(worker.chunk for worker in self._alive)

    def _feed(self, context: Any, source: Iterator[tuple[int, T]], due: int, ended: bool) -> bool:
        """Gives every idle worker a chunk; returns whether the source has ended."""
        while len(self._alive) < self.workers and not (ended and len(self._alive)):
            self._alive.append(_Worker(context, self.job, self.limits))
        for worker in self._alive:
            if worker.chunk or not worker.ready:
                continue
            if len(self._done) > _WINDOW * self._chunk and not self._again:
                continue
            while len(worker.chunk) < self._chunk and self._again:
                worker.chunk.append(self._again.popleft())
            while len(worker.chunk) < self._chunk and not ended:
                item = next(source, None)
                if item is None:
                    ended = True
                else:
                    worker.chunk.append(item)
            if worker.chunk:
                worker.sent_at = monotonic()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen as lost when it is read
                    worker.pipe.send(list(worker.chunk))
        return ended

    def _collect(self, context: Any) -> None:
        readable = wait([worker.pipe for worker in self._alive], timeout=0.1)
        for worker in list(self._alive):
            if worker.pipe in readable:
                self._receive(worker)
            elif worker.chunk and self._overruns(worker):
                self._lose(worker, f"stopped after more than {self.limits.seconds:g} s of processor time")

    def _receive(self, worker: _Worker[T]) -> None:
        try:
            results = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(timeout=5)
            self._lose(worker, _how_it_ended(worker.process.exitcode))
            return
        worker.ready = True
        for index, result in results:
            self._fruitless = 0
            _, item = worker.chunk.popleft()
            self._done[index] = Lost(result.error, item) if isinstance(result, Lost) else result
        if results and not worker.chunk:
            self._adapt(monotonic() - worker.sent_at)

    def _adapt(self, seconds: float) -> None:
        if seconds < _SOON:
            self._chunk = min(self._chunk * 2, _LARGEST_CHUNK)
        elif seconds > 4 * _SOON:
            self._chunk = max(self._chunk // 2, 1)

    def _overruns(self, worker: _Worker[T]) -> bool:
        if monotonic() - worker.sent_at < self.limits.seconds + _GRACE_SECONDS or not worker.state[2]:
            return False
        used = _processor_seconds(worker.process.pid)
        return used is None or used - worker.state[1] > self.limits.seconds + _GRACE_SECONDS

    def _lose(self, worker: _Worker[T], why: str) -> None:
        """Takes a dead or stuck worker out; the item that it was at is lost, the others are run again."""
        current = int(worker.state[0]) if worker.state[2] else None
        worker.kill()
        self._alive.remove(worker)
        if not worker.ready or current is None:
            self._fruitless += 1
            if self._fruitless > 2 + self.workers:
                raise SandboxFailed(
                    f"Workers cannot be started: {why}.",
                    remedy="In a script, call the batch under `if __name__ == '__main__':`.",
                )
        for index, item in worker.chunk:
            if index == current:
                self._done[index] = Lost(why, item)
            else:
                self._again.append((index, item))


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


def _serve(pipe: Connection, job: Job[Any, Any], state: Any, limits: RecordLimits) -> None:
    """The main loop of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = job.open()
    _limit_memory(limits)
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, _overran)
    pipe.send([])
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            _work_on(pipe.recv(), pipe, run, state, limits)


def _work_on(
    chunk: list[tuple[int, Any]], pipe: Connection, run: Callable[[Any], Any], state: Any, limits: RecordLimits
) -> None:
    results: list[tuple[int, Any]] = []
    handed_over = monotonic()
    for index, item in chunk:
        state[0], state[1], state[2] = index, process_time(), 1
        results.append((index, _guarded(run, item, limits)))
        state[2] = 0
        if monotonic() - handed_over > _SOON:
            pipe.send(results)
            results, handed_over = [], monotonic()
    if results:
        pipe.send(results)


def _guarded(run: Callable[[Any], Any], item: Any, limits: RecordLimits) -> Any:
    try:
        _set_timer(limits.seconds)
        result = run(item)
        _set_timer(0)
        return result
    except _Overran:
        _set_timer(0)
        return Lost(f"stopped after {limits.seconds:g} s of processor time")
    except MemoryError:
        _set_timer(0)
        return Lost(f"stopped at {limits.memory_mb} MB of memory")


def _set_timer(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _overran(_: int, __: FrameType | None) -> None:
    raise _Overran


def _limit_memory(limits: RecordLimits) -> None:
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + limits.memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError, IndexError):
        return  # not every system limits address space; the time limit holds in any case
