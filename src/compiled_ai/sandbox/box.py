"""The outside of the sandbox: what is asked, what comes back, and how little of that is believed.

Inputs go in, outputs come out. What a right output would be never enters, so the worst that code in there can do is
to spoil its own outcome. Each answer is one length-limited frame of JSON, must carry the number of the next
unanswered input, and is decoded and type-checked here.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, get_args

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import InputError, SandboxFailed
from compiled_ai.library.context import EffectKind
from compiled_ai.library.loading import ALLOWED_IMPORTS
from compiled_ai.library.types import FieldType, Mismatch, decoder, encoder, type_from_json, type_to_json
from compiled_ai.sandbox.frames import HEAD, Reader, frame
from compiled_ai.sandbox.launch import REMEDY, Level, sandbox_level, start, why_no_bubblewrap
from compiled_ai.sandbox.variants import HOME, Variant

Status = Literal["value", "raised", "limit", "missing", "overrun"]
_WINDOW_BYTES, _WINDOW_INPUTS = 262_144, 256
_CPU_SIGNALS = frozenset({signal.SIGXCPU, signal.SIGPROF})


@dataclass(frozen=True, slots=True)
class Limits:
    memory_mb: int = 512
    call_seconds: float = 2.0
    """CPU time of one call."""
    cpu_seconds: float = 60.0
    """CPU time of one child, which answers many calls."""
    wall_seconds: float = 30.0
    """Longest wait for the next answer."""
    output_bytes: int = 8 * 1024 * 1024
    """Longest single answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one input. `limit` and `missing` are the code's fault; `overrun` means that nobody could tell."""

    status: Status
    value: Any = None
    """JSON, checked against the declared type; only with status `value`."""
    error_type: str = ""
    message: str = ""
    line: int | None = None
    """Line of the module where the exception passed."""
    microseconds: int = 0
    changed_arguments: bool = False


@dataclass(frozen=True, kw_only=True)
class Call:
    """Calls one function of a module; a request is the JSON list of its arguments."""

    source: str
    function: str
    parameters: Sequence[FieldType]
    result: FieldType
    imports: Iterable[str] = ALLOWED_IMPORTS
    name: str = "candidate"
    numbers: bool = False
    """Integers and floats are passed as decimals (functions that come from rules)."""
    trace: bool = False
    """Collect which lines ran (many times slower)."""
    fenced: bool = True
    """The loader refuses reflection as it does in a run; without it, this sandbox stands alone."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Data of the module's reference tables, by file name."""

    def header(self) -> dict[str, Any]:
        return {
            "runner": "compiled_ai.sandbox.calls",
            "source": self.source,
            "name": self.name,
            "imports": sorted(self.imports),
            "function": self.function,
            "parameters": [_described(kind) for kind in self.parameters],
            "result": _described(self.result),
            "numbers": self.numbers,
            "trace": self.trace,
            "fenced": self.fenced,
            "tables": dict(self.tables),
        }

    def checker(self) -> Callable[[Any], Any]:
        return type_checker(self.result)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Steps a whole workflow; a request is `{"input", "effects", "reviews", "approve"}`.

    With `approve`, a review without problems is approved as proposed. The value is `{"end": "done", "output",
    "approved"}`, `{"end": "failed", "error", "code", "step"}`, or `{"end": "lacking", "step", "kind", "problems"}`
    where the run asks for an effect that did not come with the request.
    """

    source: str
    program: str
    """Text of `program.json`."""
    name: str = "candidate"
    tables: Mapping[str, str] = field(default_factory=dict)
    """Data of the module's reference tables, by file name."""

    def header(self) -> dict[str, Any]:
        return {
            "runner": "compiled_ai.sandbox.runs",
            "source": self.source,
            "program": self.program,
            "name": self.name,
            "tables": dict(self.tables),
            "advance": False,
        }

    def checker(self) -> Callable[[Any], Any]:
        output = type_checker(type_from_json(parse_json(self.program)["output"]))

        def check(value: Any) -> Any:
            end = value.get("end") if isinstance(value, dict) else None
            if end == "done":
                return {"end": "done", "output": output(value.get("output")), "approved": value.get("approved") or 0}
            names = {"failed": ("error", "code", "step"), "lacking": ("step", "kind", "problems")}.get(str(end))
            if names is None:
                raise Mismatch("no end of a run")
            return {"end": end} | {name: str(value.get(name))[:2000] for name in names}

        return check


