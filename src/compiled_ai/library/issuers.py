"""Who issued a page: the name that stands at its head, with how sure it is.

Called as `names.issuer(page)` and `names.issuer_choices(page)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiled_ai.library.dates import find_dates
from compiled_ai.library.labels import is_label
from compiled_ai.library.organisations import (
    first_form,
    is_registration,
    join_lines,
    last_form,
    repaired,
    without_codes,
    without_leading_code,
)
from compiled_ai.library.places import Choice, Located

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

_HEADING = re.compile(
    r"\b(?:tax ?invoice|invoice|receipt|resit|cash (?:sale|bill)s?|bill|statement|order|quotation|delivery|guest check|"
    r"customer|copy|duplicate|reprint(?:ed)?|original|welcome|hours|signature|"
    r"tel|telephone|fax|phone|hotline|whatsapp|e-?mail|www|gst|sst|vat|tax|reg|roc|"
    r"co\.? ?no|company no|page|date|time|cashier|table|thanks?|feedback|voucher|goods)\b",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\.com\b|\.my\b|\w@[\w.]{1,40}\.[a-z]{2}|\bthank|\btq\b|\bshopping with\b|\bplease\b", re.IGNORECASE
)
_PLACE = re.compile(
    r"^\W*(?:no\.? ?\d|lot |jalan|jln|lorong|taman|pusat |level \d|unit |ground floor|\d+[,\-/ ])", re.IGNORECASE
)
_STREET = re.compile(r"\b(?:jalan|jln|lorong|persiaran|lebuh|street|road|avenue)\b", re.IGNORECASE)
_HOUSE = re.compile(r"\b\d{5}\b|^\W{0,4}(?:no|lot|unit|ptd?)\b\W{0,4}(?:ptd? )?\w{0,6}\d|^\d{1,6}[\w\-/]{0,12},", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:formerly|owned|operated|licen[cs]ee|managed|f\.?k\.?a|sold to|bill(?:ed)? to|ship to|deliver(?:ed)? to|attn|"
    r"customer(?!\W?s? copy)|m/s)\b|^\W*to\s*:",
    re.IGNORECASE,
)
_BEGUN = re.compile(r"\btax ?invoice|\b(?:cash|official) (?:receipt|bill|sales?)\b|\b(?:invoice|receipt|bill) no\b", re.I)
_LAST_LINE = 20
"""The head of a page has at most so many texts."""


@dataclass(frozen=True, slots=True)
class _Head:
    """The texts at the top of a page, and where the issuer's name may stand among them."""

    lines: list[Located]
    names: list[int]
    """Positions of texts that may be a name."""
    address: int
    """Position of the first line of an address."""
    begun: int
    """Position of the first heading below the address: names after it are the customer's."""


def issuer(page: Page) -> Located | None:
    """Returns the name that a page's issuer prints at its head, or `None`: the first of `issuer_choices`."""
    return next((choice.value for choice in issuer_choices(page)), None)


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
    lines = _texts(page)
    address = next((index for index, line in enumerate(lines) if _is_street(line)), len(lines))
    begun = next((index for index, line in enumerate(lines) if index > address and _BEGUN.search(line)), len(lines))
    return _Head(lines, [index for index, line in enumerate(lines) if _may_name(lines, index)], address, begun)


def _may_name(lines: list[Located], index: int) -> bool:
    """Tells whether a text may be a name, and is not the first part of the name in the next line."""
    line = lines[index]
    if last_form(line) is None and (not _is_name(line) or _PLACE.match(line) or _is_street(line)):
        return False
    following = lines[index + 1 : index + 3]
    return not any(index in range(_first(lines, later), later) for later in range(index + 1, index + 1 + len(following)))


