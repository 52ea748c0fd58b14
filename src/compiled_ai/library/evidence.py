"""What has no place in the source is not kept: a value that a document does not state becomes null, with the reason.

Values that the layout modules read know their place. Other values (found by a regular expression, joined from pieces,
changed in their spelling) are looked for in the source, as it is written or by letters and digits alone, dates and
amounts as values; such a place says `searched`. A value that is found neither way was made up or computed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from functools import cached_property
from itertools import accumulate, islice
from typing import Any

from compiled_ai.library.places import LocatedInteger, Place, Span, located
from compiled_ai.library.types import FieldType
from compiled_ai.library.values import Box

NO_PLACE = "no place in the source"
"""Why a value was dropped."""
OPEN_KINDS = frozenset({"text", "string", "integer", "decimal", "money", "date"})
"""Kinds of values that a document states; closed ones (booleans, enumerations) are judgements about it, and a `float`
is a measurement that was computed."""
_MOST_PIECES = 4
_NEAR = 600
"""Characters within which a value goes on that stands in several pieces."""
_MOST_WORDS = 60
_MOST_WINDOWS = 5000
_REPAIRED = 200_000
_WORD = re.compile(r"[^\W_]+")
_LOOKALIKE = str.maketrans("oilszb", "011528")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A value that was dropped: its path in the step's result (`lines[2].amount`), and whether null may stand there."""

    path: str
    optional: bool


Keep = Callable[[Any, "Source", list[Dropped], str], Any]


def keeper(kind: FieldType) -> Keep | None:
    """Returns the function that keeps what has a place of a typed result; `None` if nothing of it needs one.

    It returns the value, with null for each that was dropped, and adds these to the list.
    """
    if kind.kind == "object":
        return _object_keeper(kind)
    if kind.kind == "list" and kind.items is not None:
        return _list_keeper(kind.items)
    return _leaf_keeper(kind.optional) if kind.kind in OPEN_KINDS and kind.enum is None else None


def _leaf_keeper(optional: bool) -> Keep:
    def keep(value: Any, source: Source, dropped: list[Dropped], path: str) -> Any:
        if getattr(value, "place", None) is not None:
            return value
        place = source.find(value)
        if place is None:
            dropped.append(Dropped(path, optional))
            return None
        return LocatedInteger.of(value, place) if isinstance(value, int) else located(value, place)

    return keep


def _list_keeper(items: FieldType) -> Keep | None:
    part = keeper(items)
    if part is None:
        return None

    def keep(value: Any, source: Source, dropped: list[Dropped], path: str) -> Any:
        kept = tuple(
            None if item is None else part(item, source, dropped, f"{path}[{index}]")
            for index, item in enumerate(value)
        )
        return kept if any(one is not other for one, other in zip(kept, value, strict=True)) else value

    return keep


def _object_keeper(kind: FieldType) -> Keep | None:
    keepers = [(field.name, field.identifier, keeper(field.type)) for field in kind.fields if not field.computed]
    parts = [(name, identifier, part) for name, identifier, part in keepers if part is not None]
    if not parts:
        return None

    def keep(value: Any, source: Source, dropped: list[Dropped], path: str) -> Any:
        changes: dict[str, Any] = {}
        for name, identifier, part in parts:
            given = getattr(value, identifier)
            if given is None or getattr(given, "place", None) is not None:
                continue
            kept = part(given, source, dropped, f"{path}.{name}" if path else name)
            if kept is not given:
                changes[identifier] = kept
        return replace(value, **changes) if changes else value

    return keep


class Source:
    """What a function was given, to look for values in: its texts and its pages of boxes."""

    def __init__(self, arguments: Sequence[object]) -> None:
        self._arguments = arguments

    @cached_property
    def _texts(self) -> tuple[_Searched, ...]:
        return tuple(_searched(self._arguments))

    def find(self, value: object) -> Place | None:
        """Returns the first place where a value stands, or `None`."""
        for smudged in (False, True) if isinstance(value, str) else (False,):
            for text in self._texts:
                pieces = _pieces(text, value, smudged)
                if pieces:
                    spans = [span for start, end in pieces for span in text.spans(start, end)]
                    return Place(tuple(spans), searched=True)
        return None


def _searched(arguments: Sequence[object]) -> Iterator[_Searched]:
    for argument in arguments:
        if isinstance(argument, str):
            yield _Searched(argument, None)
        elif isinstance(argument, (list, tuple)) and argument and all(isinstance(part, Box) for part in argument):
            boxes = _in_rows(argument)
            yield _Searched("\n".join(box.text for _, box in boxes), boxes)


def _in_rows(boxes: Sequence[Box]) -> list[tuple[int, Box]]:
    """The boxes with their positions in the input, row by row from left to right."""
    from compiled_ai.library.layout import Page

    places = [cell.text.place for cell in Page.from_boxes(boxes).cells]
    return [(number, boxes[number]) for place in places if place for number in place.boxes]


