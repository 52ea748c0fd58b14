"""What a call is filled with: its fields, and the words by which each is found."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from compiled_ai.library.cues import Cue, cues_of

Words = Collection[str]
"""Cues in one text, parted by commas, the field's own name first; or for each value of a closed set its cues.

So wide because it is what type checkers make of a display that holds texts and mappings.
"""

_STATED = re.compile(r"(?P<word>[^=]*?)\s*=\s*(?P<value>[^=]+)")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?:[eE]-?\d{1,2})?")
_MOST_DECIMALS = 9
_TRUTHS = frozenset(("true", "false"))
_READ = re.compile(r"int|Decimal|str|bool|date|tuple\[(int|Decimal|str|date), \.\.\.\]")


@dataclass(frozen=True)
class Slot:
    """A field of the call, and how it is read."""

    name: str
    type: str
    """`int`, `Decimal`, `str`, `bool`, `date`, or `tuple[int, ...]` of any of these but `bool`."""
    optional: bool
    words: Words
    unit: str
    """The unit that a number is wanted in; empty if any will do."""
    fraction: bool
    """Whether `5%` is 0.05."""
    digits: int | None
    """Decimals that a number is rounded to."""

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.words.split(",")) if isinstance(self.words, str) else ()

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """Cues as they are written; none for closed sets."""
        return tuple(part for part in self._parts if part and not _STATED.fullmatch(part))

    @cached_property
    def cues(self) -> tuple[Cue, ...]:
        return cues_of(",".join(part.strip("* ") for part in self.plain if not part.startswith("@")))

    @cached_property
    def implied(self) -> Mapping[str, str]:
        """Words that state a value (`parked=0`); the value of the word "" is the default (`=10`)."""
        return {match["word"]: match["value"] for part in self._parts if (match := _STATED.fullmatch(part))}

    @property
    def options(self) -> Mapping[str, str]:
        return self.words if isinstance(self.words, Mapping) else {}

    @property
    def is_list(self) -> bool:
        return self.type.startswith("tuple[")

    @property
    def item(self) -> str:
        """The type of a list's items; the type itself of anything else."""
        return self.type.removeprefix("tuple[").split(",")[0]

    @property
    def is_number(self) -> bool:
        return self.type in ("int", "Decimal")


def slots_of(
    kind: type, cues: Mapping[str, Words], units: Mapping[str, str], fractions: str, digits: Mapping[str, int]
) -> tuple[Slot, ...]:
    """Returns the slots of a dataclass, in its order.

    Raises `ValueError` if the cues do not fit its fields, or a field has a type that is not read from words.
    """
    fields = {field.name: _written(field.type) for field in dataclasses.fields(kind)}
    shares = [name.strip() for name in fractions.split(",") if name.strip()]
    for name in (*cues, *units, *shares, *digits):
        if name not in fields:
            raise ValueError(f"{kind.__name__} has no field {name!r}; its fields are {', '.join(fields)}.")
    lacking = next((name for name in fields if name not in cues), None)
    if lacking is not None:
        raise ValueError(f"The field {lacking!r} has no cues; give every field of {kind.__name__} some.")
    slots = tuple(
        Slot(
            name=name,
            type=written.removesuffix(" | None"),
            optional=written.endswith(" | None"),
            words=cues[name],
            unit=units.get(name, ""),
            fraction=name in shares,
            digits=digits.get(name),
        )
        for name, written in fields.items()
    )

    for slot in slots:
        _check(slot, fields)
    return slots


def _check(slot: Slot, fields: Collection[str]) -> None:
    """Raises `ValueError` where the cues of a field do not fit its type."""
    if not _READ.fullmatch(slot.type):
        raise ValueError(f"The field {slot.name!r} is {slot.type!r}, which is not read here; read it with Asked.")
    if not isinstance(slot.words, (str, Mapping)):
        raise ValueError(f"The cues of the field {slot.name!r} are {slot.words!r}; write them in one text.")
    if slot.options and (slot.type not in ("str", "bool") or slot.type == "bool" and slot.options.keys() - _TRUTHS):
        raise ValueError(
            f"The field {slot.name!r} is {slot.type!r} and has words for {', '.join(map(repr, slot.options))}. "
            "Words for each value are for closed sets of texts, and for 'true' and 'false' of truth values."
        )
    wrong = next((value for value in slot.implied.values() if not _fits(value, slot.type)), None)
    if wrong is not None:
        raise ValueError(f"A word implies {wrong!r} for the field {slot.name!r}, which is {slot.type!r}.")
    if slot.digits is not None and slot.digits not in range(_MOST_DECIMALS + 1):
        raise ValueError(
            f"The field {slot.name!r} is to have {slot.digits!r} decimals; 0 to {_MOST_DECIMALS} are read."
        )
    for cue in slot.plain:
        if cue.startswith("@") and cue.removeprefix("@").strip() not in fields:
            raise ValueError(f"{cue!r} names no field; the fields are {', '.join(fields)}.")


def _fits(value: str, kind: str) -> bool:
    if kind in ("int", "Decimal"):
        return _NUMBER.fullmatch(value) is not None
    return kind == "str" or kind == "bool" and value in _TRUTHS


def _written(annotation: object) -> str:
    """An annotation as it is written, without modules: `Decimal | None`, whether it is a text or a type."""
    written = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return re.sub(r"\b\w+\.(?=\w)", "", written)
