"""Inside the child: loads a module and calls one of its functions, input after input.

Everything here runs in the same process as the code that nobody trusts. Nothing that it says is believed: the host
checks every answer. What it must do well is to be right about code that is merely wrong.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from decimal import localcontext
from types import FrameType, ModuleType, TracebackType
from typing import Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.library.loading import load_module
from compiled_ai.library.lookups import load_tables
from compiled_ai.library.types import FieldType, decoder, encoder, type_from_json
from compiled_ai.library.values import NUMBERS, number

_NUMERIC = frozenset({"integer", "float", "decimal", "money"})
_MUTABLE = frozenset({"json", "object", "list"})
_SHOWN = 400


def prepare(job: Mapping[str, Any]) -> Calls:
    """Makes what answers the job's requests."""
    return Calls(job)


def loading_seconds(job: Mapping[str, Any]) -> float:
    """CPU time for loading a module: that of a call, and a second for each 500,000 characters of reference data."""
    seconds = float(job["call_seconds"]) + sum(map(len, job["tables"].values())) / 500_000
    return seconds


class Calls:
    """One function of one module, ready to be called."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._filename = f"<{job['name']}>"
        self._call_seconds = float(job["call_seconds"])
        self._tracer = Tracer(self._filename) if job["trace"] else None
        self.ready: list[Any] = ["ready"]
        signal.setitimer(signal.ITIMER_PROF, loading_seconds(job))
        try:
            with localcontext(NUMBERS):
                module = load_module(job["source"], job["name"], job["imports"], fenced=job["fenced"])
                load_tables(vars(module), job["tables"])
                self._bind(module, job)
        except MemoryError:
            self.ready = ["limit", "memory"]
        except BaseException as fault:
            self.ready = ["raised", 0, *describe(fault, self._filename)]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _bind(self, module: ModuleType, job: Mapping[str, Any]) -> None:
        parameters = [type_from_json(each) for each in job["parameters"]]
        result = type_from_json(job["result"])
        self._function: Callable[..., Any] = getattr(module, job["function"])
        self._decode = [_reader(kind, module, numbers=job["numbers"]) for kind in parameters]
        self._mutable = [
            (index, encoder(kind, vars(module))) for index, kind in enumerate(parameters) if kind.kind in _MUTABLE
        ]
        self._encode = encoder(result, vars(module))
        self._class = vars(module)[result.class_name] if result.class_name else None
        self._optional = result.optional
        self._call = self._tracer.call if self._tracer else _call

    def answer(self, index: int, request: bytes) -> str:
        """Calls the function with one list of arguments and returns the frame's text."""
        micros = 0
        try:
            arguments = [read(value) for read, value in zip(self._decode, parse_json(request), strict=True)]
            before = [canonical_json(encode(arguments[place])) for place, encode in self._mutable]
            with localcontext(NUMBERS):
                signal.setitimer(signal.ITIMER_PROF, self._call_seconds)
                start = time.perf_counter_ns()
                value = (
                    self._function(*arguments) if self._tracer is None else self._tracer.call(self._function, arguments)
                )
                micros = (time.perf_counter_ns() - start) // 1000
                signal.setitimer(signal.ITIMER_PROF, 0)
            self._check_type(value)
            after = [canonical_json(encode(arguments[place])) for place, encode in self._mutable]
            changed = "false" if before == after else "true"
            return f'[{index},"value",{micros},{changed},{canonical_json(self._encode(value))}]'
        except MemoryError:
            return f'[{index},"limit","memory"]'
        except BaseException as fault:
            return json.dumps([index, "raised", micros, *describe(fault, self._filename)])
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _check_type(self, value: object) -> None:
        if value is None and self._optional:
            return
        if self._class is not None and type(value) is not self._class:
            raise TypeError(f"returned {_name(type(value))}, expected {_name(self._class)}")

    def measures(self) -> dict[str, Any]:
        return {"arcs": sorted(self._tracer.arcs)[:20000]} if self._tracer else {}


def _call(function: Callable[..., Any], arguments: list[Any]) -> Any:
    return function(*arguments)


def _reader(kind: FieldType, module: ModuleType, *, numbers: bool) -> Callable[[Any], Any]:
    decode = decoder(kind, vars(module))
    if numbers and kind.kind in _NUMERIC:
        return lambda value: number(decode(value))
    return decode


class Tracer:
    """Collects which line of a file followed which."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self.arcs: set[tuple[int, int]] = set()
        self._last: dict[int, int] = {}

    def call(self, function: Callable[..., Any], arguments: list[Any]) -> Any:
        sys.settrace(self._enter)
        try:
            return function(*arguments)
        finally:
            sys.settrace(None)
            self._last.clear()

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != self._filename:
            return None
        self._last[id(frame)] = frame.f_code.co_firstlineno
        return self._line

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.arcs.add((self._last.get(id(frame), 0), frame.f_lineno))
            self._last[id(frame)] = frame.f_lineno
        elif event == "return":
            self.arcs.add((self._last.pop(id(frame), 0), -frame.f_code.co_firstlineno))
        return self._line


def describe(fault: BaseException, filename: str) -> list[Any]:
    """Returns kind, message and line of an exception, whatever it does when it is looked at."""
    try:
        text = BaseException.__str__(fault) if not isinstance(fault, KeyError) else repr(fault.args[0])
    except BaseException:  # an argument that cannot be shown
        text = ""
    return [_name(type(fault)), _plain(text), _line(fault.__traceback__, filename)]


def _name(kind: type) -> str:
    return _plain(type.__dict__["__name__"].__get__(kind))


def _plain(text: object) -> str:
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x...", str.__str__(text)[:_SHOWN]) if isinstance(text, str) else ""


def _line(traceback: TracebackType | None, filename: str) -> int:
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
