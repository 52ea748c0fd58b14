"""Evidence: where in its source a value was read, carried through normalisation.

`Located` is text, `LocatedDate` a date and `LocatedDecimal` a number, each with a `.place`. They behave and encode
as plain values. Trimming and slicing a `Located` keep its place; arithmetic gives a plain value, since a
computed value stands nowhere on the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Generic, NamedTuple, SupportsIndex, TypeVar, cast, overload


class Span(NamedTuple):
    """One piece of the source: characters `start` to `end` (end excluded).

    In a text, `line` and `column` (1-based) say where it starts. On a page of boxes `box` is the position of the
    box in the input, `edges` its left, top, right and bottom, and the characters count from the start of its text.
    """

    start: int
    end: int
    line: int
    column: int
    box: int | None = None
    edges: tuple[float, float, float, float] | None = None


Extent = tuple[int, int, int, int, int | None, tuple[float, float, float, float] | None]
"""What a `Span` says, as a plain tuple: a page has thousands of texts, and few are asked for their place."""


def part_of(extent: Extent, start: int, end: int) -> Extent:
    """Returns the extent of the characters `start` to `end` of a text, which count from its beginning."""
    first, _, line, column, box, edges = extent
    return first + start, first + end, line, column + start, box, edges


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was read: one span, or several in reading order (a value that goes on in the next line)."""

    spans: tuple[Span, ...]
    searched: bool = False
    """The value was looked for in the source after it had been made, since it had not kept its place."""

    @property
    def line(self) -> int:
        """Line (1-based) of the first piece; on a page of boxes, its row."""
        return self.spans[0].line

    @property
    def column(self) -> int:
        return self.spans[0].column

    @property
    def start(self) -> int:
        return self.spans[0].start

    @property
    def end(self) -> int:
        return self.spans[-1].end

    @property
    def boxes(self) -> tuple[int, ...]:
        """Positions of the boxes in the input; empty for a text."""
        return tuple(span.box for span in self.spans if span.box is not None)

    def to_json(self) -> list[dict[str, Any]]:
        """Describes the place for the run record: one object for each piece."""
        spans = [_span_json(span) for span in self.spans]
        return [{**span, "searched": True} for span in spans] if self.searched else spans

    def __add__(self, other: Place) -> Place:
        return Place(self.spans + other.spans, self.searched or other.searched)

    def __str__(self) -> str:
        first = self.spans[0]
        return f"line {first.line}, column {first.column}" if first.box is None else f"box {first.box}"


def _span_json(span: Span) -> dict[str, Any]:
    described: dict[str, Any] = {"start": span.start, "end": span.end, "line": span.line, "column": span.column}
    if span.box is not None:
        described["box"] = span.box
    if span.edges is not None:
        described["edges"] = [Decimal(repr(edge)) for edge in span.edges]
    return described


class _Placed:
    """A value with a place, which is made of its extent when somebody asks for it."""

    __slots__ = ()
    _at: Place | Extent | None = None

    @property
    def place(self) -> Place | None:
        """Where the value was read; `None` for one that carries no place."""
        at = self._at
        return Place((Span(*at),)) if type(at) is tuple else cast("Place | None", at)


