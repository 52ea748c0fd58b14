"""Names of organisations and persons: legal forms, codes in brackets, comparing, and who issued a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiled_ai.library.dates import find_dates
from compiled_ai.library.labels import is_label, words
from compiled_ai.library.places import Located, Place

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

_FORMS = (
    r"sdn\.?\s?,?\s?bhd|s/b|berhad|bhd|pte\.?\s?ltd|pty\.?\s?ltd|pvt\.?\s?ltd|private limited|p\.?l\.?l\.?c|"
    r"l\.?l\.?c|l\.?l\.?p|limited|ltd|plt|"
    r"incorporated|inc|corporation|corp|company|co|gmbh|ag|kg|ohg|ug|e\.?v|s\.?a\.?r\.?l|s\.?a\.?s|s\.?a|s\.?p\.?a|"
    r"s\.?r\.?l|b\.?v|n\.?v|a/s|aps|oy|oyj|ab|asa|sp\.? z o\.?o|s\.?r\.?o|a\.?s|k\.?k|trading|enterprise|enterprises"
)
_FORM = re.compile(rf"(?<![^\W_])(?:{_FORMS})(?![^\W_])\.?", re.IGNORECASE)
_STRICT = re.compile(
    r"(?<![^\W_])(?:s[do0][nh]\W{0,3}[b8][hn][d0]|s/b|berhad|bhd|pte\.?\s?ltd|pty\.?\s?ltd|ltd|llc|l\.l\.c\.?|"
    r"llp|inc|incorporated|corp|corporation|"
    r"gmbh|s\.?a\.?r\.?l|s\.r\.l|b\.v|n\.v|plc|plt|limited|enterprise|enterprises|trading|"
    r"(?<=\w )co(?=\.?\s*$)|(?<=\w )sb(?=\s*(?:\(|$)))(?![^\W_])",
    re.IGNORECASE,
)
_CODE = re.compile(r"\s*[(\[{][^()\[\]{}]{0,30}\d[^()\[\]{}]{0,30}[)\]}]?\s*[.,;:]*\s*$")
_NO_NAME = re.compile(
    r"\b(?:tax invoice|invoice|receipt|resit|cash (?:sale|bill)s?|bill|statement|order|quotation|delivery|"
    r"customer|copy|"
    r"welcome|"
    r"tel|telephone|fax|phone|hotline|e-?mail|www|gst|sst|vat|tax|reg|roc|"
    r"co\.? ?no|company no|page|date|time|cashier|table|thank)\b",
    re.IGNORECASE,
)
_PARTICLES = words("van von de der den del della di da la le bin binti al el ibn dos das du st ter ten")
_TITLES = words("mr mrs ms miss dr prof sir madam mdm rev hon herr frau mme mlle sr sra m")
_SUFFIXES = words("jr sr ii iii iv md phd esq dds rn do np pa cpa mba")


def without_codes(name: str) -> Located:
    """Removes codes in brackets from the end of a name: `Gardenia Bakeries (KL) Sdn Bhd (139386 X)` loses the last."""
    text = Located(name, name.place if isinstance(name, Located) else None)
    while match := _CODE.search(text[-80:]):
        text = text[: max(0, len(text) - 80) + match.start()]
    return text.strip(" ,;:-")


def has_legal_form(name: str) -> bool:
    """Tells whether a text names a legal form: Sdn Bhd, Ltd, Inc, GmbH, LLC, ..."""
    return bool(_STRICT.search(name[:200]))


def organisation_key(name: str) -> str:
    """Returns a key under which spellings of one organisation fall together: no case, punctuation or legal form."""
    stripped = _FORM.sub(" ", without_codes(name).casefold().replace("&", " and "))
    return " ".join(re.findall(r"[^\W_]+", stripped)) or " ".join(re.findall(r"[^\W_]+", name.casefold()))


@dataclass(frozen=True, slots=True)
class Person:
    """A person's name in its parts; empty where absent."""

    given: str
    middle: str
    family: str
    title: str = ""
    suffix: str = ""


def parse_person(name: str) -> Person:
    """Splits `Dr. Maria del Carmen van der Berg, MD` or `Berg, Maria` into given, middle and family name."""
    head, *rest = [part.strip() for part in name.split(",")]
    words = head.split()
    suffixes = [part for part in rest if _bare(part) in _SUFFIXES]
    others = [part for part in rest if part and _bare(part) not in _SUFFIXES]
    title = [words.pop(0)] if words and _bare(words[0]) in _TITLES and len(words) > 1 else []
    while len(words) > 1 and _bare(words[-1]) in _SUFFIXES:
        suffixes.insert(0, words.pop())
    if others:
        given = others[0].split()
        if given and _bare(given[0]) in _TITLES:
            title = [given.pop(0)]
        return Person(given[0] if given else "", " ".join(given[1:]), " ".join(words), *_joined(title, suffixes))
    start = max(0, len(words) - 1)
    while start > 1 and _bare(words[start - 1]) in _PARTICLES:
        start -= 1
    given = words[:start] or words
    family = words[start:] if start else []
    return Person(given[0] if given else "", " ".join(given[1:]), " ".join(family), *_joined(title, suffixes))


def _joined(title: list[str], suffixes: list[str]) -> tuple[str, str]:
    return " ".join(title), " ".join(suffixes)


def _bare(word: str) -> str:
    return word.replace(".", "").casefold()


