"""The totals of a bill: which printed amount is the total, the tax, what was paid and given back.

Called as `Page.totals()` and `Page.total()`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from compiled_ai.library.labels import is_word, words
from compiled_ai.library.places import Located, LocatedDecimal, place_in
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


_TOTAL = words("total totals totl ttl tl jumlah amount amt sum due payable balance")
_QUANTITY = words("qty quantity item items count pcs pieces units pax spots")
_CHANGE = words("change baki kembali")
_PAID = words(
    "cash tender tendered paid received receive visa master mastercard debit card payment pymt cheque tunai amex"
)
_DISCOUNT = words("discount disc saving savings saved rebate voucher promo promotion commission")
_TAX = words("gst tax vat sst charge svc")
_ROUNDING = words("rounding round rnd roundg rounded adj adjustment adjustments roundoff")
_BEFORE_TAX = words("excl excluding exclude exclusive before taxable without nontaxable")
_INCLUDED = words("incl inclusive including include included inc after with w")
_STRONG = words("grand final due payable pay paid net nett rounded after owed adj adjustment")


def totals(page: Page) -> tuple[Total, ...]:
    """Returns every line of the page that names a sum and has an amount beside it, from top to bottom."""
    found: list[Total] = []
    for index, row in enumerate(page.rows[:5000]):
        label = _label(row)
        if label is None:
            continue
        role = _role(tuple(_words(label)))
        amounts = _amounts(row) if role else []
        amount = amounts[-1] if amounts else None
        if role and amount is None and (role == "total" or role == "change"):
            amount = _alone(page.row(index + 1)) or (_alone(page.row(index - 1)) if index else None)
        if role and amount is not None:
            found.append(Total(label, amount, role, index, max(1, len(amounts))))
    return tuple(found)


def total(page: Page) -> LocatedDecimal | None:
    """Returns the amount to be paid, or `None`: the most specific total, which payment less change confirms.

    Where no line says total, it is what was paid less the change, if that is printed; else the last subtotal, else the
    largest amount.
    """
    lines = totals(page)
    settled = _settled(lines)
    counts = Counter(Decimal(line.amount) for line in lines if line.role in ("total", "subtotal", "paid"))

    def score(line: Total) -> float:
        named = set(_words(line.label))
        points = 3.0 * bool(named & _STRONG) + 1.0 * bool(named & _INCLUDED) - 4.0 * (line.role != "total")
        return points + 7.0 * (line.amount in settled) + min(3, counts[line.amount]) - 2.0 * (line.amounts > 1)

    choices = [line for line in lines if line.amount > 0 and (line.role == "total" or _rounds(line, settled))]
    if all(line.amounts > 1 for line in choices):
        choices += [line for line in lines if line.role == "paid" and line.amount in settled]
    best = max(choices, key=lambda line: (score(line), line.row), default=None)
    return best.amount if best else _without_label(page, lines)


def _rounds(line: Total, settled: set[Decimal]) -> bool:
    """A line such as `ROUNDING 37.45` that prints the rounded total, or a subtotal that was paid as it is."""
    return line.role in ("rounding", "subtotal") and line.amount > 1 and line.amount in settled


def _settled(lines: Sequence[Total]) -> set[Decimal]:
    """Amounts that were paid, less the change."""
    paid = {abs(line.amount) for line in lines if line.role == "paid" and line.amount}
    change = {abs(line.amount) for line in lines if line.role == "change"}
    return {one - other for one in paid for other in change if other < one} | (paid if not change else set())


def _without_label(page: Page, lines: Sequence[Total]) -> LocatedDecimal | None:
    amounts = page.find_all("money")
    subtotals = [line.amount for line in lines if line.role == "subtotal" and line.amount > 0]
    if subtotals:
        return subtotals[-1]
    other = {Decimal(line.amount) for line in lines if line.role in ("paid", "change")}
    return max((amount for amount in amounts if Decimal(amount) not in other), default=None)


def _label(row: Sequence[Cell]) -> Located | None:
    """The first cell of a row that has letters: what its amounts are."""
    for cell in row[:40]:
        if sum(map(str.isalpha, cell.text[:90])) >= 2:
            return cell.text[:90]
    return None


def _words(label: str) -> list[str]:
    return [word for word in re.split(r"[\W\d_]+", _letters(label).lower()) if word]


def _letters(label: str) -> str:
    """Undoes digits that OCR saw within words: `T0TAL`."""
    return re.sub(r"(?<=[^\W\d_])[01](?=[^\W\d_])", lambda match: "O" if match.group() == "0" else "I", label)


def _role(named: Sequence[str]) -> Role | None:
    known = set(named)
    squashed = "".join(named)
    summed = bool(known & _TOTAL) or squashed.startswith(("total", "grandtotal", "nettotal")) or _like_total(named)
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
    if known & _TAX and not (known & _INCLUDED or "inclu" in squashed or "sales" in known or "payable" in known):
        return "tax"
    if known & _PAID and "to" not in known and not known & {"due", "payable"}:
        return "paid"
    return "total"


def _like_total(named: Sequence[str]) -> bool:
    return any(is_word(word, "total") for word in named[:4])


def _amounts(row: Sequence[Cell]) -> list[LocatedDecimal]:
    """The amounts of a line, from left to right."""
    reads = reader("money", "mdy", None)
    found: list[LocatedDecimal] = []
    for cell in row[:40]:
        for reading in reads.all(str(cell.text[:120])):
            if isinstance(reading.value, Decimal) and reading.confidence >= 0.85:
                place = place_in(cell.text, reading.start, reading.end)
                found.append(LocatedDecimal.of(reading.value, place))
    return found


def _alone(row: Sequence[Cell]) -> LocatedDecimal | None:
    """The amount of a row that has nothing but an amount."""
    if not row or any(sum(map(str.isalpha, cell.text)) > 3 for cell in row):
        return None
    return next(iter(_amounts(row)), None)
