"""Records from tables: a Parquet file (extra `parquet`), or what a query of a database gives (extra `database`).

Both are turned into lines of canonical JSON here, so that everything behind sees lines. A row that JSON cannot hold
(bytes, NaN) fails alone.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import CompiledAIError, ConfigError, InputError, NotFound, UsageError
from compiled_ai.runtime.batch.sources import Mark, Tally, changed
from compiled_ai.runtime.calls.connections import find_connection
from compiled_ai.runtime.lines import RawLine, Unreadable

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ROWS_AT_ONCE = 1000


class _Rows(ABC):
    """Rows as lines; those before a place are read and digested again, since a table knows no bytes to skip."""

    name: str
    has_cells = False
    has_stretches = False

    def __init__(self) -> None:
        self.tally = Tally()

    @abstractmethod
    def _mappings(self, wanted: Sequence[str] | None) -> Iterator[Mapping[str, Any]]:
        """The rows, in order, with the wanted columns or all."""

    def read(self, after: Mark, wanted: Sequence[str] | None) -> Iterator[RawLine]:
        lines = map(self._line, self._mappings(wanted))
        for _ in range(after.records):
            if next(lines, None) is None:
                break
        if self.mark() != after:
            raise changed(self.name)
        yield from lines

    def _line(self, row: Mapping[str, Any]) -> RawLine:
        try:
            line = canonical_json(dict(row)).encode("utf-8", "surrogatepass")
        except InputError as fault:
            line = b"?"
            return Unreadable(f"The row has a value that JSON cannot hold: {fault.message}")
        finally:
            self.tally.records += 1
            self.tally.add(line + b"\n")
        return line

    def mark(self) -> Mark:
        return self.tally.mark()


class Parquet(_Rows):
    """A Parquet file; only the columns that are looked at are read, some rows at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.is_file():
            raise NotFound(f"There is no file {str(path)!r} to read.")
        try:
            import pyarrow as arrow  # type: ignore[import-untyped, unused-ignore]
            from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped, unused-ignore]
        except ImportError as fault:
            raise ConfigError(
                "Reading Parquet needs pyarrow, which is not installed.",
                remedy="Run `pip install 'compiled-ai[parquet]'`.",
            ) from fault
        self.name = str(path)
        try:
            self._file = ParquetFile(path)
        except (arrow.ArrowException, OSError) as fault:
            raise UsageError(f"{self.name!r} is no Parquet file: {fault}.", remedy="Name another file.") from fault
        self._broken = arrow.ArrowException

    def header(self) -> tuple[str, ...]:
        return tuple(self._file.schema_arrow.names)

    def _mappings(self, wanted: Sequence[str] | None) -> Iterator[Mapping[str, Any]]:
        columns = None if wanted is None else [name for name in self.header() if name in wanted]
        try:
            for rows in self._file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
                yield from rows.to_pylist()
        except (self._broken, OSError) as fault:
            raise UsageError(
                f"{self.name!r} cannot be read beyond row {self.tally.records}: {fault}.", remedy="Restore the file."
            ) from fault

    def expected(self) -> int:
        return int(self._file.metadata.num_rows)

    def close(self) -> None:
        self._file.close()


_QUERY = re.compile(r"sql:(?P<connection>[A-Za-z][A-Za-z0-9_]*):(?P<query>.+)", re.DOTALL)
_READS = re.compile(r"\s*(select|with|values)\b", re.IGNORECASE)


class SqlQuery(_Rows):
    """What a query gives, read only, some rows at a time: `sql:CONNECTION:SELECT ... ORDER BY ...`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        match = _QUERY.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no source.", remedy="Write sql:CONNECTION:SELECT ... ORDER BY ...")
        self.name = f"sql:{match['connection']}"
        self._query = match["query"].strip().rstrip(";")
        if not _READS.match(self._query):
            raise UsageError(f"{self.name} does not begin with SELECT or WITH.", remedy="A batch only reads.")
        self._connection = _connect(match["connection"])
        self._open: Any = None
        """Rows that are being read: they are closed before their connection, also when nobody reads on."""
        self._columns: tuple[str, ...] | None = None

    def header(self) -> tuple[str, ...]:
        """The query is run once without taking a row of it."""
        if self._columns is None:
            with self._rows() as rows:
                self._columns = tuple(rows.keys())
        twice = next((name for name in self._columns if self._columns.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"Column {twice!r} occurs twice in {self.name}.", remedy="Name it anew with AS.")
        return self._columns

    def _rows(self) -> Any:
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return self._connection.execute(text(self._query.replace(":", r"\:")))
        except SQLAlchemyError as fault:
            raise self._failed(fault) from fault

    def _mappings(self, wanted: Sequence[str] | None) -> Iterator[Mapping[str, Any]]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._rows() as rows:
                names, self._open = tuple(rows.keys()), rows
                for row in rows:
                    yield dict(zip(names, row, strict=True))
        except SQLAlchemyError as fault:
            raise self._failed(fault) from fault

    def _failed(self, fault: Exception) -> UsageError:
        """Says what the driver said, without the statement and its address."""
        return UsageError(
            f"The query of {self.name} failed: {getattr(fault, 'orig', None) or type(fault).__name__}.",
            remedy="Correct the query, or what the connection may do.",
        )

    def expected(self) -> None:
        return None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._connection.close()
        self._connection.engine.dispose()


def _connect(name: str) -> Connection:
    """Opens a connection by its name, as a call step does that has it (`runtime.calls.connections`)."""
    found = find_connection(name)
    try:
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as fault:
        raise ConfigError(
            "Reading from a database needs SQLAlchemy, which is not installed.",
            remedy="Run `pip install 'compiled-ai[database]'`.",
        ) from fault
    try:
        url = make_url(found.address)
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql+psycopg", password=found.secret or url.password)
        return _reading_only(create_engine(url).connect(), name)
    except (SQLAlchemyError, ImportError) as fault:
        why = getattr(fault, "orig", None) or type(fault).__name__
        raise found.refused(f"cannot be opened: {why}", "Correct it, or start the server.") from fault


def _reading_only(connection: Connection, name: str) -> Connection:
    """The database itself refuses to write, whatever the query says."""
    kind = connection.dialect.name
    streaming = {"stream_results": True, "yield_per": _ROWS_AT_ONCE}
    if kind == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        return connection.execution_options(**streaming)
    if kind == "postgresql":
        return connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ", **streaming)
    connection.close()
    raise _unknown(kind, name)


def _unknown(kind: str, name: str) -> CompiledAIError:
    return ConfigError(
        f"The connection {name!r} is to {kind!r}, which is not known to refuse writing.",
        remedy="Use SQLite or PostgreSQL, or export to Parquet, CSV or JSONL.",
    )