@dataclass(frozen=True, kw_only=True)
class Advance:
    """Takes runs one step further, for an engine that answers effects itself; a request is `{"input", "effects"}`.

    `effects` lists what is recorded (the fields of `library.recorded.Recorded`). The value is `{"end": "pending",
    "requests": [{"step", "kind", "item", "attempt", "payload"}]}`, `{"end": "done", "output", "evidence"}`, or
    `{"end": "failed", "error", "code", "step"}`.
    """

    source: str
    program: str
    name: str = "candidate"
    tables: Mapping[str, str] = field(default_factory=dict)

    def header(self) -> dict[str, Any]:
        job = Run(source=self.source, program=self.program, name=self.name, tables=self.tables)
        return job.header() | {"advance": True}

    def checker(self) -> Callable[[Any], Any]:
        described = parse_json(self.program)
        output = type_checker(type_from_json(described["output"]))
        steps = {step["name"] for step in described["steps"]} | {"today", "clock", "id"}

        def check(value: Any) -> Any:
            match value:
                case {"end": "done", "output": result, "evidence": dict() as evidence}:
                    return {"end": "done", "output": output(result), "evidence": evidence}
                case {"end": "failed", "error": str() as error, "code": str() as code, "step": str() as step}:
                    return {"end": "failed", "error": error[:2000], "code": code[:40], "step": step[:200]}
                case {"end": "pending", "requests": [_, *_] as requests}:
                    return {"end": "pending", "requests": [_checked_request(each, steps) for each in requests]}
            raise Mismatch("no end of a step")

        return check


def _checked_request(told: Any, steps: set[str]) -> dict[str, Any]:
    """An effect may be asked for by a declared step only."""
    match told:
        case {"step": str() as step, "kind": str() as kind, "item": int() as item, "attempt": int() as attempt}:
            if step in steps and kind in get_args(EffectKind) and item >= 0 <= attempt:
                payload = told.get("payload")
                if isinstance(payload, dict):
                    return {"step": step, "kind": kind, "item": item, "attempt": attempt, "payload": payload}
    raise Mismatch("no request of a declared step")


Job = Call | Run | Advance


@dataclass(slots=True)
class Measures:
    """What a job's children said of themselves, unchecked beyond its shape."""

    arcs: set[tuple[int, int]] = field(default_factory=set)
    children: int = 0


