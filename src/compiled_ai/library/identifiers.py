"""Identifiers with check digits: read, checked and brought into one form, or refused.

The compact form is without spaces and hyphens, in capitals. Nothing here says that an identifier was issued, only
that it is well formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Literal, get_args

from compiled_ai.library.places import Located, place_in

IdentifierKind = Literal[
    "npi",
    "dea",
    "ssn",
    "ein",
    "itin",
    "aba",
    "iban",
    "bic",
    "isbn",
    "ean",
    "card",
    "isin",
    "lei",
    "imei",
    "cusip",
    "vin",
]

_STDNUM = {
    "ssn": "us.ssn",
    "ein": "us.ein",
    "itin": "us.itin",
    "aba": "us.rtn",
    "iban": "iban",
    "bic": "bic",
    "isbn": "isbn",
    "ean": "ean",
    "isin": "isin",
    "lei": "lei",
    "imei": "imei",
    "cusip": "cusip",
}
_SHAPES: dict[str, str] = {
    "npi": r"[12]\d{9}",
    "dea": r"[A-Z][A-Z9]-?\d{7}",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}",
    "ein": r"\d{2}-?\d{7}",
    "itin": r"9\d{2}[- ]?\d{2}[- ]?\d{4}",
    "aba": r"\d{9}",
    "iban": r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?",
    "bic": r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?",
    "isbn": r"(?:97[89][- ]?)?(?:\d[- ]?){9}[\dX]",
    "ean": r"\d{13}|\d{8}",
    "card": r"\d(?:[ -]?\d){11,18}",
    "isin": r"[A-Z]{2}[A-Z0-9]{9}\d",
    "lei": r"[A-Z0-9]{18}\d{2}",
    "imei": r"\d{2}[- ]?\d{6}[- ]?\d{6}[- ]?\d",
    "cusip": r"[A-Z0-9]{8}\d",
    "vin": r"[A-HJ-NPR-Z0-9]{17}",
}


def parse_identifier(kind: IdentifierKind, text: str) -> Located | None:
    """Returns the compact form of the identifier that a text consists of, or `None` if it is not a valid one.

    Args:
        kind: `npi` (US provider), `dea` (US prescriber), `ssn`, `ein`, `itin`, `aba` (US bank routing), `iban`, `bic`,
            `isbn`, `ean`, `card` (payment card, Luhn), `isin`, `lei`, `imei`, `cusip`, `vin`. `ssn` and `ein` have no
            check digit: their shape and the ranges never issued are checked.
        text: The identifier as printed; spaces and hyphens do not matter.
    """
    if kind not in _SHAPES:
        raise ValueError(f"Unknown kind {kind!r}. Known: {', '.join(get_args(IdentifierKind))}.")
    shown = text.strip()
    if len(shown) > 60:
        return None
    compact = re.sub(r"[\s\-.]", "", str(shown)).upper()
    if not compact.isascii() or not _valid(kind, compact):
        return None
    place = place_in(text, len(text) - len(text.lstrip()), len(text.rstrip()))
    return Located(compact, place)


def is_identifier(kind: IdentifierKind, text: str) -> bool:
    """Tells whether a text is a valid identifier of a kind."""
    return parse_identifier(kind, text) is not None


def find_identifiers(kind: IdentifierKind, text: str) -> Iterator[Located]:
    """Yields every valid identifier of a kind in a text, in compact form and in order."""
    if kind not in _SHAPES:
        raise ValueError(f"Unknown kind {kind!r}. Known: {', '.join(get_args(IdentifierKind))}.")
    for match in re.finditer(rf"(?<![A-Za-z0-9])(?:{_SHAPES[kind]})(?![A-Za-z0-9])", text, re.IGNORECASE):
        found = parse_identifier(kind, text[match.start() : match.end()])
        if found is not None:
            yield Located(found, place_in(text, match.start(), match.end()))


def _valid(kind: str, compact: str) -> bool:
    check = _OWN.get(kind)
    if check is not None:
        return check(compact)
    module = import_module(f"stdnum.{_STDNUM[kind]}")
    return bool(module.is_valid(compact))


def luhn_valid(digits: str) -> bool:
    """Tells whether a text of digits ends with its Luhn check digit (ISO/IEC 7812-1)."""
    if not (digits.isascii() and digits.isdigit()):
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def _npi(compact: str) -> bool:
    """US National Provider Identifier: Luhn over the number behind 80840 (45 CFR 162.406)."""
    return bool(re.fullmatch(r"[12]\d{9}", compact)) and luhn_valid("80840" + compact)


def _dea(compact: str) -> bool:
    """DEA registration: two letters, six digits, last digit of (d1+d3+d5) + 2(d2+d4+d6)."""
    if not re.fullmatch(r"[A-Z][A-Z9]\d{7}", compact):
        return False
    digits = [int(digit) for digit in compact[2:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def _card(compact: str) -> bool:
    return bool(re.fullmatch(r"\d{12,19}", compact)) and luhn_valid(compact) and len(set(compact)) > 1


_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)


def _vin(compact: str) -> bool:
    """Vehicle identification number with the North American check digit (49 CFR 565.15)."""
    if not re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", compact):
        return False
    total = sum(
        weight * (int(sign) if sign.isdigit() else _VIN_VALUES[sign])
        for weight, sign in zip(_VIN_WEIGHTS, compact, strict=True)
    )
    return compact[8] == ("X" if total % 11 == 10 else str(total % 11))


_OWN: dict[str, Callable[[str], bool]] = {"npi": _npi, "dea": _dea, "card": _card, "vin": _vin}