class Located(_Placed, str):
    """Text that knows its place. `strip`, slices, `split`, `replace`, case changes and `removeprefix` keep it."""

    __slots__ = ("_at",)

    def __new__(cls, text: object = "", place: Place | Extent | None = None) -> Located:
        self = str.__new__(cls, text)
        self._at = place
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (Located, (str.__str__(self), self.place))

    def extent(self, start: int, end: int) -> Place | Extent | None:
        """The extent of the characters `start` to `end`; the whole place where it does not tell them apart."""
        at = self._at
        one = at if type(at) is tuple else at.spans[0] if isinstance(at, Place) and len(at.spans) == 1 else None
        return part_of(one, start, end) if one and one[1] - one[0] == len(self) else at

    def _piece(self, start: int, end: int) -> Located:
        if start == 0 and end == len(self):
            return self
        return Located(str.__getitem__(self, slice(start, end)), self.extent(start, end))

    def _changed(self, text: str) -> Located:
        return Located(text, self._at)

    def __getitem__(self, key: SupportsIndex | slice) -> Located:
        if isinstance(key, slice):
            start, end, step = key.indices(len(self))
            if step != 1:
                return self._changed(str.__getitem__(self, key))
            return self._piece(start, max(start, end))
        at = range(len(self))[key]
        return self._piece(at, at + 1)

    def lstrip(self, chars: str | None = None, /) -> Located:
        return self._piece(len(self) - len(str.lstrip(self, chars)), len(self))

    def rstrip(self, chars: str | None = None, /) -> Located:
        return self._piece(0, len(str.rstrip(self, chars)))

    def strip(self, chars: str | None = None, /) -> Located:
        return self.lstrip(chars).rstrip(chars)

    def removeprefix(self, prefix: str, /) -> Located:
        return self._piece(len(self) - len(str.removeprefix(self, prefix)), len(self))

    def removesuffix(self, suffix: str, /) -> Located:
        return self._piece(0, len(str.removesuffix(self, suffix)))

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> Located:
        return self._changed(str.replace(self, old, new, count))

    def upper(self) -> Located:
        return self._changed(str.upper(self))

    def lower(self) -> Located:
        return self._changed(str.lower(self))

    def swapcase(self) -> Located:
        return self._changed(str.swapcase(self))

    def translate(self, table: Any, /) -> Located:
        return self._changed(str.translate(self, table))

    def zfill(self, width: SupportsIndex, /) -> Located:
        return self._changed(str.zfill(self, width))

    def title(self) -> Located:
        return self._changed(str.title(self))

    def capitalize(self) -> Located:
        return self._changed(str.capitalize(self))

    def casefold(self) -> Located:
        return self._changed(str.casefold(self))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._found(str.split(self, sep, maxsplit))

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._found(str.rsplit(self, sep, maxsplit))

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self._found(str.splitlines(self, keepends))

    def partition(self, sep: str, /) -> tuple[str, str, str]:
        first, middle, last = self._found(list(str.partition(self, sep)))
        return first, middle, last

    def rpartition(self, sep: str, /) -> tuple[str, str, str]:
        first, middle, last = self._found(list(str.rpartition(self, sep)))
        return first, middle, last

    def __add__(self, other: str, /) -> Located:
        added = place_of(other)
        place = self.place + added if self.place and added else self.place or added
        return Located(str.__add__(self, other), place)

    def __radd__(self, other: str, /) -> Located:
        return Located(str.__add__(other, self), self.place)

    def _found(self, parts: list[str]) -> list[str]:
        """Gives each part, which follow each other in this text, its own place."""
        found: list[str] = []
        at = 0
        for part in parts:
            at = self.find(part, at)
            found.append(self._piece(at, at + len(part)))
            at += len(part)
        return found


class LocatedDate(_Placed, date):
    """A date that knows its place."""

    @classmethod
    def of(cls, value: date, place: Place | Extent | None) -> LocatedDate:
        self = cls(value.year, value.month, value.day)
        self._at = place
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_date_from, (self.year, self.month, self.day, self.place))


def _date_from(year: int, month: int, day: int, place: Place | None) -> LocatedDate:
    return LocatedDate.of(date(year, month, day), place)


class LocatedDecimal(_Placed, Decimal):
    """A number that knows its place. Rounding and the sign keep it; arithmetic gives a plain `Decimal`."""

    @classmethod
    def of(cls, value: Decimal, place: Place | Extent | None) -> LocatedDecimal:
        self = cls(value)
        self._at = place
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_decimal_from, (format(self, "f"), self.place))

    def quantize(self, *arguments: Any, **named: Any) -> LocatedDecimal:
        return LocatedDecimal.of(Decimal.quantize(self, *arguments, **named), self._at)

    def normalize(self, context: Any = None) -> LocatedDecimal:
        return LocatedDecimal.of(Decimal.normalize(self, context), self._at)

    def __abs__(self) -> LocatedDecimal:
        return LocatedDecimal.of(Decimal.__abs__(self), self._at)

    def __neg__(self) -> LocatedDecimal:
        return LocatedDecimal.of(Decimal.__neg__(self), self._at)


class LocatedInteger(_Placed, int):
    """A whole number that knows its place."""

    @classmethod
    def of(cls, value: int, place: Place | Extent | None) -> LocatedInteger:
        self = cls(value)
        self._at = place
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_integer_from, (int(self), self.place))


def _integer_from(value: int, place: Place | None) -> LocatedInteger:
    return LocatedInteger.of(value, place)


def _decimal_from(text: str, place: Place | None) -> LocatedDecimal:
    return LocatedDecimal.of(Decimal(text), place)


V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Choice(Generic[V]):
    """A value that may be the wanted one: what a search for it found, best first."""

    value: V
    confidence: float
    """From 0 to 1, higher is surer. A rank, no probability: how often it is right depends on the documents."""


def place_of(value: object) -> Place | None:
    """Returns where a value was read, or `None` for a value that carries no place (a computed or plain one)."""
    return value.place if isinstance(value, _Placed) else None


@overload
def located(value: str, place: Place | Extent | None) -> Located: ...
@overload
def located(value: date, place: Place | Extent | None) -> LocatedDate: ...
@overload
def located(value: Decimal, place: Place | Extent | None) -> LocatedDecimal: ...
def located(value: str | date | Decimal, place: Place | Extent | None) -> Located | LocatedDate | LocatedDecimal:
    """Returns the same value with a place: use it after a change that lost it, such as `re.sub`."""
    if isinstance(value, str):
        return Located(value, place)
    return LocatedDate.of(value, place) if isinstance(value, date) else LocatedDecimal.of(value, place)


def place_in(source: object, start: int, end: int) -> Place | None:
    """Returns the place of the characters `start` to `end` of a text that may know its own place."""
    return source[start:end].place if isinstance(source, Located) else None
