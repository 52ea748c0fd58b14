"""What flows: messages from a source, lines to a sink; `open_source` and `open_sink` choose among the kinds.

| address | as a source | as a sink |
|---|---|---|
| `-` | standard input, a JSON object a line | standard output |
| `PATH` | a file that is followed as it grows | a file that is appended to |
| `http://...`, `https://...` | server-sent events (extra `sse`) | |
| `redis://HOST:PORT/DB?stream=NAME` | a stream, read by a consumer group (extra `redis`) | a stream |
| `kafka://HOST:PORT[,HOST:PORT]/TOPIC`, `kafkas://...` | a topic, read by a consumer group (extra `kafka`) | a topic |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from compiled_ai.errors import UsageError
from compiled_ai.runtime.lines import check_output


@dataclass(frozen=True, slots=True)
class Message:
    """One record of a stream."""

    position: str
    """Its place in the source: the same when it is delivered again."""
    data: bytes


class StreamSource(Protocol):
    place: str
    """What is read, as a sink there calls it too. Without secrets."""
    name: str
    """Names the stream: ids of runs follow from it and the position. Without secrets."""
    keeps_place: bool
    """True if it goes on after a position that was kept for it."""

    def messages(self, after: str | None) -> AsyncIterator[Message]:
        """Gives what comes, from the position on that was kept last."""
        ...

    def stop(self) -> bool:
        """Asks it to end after what it has taken in. False: it can be cancelled, and gives the rest next time."""
        ...

    async def acknowledge(self, positions: Sequence[str]) -> None:
        """Told of the messages whose lines are in the sink."""
        ...

    async def close(self) -> None: ...


class StreamSink(Protocol):
    place: str
    """Where lines go, as a source there calls it too. Without secrets."""

    async def open(self) -> None:
        """Comes there, before anything runs; raises if lines cannot be written there."""
        ...

    async def write(self, lines: Sequence[bytes]) -> None:
        """Puts lines (each ends with a line break) where they stay, and returns when they are there."""
        ...

    async def close(self) -> None: ...


def open_source(address: str) -> StreamSource:
    """Opens an address; `UsageError` if it is none, `ConfigError` if its extra is not installed."""
    from compiled_ai.runtime.stream import files, kafka_address

    if address == "-":
        return files.StandardInput()
    if address.startswith(("http://", "https://")):
        from compiled_ai.runtime.stream.events import ServerSentEvents

        return ServerSentEvents(address)
    if address.startswith(("redis://", "rediss://")):
        from compiled_ai.runtime.stream.redis_streams import RedisSource

        return RedisSource(address)
    if address.startswith(kafka_address.SCHEMES):
        kafka_address.require_client()
        from compiled_ai.runtime.stream.kafka_topics import KafkaSource

        return KafkaSource(address)
    _refuse_unknown(address)
    return files.FollowedFile(Path(address))


def open_sink(address: str) -> StreamSink:
    """As `open_source`."""
    from compiled_ai.runtime.stream import files, kafka_address

    if address == "-":
        return files.StandardOutput()
    if address.startswith(("redis://", "rediss://")):
        from compiled_ai.runtime.stream.redis_streams import RedisSink

        return RedisSink(address)
    if address.startswith(kafka_address.SCHEMES):
        kafka_address.require_client()
        from compiled_ai.runtime.stream.kafka_topics import KafkaSink

        return KafkaSink(address)
    _refuse_unknown(address)
    check_output(Path(address))
    return files.AppendedFile(Path(address))


def _refuse_unknown(address: str) -> None:
    if "://" in address:
        kind = address.split("://")[0]
        raise UsageError(
            f"{kind!r} is no kind of stream that can be read or written here.",
            remedy="Use -, a path, redis://HOST:PORT/DB?stream=NAME, kafka://HOST:PORT/TOPIC, or (to read) http:// "
            "and https://.",
        )