class Sandbox:
    """Runs untrusted code. A context manager; may be used by several threads.

    Args:
        limits: what code may use.
        require: refuse to run without bubblewrap.
        preload: modules that the code may need and that are not preloaded anyway.

    Raises:
        SandboxFailed: there is no bubblewrap and it is required, or the sandbox itself broke.
    """

    def __init__(
        self,
        limits: Limits = Limits(),
        *,
        require: bool = False,
        preload: Sequence[str] = (),
        level: Level | None = None,
    ) -> None:
        self.limits = limits
        self.level: Level = level or sandbox_level()
        self._preload = tuple(preload)
        self._warm: dict[int, _WarmProcess] = {}
        self._lock = threading.Lock()
        if self.level != "bubblewrap":
            _warn_or_refuse(require)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process of this sandbox."""
        with self._lock:
            for process in self._warm.values():
                process.end()
            self._warm.clear()

    def prepare(self, variant: Variant = HOME) -> None:
        """Starts the warm process for a variant without waiting for it."""
        self._process(variant.hash_seed)

    def call_many(
        self,
        job: Job,
        requests: Iterable[Any],
        *,
        variant: Variant = HOME,
        restarts: int = 8,
        measures: Measures | None = None,
    ) -> list[Outcome]:
        """Returns one outcome for each request (JSON values), in order; see `stream`."""
        return list(self.stream(job, requests, variant=variant, restarts=restarts, measures=measures))

    def stream(
        self,
        job: Job,
        requests: Iterable[Any],
        *,
        variant: Variant = HOME,
        restarts: int | None = None,
        measures: Measures | None = None,
    ) -> Iterator[Outcome]:
        """Yields one outcome for each request, in order, reading requests as they are needed.

        A child that ends at one input costs that input; the next goes to a fresh child. After `restarts` of them
        (`None`: never) the rest is `missing`.
        """
        pending = _Requests(requests)
        check = job.checker()
        header = canonical_json(job.header() | {"call_seconds": self.limits.call_seconds})
        while pending.more():
            session = self._open(header, variant)
            try:
                yield from session.answers(pending, check, measures or Measures())
            finally:
                session.end()
            if session.verdict is None or pending.take() is None:
                return
            yield session.verdict
            if session.fatal or (restarts is not None and restarts <= 0):
                rest = (
                    session.verdict if session.fatal else Outcome("missing", message="earlier inputs ended the process")
                )
                for _ in iter(pending.take, None):
                    yield rest
                return
            restarts = None if restarts is None else restarts - 1

    def _process(self, hash_seed: int) -> _WarmProcess:
        with self._lock:
            process = self._warm.get(hash_seed)
            if process is None or not process.alive:
                if process is not None:
                    process.end()
                process = self._warm[hash_seed] = _WarmProcess(self.level, hash_seed, self._preload)
            return process

    def _open(self, header: str, variant: Variant) -> _Session:
        limits = self.limits
        options = {
            "memory_mb": limits.memory_mb,
            "cpu_seconds": limits.cpu_seconds,
            "output_bytes": limits.output_bytes,
            "unprivileged": self.level == "process",
            "variant": variant.as_json(),
        }
        job, status = self._process(variant.hash_seed).fork(json.dumps(options).encode())
        return _Session(job, status, header, limits)


_warned = threading.Event()


def _warn_or_refuse(require: bool) -> None:
    reason = why_no_bubblewrap() or "it was not asked for"
    if require:
        raise SandboxFailed(f"A sandbox is required, and bubblewrap cannot be used: {reason}.", remedy=REMEDY)
    if not _warned.is_set():
        _warned.set()
        print(
            f"warning: no bubblewrap ({reason}): untrusted code runs in a subprocess with resource limits only.",
            file=sys.stderr,
        )


class _WarmProcess:
    """The host's end of one warm process."""

    def __init__(self, level: Level, hash_seed: int, preload: Sequence[str]) -> None:
        kind = socket.SOCK_SEQPACKET if sys.platform.startswith("linux") else socket.SOCK_STREAM
        self._control, inner = socket.socketpair(socket.AF_UNIX, kind)
        with inner:
            self._process: subprocess.Popen[bytes] = start(level, inner, hash_seed=hash_seed, preload=preload)
        self._lock = threading.Lock()
        self._ready = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, options: bytes) -> tuple[socket.socket, socket.socket]:
        """Asks for a child; returns the sockets of its job and of its status."""
        job, inner_job = socket.socketpair()
        status, inner_status = socket.socketpair()
        with inner_job, inner_status, self._lock:
            try:
                self._await_ready()
                socket.send_fds(self._control, [options], [inner_job.fileno(), inner_status.fileno()])
            except OSError as fault:
                job.close()
                status.close()
                raise SandboxFailed(f"The sandbox ended by itself: {fault}.", remedy=REMEDY) from fault
        return job, status

    def _await_ready(self) -> None:
        if not self._ready:
            self._control.settimeout(60)
            if self._control.recv(64) != b"ready":
                raise ConnectionError(f"its warm process did not start (exit {self._process.poll()})")
            self._ready = True

    def end(self) -> None:
        self._control.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _Requests:
    """The requests of a job: read lazily, sent in order, kept until answered."""

    def __init__(self, requests: Iterable[Any]) -> None:
        self._source = iter(requests)
        self._waiting: deque[bytes] = deque()
        self._sent = 0

    def more(self) -> bool:
        self._sent = 0
        return bool(self._waiting) or self._read()

    def _read(self) -> bool:
        for value in self._source:
            self._waiting.append(frame(canonical_json(value)))
            return True
        return False

    def next_to_send(self) -> bytes | None:
        """Returns the next frame for a child, or `None` when there is no more."""
        if self._sent == len(self._waiting) and not self._read():
            return None
        self._sent += 1
        return self._waiting[self._sent - 1]

    @property
    def unanswered(self) -> int:
        return self._sent

    def take(self) -> bool | None:
        """Drops the oldest; `None` when there is none."""
        if not self._waiting and not self._read():
            return None
        self._waiting.popleft()
        self._sent = max(0, self._sent - 1)
        return True


