"""Times of the store: UTC microseconds in its columns, ISO 8601 at its border."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from functools import lru_cache

from compiled_ai.errors import InputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_micros() -> int:
    return time.time_ns() // 1000


def now_text() -> str:
    """Returns the time as the store writes it: `2026-11-20T04:11:47.123456Z`."""
    return iso(now_micros())


def iso(micros: int) -> str:
    seconds = micros // 1_000_000
    return f"{_second_text(seconds)}.{str(micros - seconds * 1_000_000).zfill(6)}Z"


@lru_cache(maxsize=8)
def _second_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def micros_of(text: str) -> int:
    """Reads an ISO 8601 time with its zone; `InputError` if it has none."""
    micros = text[20:26]
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and micros.isascii() and micros.isdigit():
        return _micros_of(text[:19] + "Z") + int(micros)  # the form that the store writes
    return _micros_of(text)


@lru_cache(maxsize=64)
def _micros_of(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise InputError(f"{text!r} is not a time.", remedy="Write ISO 8601 in UTC: 2026-11-20T04:11:47Z.") from fault
    if moment.tzinfo is None:
        raise InputError(f"The time {text!r} has no zone.", remedy="Write it in UTC, with a Z at its end.")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def since_micros(since: str | date | datetime) -> int:
    """Reads the border of a search: a date means its midnight, and no zone means UTC."""
    if isinstance(since, str):
        try:
            since = datetime.fromisoformat(since)
        except ValueError as fault:
            raise InputError(
                f"{since!r} is not a date or time.", remedy="Write 2026-11-20 or 2026-11-20T04:11Z."
            ) from fault
    if not isinstance(since, datetime):
        since = datetime(since.year, since.month, since.day, tzinfo=UTC)
    return micros_of((since if since.tzinfo else since.replace(tzinfo=UTC)).isoformat())
