"""Where the records of a batch come from: a file of JSONL or CSV here, Parquet and SQL in `tables`.

A source is read once from its beginning to its end. On the way it counts and digests what it has given, so that a
checkpoint can name a place, and a later batch can go on there if everything before it is still the same.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from compiled_ai.errors import NotFound, UsageError
from compiled_ai.runtime.lines import LONGEST_LINE, RawLine, Unreadable

_EMPTY = hashlib.sha256().hexdigest()
_BLOCK = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source, or in a file that is written: what lies before it."""

    records: int = 0
    bytes: int = 0
    sha256: str = _EMPTY


class Source(Protocol):
    name: str
    """What messages call it."""
    has_cells: bool
    """True if records are cells under the header, which are read by type."""
    tally: Tally
    """Of what was given."""
    has_stretches: bool
    """True if a part of it can be read alone."""

    def header(self) -> tuple[str, ...] | None:
        """Its columns, if they are the same for all records; `None` for JSONL. `UsageError` if they cannot be used."""
        ...

    def read(self, after: Mark, wanted: Sequence[str] | None) -> Iterator[RawLine]:
        """Gives its records from a place on; `wanted` names the columns that will be looked at (`None`: all).

        Raises `UsageError` if what lies before the place is not what it was.
        """
        ...

    def mark(self) -> Mark:
        """The place that reading has come to."""
        ...

    def expected(self) -> int | None:
        """How many records there will be, about; `None` if there is no telling."""
        ...

    def close(self) -> None: ...


class Tally:
    """Counts and digests what has been given; the digest is brought up to date when it is asked for."""

    def __init__(self) -> None:
        self.records = 0
        self.bytes = 0
        self._digest = hashlib.sha256()
        self._held: list[bytes] = []
        self.add = self._held.append

    def settle(self) -> None:
        """Digests what was added: after each record that may be large, else once for many."""
        data = b"".join(self._held)
        self._held.clear()
        self._digest.update(data)
        self.bytes += len(data)

    def mark(self) -> Mark:
        self.settle()
        return Mark(self.records, self.bytes, self._digest.hexdigest())

    def cut(self) -> Mark:
        """What was added since the last cut; from here on it counts anew."""
        mark = self.mark()
        self.records, self.bytes, self._digest = 0, 0, hashlib.sha256()
        return mark