class _Session:
    """One child: sends requests ahead, takes answers in order, and judges how it ended."""

    def __init__(self, job: socket.socket, status: socket.socket, header: str, limits: Limits) -> None:
        self._job, self._status, self._limits = job, status, limits
        self._out = bytearray(frame(header))
        self._reader = Reader(limits.output_bytes + 256)
        self._inputs_ended = False
        self._over = False
        self._confined = False
        self._loaded = False
        self._next = 0
        self.verdict: Outcome | None = None
        """Outcome of the oldest unanswered request, if the child ended before its time."""
        self.fatal = False
        """The module could not even be loaded: the verdict is that of every request."""

    def answers(self, pending: _Requests, check: Callable[[Any], Any], measures: Measures) -> Iterator[Outcome]:
        """Yields outcomes until all requests are answered (no verdict) or the child is given up (a verdict)."""
        measures.children += 1
        self._job.setblocking(False)
        deadline = time.monotonic() + self._limits.wall_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._job, selectors.EVENT_READ)
            while not self._over:
                data = self._exchange(selector, pending, deadline)
                if data is None:
                    return self._give_up(
                        Outcome("overrun", message=f"no answer within {self._limits.wall_seconds:g} s")
                    )
                for outcome in self._outcomes(data, pending, check, measures):
                    yield outcome
                    deadline = time.monotonic() + self._limits.wall_seconds
                if not data and not self._over:
                    self._give_up(self._how_it_ended())

    def _give_up(self, verdict: Outcome) -> None:
        self.verdict, self._over = verdict, True
        self.fatal = not self._loaded

    def _exchange(self, selector: selectors.BaseSelector, pending: _Requests, deadline: float) -> bytes | None:
        """Sends what can be sent until something comes; `None` when the time is up, empty at the end of the stream."""
        while True:
            self._fill(pending)
            selector.modify(self._job, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0))
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                return None
            if ready[0][1] & selectors.EVENT_WRITE:
                self._send()
            if ready[0][1] & selectors.EVENT_READ:
                return self._receive()

    def _outcomes(
        self, data: bytes, pending: _Requests, check: Callable[[Any], Any], measures: Measures
    ) -> Iterator[Outcome]:
        try:
            for body in self._reader.feed(data):
                number, outcome = _read_answer(body, check, measures)
                if number < 0:
                    self._take_sign(number, outcome, pending)
                elif number == self._next and self._loaded and pending.unanswered and outcome is not None:
                    self._next += 1
                    pending.take()
                    yield outcome
                else:
                    raise InputError("an answer out of turn")
                if self._over:
                    return
        except OverflowError as fault:
            self._give_up(Outcome("limit", message=str(fault)))
        except InputError as fault:
            self._give_up(Outcome("missing", message=f"the result stream is broken: {fault.message}"))

    def _take_sign(self, number: int, outcome: Outcome | None, pending: _Requests) -> None:
        """What is no answer: confined, ready (or why not), and the end; each once and in this order."""
        if number == -3 and not self._confined:
            self._confined = True
        elif number == -1 and self._confined and not self._loaded:
            if outcome is not None:
                self._give_up(outcome)
            self._loaded = True
        elif number == -2 and self._inputs_ended and not pending.unanswered:
            self._over = True
        else:
            raise InputError("a sign out of turn")

    def _fill(self, pending: _Requests) -> None:
        while not self._inputs_ended and len(self._out) < _WINDOW_BYTES and pending.unanswered < _WINDOW_INPUTS:
            following = pending.next_to_send()
            if following is None:
                self._inputs_ended = True
                self._out += HEAD.pack(0)
            else:
                self._out += following

    def _send(self) -> None:
        try:
            del self._out[: self._job.send(self._out)]
        except BlockingIOError:
            return
        except OSError:  # it has ended; what it said before is still to be read
            self._out.clear()
            self._inputs_ended = True

    def _receive(self) -> bytes:
        try:
            return self._job.recv(1_048_576)
        except OSError:
            return b""

    def _how_it_ended(self) -> Outcome:
        """Asks the warm process, which cannot be fooled by its child."""
        self._status.settimeout(self._limits.wall_seconds)
        try:
            told = self._status.recv(1024)
        except OSError:
            told = b""
        if not told:
            return Outcome("overrun", message="the sandbox lost its process, or it closed its stream and went on")
        status = json.loads(told)
        if not self._confined:
            return Outcome("overrun", message=f"the sandbox could not confine its process (exit {status['exit']})")
        code, cpu = status["exit"], status["cpu"]
        spent = cpu >= min(self._limits.cpu_seconds, self._limits.call_seconds) * 0.9
        if -code in _CPU_SIGNALS or (code == -signal.SIGKILL and spent):
            return Outcome("limit", message="CPU time limit passed")  # without a figure: feedback is the same each time
        if code == -signal.SIGKILL:
            return Outcome("overrun", message="killed from outside (the machine may be out of memory)")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Outcome("missing", message=f"the process ended without an answer ({how})")

    def end(self) -> None:
        """Gives the child up: the warm process kills it when its status socket closes."""
        self._job.close()
        self._status.close()


