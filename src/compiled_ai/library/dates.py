"""Dates as they are printed: fixed settings, no clock. Missing years come from a base date that the caller gives.

Results carry the place of a `Located` source. Orders are `mdy` (American), `dmy` (most of the world), `ymd`;
a four-digit year in front and a month by name need no order, and an impossible month swaps with the day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from compiled_ai.library.places import LocatedDate, place_in

Order = Literal["mdy", "dmy", "ymd"]

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero januari gennaio janeiro",
            "feb february februar février fevrier febrero februari febbraio fevereiro",
            "mar march märz maerz mars marzo maart mac março",
            "apr april avril abril aprile",
            "may mai mayo mei maggio maio",
            "jun june juni juin junio giugno junho",
            "jul july juli juillet julio luglio julho julai",
            "aug august août aout agosto augustus ogos",
            "sep sept september septembre septiembre settembre setembro",
            "oct october oktober octobre octubre ottobre outubro okt",
            "nov november novembre noviembre novembro",
            "dec december dezember décembre decembre diciembre dicembre dezembro dez dis disember",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = "(?P<month>" + "|".join(sorted(_MONTHS, key=lambda name: (-len(name), name))) + ")"
_YEAR = r"(?P<year>\d{4}|\d{2}(?!,? ?(?:19|20)\d\d(?!\d)|/\d\d(?!\d)))(?![\d:])"
"""A year after a month by name; not the day of `June 8-13, 2020` or `SEP07-OCT04/20`, which a year follows."""
_PATTERNS: tuple[re.Pattern[str], ...] = (
    re.compile(r"(?<![\d.])(?P<a>\d{4})\s?(?P<sep>[/.\-])\s?(?P<b>\d{1,2})\s?(?P=sep)\s?(?P<c>\d{1,2})(?!\d)"),
    re.compile(
        r"(?<!\d)(?<!\d[/.])(?P<a>\d{1,2})\s?(?P<sep>[/.\-])\s?(?P<b>\d{1,2})\s?(?P=sep)\s?['\u2019]?(?P<c>\d{4}|\d{2})"
        r"(?!\d|(?P=sep)\d)"
    ),
    re.compile(
        r"(?<![\d/.])(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s.\-/,]{0,2}(?:of |de )?"
        rf"{_MONTH}[\s.\-/,']{{0,3}}{_YEAR}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?<![^\W\d_]){_MONTH}\.?[\s\-]{{0,2}}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s,\-/.]{{1,3}}'?{_YEAR}",
        re.IGNORECASE,
    ),
)
_COMPACT = re.compile(r"(?<!\d)(?P<a>(?:19|20)\d\d)(?P<b>0[1-9]|1[0-2])(?P<c>0[1-9]|[12]\d|3[01])(?!\d)")
_SHORT = (
    re.compile(r"(?<![\d/.\-])(?P<a>\d{1,2})/(?P<b>\d{1,2})(?![\d/])"),
    re.compile(rf"(?<![^\W\d_]){_MONTH}\.?\s?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])", re.IGNORECASE),
    re.compile(rf"(?<![\d/.])(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s?{_MONTH}(?![^\W\d_])", re.IGNORECASE),
)
_WEEKDAY = r"\(?(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\)?"
_SHORT_END = re.compile(
    rf"(?:[^\S\n]*{_WEEKDAY})?[^\S\n]*(?:-{{1,2}}>?|[\u2010-\u2015\u00ad]|to|through|thru)[^\S\n]*(?:{_WEEKDAY}[^\S\n]*)?"
    r"(?P<end>(?P<a>\d{1,2})/(?P<b>\d{1,2}))(?=[.,;)\]]?(?:\s?$|\s?\n|\s\s|\t|\s?\|))",
    re.IGNORECASE,
)
"""An end without a year, that nothing follows in its cell: `7/8 page` and `11/12 spots` are no days."""
_HOUR = r"\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]\.?m\.?)?"
_BETWEEN = re.compile(
    rf"(?:,?\s*{_WEEKDAY}|,?\s*{_HOUR})?\s*(?:-{{1,2}}>?|[\u2010-\u2015\u00ad_=\u00ab>\u2192]|to:?|till?|until|up to"
    rf"|through(?: and including)?:?|thru?:?|/|~|and|ends?:?|ending:?|end date:?)\s*(?:{_WEEKDAY}\s*)?",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    rf"(?<![^\W\d_]){_MONTH}\.?\s?(?P<first>\d{{1,2}})\s?(?:-|\u2013|to)\s?(?P<last>\d{{1,2}}),?\s?(?P<year>\d{{4}})(?!\d)",
    re.IGNORECASE,
)
"""A range within one month: `June 8-13, 2020`."""
_DIGIT = r"[\dOoQDIil|!ZzSsB]"
_SMUDGED = re.compile(rf"(?<!\w){_DIGIT}{{1,2}}\s?(?P<sep>[/\-.])\s?{_DIGIT}{{1,2}}\s?(?P=sep)\s?{_DIGIT}{{2,4}}(?!\w)")


def _blurred(first: str, second: str, year: str) -> re.Pattern[str]:
    """A date with one clean slash and one that OCR doubled or took for a mark; groups 1, 3 and 4 are its parts."""
    return re.compile(
        rf"(?<![\w/])(?<!\d[.,])(\d\d)(?:(?P<clean>/)|//|{first})(\d\d)(?(clean)(?://|{second})|/)({year})"
        r"(?![\w/]|[.,:]\d)"
    )


_BLURRED = (
    _blurred("[17lIi|]", "[17lIi|]", r"\d\d"),
    _blurred(r"[17lIi|!.,\-]", r"[17lIi|!.,:\-]", r"(?:19|20)\d\d"),
)
"""`06704/20`, `06/08120`, `06//08/20`, `06-08/2020`: a slash becomes a mark of its own (`-`, `.`) only before a full
year, since `10-12/15` and `12/10.25` may be anything. A colon is no first slash: `12:30/2011` begins with a time."""
_LOOKALIKE = str.maketrans("OoQDIil|!ZzSsB", "00001111122558")
_MISREAD = re.compile(r"//|\d{5}|[OoQDIil|!ZzSsB.,:\-]")
"""What every text has in which a date is repaired: a look-alike, a mark beside a slash, or digits run together."""
_DIGITS = re.compile(r"\d")
_EIGHT = re.compile(r"\d\d{7}")
_NAME = re.compile("|".join(sorted({name[:3] for name in _MONTHS})))
"""How the names of months begin."""
_MOST_KEPT = 100
"""What was found in texts of so many characters is kept for the next time."""
Hit = tuple[date, int, int]


@dataclass(frozen=True, slots=True)
class DateRange:
    """First and last day, both included, each with its own place."""

    start: LocatedDate
    end: LocatedDate


class FoundDate(NamedTuple):
    """A date in a text: its first and the character after its last."""

    value: LocatedDate
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FoundRange:
    """A range in a text: first and last character of its first and of its last date."""

    value: DateRange
    first: tuple[int, int]
    last: tuple[int, int]


def parse_date(text: str, *, order: Order = "mdy", base: date | None = None) -> LocatedDate | None:
    """Reads the first date of a text, or `None`: `06/08/20`, `2020-06-08`, `7 May 2018`, `Apr 7, 2020`, `8.6.2020`.

    Two-digit years: 00 to 68 is 2000 to 2068, 69 to 99 is 1969 to 1999; with `base` the nearest century to it.
    A date without a year (`6/8`, `Apr 7`) is read only with `base`, as the nearest such day.
    """
    return next((found.value for found in find_dates(text, order=order, base=base)), None)


def parse_range(text: str, *, order: Order = "mdy", base: date | None = None) -> DateRange | None:
    """Reads the first range of two dates: `06/08/20-06/13/20`, `Apr 7, 2020 - Apr 13, 2020`, `4/17 to 4/23/20`.

    A start without a year takes it from the end (the year before, if it would lie after the end), an end without a year
    (`4/17/20 - 4/23`) from a start that lies before it.
    """
    return next((found.value for found in find_ranges(text, order=order, base=base)), None)


def find_dates(text: str, *, order: Order = "mdy", base: date | None = None) -> Iterator[FoundDate]:
    """Yields every date of a text in order, with the characters it stands on; repairs digits that OCR misread."""
    for value, start, end in dates_in(text, order, base):
        yield FoundDate(LocatedDate.of(value, place_in(text, start, end)), start, end)


def dates_in(text: str, order: Order = "mdy", base: date | None = None) -> Sequence[Hit]:
    """Returns what `find_dates` yields, each as a plain date with its first and the character after its last."""
    return _short_hits(str(text), order, base) if len(text) <= _MOST_KEPT else _all_hits(text, order, base)


def _all_hits(text: str, order: Order, base: date | None) -> Sequence[Hit]:
    found = _scan(text, order, base)
    if not (_is_numeric(text) or "/" in text) or not _MISREAD.search(text):
        return found
    repaired = _repaired(text)
    again = repaired != text and (not found or len(repaired) == len(text))
    return _scan(repaired, order, base) if again else found


def _repaired(text: str) -> str:
    """A text with its misread digits and slashes put right, within what has the shape of a date."""
    for blurred in _BLURRED:
        text = blurred.sub(r"\1/\3/\4", text)
    return _SMUDGED.sub(lambda match: match.group().translate(_LOOKALIKE), text)


@lru_cache(maxsize=4096)
def _short_hits(text: str, order: Order, base: date | None) -> Sequence[Hit]:
    """Short texts are asked again and again: a cell by each label beside it."""
    return tuple(_all_hits(text, order, base))


def _scan(text: str, order: Order, base: date | None) -> list[Hit]:
    if not _DIGITS.search(text):
        return []
    hits: list[Hit] = []
    for pattern in _patterns(text):
        hits += _hits(pattern, text, order, base)
    if not hits and _EIGHT.search(text):
        hits += _hits(_COMPACT, text, order, base)
    if base is not None:
        for pattern in _SHORT:
            hits += _hits(pattern, text, order, base)
    hits.sort(key=lambda hit: (hit[1], -hit[2]))
    kept: list[Hit] = []
    for hit in hits:
        if not kept or hit[1] >= kept[-1][2]:
            kept.append(hit)
    return kept


def _patterns(text: str) -> Iterator[re.Pattern[str]]:
    """The patterns that may match: the others need two equal separators, or the name of a month."""
    if _is_numeric(text):
        yield from _PATTERNS[:2]
    if _NAME.search(text.lower()):
        yield from _PATTERNS[2:]


def _is_numeric(text: str) -> bool:
    return text.count("/") > 1 or text.count("-") > 1 or text.count(".") > 1


def _hits(pattern: re.Pattern[str], text: str, order: Order, base: date | None) -> Iterator[Hit]:
    for match in pattern.finditer(text):
        value = _date_of(match.groupdict(), order, base)
        if value is not None:
            yield value, match.start(), match.end()


def _date_of(parts: dict[str, str | None], order: Order, base: date | None) -> date | None:
    if parts.get("month"):
        month = _MONTHS.get((parts["month"] or "").lower())
        return _day(parts.get("year"), month, int(parts["day"] or 0), base) if month else None
    first, second, third = parts["a"] or "", parts["b"] or "", parts.get("c")
    if len(first) == 4:
        return _day(first, int(second), int(third or 0), base)
    if order == "ymd" and third is not None and len(third) == 2:
        return _day(first, int(second), int(third), base)
    month, day = (int(first), int(second)) if order == "mdy" else (int(second), int(first))
    if month > 12 >= day:
        month, day = day, month
    return _day(third, month, day, base)


def _day(year: str | None, month: int, day: int, base: date | None) -> date | None:
    try:
        if year is None:
            return _nearest(month, day, base) if base else None
        return date(_full_year(year, base), month, day)
    except ValueError:
        return None


def _full_year(text: str, base: date | None) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    if base is None:
        return year + (2000 if year <= 68 else 1900)
    century = base.year - base.year % 100
    return min((century + shift + year for shift in (-100, 0, 100)), key=lambda full: abs(full - base.year))


def _nearest(month: int, day: int, base: date) -> date:
    if month == 2 and day == 29:
        return min(
            (date(year, 2, 29) for year in range(base.year - 8, base.year + 9) if _leap(year)),
            key=lambda d: abs(d - base),
        )
    return min((date(base.year + shift, month, day) for shift in (-1, 0, 1)), key=lambda d: abs(d - base))


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def find_ranges(text: str, *, order: Order = "mdy", base: date | None = None) -> Iterator[FoundRange]:
    """Yields every range of two dates, in order."""
    within = list(_within_months(text))
    if not within:
        yield from _pairs(text, order, base)
        return
    yield from sorted([*within, *_pairs(text, order, base)], key=lambda found: found.first)


def _within_months(text: str) -> Iterator[FoundRange]:
    for match in _WITHIN.finditer(text):
        month, year = _MONTHS[match.group("month").lower()], match.group("year")
        first, last = (_day(year, month, int(match.group(name)), None) for name in ("first", "last"))
        if first and last and first <= last:
            start, end = (match.start(), match.end("first")), (match.start("last"), match.end())
            days = (LocatedDate.of(day, place_in(text, *at)) for day, at in ((first, start), (last, end)))
            yield FoundRange(DateRange(*days), start, end)


def _pairs(text: str, order: Order, base: date | None) -> Iterator[FoundRange]:
    dates = list(find_dates(text, order=order, base=base))
    index = 0
    while index < len(dates):
        first = dates[index]
        second = dates[index + 1] if index + 1 < len(dates) else None
        if second and _BETWEEN.fullmatch(text, first.end, second.start) and first.value <= second.value:
            yield FoundRange(DateRange(first.value, second.value), (first.start, first.end), (second.start, second.end))
            index += 2
            continue
        short = _short_start(text, first, order) if base is None else None
        if short:
            yield FoundRange(DateRange(short.value, first.value), (short.start, short.end), (first.start, first.end))
        elif base is None and (last := _short_end(text, first, order)):
            yield FoundRange(DateRange(first.value, last.value), (first.start, first.end), (last.start, last.end))
        index += 1


def _short_start(text: str, end: FoundDate, order: Order) -> FoundDate | None:
    """A start without a year, `4/17` of `4/17 - 4/23/20`, just before the end date."""
    window = max(0, end.start - 24)
    before = text[window : end.start]
    for pattern in _SHORT:
        for match in pattern.finditer(before):
            value = _date_of(match.groupdict(), order, end.value)
            if value is not None and _BETWEEN.fullmatch(before, match.end()):
                if value > end.value:
                    value = _day(str(value.year - 1), value.month, value.day, None) or value
                if value <= end.value:
                    first, last = window + match.start(), window + match.end()
                    return FoundDate(LocatedDate.of(value, place_in(text, first, last)), first, last)
    return None


def _short_end(text: str, start: FoundDate, order: Order) -> FoundDate | None:
    """An end without a year, `4/23` of `4/17/20 - 4/23`, right behind its start and in the same year."""
    match = _SHORT_END.match(text, start.end)
    value = _date_of({**match.groupdict(), "c": str(start.value.year)}, order, None) if match else None
    if match is None or value is None or value < start.value:
        return None
    return FoundDate(LocatedDate.of(value, place_in(text, *match.span("end"))), *match.span("end"))


def month_range(year: int, month: int) -> DateRange:
    """Returns the first and last day of a month."""
    first = date(year, month, 1)
    after = date(year + month // 12, month % 12 + 1, 1)
    return DateRange(LocatedDate.of(first, None), LocatedDate.of(after - timedelta(days=1), None))


def add_months(day: date, months: int) -> date:
    """Returns the same day `months` later (earlier if negative), or the last day of that month if it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, month_range(year, month).end.day))


def age_on(born: date, day: date) -> int:
    """Returns the completed years on a day; born on 29 February, one is a year older on 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
