"""Telephone numbers: read and checked against the numbering plans of the world, written as E.164."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from compiled_ai.library.places import Located, place_in


def parse_phone(text: str, *, region: str = "US") -> Located | None:
    """Returns the number that a text consists of as E.164 (`+12155550123`), or `None` if no plan has such a number.

    `region` (ISO 3166, two letters) is where a number without `+` and country code is dialled. An extension is dropped.
    """
    import phonenumbers

    if len(text) > 60:
        return None
    try:
        number = phonenumbers.parse(str(text), region.upper())
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    number.extension = None
    return Located(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), place_in(text, 0, len(text))
    )


def find_phones(text: str, *, region: str = "US") -> Iterator[Located]:
    """Yields every valid number of a text as E.164, in order; only the first 20,000 characters are searched."""
    import phonenumbers

    for match in phonenumbers.PhoneNumberMatcher(str(text[:20000]), region.upper(), max_tries=2000):
        match.number.extension = None
        written = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        yield Located(written, place_in(text, match.start, match.end))


def format_phone(
    number: str, *, style: Literal["national", "international", "e164"] = "national", region: str = "US"
) -> Located | None:
    """Writes a number: `(215) 555-0123`, `+1 215-555-0123` or `+12155550123`; `None` if it is not valid."""
    import phonenumbers

    written = parse_phone(number, region=region)
    if written is None:
        return None
    formats = {
        "national": phonenumbers.PhoneNumberFormat.NATIONAL,
        "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        "e164": phonenumbers.PhoneNumberFormat.E164,
    }
    return Located(phonenumbers.format_number(phonenumbers.parse(str(written)), formats[style]), written.place)


def region_of(number: str, *, region: str = "US") -> str | None:
    """Returns the region (ISO 3166, two letters) that a valid number belongs to, or `None`."""
    import phonenumbers

    written = parse_phone(number, region=region)
    return phonenumbers.region_code_for_number(phonenumbers.parse(str(written))) if written else None
