"""What one statement may do in SQLite: the tables that are declared, for as long as is declared, and nothing else.

SQLite asks this authorizer for every table and column while it prepares a statement, so that the allow-list holds
whatever the text of the statement looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

from compiled_ai.capabilities import Declared

_OK, _DENY = 0, 1
_DELETE, _INSERT, _READ, _SELECT, _TRANSACTION, _UPDATE, _FUNCTION, _RECURSIVE = 9, 18, 20, 21, 22, 23, 31, 33
"""Action codes of sqlite3_set_authorizer."""
_NO_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})


@contextmanager
def limited(raw: Any, declared: Declared, *, reading: bool, seconds: int, own_table: str) -> Iterator[None]:
    """Holds a `sqlite3.Connection` to the step's allow-list and time while the block runs."""
    raw.execute(f"PRAGMA busy_timeout = {min(seconds, 5) * 1000}").close()
    raw.execute(f"PRAGMA query_only = {int(reading)}").close()
    raw.set_authorizer(_authorizer(declared, None if reading else own_table))
    alarm = Timer(seconds, raw.interrupt)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()
        raw.set_authorizer(None)
        raw.execute("PRAGMA query_only = 0").close()


def _authorizer(declared: Declared, own_table: str | None) -> Callable[..., int]:
    reads = {str(name).lower() for key in ("tables", "writes") for name in declared.allow.get(key, ())}
    writes = set() if own_table is None else {str(name).lower() for name in declared.allow.get("writes", ())}
    own = {own_table} if own_table else set()

    def allow(action: int, first: str | None, second: str | None, _: str | None, source: str | None) -> int:
        name = (first or "").lower()
        if action in (_SELECT, _TRANSACTION, _RECURSIVE):
            return _OK
        if action == _FUNCTION:
            return _DENY if (second or "").lower() in _NO_FUNCTIONS else _OK
        if action == _READ:
            return _OK if name in reads | own or (source or "").lower() in reads else _DENY
        if action in (_INSERT, _UPDATE, _DELETE):
            return _OK if name in writes | own or (source or "").lower() in writes else _DENY
        return _DENY

    return allow
