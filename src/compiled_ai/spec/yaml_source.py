"""YAML text to a tree of nodes, each with its place. What a scalar means is decided by who reads it.

Plain `no`, `on`, `1.10` stay text where text is expected; where any value may stand, the YAML 1.2 core
schema decides (`true`, `false`, `null`, decimal numbers; everything else is text), so that none of the
surprises of YAML 1.1 occurs: no octal numbers, no sexagesimal times, no implicit dates, no merge keys.
Numbers are read from their text into `int` or `Decimal` and never pass through a double.

A file is refused if it is larger than 2,000,000 bytes, is not UTF-8, nests deeper than 64 levels, or has more
than 100,000 nodes after its aliases are expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import yaml

from compiled_ai.records import Finding
from compiled_ai.spec.findings import Findings, quote, refuse
from compiled_ai.spec.model import Mark

MAX_BYTES = 2_000_000
"""Largest specification; reference data belongs into `tables`, cases into a golden file."""
MAX_NODES = 100_000
"""Most nodes of one specification, every use of an alias counted in full."""
MAX_DEPTH = 64
MAX_DIGITS = 400
"""Longest number, written out without an exponent."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_NON_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True)
class Scalar:
    """One text of the file. `plain`: written without quotes and not as a block."""

    text: str
    plain: bool
    mark: Mark
    rule_text: str
    """The text with the line breaks that the file has, for languages inside the specification."""
    rule_mark: Mark
    """Where the first character of `rule_text` stands."""

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULLS

    @property
    def value(self) -> Any:
        """The JSON value by the YAML 1.2 core schema; a number too large or not finite is its text."""
        if not self.plain:
            return self.text
        if self.text in _NULLS:
            return None
        if self.text in _BOOLEANS:
            return _BOOLEANS[self.text]
        return _number(self.text)


def _number(text: str) -> Any:
    if len(text) > MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and any(sign.isdigit() for sign in text.lower().split("e")[0]):
        number = Decimal(text)
        return text if number and abs(number.adjusted()) > MAX_DIGITS else number
    return text


@dataclass(frozen=True)
class Items:
    """A YAML list."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True)
class Entry:
    key: Scalar
    value: Node


@dataclass(frozen=True)
class Fields:
    """A YAML mapping, in the order of the file."""

    entries: tuple[Entry, ...]
    mark: Mark

    def get(self, key: str) -> Node | None:
        return next((entry.value for entry in self.entries if entry.key.text == key), None)

    def key(self, key: str) -> Scalar | None:
        return next((entry.key for entry in self.entries if entry.key.text == key), None)


Node = Scalar | Items | Fields


def plain_value(node: Node) -> Any:
    """Returns the node as JSON value: `Decimal` for fractions, text for what is no number, boolean or null."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain_value(item) for item in node.items]
    return {entry.key.text: plain_value(entry.value) for entry in node.entries}


def describe(node: Node) -> str:
    """Returns how a message speaks of a node: `a list`, `a mapping`, or the scalar quoted."""
    if isinstance(node, Scalar):
        return "nothing" if node.is_null else quote(node.text)
    return "a list" if isinstance(node, Items) else "a mapping"


def is_non_finite(node: Scalar) -> bool:
    """Whether a plain scalar is one of YAML's `.inf` and `.nan`."""
    return node.plain and _NON_FINITE.fullmatch(node.text) is not None


def read_source(path: Path, *, file: str) -> str:
    """Returns the text of a file; raises `SpecError` for a missing, oversized or wrongly encoded one."""
    start = Mark(file, 1, 1)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as fault:
        _refuse("unreadable", f"Cannot read {file!r}: {fault.strerror or fault}. Give the path of a file.", start)
    return decode(data, file=file)