def _points(head: _Head, index: int) -> float:
    line = head.lines[index]
    form = last_form(line)
    begin = _first(head.lines, index)
    below = head.lines[index + 1] if index + 1 < len(head.lines) else Located("")
    registered = without_codes(line) != line.strip(" ,;:-") or is_registration(below)
    registered = registered or form is not None and bool(re.match(r"\s*\W?\s*\d{4}", line[form.end() :]))
    above = head.lines[begin - 1] if begin else Located("")
    other = _OTHERS.search(line[: form.start()] if form else line) or _OTHERS.search(above)
    points = 5.0 * (form is not None) + 3.0 * registered + 2.0 * (index == head.names[0])
    points += 1.0 * (head.address - 2 <= index < head.address) - 4.0 * (index > head.address)
    points -= 3.0 * (index > head.begun) + 8.0 * bool(other) + 4.0 * line.lstrip().startswith(("(", "-", "*"))
    return points - 6.0 * bool(_PLACE.match(line) or _is_address(line))


def _is_address(line: str) -> bool:
    return line.rstrip().endswith(",") or _is_street(line)


def _whole(lines: list[Located], index: int) -> Located:
    """The name that ends in a line, from its first line, without codes."""
    line = lines[index]
    match = last_form(line)
    name = without_codes(line)
    if match is not None:
        end = match.end() + (line[match.end() : match.end() + 1] == ".")
        cut = re.match(r"\s*[(\[,\-]|\s+\W*\d{4}|\s+\b(?:f\.?k\.?a|formerly)\b", line[end:], re.IGNORECASE)
        name = without_codes(line[:end]) if cut else name
    first = _first(lines, index)
    return without_leading_code(join_lines([*lines[first:index], name]) if first < index else name)


def _first(lines: list[Located], index: int) -> int:
    """Position of the first line of the name that ends in a line."""
    first = index
    while first and index - first < 2 and _continues(lines, first, index):
        first -= 1
    return first


def _continues(lines: list[Located], at: int, last: int) -> bool:
    """Tells whether the line `at` goes on with the name of the line above it."""
    above, line = lines[at - 1], lines[at]
    if not _is_name(above) or not _same_print(above, line):
        return False
    name = without_codes(line)
    if name.count(")") > name.count("(") or above.count("(") > above.count(")") and ")" in line:
        return True
    form = first_form(line) or last_form(line)
    if form is not None:
        return first_form(above) is None and _begins_before(line[: form.start()])
    registered = at + 1 < len(lines) and at == last and is_registration(lines[at + 1])
    return registered and first_form(above) is None and _is_name(line) and not _PLACE.match(line)


def _begins_before(ahead: str) -> bool:
    """Tells whether the words in front of a legal form are the rest of a name that began in the line above."""
    words = [word for word in re.sub(r"\([^)]*\)", "", ahead).split() if any(map(str.isalpha, word))]
    return len(words) <= 1 or ahead.lstrip().startswith("&")


def _same_print(above: Located, below: Located) -> bool:
    """Tells whether two lines are printed alike: neighbours of about one height, the first line filled."""
    if not (above.place and below.place) or set(above.casefold().split()) & set(below.casefold().split()):
        return False
    one, other = above.place.spans[-1].edges, below.place.spans[0].edges
    if one is None or other is None:
        return True
    heights = sorted((one[3] - one[1], other[3] - other[1]))
    fills = one[2] - one[0] >= 0.55 * (other[2] - other[0])
    return fills and heights[1] <= 1.5 * heights[0] and other[1] - one[3] <= heights[1]


def _is_name(line: str) -> bool:
    letters, digits = sum(map(str.isalpha, line)), sum(map(str.isdigit, without_codes(line)))
    plain = len(line) <= 60 and letters >= 3 and digits * 2 <= letters
    other = _HEADING.search(line) or _GREETING.search(line) or is_label(line) >= 0.9
    return plain and not other and next(find_dates(line), None) is None


def _is_street(line: str) -> bool:
    street = bool(_STREET.search(line)) and bool(re.search(r"\d", line))
    return street or bool(_HOUSE.search(line)) and "," in line


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
