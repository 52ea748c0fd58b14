"""Other circumstances under which code must give the same result: time zone, locale, clock."""

from __future__ import annotations

import gc
import locale
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

LOCALES = ("tr_TR.UTF-8", "de_DE.UTF-8", "fr_FR.UTF-8", "en_US.UTF-8", "C.UTF-8")


@dataclass(frozen=True)
class Variant:
    hash_seed: int = 0
    """`PYTHONHASHSEED` of the process (a warm process of its own)."""
    timezone: str = "UTC0"
    """POSIX form, so that no file is read: `NPT-5:45`."""
    locale: str = "C"
    """The first of `LOCALES` that the system has, if this one is missing."""
    clock_days: int = 0
    """How far `today`, `now` and `time.time` are ahead."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


HOME = Variant()
ELSEWHERE = Variant(hash_seed=20011, timezone="NPT-5:45", locale="tr_TR.UTF-8", clock_days=2931)


def apply_variant(wanted: Mapping[str, Any]) -> None:
    """Changes this process, for good."""
    os.environ["TZ"] = wanted["timezone"]
    if hasattr(time, "tzset"):
        time.tzset()
    if wanted["locale"] != "C":
        _set_locale(wanted["locale"])
    if wanted["clock_days"]:
        _move_clock(timedelta(days=wanted["clock_days"]))


def _set_locale(first: str) -> None:
    for name in (first, *LOCALES):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        return


def _move_clock(ahead: timedelta) -> None:
    """Moves what Python code can read of the clock; the classes stay the same objects."""
    now, wall = datetime.now, time.time

    def later(tz: tzinfo | None = None) -> datetime:
        return now(tz) + ahead

    _replace(datetime, now=classmethod(lambda cls, tz=None: later(tz)))
    _replace(datetime, today=classmethod(lambda cls: later()), utcnow=classmethod(lambda cls: later()))
    _replace(date, today=classmethod(lambda cls: later().date()))
    time.time = lambda: wall() + ahead.total_seconds()
    time.time_ns = lambda: int(time.time() * 1e9)


def _replace(kind: type, **methods: Any) -> None:
    import ctypes

    attributes = gc.get_referents(kind.__dict__)[0]
    attributes.update(methods)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
