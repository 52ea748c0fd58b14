"""Dead letters: what had no decision, why, and the record itself, one line of JSON each.

`{"index", "run_id", "reason", "record"}`; a record that is no JSON object is kept as text under `line`. Where a pack
protects dead letters, reason and record are sealed with the master key (`encrypted`), replaced by a keyed mark that
tells equal ones (`masked`), or left out (`forbidden`).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiled_ai.canonical import Canonical, canonical_json, parse_json, utf8_json
from compiled_ai.errors import InputError, NotFound, UsageError
from compiled_ai.runtime.keys import KeyRing, derive
from compiled_ai.runtime.lines import Columns, RawLine, Unreadable

_CONTEXT = "dead letter"
_LONGEST_KEPT = 1 << 20
"""Bytes of a line that is no JSON object."""


@dataclass(frozen=True, slots=True)
class LetterForm:
    """How dead letters are written."""

    sink: str = "clear"
    keys: KeyRing | None = None

    def require(self) -> None:
        """Raises `KeyMissing` if letters could not be written: ask before anything runs."""
        if self.sink in ("encrypted", "masked"):
            (self.keys or KeyRing()).require("A dead letter")

    def write(self, place: int | str, run_id: str | None, reason: str, raw: RawLine | None, columns: Columns) -> bytes:
        """Returns one line. `place` is the record's index in a batch, or its position in a stream."""
        content = {"reason": _plain(reason), **_record(raw, columns)}
        shown = {"index" if isinstance(place, int) else "position": place, "run_id": run_id, **self._protected(content)}
        return utf8_json(canonical_json(shown)) + b"\n"

    def _protected(self, content: dict[str, Any]) -> dict[str, Any]:
        if self.sink == "clear":
            return content
        text = utf8_json(canonical_json(content))
        if self.sink == "encrypted":
            assert self.keys is not None
            return {"sealed": self.keys.seal(text, context=_CONTEXT).decode("ascii")}
        if self.sink == "masked":
            secret = (self.keys or KeyRing()).require("A dead letter").secret
            mark = hmac.digest(derive(secret, "dead letter marks"), text, "sha256")[:8].hex()
            return {"withheld": "masked", "mark": mark}
        return {"withheld": "forbidden"}


def _record(raw: RawLine | None, columns: Columns) -> dict[str, Any]:
    """What is kept of a record: the object where it is one, else the text as far as it can be kept."""
    if raw is None or isinstance(raw, Unreadable):
        return {}
    try:
        values = columns.values(raw)
        return {"record": Canonical(canonical_json(values))}
    except InputError:
        text = ",".join(raw) if isinstance(raw, list) else raw[:_LONGEST_KEPT].decode("utf-8", "backslashreplace")
        return {"line": _plain(text)}


def _plain(text: str) -> str:
    """Text in which lone surrogates are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_letters(path: Path, keys: KeyRing) -> Iterator[dict[str, Any]]:
    """Gives the letters of a file, opened; `UsageError` at the line that is none, `KeyMissing` without their key."""
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r} of dead letters.", remedy="Name the file beside the output.")
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                letter = parse_json(line)
                sealed = dict(letter).get("sealed")
            except (InputError, TypeError, ValueError) as fault:
                raise UsageError(f"{path}:{number}: this is no dead letter.", remedy="Restore the file.") from fault
            if sealed is not None:
                del letter["sealed"]
                letter |= parse_json(keys.open(sealed.encode(), context=_CONTEXT))
            yield letter
