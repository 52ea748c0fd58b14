"""A whole call of a tool, read from a request in plain words; whoever calls it says by which words.

`fill(request, Call, topic, cues)` fills a dataclass, each field as its type asks: whole numbers, decimals, truth
values, texts, dates, closed sets, lists. It returns `None` as soon as something is missing or could be meant in two
ways: a caller abstains instead of guessing.

Cues are words parted by commas, the field's own name first. What else may stand among them:

- `parked=0`: the word implies the value; `=10`: the default of a required field;
- for texts, `* street`: the text stands in front; `@depth`: it is the unit of that field's number.

Closed sets and truth values have words for each value: `{"high": "high, detailed"}`, `{"true": "open"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

from compiled_ai.library.asking import Asked
from compiled_ai.library.cues import cues_of, places_of
from compiled_ai.library.figures import Figures, Unclear, occurs, typed
from compiled_ai.library.plainness import Plainness
from compiled_ai.library.purpose import asks_for, without_thanks
from compiled_ai.library.slots import Slot, Words, slots_of
from compiled_ai.library.units import unit_of
from compiled_ai.library.wording import MOST_CHARACTERS, Word, words_of

__all__ = ["fill"]

T = TypeVar("T")
_MOST_PLACES = 20
_SHORT = 3
"""An option of fewer letters is found as it is written: others might be words (`in`)."""


def fill(
    request: str,
    kind: type[T],
    topic: Sequence[str],
    cues: Mapping[str, Words],
    *,
    unless: str = "",
    units: Mapping[str, str] | None = None,
    fractions: str = "",
    digits: Mapping[str, int] | None = None,
) -> T | None:
    """Reads the fields of a call, or returns `None` where the request does not clearly state one.

    Args:
        request: what somebody asks for.
        kind: the dataclass of the call.
        topic: of each text, one of its words must occur.
        cues: for every field, the words by which it is found.
        unless: words of which none may occur.
        units: number fields to the unit that they are wanted in; what is stated in another is converted.
        fractions: fields that are wanted as fractions, parted by commas: `5%` is 0.05 for them.
        digits: number fields to the decimals that they are rounded to.

    Raises `ValueError` if the cues do not fit the fields of the dataclass.
    """
    slots = slots_of(kind, cues, units or {}, fractions, digits or {})
    text = without_thanks(request[:MOST_CHARACTERS])
    if not asks_for(text, topic):
        return None
    reading = _Reading(text, words_of(text), slots)
    ask = reading.ask
    if not all(ask.mentions(words) for words in topic) or ask.mentions(unless) or not reading.is_plain():
        return None
    try:
        return kind(**reading.values())
    except Unclear:
        return None


@dataclass(frozen=True)
class _Reading:
    """One request, read for one call."""

    text: str
    words: Sequence[Word]
    slots: Sequence[Slot]

    @cached_property
    def ask(self) -> Asked:
        return Asked(self.text)

    @cached_property
    def _figures(self) -> Figures:
        return Figures(self.text, self.words, self.slots)

    def is_plain(self) -> bool:
        cues = {cue for slot in self.slots if slot.type != "str" for cue in slot.cues}
        truths = {
            cue
            for slot in self.slots
            if slot.type == "bool"
            for words in (slot.name.replace("_", " "), *slot.plain, *slot.options.values())
            for cue in cues_of(words)
        }
        return Plainness(self.text, self.words, cues, truths).holds()

    def values(self) -> dict[str, Any]:
        found = {slot.name: self._value(slot) for slot in self.slots}
        if any(found[slot.name] is None and not slot.optional for slot in self.slots):
            raise Unclear
        return found

    def _value(self, slot: Slot) -> Any:
        value = self._stated(slot)
        if value is None and (implied := self._implied(slot)) is not None:
            value = Decimal(implied) if slot.is_number else implied == "true" if slot.type == "bool" else implied
        if value is None and slot.optional and slot.type != "str" and self._spoken_of(slot):
            raise Unclear
        return typed(slot.type, value, slot.digits) if isinstance(value, Decimal) else value

    def _stated(self, slot: Slot) -> Any:
        if slot.is_number:
            return self._figures.numbers.get(slot.name)
        if slot.is_list:
            return self._list(slot)
        if slot.type == "bool":
            return self._truth(slot)
        if slot.type == "date":
            return self._date(slot)
        return self._option(slot) if slot.options else self._text(slot)

    def _implied(self, slot: Slot) -> str | None:
        """The value that a word implies, or the default."""
        values = {value for word, value in slot.implied.items() if occurs(self.words, word)}
        if len(values) > 1:
            raise Unclear
        return next(iter(values), slot.implied.get(""))

    def _spoken_of(self, slot: Slot) -> bool:
        """Tells whether the field's own name occurs, neither negated nor as the unit of a number (`10 units`)."""
        own = slot.cues[:1]
        starts = [start for cue in own for start, _ in places_of(self.words, cue)]
        named = any(start == 0 or self.words[start - 1].number is None for start in starts)
        return named and self.ask.flag(slot.plain[0]) is True

    def _list(self, slot: Slot) -> tuple[Any, ...] | None:
        if slot.item == "str":
            return self.ask.texts(after=", ".join(slot.plain)) or None
        if slot.item == "date":
            alone = sum(each.is_list and each.item == "date" for each in self.slots) == 1
            return self.ask.dates() or None if alone else None
        return self._figures.row(slot)

    def _date(self, slot: Slot) -> date | None:
        alike = [each.name for each in self.slots if each.type == "date"]
        dates = self.ask.dates()
        return dates[alike.index(slot.name)] if len(dates) == len(alike) else None

    def _truth(self, slot: Slot) -> bool | None:
        words = slot.options or {"true": ",".join(slot.plain)}
        words = {**words, "true": f"{words.get('true', '')},{slot.name.replace('_', ' ')}"}
        yes, no = (self.ask.flag(words.get(value, "")) for value in ("true", "false"))
        if yes is not None and yes == no:
            raise Unclear
        return yes if no is None else not no

    def _option(self, slot: Slot) -> str | None:
        found = self._options(slot.options)
        if len(found) > 1:
            raise Unclear
        return next(iter(found), None)

    def _options(self, options: Mapping[str, str]) -> set[str]:
        """The options that occur; one that occurs only within the words of another (`in` in `sign in`) does not."""
        folded = Counter(name.casefold() for name in options)
        alike = frozenset(name for name, count in folded.items() if count > 1)
        spans = [
            (start, end, name) for name, words in options.items() for start, end in self._spans(name, words, alike)
        ]
        return {
            name
            for start, end, name in spans
            if not any(first <= start and end <= last and last - first > end - start for first, last, _ in spans)
        }

    def _spans(self, name: str, words: str, alike: Collection[str]) -> Iterator[tuple[int, int]]:
        """Where an option stands: its words in any form, but as it is written where case alone parts it from others."""
        for at, word in enumerate(self.words):
            if word.text == name:
                yield at, at + 1
        named = [] if len(name) < _SHORT else [name.replace("_", " ")]
        for text in (*named, *words.split(",")):
            if text.strip().casefold() not in alike:
                for cue in cues_of(text):
                    yield from islice(places_of(self.words, cue), _MOST_PLACES)

    def _text(self, slot: Slot) -> str | None:
        return next(filter(None, map(self._beside, slot.plain)), None)

    def _beside(self, cue: str) -> str | None:
        if cue.startswith("@"):
            return self._unit_of(cue.removeprefix("@").strip())
        if cue.startswith("*"):
            return self.ask.text(before=cue.removeprefix("*"))
        return self.ask.text(after=cue.removesuffix("*"))

    def _unit_of(self, name: str) -> str | None:
        """The word behind the number of another field; neither `unit` itself nor what names a field is one."""
        slot = next(each for each in self.slots if each.name == name)
        unit = self.ask.unit(", ".join(slot.plain))
        if unit is None or unit.lower() in ("unit", "units"):
            return None
        named = any(Asked(unit).mentions(each.name, *each.plain) for each in self.slots)
        return unit if unit_of(unit) or not named else None
