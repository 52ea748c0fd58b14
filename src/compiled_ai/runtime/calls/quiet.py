"""Silence while a call is made: libraries log addresses, headers and replies, and none of that is for a log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LOGGERS = (
    "apprise",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "stamina",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)
_calling: ContextVar[bool] = ContextVar("calling", default=False)


class _NotWhileCalling(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _calling.get()


_filter = _NotWhileCalling()


@contextmanager
def quiet() -> Iterator[None]:
    """Drops what those libraries log in this thread within the block; other threads and times are not touched."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)
    token = _calling.set(True)
    try:
        yield
    finally:
        _calling.reset(token)
