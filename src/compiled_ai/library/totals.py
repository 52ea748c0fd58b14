"""The totals of a bill: which printed amount is the total, the tax, what was paid and given back.

Called as `Page.totals()`, `Page.total()` and `total_choices(page)`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from compiled_ai.library.labels import is_word, words
from compiled_ai.library.places import Choice, Located, LocatedDecimal, part_of
from compiled_ai.library.readers import reader

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

Role = Literal["total", "subtotal", "tax", "discount", "rounding", "paid", "change", "quantity"]


@dataclass(frozen=True, slots=True)
class Total:
    """A line of the sums of a bill."""

    label: Located
    amount: LocatedDecimal
    role: Role
    row: int
    amounts: int = 1
    """How many amounts its line has; the last one is `amount`."""


_TOTAL = words("total totals totl ttl tl jumlah amount amt amaun sum due payable balance")
_NET = words("net nett netrm nettrm")
_QUANTITY = words("qty quantity item items count pcs pieces units pax spots")
_CHANGE = words("change baki kembali")
_MOST_LINES = 400
"""So many sums of a bill, the last ones, are weighed against each other; more are read only as `totals`."""
_ADDED: frozenset[Role] = frozenset(("tax", "discount", "rounding"))
_PAID = words(
    "cash tender tendered paid received receive visa master mastercard debit card payment pymt cheque tunai amex "
    "credit accepted"
)
_DISCOUNT = words("discount disc saving savings saved rebate voucher promo promotion commission")
_TAX = words("gst tax vat sst charge chg svc service")
_ROUNDING = words("rounding round rnd roundg rounded adj adjustment adjustments roundoff")
_BEFORE_TAX = words("excl excluding exclude exclusive before taxable without nontaxable")
_INCLUDED = words("incl inclusive including include included inc after with w")
_STRONG = words("grand final due payable pay paid net nett rounded after owed adj adjustment")


def totals(page: Page) -> tuple[Total, ...]:
    """Returns every sum that the page names, with the amount beside it, from top to bottom.

    A row may name two: `QTY: 3  ROUNDING 0.02`. A total or a change without an amount has it in the next row or the
    row before, alone.
    """
    found: list[Total] = []
    for index in range(min(page.height, 5000)):
        if not any(_LETTER.search(text) and _role(text[:90]) for text in page.texts(index)[:40]):
            continue
        for cells in _named(page.row(index)[:40]):
            line = _line(page, index, cells)
            if line is not None:
                found.append(line)
    return tuple(found)


def total(page: Page) -> LocatedDecimal | None:
    """Returns the amount to be paid, or `None`: the most specific total, which payment less change confirms.

    Where no line says total, it is what was paid less the change, if that is printed; else the last subtotal, else the
    largest amount.
    """
    return next((choice.value for choice in total_choices(page)), None)


def total_choices(page: Page) -> tuple[Choice[LocatedDecimal], ...]:
    """Returns the amounts that may be the one to be paid, best first, each once and with a confidence.

    A total gains by its words (grand, net, due, inclusive), by being what was paid less the change, by being the sum
    of a line above and the taxes and roundings between, and by being printed more than once.
    """
    lines = totals(page)[-_MOST_LINES:]
    settled = _settled(lines)
    choices = [line for line in lines if line.amount > 0 and (line.role == "total" or _rounds(line, settled))]
    if not any(line.amount in settled for line in choices):
        choices += _paid_as(choices, lines, settled)
    if not choices:
        return _without_label(page, lines)
    points = _points(choices, lines, settled)
    best: dict[Decimal, int] = {}
    for index in sorted(range(len(choices)), key=lambda at: (points[at], choices[at].row), reverse=True):
        best.setdefault(Decimal(choices[index].amount), index)
    ranked = list(best.values())
    return tuple(
        Choice(choices[index].amount, _confidence(points[index], [points[at] for at in ranked if at != index]))
        for index in ranked
    )


def _points(choices: Sequence[Total], lines: Sequence[Total], settled: set[Decimal]) -> list[float]:
    """Weighs each choice. The weights were set by hand on receipts; only their order of size matters."""
    counts = Counter(Decimal(line.amount) for line in lines if line.role in ("total", "subtotal", "paid"))
    sums = _sums(lines)
    largest = max(line.amount for line in lines if line.role in ("total", "subtotal", "paid") or line in choices)

    def of(line: Total) -> float:
        named = set(_words(line.label))
        points = 3.0 * bool(named & _STRONG) + 1.0 * bool(named & _INCLUDED) - 4.0 * (line.role != "total")
        points += 7.0 * (line.amount in settled) + min(3, counts[line.amount]) - 2.0 * (line.amounts > 1)
        points += 3.0 * (line.amount in sums.results) - 6.0 * (line.amount in sums.parts)
        return points - 5.0 * (bool(named & _TAX) and line.amount * 5 < largest)

    return [of(line) for line in choices]


def _confidence(points: float, others: Sequence[float]) -> float:
    """How sure a total is: by its own points, and by how far the next amount stays behind."""
    ahead = points - max(others, default=-2.0)
    return round(max(0.02, min(0.98, 0.5 + 0.03 * points + 0.03 * min(ahead, 6.0))), 2)


@dataclass(frozen=True, slots=True)
class _Sums:
    """How the totals of a bill add up."""

    results: frozenset[Decimal]
    """Amounts that a line above and the taxes, discounts and roundings between add up to."""
    parts: frozenset[Decimal]
    """Amounts that such a result begins from, so that they are not the last word."""


def _sums(lines: Sequence[Total]) -> _Sums:
    results: set[Decimal] = set()
    parts: set[Decimal] = set()
    for index, line in enumerate(lines):
        if line.role not in ("total", "subtotal") or line.amount <= 0:
            continue
        for result in _added_up(Decimal(line.amount), lines[index + 1 : index + 8]):
            results.add(result)
            parts.add(Decimal(line.amount))
    return _Sums(frozenset(results), frozenset(parts))


def _added_up(start: Decimal, below: Sequence[Total]) -> set[Decimal]:
    """The amounts below that are a first one and some of the taxes, discounts, roundings and totals between."""
    found: set[Decimal] = set()
    sums = {start}
    for line in below:
        amount = Decimal(line.amount)
        if line.role in ("total", "rounding") and amount != start and amount in sums:
            found.add(amount)
        if amount and len(sums) <= 64 and (line.role in _ADDED or line.role == "total"):
            sums |= {one - abs(amount) if line.role == "discount" else one + amount for one in sums}
    return found


def _paid_as(choices: Sequence[Total], lines: Sequence[Total], settled: set[Decimal]) -> list[Total]:
    """Payments that stand for a total: where no line says total alone, or the same amount was paid two times."""
    paid = [line for line in lines if line.role == "paid" and line.amount in settled]
    counts = Counter(Decimal(line.amount) for line in paid)
    return [line for line in paid if counts[line.amount] > 1 or all(one.amounts > 1 for one in choices)]


def _rounds(line: Total, settled: set[Decimal]) -> bool:
    """A line such as `ROUNDING 37.45` that prints the rounded total, or a subtotal that was paid as it is."""
    return line.role in ("rounding", "subtotal") and line.amount > 1 and line.amount in settled


def _settled(lines: Sequence[Total]) -> set[Decimal]:
    """Amounts that were paid, less the change."""
    paid = {abs(line.amount) for line in lines if line.role == "paid" and line.amount}
    change = {abs(line.amount) for line in lines if line.role == "change"}
    return {one - other for one in paid for other in change if other < one} | (paid if not change else set())


def _without_label(page: Page, lines: Sequence[Total]) -> tuple[Choice[LocatedDecimal], ...]:
    subtotals = [line.amount for line in lines if line.role == "subtotal" and line.amount > 0]
    if subtotals:
        return (Choice(subtotals[-1], 0.5),)
    other = {Decimal(line.amount) for line in lines if line.role in ("paid", "change")}
    largest = max((amount for amount in page.find_all("money") if Decimal(amount) not in other), default=None)
    return () if largest is None else (Choice(largest, 0.3),)


def _named(row: Sequence[Cell]) -> list[list[Cell]]:
    """Divides a row where words follow an amount: each part names its own amounts."""
    parts: list[list[Cell]] = []
    before = ""
    for cell in row:
        text = cell.plain[:90]
        if not parts or (_DIGIT.search(before) and _letters(text) >= 3 and _role(text)):
            parts.append([])
        parts[-1].append(cell)
        before = text
    return parts


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _line(page: Page, index: int, cells: Sequence[Cell]) -> Total | None:
    """The sum that a row, or a part of it, names."""
    label = _label(cells)
    role = _role(str(label)) if label is not None else None
    if label is None or role is None:
        return None
    amounts = _amounts(cells)
    amount = amounts[-1] if amounts else None
    if amount is None and (role == "total" or role == "change"):
        amount = _alone(page.row(index + 1)) or (_alone(page.row(index - 1)) if index else None)
    return Total(label, amount, role, index, max(1, len(amounts))) if amount is not None else None


def _label(row: Sequence[Cell]) -> Located | None:
    """The first cell of a row that has letters: what its amounts are."""
    for cell in row[:40]:
        if _letters(cell.plain[:90]) >= 2:
            return cell.text[:90]
    return None


def _words(label: str) -> list[str]:
    """The words of a label in lower case; digits that OCR saw within words are letters: `T0TAL`."""
    return _NAME.findall(_DIGIT_IN_WORD.sub(_as_letter, label).lower())


def _as_letter(match: re.Match[str]) -> str:
    return "O" if match.group() == "0" else "I"


_MONEY = reader("money", "mdy", None)
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_NAME = re.compile(r"[^\W\d_]+")
_DIGIT_IN_WORD = re.compile(r"(?<=[^\W\d_])[01](?=[^\W\d_])")


@lru_cache(maxsize=2048)
def _role(label: str) -> Role | None:
    """What a label says that its amounts are."""
    named = _words(label)
    known = set(named)
    squashed = "".join(named)
    summed = bool(known & _TOTAL) or squashed in _NET or squashed.startswith(("total", "grandtotal", "nettotal"))
    summed = summed or _like_total(named)
    if "subtotal" in squashed or "sbtotal" in squashed or (summed and known & _BEFORE_TAX):
        return "subtotal"
    if known & _CHANGE or squashed.startswith("change"):
        return "change"
    if summed and ("balance" not in known or "due" in known):
        return _summed(known, squashed)
    for role, names in _OTHERS:
        if known & names:
            return role
    return None


_OTHERS: tuple[tuple[Role, frozenset[str]], ...] = (
    ("rounding", _ROUNDING),
    ("discount", _DISCOUNT),
    ("paid", _PAID),
    ("tax", _TAX),
    ("quantity", _QUANTITY),
)


def _summed(known: set[str], squashed: str) -> Role | None:
    """The role of a line that says total or amount, after what else it says."""
    if known & _QUANTITY and not known & {"sales", "price", "due", "amount"}:
        return "quantity"
    if known & _DISCOUNT and not known & _INCLUDED:
        return "discount"
    if known & _ROUNDING and not known & {"total", "totals", "ttl", "rounded", "after"}:
        return "rounding"
    if known & _TAX and re.match(
        r"(?:total)?(?:gst|tax|vat|sst)(?:amount|amt|payable|total)|.*(?:inclu|in)\w*?total$", squashed
    ):
        return "tax"
    if known & _TAX and not (known & _INCLUDED or "inclu" in squashed or "sales" in known or "payable" in known):
        return "tax"
    if known & _PAID and "to" not in known and not known & {"due", "payable"}:
        return "paid"
    return "total"


def _like_total(named: Sequence[str]) -> bool:
    return any(is_word(word, "total") for word in named[:4])


def _amounts(row: Sequence[Cell]) -> list[LocatedDecimal]:
    """The amounts of a line, from left to right."""
    found: list[LocatedDecimal] = []
    for cell in row[:40]:
        for reading in _MONEY.all(cell.plain[:120]):
            if isinstance(reading.value, Decimal) and reading.confidence >= 0.85:
                found.append(LocatedDecimal.of(reading.value, part_of(cell.extent, reading.start, reading.end)))
    return found


def _alone(row: Sequence[Cell]) -> LocatedDecimal | None:
    """The amount of a row that has nothing but an amount."""
    if not row or any(_letters(cell.plain) > 3 for cell in row):
        return None
    return next(iter(_amounts(row)), None)