def issuer(page: Page) -> Located | None:
    """Returns the name at the top of a page that its issuer prints: the first with a legal form, else the first name.

    A name over two lines (`SINNATHAMBY HOLDINGS` / `SDN. BHD.`) is joined; codes at its end are dropped. A legal form
    below the address is somebody else's (`OWNED BY ...`) if a name stands above the address.
    """
    lines = _head(page)
    first = next((index for index, line in enumerate(lines) if _is_name(line) and not _PLACE.match(line)), None)
    address = next((index for index, line in enumerate(lines) if _is_street(line)), len(lines))
    for index, line in enumerate(lines):
        match = _last_form(line)
        other = match and (_OTHERS.search(line[: match.start()]) or (index and _OTHERS.search(lines[index - 1])))
        if match and not other and (index <= address or first is None or first > address):
            return _named(lines, index, match)
    return _unformed(lines, first) if first is not None else None


def _unformed(lines: list[Located], first: int) -> Located:
    """A name without a legal form, with its second line if a registration number follows there."""
    name = without_codes(lines[first])
    if first + 2 < len(lines) and _is_name(lines[first + 1]) and _REGISTRATION.match(lines[first + 2]):
        second = without_codes(lines[first + 1])
        spans = tuple(span for part in (name, second) if part.place for span in part.place.spans)
        return Located(f"{name} {second}", Place(spans) if spans else None)
    return name


_REGISTRATION = re.compile(
    r"\W*(?:[A-Z]{0,3}\d{5,12}\s?-?\s?[A-Z0-9]?\W*$|(?:co|company|roc|reg|registration|gst|ssm|brn|business)\b.{0,20}\d)",
    re.IGNORECASE,
)

_OTHERS = re.compile(
    r"\b(?:formerly|owned|operated|licen[cs]ee|managed|f\.?k\.?a|sold to|bill to|ship to)\b", re.IGNORECASE
)


def _last_form(line: str) -> re.Match[str] | None:
    """The legal form of a name, to its end: of `ABC Trading Sdn Bhd`, `Enterprise (M) Sdn Bhd` the last word."""
    last = None
    for found in _STRICT.finditer(line[:200]):
        if last is not None and re.search(r"[^\W\d_]{2,}|\d", line[last.end() : found.start()]):
            break
        last = found
    return last or _blurred_form(line)


_TWO_WORDS = re.compile(r"(?<![^\W_])(\w{2,4})\W{1,3}(\w{2,4})(?=\W*$|\W*\()")


def _blurred_form(line: str) -> re.Match[str] | None:
    """`Sdn Bhd` at the end of a name with up to two slips of OCR."""
    from rapidfuzz.distance import Levenshtein

    match = _TWO_WORDS.search(line[-60:])
    if not match or not 5 <= len(squashed := (match.group(1) + match.group(2)).lower()) <= 7:
        return None
    return _TWO_WORDS.search(line) if Levenshtein.distance(squashed, "sdnbhd", score_cutoff=2) <= 2 else None


def _is_street(line: str) -> bool:
    return (
        bool(
            re.search(
                r"\b\d{5}\b|^\W{0,4}(?:no|lot|unit)\b\W{0,4}\w{0,6}\d|^\d{1,6}[\w\-/]{0,12},", line, re.IGNORECASE
            )
        )
        and "," in line
    )


def _head(page: Page) -> list[Located]:
    """The first cells of a page, up to 16."""
    found: list[Located] = []
    for index in range(80):
        found += [text for text in _phrases(page.row(index)[:16]) if sum(map(str.isalnum, text)) >= 3]
        if len(found) >= 16:
            break
    return found


def _phrases(row: Sequence[Cell]) -> list[Located]:
    """The texts of a row; cells that stand no more than about two characters apart are one."""
    found: list[Located] = []
    edge = 0.0
    for cell in row:
        if found and cell.x0 - edge <= 2.5:
            spans = tuple(span for part in (found[-1], cell.text) if part.place for span in part.place.spans)
            found[-1] = Located(f"{found[-1]} {cell.text}"[:200], Place(spans) if spans else None)
        else:
            found.append(cell.text[:200])
        edge = cell.x1
    return found


def _named(lines: list[Located], index: int, match: re.Match[str]) -> Located:
    line = lines[index]
    end = match.end() + (line[match.end() : match.end() + 1] == ".")
    name = without_codes(line if not re.match(r"\s*[(\[,\-]|\s+\W*\d{4}", line[end:]) else line[:end])
    if (
        index
        and _begins_before(line[: (_STRICT.search(line) or match).start()])
        and _is_name(lines[index - 1])
        and _same_print(lines[index - 1], line)
    ):
        previous = lines[index - 1]
        places = [part.place for part in (previous, name) if part.place]
        spans = tuple(span for place in places for span in place.spans)
        return Located(f"{previous.strip()} {name}", Place(spans) if spans else None)
    return name


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
    letters, digits = sum(map(str.isalpha, line)), sum(map(str.isdigit, line))
    plain = len(line) <= 60 and letters >= 3 and digits * 2 <= letters
    other = _NO_NAME.search(line) or _GREETING.search(line) or is_label(line) >= 0.5
    return plain and not other and next(find_dates(line), None) is None


_GREETING = re.compile(
    r"\.com\b|\.my\b|\w@[\w.]{1,40}\.[a-z]{2}|\bthank|\btq\b|\bshopping with\b|\bplease\b", re.IGNORECASE
)
_PLACE = re.compile(
    r"^\W*(?:no\.? ?\d|lot |jalan|jln|lorong|taman|pusat |level \d|unit |ground floor|\d+[,\-/ ])", re.IGNORECASE
)
