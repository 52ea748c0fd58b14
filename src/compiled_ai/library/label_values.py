"""The values beside and below a label: each weighed by where it stands and by what it is.

Called as `Page.labelled` and `Page.candidates`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, cast

from compiled_ai.library.cells import Cell, join
from compiled_ai.library.dates import DateRange
from compiled_ai.library.labels import (
    Found,
    bare_label,
    find_abbreviated,
    find_label,
    find_same,
    fuzzy_positions,
    is_label,
    is_smudged_label,
    words,
)
from compiled_ai.library.places import Located, LocatedDate, LocatedDecimal
from compiled_ai.library.readers import Kind, Reader, Reading

if TYPE_CHECKING:
    from compiled_ai.library.layout import Page

Side = Literal["any", "right", "below"]
Value = Located | LocatedDate | LocatedDecimal | DateRange
_WINDOW = 400
"""Characters of a cell that are read for the value of a label."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a label may have: what `labelled` chooses from, best first."""

    value: Value
    label: Located
    score: float
    """About 100 for a value right beside its exact label; below 0 nothing is taken."""
    side: Literal["right", "below"]
    legible: bool = True
    """Whether it could be read: else `value` is the text of a torn amount, and no worse candidate is the value."""


def agreed(found: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Raises the score of a value that stands beside its label several times, as in the head of every page.

    Sums do not gain: those of the parts of a document are no surer for being equal.
    """
    best = [max(candidates, key=lambda one: one.score) for candidates in found if candidates]
    times: Counter[Value] = Counter(one.value for one in best if one.legible and not isinstance(one.value, Decimal))
    return [
        replace(one, score=one.score + min(12, 4 * (times[one.value] - 1))) if times[one.value] > 1 else one
        for candidates in found
        for one in candidates
    ]


def _find_bare(text: str, label: str, *, dated: bool) -> list[Found]:
    """Finds `Contract` or `Begins` where a form calls by that word alone what `Contract #` or `Begin Date` asks for."""
    bare = bare_label(label, dated=dated)
    return [replace(found, quality=0.85) for found in find_label(text, bare)] if bare else []


Find = Callable[[str, str], list[Found]]


def ways(kind: Kind | re.Pattern[str]) -> tuple[Find, ...]:
    """How labels are looked for: each way only where no label had a good value the way before.

    Numbers and dates say by their shape what they are, so that a form may leave that out.
    """
    if kind not in ("identifier", "date", "date_range"):
        return find_label, fuzzy_positions, find_abbreviated, find_same
    return find_label, fuzzy_positions, partial(_find_bare, dated=kind != "identifier"), find_abbreviated, find_same


def plain_texts(labels: Sequence[str]) -> frozenset[str]:
    """The letters and digits of labels, in lower case: what is never taken for a value."""
    return frozenset(map(_plain, labels))


def _plain(text: str) -> str:
    return _NO_SIGN.sub("", text).lower()


@dataclass(frozen=True, slots=True)
class Label:
    """One occurrence of a label, and the values around it."""

    page: Page
    cell: Cell
    found: Found
    label: str

    def values(self, reads: Reader, side: Side, stops: frozenset[str]) -> list[Candidate]:
        if reads.unlike is not None and reads.unlike.match(self.cell.plain, self.found.end - self.cell.start):
            return []
        quality, after = self._quality()
        found: list[Candidate] = []
        if side != "below":
            found += self._inside(quality, after, reads, stops)
            if not found or found[0].score < quality - 10:
                found += self._right(quality, reads, stops)
        if side != "right" and not (found and found[0].score >= 95):
            found += self._below(quality, bool(found), reads, stops)
        return found

    def _quality(self) -> tuple[float, int]:
        """Scores how much the label stands for itself; returns also where in the cell its value may begin."""
        text = self.cell.plain
        start, end = self.found.start - self.cell.start, self.found.end - self.cell.start
        before = _BREAK.split(text[max(0, start - 80) : start])[-1].split()
        quality = 100 * self.found.quality - min(45, 14 * len([word for word in before if word.isalpha()]))
        quality -= 40 * (before[-1:] != [] and before[-1].strip(".").lower() in _OTHER)
        if len(text) > 60 and start > 0:
            quality -= 15 + 25 * (len(text) > 110)
        if _SENTENCE.match(text, end) and text[start].isupper():
            quality -= 45
        if text[start].islower() and self.label[:1].isupper():
            quality -= 10
        after, extra = _after_label(text, end)
        return quality - min(50, 17 * extra), after

    def _inside(self, quality: float, after: int, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        text = self.cell.plain
        window = _until_label(text[after : after + _WINDOW])
        if not _SIGN.search(window):
            return []
        return self._candidate(self.cell, window, after, quality + 2, reads, stops, "right")

    def _right(self, quality: float, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        found: list[Candidate] = []
        for shift, penalty in ((0, 0.0), (1, 16.0), (-1, 20.0)):
            row = self.cell.row + shift * self.page.pitch
            if (
                shift and abs(self.page.y(row) - self.page.y(self.cell.row)) > 1.6
                if 0 <= row < self.page.height
                else shift != 0
            ):
                continue
            if shift and self._owned(row, reads):
                continue
            found += self._along(row, quality - penalty, reads, stops)
            if any(one.score > 40 for one in found):
                break
        return found

    def _owned(self, row: int, reads: Reader) -> bool:
        """Tells whether what stands right in another row belongs there, or this label has its own value there."""
        x0, x1 = self._columns()
        beside = [cell for cell in self.page.row(row) if cell.x0 < self.cell.x1 and cell.x1 > self.cell.x0]
        below = [cell for cell in beside if row > self.cell.row and -2 <= cell.x0 - x0 <= 4 and cell.x0 < x1]
        return any(is_label(cell.plain) > 0.5 for cell in beside) or any(reads(cell.plain[:_WINDOW]) for cell in below)

    def _columns(self) -> tuple[float, float]:
        """First and last column of the label itself, which may be a part of its cell."""
        per = (self.cell.x1 - self.cell.x0) / max(1, len(self.cell.plain))
        first, last = (self.cell.x0 + (at - self.cell.start) * per for at in (self.found.start, self.found.end))
        return first, last

    def _along(self, row: int, quality: float, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        edge = self.cell.x1
        found: list[Candidate] = []
        penalty = 0.0
        for cell in islice((other for other in self.page.row(row) if other.x0 >= edge - 1), 5):
            if not _SIGN.search(cell.plain):
                continue
            far = min(14.0, max(0.0, cell.x0 - edge - 6) / 5)
            found += self._candidate(cell, cell.plain[:_WINDOW], 0, quality - penalty - far, reads, stops, "right")
            if any(map(str.isalpha, cell.plain)):
                penalty += 8 if is_label(cell.plain) > 0.8 and not found and penalty == 0 else 16
            else:
                penalty += 4
        return self._sums_first(found)

    def _sums_first(self, found: list[Candidate]) -> list[Candidate]:
        """Prefers the largest of the amounts beside a total: the others are parts of it, or quantities and ratings.

        On a page with currency symbols only where it is the sum of the others, as behind the columns of months, and
        never where one of them cannot be read.
        """
        amounts = [one for one in found if isinstance(one.value, Decimal)]
        if len(amounts) < max(2, len(found)) or not re.search(r"total|gross", self.label, re.IGNORECASE):
            return found
        largest = max(amounts, key=lambda one: abs(cast(Decimal, one.value)))
        values = [cast(Decimal, one.value) for one in amounts]
        if self.page.symbols and not (len(values) > 2 and 2 * cast(Decimal, largest.value) == sum(values)):
            return found
        most = max(one.score for one in amounts)
        return [replace(one, score=most + 1) if one is largest else one for one in found]

    def _below(self, quality: float, beside: bool, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        text = self.cell.plain
        x0, x1 = self._columns()
        colon = text[self.found.end - self.cell.start :].lstrip().startswith(":")
        base = quality - (18 if colon and beside else 4 if colon else 0)
        found: list[Candidate] = []
        blocked = 0.0
        pitch = self.page.pitch
        for row in range(self.cell.row + pitch, self.cell.row + 5 * pitch + 1, pitch):
            over = [cell for cell in self.page.row(row) if cell.x0 <= x1 + 3 and cell.x1 >= x0 - 3]
            distance = self.page.y(row) - self.page.y(self.cell.row) if over else 0.0
            if distance > 4.5:
                break
            for cell in over:
                offset = min(abs(cell.x0 - x0), abs((cell.x0 + cell.x1) - (x0 + x1)) / 2)
                if any(map(str.isdigit, cell.plain)):
                    offset = min(offset, abs(cell.x1 - x1))
                elsewhere = 12 if cell.x0 < x0 - 8 and offset > 4 else 0
                score = base - blocked - 4 - 7 * max(0.0, distance - 1) - min(14.0, offset / 2) - elsewhere
                found += self._candidate(cell, cell.plain[:_WINDOW], 0, score, reads, stops, "below")
            blocked += 14 if over else 0
        return found

    def _candidate(
        self,
        cell: Cell,
        window: str,
        offset: int,
        score: float,
        reads: Reader,
        stops: frozenset[str],
        side: Literal["right", "below"],
    ) -> list[Candidate]:
        if reads.words and cell is not self.cell:
            ahead = _LABEL_AHEAD.match(window)
            if ahead and is_label(ahead.group().rstrip(" :#")) >= 0.9:
                named = _plain(ahead.group()) == "name"
                offset, window = (offset + ahead.end(), window[ahead.end() :]) if named else (offset, window)
                score -= 0 if named else 100
        reading = self._reading(cell, window, offset, reads)
        if reading is None or (side == "below" and not _holds_below(reading, window, score, reads)):
            return []
        lead = len(_WORDS_OF_TWO.findall(window, 0, min(reading.start, 80)))
        score -= 35 * (1 - reading.confidence) + min(30, 9 * lead)
        if isinstance(reading.value, str) and reading.confidence < 1 and lead and not reads.words and side == "below":
            score -= 40
        if isinstance(reading.value, str):
            score -= 70 * max(is_label(window), 0.7 * (reads.words and is_smudged_label(window)))
            score -= 90 * (_plain(reading.value) in stops)
            score -= 50 * (reads.words and side == "right" and self._reads_on(reading.value))
        if score <= 0:
            return []
        label = self.cell.text[self.found.start - self.cell.start : self.found.end - self.cell.start]
        if reading.value is None:
            printed = cell.text[offset + reading.start : offset + reading.end]
            return [Candidate(printed, label, score, side, legible=False)]
        return [Candidate(self.page.placed(cell, reading, offset), label, score, side)]

    def _reading(self, cell: Cell, window: str, offset: int, reads: Reader) -> Reading | None:
        """What a window of a cell says, read on in its row or column where a range goes on there."""
        reading = reads(window)
        if reading is None and reads.wide and offset + len(window) >= len(cell.plain) and re.search(r"\d", window):
            at = cell.start + offset
            reading = reads(self.page.text[at : min(at + 90, self.page.line_span(cell.row)[1])])
            reading = reading or self._over_two_lines(cell, window, reads)
        if reading is None:
            return None
        if isinstance(reading.value, date):
            return self._of_pair(cell, offset, reading, reads)
        if isinstance(reading.value, str):
            return self._without_revision(self._without_label(cell, reading), reads)
        return reading

    def _over_two_lines(self, cell: Cell, window: str, reads: Reader) -> Reading | None:
        """A range whose second date stands in the next line of its column, behind a dash at the end of this one."""
        if not _OPEN_RANGE.search(window):
            return None
        x0 = cell.x1 - len(window.lstrip())
        below = next((one for one in self.page.row(cell.row + self.page.pitch) if abs(one.x0 - x0) <= 3), None)
        if below is None:
            return None
        return reads(window + " " * (below.start - cell.start - len(cell.plain)) + below.plain[:40])

    def _of_pair(self, cell: Cell, offset: int, reading: Reading, reads: Reader) -> Reading:
        """The second of two dates where the label is the second of two: `Start / End Date   06/08/20 - 06/13/20`."""
        start = self.found.start - self.cell.start
        if not _FIRST_OF_PAIR.search(self.cell.plain[max(0, start - 20) : start]):
            return reading
        at = cell.start + offset
        line = self.page.text[at : min(at + 90, self.page.line_span(cell.row)[1])]
        return next(islice(reads.all(line), 1, None), reading)

    def _reads_on(self, value: str) -> bool:
        """Tells a sentence that goes on behind the label (`the Advertiser is liable`) from a value."""
        last = self.cell.plain[self.found.end - self.cell.start :].lstrip()[:1]
        return value[:1].islower() and self.label[:1].isupper() and last not in (":", "#", "=")

    def _without_label(self, cell: Cell, reading: Reading) -> Reading:
        """Cuts the label of the next column from the end of a value that stands only one space before it."""
        value = str(reading.value)
        match = _LAST_LABEL.search(value[-60:])
        follows = any(other.x0 > cell.x1 for other in self.page.row(cell.row))
        if not match or not follows or is_label(match.group()) < 0.9:
            return reading
        kept = value[: len(value) - len(match.group())]
        return reading._replace(value=kept, end=reading.start + len(kept)) if len(kept) > 2 else reading

    def _without_revision(self, reading: Reading, reads: Reader) -> Reading:
        """Cuts `/2` or `-02` from a number where the label (`Contract / Revision`) names a revision."""
        if reads.words or reads.sign is None:
            return reading
        label = self.cell.plain[self.found.start - self.cell.start :][: self.found.end - self.found.start + 16]
        match = _REVISED.fullmatch(str(reading.value)) if _REVISION.search(label) else None
        return reading._replace(value=match.group(1), end=reading.start + match.end(1)) if match else reading


_REVISION = re.compile(r"\brev(?:ision|\b)", re.IGNORECASE)
_REVISED = re.compile(r"([\w\-]{4,})(?:/\d{1,3}|-\d{1,2})")
_LAST_LABEL = re.compile(
    r" (?:[A-Z][a-z]+ (?:Dates?|Number|No\.?|#|Code|Type|Name|Ref|Month|Period|Total|Amount|Address)"
    r"|[A-Z]{3,} (?:DATES?|NUMBER|NO\.?|#|CODE|TYPE|NAME|REF|MONTH|PERIOD|TOTAL|AMOUNT|ADDRESS))$"
)
_OTHER = words("alt alternate alternative old previous prior former external secondary agency agy rep net sub")
"""Words before a label that make it the label of something else: `Alt Order #` is not the `Order #`."""
_SIGN = re.compile(r"\w")
_NO_SIGN = re.compile(r"[\W_]+")
_BREAK = re.compile(r"[:;()]|\d\S*")
_GAP = re.compile(r"\s*[:#.=\-\u2013]*\s*")
_MARK = re.compile(r"[:#=]")
_WORD_AFTER = re.compile(r"\(?([^\W\d_]+)\)?[.:]?(?:\s+|$)")
_ALSO = re.compile(r"\s?[/&]\s?([^\W\d_]+)")
"""A second name for what a label names: `Advertiser/Client`."""
_OPEN_RANGE = re.compile(r"\d ?(?:-|\u2013|\u2014|to|thru|through)\s*$", re.IGNORECASE)
_FIRST_OF_PAIR = re.compile(r"\b(?:start|begin|from|first)[a-z]{0,4}(?: dates?)? ?[/&-] ?$", re.IGNORECASE)
_WORDS_OF_TWO = re.compile(r"[^\W\d_]{2,}")
_POSTAL = re.compile(r"(?:p\.? ?o\.? ?box|c/o|attn|attention|suite|ste)\b", re.IGNORECASE)
"""How the line of an address begins that stands below a name."""
_CODE_ALONE = re.compile(r"\([\w-]{1,12}\)")
_SENTENCE = re.compile(r",? [a-z]+,? [a-z]+|[.,;]? [^:]{60}")
"""What follows a word in running text, and not a label."""
_LABEL_AHEAD = re.compile(r"[^\W\d_][\w.$#/]*(?: [\w.$#/]+){0,3} ?[:#](?!\S*\d{2}:)")
_NEXT_MARK = re.compile(r"\s(?P<label>(?:[A-Z][\w.$/]*\s){0,2}[A-Z][\w.$/]*)\s?(?:#?:(?=\s|$)|#\s?(?=\d))")


def _after_label(text: str, end: int) -> tuple[int, int]:
    """Where the value begins after a label that ends at `end`, and how many further words the label has there."""
    rest = text[end : end + 120]
    gap = _GAP.match(rest)
    skipped = gap.end() if gap else 0
    if _MARK.search(rest, 0, skipped):
        second = _LABEL_AHEAD.match(rest, skipped)
        inner = second is not None and is_label(second.group().rstrip(" :#")) >= 0.9
        return end + (second.end() if second and inner else skipped), 0
    if (also := _ALSO.match(rest, skipped)) and is_label(also.group(1)) >= 0.9:
        skipped = also.start(1)
    ahead = _LABEL_AHEAD.match(rest, skipped)
    if ahead:
        return end + ahead.end(), len(ahead.group().split())
    extra = 0
    while extra < 3:
        word = _WORD_AFTER.match(rest, skipped)
        if not word or is_label(word.group(1)) < 0.5:
            break
        skipped = word.end()
        extra += 1
    return end + skipped, extra


def _holds_below(reading: Reading, window: str, score: float, reads: Reader) -> bool:
    """Tells whether a reading may belong to a label above it.

    An amount with a label of its own before it does not, nor two dates side by side far below, as in a line of a table.
    """
    if reading.value is None or isinstance(reading.value, Decimal):
        label = _LABEL_AHEAD.match(window[: reading.start])
        return label is None or is_label(label.group().rstrip(" :#")) < 0.9
    return not (reads.wide and reading.confidence < 1 and score < 75)


def _until_label(window: str) -> str:
    """Cuts a text before the next `Label:` or `Label # 123`: of the words before the mark, all that are of labels."""
    match = _NEXT_MARK.search(window)
    if not match or match.start() == 0:
        return window
    words_before = match.group("label").split(" ")
    known = next((at for at in range(len(words_before)) if is_label(" ".join(words_before[at:])) >= 0.9), None)
    at = known if known is not None else len(words_before) - 1
    return window[: match.start("label")].rstrip() + "".join(f" {word}" for word in words_before[:at])


def continued(page: Page, best: Candidate, lines: int, stops: frozenset[str], name: bool) -> Value:
    """Adds the next lines of the value's column, if they belong to it."""
    value = best.value
    cell = page.cell_of(value)
    if cell is None or not isinstance(value, Located):
        return value
    offset = max(0, cell.plain.find(str(value)))
    if offset + len(value) < len(cell.plain) - 2:
        return value
    x0 = cell.x0 + offset * (cell.x1 - cell.x0) / max(1, len(cell.plain))
    beside = page.cell_of(best.label) if name and best.side == "right" else None
    parts = [cell.text[offset:]]
    while len(parts) < lines:
        below = [other for other in page.row(cell.row + page.pitch) if -3 <= other.x0 - x0 <= 6]
        if not below or page.y(below[0].row) - page.y(cell.row) > 1.7 or not _may_continue(below[0], stops):
            break
        if _has_own_label(page, below[0], beside):
            break
        wrapped = abs(below[0].x0 - x0) <= 2.5 and _wrapped(page, cell, below[0])
        wrapped = wrapped or bool(_CODE_ALONE.fullmatch(below[0].plain))
        if not wrapped and not (beside is not None and _unlabelled(page, below[0], beside)):
            break
        cell = below[0]
        parts.append(cell.text)
    return join(parts) if len(parts) > 1 else value


def _has_own_label(page: Page, below: Cell, label: Cell | None) -> bool:
    """Tells whether a label stands to the left of a line, with its colon or under `label`: the line is its value."""
    before = [cell for cell in page.row(below.row) if cell.x0 < below.x0 - 1]
    if not before or is_label(before[-1].plain) < 0.9:
        return False
    return before[-1].plain.endswith(":") or (label is not None and abs(before[-1].x0 - label.x0) <= 1)


def _unlabelled(page: Page, below: Cell, label: Cell) -> bool:
    """Tells whether a line below a value has nothing in the column of the labels, as a continued line has."""
    before = [cell for cell in page.row(below.row) if cell.x0 < below.x0 - 1]
    if before and (before[-1].x1 >= label.x0 - 2 or is_label(before[-1].plain) >= 0.9):
        return False
    return not any(map(str.isdigit, below.plain)) and len(below.plain.split()) <= 5


def _wrapped(page: Page, above: Cell, below: Cell) -> bool:
    """Tells whether the first word of a line would not have fitted into the line above it."""
    right = [cell.x0 for row in (above.row, below.row) for cell in page.row(row) if cell.x0 > above.x1]
    word = below.plain.split(" ", 1)[0]
    if word[:1].isdigit() or not right:
        return False
    return min(right) - above.x1 < len(word) + 4


def _may_continue(below: Cell, stops: frozenset[str]) -> bool:
    if _POSTAL.match(below.plain) or not any(map(str.isalnum, below.plain)):
        return False
    return _plain(below.plain) not in stops and is_label(below.plain) < 0.5 and ":" not in below.plain
