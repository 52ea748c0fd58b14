"""Kinds of values: how a piece of text beside a label is read, and how sure it is one of the kind."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Literal, NamedTuple, cast

from compiled_ai.library.dates import Order, dates_in, find_ranges
from compiled_ai.library.money import Written, amounts_in, has_cents, repair_digits, shreds_in, torn_amounts

Kind = Literal["text", "name", "identifier", "phone", "email", "date", "date_range", "money", "number", "percent"]
Dated = tuple[date, int, int]


class Reading(NamedTuple):
    """A value read from a piece of text: characters `start` to `end` of it, and 1.0 for a sure one."""

    value: str | date | Decimal | tuple[Dated, Dated] | None
    """`None`: an amount that was torn so that it cannot be read. `Reader.all` leaves it out."""
    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the first value of a kind from a text."""

    read: Callable[[str], Reading | None]
    scan: Callable[[str], Iterable[Reading]] | None = None
    """Reads every value of a text in one pass, where that is not the same as reading on behind the last one."""
    wide: bool = False
    """The value may go on in the next cell of its row."""
    sign: re.Pattern[str] | None = None
    """What every text has in which `scan` finds something (for amounts: something that is surer than 0.3)."""
    words: bool = False
    """The value is free text."""
    unlike: re.Pattern[str] | None = None
    """What stands right behind a label that is one of something else: `Advertiser Code`, `Total Spots`."""

    def __call__(self, text: str) -> Reading | None:
        return self.read(text)

    def all(self, text: str) -> Iterable[Reading]:
        """Returns every value of a text, in order; amounts without decimals and currency may be left out."""
        if self.sign is not None and not self.sign.search(text):
            return ()
        return self._onwards(text) if self.scan is None else self.scan(text)

    def _onwards(self, text: str) -> Iterator[Reading]:
        at = 0
        while at < len(text):
            reading = self.read(text[at:])
            if reading is None or reading.end <= 0:
                return
            yield reading._replace(start=reading.start + at, end=reading.end + at)
            at += reading.end


_DIGIT = re.compile(r"\d")
_DATED = re.compile(r"[/.\-](?:(?<=/)|.{1,4}[.\-])|[^\W\d_]{3}|\d{8}")
"""What every text with a date has: a slash, two other separators, the name of a month, or eight digits."""
_PRICED = re.compile(r"[.,$\u20ac\u00a3\u00a5\u20b9\u20a9]|[^\W\d_]")
"""What stands in or beside an amount that has decimals or a currency."""

_NO_NAME = re.compile(
    r"[ /.\-]{1,3}(?:code|id|no|number|num|nbr|ref|reference|phone|tel|fax|e-?mail|type|date|contact|address)\b|\s?#",
    re.IGNORECASE,
)
_NO_SUM = re.compile(
    r" (?:number of |no\. of |# of |# ?)?(?:spots?|units?|weeks?|days?|lines?|pages?|minutes|hours|impressions"
    r"|ratings?|[gt]rps?|points|qty|quantity|commissions?|discounts?)\b",
    re.IGNORECASE,
)


def reader(kind: Kind | re.Pattern[str], order: Order, base: date | None, *, symbols: bool = False) -> Reader:
    """Returns the function that reads the first value of a kind.

    `symbols`: amounts of this page carry a currency symbol.
    """
    if isinstance(kind, re.Pattern):
        return Reader(lambda text: _by_pattern(kind, text))
    if kind == "date":
        dates = partial(_dates, order, base)
        return Reader(lambda text: next(iter(dates(text)), None), dates, sign=_DATED)
    if kind == "date_range":
        ranges = partial(_ranges, order=order, base=base)
        return Reader(
            lambda text: next(ranges(text), None) or _side_by_side(text, order, base), ranges, wide=True, sign=_DATED
        )
    if kind == "money":
        bare = 0.6 if symbols else 1.0
        return Reader(partial(_money, bare), partial(_legible, bare), sign=_PRICED, unlike=_NO_SUM)
    if kind not in _READERS:
        known = ", ".join(sorted((*_READERS, "date", "date_range", "money")))
        raise ValueError(f"Unknown kind {kind!r}. Known: {known}.")
    words = kind in ("text", "name")
    sign = None if words or kind == "email" else _DIGIT
    return Reader(_READERS[kind], _SCANS.get(kind), sign=sign, words=words, unlike=_NO_NAME if words else None)


def _by_pattern(pattern: re.Pattern[str], text: str) -> Reading | None:
    match = pattern.search(text)
    if not match:
        return None
    group = 1 if pattern.groups and match.group(1) is not None else 0
    return Reading(match.group(group), match.start(group), match.end(group), 1.0)


