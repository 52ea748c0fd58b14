"""Records as they come: from a source to a sink, in order, each at least once, none decided twice.

A message's run is named after the artifact, the stream and the message's position, so that a message that is
delivered again comes to the run that is on record, and yields the same line. A line is in the sink before its message
is acknowledged: after a crash a line may be there twice, with one run id. Records run in killable processes, so many
at once as there are workers; what is under way is bounded, and a slow sink holds the source up.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from compiled_ai.canonical import canonical_json, digest, parse_json
from compiled_ai.errors import CompiledAIError, RunFailed, UsageError
from compiled_ai.runtime.batch.journal import same_file, sync_folder
from compiled_ai.runtime.deciding import DecideJob, Handed, LetterForm, Named
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.lines import plan_columns
from compiled_ai.runtime.loading import ArtifactLike, as_program
from compiled_ai.runtime.pool import Chunk, KillablePool, RecordLimits
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.store import Protection, RunStore
from compiled_ai.runtime.stream.files import FollowedFile, open_to_append
from compiled_ai.runtime.stream.messages import Message, StreamSink, StreamSource, open_sink, open_source

_MOST_TOGETHER = 64


@dataclass(slots=True)
class StreamResult:
    """What came of a stream until it ended or was asked to end."""

    counts: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        return sum(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        waiting = self.counts.get("review", 0) + self.counts.get("waiting", 0)
        ended = {name: self.counts.get(name, 0) for name in ("completed", "failed")}
        return {"lines": self.lines, **ended, "waiting": waiting}

    def text(self) -> str:
        told = self.to_json()
        ends = ", ".join(f"{told[name]} {name}" for name in ("completed", "failed", "waiting"))
        return f"{told['lines']} records: {ends}"


def run_stream(
    artifact: Program | ArtifactLike,
    source: str,
    sink: str,
    *,
    store: RunStore | None,
    state: Path,
    mapping: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    workers: int | None = None,
    model: str | None = None,
    name: str | None = None,
    max_errors: int | None = None,
    keys: KeyRing | None = None,
    limits: RecordLimits | None = None,
) -> StreamResult:
    """Runs every message until the source ends, or SIGTERM or SIGINT asks to end: then what was taken is finished.

    Args:
        artifact: A verified artifact, or its program.
        source: `-`, a file to follow, an address of server-sent events, a Redis stream or a Kafka topic (`messages`).
        sink: `-`, a file, a Redis stream, or a Kafka topic.
        store: Where runs are recorded; without one a message that is delivered again is decided again.
        state: Folder for the place that a source has come to, and for the dead letters.
        mapping: Input field to field of the record.
        keep: Fields that the output repeats.
        workers: Processes; by default one per processor.
        model: Who serves bounded calls, by name.
        name: Names the stream, by default after its source: run ids and the kept place follow from it.
        max_errors: Stop when more records than this have failed.
        keys: Master keys, where a pack protects dead letters; by default those of the store, or of the environment.
        limits: What one record may use.

    Raises:
        UsageError: An address is wrong. Nothing has run.
        RunFailed: More than `max_errors` records failed.
    """
    program = artifact if isinstance(artifact, Program) else as_program(artifact)
    if workers is not None and workers < 1:
        raise UsageError(f"{workers!r} workers make no sense.", remedy="Give 1 or more.")
    form = LetterForm(
        program.sinks.get("dead_letters", "clear"),
        keys or (store.address.keys if store is not None else KeyRing.from_environment()),
    )
    form.require()
    if store is not None:
        store.require(Protection.from_sinks(program.sinks))
    job = DecideJob(
        program.digest,
        program.files,
        dict(program.environment),
        plan_columns(program.input_type, None, mapping or {}, keep),
        "",
        model,
        None if store is None else store.address,
        form,
    )
    state.mkdir(parents=True, exist_ok=True)
    count = workers or len(os.sched_getaffinity(0))
    lanes = [_Lane(job, limits or RecordLimits(), store) for _ in range(count)]
    opened = open_source(source)
    kept = digest(f"{program.digest}\n{name or opened.name}")
    place = state / kept[:16]
    _refuse_one_file_twice(opened, Path(sink), _letters_of(place))
    target = open_sink(sink)
    if target.place == opened.place:
        raise _feeds_on_itself(opened.place)
    stream = _Stream(opened, target, lanes, place, kept, max_errors)
    return asyncio.run(stream.run())


def _refuse_one_file_twice(source: StreamSource, sink: Path, letters: Path) -> None:
    """A stream that followed what it writes would feed on itself for ever."""
    if isinstance(source, FollowedFile) and (same_file(source.path, sink) or same_file(source.path, letters)):
        raise _feeds_on_itself(str(source.path))
    if same_file(sink, letters):
        raise UsageError(f"{str(sink)!r} is output and dead letters at once.", remedy="Name another output.")


def _feeds_on_itself(place: str) -> UsageError:
    return UsageError(f"{place!r} is input and output at once.", remedy="Name another output.")


def _letters_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.dead.jsonl")


class _Lane:
    """A thread with one worker, which is replaced when it dies."""

    def __init__(self, job: DecideJob, limits: RecordLimits, store: RunStore | None) -> None:
        self._jobs: queue.Queue[tuple[list[Named], asyncio.Future[list[Handed]]] | None] = queue.Queue()
        buried = (lambda process: None) if store is None else store.close_chains_of
        self._pool: KillablePool[Any] = KillablePool(job, 1, limits, buried, draws_ahead=False)
        self._now: asyncio.Future[list[Handed]] | None = None
        self._thread = threading.Thread(target=self._work)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def do(self, items: list[Named]) -> asyncio.Future[list[Handed]]:
        done: asyncio.Future[list[Handed]] = self._loop.create_future()
        self._jobs.put((items, done))
        return done

    def end(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        handed: list[Handed] = []
        given = 0

        def supply(_: int) -> Chunk[Any] | None:
            nonlocal given
            job = self._jobs.get()
            if job is None:
                return None
            items, self._now = job
            given += len(items)
            return Chunk(given - len(items), items)

        try:
            with closing(self._pool.map(supply)) as pieces:
                for piece in pieces:
                    handed.append(piece.result)
                    if piece.is_last:
                        self._tell(handed)
                        handed = []
        except Exception as fault:  # a fault of ours, too, must reach whoever waits for this lane
            self._tell(fault)
            while (job := self._jobs.get()) is not None:
                self._now = job[1]
                self._tell(fault)

    def _tell(self, outcome: list[Handed] | Exception) -> None:
        done, self._now = self._now, None
        if done is not None:
            self._loop.call_soon_threadsafe(_settle, done, outcome)


def _settle(done: asyncio.Future[list[Handed]], outcome: list[Handed] | Exception) -> None:
    if done.done():
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
        done.exception()  # who waits for it still gets it; if nobody does any more, nothing is to be said
    else:
        done.set_result(outcome)


_Under = tuple[list[Message], "asyncio.Future[list[Handed]]"]


@dataclass
class _Stream:
    source: StreamSource
    sink: StreamSink
    lanes: list[_Lane]
    place: Path
    """Beginning of the names of the files that are kept."""
    kept: str
    most_errors: int | None
    result: StreamResult = field(default_factory=StreamResult)
    _broken: bool = False
    """True when nobody goes on with what is read."""

    async def run(self) -> StreamResult:
        try:
            await self.sink.open()
            await self._flow()
        finally:
            await self.source.close()
            await self.sink.close()
        return self.result

    async def _flow(self) -> None:
        loop = asyncio.get_running_loop()
        for lane in self.lanes:
            lane.start(loop)
        taken: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=_MOST_TOGETHER * len(self.lanes))
        under_way: asyncio.Queue[_Under | None] = asyncio.Queue(maxsize=2 * len(self.lanes))
        reading = asyncio.create_task(self._read(taken))
        spreading = asyncio.create_task(self._spread(taken, under_way))
        tasks = [reading, spreading, asyncio.create_task(self._write(under_way))]

        def stop() -> None:
            if not self.source.stop():
                reading.cancel()

        for asked in (signal.SIGTERM, signal.SIGINT):
            with suppress(ValueError, RuntimeError):  # only the main thread hears signals
                loop.add_signal_handler(asked, stop)
        try:
            await asyncio.gather(*tasks)
        finally:
            self._broken = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for lane in self.lanes:
                await asyncio.to_thread(lane.end)

    async def _read(self, taken: asyncio.Queue[Message | None]) -> None:
        """Takes messages until the source ends, or until `stop` cancels it: what was taken goes on."""
        messages = self.source.messages(self._position())
        try:
            async for message in messages:
                await taken.put(message)
        except asyncio.CancelledError:
            if self._broken:
                raise
        finally:
            if isinstance(messages, AsyncIterator) and hasattr(messages, "aclose"):
                await messages.aclose()
        await taken.put(None)

    async def _spread(self, taken: asyncio.Queue[Message | None], under_way: asyncio.Queue[_Under | None]) -> None:
        """Gives the lanes in turn what has come together."""
        turn, ended = 0, False
        while not ended:
            message = await taken.get()
            together: list[Message] = []
            share = max(1, min(_MOST_TOGETHER, taken.qsize() // len(self.lanes)))
            while message is not None:
                together.append(message)
                if len(together) >= share or taken.empty():
                    break
                message = taken.get_nowait()
            ended = message is None
            if together:
                lane = self.lanes[turn % len(self.lanes)]
                await under_way.put((together, lane.do([self._named(each) for each in together])))
                turn += 1
        await under_way.put(None)

    def _named(self, message: Message) -> Named:
        return Named(message.position, f"s{digest(f'{self.kept}{chr(10)}{message.position}')[:31]}", message.data)

    async def _write(self, under_way: asyncio.Queue[_Under | None]) -> None:
        """Writes in the order in which messages came: sink first, then the acknowledgement."""
        while (item := await under_way.get()) is not None:
            messages, done = item
            for handed in await done:
                if handed.letters:
                    await asyncio.to_thread(self._append_letters, handed.letters)
                await self.sink.write(handed.lines.splitlines(keepends=True))
                for status, count in handed.counts.items():
                    self.result.counts[status] = self.result.counts.get(status, 0) + count
            await self.source.acknowledge([message.position for message in messages])
            if self.source.keeps_place:
                await asyncio.to_thread(self._keep_position, messages[-1].position)
            failed = self.result.counts.get("failed", 0)
            if self.most_errors is not None and failed > self.most_errors:
                raise RunFailed(
                    f"The stream was stopped: {failed} records failed, and {self.most_errors} may (--max-errors).",
                    remedy=f"See {str(self.letters)!r}; start it again to go on.",
                )

    # ------------------------------------------------------------ what is kept

    @property
    def letters(self) -> Path:
        return _letters_of(self.place)

    def _append_letters(self, data: bytes) -> None:
        """Several processes of a group may share the file, and none may take another's line for one cut off."""
        alone = FileLock(self.place.with_name(f".{self.place.name}.lock"))
        with alone, open_to_append(self.letters, private=True) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @property
    def _position_file(self) -> Path:
        return self.place.with_name(f"{self.place.name}.position")

    def _position(self) -> str | None:
        if not self._position_file.is_file():
            return None
        try:
            return str(parse_json(self._position_file.read_bytes())["position"])
        except (CompiledAIError, KeyError, TypeError) as fault:
            raise UsageError(
                f"{str(self._position_file)!r} was damaged.",
                remedy="Restore it, or delete it to read the source from its beginning.",
            ) from fault

    def _keep_position(self, position: str) -> None:
        aside = self._position_file.with_name(f".{self._position_file.name}.{os.getpid()}")
        aside.write_text(canonical_json({"position": position}) + "\n")
        aside.replace(self._position_file)
        sync_folder(aside.parent)


__all__ = ["StreamResult", "run_stream"]
