"""Who issued a page, and when: the name at its head, with how sure it is, and the day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from compiled_ai.library.dates import dates_in, find_dates
from compiled_ai.library.labels import is_label, lowered
from compiled_ai.library.names import (
    first_form,
    is_registration,
    join_lines,
    last_form,
    repaired,
    without_codes,
    without_leading_code,
)
from compiled_ai.library.places import Choice, Located, LocatedDate

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

_HEADING = re.compile(
    r"\b(?:tax ?invoice|invoice|receipt|resit|cash (?:sale|bill)s?|bill|statement|order|quotation|delivery|guest check|"
    r"customer|copy|duplicate|reprint(?:ed)?|original|welcome|hours|signature|"
    r"tel|telephone|fax|phone|hotline|whatsapp|e-?mail|www|gst|sst|vat|tax|reg|roc|"
    r"co\.? ?no|company no|page|date|time|cashier|table|thanks?|feedback|voucher|goods)\b"
)
_GREETING = re.compile(
    r"\.com\b|\.my\b|\w@[\w.]{1,40}\.[a-z]{2}|\bthank|\btq\b|\bshopping with\b|\bplease\b", re.IGNORECASE
)
_PLACE = re.compile(
    r"^\W*(?:no\.? ?\d|lot |jalan|jln|lorong|taman|pusat |level \d|unit |ground floor|\d+[,\-/ ])", re.IGNORECASE
)
_STREET = re.compile(r"\b(?:jalan|jln|lorong|persiaran|lebuh|street|road|avenue)\b")
_DIGIT = re.compile(r"\d")
_HOUSE = re.compile(
    r"\b\d{5}\b|^\W{0,4}(?:no|lot|unit|ptd?)\b\W{0,4}(?:ptd? )?\w{0,6}\d|^\d{1,6}[\w\-/]{0,12},", re.IGNORECASE
)
_TRADES = re.compile(
    r"\b(?:restoran|restaurant|cafe|kopitiam|kedai|syarikat|perniagaan|farmasi|pharmacy|pasaraya|pasar|mini ?mart|mart|"
    r"(?:super|hyper|mini)?market|hardware|stationery|bakery|cake|shop|stores?|books?|gifts?|deco|klinik|clinic|station|"
    r"stesen|petrol|services?|electrical|motors?|auto|tyres?|marketing|industries|holdings|group|foods?|seafood|kitchen|"
    r"cuisine|confectionery|fresh|boutique|salon|optical|furniture|machinery|engineering|ventures?|resources)\b"
)
"""Words by which shops and firms are called: a line with one is a name rather than a logo, a branch or a person."""
_OTHERS = re.compile(
    r"\b(?:formerly|owned|operated|licen[cs]ee|managed|f\.?k\.?a|sold to|bill(?:ed)? to|ship to|deliver(?:ed)? to|attn|"
    r"customer(?!\W?s? copy)|m/s)\b|^\W*to\s*:",
    re.IGNORECASE,
)
_BEGUN = re.compile(
    r"\btax ?invoice|\b(?:cash|official) (?:receipt|bill|sales?)\b|\b(?:invoice|receipt|bill) no\b", re.IGNORECASE
)
"""A heading that stands below the issuer's own lines."""
_LAST_LINE = 20
"""The head of a page has at most so many texts."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A text at the head of a page, and what it may be."""

    text: Located
    form: re.Match[str] | None
    """Its legal form."""
    name: bool
    """It looks like a name or a part of one: no heading, label, date, number or greeting."""
    place: bool
    """It looks like a line of an address."""
    registration: bool
    """It is the registration number of a company."""


@dataclass(frozen=True, slots=True)
class _Head:
    """The texts at the top of a page, and where the issuer's name may stand among them."""

    lines: list[_Line]
    names: list[int]
    """Positions of texts that end a name."""
    address: int
    """Position of the first line of an address."""
    begun: int
    """Position of the first heading below the address: names after it are the customer's."""
    height: float
    """Usual height of its letters, in the unit of the boxes; 0 for a text."""


def issuer(page: Page) -> Located | None:
    """Returns the name that a page's issuer prints at its head, or `None`: the first of `issuer_choices`."""
    return next((choice.value for choice in issuer_choices(page)), None)


