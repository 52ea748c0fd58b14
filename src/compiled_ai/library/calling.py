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
from compiled_ai.library.cues import Numbers, cues_of, places_of
from compiled_ai.library.places import LocatedDecimal
from compiled_ai.library.slots import Slot, Words, slots_of
from compiled_ai.library.stated_units import amount_in, has_unit, stated_unit
from compiled_ai.library.wording import MOST_CHARACTERS, Word, place_at, words_of

__all__ = ["fill"]

T = TypeVar("T")
_BESIDE = 8.0
"""A number that stands so near to a field's own name is its number, whatever another word implies."""
_WHERE = ("at", "from", "in", "on")
"""Prepositions that one state of things is told with."""
_MOST_DIGITS = 18
"""Of a whole number; a larger one is no number that anybody asks with."""
_MOST_PLACES = 20
_SHORT = 3
"""An option of fewer letters is found as it is written: others might be words (`in`)."""


class Unclear(Exception):
    """Something is missing, or could be meant in two ways."""


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
    text = request[:MOST_CHARACTERS]
    reading = _Reading(text, words_of(text), slots)
    ask = reading.ask
    if not all(ask.mentions(words) for words in topic) or ask.mentions(unless):
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
        return _typed(slot.type, value, slot.digits)

    def _stated(self, slot: Slot) -> Any:
        if slot.is_number:
            return self._numbers.get(slot.name)
        if slot.is_list:
            return self._list(slot)
        if slot.type == "bool":
            return self._truth(slot)
        if slot.type == "date":
            return self._date(slot)
        return self._option(slot) if slot.options else self._text(slot)

    def _implied(self, slot: Slot) -> str | None:
        """The value that a word implies, or the default."""
        values = {value for word, value in slot.implied.items() if self._occurs(word)}
        if len(values) > 1:
            raise Unclear
        return next(iter(values), slot.implied.get(""))

    def _occurs(self, word: str) -> bool:
        """Tells whether a word that implies a value occurs; `at rest` may be `from rest`."""
        first, _, others = word.partition(" ")
        forms = [f"{each} {others}" for each in _WHERE] if others and first in _WHERE else [word]
        return any(map(self.ask.mentions, forms))

    def _spoken_of(self, slot: Slot) -> bool:
        """Tells whether the field's own name occurs, neither negated nor as the unit of a number (`10 units`)."""
        own = slot.cues[:1]
        starts = [start for cue in own for start, _ in places_of(self.words, cue)]
        named = any(start == 0 or self.words[start - 1].number is None for start in starts)
        return named and self.ask.flag(slot.plain[0]) is True

    # ------------------------------------------------------------ numbers

    @cached_property
    def _figures(self) -> Numbers:
        return Numbers(self.words)

    @cached_property
    def _rows(self) -> tuple[tuple[int, ...], ...]:
        return tuple(row for row in self._figures.rows if len(row) > 1)

    @cached_property
    def _numbers(self) -> Mapping[str, Decimal]:
        """The numbers of all fields together, each in the unit that is wanted."""
        slots = [slot for slot in self.slots if slot.is_number and not self._is_implied(slot)]
        required = {slot.name: slot.cues for slot in slots if not slot.optional and "" not in slot.implied}
        others = {slot.name: slot.cues for slot in slots if slot.name not in required}
        barred = {slot.name: self._unfit(slot) for slot in slots}
        apt = {slot.name: self._apt(slot) for slot in slots if not slot.optional}
        stated = len(slots) == sum(slot.is_number for slot in self.slots)
        found = self._figures.assign(required, others, barred, apt, rest=stated)
        if any(self._figures.alternatives(position) - set(found.values()) for position in found.values()):
            raise Unclear
        return {slot.name: self._amount(slot, found[slot.name]) for slot in slots if slot.name in found}

    def _is_implied(self, slot: Slot) -> bool:
        """Tells whether a word states the number, and none stands beside the field's own name."""
        if not any(map(self._occurs, slot.implied)):
            return False
        return all(self._figures.score(position, slot.cues[:1]) < _BESIDE for position in self._figures.at)

    def _unfit(self, slot: Slot) -> frozenset[int]:
        """Numbers that cannot be the field's.

        These are numbers of another kind of unit, items of a list where lists are read, and number words that count
        things (`two charges of 5 C`) where other numbers have the unit that is wanted.
        """
        lists = any(each.is_list for each in self.slots)
        items = {position for row in self._rows for position in row} if lists else set()
        other = {position for position in self._figures.at if self._in_unit(slot, position) is None}
        counts = (
            {position for position in self._figures.at if self.words[position].spelled} if self._apt(slot) else set()
        )
        return frozenset(items | other | (counts - self._apt(slot)) | self._parts)

    @cached_property
    def _parts(self) -> frozenset[int]:
        """Numbers that belong to the quantity in front: `10` of `5 ft 10 in`."""
        words = [self.words[position] for position in self._figures.at]
        stated = [(word.end, stated_unit(self.text[word.end :])) for word in words]
        ends = [(start, start + each.end) for start, each in stated if each and each.more]
        return frozenset(
            position
            for position, word in zip(self._figures.at, words, strict=True)
            if any(start <= word.start < end for start, end in ends)
        )

    def _apt(self, slot: Slot) -> frozenset[int]:
        """Numbers with a unit that speaks for the field."""
        ends = {position: self.words[position].end for position in self._figures.at if slot.unit}
        return frozenset(position for position, end in ends.items() if has_unit(self.text[end:], slot.unit))

    def _in_unit(self, slot: Slot, position: int) -> Decimal | None:
        word = self.words[position]
        number = word.number or Decimal(0)
        value = number / 100 if word.percent and slot.fraction else number
        return amount_in(value, self.text[word.end :], slot.unit) if slot.unit else value

    def _amount(self, slot: Slot, position: int) -> LocatedDecimal:
        value, word = self._in_unit(slot, position), self.words[position]
        if value is None:
            raise Unclear
        return LocatedDecimal.of(value, place_at(self.text, word.start, word.end))

    # ------------------------------------------------------------ lists

    def _list(self, slot: Slot) -> tuple[Any, ...] | None:
        alike = [each for each in self.slots if each.is_list and (each.item == slot.item or each.item != "str")]
        if slot.item == "str":
            return self.ask.texts(after=", ".join(slot.plain)) or None
        if slot.item == "date":
            return self.ask.dates() or None if len(alike) == 1 else None
        rows = self._rows_for(len(alike))
        if len(rows) != len(alike):
            return None
        row = self._figures.rows_by_name({each.name: each.cues for each in alike}, rows)[slot.name]
        return tuple(_typed(slot.item, self._amount(slot, position), slot.digits) for position in row)

    def _rows_for(self, count: int) -> tuple[tuple[int, ...], ...]:
        """The rows; a single one is cut into equal parts where several lists are read: `1, 2 and 3, 4`."""
        if len(self._rows) != 1 or count == 1 or len(self._rows[0]) % count:
            return self._rows
        (row,) = self._rows
        size = len(row) // count
        return tuple(row[start : start + size] for start in range(0, len(row), size)) if size > 1 else ()

    # ------------------------------------------------------------ single values

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
        """The word behind the number of another field; `unit` itself is none."""
        slot = next(each for each in self.slots if each.name == name)
        unit = self.ask.unit(", ".join(slot.plain))
        named = any(Asked(unit).mentions(each.name, *each.plain) for each in self.slots) if unit else False
        return None if unit is None or named or unit.lower() in ("unit", "units") else unit


def _typed(kind: str, value: Any, digits: int | None) -> Any:
    """Rounds a number to the decimals that are wanted, and makes it whole where its type asks for that."""
    if not isinstance(value, Decimal):
        return value
    if value.adjusted() > _MOST_DIGITS:
        raise Unclear
    amount = value if digits is None else round(value, digits)
    if kind != "int":
        return amount
    if amount != amount.to_integral_value():
        raise Unclear
    return int(amount)
