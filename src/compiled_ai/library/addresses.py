"""Postal addresses: finding the one that a page's issuer prints, and the parts of one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiled_ai.library.dates import find_dates
from compiled_ai.library.labels import is_word
from compiled_ai.library.money import find_amounts
from compiled_ai.library.organisations import has_legal_form, join_lines, repaired
from compiled_ai.library.places import Choice, Located
from compiled_ai.library.issuers import issuer

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

_STREET = re.compile(
    r"\b(?:jalan|jln|jl|lorong|lrg|lebuh|lebuhraya|persiaran|psn|taman|tmn|kampung|kg|bandar|desa|kawasan|seksyen|seksen|section|sek|"
    r"medan|pusat|wisma|menara|bangunan|kompleks|plaza|mall|arcade|building|bldg|block|blk|tower|centre|center|complex|"
    r"street|st|road|rd|avenue|ave|av|boulevard|blvd|drive|dr|lane|ln|way|court|ct|highway|hwy|parkway|pkwy|square|sq|circle|"
    r"terrace|place|pl|suite|ste|floor|flr|fl|level|unit|lot|p\.?\s?o\.?\s?box|batu|simpang|off|"
    r"stra(?:ss|ß)e|str|platz|weg|allee|rue|place|chemin|via|piazza|calle|plaza|avenida|rua)\b\.?",
    re.IGNORECASE,
)
_REGION = re.compile(
    r"\b(?:selangor|johor|penang|pulau pinang|perak|pahang|kedah|kelantan|"
    r"terengganu|"
    r"melaka|malacca|"
    r"negeri sembilan|perlis|"
    r"sabah|sarawak|kuala lumpur|putrajaya|labuan|wilayah persekutuan|malaysia|singapore|"
    r"shah alam|petaling jaya|klang|"
    r"darul ehsan|darul takzim|usa|united states|canada|united kingdom|england|australia|"
    r"deutschland|france|nederland)\b",
    re.IGNORECASE,
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
    r"company no|invoice|inv|receipt|cashier|whatsapp|website|attn|attention)\b|\w@[\w.]{1,40}\.[a-z]{2}|\.com\b",
    re.IGNORECASE,
)
_OTHER_STOP = re.compile(
    r"\b(?:tax|bill|date|time|table|order|cash|member|customer|welcome|owned|operated|contact|doc|document|"
    r"salesperson|counter|served)\b",
    re.IGNORECASE,
)
"""Words that end an address unless they stand in a line with a street or postcode."""
_CODE_LINE = re.compile(
    r"^\W*(?:\d{3,9}\s?-\s?[A-Z0-9]|[A-Z]{1,4}\d{4,}[A-Z\-]*|\d{5,9}\s?[A-Z])\W*$|^\s*\([^)]*\d[^)]*\)\s*$",
    re.IGNORECASE,
)
_LOT = re.compile(r"\b(?:lot|no|pt|ptd|p\.t|unit|plot)\W{0,3}(?:ptd?\b|p\.t\.?)?\W{0,3}\d{4,6}\b", re.IGNORECASE)
_NEAR_POSTCODE = re.compile(r"\W*(?:\d{4}|\d{6}|\d[\dOIlS]{4}),? [^\W\d_]{3}")
_PHONE_LINE = re.compile(r"[\s(+]*(?=(?:\D*\d){7})[\d\s()+/,\-]{8,60}")
_PHONE_AT_END = re.compile(r"[\s,]\(?\+?0\d{1,2}\)?\s?-\s?\d{3,4}[\s\-]?\d{3,5}\W*$")
_CUSTOMER = re.compile(r"\b(?:bill|sold|ship|deliver|invoice)\w* to\b|\bcustomer\b(?!\W?s? copy)|\battn\b|\bm/s\b|^\W*to\s*:", re.I)
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
class _Head:
    """The rows at the top of a page in which an address is looked for."""

    lines: list[Located]
    names: frozenset[int]
    """Positions of the lines that hold the issuer's name."""

    def bars(self, index: int) -> bool:
        """Tells whether a line is something else than a part of an address."""
        line = self.lines[index]
        return index in self.names or _stops(line) or bool(_CODE_LINE.search(line)) or _is_dated(line)


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
    head = _head(page)
    found: list[tuple[float, int, int]] = []
    start = 0
    while start < len(head.lines):
        end = _end(head, start) if _starts(head, start) or _leads(head, start) else start
        if end > start and (end - start >= 2 or any(_has_postcode(line) for line in head.lines[start:end])):
            first = _first(head, start)
            found.append((_points(head, first, end) - len(found), first, end))
        start = max(end, start + 1)
    found.sort(key=lambda one: (-one[0], one[1]))
    choices = [Choice(_joined(head.lines[first:end]), _confidence(points)) for points, first, end in found]
    return tuple(choices) or _short(head)


def _short(head: _Head) -> tuple[Choice[Located], ...]:
    """An address of one line without a postcode: a house number and street, or a building below the name."""
    for index, line in enumerate(head.lines[:20]):
        street, _, _, number = _signs(line)
        if _starts(head, index) and street and number:
            return (Choice(_joined([line]), 0.5),)
    for index, line in enumerate(head.lines[:12]):
        building = _STREET.search(line) and "," in line and not head.bars(index) and not has_legal_form(line)
        if building and index and index + 1 < len(head.lines) and _STOP.search(head.lines[index + 1]):
            return (Choice(_joined([line]), 0.3),)
    return ()


def _head(page: Page) -> _Head:
    rows = [(index, row) for index in range(120) if (row := page.row(index))][:40]
    lines = [_cut(_line(row)) for _, row in rows]
    name = issuer(page)
    own = {span.line - 1 for span in name.place.spans} if name is not None and name.place else set()
    return _Head(lines, frozenset(at for at, (index, _) in enumerate(rows) if index in own))