@lru_cache(maxsize=4096)
def _dates(order: Order, base: date | None, text: str) -> tuple[Reading, ...]:
    return tuple(Reading(value, start, end, 1.0) for value, start, end in dates_in(text, order, base))


def _ranges(text: str, order: Order, base: date | None) -> Iterator[Reading]:
    for found in find_ranges(text, order=order, base=base):
        first, last = (found.value.start, *found.first), (found.value.end, *found.last)
        yield Reading((first, last), found.first[0], found.last[1], 1.0)


_WHOLE, _GUESSED, _JOINED = 0.9, 0.3, 0.95
"""How sure an amount without decimals is, with a symbol and without one, and one that was put together."""


def _side_by_side(text: str, order: Order, base: date | None) -> Reading | None:
    """Two dates in columns of their own and nothing before them, as below or beside `Flight Dates`."""
    dates = dates_in(text, order, base)
    if len(dates) != 2 or text[: dates[0][1]].strip() or text[dates[0][2] : dates[1][1]].strip():
        return None
    first, last = dates
    return Reading((first, last), first[1], last[2], 0.4) if first[0] <= last[0] else None


@lru_cache(maxsize=4096)
def _amounts(bare: float, text: str) -> tuple[Reading, ...]:
    """The amounts of a text: those printed whole, and those that OCR tore apart, but never a part of one of these."""
    read = [Reading(one.value, one.start, one.end, _sureness(one, bare)) for one in amounts_in(text) if not one.percent]
    torn = [Reading(Decimal(one.value), one.start, one.end, _JOINED) for one in torn_amounts(text)]
    spans = dict(sorted([*((one.start, one.end) for one in torn), *shreds_in(text)]))
    return _without_parts(read, torn, spans) if spans else tuple(read)


def _without_parts(read: Sequence[Reading], torn: Sequence[Reading], spans: Mapping[int, int]) -> tuple[Reading, ...]:
    """Puts torn amounts in the place of their parts; `spans` says by its start where each torn amount ends.

    What is read whole over the same span, such as `$1,915.00` or `($1,915.00)`, is not torn. What is neither read
    whole nor put together has no value.
    """
    starts = list(spans)
    kept: list[Reading] = []
    whole: set[int] = set()
    for one in read:
        near = starts[max(0, bisect_left(starts, one.end) - 1)]
        if one.end <= near or spans[near] <= one.start:
            kept.append(one)
        elif one.end - one.start >= spans[near] - near and one.confidence not in (_WHOLE, _GUESSED):
            kept.append(one)
            whole.add(near)
    kept += [one for one in torn if one.start not in whole]
    unread = spans.keys() - whole - {one.start for one in torn}
    kept += [Reading(None, start, spans[start], 1.0) for start in unread]
    return tuple(sorted(kept, key=lambda one: one.start))


def _legible(bare: float, text: str) -> Sequence[Reading]:
    return [one for one in _amounts(bare, text) if one.value is not None]


def _sureness(amount: Written, bare: float) -> float:
    if amount.decimals == 2:
        return 1.0 if amount.currency else bare
    return _WHOLE if amount.currency else _GUESSED


def _money(bare: float, text: str) -> Reading | None:
    """The surest amount; where there is none with decimals, digits and marks that OCR misread are repaired."""
    best = _surest(_amounts(bare, text))
    if best is not None and best.confidence not in (_WHOLE, _GUESSED):
        return best
    again = _surest(_amounts(bare, repair_digits(text)))
    if again is not None and (best is None or again.confidence > best.confidence):
        return again._replace(end=min(again.end, len(text)))
    return best


def _surest(readings: Sequence[Reading]) -> Reading | None:
    """The first of those that are surest."""
    return max(readings, key=lambda one: one.confidence, default=None)


def _numbers(text: str) -> Iterator[Reading]:
    for one in amounts_in(text):
        yield Reading(one.value, one.start, one.end, 1.0)


def _percents(text: str) -> Iterator[Reading]:
    for one in amounts_in(text):
        if one.percent:
            yield Reading(one.value, one.start, one.end, 1.0)


_TRIM = " \t:;,.-=*|_\u2013"


def _text(text: str) -> Reading | None:
    start = len(text) - len(text.lstrip(_TRIM))
    trimmed = text.strip(_TRIM + " ")
    return Reading(trimmed, start, start + len(trimmed), 1.0) if trimmed else None


