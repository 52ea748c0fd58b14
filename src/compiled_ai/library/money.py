"""Amounts and numbers as they are printed: symbols, separators, brackets for negatives, slips of OCR.

All results are exact decimals (`LocatedDecimal`: they carry the place of a `Located` source).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, NamedTuple

from compiled_ai.library.places import LocatedDecimal, place_in

DecimalMark = Literal["auto", ".", ","]

_SYMBOLS = {
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "RM": "MYR",
    "US$": "USD",
    "S$": "SGD",
    "A$": "AUD",
    "C$": "CAD",
    "HK$": "HKD",
    "RMB": "CNY",
}
_ANY_CODE = (
    "USD|EUR|GBP|MYR|SGD|JPY|CNY|RMB|INR|AUD|CAD|NZD|CHF|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|IDR|THB|PHP|HKD|KRW|AED"
)
_CODES = frozenset(_ANY_CODE.split("|"))
_CURRENCY = rf"US\$|S\$|A\$|C\$|HK\$|[$€£¥₹₩]|RM|{_ANY_CODE}"
_DIGITS = re.compile(
    r"\d{1,3}(?:[,.'\u00a0]\d{3}){1,4}(?:[.,]\d{1,4})?(?!\d)|\d{1,15}(?:[.,]\d{1,6})?(?!\d)"
    r"|(?<![\d.,])(?<!\d[ \u00a0])[.,]\d{2}(?!\d)"
)
_TORN_OFF = re.compile(r"\d[ \u00a0][.,]")
"""What stands before cents that a space tore from their amount: `$1 .50`."""
_BEFORE = re.compile(
    rf"(?P<sign>[-\u2212(]\s?)?(?P<currency>(?<!\w)(?:{_CURRENCY}))?[:.]?\s{{0,2}}(?P<inner>[-\u2212(])?$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"(?:\s?(?P<currency>[€£%]|(?:{_ANY_CODE})\b))?(?P<close>\s?\))?(?P<tail>-(?!\w)|\s?CR\b)?", re.IGNORECASE
)
_SIGNS = frozenset("-\u2212(")
_MARKS = frozenset("$€£¥₹₩:.-\u2212(")
_CENTS = re.compile(r"[.,]\d\d(?!\d)")
_CLOSING = frozenset("€£%)-")
_LOOKALIKE = str.maketrans(
    {"O": "0", "o": "0", "Q": "0", "D": "0", "I": "1", "l": "1", "|": "1", "!": "1", "i": "1"}
) | str.maketrans({"Z": "2", "z": "2", "S": "5", "s": "5", "b": "6", "G": "6", "B": "8", "g": "9"})
_SMUDGED = re.compile(
    r"(?<![^\W\d_])[$]?(?=[OoQDIl|!iZzSsbGBg\d,]{0,12}\d|[^\W\d_][.,])[OoQDIl|!iZzSsbGBg\d,]{1,12}\s?[.,]\s?[OoQDIl|!iZzSsbGBg\d]{2}(?!\w)"
)
_TORN = re.compile(
    r"(?:[$\u20ac\u00a3]\s?|(?<!\w)[S\u00a7](?=\d{1,3},\s?\d{3}))"
    r"(?P<whole>(?:\d\s\d\d?(?=,\d{3})|\d\d\s\d(?=,\d{3})|\d{1,3})(?:(?:\s?[,;]\s?|\s)\d{3})*)"
    r"(?:[.,]|(?P<tear>\s?[.,]\s?|(?<=[,;]\d{3})|(?<=[,;]\s\d{3})))(?P<cents>\d{2})(?![\d,.]\d|\d|[OoQDIl][.,])"
)
"""An amount with two decimals that OCR tore apart or gave other marks: `$1 ,915.00`, `$13, 160. 00`, `$1,91500`.

Never with a colon: `$200 :30` is a price and the length of a spot.
"""
_SHREDS = re.compile(
    r"[$\u20ac\u00a3]\s?\d{1,3}(?:,\d{3})*(?:\s,\s?|,\s|\s?;\s?)\d{3}(?!\d)(?:\s?[,;]\s?\d{3}(?!\d))*"
    r"(?:\s?[.,:;]\s?\d{2}(?!\d)|(?<=[\s;]\d{3})\s*$|(?<=;\d{3})|(?<=\s,\d{3}))"
)
"""An amount whose groups of thousands were torn apart, whatever its cents: `$13, 160. 00 spots`, `$1;915:00`.

