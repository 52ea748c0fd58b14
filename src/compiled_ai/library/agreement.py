"""Do two answers agree? One exact rule for each metric, on JSON values, for whoever judges and for committees.

| metric | agrees when |
|---|---|
| exact | the values are equal; numbers by value, text to the letter |
| text | equal after Unicode folding, in lower case, letters and digits only |
| number, money | the difference is at most `tolerance` (0 without one) |
| date | both are the same ISO 8601 day |
| set | the same members, whatever their order and number |
| records | every record has an equal partner under the best assignment; the share of it may lie between 0 and 1 |
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from compiled_ai.canonical import canonical_json

MetricName = Literal["exact", "text", "number", "date", "money", "set", "records"]

_NUMBER = re.compile(r"\s*([+-])?\s*[$€£¥]?\s*([+-])?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s*[€£¥]?\s*")


def agreement(metric: MetricName, one: Any, other: Any, tolerance: Decimal | None = None) -> Fraction:
    """Returns 1 or 0, and for lists of records what lies between. Null agrees with null alone."""
    if one is None or other is None:
        return Fraction(one is other)
    if metric == "records":
        return _records(one, other, tolerance)
    return Fraction(_AGREE[metric](one, other, tolerance or Decimal(0)))


def _exact(expected: Any, actual: Any, _: Decimal) -> bool:
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(_exact(expected[key], actual[key], _) for key in expected)
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return len(expected) == len(actual) and all(_exact(*pair, _) for pair in zip(expected, actual, strict=True))
    if _is_number(expected) and _is_number(actual):
        return number_of(expected) == number_of(actual)
    return type(expected) is type(actual) and bool(expected == actual)


def normalised(text: str) -> str:
    """Returns the letters and digits of a text, folded and in lower case."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def _text(expected: Any, actual: Any, _: Decimal) -> bool:
    if not isinstance(expected, str) or not isinstance(actual, str):
        return _exact(expected, actual, _)
    left, right = normalised(expected), normalised(actual)
    return left == right if left or right else expected.strip() == actual.strip()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def number_of(value: Any) -> Decimal | None:
    """Returns the number that a value is or states (`$1,250.00`), or `None`."""
    if _is_number(value):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        return number if number.is_finite() else None
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match[1] and match[2]):
        return None
    return Decimal(f"{match[1] or match[2] or ''}{match[3].replace(',', '')}{match[4] or ''}")


def _number(expected: Any, actual: Any, tolerance: Decimal) -> bool:
    left, right = number_of(expected), number_of(actual)
    return left is not None and right is not None and abs(left - right) <= tolerance


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(value.strip()).date() if isinstance(value, str) else None
    except ValueError:
        return None


def _date(expected: Any, actual: Any, _: Decimal) -> bool:
    left = _day(expected)
    return left is not None and left == _day(actual)


def _set(expected: Any, actual: Any, _: Decimal) -> bool:
    if not isinstance(expected, (list, tuple)) or not isinstance(actual, (list, tuple)):
        return False
    return {_key(member) for member in expected} == {_key(member) for member in actual}


def _key(value: Any) -> str:
    """One text for equal values: `1.50` and `1.5` are one number."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{canonical_json(key)}:{_key(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_key, value)) + "]"
    if _is_number(value):
        number = number_of(value)
        return canonical_json(None if number is None else number.normalize())
    return canonical_json(value)


_AGREE: Mapping[str, Callable[[Any, Any, Decimal], bool]] = {
    "exact": _exact,
    "text": _text,
    "number": _number,
    "money": _number,
    "date": _date,
    "set": _set,
}


def _records(expected: Any, actual: Any, tolerance: Decimal | None) -> Fraction:
    if not all(isinstance(rows, (list, tuple)) for rows in (expected, actual)):
        return Fraction(0)
    if not expected and not actual:
        return Fraction(1)
    size = max(len(expected), len(actual))
    left, right, settled = _without_twins(list(expected), list(actual))
    shares = [[_similarity(one, other, tolerance or Decimal(0)) for other in right] for one in left]
    return (settled + best_assignment(shares)) / size


def _without_twins(left: list[Any], right: list[Any]) -> tuple[list[Any], list[Any], int]:
    """Pairs equal records off first: by the triangle inequality some best assignment does so too."""
    places: dict[str, list[int]] = {}
    for index, record in enumerate(right):
        places.setdefault(_key(record), []).append(index)
    rest, used = [], set()
    for record in left:
        twins = places.get(_key(record))
        if twins:
            used.add(twins.pop())
        else:
            rest.append(record)
    return rest, [record for index, record in enumerate(right) if index not in used], len(used)


def _similarity(one: Any, other: Any, tolerance: Decimal) -> Fraction:
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return Fraction(_loosely(one, other, tolerance))
    names = one.keys() | other.keys()
    if not names:
        return Fraction(1)
    return Fraction(sum(_loosely(one.get(name), other.get(name), tolerance) for name in names), len(names))


def _loosely(one: Any, other: Any, tolerance: Decimal) -> bool:
    """Numbers by value, text normalised, the rest exactly."""
    if one is None or other is None:
        return one is other
    if number_of(one) is not None and number_of(other) is not None:
        return _number(one, other, tolerance)
    return _text(one, other, tolerance)


def best_assignment(shares: Sequence[Sequence[Fraction]]) -> Fraction:
    """Returns the largest sum of one-to-one pairs (Kuhn 1955, Munkres 1957; with potentials, cubic time)."""
    if not shares or not shares[0]:
        return Fraction(0)
    if len(shares) > len(shares[0]):
        shares = list(zip(*shares, strict=True))
    unit = math.lcm(*{share.denominator for row in shares for share in row})
    costs = [[int((1 - share) * unit) for share in row] for row in shares]
    rows, columns = len(costs), len(costs[0])
    row_potential, column_potential = [0] * (rows + 1), [0] * (columns + 1)
    owner = [0] * (columns + 1)
    for row in range(1, rows + 1):
        _augment(row, costs, row_potential, column_potential, owner)
    chosen = sum(costs[owner[column] - 1][column - 1] for column in range(1, columns + 1) if owner[column])
    return rows - Fraction(chosen, unit)


def _augment(
    row: int,
    costs: Sequence[Sequence[int]],
    row_potential: list[int],
    column_potential: list[int],
    owner: list[int],
) -> None:
    """Gives one more row a column, along the cheapest alternating path (column 0 is a stub)."""
    columns = len(owner) - 1
    owner[0], column = row, 0
    least: list[int | None] = [None] * (columns + 1)
    before, done = [0] * (columns + 1), [False] * (columns + 1)
    while owner[column]:
        done[column] = True
        here, step, following = owner[column], None, 0
        for other in range(1, columns + 1):
            if done[other]:
                continue
            cost = costs[here - 1][other - 1] - row_potential[here] - column_potential[other]
            known = least[other]
            if known is None or cost < known:
                least[other], before[other], known = cost, column, cost
            if step is None or known < step:
                step, following = known, other
        change = step or 0
        for other in range(columns + 1):
            if done[other]:
                row_potential[owner[other]] += change
                column_potential[other] -= change
            elif (known := least[other]) is not None:
                least[other] = known - change
        column = following
    while column:
        owner[column] = owner[before[column]]
        column = before[column]
