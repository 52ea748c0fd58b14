"""What a `call` step may do: its settings held against the allow-list of its connection, before anything is called.

Pure. The plan asks when a specification is checked, and the engine asks again before each call, so that an artifact
cannot do what its specification did not declare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from compiled_ai.capabilities.statement import read_statement
from compiled_ai.capabilities.wording import loose_brace, places
from compiled_ai.errors import suggest
from compiled_ai.library.types import Field, FieldType

Repeats = Literal["reads", "same", "keyed", "once"]
"""What doing a call twice does: `reads` changes nothing; `same` leaves what once leaves; `keyed` is done once for each
key, which the other side remembers; `once` would be done twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One call step, and what the specification allows its connection."""

    step: str
    module: str
    settings: Mapping[str, Any]
    arguments: Mapping[str, FieldType]
    """Type of each argument, by name."""
    result: FieldType
    allow: Mapping[str, Any] = field(default_factory=dict)

    @property
    def connection(self) -> str:
        return str(self.settings.get("connection", ""))

    def says(self, name: str, default: Any) -> Any:
        """A setting, or its default."""
        return self.settings.get(name, default)


class Fault(NamedTuple):
    """What is wrong with a call step."""

    key: str
    """The key of the step or of its `settings` that is to be changed; `allow` where it is the connection's."""
    message: str
    forbidden: bool = False
    """Whether it is the connection that does not allow it."""


def faults(declared: Declared) -> tuple[Fault, ...]:
    """What is wrong with a call step of a module that ships (empty: nothing)."""
    check = _CHECKS.get(declared.module)
    return tuple(check(declared)) if check else ()


def row_fields(declared: Declared) -> tuple[Field, ...]:
    """The fields that a row of a database step must give."""
    fields = declared.result.fields
    if declared.says("rows", None) is None:
        return fields
    return next((each.type.items.fields for each in fields if each.type.items is not None), ())


def lost_columns(declared: Declared, columns: Sequence[str]) -> Iterator[str]:
    """What `returns` names and a statement that gives these columns does not give, one sentence each.

    Names of columns are the same in capitals and in small letters, as in SQL.
    """
    given = {column.lower() for column in columns}
    for each in row_fields(declared):
        if each.name.lower() not in given:
            yield f"The statement gives no column {each.name!r}, which 'returns' names.{suggest(each.name, columns)}"


def repeats(declared: Declared) -> Repeats:
    """What doing a call of a module that ships twice does."""
    if declared.module == "database":
        return "reads" if declared.says("read_only", True) else "keyed"
    if declared.module == "http":
        method = declared.says("method", "GET")
        plainly: Repeats = "reads" if method == "GET" else "same" if method in ("PUT", "DELETE") else "once"
        return "keyed" if plainly == "once" and declared.says("idempotency_key", False) else plainly
    if declared.module == "files":
        return "reads" if declared.says("operation", "read") == "read" else "same"
    return "keyed" if declared.module == "notify" and declared.allow.get("deduplicates") else "once"


# ---------------------------------------------------------------- module by module


def _database(declared: Declared) -> Iterator[Fault]:
    statement = read_statement(str(declared.says("statement", "")))
    yield from (Fault("statement", message) for message in statement.faults)
    yield from _beyond("reads table", statement.reads, declared.allow.get("tables"), "tables")
    yield from _beyond("writes table", statement.writes, declared.allow.get("writes"), "writes")
    if declared.says("read_only", True):
        if statement.columns is not None:
            yield from (Fault("statement", message) for message in lost_columns(declared, statement.columns))
        if statement.changes:
            yield Fault(
                "statement",
                "The statement writes, and the step is read-only. Declare 'read_only: false', or only read.",
            )
    elif not statement.changes:
        yield Fault(
            "read_only",
            "The step is declared as one that writes, and the statement only reads. Leave out 'read_only: false'.",
        )
    else:
        yield from _returns(declared, "changed", ("integer",), "the number of rows that were changed")
    for name, kind in declared.arguments.items():
        if kind.kind in ("list", "object", "json", "box"):
            yield Fault(
                "parameters", f"Argument {name!r} is of type {kind.kind}, which cannot be bound. Bind its parts."
            )
    collected = declared.says("rows", None)
    if collected is not None:
        yield from _returns(declared, str(collected), ("list",), "the list of all rows")
        if any(each.type.items and each.type.items.kind != "object" for each in declared.result.fields):
            yield Fault(
                "returns",
                f"Each item of {collected!r} is a row. Declare the fields of a row, as in '[{{name: string}}]'.",
            )


def _http(declared: Declared) -> Iterator[Fault]:
    method = declared.says("method", "GET")
    if not declared.allow.get("hosts"):
        yield _undeclared(declared, "hosts", "the hosts that the connection may reach")
    if method not in declared.allow.get("methods", ("GET",)):
        yield Fault(
            "method",
            f"Connection {declared.connection!r} does not allow method {method!r}. Add it to 'allow.methods'.",
            forbidden=True,
        )
    path = str(declared.says("path", ""))
    if not path.startswith("/") or path.startswith("//"):
        yield Fault("path", f"The path is {path!r}; it must begin with one '/'.")
    if any(part in (".", "..") for part in path.split("/")):
        yield Fault("path", f"The path {path!r} leads somewhere else by '.' or '..'. Write it out.")
    if "?" in path or "#" in path:
        yield Fault("path", f"The path {path!r} holds '?' or '#'. Put the query into 'query'.")
    query = declared.says("query", {})
    yield from _missing(declared, "path", places(path))
    yield from _missing(declared, "query", tuple(map(str, query.values())))
    if method in ("GET", "DELETE"):
        left = sorted({*declared.arguments} - {*places(path), *map(str, query.values())})
        if left:
            yield Fault(
                "parameters",
                f"A {method} request has no body, and nothing takes the argument {left[0]!r}. Name it in 'query'.",
            )
    yield from _braces("path", path)
    yield from _headers(declared.says("headers", {}))
    carrier = str(declared.says("secret_header", "Authorization"))
    if not re.fullmatch(r"[\w-]+", carrier) or carrier.lower() in ("host", "content-length", "transfer-encoding"):
        yield Fault(
            "secret_header", f"Header {carrier!r} cannot carry a secret. Name the one that the service reads it from."
        )


