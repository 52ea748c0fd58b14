"""Run ids: short, sortable by time, unique across processes, and cheap."""

from __future__ import annotations

import os
from itertools import count
from secrets import token_hex
from time import time_ns
from typing import Literal

Engine = Literal["local", "temporal"]
_TEMPORAL = ".t"

_count = count().__next__
_process = token_hex(5)


def _renew() -> None:
    """A forked process must not go on with its parent's prefix."""
    global _process
    _process = token_hex(5)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def new_run_id() -> str:
    """Returns `TIME-PROCESSCOUNT` in hexadecimal: microseconds since 1970, a random prefix, a counter."""
    return f"{time_ns() // 1000:014x}-{_process}{_count():04x}"


def new_temporal_run_id() -> str:
    """As `new_run_id`, for a run that Temporal carries: its id says so, and is the id of its workflow too."""
    return new_run_id() + _TEMPORAL


def engine_of(run_id: str) -> Engine:
    """Who carries a run: whoever decides a review of it must hand it back there."""
    return "temporal" if run_id.endswith(_TEMPORAL) else "local"
