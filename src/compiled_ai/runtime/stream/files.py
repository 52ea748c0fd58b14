"""Standard input and output, a file that is followed, a file that is appended to."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import secrets
import select
import stat
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

from compiled_ai.canonical import parse_json
from compiled_ai.errors import InputError, NotFound, UsageError
from compiled_ai.runtime.lines import BYTE_ORDER_MARK, LONGEST_LINE, OTHER_KINDS
from compiled_ai.runtime.stream.messages import Message

_BLOCK = 1 << 16
_SECONDS_BETWEEN_LOOKS = 0.1


class StandardInput:
    """Lines of standard input; a position is the number of a line in this process: nothing is delivered twice."""

    keeps_place = False

    def __init__(self) -> None:
        self.name = f"stdin {secrets.token_hex(8)}"
        self.place = self.name
        self._stopped = threading.Event()

    def stop(self) -> bool:
        self._stopped.set()
        return True

    async def messages(self, after: str | None) -> AsyncIterator[Message]:
        """A thread reads the descriptor itself: one that waits in Python's reader could not be left behind."""
        lines: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)
        loop = asyncio.get_running_loop()
        threading.Thread(target=_read_lines, args=(lines, loop, self._stopped), daemon=True).start()
        number = 0
        while (line := await lines.get()) is not None:
            if number == 0:
                line = line.removeprefix(BYTE_ORDER_MARK)
            if line.strip():
                yield Message(str(number), line)
            number += 1

    async def acknowledge(self, positions: Sequence[str]) -> None:
        """What was read is gone."""

    async def close(self) -> None:
        """It is not ours."""


def _read_lines(lines: asyncio.Queue[bytes | None], loop: asyncio.AbstractEventLoop, stopped: threading.Event) -> None:
    def give(line: bytes | None) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    rest = b""
    try:
        while not stopped.is_set():
            if not select.select([0], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
                continue
            block = os.read(0, _BLOCK)
            *whole, rest = (rest + block).split(b"\n")
            for line in whole:
                give(line)
            rest = rest[: LONGEST_LINE + 2]  # more is not needed to refuse it
            if not block:
                break
        if rest and not stopped.is_set():
            give(rest)
        give(None)
    except (RuntimeError, concurrent.futures.CancelledError):
        return  # the loop has ended: nobody listens any more


class StandardOutput:
    place = "stdout"

    async def open(self) -> None:
        """It is open."""

    async def write(self, lines: Sequence[bytes]) -> None:
        def put() -> None:
            sys.stdout.buffer.writelines(lines)
            sys.stdout.buffer.flush()

        await asyncio.to_thread(put)

    async def close(self) -> None:
        """It is not ours."""


class FollowedFile:
    """The lines of a file, as they are added; a position is the byte after a line. A line counts when it has ended."""

    keeps_place = True

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(f"There is no file {str(path)!r} to follow.", remedy="Make it, if need be empty.")
        if path.suffix.lower() in OTHER_KINDS:
            raise UsageError(f"{str(path)!r} is no file of JSON lines.", remedy="`batch` reads tables.")
        self.path = path
        self.name = f"file {path.resolve()}"
        self.place = self.name

    async def messages(self, after: str | None) -> AsyncIterator[Message]:
        place, seen = int(after or 0), self.path.stat().st_ino
        with self.path.open("rb") as stream:
            while True:
                stream.seek(place)
                while (line := stream.readline()).endswith(b"\n"):
                    if place == 0:
                        place, line = len(line), line.removeprefix(BYTE_ORDER_MARK)
                    else:
                        place += len(line)
                    if line.strip():
                        yield Message(str(place), line.rstrip(b"\r\n"))
                await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
                self._look(place, seen)

    def _look(self, place: int, seen: int) -> None:
        try:
            now = self.path.stat()
        except FileNotFoundError:
            now = None
        if now is None or now.st_ino != seen or now.st_size < place:
            raise UsageError(
                f"{str(self.path)!r} was cut or replaced at byte {place}: nobody can say what was missed.",
                remedy="Begin anew with another --name, or let what writes it only append.",
            )

    def stop(self) -> bool:
        return False

    async def acknowledge(self, positions: Sequence[str]) -> None:
        """The position is kept by the stream."""

    async def close(self) -> None:
        """It is closed with its reading."""


class AppendedFile:
    """Lines are synced to the disk before they count."""

    def __init__(self, path: Path) -> None:
        self._file = open_to_append(path)
        self.place = f"file {path.resolve()}"

    async def open(self) -> None:
        """It was opened with its name."""

    async def write(self, lines: Sequence[bytes]) -> None:
        def put() -> None:
            self._file.writelines(lines)
            self._file.flush()
            os.fsync(self._file.fileno())

        await asyncio.to_thread(put)

    async def close(self) -> None:
        self._file.close()


def open_to_append(path: Path, *, private: bool = False) -> BinaryIO:
    """Opens a file of lines to add to it; a last line that a crash cut off is not gone on with.

    Such a line was never acknowledged, since its sync had not returned: it is cut, and its message comes again. A last
    line of another kind that has no line break gets one.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600 if private else 0o666)
    file = os.fdopen(descriptor, "ab")
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and (tail := _last_line(path)):
        if _was_cut_off(tail):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(tail))
        else:
            os.write(descriptor, b"\n")
    return file


def _last_line(path: Path) -> bytes:
    """What stands after the last line break."""
    tail = b""
    with path.open("rb") as stream:
        start = stream.seek(0, os.SEEK_END)
        while start and b"\n" not in tail:
            size = min(_BLOCK, start)
            start = stream.seek(start - size)
            tail = stream.read(size) + tail
    return tail.rpartition(b"\n")[2]


def _was_cut_off(line: bytes) -> bool:
    """True for the beginning of a line of ours: of an object."""
    try:
        parse_json(line)
    except InputError:
        return line.startswith(b"{")
    return False