_ELSEWHERE = re.compile(r"www\.|https?:|@\w|\b[A-Z]{2}\.? \d{5}(?:-\d{4})?$|^[Pp]\.? ?[Oo]\.? [Bb]ox\b")
"""What belongs to an address rather than to a name."""
_CODES = re.compile(r"\(\d[\w\-]{0,15}\)")
_NOBODY = re.compile(r"n\.?/?a\.?|none|tb[ad]|unknown|not applicable", re.IGNORECASE)
"""What a form says where it has no name."""
_ONLY_FORM = re.compile(r"(?:inc|llc|ltd|co|corp|company|sdn\.? ?bhd|bhd|gmbh|plc|limited)\.?", re.IGNORECASE)


def _name(text: str) -> Reading | None:
    reading = _text(text)
    if reading is None:
        return None
    value = cast(str, reading.value)
    named = _CODES.sub("", value)
    letters = sum(map(str.isalpha, named))
    digits = sum(map(str.isdigit, named))
    if letters < 2 or digits > letters or _ONLY_FORM.fullmatch(value) or _NOBODY.fullmatch(value):
        return None
    if dates_in(value) or has_cents(value):
        return None
    words = len(value.split())
    if _ELSEWHERE.search(value):
        return Reading(value, reading.start, reading.end, 0.4)
    return Reading(value, reading.start, reading.end, 1.0 if words <= 9 else 0.5 if words <= 16 else 0.1)


_IDENTIFIER = re.compile(
    r"(?<![\w$.,/])(?=[A-Za-z\-/]{0,12}\d)[A-Za-z0-9](?:[A-Za-z0-9]|[-/_.](?=[A-Za-z0-9])){1,39}(?![\w]|[.,]\d)"
)
_HOUSE = re.compile(
    r"\d{1,5},? (?:[A-Z0-9][\w.'&]{0,20},? ){1,4}?"
    r"(?i:street|st|road|rd|avenue|ave|boulevard|blvd|drive|dr|lane|ln|way|court|ct|parkway|pkwy|plaza|highway|hwy)\b"
)
_ADDRESSED = re.compile(
    r"(?:(?i:\bbox|\bsuite|\bste\.?) ?#?|\w,? {1,2}(?!NO|ID|PO|IO)[A-Z]{2}\.? {1,2}(?=\d{5}(?:-\d{4})?$)"
    r"|\(\d{3}\) ?)(?=\d)"
)
"""What stands before the number of a box, a suite, a postcode, and the last part of a telephone number."""
_PHONED = re.compile(r"\(\d{3}\) ?\d{3}[-.]\d{4}")


def _identifier(text: str) -> Reading | None:
    return next(_identifiers(text), None)


def _identifiers(text: str) -> Iterator[Reading]:
    known = dates_in(text)
    dates = [start for _, start, _ in known]
    for match in _IDENTIFIER.finditer(text):
        start, end = match.span()
        near = bisect_left(dates, end) - 1
        if near >= 0 and start < known[near][2] or text[end : end + 1] in ("%", ":"):
            continue
        code = match.group()
        digits = sum(map(str.isdigit, code))
        if digits < 2 and digits * 3 < len(code):
            continue
        sure = 1.0 if digits >= 4 else 0.8 if digits == 3 else 0.55
        if digits * 5 < len(code) * 2:
            sure -= 0.45
        if re.fullmatch(r"\d{1,3}\.\d\d", code) or _is_of_address(text, start):
            continue
        yield Reading(code, start, end, sure)


def _is_of_address(text: str, start: int) -> bool:
    """Tells the number of a house, a box, a suite, a postcode or a telephone from one that names a document."""
    if _HOUSE.match(text, start) or _PHONED.match(text, max(0, start - 1)):
        return True
    before = max(0, start - 10)
    return any(before + match.end() == start for match in _ADDRESSED.finditer(text[before : start + 11]))


_EMAIL = re.compile(r"[A-Za-z0-9][\w.+\-]{0,63}@(?:[A-Za-z0-9\-]{1,63}\.){1,6}[A-Za-z]{2,24}")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d{1,4}\)?(?:[\s./\-]{0,2}\(?\d{2,5}\)?){1,5}(?!\w)")


def _email(text: str) -> Reading | None:
    return _by_pattern(_EMAIL, text)


def _phone(text: str) -> Reading | None:
    for match in _PHONE.finditer(text):
        if 7 <= sum(map(str.isdigit, match.group())) <= 15 and not dates_in(match.group()):
            return Reading(match.group().strip(), match.start(), match.start() + len(match.group().rstrip()), 1.0)
    return None


_READERS: dict[str, Callable[[str], Reading | None]] = {
    "text": _text,
    "name": _name,
    "identifier": _identifier,
    "number": lambda text: next(_numbers(text), None),
    "percent": lambda text: next(_percents(text), None),
    "email": _email,
    "phone": _phone,
}
_SCANS: dict[str, Callable[[str], Iterator[Reading]]] = {
    "identifier": _identifiers,
    "number": _numbers,
    "percent": _percents,
}
