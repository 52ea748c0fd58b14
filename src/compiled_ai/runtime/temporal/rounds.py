"""Rounds of runs in processes that can be killed: a function that never ends costs its run, and no thread of a worker.

Only stepping happens there, which is pure: the processes have no store, no keys and no model. They hold the artifacts
of their worker, and replay a run from its input and its recorded effects.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue
from threading import Lock
from typing import Any

from compiled_ai.errors import CompiledAIError, SandboxFailed
from compiled_ai.runtime.pool import Chunk, RecordLimits, WorkerProcess
from compiled_ai.runtime.stepper import Done, EffectLike, Failed, Outcome, Program, Stepping, load_program

_LOOK_SECONDS = 0.25
_DIED = "The process of the artifact died twice in this round."


@dataclass(frozen=True, slots=True)
class _Round:
    """One round: what it depends on."""

    digest: str
    input: Any
    effects: tuple[EffectLike, ...]


@dataclass(frozen=True)
class _Job:
    """What the processes hold: the verified texts of the artifacts, and what is installed of their environment."""

    programs: Mapping[str, Mapping[str, str]]

    def open(self) -> _Bench:
        return _Bench({digest: load_program(files, digest=digest) for digest, files in self.programs.items()})


class _Bench:
    """Steps one run at a time."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self._programs = programs
        self._came: Outcome | CompiledAIError | None = None

    def take(self, _: int, item: _Round) -> None:
        try:
            with Stepping(self._programs[item.digest], item.input, item.effects) as stepping:
                outcome = stepping.advance()
        except CompiledAIError as fault:
            self._came = fault
            return
        self._came = outcome.alone() if isinstance(outcome, Done) else outcome

    def lost(self, _: int, item: _Round, why: str) -> None:
        self._came = _stopped(why)

    def hand_over(self) -> Outcome | CompiledAIError | None:
        return self._came

    def close(self) -> None:
        return


class Rounds:
    """Steps runs in a few processes that many threads share; used as `Stepping.advance`."""

    def __init__(
        self, programs: Sequence[Program], *, processes: int | None = None, limits: RecordLimits | None = None
    ) -> None:
        self._job = _Job({program.digest: program.files for program in programs})
        self._limits = limits or RecordLimits()
        self._context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
        if hasattr(self._context, "set_forkserver_preload"):
            self._context.set_forkserver_preload(["compiled_ai.runtime.batch", "compiled_ai.runtime.store"])
        self._idle: SimpleQueue[WorkerProcess[_Round] | None] = SimpleQueue()
        for _ in range(processes or processors()):
            self._idle.put(None)  # started when it is first needed
        self._index = count().__next__
        self._alive: set[WorkerProcess[_Round]] = set()
        self._lock = Lock()

    def __call__(self, stepping: Stepping) -> Outcome:
        """Steps a run; what uses more than a round may is `Failed` with code `stopped`.

        Raises `SandboxFailed` if no process can be started.
        """
        program = stepping.program
        item = _Round(program.digest, program.encode_input(stepping.input), stepping.effects)
        came = self._tried(item) or self._tried(item) or Failed(_DIED, code="stopped")
        if isinstance(came, CompiledAIError):
            raise came
        return came

    def _tried(self, item: _Round) -> Outcome | CompiledAIError | None:
        """One round in an idle process; `None` if the process died of something else than its limits."""
        process = self._idle.get() or self._start()
        try:
            return self._done(process, item)
        finally:
            with self._lock:
                self._idle.put(process if process in self._alive else None)

    def _start(self) -> WorkerProcess[_Round]:
        try:
            process: WorkerProcess[_Round] = WorkerProcess(self._context, self._job, self._limits)
        except BaseException:
            self._idle.put(None)
            raise
        with self._lock:
            self._alive.add(process)
        return process

    def _done(self, process: WorkerProcess[_Round], item: _Round) -> Outcome | CompiledAIError | None:
        if not process.ready:
            told = self._told(process)
            if told is None or isinstance(told, Failed):
                raise SandboxFailed("A process for rounds could not be started.", remedy="Restart the worker.")
            process.ready = True
        process.send(Chunk(self._index(), [item]))
        came: Outcome | CompiledAIError | None = self._told(process)
        return came

    def _told(self, process: WorkerProcess[_Round]) -> Any:
        """What came of a round (of the start: `True`); `None` if the process died."""
        while not process.pipe.poll(_LOOK_SECONDS):
            if process.overruns(self._limits):
                self._bury(process)
                return _stopped(f"stopped after more than {self._limits.seconds:g} s of processor time")
        try:
            told = process.pipe.recv()
        except (EOFError, OSError):
            self._bury(process)
            return None
        if isinstance(told, CompiledAIError):  # it could not even begin
            self._bury(process)
            raise told
        return True if told is None else told[1]

    def _bury(self, process: WorkerProcess[_Round]) -> None:
        with self._lock:
            self._alive.discard(process)
        process.end(0)

    def close(self) -> None:
        """Ends all processes; nobody waits for a round any more."""
        for process in self._alive:
            process.dismiss()
        for process in self._alive:
            process.end(5)
        self._alive.clear()


def _stopped(why: str) -> Failed:
    return Failed(f"The artifact was {why}.", code="stopped")


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


__all__ = ["Rounds", "processors"]