def _notify(declared: Declared) -> Iterator[Fault]:
    if not declared.allow.get("channels"):
        yield _undeclared(declared, "channels", "the kinds of address it may have (mailto, slack, json, ...)")
    for key in ("subject", "message"):
        wording = str(declared.says(key, ""))
        yield from _missing(declared, key, places(wording))
        yield from _braces(key, wording)
    yield from _returns(declared, "sent", ("boolean",), "whether it was sent")


def _files(declared: Declared) -> Iterator[Fault]:
    path = str(declared.says("path", ""))
    patterns = declared.allow.get("paths")
    if not patterns:
        yield _undeclared(declared, "paths", "the paths below its root that may be used, with * for a part")
    if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        yield Fault("path", f"The path {path!r} does not stay below its root. Write names with '/' between them.")
    yield from _missing(declared, "path", places(path))
    yield from _braces("path", path)
    if declared.says("operation", "read") == "write":
        if not declared.allow.get("write", False):
            message = f"Connection {declared.connection!r} does not allow writing. Declare 'allow.write: true'."
            yield Fault("allow", message, forbidden=True)
        yield from _missing(declared, "parameters", ("content",))
        yield from _returns(declared, "bytes", ("integer",), "how long the file is")
        if declared.says("format", "text") == "document":
            yield Fault("format", "A document is only read. Write 'format: text' or 'format: json'.")
    elif declared.says("format", "text") != "json":
        yield from _returns(declared, "text", ("text", "string"), "the content")


def _human(declared: Declared) -> Iterator[Fault]:
    question = str(declared.says("question", ""))
    yield from _missing(declared, "question", places(question))
    yield from _braces("question", question)
    due = declared.says("due", None)
    if due is not None and not re.fullmatch(r"P(?=\d|T\d)(\d{1,4}D)?(T(?=\d)(\d{1,4}H)?(\d{1,4}M)?(\d{1,6}S)?)?", due):
        yield Fault("due", f"Setting 'due' is {due!r}. Write days and hours as in 'P2D' or 'PT4H'.")
    known = [each.name for each in declared.result.fields]
    for name in declared.says("proposed", {}):
        if name not in known:
            yield Fault("proposed", f"'proposed' names {name!r}, which 'returns' does not.{suggest(name, known)}")


_CHECKS: Mapping[str, Callable[[Declared], Iterator[Fault]]] = {
    "database": _database,
    "http": _http,
    "notify": _notify,
    "files": _files,
    "human": _human,
}
_OWN_HEADERS = re.compile("authorization|cookie|host|connection|content-.*|accept-encoding|transfer-.*|idempotency-key")


def _beyond(does: str, found: frozenset[str], allowed: Any, key: str) -> Iterator[Fault]:
    known = [str(name).lower() for name in allowed or ()]
    for name in sorted(found):
        if name not in known:
            yield Fault(
                "statement",
                f"The statement {does} {name!r}, which the connection's 'allow.{key}' does not list.",
                forbidden=True,
            )


def _undeclared(declared: Declared, key: str, what: str) -> Fault:
    message = f"Connection {declared.connection!r} needs 'allow.{key}': {what}."
    return Fault("allow", message, forbidden=True)


def _missing(declared: Declared, key: str, wanted: tuple[str, ...]) -> Iterator[Fault]:
    for name in dict.fromkeys(wanted):
        if name not in declared.arguments:
            hint = suggest(name, declared.arguments)
            yield Fault(key, f"Nothing gives the argument {name!r}. Name it in 'parameters'.{hint}")


def _braces(key: str, text: str) -> Iterator[Fault]:
    if loose_brace(text):
        yield Fault(key, f"{text!r} has a brace that names no argument. Write '{{{{' and '}}}}' for braces.")


def _headers(headers: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in headers.items():
        if _OWN_HEADERS.fullmatch(name.lower()):
            yield Fault(
                "headers", f"Header {name!r} is not for a specification to set. A secret comes from the environment."
            )
        elif not (isinstance(value, str) and re.fullmatch(r"[\x20-\x7e]*", value) and re.fullmatch(r"[\w-]+", name)):
            yield Fault("headers", f"Header {name!r} is no plain text.")


def _returns(declared: Declared, name: str, kinds: tuple[str, ...], what: str) -> Iterator[Fault]:
    fields: tuple[Field, ...] = declared.result.fields
    if [each.name for each in fields] != [name] or fields[0].type.kind not in kinds:
        yield Fault("returns", f"This call yields one field {name!r} of type {kinds[0]} ({what}). Write 'returns' so.")


__all__ = ["Declared", "Fault", "Repeats", "faults", "lost_columns", "repeats", "row_fields"]
