"""Kafka topics: read by a consumer group, committed when the line is in the sink; or written by an idempotent producer.

A source is `kafka://HOST:PORT[,HOST:PORT]/TOPIC`, with `group` (default `compiled-ai`); a new group begins at the
earliest record. The value of a record is a JSON object; a record without a value (a tombstone) is passed over.
A sink has `key`: the field of the line that is the key of its record (default `run_id`). Two lines of one run, as a
crash may leave them, thus lie in one partition, the second can be told by its key, and a compacted topic drops it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import (  # type: ignore[import-untyped]
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import (  # type: ignore[import-untyped]
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import StoreFailed
from compiled_ai.runtime.lines import LONGEST_LINE
from compiled_ai.runtime.stream.kafka_address import read_address, require_topic
from compiled_ai.runtime.stream.messages import Message

_CLIENT = "compiled-ai"
_AT_ONCE = 64
_WAIT_MILLISECONDS = 250
_FETCH_SECONDS = 2.0
_COMMIT_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_SETTLE_SECONDS = 30.0
"""How long partitions are held back when they go to another consumer, until what was taken is in the sink."""
_REBALANCE_MILLISECONDS = 60_000
_LONGEST_RECORDS_MILLISECONDS = 24 * 3600 * 1000
"""Between two fetches. Records have limits of their own, and a slow sink is no reason to lose the partitions."""
_OUTAGE_SECONDS = 300.0
"""How long a sink waits for brokers that are away."""

logging.getLogger("aiokafka").addHandler(logging.NullHandler())
"""It says many times a second that a broker is away; who wants to read that configures logging."""


@dataclass(slots=True)
class _Partition:
    """What was taken of a partition."""

    committed: int
    """What is before this offset is done, as the brokers know."""
    next: int
    open: dict[int, None] = field(default_factory=dict)
    """Offsets, ascending, whose lines are not in the sink yet."""

    @property
    def done(self) -> int:
        """What is before this offset is in the sink, or has no value."""
        return next(iter(self.open), self.next)


class KafkaSource(ConsumerRebalanceListener):  # type: ignore[misc]
    """The group keeps the place; a position is `PARTITION:OFFSET`."""

    keeps_place = False

    def __init__(self, text: str) -> None:
        self._at = read_address(text, ("group",))
        self._group = self._at.options.get("group", _CLIENT)
        self.place = self._at.place
        self.name = f"{self.place} {self._group}"
        self._consumer: Any = None
        self._partitions: dict[int, _Partition] = {}
        self._assignments = 0
        """Counts how often partitions were given out anew."""
        self._committing = asyncio.Lock()
        self._stopped = False

    async def messages(self, after: str | None) -> AsyncIterator[Message]:
        await self._join()
        while not self._stopped:
            records = await self._fetch()
            assignment = self._assignments
            for record in records:
                if self._stopped or self._assignments != assignment:
                    break  # what is left of them is another's, or comes again
                if (message := self._take(record)) is not None:
                    yield message
            await self._commit()

    async def _join(self) -> None:
        await require_topic(self._at)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._at.servers,
            client_id=_CLIENT,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_interval_ms=_LONGEST_RECORDS_MILLISECONDS,
            rebalance_timeout_ms=_REBALANCE_MILLISECONDS,
            **self._at.security,
        )
        try:
            await self._consumer.start()
        except KafkaError as fault:
            raise self._at.failed(fault) from fault
        self._consumer.subscribe([self._at.topic], listener=self)

    async def _fetch(self) -> list[ConsumerRecord]:
        """Returns what comes within some moments. The client waits longer while brokers are away or partitions move."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                found = await self._consumer.getmany(timeout_ms=_WAIT_MILLISECONDS, max_records=_AT_ONCE)
        except TimeoutError:
            return []
        except NoOffsetForPartitionError as fault:
            with suppress(IllegalStateError):  # it has gone to another consumer meanwhile
                await self._consumer.seek_to_beginning(fault.args[0])
            return []
        except OffsetOutOfRangeError as fault:
            raise self._gone(fault) from fault
        except UnsupportedCodecError as fault:
            raise StoreFailed(f"{self.place}: {fault}.", remedy="Run `pip install cramjam`.") from fault
        except KafkaError as fault:
            if not fault.retriable:
                raise self._at.failed(fault) from fault
            await asyncio.sleep(_WAIT_MILLISECONDS / 1000)
            return []
        return [record for records in found.values() for record in records]

    def _gone(self, fault: OffsetOutOfRangeError) -> StoreFailed:
        """The brokers have deleted what the group would read next: to go on silently would hide the loss."""
        gone = ", ".join(f"{each.partition}:{offset}" for each, offset in fault.args[0].items())
        return StoreFailed(
            f"{self.name}: the brokers no longer have {gone}, and nobody can say what was missed.",
            remedy="Set the group's offsets (kafka-consumer-groups --reset-offsets), or begin with another group.",
        )

    def _take(self, record: ConsumerRecord) -> Message | None:
        partition = self._partitions.setdefault(record.partition, _Partition(record.offset, record.offset))
        partition.next = record.offset + 1
        if record.value is None:
            return None
        partition.open[record.offset] = None
        return Message(f"{record.partition}:{record.offset}", record.value)

    def stop(self) -> bool:
        """It looks between two records, and between two fetches."""
        self._stopped = True
        return True

    # ------------------------------------------------------------ what is done

    async def acknowledge(self, positions: Sequence[str]) -> None:
        for position in positions:
            number, _, offset = position.partition(":")
            if (partition := self._partitions.get(int(number))) is not None:
                partition.open.pop(int(offset), None)
        await self._commit()

    async def _commit(self) -> None:
        """Tells the brokers what is done. What they do not take now is told the next time, or delivered again."""
        async with self._committing:
            due = [
                (TopicPartition(self._at.topic, number), partition, partition.done)
                for number, partition in self._partitions.items()
                if partition.done > partition.committed
            ]
            if not due:
                return
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._consumer.commit({topic: done for topic, _, done in due})
            except (CommitFailedError, IllegalStateError, TimeoutError):
                return  # the partitions have gone to another consumer, or the brokers are away
            except KafkaError as fault:
                raise self._at.failed(fault) from fault
            for _, partition, done in due:
                partition.committed = done

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Finishes what was taken before another consumer gets the partitions, if that does not take too long."""
        self._assignments += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                while any(partition.open for partition in self._partitions.values()):
                    await asyncio.sleep(0.02)
                await self._commit()
        self._partitions.clear()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """They are read from where the group has come to."""

    async def close(self) -> None:
        if self._consumer is not None:
            await _stop(self._consumer)


class KafkaSink:
    """A line is there when all replicas that are in sync have it; what is sent twice is there once."""

    def __init__(self, text: str) -> None:
        self._at = read_address(text, ("key",))
        self._key = self._at.options.get("key", "run_id")
        self.place = self._at.place
        self._producer: Any = None

    async def open(self) -> None:
        await require_topic(self._at)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._at.servers,
            client_id=_CLIENT,
            acks="all",
            enable_idempotence=True,
            max_request_size=2 * LONGEST_LINE,  # the topic has a limit of its own
            **self._at.security,
        )
        try:
            await self._producer.start()
        except KafkaError as fault:
            raise self._at.failed(fault) from fault

    async def write(self, lines: Sequence[bytes]) -> None:
        try:
            async with asyncio.timeout(_OUTAGE_SECONDS):
                sent = [await self._send(line.rstrip(b"\n")) for line in lines]
                await asyncio.gather(*sent)
        except MessageSizeTooLargeError as fault:
            raise StoreFailed(
                f"{self.place} does not take a line of {max(map(len, lines))} bytes.",
                remedy="Raise max.message.bytes of the topic, and start the stream again.",
            ) from fault
        except TimeoutError as fault:
            raise StoreFailed(
                f"{self.place} has not answered for {_OUTAGE_SECONDS:.0f} seconds.",
                remedy="See whether its brokers run, and start the stream again.",
            ) from fault
        except KafkaError as fault:
            raise self._at.failed(fault) from fault

    async def _send(self, line: bytes) -> asyncio.Future[Any]:
        fields = parse_json(line)
        named = (fields.get(name) for name in (self._key, "run_id", "position"))
        key = next(each for each in named if each is not None)  # what is no valid record has no run
        text = key if isinstance(key, str) else canonical_json(key)
        sent: asyncio.Future[Any] = await self._producer.send(self._at.topic, line, text.encode())
        return sent

    async def close(self) -> None:
        if self._producer is not None:
            await _stop(self._producer)


async def _stop(client: Any) -> None:
    """Leaves, in a task of its own: with brokers that are away it may wait for ever, or end as if it were cancelled."""
    await asyncio.wait([asyncio.create_task(client.stop())], timeout=_CLOSE_SECONDS)
