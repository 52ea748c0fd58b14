"""Redis streams: read by a consumer group and acknowledged when the line is in the sink; or appended to.

A source is `redis://HOST:PORT/DB?stream=NAME`, with `group` (default `compiled-ai`), `consumer` (default: this
process), and `claim` (seconds after which what another consumer left unacknowledged is taken over; default 60).
A record is the field `record`, or the only field, or all fields as one object.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import ConfigError, StoreFailed, UsageError
from compiled_ai.runtime.stream.messages import Message

_AT_ONCE = 64
_WAIT_MILLISECONDS = 250
_KNOWN = ("stream", "group", "consumer", "claim")


class _Address:
    """An address in its parts, and the client for it."""

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        options = dict(parse_qsl(parts.query))
        if unknown := sorted(set(options) - set(_KNOWN)):
            raise UsageError(f"{unknown[0]!r} is no option of a Redis stream.", remedy=f"Known: {', '.join(_KNOWN)}.")
        if not options.get("stream"):
            raise UsageError("The address names no stream.", remedy="Write redis://HOST:PORT/DB?stream=NAME.")
        self.stream, self.options = options["stream"], options
        host = parts.netloc.rpartition("@")[2]
        self.place = f"redis {host}{parts.path} {self.stream}"
        try:
            import redis.asyncio as client
            from redis.exceptions import RedisError
        except ImportError as fault:
            raise ConfigError(
                "Redis streams need redis, which is not installed.", remedy="Run `pip install 'compiled-ai[redis]'`."
            ) from fault
        self.client: Any = client.Redis.from_url(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")))
        self.fault = RedisError

    def failed(self, fault: Exception) -> StoreFailed:
        return StoreFailed(f"{self.place} failed: {type(fault).__name__}.", remedy="See whether the server runs.")


class RedisSource:
    """The group keeps the place."""

    keeps_place = False

    def __init__(self, text: str) -> None:
        self._at = _Address(text)
        options = self._at.options
        self._group = options.get("group", "compiled-ai")
        self._consumer = options.get("consumer") or f"{socket.gethostname()}-{os.getpid()}"
        self._claim = _seconds(options.get("claim", "60"))
        self.place = self._at.place
        self.name = f"{self.place} {self._group}"
        self._stopped = False

    async def messages(self, after: str | None) -> AsyncIterator[Message]:
        """First what this consumer had before, then what others left, then what is new; the group keeps the place."""
        at, client = self._at, self._at.client
        try:
            await self._make_group()
            for identity, fields in await self._read("0"):
                yield _message(identity, fields)
            while not self._stopped:
                _, left, *_ = await client.xautoclaim(
                    at.stream, self._group, self._consumer, int(self._claim * 1000), count=_AT_ONCE
                )
                fresh = await self._read(">")
                for identity, fields in [*left, *fresh]:
                    if fields:
                        yield _message(identity, fields)
        except at.fault as fault:
            raise at.failed(fault) from fault

    async def _make_group(self) -> None:
        try:
            await self._at.client.xgroup_create(self._at.stream, self._group, id="0", mkstream=True)
        except self._at.fault as fault:
            if "BUSYGROUP" not in str(fault):
                raise

    async def _read(self, place: str) -> list[Any]:
        found = await self._at.client.xreadgroup(
            self._group, self._consumer, {self._at.stream: place}, count=_AT_ONCE, block=_WAIT_MILLISECONDS
        )
        streams = found.items() if isinstance(found, dict) else found or ()
        return [entry for _, entries in streams for entry in entries]

    def stop(self) -> bool:
        """It looks between two readings: the client may swallow a cancellation."""
        self._stopped = True
        return True

    async def acknowledge(self, positions: Sequence[str]) -> None:
        try:
            await self._at.client.xack(self._at.stream, self._group, *positions)
        except self._at.fault as fault:
            raise self._at.failed(fault) from fault

    async def close(self) -> None:
        await self._at.client.aclose()


class RedisSink:
    """Appends each line as the field `record`."""

    def __init__(self, text: str) -> None:
        self._at = _Address(text)
        self.place = self._at.place

    async def open(self) -> None:
        try:
            await self._at.client.ping()
        except self._at.fault as fault:
            raise self._at.failed(fault) from fault

    async def write(self, lines: Sequence[bytes]) -> None:
        try:
            async with self._at.client.pipeline(transaction=True) as pipe:
                for line in lines:
                    pipe.xadd(self._at.stream, {"record": line.rstrip(b"\n")})
                await pipe.execute()
        except self._at.fault as fault:
            raise self._at.failed(fault) from fault

    async def close(self) -> None:
        await self._at.client.aclose()


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"claim is {text!r}.", remedy="Give seconds.") from None


def _message(identity: bytes, fields: Mapping[bytes, bytes]) -> Message:
    if b"record" in fields:
        data = fields[b"record"]
    elif len(fields) == 1:
        data = next(iter(fields.values()))
    else:
        shown = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields.items()}
        data = canonical_json(shown).encode()
    return Message(identity.decode(), data)