`$30; 150 spots` and `$1,500, 200 spots` are two numbers: nothing but the gap is odd.
"""
_ENDS = re.compile(rf"(?:\s?(?:{_CURRENCY})(?!\w))?[.,;)\]*]?(?:\s?$|\n|\s\s)")
"""What stands behind cents that are the last of a cell: no word one space away (`$500. 30 day terms`)."""
_WORD = re.compile(rf"[^\S\n]*(?!(?:{_CURRENCY})(?!\w))\w")
"""A word or number, not a currency, further on in the line."""


class Written(NamedTuple):
    """An amount as it is written in a text: what `Amount` says, without a place."""

    value: Decimal
    start: int
    end: int
    currency: str | None
    decimals: int
    percent: bool


class Amount(NamedTuple):
    """One amount found in a text, and how it is written."""

    value: LocatedDecimal
    start: int
    end: int
    currency: str | None
    """ISO code, where a symbol or a code stands beside it."""
    decimals: int
    """Digits after the decimal mark."""
    percent: bool = False


def parse_amount(text: str, *, decimal_mark: DecimalMark = "auto") -> LocatedDecimal | None:
    """Reads the amount that a text consists of, or `None`: `$1,234.50`, `RM 13.50`, `(12.00)`, `12.00-`, `1.234,56 €`.

    Other words beside the amount make it `None`; `find_amounts` searches. With `auto`, the last separator is the
    decimal mark when it occurs once and is not followed by exactly three digits.
    """
    return _only(text, decimal_mark) or _only(repair_digits(text), decimal_mark, source=text)


def _only(text: str, mark: DecimalMark, source: str | None = None) -> LocatedDecimal | None:
    for found in find_amounts(text, decimal_mark=mark):
        if found.percent or re.search(r"[^\s:;.,*=]", text[: found.start] + text[found.end :]):
            return None
        return found.value if source is None else LocatedDecimal.of(found.value, place_in(source, 0, len(source)))
    return None


def parse_number(text: str, *, decimal_mark: DecimalMark = "auto") -> LocatedDecimal | None:
    """Reads a number or percentage (`12.5%` is 12.5), or `None` if there is anything else in the text."""
    for found in find_amounts(text, decimal_mark=decimal_mark):
        rest = text[: found.start] + text[found.end :]
        return None if re.search(r"[^\s:;*=]", rest) else found.value
    return None


def find_amounts(text: str, *, decimal_mark: DecimalMark = "auto") -> Iterator[Amount]:
    """Yields every number of a text in order, except the parts of dates, times, and codes such as `SS21/39`.

    Cents that a space tore from their amount (`$1 .50`) are no number of their own.
    """
    for found in amounts_in(text, decimal_mark):
        yield Amount(LocatedDecimal.of(found.value, place_in(text, found.start, found.end)), *found[1:])


def amounts_in(text: str, mark: DecimalMark = "auto") -> Iterator[Written]:
    """Yields what `find_amounts` does, without places."""
    for match in _DIGITS.finditer(text):
        found = _amount(text, *match.span(), mark)
        if found is not None:
            yield found


def has_cents(text: str) -> bool:
    """Tells whether a text has an amount with two decimals."""
    return _CENTS.search(text) is not None and any(found.decimals == 2 for found in amounts_in(text))


def _amount(text: str, start: int, end: int, mark: DecimalMark) -> Written | None:
    head = _BEFORE.search(text[max(0, start - 9) : start]) if _is_marked(text, start) else None
    tail = _AFTER.match(text, end) if _is_followed(text, end) else None
    first, sign, symbol = _ahead(head, start, closed=bool(tail and tail.group("close")))
    if _part_of_code(text, first, start, end):
        return None
    read = _value(text[start:end], mark)
    if read is None:
        return None
    value, decimals = read
    last = end
    if tail:
        symbol = symbol or tail.group("currency")
        last = tail.end() if sign == "(" or not tail.group("close") else end
        sign = sign or tail.group("tail") or ""
    currency = _SYMBOLS.get(symbol.upper(), symbol.upper()) if symbol and symbol != "%" else None
    return Written(-value if sign else value, first, last, currency, decimals, symbol == "%")


def _ahead(head: re.Match[str] | None, start: int, *, closed: bool) -> tuple[int, str, str | None]:
    """Where an amount begins with the signs in front of its digits, its sign and its currency."""
    if head is None:
        return start, "", None
    before, currency, inner = head.groups()
    sign = "" if (before or inner or "").strip() == "(" and not closed else (before or inner or "").strip()
    begins = (
        head.start(0 if sign and before else "currency" if currency else "inner") if sign or currency else head.end()
    )
    return start - head.end() + begins, sign, currency


def _is_marked(text: str, start: int) -> bool:
    """Tells whether a sign or a currency may stand in front of digits: only then it is worth a closer look."""
    mark = text[start - 2 if start > 2 else 0 : start].rstrip()[-1:]
    if not mark.isalpha():
        return mark in _MARKS
    word = text[max(0, start - 9) : start].rstrip()[-3:].upper()
    return word in _CODES or word.endswith("RM")


def _is_followed(text: str, end: int) -> bool:
    """Tells whether a currency, a bracket or a sign may stand behind digits."""
    mark = text[end : end + 2].lstrip()[:1]
    if not mark.isalpha():
        return mark in _CLOSING
    word = text[end : end + 4].lstrip()[:3].upper()
    return word in _CODES or word.startswith("CR")


def _part_of_code(text: str, first: int, start: int, end: int) -> bool:
    """Tells digits that belong to a longer code, date or time from a number that stands for itself."""
    before = text[first - 1] if first else " "
    if first == start:
        if before.isalnum() or before in "_/#":
            return True
        if before in ".,:-" and text[first - 2 : first - 1].isalnum():
            return before != ":" or text[first - 2].isdigit()
        if end - start == 2 and _TORN_OFF.fullmatch(text, max(0, start - 3), start):
            return True
    elif text[first] in _SIGNS and before.isalnum():
        return True
    after, second = text[end : end + 1], text[end + 1 : end + 2]
    if after.isalpha():
        if after in "OoQDIl" and second in (".", ","):
            return True
        return not text[end : end + 2].isupper() and second.isalnum() or second.isdigit()
    return bool(after) and after in "/:-.," and second.isdigit()


def _value(digits: str, mark: DecimalMark) -> tuple[Decimal, int] | None:
    """The value of printed digits, and how many stand behind its mark; `None` where they contradict the mark."""
    if mark == "auto" and digits.replace(".", "", 1).isdecimal():
        return Decimal(digits), len(digits.partition(".")[2])
    plain = digits.replace("'", "").replace("\u00a0", "")
    point = _decimal_point(plain, mark)
    if point < 0:
        return Decimal(plain.replace(".", "").replace(",", "")), 0
    whole, fraction = plain[:point].replace(".", "").replace(",", ""), plain[point + 1 :]
    return (Decimal(f"{whole or '0'}.{fraction}"), len(fraction)) if fraction.isdecimal() else None


def _decimal_point(plain: str, mark: DecimalMark) -> int:
    """Returns the position of the decimal mark, or -1."""
    if mark != "auto":
        return plain.rfind(mark)
    last = max(plain.rfind("."), plain.rfind(","))
    if last < 0:
        return -1
    alone = plain.count(".") + plain.count(",") == 1
    grouped = len(plain) - last - 1 == 3 and last > 0 and plain[:last] != "0"
    if grouped and (plain[last] == "," or not alone):
        return -1 if alone or plain.count(plain[last]) > 1 or plain[last] == "," else last
    return last


def currency_of(text: str) -> str | None:
    """Returns the ISO code of the first currency symbol or code that stands beside a number (`RM` is MYR, `$` USD)."""
    return next((found.currency for found in find_amounts(text) if found.currency), None)


def repair_digits(text: str) -> str:
    """Repairs what OCR makes of digits within amounts and dates: `1O.5O` to `10.50`, `l2/O3/2O18`, `12. 50`.

    Only in tokens that have the shape of an amount or a date, so that words stay as they are. Keeps the length
    unless a space stood beside a decimal point; `$500. 30 day terms` stays as it is.
    """
    return _SMUDGED.sub(_repaired, text)


def _repaired(match: re.Match[str]) -> str:
    printed = match.group()
    if re.search(r"\s", printed) and not _ends_amount(match.string, match.end(), grouped="," in printed[:-4]):
        return printed
    return printed.translate(_LOOKALIKE).replace(" ", "")


def _ends_amount(text: str, end: int, *, grouped: bool) -> bool:
    """Tells whether two digits behind a torn decimal mark are cents: they end the cell, or a gap follows them.

    Behind the gap of an amount without groups of thousands no word may stand: `$5. 10  spots` is 5.
    """
    return _ENDS.match(text, end) is not None and (grouped or _WORD.match(text, end) is None)


def torn_amounts(text: str) -> Iterator[Amount]:
    """Yields the amounts with a symbol and two decimals, with the spaces and marks that OCR put between their digits.

    A tear before the cents is put together only where they end the cell (`$1,915 .00`, not `$500. 30 day terms`).
    """
    for match in _TORN.finditer(text):
        grouped = not match.group("whole").isdecimal()
        if match.group("tear") is not None and not _ends_amount(text, match.end(), grouped=grouped):
            continue
        value = Decimal(re.sub(r"\D", "", match.group("whole")) + "." + match.group("cents"))
        place = place_in(text, match.start(), match.end())
        code = _SYMBOLS.get(match.group()[0], "USD")
        yield Amount(LocatedDecimal.of(value, place), match.start(), match.end(), code, 2)


def shreds_in(text: str) -> list[tuple[int, int]]:
    """Where amounts with a symbol stand whose groups were torn apart, whether `torn_amounts` can read them or not.

    A part of one (13, 160 or 0 of `$13, 160. 00 spots`) would be a wrong amount.
    """
    return [match.span() for match in _SHREDS.finditer(text)]


def plain_amount(value: Decimal, *, places: int = 2) -> str:
    """Writes an amount as plain decimal text with a fixed number of places: `1234.50`."""
    return f"{value:.{places}f}"