def _points(head: _Head, first: int, end: int) -> float:
    """Weighs an address by what it has and by what stands around it."""
    lines = head.lines[first:end]
    signs = [any(column) for column in zip(*map(_signs, lines), strict=True)]
    below = head.lines[end] if end < len(head.lines) else Located("")
    near = any(at in head.names or _CODE_LINE.search(head.lines[at]) for at in range(max(0, first - 2), first))
    points = 1.0 * signs[0] + 1.0 * signs[1] + 3.0 * signs[2] + 1.0 * bool(_NUMBER.search(lines[0]))
    points += 1.0 * (2 <= len(lines) <= 5) + 1.0 * _stops(below) + 1.0 * near
    return points - 5.0 * any(_CUSTOMER.search(line) for line in head.lines[max(0, first - 2) : first])


def _confidence(points: float) -> float:
    return round(max(0.05, min(0.95, 0.1 + 0.1 * points)), 2)


def _cut(line: Located) -> Located:
    """Cuts a telephone or tax number from the end of a line of an address."""
    stop = _STOP.search(line) or _PHONE_AT_END.search(line)
    if stop and stop.start() > 8 and any(_signs(line[: stop.start()])):
        return line[: stop.start()].rstrip(" ,;:(")
    return line


def _first(head: _Head, start: int) -> int:
    """Position of the first line of an address: lines above it that end in a comma belong to it.

    An address that would begin with its postcode began in the line above, comma or not.
    """
    first = start
    while first and start - first < 2 and not head.bars(first - 1):
        above = head.lines[first - 1]
        goes_on = above.rstrip().endswith(",") or first == start and re.match(r"\W*\d{5}\b", head.lines[start])
        if not goes_on or has_legal_form(above) or _GREETING.search(above) or sum(map(str.isalpha, above)) < 5:
            break
        first -= 1
    return first


def _line(row: Sequence[Cell]) -> Located:
    return repaired(join_lines([cell.text for cell in row[:12]])[:300])


def _starts(head: _Head, index: int) -> bool:
    line = head.lines[index]
    if head.bars(index) or len(line) > 120:
        return False
    street, region, postcode, number = _signs(line)
    if has_legal_form(line) and not (street and (number or postcode)):
        return False
    return (
        (street and (number or postcode or region or "," in line or bool(re.search(r"\d", line))))
        or (number and ("," in line or postcode))
        or (postcode and region)
    )


def _stops(line: str) -> bool:
    if _STOP.search(line) or _PHONE_LINE.fullmatch(line):
        return True
    return bool(_OTHER_STOP.search(line)) and not (_STREET.search(line) or _has_postcode(line))


def _leads(head: _Head, start: int) -> bool:
    """Tells whether a line such as `Wisma Besar` begins an address that goes on with a plainer sign of one."""
    if not start or start + 1 >= len(head.lines) or head.bars(start):
        return False
    line, below = head.lines[start], head.lines[start + 1]
    plain = _STREET.search(line) and not has_legal_form(line) and len(line) <= 80
    return bool(plain) and line.casefold().strip(" ,.") not in below.casefold() and _starts(head, start + 1)


def _is_dated(line: str) -> bool:
    """Tells a line with a date or an amount from one with a house number such as `12-14-16, Jalan Besar`."""
    if _STREET.search(line):
        return False
    return next(find_dates(line), None) is not None or any(amount.decimals == 2 for amount in find_amounts(line))


def _is_region(line: str) -> bool:
    """Tells whether a line names a region, slips of OCR forgiven."""
    words = re.findall(r"[a-z]{5,}", line.lower())[:12]
    return bool(_REGION.search(line)) or any(is_word(word, known) for word in words for known in _LONG_REGIONS)


_LONG_REGIONS = ("selangor", "malaysia", "penang", "pahang", "melaka", "singapore", "terengganu", "kelantan", "sarawak")


def _has_postcode(line: str) -> bool:
    """Tells whether a line has a postcode: not the number of a lot, and with a slip of OCR only before a region."""
    return bool(_POSTCODE.search(_LOT.sub("", line))) or bool(_NEAR_POSTCODE.match(line)) and _is_region(line)


def _signs(line: str) -> tuple[bool, bool, bool, bool]:
    """Whether a line has a street, a region, a postcode, and begins with a number of a house."""
    return bool(_STREET.search(line)), _is_region(line), _has_postcode(line), bool(_NUMBER.search(line))


def _end(head: _Head, start: int) -> int:
    """Position after the last line of the address that starts there."""
    end = start + 1
    closed = _has_postcode(head.lines[start])
    for index in range(start + 1, min(len(head.lines), start + 7)):
        line = head.lines[index]
        if head.bars(index) or has_legal_form(line):
            break
        street, region, postcode, number = _signs(line)
        above = head.lines[index - 1].rstrip()
        goes_on = above.endswith(",") or bool(re.search(r"\b\d{5}$", above))
        if closed and not (region or goes_on or _is_last(head, index)):
            break
        if not (street or region or postcode or number or goes_on or not closed):
            break
        if sum(map(str.isalpha, line)) < 3 and not postcode:
            break
        end = index + 1
        closed = closed or postcode
    return end


def _is_last(head: _Head, index: int) -> bool:
    """Tells whether a line below the postcode has a number and a place, such as a branch's, and ends the address."""
    line = head.lines[index]
    ends = index + 1 < len(head.lines) and bool(_STOP.search(head.lines[index + 1]))
    return ends and bool(re.match(r"\W*\d{1,5}\s?-\s?[^\W\d_]{3}", line))


def _joined(lines: list[Located]) -> Located:
    return join_lines(lines).strip(" ,;")


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
