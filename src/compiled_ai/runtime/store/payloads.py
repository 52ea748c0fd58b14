"""What an event's payload says, part by part, each protected as the program's sinks demand.

| level | stored |
|---|---|
| `clear` | as it is |
| `encrypted` | sealed with the run's own key |
| `masked` | only a keyed mark, so that equal values can be told from different ones |
| `forbidden` | only that it was withheld |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from os import urandom
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import ConfigError
from compiled_ai.runtime.keys import decrypt_with, encrypt_with
from compiled_ai.runtime.store.chain import BLIND_BYTES, Mac, Payload

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Level = Literal["clear", "encrypted", "masked", "forbidden"]
Part = Literal["inputs", "effects", "outputs", "evidence", "abstained", "reviews", "error_texts"]
_LEVELS = get_args(Level)


@dataclass(frozen=True, slots=True)
class Protection:
    """How the store keeps each of its sinks; `from_sinks` reads it from a program's `sinks`."""

    inputs: Level = "clear"
    effects: Level = "clear"
    outputs: Level = "clear"
    reviews: Level = "clear"
    error_texts: Level = "clear"

    @classmethod
    def from_sinks(cls, sinks: Mapping[str, str]) -> Protection:
        """Reads `{sink: level}`. An empty mapping (no pack) is all clear; a gap or an unknown level is refused."""
        if not sinks:
            return CLEAR
        return _from_levels(tuple(sinks.get(part.name, "") for part in fields(cls)))

    @property
    def evidence(self) -> Level:
        """Places of outputs are kept as the outputs are."""
        return self.outputs

    @property
    def abstained(self) -> Level:
        """Why outputs are null is kept as the outputs are."""
        return self.outputs

    @property
    def encrypts(self) -> bool:
        return "encrypted" in self.levels

    @property
    def levels(self) -> tuple[Level, ...]:
        return (self.inputs, self.effects, self.outputs, self.reviews, self.error_texts)

    def text(self) -> str:
        """Returns the form in which a run keeps its protection: empty if all is clear."""
        return "" if self is CLEAR or self == CLEAR else ",".join(self.levels)

    @classmethod
    def from_text(cls, text: str) -> Protection:
        return _from_levels(tuple(text.split(","))) if text else CLEAR


@lru_cache(maxsize=64)
def _from_levels(levels: tuple[str, ...]) -> Protection:
    names = [part.name for part in fields(Protection)]
    for name, level in zip(names, levels, strict=True):
        if level not in _LEVELS:
            raise ConfigError(f"Sink {name!r} has protection {level!r}.", remedy=f"Use one of {', '.join(_LEVELS)}.")
    protection = Protection(*cast(tuple[Level, ...], levels))
    return CLEAR if protection == CLEAR else protection


CLEAR = Protection()


def pack(
    facts: list[str],
    parts: Mapping[Part, Any],
    protection: Protection,
    *,
    run_key: AESGCM | None,
    mark_mac: Mac,
    context: str,
) -> Payload:
    """Puts facts (always clear, given as `"name":JSON`) and parts (as protected) into a payload.

    `context` binds what is sealed to its place; `run_key` may be `None` only where nothing is encrypted.
    """
    if protection is CLEAR:
        members = [*facts, *[f'"{part}":{canonical_json(value)}' for part, value in parts.items()]]
        return Payload(urandom(BLIND_BYTES), _object(members), b"")
    clear, secret, withheld = facts, list[str](), dict[str, Any]()
    for part, value in parts.items():
        level: Level = getattr(protection, part)
        if level == "clear":
            clear.append(f'"{part}":{canonical_json(value)}')
        elif level == "encrypted":
            secret.append(f'"{part}":{canonical_json(value)}')
        else:
            withheld[part] = _withheld(level, part, value, mark_mac)
    if withheld:
        clear.append(f'"withheld":{canonical_json(withheld)}')
    sealed = b""
    if secret:
        if run_key is None:
            raise ConfigError("Something must be encrypted and the run has no key.", remedy="Start the run anew.")
        sealed = encrypt_with(run_key, _object(secret), context=context)
    return Payload(urandom(BLIND_BYTES), _object(clear), sealed)


def _object(members: list[str]) -> bytes:
    return f"{{{','.join(members)}}}".encode("utf-8", "surrogatepass")


def _withheld(level: Level, part: Part, value: Any, mark_mac: Mac) -> dict[str, Any]:
    """The note that stands in for a part; for error texts it says of what there was one."""
    note: dict[str, Any] = {"withheld": level}
    if part == "error_texts":
        note["of"] = sorted(value)
    if level == "masked":
        note["mark"] = mark_mac.digest(f"{part}\n{canonical_json(value)}")[:8].hex()
    return note


def unpack(payload: Payload, *, run_key: AESGCM | None, context: str) -> dict[str, Any]:
    """Returns facts and parts again; sealed parts are left out if there is no key to open them."""
    content: dict[str, Any] = parse_json(payload.clear) if payload.clear else {}
    if payload.sealed and run_key is not None:
        content.update(parse_json(decrypt_with(run_key, payload.sealed, context=context)))
    return content