@lru_cache(maxsize=2)
def issuer_choices(page: Page) -> tuple[Choice[Located], ...]:
    """Returns the texts at the head of a page that may name its issuer, best first, each with a confidence.

    A name has a legal form, a registration number beside or below it, or stands first; it stands above the address
    rather than below it, and above the heading of the page (`TAX INVOICE`). A name over two or three lines
    (`SINNATHAMBY HOLDINGS` / `SDN. BHD.`) is joined; codes at its end are dropped. The names of customers, owners
    and former names (`OWNED BY ...`) come last. Slips of OCR in common words are repaired.
    """
    head = _head(page)
    points = {index: _points(head, index) for index in head.names}
    ranked = sorted(head.names, key=lambda index: (-points[index], index))
    return tuple(
        Choice(name, _confidence(points[index], [points[other] for other in ranked if other != index]))
        for index in ranked
        if (name := repaired(_whole(head.lines, index)))
    )


def _confidence(points: float, others: Sequence[float]) -> float:
    """How sure a name is: by its own points, and by how far the next one stays behind."""
    ahead = points - max(others, default=-10.0)
    return round(max(0.02, min(0.97, 0.45 + 0.055 * points + 0.03 * min(ahead, 5.0))), 2)


def _head(page: Page) -> _Head:
    lines = [_line(text) for text in _texts(page)]
    count = len(lines)
    address = next((index for index, line in enumerate(lines) if line.place), count)
    begun = next((index for index in range(address + 1, count) if _BEGUN.search(lines[index].text)), count)
    inner = {part for index in range(count) for part in range(_first(lines, index), index)}
    ends = [index for index, line in enumerate(lines) if line.form or line.name and not line.place]
    heights = sorted(_height(line.text) for line in lines)
    names = [index for index in ends if index not in inner]
    return _Head(lines, names, address, begun, heights[count // 2] if count else 0.0)


def _height(text: Located) -> float:
    """The height of the box that a text stands in; 0 for a piece of a text."""
    edges = text.place.spans[0].edges if text.place else None
    return edges[3] - edges[1] if edges else 0.0


def _line(text: Located) -> _Line:
    plain = str(text)
    street = bool(_DIGIT.search(plain)) and bool(_STREET.search(lowered(plain)))
    place = street or "," in plain and bool(_HOUSE.search(plain))
    return _Line(text, last_form(plain), _is_name(plain), place, is_registration(plain))


def _points(head: _Head, index: int) -> float:
    """Weighs a name by what it says and by where it stands. The weights were set by hand on receipts."""
    line = head.lines[index]
    text = str(line.text)
    begin = _first(head.lines, index)
    above = str(head.lines[begin - 1].text) if begin else ""
    other = _OTHERS.search(text[: line.form.start()] if line.form else text) or _OTHERS.search(above)
    points = 5.0 * bool(line.form) + 3.0 * _is_registered(head.lines, index) + 2.0 * (index == head.names[0])
    points += 1.5 * bool(_TRADES.search(lowered(text))) - 2.0 * (_height(line.text) > 1.35 * head.height)
    points += 1.0 * (head.address - 2 <= index < head.address) - 4.0 * (index > head.address)
    points -= 3.0 * (index > head.begun) + 0.25 * max(0, index - head.names[0] - 4)
    points -= 8.0 * bool(other) + 4.0 * text.lstrip().startswith(("(", "-", "*"))
    return points - 6.0 * (line.place or text.rstrip().endswith(",") or bool(_PLACE.match(text)))


def _is_registered(lines: list[_Line], index: int) -> bool:
    """Tells whether a registration number stands behind a name or below it."""
    line = lines[index]
    beside = line.form is not None and re.match(r"\s*\W?\s*\d{4}", str(line.text)[line.form.end() :])
    return bool(beside) or len(without_codes(line.text)) < len(line.text.strip(" ,;:-")) or _has_number(lines, index)


def _has_number(lines: list[_Line], index: int) -> bool:
    return index + 1 < len(lines) and lines[index + 1].registration


def _whole(lines: list[_Line], index: int) -> Located:
    """The name that ends in a line, from its first line, without codes."""
    text, form = lines[index].text, lines[index].form
    end = len(text)
    if form is not None:
        after = form.end() + (text[form.end() : form.end() + 1] == ".")
        end = after if _AFTER_NAME.match(str(text)[after:]) else end
    first = _first(lines, index)
    return without_leading_code(join_lines([*(line.text for line in lines[first:index]), without_codes(text[:end])]))


_AFTER_NAME = re.compile(r"\s*[(\[,\-]|\s+\W*\d{4}|\s+(?:f\.?k\.?a|formerly)\b", re.IGNORECASE)


def _first(lines: list[_Line], index: int) -> int:
    """Position of the first line of the name that ends in a line; a name has at most three."""
    first = index
    while first and index - first < 2 and _continues(lines, first, index):
        first -= 1
    return first


def _continues(lines: list[_Line], at: int, last: int) -> bool:
    """Tells whether the line `at` goes on with the name of the line above it."""
    above, line = lines[at - 1], lines[at]
    if not above.name or not (line.form or line.name) or not _same_print(above.text, line.text):
        return False
    text = str(without_codes(line.text))
    if text.count(")") > text.count("(") or above.text.count("(") > above.text.count(")") and ")" in text:
        return True
    if above.form is not None and first_form(above.text):
        return False
    form = first_form(text) or line.form
    if form is not None:
        return _begins_before(text[: form.start()])
    return at == last and _has_number(lines, at) and line.name and not _PLACE.match(text)


def _begins_before(ahead: str) -> bool:
    """Tells whether the words in front of a legal form are the rest of a name that began in the line above."""
    words = [word for word in re.sub(r"\([^)]*\)", "", ahead).split() if any(map(str.isalpha, word))]
    return len(words) <= 1 or ahead.lstrip().startswith("&")


def _same_print(above: Located, below: Located) -> bool:
    """Tells whether two lines are printed alike: aligned neighbours of about one height, the first line filled."""
    if not (above.place and below.place) or set(str(above).casefold().split()) & set(str(below).casefold().split()):
        return False
    one, other = above.place.spans[0].edges, below.place.spans[0].edges
    if one is None or other is None:
        return True
    right = (above.place.spans[-1].edges or one)[2], (below.place.spans[-1].edges or other)[2]
    low, high = sorted((one[3] - one[1], other[3] - other[1]))
    aligned = min(abs(one[0] - other[0]), abs(one[0] + right[0] - other[0] - right[1]) / 2) <= 1.2 * high
    fills = right[0] - one[0] >= 0.55 * (right[1] - other[0])
    return fills and aligned and high <= 1.4 * low and other[1] - one[3] <= 0.9 * low


def _is_name(line: str) -> bool:
    """Tells whether a text may be a name. A registration number at its end does not count."""
    if len(line) > 60 or (letters := sum(map(str.isalpha, line))) < 3:
        return False
    digits = sum(map(str.isdigit, str(without_codes(line))))
    other = digits * 2 > letters or _HEADING.search(lowered(line)) or _GREETING.search(line) or is_label(line) >= 0.9
    return not other and not dates_in(line)


def _texts(page: Page) -> list[Located]:
    """The first texts of a page that have three letters or digits."""
    found: list[Located] = []
    for index in range(80):
        found += [text for text in _phrases(page.row(index)[:16]) if sum(map(str.isalnum, text)) >= 3]
        if len(found) >= _LAST_LINE:
            break
    return found[:_LAST_LINE]


def _phrases(row: Sequence[Cell]) -> list[Located]:
    """The texts of a row; cells that stand no more than about two characters apart are one."""
    found: list[Located] = []
    edge = 0.0
    for cell in row:
        if found and cell.x0 - edge <= 2.5:
            found[-1] = join_lines([found[-1], cell.text])[:200]
        else:
            found.append(cell.text[:200])
        edge = cell.x1
    return found


def issue_date(page: Page) -> LocatedDate | None:
    """Returns the day on which a page was issued, or `None`: the one labelled so, else the one with a clock time.

    Due and expiry dates are passed over, and what only looks like a date within a code (`SP-18/06/04-2041`).
    """
    labelled = page.labelled("Invoice Date", "Receipt Date", "Bill Date", "Sales Date", "Date", "Tarikh", kind="date")
    if labelled is not None:
        return labelled
    found = [(_day_points(row), -index, row) for index in range(min(page.height, 2000)) if (row := page.row(index))]
    dated = ((points, index, day) for points, index, row in found if (day := _day(page, row)))
    return max(dated, key=lambda one: one[:2], default=(0, 0, None))[2]


def _day_points(row: Sequence[Cell]) -> int:
    text = " ".join([cell.plain[:120] for cell in row[:12]])
    return 2 * bool(_CLOCK.search(text)) - 4 * bool(_OTHER_DAY.search(text))


def _day(page: Page, row: Sequence[Cell]) -> LocatedDate | None:
    """The first date of a row that is no part of a code."""
    for cell in row[:12]:
        text = cell.text[:120]
        for found in find_dates(text, order=page.order, base=page.base):
            if not _IN_CODE.search(f"{text[: found.start]}|{text[found.end :]}"):
                return found.value
    return None


_CLOCK = re.compile(r"\d{1,2} ?: ?\d{2}\b")
_OTHER_DAY = re.compile(r"\b(?:due|expir\w*|valid\w*|until|before|since|effective|printed)\b", re.IGNORECASE)
_IN_CODE = re.compile(r"\w-\|-?\w|[^\W\d_]-?\||\|-\d{3}")
