"""Postal addresses: finding the one that a page's issuer prints, and the parts of one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from compiled_ai.library.dates import dates_in
from compiled_ai.library.issuers import issuer
from compiled_ai.library.labels import is_word, lowered
from compiled_ai.library.money import has_cents
from compiled_ai.library.names import has_legal_form, join_lines, repaired
from compiled_ai.library.places import Choice, Located

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

_STREET = re.compile(
    r"\b(?:jalan|jln|jl|lorong|lrg|lebuh|lebuhraya|persiaran|psn|taman|tmn|kampung|kg|bandar|desa|kawasan|seksyen|seksen|section|sek|"
    r"medan|pusat|wisma|menara|bangunan|kompleks|plaza|mall|arcade|building|bldg|block|blk|tower|centre|center|complex|"
    r"street|st|road|rd|avenue|ave|av|boulevard|blvd|drive|dr|lane|ln|way|court|ct|highway|hwy|parkway|pkwy|square|sq|circle|"
    r"terrace|place|pl|suite|ste|floor|flr|fl|level|unit|lot|p\.?\s?o\.?\s?box|batu|simpang|off|"
    r"stra(?:ss|ß)e|str|platz|weg|allee|rue|place|chemin|via|piazza|calle|plaza|avenida|rua)\b\.?"
)
_REGION = re.compile(
    r"\b(?:selangor|johor|penang|pulau pinang|perak|pahang|kedah|kelantan|"
    r"terengganu|"
    r"melaka|malacca|"
    r"negeri sembilan|perlis|"
    r"sabah|sarawak|kuala lumpur|putrajaya|labuan|wilayah persekutuan|malaysia|singapore|"
    r"shah alam|petaling jaya|klang|n\.? ?sembilan|p\.? ?pinang|w\.? ?persekutuan|"
    r"darul [a-z]{4,8}|usa|united states|canada|united kingdom|england|australia|"
    r"deutschland|france|nederland)\b"
)
_POSTCODE = re.compile(
    r"(?<!\d)\d{5}(?:-\d{4})?(?!\d)|\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b|\b[A-Z]\d[A-Z] ?\d[A-Z]\d\b"
)
_STATE_ZIP = re.compile(r"\b(?P<state>[A-Z]{2})\.?,?\s{1,2}(?P<zip>\d{5}(?:-\d{4})?)(?!\d)")
_NUMBER = re.compile(
    r"^\s*(?:no\b|n[o0]\.|lot\b|unit\b|suite\b|level\b|block\b|blk\b|"
    r"#?\d{1,5}[A-Za-z]?\b|[a-z]{1,3}-?[a-z]?\d{0,3}-\d)",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"\b(?:tel|telephone|fax|phone|hp|h/p|mobile|hotline|e-?mail|email|www|http|gst|sst|vat|roc|reg(?:istration)?|"
    r"co\.? ?no|"
    r"company no|invoice|inv|receipt|cashier|whatsapp|website|attn|attention)\b|\w@[\w.]{1,40}\.[a-z]{2}|\.com\b"
)
_OTHER_STOP = re.compile(
    r"\b(?:tax|bill|date|time|table|order|cash|member|customer|welcome|owned|operated|contact|doc|document|"
    r"salesperson|counter|served)\b"
)
"""Words that end an address unless they stand in a line with a street or postcode."""
_CODE_LINE = re.compile(
    r"^\W*(?:\d{3,9}\s?-\s?[A-Z0-9]|[A-Z]{1,4}\d{4,}[A-Z\-]*|\d{5,9}\s?[A-Z])\W*$|^\s*\([^)]*\d[^)]*\)\s*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]{5,11}")
_DIGIT = re.compile(r"\d")
_PLACED = re.compile(r"[,\d]")
_LOT = re.compile(r"\b(?:lot|no|pt|ptd|p\.t|unit|plot)\W{0,3}(?:ptd?\b|p\.t\.?)?\W{0,3}\d{4,6}\b", re.IGNORECASE)
_NEAR_POSTCODE = re.compile(r"\W*(?:\d{4}|\d{6}|\d[\dOIlS]{4}),? [^\W\d_]{3}")
_PHONE_LINE = re.compile(r"[\s(+]*(?=(?:\D*\d){7})[\d\s()+/,\-]{8,60}")
_PHONE_AT_END = re.compile(r"[\s,]\(?\+?0\d{1,2}\)?\s?-\s?\d{3,4}[\s\-]?\d{3,5}\W*$")
_CUSTOMER = re.compile(
    r"\b(?:bill|sold|ship|deliver|invoice)\w* to\b|\bcustomer\b(?!\W?s? copy)|\battn\b|\bm/s\b|^\W*to\s*:",
    re.IGNORECASE,
)
_GREETING = re.compile(r"\b(?:thank|thanks|tq|welcome|please)\b|\.com\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """An address of the United States in its parts; empty where absent."""

    street: str
    unit: str
    city: str
    state: str
    zip: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A row at the head of a page, and what it has of an address."""

    text: Located
    street: bool
    region: bool
    postcode: bool
    number: bool
    """It begins with the number of a house, lot or unit."""
    form: bool
    """It names a legal form."""
    stops: bool
    """It has a telephone or tax number, or another word that ends an address."""
    bars: bool
    """It is no part of an address: it stops one, or is a code, a date, an amount or the issuer's name."""

    @property
    def signed(self) -> bool:
        return self.street or self.region or self.postcode or self.number


