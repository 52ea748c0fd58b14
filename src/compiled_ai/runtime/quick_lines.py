"""Lines of JSONL straight to the typed input of an artifact, for records that look like those before them.

Where each input and each kept column stands in a line is found out once for each order of names that occurs. What is
not a plain line of the usual kind is left to `Columns` and the artifact's decoder, which tell what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from compiled_ai.canonical import canonical_json, read_members
from compiled_ai.errors import InputError
from compiled_ai.runtime.lines import LONGEST_LINE, Columns

Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]
_MOST_LAYOUTS = 64
"""Orders of names that are remembered."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a line has what is looked at; a column that it has not gives `None`."""

    inputs: Pick
    kept: Pick


class QuickLines:
    """Reads lines of one batch."""

    __slots__ = ("_build", "_columns", "_heads", "_layouts", "seen")

    def __init__(self, columns: Columns, build: Callable[[Sequence[Any]], Any | None]) -> None:
        self._columns, self._build = columns, build
        self._heads = [f",{canonical_json(column)}:" for column in columns.keep]
        self.seen: set[str] = set()
        """Columns that somebody named and that some line had."""
        self._layouts: dict[tuple[str, ...], _Layout | None] = {}

    def read(self, line: bytes) -> tuple[Any, str] | None:
        """Returns the typed input and the text of the kept columns (`,"NAME":VALUE...`), or `None`."""
        if len(line) > LONGEST_LINE:
            return None
        try:
            found = read_members(line.decode("utf-8"))
        except UnicodeDecodeError:
            return None
        if found is None:
            return None
        names, values = found
        layout = self._layouts[names] if names in self._layouts else self._learn(names)
        if layout is None or (given := self._build(layout.inputs(values))) is None:
            return None
        if not self._heads:
            return given, ""
        try:
            texts = map(canonical_json, layout.kept(values))
            return given, "".join([head + text for head, text in zip(self._heads, texts, strict=True)])
        except InputError:  # an object
            return None

    def _learn(self, names: tuple[str, ...]) -> _Layout | None:
        if len(self._layouts) >= _MOST_LAYOUTS:
            self._layouts.clear()
        columns = self._columns
        self.seen.update(columns.named.intersection(names))
        unambiguous = len(set(names)) == len(names)
        layout = _Layout(_pick(names, list(columns.inputs.values())), _pick(names, columns.keep))
        self._layouts[names] = layout if unambiguous else None
        return self._layouts[names]


def _pick(names: tuple[str, ...], wanted: Sequence[str]) -> Pick:
    if tuple(wanted) == names:
        return tuple  # as they are
    places = [names.index(name) if name in names else len(names) for name in wanted]
    if len(places) < 2 or len(names) in places:
        return lambda values: tuple([values[place] if place < len(values) else None for place in places])
    return itemgetter(*places)