def changed(name: str, what: str = "input") -> UsageError:
    return UsageError(
        f"The {what} {name!r} is not the one that the batch began with: what was read of it has changed.",
        remedy="Restore it; or delete the .part and .checkpoint files beside the output, to begin anew.",
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file."""

    start: int
    """Its first byte, where a record begins."""
    bytes: int


class _Part(io.RawIOBase):
    """A stretch of a file, as if it were all."""

    def __init__(self, path: Path, stretch: Stretch) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(stretch.start)
        self._left = stretch.bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class FileSource:
    """What files of lines have in common: the bytes before a place are digested again before reading goes on there."""

    has_stretches = True

    def __init__(self, path: Path, stretch: Stretch | None = None) -> None:
        if not path.is_file():
            raise NotFound(f"There is no file {str(path)!r} to read.")
        self.path, self.name, self.stretch = path, str(path), stretch
        self.tally = Tally()
        self._stream: BinaryIO | None = None

    def mark(self) -> Mark:
        return self.tally.mark()

    def expected(self) -> int | None:
        """As the bytes of the records so far let expect."""
        size, tally = self.path.stat().st_size, self.tally
        return round(size * tally.records / tally.bytes) if tally.bytes else None

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _begins(self, after: Mark) -> bool:
        """True if reading after a place begins with the first byte of the file, where a byte order mark may be."""
        return not after.bytes and (self.stretch is None or self.stretch.start == 0)

    def _opened(self, after: Mark) -> BinaryIO:
        self._stream = stream = self._open()
        tally = self.tally
        while tally.bytes < after.bytes and (block := stream.read(min(_BLOCK, after.bytes - tally.bytes))):
            tally.add(block)
            tally.settle()
        tally.records = after.records
        if tally.mark() != after:
            raise changed(self.name)
        return stream

    def _open(self) -> BinaryIO:
        if self.stretch is None:
            return self.path.open("rb")
        return io.BufferedReader(_Part(self.path, self.stretch), _BLOCK)


class JsonLines(FileSource):
    """One JSON object a line."""

    has_cells = False

    def header(self) -> None:
        return None

    def read(self, after: Mark, wanted: Sequence[str] | None) -> Iterator[RawLine]:
        tally, add, begins = self.tally, self.tally.add, self._begins(after)
        read = self._opened(after).readline
        while line := read(LONGEST_LINE + 2):
            add(line)
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                self._pass_over()
            tally.records += 1
            if begins:
                line, begins = line.removeprefix(_BYTE_ORDER_MARK), False
            yield line.rstrip(b"\r\n")

    def _pass_over(self) -> None:
        """Keeps of an endless line only a little more than is allowed: enough to refuse it."""
        assert self._stream is not None
        while rest := self._stream.readline(_BLOCK):
            self.tally.add(rest)
            self.tally.settle()
            if rest.endswith(b"\n"):
                return


class Csv(FileSource):
    """Rows under a header; an empty row is none."""

    has_cells = True

    def header(self) -> tuple[str, ...]:
        try:
            with self.path.open("rb") as stream:
                columns = next(self._rows(stream, lambda line: None, True), None)
        except csv.Error as fault:
            raise UsageError(f"The header of {self.path.name!r} cannot be read: {fault}.") from fault
        if not columns:
            raise UsageError(f"{self.path.name!r} has no header.", remedy="The first row must name the columns.")
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"Column {twice!r} occurs twice in {self.path.name!r}.", remedy="Rename one.")
        return tuple(columns)

    def read(self, after: Mark, wanted: Sequence[str] | None) -> Iterator[RawLine]:
        tally = self.tally
        begins = self._begins(after)
        rows = self._rows(self._opened(after), tally.add, begins)
        if begins:
            next(rows, None)
        try:
            for row in rows:
                tally.records += 1
                yield row
        except csv.Error as fault:  # from an unclosed quote on, nobody can tell the rows apart: one failed line
            tally.records += 1
            yield Unreadable(f"The rest of the file cannot be read: {fault}.")

    def _rows(self, stream: BinaryIO, seen: Callable[[bytes], None], first: bool) -> Iterator[list[str]]:
        before = csv.field_size_limit(LONGEST_LINE)
        try:
            for row in csv.reader(_texts(stream, seen, first), strict=True):
                if row:
                    yield row
        finally:
            csv.field_size_limit(before)


def _texts(stream: BinaryIO, seen: Callable[[bytes], None], first: bool) -> Iterator[str]:
    """Lines as text, however they end; what is not UTF-8 is kept as surrogates, to be refused with its row."""
    for line in stream:
        for part in line.splitlines(keepends=True):
            seen(part)  # each row counts its own bytes, also where rows end with a carriage return alone
            text = part.removeprefix(_BYTE_ORDER_MARK) if first else part
            first = False
            yield text.decode("utf-8", "surrogateescape")


def open_source(source: Path | str, stretch: Stretch | None = None) -> Source:
    """Opens a file by its ending (`.csv`, `.parquet`, else JSONL), or `sql:CONNECTION:SELECT ...`.

    A stretch is read of JSONL and CSV alone.
    """
    text = str(source)
    if text.startswith("sql:"):
        from compiled_ai.runtime.batch.tables import SqlQuery

        return SqlQuery(text)
    path = Path(source)
    if path.suffix.lower() == ".parquet":
        from compiled_ai.runtime.batch.tables import Parquet

        return Parquet(path)
    return (Csv if path.suffix.lower() == ".csv" else JsonLines)(path, stretch)