def _read_answer(body: bytes, check: Callable[[Any], Any], measures: Measures) -> tuple[int, Outcome | None]:
    """Reads one frame, as from an enemy; raises `InputError` for anything that is not an answer."""
    match parse_json(body):
        case [-3, "confined"]:
            return -3, None
        case [-1, "ready"]:
            return -1, None
        case [-2, "end", dict() as told]:
            measures.arcs |= _arcs(told.get("arcs"))
            return -2, None
        case [int() as number, "value", int() as micros, bool() as changed, value]:
            try:
                checked = check(value)
            except Mismatch as fault:
                return number, Outcome("raised", error_type="TypeError", message=f"result does not fit: {fault}"[:500])
            except (ValueError, ArithmeticError, RecursionError) as fault:
                raise InputError(f"unreadable value ({type(fault).__name__})") from None
            return number, Outcome("value", checked, microseconds=max(0, micros), changed_arguments=changed)
        case [int() as number, "raised", int() as micros, str() as kind, str() as message, int() as line]:
            return number, Outcome(
                "raised", error_type=kind[:200], message=message[:500], line=line or None, microseconds=max(0, micros)
            )
        case [int() as number, "limit", str() as what]:
            return number, Outcome("limit", message=f"{what[:20]} limit passed")
        case _:
            raise InputError("not an answer")


def _arcs(told: Any) -> set[tuple[int, int]]:
    if not isinstance(told, list):
        return set()
    return {
        (pair[0], pair[1]) for pair in told if isinstance(pair, list) and [type(part) for part in pair] == [int, int]
    }


def _described(kind: FieldType) -> dict[str, Any]:
    return type_to_json(kind)


def type_checker(kind: FieldType) -> Callable[[Any], Any]:
    """Returns a function that takes JSON of a type to its normal form; it raises `Mismatch`."""
    classes = stand_ins(kind)
    decode, encode = decoder(kind, classes), encoder(kind, classes)
    return lambda value: encode(decode(value))


def stand_ins(kind: FieldType) -> dict[str, type]:
    """Returns a bare class for each object type within: the artifact's own classes stay inside the sandbox."""
    found: dict[str, type] = {}
    inner = [each.type for each in kind.fields] + ([kind.items] if kind.items else [])
    for each in inner:
        found |= stand_ins(each)
    if kind.kind == "object":
        found[kind.class_name or ""] = _stand_in([each.identifier for each in kind.fields])
    return found


def _stand_in(names: Sequence[str]) -> type:
    def __init__(self: Any, *values: Any) -> None:
        for name, value in zip(names, values, strict=True):
            setattr(self, name, value)

    return type("StandIn", (), {"__slots__": tuple(names), "__init__": __init__})
