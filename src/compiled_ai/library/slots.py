"""What a call is filled with: its fields, and the words by which each is found."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from compiled_ai.library.cues import Cue, cues_of

Words = str | Mapping[str, str]
"""Cues, parted by commas, the field's own name first; of closed sets and truth values, for each value its own."""

_STATED = re.compile(r"(?P<word>[^=]*?)\s*=\s*(?P<value>[^=]+)")
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
        return cues_of(",".join(self.plain))

    @cached_property
    def implied(self) -> Mapping[str, str]:
        """Words that state a value (`parked=0`); the value of the word "" is the default (`=10`)."""
        return {match["word"]: match["value"] for part in self._parts if (match := _STATED.fullmatch(part))}

    @property
    def options(self) -> Mapping[str, str]:
        return {} if isinstance(self.words, str) else self.words

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
    shares = {name.strip() for name in fractions.split(",") if name.strip()}
    for name in (*cues, *units, *sorted(shares), *digits):
        if name not in fields:
            raise ValueError(f"{kind.__name__} has no field {name!r}; its fields are {', '.join(fields)}.")
    for name, written in fields.items():
        if name not in cues:
            raise ValueError(f"The field {name!r} has no cues; give every field of {kind.__name__} some.")
        if not _READ.fullmatch(written.removesuffix(" | None")):
            raise ValueError(f"The field {name!r} is {written!r}, which is not read here; read it with Asked.")
    return tuple(
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


def _written(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
