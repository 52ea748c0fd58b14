"""Postal addresses: finding the one that a page's issuer prints, and the parts of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiled_ai.library.dates import find_dates
from compiled_ai.library.labels import is_word
from compiled_ai.library.money import find_amounts
from compiled_ai.library.organisations import has_legal_form
from compiled_ai.library.issuers import issuer
from compiled_ai.library.places import Located, Place

if TYPE_CHECKING:
    from compiled_ai.library.layout import Page

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


@dataclass(frozen=True, slots=True)
class Address:
    """An address of the United States in its parts; empty where absent."""

    street: str
    unit: str
    city: str
    state: str
    zip: str


def issuer_address(page: Page) -> Located | None:
    """Returns the first postal address from the top of a page, its lines joined by a space, or `None`.

    It begins at a line with a street, house or lot number, and goes on to the last neighbouring line that has a
    postcode, street or region; lines with telephone, tax or registration numbers end it.
    """
    lines = [_line(row) for row in map(page.row, range(120)) if row][:40]
    lines = [_cut(line) for line in lines]
    name = issuer(page)
    for start, line in enumerate(lines):
        if not _starts(line) and not _leads(lines, start, name):
            continue
        end = _end(lines, start)
        if any(_POSTCODE.search(part) for part in lines[start:end]) or end - start >= 2:
            return _joined(lines[_first(lines, start, name) : end])
    return next((_joined([line]) for line in lines[:20] if _starts(line) and all(_signs(line)[::3])), None)


def _cut(line: Located) -> Located:
    """Cuts a telephone or tax number from the end of a line of an address."""
    stop = _STOP.search(line)
    if stop and stop.start() > 8 and any(_signs(line[: stop.start()])):
        return line[: stop.start()].rstrip(" ,;:(")
    return line


def _first(lines: list[Located], start: int, name: Located | None) -> int:
    """Position of the first line: an address that would begin with its postcode or region began in the line above."""
    if not start or not re.match(r"\W*\d{5}\b", lines[start]):
        return start
    above = lines[start - 1]
    is_name = name is not None and any(part and part in above for part in (name, name.split()[0] + " " if name else ""))
    if is_name or _stops(above) or _CODE_LINE.search(above) or sum(map(str.isalpha, above)) < 5:
        return start
    return start - 1


def _line(row: tuple[object, ...]) -> Located:
    from compiled_ai.library.layout import Cell, join

    return join([cell.text for cell in row[:12] if isinstance(cell, Cell)])[:300]


def _starts(line: str) -> bool:
    if _stops(line) or _CODE_LINE.search(line) or len(line) > 120 or _is_dated(line):
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
    if _STOP.search(line):
        return True
    return bool(_OTHER_STOP.search(line)) and not (_STREET.search(line) or _POSTCODE.search(line))


def _leads(lines: list[Located], start: int, name: Located | None) -> bool:
    """Tells whether a line such as `Wisma Besar` begins an address that goes on with a plainer sign of one."""
    if not start or start + 1 >= len(lines) or not _STREET.search(lines[start]) or not _is_plain(lines[start]):
        return False
    line, below = lines[start].casefold(), lines[start + 1].casefold()
    is_name = name is not None and (name.casefold() in line or line in name.casefold())
    return not is_name and line.strip(" ,.") not in below and _starts(lines[start + 1])


def _is_plain(line: str) -> bool:
    return not (_stops(line) or _CODE_LINE.search(line) or has_legal_form(line) or len(line) > 80)


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


def _signs(line: str) -> tuple[bool, bool, bool, bool]:
    return (
        bool(_STREET.search(line)),
        _is_region(line),
        bool(_POSTCODE.search(line)),
        bool(_NUMBER.search(line)),
    )


def _end(lines: list[Located], start: int) -> int:
    """Position after the last line of the address that starts there."""
    end = start + 1
    closed = bool(_POSTCODE.search(lines[start]))
    for index in range(start + 1, min(len(lines), start + 7)):
        line = lines[index]
        if _stops(line) or _CODE_LINE.search(line) or has_legal_form(line) or _is_dated(line):
            break
        street, region, postcode, number = _signs(line)
        goes_on = lines[index - 1].rstrip().endswith(",")
        if closed and not (region or goes_on) or not (street or region or postcode or number or goes_on or not closed):
            break
        if sum(map(str.isalpha, line)) < 3 and not postcode:
            break
        end = index + 1
        closed = closed or postcode
    return end


def _joined(lines: list[Located]) -> Located:
    spans = tuple(span for line in lines if line.place for span in line.place.spans)
    return Located(" ".join(line.strip() for line in lines), Place(spans) if spans else None).strip(" ,;")


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
