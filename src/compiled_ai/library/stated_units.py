"""Units as people state them behind a number: `180 cm`, `9.8 meters per second squared`, `5 ft 10 in`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from compiled_ai.library.units import convert, dimension_of, unit_of
from compiled_ai.library.wording import Word

_UNIT = re.compile(
    r"[\s-]{0,2}(?:degrees?\s{1,2}(?=(?i:celsius|fahrenheit|kelvin)|[CFK]\b))?"
    r"(?P<power>squared?|sq\.?|cubic|cubed|cu\.?)?\s{0,2}(?P<unit>[^\W\d_]{1,20}|°[CFcf]?|['\u2019](?=\s?\d))"
    r"(?P<raised>\s?(?:\^|\*\*)\s?[23]|[23](?!\d)|[²³]|\s{1,2}(?:squared|cubed)\b)?"
    r"(?:\s{0,2}(?:/|\bper\b)\s{0,2}(?P<per>[^\W\d_]{1,20})(?P<by>\s?(?:\^|\*\*)\s?2|2|²|\s{1,2}squared)?)?"
)
_PART = re.compile(r"\s{0,2}(\d{1,6}(?:\.\d{1,6})?)\s{0,2}([^\W\d_]{1,12}|[\"\u201d])")
_POWERS = {"square": "2", "squared": "2", "sq": "2", "²": "2", "cubic": "3", "cubed": "3", "cu": "3", "³": "3"}
_SHORT = {"in2": "sqin", "ft2": "sqft", "yd2": "sqyd", "mi/h": "mph", "\u2019": "ft", "\u201d": "in"}
_WORDS_TOO = frozenset(("in",))
"""What stands for a unit, and more often for a word."""


@dataclass(frozen=True)
class Stated:
    """What stands behind a number."""

    unit: str
    """In its short form: `m/s2`."""
    more: Decimal
    """What a second number adds, in the same unit: 10/12 for `5 ft 10 in`, mostly 0."""
    end: int
    """Where it ends, counted from the number's end."""
    root: str
    """The unit without powers and `per`: `m` of `m/s2`."""


def amount_in(value: Decimal, behind: str, unit: str) -> Decimal | None:
    """Returns a number in the unit that is wanted, by what stands behind it; `None` if it counts something else.

    `amount_in(Decimal(180), " cm tall", "m")` is 1.8. A number without a known unit is taken to be in the wanted one,
    and so is every number if the wanted unit is not known.
    """
    wanted, stated = _wanted(unit), stated_unit(behind)
    if wanted is None or stated is None:
        return value
    whole = value + stated.more if stated.more else value
    try:
        return whole if stated.unit == wanted else convert(whole, *_same_kind(stated.unit, wanted))
    except ValueError:
        return None


def _same_kind(stated: str, wanted: str) -> tuple[str, str]:
    """Two units as they are meant: `C` is Celsius among temperatures and coulomb among charges."""
    if "c" in (stated, wanted) and "charge" in (dimension_of(stated), dimension_of(wanted)):
        return stated.replace("c", "coulomb", stated == "c"), wanted.replace("c", "coulomb", wanted == "c")
    return stated, wanted


def has_unit(behind: str, unit: str) -> bool:
    """Tells whether a known unit stands behind a number, and is of the kind that is wanted."""
    known = _wanted(unit) is not None and stated_unit(behind) is not None
    return known and amount_in(Decimal(1), behind, unit) is not None


def is_part_of(behind: str, units: Sequence[str]) -> bool:
    """Tells whether one of some units stands behind a number, but only as a part: `km` in `300 km squared`."""
    stated, wanted = stated_unit(behind), {_wanted(unit) for unit in units}
    return stated is not None and stated.root in wanted and stated.unit not in wanted


def _wanted(unit: str) -> str | None:
    """The short form of a unit as a caller names it."""
    plain = unit_of(unit)
    stated = None if plain else stated_unit(f" {unit}")
    return stated.unit if stated else plain


def stated_unit(text: str) -> Stated | None:
    """Returns the unit that a text begins with: `m/s2` of ` meters per second squared`; `None` if it is unknown."""
    match = _UNIT.match(text[:80])
    root = _root(match) if match else None
    if match is None or root is None:
        return None
    short = _short(match, root)
    part = _PART.match(text[:100], match.end())
    smaller = unit_of(_SHORT.get(part[2], part[2])) if part else None
    if part is None or smaller is None or not _is_smaller(smaller, short):
        return Stated(short, Decimal(0), match.end(), root)
    return Stated(short, convert(Decimal(part[1]), smaller, short), part.end(), root)


def parts_of(text: str, words: Sequence[Word]) -> frozenset[int]:
    """Returns which words are numbers that belong to the quantity in front: `10` of `5 ft 10 in`."""
    at = [index for index, word in enumerate(words) if word.number is not None]
    stated = [(words[index].end, stated_unit(text[words[index].end :])) for index in at]
    ends = [(start, start + each.end) for start, each in stated if each and each.more]
    return frozenset(index for index in at if any(start <= words[index].start < end for start, end in ends))


def _root(match: re.Match[str]) -> str | None:
    if match["unit"].lower() in _WORDS_TOO:
        return None
    return unit_of(_SHORT.get(match["unit"], match["unit"]))


def _short(match: re.Match[str], root: str) -> str:
    """The unit in its short form; an unknown rate is one if it is per time (`km/day`), else what stands in front."""
    mark = (match["power"] or match["raised"] or "").strip()
    power = _POWERS.get(mark.rstrip("."), mark[-1:])
    area = _SHORT.get(root + power, root + power)
    second = unit_of(match["per"]) if match["per"] else None
    if second is None:
        return area
    rate = f"{area}/{second}{'2' if match['by'] else ''}"
    rate = _SHORT.get(rate, rate)
    return rate if unit_of(rate) or dimension_of(second) in ("time", "calendar") else area


def _is_smaller(unit: str, other: str) -> bool:
    kind = dimension_of(unit)
    return kind == dimension_of(other) != "temperature" and convert(Decimal(1), unit, other) < 1