def decode(data: bytes, *, file: str) -> str:
    """Returns the text of a specification's bytes: UTF-8, with or without a byte order mark."""
    start = Mark(file, 1, 1)
    if len(data) > MAX_BYTES:
        _refuse(
            "too_large",
            f"The file is larger than {MAX_BYTES:,} bytes. Move reference data to 'tables' and cases to a golden file.",
            start,
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00")) or data[1:2] == b"\x00":
        _refuse("encoding", "The file is not UTF-8 (it looks like UTF-16 or UTF-32). Save it as UTF-8.", start)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        before = data[: fault.start].decode("utf-8-sig")
        wrong = data[fault.start : fault.start + 1]
        _refuse("encoding", f"Byte {wrong!r} is not UTF-8. Save the file as UTF-8.", _place(before, file))


def _place(before: str, file: str) -> Mark:
    lines = _BREAK.split(before)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def _refuse(rule: str, message: str, mark: Mark) -> NoReturn:
    refuse((Finding(rule=f"spec.{rule}", message=message, file=mark.file, line=mark.line, column=mark.column),))


def compose(text: str, *, file: str, findings: Findings) -> Node:
    """Returns the tree of one YAML document.

    Duplicate keys and non-finite numbers are noted in `findings`; what makes the tree unreadable raises
    `SpecError` at once.
    """
    wrong = _UNPRINTABLE.search(text)
    if wrong:
        _refuse(
            "unprintable",
            f"Character {wrong.group()!r} cannot stand in YAML. Remove it, or write it as an escape in double quotes.",
            _place(text[: wrong.start()], file),
        )
    return _Composer(text, file, findings).document()


class _Composer:
    """Builds the tree from PyYAML's events, so that depth, aliases and tags stay in our hands."""

    def __init__(self, text: str, file: str, findings: Findings) -> None:
        self.file = file
        self.lines = _BREAK.split(text)
        self.text = text
        self.findings = findings
        self.anchors: dict[str, Node] = {}
        self.open: set[str] = set()
        self.sizes: dict[int, int] = {}
        self.nodes = 0

    def document(self) -> Node:
        events = self._events()
        next(events)
        if isinstance(first := next(events), yaml.StreamEndEvent):
            _refuse("empty", "The file is empty. 'compiled-ai init' writes a starter.", Mark(self.file, 1, 1))
        assert isinstance(first, yaml.DocumentStartEvent)
        tree = self._node(next(events), events, 0)
        next(events)
        if not isinstance(more := next(events), yaml.StreamEndEvent):
            _refuse(
                "documents",
                "A second YAML document begins here. Write one specification in each file.",
                self._mark(more.start_mark),
            )
        return tree

    def _events(self) -> Iterator[Any]:
        try:
            return iter(self._collected(getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except yaml.YAMLError as fault:
            self._broken(fault)

    def _collected(self, loader: Any) -> list[Any]:
        events: list[Any] = []
        depth = 0
        for event in yaml.parse(self.text, Loader=loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    _refuse(
                        "depth", f"Nested deeper than {MAX_DEPTH} levels. Flatten it.", self._mark(event.start_mark)
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            events.append(event)
            if len(events) > 2 * MAX_NODES:
                self._too_many(event)
        return events

    def _broken(self, fault: yaml.YAMLError) -> NoReturn:
        place = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
        mark = self._mark(place) if place else Mark(self.file, 1, 1)
        line = self.lines[mark.line - 1] if mark.line <= len(self.lines) else ""
        if "\t" in line[: mark.column][len(line[: mark.column].rstrip("\t")) :] or re.match(r" *\t", line):
            _refuse(
                "tab", "A tab cannot indent YAML. Indent with spaces.", Mark(self.file, mark.line, line.find("\t") + 1)
            )
        problem = getattr(fault, "problem", None) or str(fault)
        context = getattr(fault, "context", None)
        hint = " Quote a type such as 'date?' here." if "got '?'" in problem else ""
        _refuse("yaml", f"Not valid YAML: {problem}{f' ({context})' if context else ''}.{hint}", mark)

    def _mark(self, place: Any) -> Mark:
        return Mark(self.file, place.line + 1, place.column + 1)

    def _too_many(self, event: Any) -> NoReturn:
        _refuse(
            "too_many_nodes",
            f"More than {MAX_NODES:,} values, aliases counted in full. Move data to 'tables' or to a golden file.",
            self._mark(event.start_mark),
        )

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        before = self.nodes
        self._count(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._no_tag(event)
        anchor: str | None = event.anchor
        if anchor:
            self.open.add(anchor)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, events, depth)
        else:
            node = self._fields(event, events, depth)
        if anchor:
            self.open.discard(anchor)
            self.anchors[anchor] = node
            self.sizes[id(node)] = self.nodes - before
        return node

    def _count(self, more: int, event: Any) -> None:
        self.nodes += more
        if self.nodes > MAX_NODES:
            self._too_many(event)

    def _alias(self, event: Any) -> Node:
        mark = self._mark(event.start_mark)
        if event.anchor in self.open:
            _refuse("alias", f"Alias {'*' + event.anchor!r} stands inside its own anchor. Write the value out.", mark)
        node = self.anchors.get(event.anchor)
        if node is None:
            _refuse("alias", f"Alias {'*' + event.anchor!r} has no anchor before it. Write the value out.", mark)
        self._count(self.sizes[id(node)], event)
        return node

    def _no_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            self.findings.add(
                "tag", f"Tag {quote(event.tag)} is not used in specifications. Remove it.", self._mark(event.start_mark)
            )

    def _items(self, event: Any, events: Iterator[Any], depth: int) -> Items:
        items: list[Node] = []
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            items.append(self._node(inner, events, depth + 1))
        return Items(tuple(items), self._mark(event.start_mark))

    def _fields(self, event: Any, events: Iterator[Any], depth: int) -> Fields:
        entries: dict[str, Entry] = {}
        while not isinstance(inner := next(events), yaml.MappingEndEvent):
            key = self._node(inner, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                self.findings.add("key", f"A key must be text, not {describe(key)}. Quote it.", key.mark)
            elif key.plain and key.text == "<<":
                self.findings.add(
                    "merge", "Merge keys '<<' are not used in specifications. Write the keys out.", key.mark
                )
            elif key.text in entries:
                first = entries[key.text].key.mark.line
                self.findings.add(
                    "duplicate_key",
                    f"Key {quote(key.text)} occurs twice in one mapping, first in line {first}. Remove one.",
                    key.mark,
                )
            else:
                entries[key.text] = Entry(key, value)
        return Fields(tuple(entries.values()), self._mark(event.start_mark))

    def _scalar(self, event: Any) -> Scalar:
        mark = self._mark(event.start_mark)
        if event.style in ("|", ">"):
            return self._block(event, mark)
        plain = event.style is None or event.style == ""
        shift = 0 if plain else 1
        text: str = event.value
        if event.start_mark.line != event.end_mark.line:
            text = self._as_written(event, shift)
        return Scalar(event.value, plain, mark, text, Mark(self.file, mark.line, mark.column + shift))

    def _as_written(self, event: Any, shift: int) -> str:
        """A flow scalar of several lines with its own line breaks; the column of later lines is kept if it can be."""
        start, end = event.start_mark, event.end_mark
        lines = self.lines[start.line : end.line + 1]
        lines[-1] = lines[-1][: end.column - shift]
        first = lines[0][start.column + shift :]
        rest = [
            line[start.column + shift :] if not line[: start.column + shift].strip() else line.strip()
            for line in lines[1:]
        ]
        return "\n".join([first, *rest]).rstrip()

    def _block(self, event: Any, mark: Mark) -> Scalar:
        """A block scalar: its text begins on the next line, at the indentation of its first line with words."""
        raw = self.lines[event.start_mark.line + 1 : max(event.end_mark.line, event.start_mark.line + 1) + 1]
        indent = next((len(line) - len(line.lstrip(" ")) for line in raw if line.strip()), 0)
        count = len(raw)
        if event.style == "|":
            return Scalar(event.value, False, mark, event.value, Mark(self.file, mark.line + 1, indent + 1))
        body: list[str] = []
        for line in raw[:count]:
            if line.strip() and len(line) - len(line.lstrip(" ")) < indent:
                break
            body.append(line[indent:])
        return Scalar(event.value, False, mark, "\n".join(body).rstrip(), Mark(self.file, mark.line + 1, indent + 1))