def issuer_address(page: Page) -> Located | None:
    """Returns the postal address that a page's issuer prints at its head, its lines joined by a space, or `None`."""
    return next((choice.value for choice in issuer_address_choices(page)), None)


def issuer_address_choices(page: Page) -> tuple[Choice[Located], ...]:
    """Returns the postal addresses at the head of a page, best first, each with a confidence.

    An address begins at a line with a street, house or lot number, or a line above it that ends in a comma, and goes
    on to the last neighbouring line that has a postcode, street or region; lines with telephone, tax or registration
    numbers end it. One without a postcode or region, or below somebody's `BILL TO`, is doubtful. Slips of OCR in
    common words are repaired.
    """
    lines = _head(page)
    found: list[tuple[float, int, int]] = []
    start = 0
    while start < len(lines):
        end = _end(lines, start) if _starts(lines[start]) or _leads(lines, start) else start
        if end - start >= 2 or any(line.postcode for line in lines[start:end]):
            first = _first(lines, start)
            found.append((_points(lines, first, end) - len(found), first, end))
        start = max(end, start + 1)
    found.sort(key=lambda one: (-one[0], one[1]))
    choices = tuple(Choice(_joined(lines[first:end]), _confidence(points)) for points, first, end in found)
    return choices or _short(lines)


def _short(lines: list[_Line]) -> tuple[Choice[Located], ...]:
    """An address of one line without a postcode: a house number and street, or a building above a telephone number."""
    for line in lines[:20]:
        if _starts(line) and line.street and line.number:
            return (Choice(_joined([line]), 0.5),)
    for line, below in zip(lines[1:12], lines[2:13], strict=False):
        if line.street and "," in line.text and not (line.bars or line.form) and _STOP.search(lowered(below.text)):
            return (Choice(_joined([line]), 0.3),)
    return ()


def _head(page: Page) -> list[_Line]:
    name = issuer(page)
    own = {span.line - 1 for span in name.place.spans} if name is not None and name.place else set()
    rows = islice(((index, row) for index in range(120) if (row := page.row(index))), _MOST_LINES)
    return [_line(_text(row), index in own) for index, row in rows]


def _text(row: Sequence[Cell]) -> Located:
    """The text of a row, without a telephone or tax number at the end of a line of an address."""
    text = repaired(join_lines([cell.text for cell in row[:12]])[:300])
    stop = _STOP.search(lowered(text)) or _PHONE_AT_END.search(text)
    if stop and stop.start() > 8 and _line(text[: stop.start()], False).signed:
        return text[: stop.start()].rstrip(" ,;:(")
    return text


def _line(located: Located, own: bool) -> _Line:
    text = str(located)
    low = lowered(text)
    digits = bool(_DIGIT.search(text))
    street, region = bool(_STREET.search(low)), _is_region(low)
    postcode = digits and (_has_postcode(text) or region and bool(_NEAR_POSTCODE.match(text)))
    stops = bool(_STOP.search(low) or digits and _PHONE_LINE.fullmatch(text))
    stops = stops or not (street or postcode) and bool(_OTHER_STOP.search(low))
    bars = own or stops or digits and (bool(_CODE_LINE.search(text)) or not street and _is_dated(text))
    return _Line(located, street, region, postcode, bool(_NUMBER.search(text)), has_legal_form(text), stops, bars)


def _has_postcode(text: str) -> bool:
    """Tells whether a line has a postcode that is not the number of a lot."""
    return bool(_POSTCODE.search(_LOT.sub("", text)))


def _points(lines: list[_Line], first: int, end: int) -> float:
    """Weighs an address by what it has and by what stands around it."""
    own, above = lines[first:end], lines[max(0, first - 2) : first]
    points = 1.0 * any(line.street for line in own) + 1.0 * any(line.region for line in own)
    points += 3.0 * any(_has_postcode(line.text) for line in own) + 1.0 * own[0].number + 1.0 * (2 <= len(own) <= 5)
    points += 1.0 * (end < len(lines) and lines[end].stops) + 1.0 * any(line.bars for line in above)
    return points - 5.0 * any(_CUSTOMER.search(line.text) for line in above)


