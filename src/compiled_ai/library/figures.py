"""The numbers of a call: which of a request's numbers each field gets, in the unit that it wants."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from compiled_ai.library.bounds import bound_of, wants_bound
from compiled_ai.library.cues import Numbers, cues_of, places_of
from compiled_ai.library.places import LocatedDecimal
from compiled_ai.library.slots import Slot
from compiled_ai.library.stated_units import amount_in, has_unit, is_part_of, parts_of, stated_unit
from compiled_ai.library.units import dimension_of, unit_of
from compiled_ai.library.wording import CURRENCY, Word, place_at, stem

_BESIDE = 8.0
"""A number that stands so near to a field's own name is its number, whatever another word implies."""
_MOST_DIGITS = 18
"""Of a whole number; a larger one is no number that anybody asks with."""
_NEVER_NEGATIVE = frozenset(("length", "area", "volume", "mass", "time", "calendar", "data"))
_ENDS = frozenset(("to", "from", "start", "end", "upper", "lower", "begin", "stop", "limit", "bound"))
"""Stems of words for the ends of a range."""
_MEASURE_WORDS = """
    diameter radius circumference perimeter diagonal area volume height width length depth thickness distance speed
    velocity acceleration mass weight force pressure density temperature duration frequency energy power voltage
"""
_MEASURES = frozenset(map(stem, _MEASURE_WORDS.split()))
_TOLD_IN_FRONT = re.compile(
    r"\b([^\W\d_]{4,20})(?:\sof\s(?:the|an?|its|my)\s[^\W\d_]{1,20})?"
    r"(?:\s?(?:\b(?:of|is|was|equals|being|equal\sto)\b|[=:])\s?|\s)(?:about\s|around\s)?$"
)
_TOLD_BEHIND = re.compile(
    r"[\s-](?:[^\W\d_]{1,12}[\s-])?(?:(?:in|of)\s)?([^\W\d_]{4,20})\b(?!\s?(?:of|is|was|=|:)?\s?\d)"
)
_SEEN = 60
"""Characters that are looked at on either side of a number."""
_NEAR = 3
"""Words between the ends of a range, at most: `300 km to $400`."""
_WHERE = ("at", "from", "in", "on")
"""Prepositions that one state of things is told with."""


class Unclear(Exception):
    """Something is missing, or could be meant in two ways."""


def occurs(words: Sequence[Word], phrase: str) -> bool:
    """Tells whether words that imply a value occur; `at rest` may be `from rest`."""
    first, _, others = phrase.partition(" ")
    forms = [f"{each} {others}" for each in _WHERE] if others and first in _WHERE else [phrase]
    return any(True for form in forms for cue in cues_of(form) for _ in places_of(words, cue))


def typed(kind: str, number: Decimal, digits: int | None) -> int | Decimal:
    """Rounds a number to the decimals that are wanted, and makes it whole where its type asks for that."""
    if number.adjusted() > _MOST_DIGITS:
        raise Unclear
    amount = number if digits is None else round(number, digits)
    if kind != "int":
        return amount
    if amount != amount.to_integral_value():
        raise Unclear
    return int(amount)


