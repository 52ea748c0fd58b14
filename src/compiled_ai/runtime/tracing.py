"""A replay with a tracer on: which lines of an artifact ran, with which values, and which way each branch went.

Only code of the artifact's own module is traced. Everything that is kept is bounded, and no `repr` of the
artifact's own is called, so an artifact cannot make its explanation endless.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from inspect import CO_COROUTINE, CO_GENERATOR
from types import CodeType, FrameType
from typing import Any

from compiled_ai.canonical import plain_number
from compiled_ai.errors import InputError
from compiled_ai.library.lookups import RowTable
from compiled_ai.library.values import YearsMonths, format_days_time
from compiled_ai.runtime.stepper import EffectLike, Outcome, Program, Stepping

MOST_EVENTS = 200_000
"""After so many lines the tracer lets go; the replay itself goes on, and `truncated` says so."""
_MOST_VISITS = 3
_MOST_MARKS = 5_000
_LONGEST_VALUE = 120
_MOST_ITEMS = 5


@dataclass(slots=True)
class LineVisits:
    """What happened on one line."""

    count: int = 0
    values: list[dict[str, str]] = field(default_factory=list)
    """At a branch: the names that it reads, with their values, for the first few visits."""
    taken: list[bool] = field(default_factory=list)
    """Which way it went, for the first few visits."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on the way to a decision: a branch that was taken, or a value that was returned."""

    function: str
    line: int
    text: str
    """The branch's condition, or the return statement, in normal form: comparable between artifacts."""
    kind: str
    """`branch` or `return`."""
    values: tuple[tuple[str, str], ...] = ()
    rows: tuple[str, ...] = ()
    """Ids of the rows of a decision table that it stands for."""
    result: str = ""
    """What was returned, where rows decided it: which row that was is not to be seen in the statement."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a step's function (or of a function below it)."""

    function: str
    line: int
    arguments: tuple[tuple[str, str], ...]
    result: str


@dataclass(slots=True)
class Trace:
    """All that a traced replay saw."""

    lines: dict[int, LineVisits] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    """In order; branches that were not taken are left out."""
    calls: list[Call] = field(default_factory=list)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Traced:
    outcome: Outcome
    trace: Trace
    stepping: Stepping


def trace_run(program: Program, given: Any, effects: Sequence[EffectLike]) -> Traced:
    """Replays a run under a tracer. Raises `InputError` if the input does not fit this artifact."""
    stepping = Stepping(program, given, effects)
    return Traced(*advance_traced(stepping), stepping)


def advance_traced(stepping: Stepping) -> tuple[Outcome, Trace]:
    """Advances a run that has not begun yet, under a tracer."""
    tracer = _Tracer(stepping.program.filename, _Branches.of(stepping.program.source))
    before = sys.gettrace()
    sys.settrace(tracer.enter)
    try:
        outcome = stepping.advance()
    finally:
        sys.settrace(before)
    return outcome, tracer.trace


@dataclass(frozen=True, slots=True)
class _Branch:
    line: int
    header: int
    """Last line of the condition, which may span several."""
    first: int
    last: int
    """Lines of the body that runs if the condition holds."""
    text: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Branches:
    """What the source says of each line: the branch or return statement there, and where a long statement begins."""

    branches: dict[int, _Branch]
    returns: dict[int, str]
    starts: dict[int, int]
    rows: dict[int, str]
    """Lines that belong to a row of a decision table, by its id."""

    @classmethod
    def of(cls, source: str) -> _Branches:
        found = cls({}, {}, {}, {})
        lines_above = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.If, ast.Return)):
                row = _row_above(node.lineno, lines_above)
                if row is not None:
                    found.rows.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), row))
            if isinstance(node, (ast.If, ast.While)):
                branch = _branch(node)
                found.branches.update(dict.fromkeys(range(branch.line, branch.header + 1), branch))
            elif isinstance(node, ast.stmt) and not hasattr(node, "body"):
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                found.starts.update(dict.fromkeys(lines, node.lineno))
                if isinstance(node, ast.Return):
                    found.returns.update(dict.fromkeys(lines, _text(node)))
        return found


_ROW = re.compile(r"\s*# row (.+?) \((?:line \d+|.*[!:][A-Z]*\d+)\): ")


def _row_above(line: int, lines: Sequence[str]) -> str | None:
    """The id of the row that the comment right above a statement names."""
    for above in range(line - 2, -1, -1):
        if not lines[above].lstrip().startswith("#"):
            return None
        match = _ROW.match(lines[above])
        if match:
            return match[1]
    return None