def _confidence(points: float) -> float:
    return round(max(0.05, min(0.95, 0.1 + 0.1 * points)), 2)


def _first(lines: list[_Line], start: int) -> int:
    """Position of the first line of an address: up to two lines above it that end in a comma belong to it.

    An address that would begin with its postcode began in the line above, comma or not.
    """
    first = start
    while first and start - first < 2 and not (lines[first - 1].bars or lines[first - 1].form):
        above = str(lines[first - 1].text)
        goes_on = above.rstrip().endswith(",") or first == start and re.match(r"\W*\d{5}\b", lines[start].text)
        if not goes_on or _GREETING.search(above) or sum(map(str.isalpha, above)) < 5:
            break
        first -= 1
    return first


def _starts(line: _Line) -> bool:
    if line.bars or len(line.text) > 120 or line.form and not (line.street and (line.number or line.postcode)):
        return False
    placed = line.number or line.postcode or line.region or bool(_PLACED.search(line.text))
    return line.street and placed or line.number and "," in line.text or line.postcode and (line.number or line.region)


def _leads(lines: list[_Line], start: int) -> bool:
    """Tells whether a line such as `Wisma Besar` begins an address that goes on with a plainer sign of one."""
    line = lines[start]
    if not start or start + 1 >= len(lines) or line.bars or line.form or not line.street or len(line.text) > 80:
        return False
    below = lines[start + 1]
    return line.text.casefold().strip(" ,.") not in below.text.casefold() and _starts(below)


def _is_dated(text: str) -> bool:
    """Tells a line with a date or an amount; one with a street has neither (`12-14-16, Jalan Besar`)."""
    return bool(dates_in(text)) or has_cents(text)


def _is_region(low: str) -> bool:
    """Tells whether a line in lower case names a region, slips of OCR forgiven."""
    return bool(_REGION.search(low)) or any(map(_like_region, _WORD.findall(low)[:12]))


@lru_cache(maxsize=2048)
def _like_region(word: str) -> bool:
    return any(is_word(word, known) for known in _LONG_REGIONS)


_MOST_LINES = 32
"""The head of a page has at most so many rows."""
_LONG_REGIONS = ("selangor", "malaysia", "penang", "pahang", "melaka", "singapore", "terengganu", "kelantan", "sarawak")


def _end(lines: list[_Line], start: int) -> int:
    """Position after the last line of the address that starts there: at most seven lines."""
    end = start + 1
    closed = lines[start].postcode
    for index in range(start + 1, min(len(lines), start + 7)):
        line = lines[index]
        if line.bars or line.form or not (line.postcode or sum(map(str.isalpha, line.text)) >= 3):
            break
        goes_on = bool(re.search(r",\s*$|\b\d{5}\s*$", lines[index - 1].text))
        if closed and not (line.region or goes_on or _is_last(lines, index)):
            break
        end = index + 1
        closed = closed or line.postcode
    return end


def _is_last(lines: list[_Line], index: int) -> bool:
    """Tells whether a line below the postcode has a number and a place, such as a branch's, and ends the address."""
    ends = index + 1 < len(lines) and _STOP.search(lowered(lines[index + 1].text))
    return bool(ends) and bool(re.match(r"\W*\d{1,5}\s?-\s?[^\W\d_]{3}", lines[index].text))


def _joined(lines: list[_Line]) -> Located:
    return join_lines([line.text for line in lines]).strip(" ,;")


_UNIT = re.compile(r"\b(?:suite|ste|apt|apartment|unit|floor|fl|room|rm|#)\.?\s*#?\s*[\w\-]{1,8}\b", re.IGNORECASE)


def parse_us_address(text: str) -> Address | None:
    """Splits `222 W. Ontario St Ste 600, Chicago, IL 60654` into its parts, or `None` without state and ZIP code."""
    found = _STATE_ZIP.search(text[:300])
    if not found:
        return None
    lines = [part.strip(" ,") for part in re.split(r"[\n,]", text[: found.start()]) if part.strip(" ,")]
    if not lines:
        return None
    city = lines.pop() if len(lines) > 1 else ""
    unit = next((match.group() for line in lines if (match := _UNIT.search(line))), "")
    street = ", ".join(lines).replace(unit, "").strip(" ,") if unit else ", ".join(lines)
    return Address(street, unit, city, found.group("state"), found.group("zip"))