@dataclass(frozen=True)
class Figures:
    """The numbers of one request, given to the fields of one call."""

    text: str
    words: Sequence[Word]
    slots: Sequence[Slot]

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers(self.words)

    @cached_property
    def _rows(self) -> tuple[tuple[int, ...], ...]:
        return tuple(row for row in self._numbers.rows if len(row) > 1)

    @cached_property
    def numbers(self) -> Mapping[str, Decimal]:
        """The numbers of all fields together, each in the unit that is wanted."""
        slots = [slot for slot in self.slots if slot.is_number and not self._is_implied(slot)]
        required = {slot.name: slot.cues for slot in slots if not slot.optional and "" not in slot.implied}
        others = {slot.name: slot.cues for slot in slots if slot.name not in required}
        barred = {slot.name: self._unfit(slot) for slot in slots}
        apt = {slot.name: self._apt(slot) for slot in slots if not slot.optional}
        stated = len(slots) == sum(slot.is_number for slot in self.slots)
        found = self._numbers.assign(required, others, barred, apt, rest=stated)
        if self._leaves_some(found.values()) or not all(map(self._is_exact, slots, (found.get(s.name) for s in slots))):
            raise Unclear
        if not self._ranges_fit({position: slot for slot in slots if (position := found.get(slot.name)) is not None}):
            raise Unclear
        return {slot.name: self._amount(slot, found[slot.name]) for slot in slots if slot.name in found}

    def _leaves_some(self, used: Collection[int]) -> bool:
        """Tells whether a number is left that nothing takes: it may be another value of some field.

        Number words may count things, unless a unit stands behind them. What a word implies may be stated, too (a deck
        of 52).
        """
        items = {position for row in self._rows for position in row} if any(s.is_list for s in self.slots) else set()
        values = {Decimal(value) for slot in self.slots if slot.is_number for value in slot.implied.values()}
        implied = {position for position in self._numbers.at if self.words[position].number in values}
        left = set(self._numbers.at) - set(used) - items - self._parts - implied
        return any(
            not self.words[position].spelled or stated_unit(self.text[self.words[position].end :]) is not None
            for position in left
        )

    def _is_exact(self, slot: Slot, position: int | None) -> bool:
        """Tells whether a number is read with all that belongs to it.

        `5 ft 10 in` is, if no other field may be meant by it; a length, a mass or a time below zero is unclear, and so
        is `$5` or `5%` where kilometres are wanted, `at most 300` where no field's word asks for a bound, and what is
        told as another measure.
        """
        if position is None:
            return True
        if not self._may_be_bound(slot, position) or self._is_told_otherwise(slot, position):
            return False
        word, money = self.words[position], position > 0 and self.words[position - 1].text in CURRENCY
        if (word.percent or money) and dimension_of(unit_of(slot.unit) or ""):
            return False
        stated = stated_unit(self.text[word.end :])
        if stated is None:
            return True
        if not slot.unit and is_part_of(self.text[word.end :], slot.plain):
            return False
        kind = dimension_of(stated.unit)
        if (word.number or 0) < 0 and kind in _NEVER_NEGATIVE:
            return False
        others = [each for each in self.slots if each.is_number and each.name != slot.name]
        alike = any(not each.unit or amount_in(Decimal(1), stated.unit, each.unit) is not None for each in others)
        return not stated.more or bool(slot.unit) and not alike

    def _may_be_bound(self, slot: Slot, position: int) -> bool:
        """Tells whether a number is stated as it is, or as a bound that the field wants."""
        word = self.words[position]
        bound = bound_of(self.text, word.start, word.end)
        return bound is None or wants_bound(slot.cues, bound)

    def _is_told_otherwise(self, slot: Slot, position: int) -> bool:
        """Tells whether a number is told as a measure that the field's words lack: `diameter 3` is no radius."""
        if self._numbers.score(position, slot.cues) >= _BESIDE:
            return False
        word = self.words[position]
        front = _TOLD_IN_FRONT.search(self.text[max(0, word.start - _SEEN) : word.start])
        behind = _TOLD_BEHIND.match(self.text[word.end : word.end + _SEEN])
        names = {stem(match[1].lower()) for match in (front, behind) if match}
        own = {part for cue in slot.cues for part in cue}
        return own.isdisjoint(names) and not _MEASURES.isdisjoint(names)

    def _ranges_fit(self, slots: Mapping[int, Slot]) -> bool:
        """Tells whether each range (`300 to 400`, `between 300 and 400`) is what two fields ask for."""
        return all(self._range_fits(one, other, slots) for one, other in pairwise(self._numbers.at))

    def _range_fits(self, one: int, other: int, slots: Mapping[int, Slot]) -> bool:
        gap = [word.stem for word in self.words[one + 1 : other]]
        front = {word.stem for word in self.words[max(0, one - _NEAR) : one]}
        first, last = slots.get(one), slots.get(other)
        if len(gap) > _NEAR or first is last is None:
            return True
        if "between" in front and "and" in gap:
            return first is not None and last is not None and first.unit == last.unit
        if "to" not in gap:
            return True
        stems = {stem for slot in (first, last) if slot is not None for cue in slot.cues for stem in cue}
        return first is not None and last is not None and not _ENDS.isdisjoint(stems)

    def _is_implied(self, slot: Slot) -> bool:
        """Tells whether a word states the number, and none stands beside the field's own name."""
        if not any(occurs(self.words, word) for word in slot.implied):
            return False
        return all(self._numbers.score(position, slot.cues[:1]) < _BESIDE for position in self._numbers.at)

    def _unfit(self, slot: Slot) -> frozenset[int]:
        """Numbers that cannot be the field's.

        These are numbers of another kind of unit, items of a list where lists are read, and number words that count
        things (`two charges of 5 C`) where other numbers have the unit that is wanted.
        """
        lists = any(each.is_list for each in self.slots)
        items = {position for row in self._rows for position in row} if lists else set()
        other = {position for position in self._numbers.at if self._in_unit(slot, position) is None}
        counts = (
            {position for position in self._numbers.at if self.words[position].spelled} if self._apt(slot) else set()
        )
        return frozenset(items | other | (counts - self._apt(slot)) | self._parts)

    @cached_property
    def _parts(self) -> frozenset[int]:
        return parts_of(self.text, self.words)

    def _apt(self, slot: Slot) -> frozenset[int]:
        """Numbers with a unit that speaks for the field."""
        ends = {position: self.words[position].end for position in self._numbers.at if slot.unit}
        return frozenset(position for position, end in ends.items() if has_unit(self.text[end:], slot.unit))

    def _in_unit(self, slot: Slot, position: int) -> Decimal | None:
        """A number as the field wants it; `None` for another kind of unit, and for a bare `5` where 5% may be meant."""
        word = self.words[position]
        number = word.number or Decimal(0)
        if slot.fraction and not slot.is_list and not word.percent and abs(number) > 1:
            return None
        value = number / 100 if word.percent and slot.fraction else number
        return amount_in(value, self.text[word.end :], slot.unit) if slot.unit else value

    def _amount(self, slot: Slot, position: int) -> LocatedDecimal:
        value, word = self._in_unit(slot, position), self.words[position]
        if value is None:
            raise Unclear
        return LocatedDecimal.of(value, place_at(self.text, word.start, word.end))

    def row(self, slot: Slot) -> tuple[int | Decimal, ...] | None:
        """The row of numbers that a list takes: by its name, else in order; `None` if there are more or fewer rows."""
        lists = {each.name: each.cues for each in self.slots if each.is_list and each.item in ("int", "Decimal")}
        rows = self._rows_for(len(lists))
        if len(rows) != len(lists):
            return None
        row = self._numbers.rows_by_name(lists, rows)[slot.name]
        if not any(each.is_number for each in self.slots) and self._leaves_some(()):
            raise Unclear
        if not all(self._may_be_bound(slot, position) for position in row):
            raise Unclear
        return tuple(typed(slot.item, self._amount(slot, position), slot.digits) for position in row)

    def _rows_for(self, count: int) -> tuple[tuple[int, ...], ...]:
        """The rows; a single one is cut into equal parts where several lists are read: `1, 2 and 3, 4`."""
        if len(self._rows) != 1 or count == 1 or len(self._rows[0]) % count:
            return self._rows
        (row,) = self._rows
        size = len(row) // count
        return tuple(row[start : start + size] for start in range(0, len(row), size)) if size > 1 else ()
