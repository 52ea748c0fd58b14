"""Arguments of a call, read from what somebody asks for in plain words.

`Asked(request)` reads numbers, texts, lists, dates, places and choices by the words that stand beside them. What is
not stated, or could be meant in two ways, is `None` or left out: a caller then abstains instead of guessing. Numbers
and texts know their place in the request.

Cues are words in a text, parted by commas, best first: `"base, bottom side"`. Word forms and case do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property

from compiled_ai.library.cues import Cue, Numbers, cues_of, places_of
from compiled_ai.library.dates import Order, find_dates
from compiled_ai.library.phrases import Phrases
from compiled_ai.library.places import LocatedDate, LocatedDecimal, located
from compiled_ai.library.regions import with_state
from compiled_ai.library.wording import MOST_CHARACTERS, place_at, words_of

__all__ = ["Asked"]
_NO_WORDS = """
    not no without exclude excluding except never skip few hardly lack lacks lacking don't doesn't isn't aren't wasn't
    won't cannot can't
"""
_NOT = frozenset(_NO_WORDS.split())
_NEW_THOUGHT = frozenset((",", ".", ";", ":", "!", "?", "but"))


class Asked:
    """A request in plain words, ready to be read."""

    def __init__(self, request: str) -> None:
        self._text = request[:MOST_CHARACTERS]
        self._words = words_of(self._text)

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers(self._words)

    @cached_property
    def _phrases(self) -> Phrases:
        return Phrases.of(self._text, self._words)

    def mentions(self, *cues: str) -> bool:
        """Tells whether one of the words (in any form) occurs."""
        return any(True for cue in _all(cues) for _ in places_of(self._words, cue))

    def flag(self, *cues: str) -> bool | None:
        """Returns true if one of the words occurs, false if it is negated (`without traffic`), else `None`."""
        for cue in _all(cues):
            for start, _ in places_of(self._words, cue):
                return not self._is_denied(start)
        return None

    def _is_denied(self, at: int) -> bool:
        """Tells whether one of the three words in front denies a word; a comma or a `but` begins a new thought."""
        before = [word.text.lower().replace("\u2019", "'") for word in self._words[max(0, at - 3) : at]]
        here = next((index for index in reversed(range(len(before))) if before[index] in _NEW_THOUGHT), -1)
        return not _NOT.isdisjoint(before[here + 1 :])

    def numbers(
        self, required: Mapping[str, str], optional: Mapping[str, str] | None = None, *, fractions: str = ""
    ) -> dict[str, Decimal]:
        """Gives each argument its number, by the words beside it; no number is given twice.

        Args:
            required: argument to its cues. If just as many numbers as arguments are left over, they are given in order.
            optional: the same for arguments that only a cue gives a number.
            fractions: arguments that are wanted as fractions, parted by commas: `5%` is 0.05 for them.

        Returns what was found; a name that is not in it is not clearly stated.
        """
        wanted = {name: cues_of(cues) for name, cues in required.items()}
        more = {name: cues_of(cues) for name, cues in (optional or {}).items()}
        shares = {name.strip() for name in fractions.split(",")}
        found: dict[str, Decimal] = {}
        for name, position in self._numbers.assign(wanted, more).items():
            found[name] = self._number(position, fraction=name in shares)
        return found

    def number_lists(self) -> tuple[tuple[Decimal, ...], ...]:
        """Returns the numbers that stand in a row (`3, 4 and 5`, `[1, 2]`), each row of two or more, in order."""
        return tuple(tuple(map(self._number, row)) for row in self._numbers.rows if len(row) > 1)

    def _number(self, position: int, *, fraction: bool = False) -> LocatedDecimal:
        word = self._words[position]
        number = word.number or Decimal(0)
        value = number / 100 if word.percent and fraction else number
        return LocatedDecimal.of(value, place_at(self._text, word.start, word.end))

    def unit(self, *cues: str) -> str | None:
        """Returns the word behind the number that the words name: `inches` for `radius` in `a radius of 4 inches`."""
        wanted = _all(cues)
        best = max(self._numbers.at, key=lambda at: self._numbers.score(at, wanted), default=None)
        if best is None or not self._numbers.score(best, wanted):
            return None
        return self._phrases.single_word(best + 1)

    def text(self, after: str = "", before: str = "") -> str | None:
        """Returns what stands behind one of the words, or in front of one: quoted, a name, or a phrase.

        Without any cue: the only quoted text, or else the only name; `None` if there are several.
        """
        if after or before:
            return self._phrases.beside(cues_of(after), cues_of(before))
        for some in (self._phrases.quotations(), self._phrases.names()):
            if len(some) == 1:
                return some[0]
        return None

    def place(self, after: str = "in, near, at, around, from, for, of", *, state: bool = False) -> str | None:
        """Returns the place that stands behind one of the words: `Boston`, `Miami, Florida`.

        With `state`, a large city of the United States is given with its state: `Boston, MA`.
        """
        found = self._phrases.beside(cues_of(after), (), places=True)
        return located(with_state(found), found.place) if found and state else found

    def texts(self, after: str = "", before: str = "") -> tuple[str, ...]:
        """Returns the items of a list that stands behind one of the words: `milk, eggs and oat flakes`."""
        return self._phrases.items(cues_of(after), cues_of(before))

    def choice(self, options: Mapping[str, str]) -> str | None:
        """Returns the one option whose name or words occur; `None` if there is none, or more than one."""
        found = [name for name, cues in options.items() if self.mentions(name.replace("_", " "), cues)]
        return found[0] if len(found) == 1 else None

    def dates(self, order: Order = "mdy") -> tuple[LocatedDate, ...]:
        """Returns every date with a year, in order."""
        return tuple(
            LocatedDate.of(found.value, place_at(self._text, found.start, found.end))
            for found in find_dates(self._text, order=order)
        )


def _all(cues: tuple[str, ...]) -> list[Cue]:
    return [cue for text in cues for cue in cues_of(text)]