class _Searched:
    """A text with its words, for search by letters and digits alone; of a page of boxes, each box is a line."""

    def __init__(self, text: str, boxes: Sequence[tuple[int, Box]] | None) -> None:
        self.text = text
        self._boxes = boxes
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    @cached_property
    def _index(self) -> tuple[str, list[int], list[int], list[int]]:
        """All words glued; where each begins in that and in the text; where each ends in the glued text."""
        matches = list(_WORD.finditer(self.text))
        words = [match.group().casefold() for match in matches]
        ends = list(accumulate(map(len, words)))
        begins = [end - len(word) for end, word in zip(ends, words, strict=True)]
        return "".join(words), begins, ends, [match.start() for match in matches]

    @cached_property
    def _smudged(self) -> str:
        return self._index[0].translate(_LOOKALIKE)

    def find(self, text: str, after: int = 0, *, smudged: bool = False) -> tuple[int, int] | None:
        """First and last character of a text that stands here as whole words, whatever is between them.

        With `smudged`, letters and digits that OCR confuses are taken for equal.
        """
        glued, begins, ends, starts = self._index
        wanted = "".join(_WORD.findall(text)).casefold()
        if smudged:
            glued, wanted = self._smudged, wanted.translate(_LOOKALIKE)
        if not wanted:
            at = self.text.find(text, after) if text.strip() else -1
            return (at, at + len(text)) if at >= 0 else None
        first = bisect_right(starts, after - 1)
        at = glued.find(wanted, begins[first]) if first < len(begins) else -1
        while at >= 0:
            word, last = bisect_right(begins, at) - 1, bisect_right(begins, at + len(wanted) - 1) - 1
            if begins[word] == at and ends[last] == at + len(wanted):
                return starts[word], starts[last] + ends[last] - begins[last]
            following = bisect_right(begins, at)
            at = glued.find(wanted, begins[following]) if following < len(begins) else -1
        return None

    def spans(self, start: int, end: int) -> Iterator[Span]:
        """The pieces of the source that characters of this text are, one for each line of it."""
        for line in range(bisect_right(self._starts, start) - 1, bisect_right(self._starts, max(start, end - 1))):
            first = self._starts[line]
            stop = self._starts[line + 1] - 1 if line + 1 < len(self._starts) else len(self.text)
            one, other = max(start, first), min(end, stop)
            if one >= other:
                continue
            if self._boxes is None:
                yield Span(one, other, line + 1, one - first + 1)
            else:
                number, box = self._boxes[line]
                yield Span(one - first, other - first, line + 1, 1, number, (box.x0, box.y0, box.x1, box.y1))


def _pieces(text: _Searched, value: object, smudged: bool) -> list[tuple[int, int]]:
    """Where a value stands in a text, in one piece or several; empty if it does not."""
    if isinstance(value, str):
        return _pieces_of_text(text, value, smudged)
    if isinstance(value, date) and not isinstance(value, datetime):
        return _first(_dates(text.text, value))
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _first(_amounts(text.text, Decimal(value)))
    return []


def _first(found: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    one = next(found, None)
    return [one] if one else []


def _windows(text: str, pattern: str, around: int) -> Iterator[tuple[int, str]]:
    """Pieces of a text around the matches of a pattern (the first of them: a limit for hostile pages)."""
    for match in islice(re.finditer(pattern, text), _MOST_WINDOWS):
        start = max(0, match.start() - around)
        yield start, text[start : match.end() + around]


def _dates(text: str, value: date) -> Iterator[tuple[int, int]]:
    """Places of a date, whatever the order of its parts; only where its year stands."""
    from compiled_ai.library.dates import Order, find_dates

    orders: tuple[Order, ...] = ("mdy", "dmy", "ymd")
    for at, window in _windows(text, f"{value.year % 100:02}", 24):
        for order in orders:
            for found in find_dates(window, order=order):
                if found.value == value:
                    yield at + found.start, at + found.end


def _amounts(text: str, value: Decimal) -> Iterator[tuple[int, int]]:
    """Places of an amount, whatever its sign; on pages of usual size digits that OCR misread are repaired."""
    from compiled_ai.library.money import find_amounts, repair_digits

    whole = str(abs(value).to_integral_value(ROUND_DOWN)) if value.is_finite() else ""
    digits = "[.,'\u00a0]?".join(whole) if whole != "0" else "[.,]"
    for written in (text, repair_digits(text) if len(text) < _REPAIRED else ""):
        if digits and len(written) == len(text):
            for at, window in _windows(written, digits, 16):
                for one in find_amounts(window):
                    if abs(one.value) == abs(value):
                        yield at + one.start, at + one.end


def _pieces_of_text(text: _Searched, value: str, smudged: bool) -> list[tuple[int, int]]:
    whole = text.find(value, smudged=smudged)
    words = value.split()
    if whole or len(words) > _MOST_WORDS:
        return [whole] if whole else []
    found: list[tuple[int, int]] = []
    while words and len(found) < _MOST_PIECES:
        piece = _longest(text, words, found[-1][1] if found else None, smudged)
        if piece is None:
            return []
        count, span = piece
        found.append(span)
        words = words[count:]
    return found if not words else []


def _longest(
    text: _Searched, words: Sequence[str], after: int | None, smudged: bool
) -> tuple[int, tuple[int, int]] | None:
    """The most words from the beginning that stand together, near behind the piece before them."""
    for count in range(len(words), 0, -1):
        span = text.find(" ".join(words[:count]), after or 0, smudged=smudged)
        if span and (after is None or span[0] - after <= _NEAR):
            return count, span
    return None
