"""Entries of a connection's `allow` that can allow nothing: told by `check`, not at the first call.

Pure. Which keys an allow-list has, and that they hold lists of texts, the catalogue has checked before.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from compiled_ai.errors import suggest

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""What a request of module `http` may be."""


def wrong_entries(module: str, allow: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields what can allow nothing in the allow-list of a module that ships: where (`methods[1]`), and a sentence."""
    for key, check in _CHECKS.get(module, {}).items():
        for index, written in enumerate(allow.get(key, ())):
            if message := check(written):
                yield f"{key}[{index}]", message


def _method(written: str) -> str | None:
    return None if written in METHODS else f"{written!r} is no method.{suggest(written.upper(), METHODS)}"


def _host(written: str) -> str | None:
    if _is_host(written):
        return None
    inner = _inside(written)
    hint = f" Did you mean {inner!r}?" if _is_host(inner) else " Write a name such as 'clearing.example.org'."
    return f"{written!r} is no host: it is named without scheme, port, path and '*'.{hint}"


def _is_host(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return re.fullmatch(r"([\w-]+\.)*(?!\d+$)[\w-]+\.?", written) is not None
    return True


def _inside(written: str) -> str:
    """The host within an address."""
    try:
        return urlsplit(written if "://" in written else f"//{written}").hostname or ""
    except ValueError:
        return ""


def _network(written: str) -> str | None:
    try:
        ipaddress.ip_network(written)
    except ValueError:
        meant = _meant_network(written)
        hint = f" Did you mean {meant!r}?" if meant else " Write it as in '127.0.0.0/8'."
        return f"{written!r} is no network.{hint}"
    return None


def _meant_network(written: str) -> str | None:
    """The network of `10.1.2.3/8` (an address within it) and of `10.1` (its first parts alone)."""
    if re.fullmatch(r"\d+(\.\d+){0,2}\.?", written):
        parts = written.rstrip(".").split(".")
        written = f"{'.'.join([*parts, *['0'] * (4 - len(parts))])}/{8 * len(parts)}"
    try:
        return str(ipaddress.ip_network(written, strict=False))
    except ValueError:
        return None


def _table(written: str) -> str | None:
    """Names in quotes may hold anything; no pattern is one."""
    if written.strip() == written != "" and "*" not in written:
        return None
    return f"{written!r} is no table. Name each that the statements use, as they do."


def _channel(written: str) -> str | None:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9.+-]*", written):
        return None
    kind = written.partition(":")[0]
    hint = f" Did you mean {kind!r}?" if kind != written and not _channel(kind) else " Write 'mailto', 'slack', 'json'."
    return f"{written!r} is no kind of channel, the part of an address before '://'.{hint}"


def _path(written: str) -> str | None:
    if "\\" not in written and all(part not in ("", ".", "..") for part in written.split("/")):
        return None
    return f"No path below the root is {written!r}. Write names with '/' between them, as in 'in/*.txt'."


_CHECKS: Mapping[str, Mapping[str, Callable[[str], str | None]]] = {
    "database": {"tables": _table, "writes": _table},
    "http": {"hosts": _host, "methods": _method, "addresses": _network},
    "notify": {"channels": _channel},
    "files": {"paths": _path},
}

__all__ = ["METHODS", "wrong_entries"]