def row_comments(source: str) -> dict[tuple[str, str], tuple[int, str]]:
    """Returns what the source says of each row of its decision tables: function and row id to line and comment."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    waiting: dict[str, tuple[int, str]] = {}
    function: str | None = None
    for number, text in enumerate(source.splitlines(), 1):
        match = _ROW.match(text)
        if text.startswith(("def ", "async def ")):  # the rows of a large table stand in front of its function
            function = text.partition("def ")[2].partition("(")[0]
            found.update({(function, row): told for row, told in waiting.items()})
            waiting.clear()
        elif text.endswith("_ROWS = RowTable("):
            function = None
        if match and function is None:
            waiting[match[1]] = (number, text.strip().removeprefix("# "))
        elif match:
            found[function or "", match[1]] = (number, text.strip().removeprefix("# "))
    return found


def _branch(node: ast.If | ast.While) -> _Branch:
    names = tuple(dict.fromkeys(_names(node.test)))
    last = node.body[-1].end_lineno or node.body[-1].lineno
    header = min(node.test.end_lineno or node.lineno, max(node.body[0].lineno - 1, node.lineno))
    return _Branch(node.lineno, header, node.body[0].lineno, last, _text(node.test), names)


def _text(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 500 else text[:497] + "..."


def _names(test: ast.expr) -> Iterator[str]:
    """The names and attribute chains that a condition reads, without the functions that it calls."""
    if isinstance(test, ast.Call):
        for part in [*test.args, *(keyword.value for keyword in test.keywords)]:
            yield from _names(part)
        if isinstance(test.func, ast.Attribute):
            yield from _names(test.func.value)
    elif isinstance(test, (ast.Name, ast.Attribute)) and _is_chain(test):
        yield ast.unparse(test)
    else:
        for child in ast.iter_child_nodes(test):
            if isinstance(child, ast.expr):
                yield from _names(child)


def _is_chain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


class _Tracer:
    """`enter` is the trace function of the interpreter."""

    def __init__(self, filename: str, branches: _Branches) -> None:
        self.trace = Trace()
        self._filename = filename
        self._branches = branches
        self._events = 0
        self._found: dict[str, tuple[str, ...]] = {}
        """Function to the rows that it has looked up and not returned yet."""

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "call" and frame.f_code is _APPLYING and not self.trace.truncated:
            return self._looked_up
        if event != "call" or frame.f_code.co_filename != self._filename or self.trace.truncated:
            return None
        return _FrameTracer(self, frame).step

    def _looked_up(self, frame: FrameType, event: str, value: Any) -> Any:
        """Follows the look-up in a large decision table, which runs inside the library, to the rows that it finds."""
        asked = frame.f_back
        caller = asked.f_back if asked else None
        if event == "return" and value is not None and asked and caller and caller.f_code.co_filename == self._filename:
            rows = _row_ids(frame.f_locals["self"].ids, value, asked.f_code.co_name)
            last, starts = self.trace.marks[-1] if self.trace.marks else None, self._branches.starts
            if last and last.kind == "return" and starts.get(last.line) == starts.get(caller.f_lineno):
                self.trace.marks[-1] = replace(last, rows=rows)
            else:
                self._found[caller.f_code.co_name] = rows
        return self._looked_up

    def returned(self, function: str, result: str) -> None:
        """Puts the result to the return that rows decided."""
        last = self.trace.marks[-1] if self.trace.marks else None
        if last and last.rows and (last.kind, last.function) == ("return", function):
            self.trace.marks[-1] = replace(last, result=result)

    def overrun(self) -> bool:
        self._events += 1
        if self._events > MOST_EVENTS:
            self.trace.truncated = True
            sys.settrace(None)
        return self.trace.truncated

    def line(self, frame: FrameType, before: int, open_branch: _Branch | None) -> _Branch | None:
        """Notes a line; returns the branch that is open then. Going on within one long statement is no new visit."""
        number, said = frame.f_lineno, self._branches
        visits = self.trace.lines.setdefault(number, LineVisits())
        branch = said.branches.get(number)
        if branch is not None and branch is open_branch:
            visits.count = max(visits.count, 1)
            return branch
        start = said.starts.get(number)
        if branch is None and start is not None and start == said.starts.get(before) and number != before:
            visits.count = max(visits.count, 1)
            return None
        visits.count += 1
        if branch is not None:
            told = self.trace.lines.setdefault(branch.line, LineVisits(1))
            if len(told.values) < _MOST_VISITS:
                told.values.append(_values(branch.names, frame))
        elif number in said.returns:
            function = frame.f_code.co_name
            rows = self._found.pop(function, ()) or self._rows(number)
            self.mark(Mark(function, number, said.returns[number], "return", rows=rows))
        return branch

    def went(self, branch: _Branch, taken: bool, function: str) -> None:
        visits = self.trace.lines[branch.line]
        if len(visits.taken) < _MOST_VISITS:
            visits.taken.append(taken)
        if taken:
            values = tuple(visits.values[-1].items()) if visits.values else ()
            self.mark(Mark(function, branch.line, branch.text, "branch", values, self._rows(branch.line)))

    def _rows(self, line: int) -> tuple[str, ...]:
        row = self._branches.rows.get(line)
        return () if row is None else (row,)

    def mark(self, mark: Mark) -> None:
        if len(self.trace.marks) < _MOST_MARKS:
            self.trace.marks.append(mark)


class _FrameTracer:
    """Follows one call."""

    __slots__ = ("_arguments", "_before", "_open", "_tracer")

    def __init__(self, tracer: _Tracer, frame: FrameType) -> None:
        self._tracer = tracer
        self._open: _Branch | None = None
        self._before = 0
        code = frame.f_code
        self._arguments = None if _suspends(code) else _values(code.co_varnames[: code.co_argcount], frame)

    def step(self, frame: FrameType, event: str, value: Any) -> Any:
        tracer = self._tracer
        if tracer.overrun():
            return None
        if event == "line":
            number = frame.f_lineno
            self._close(number, frame.f_code.co_name)
            self._open = tracer.line(frame, self._before, self._open)
            self._before = number
        elif event == "return":
            self._close(0, frame.f_code.co_name)
            if self._arguments is not None and len(tracer.trace.calls) < _MOST_MARKS:
                code, result = frame.f_code, show(value)
                tracer.trace.calls.append(
                    Call(code.co_name, code.co_firstlineno, tuple(self._arguments.items()), result)
                )
                tracer.returned(code.co_name, result)
        return self.step

    def _close(self, line: int, function: str) -> None:
        """The first line after a condition tells which way it went."""
        branch = self._open
        if branch is not None and not branch.line <= line <= branch.header:
            self._open = None
            if branch.first <= branch.header:
                return  # its body is on the same line: the tracer cannot see whether it ran
            self._tracer.went(branch, branch.first <= line <= branch.last, function)


_APPLYING = RowTable._applying.__code__


def _row_ids(ids: Sequence[str], applying: int, method: str) -> tuple[str, ...]:
    """The rows that a look-up yields, of those that apply (one bit each)."""
    found = tuple(name for row, name in enumerate(ids) if applying >> row & 1)
    return found[:1] if method == "first" else found


def _suspends(code: CodeType) -> bool:
    return bool(code.co_flags & (CO_COROUTINE | CO_GENERATOR)) or code.co_name.startswith("<")


def _values(names: Sequence[str], frame: FrameType) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        head, *path = name.split(".")
        if head not in frame.f_locals:
            continue
        value = frame.f_locals[head]
        for part in path:
            value = getattr(value, part, None) if is_dataclass(value) else None
        found[name] = show(value)
    return found


def show(value: Any, depth: int = 0) -> str:
    """Writes a value for a person: bounded, and without calling anything of the artifact's."""
    text = _show(value, depth)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _show(value: Any, depth: int) -> str:
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str):
        return repr(str.__getitem__(value, slice(0, _LONGEST_VALUE)))
    if isinstance(value, int):
        return int.__repr__(value) if value.bit_length() < 400 else "(a large number)"
    if isinstance(value, (Decimal, float)):
        try:
            return plain_number(value)
        except InputError:
            return "(not a finite number)"
    if isinstance(value, timedelta):
        return format_days_time(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, YearsMonths):
        return str(value)
    if depth >= 3:
        return "..."
    if isinstance(value, (list, tuple)):
        parts = [show(part, depth + 1) for part in value[:_MOST_ITEMS]]
        return f"[{', '.join(parts)}{', ...' if len(value) > _MOST_ITEMS else ''}]"
    if is_dataclass(value) and not isinstance(value, type):
        listed = (f"{each.name}={show(getattr(value, each.name, None), depth + 1)}" for each in fields(value))
        return f"{type(value).__name__}({', '.join(listed)})"
    return f"({type(value).__name__})"
