"""Calls of modules outside the workflow: one client per module, found by name, asked through `make_call`.

A client is a Python module that has three functions; a package of a third party brings its own (`catalog.installed`):

```
repeats(declared) -> "reads" | "same" | "keyed" | "once"    what doing the call twice does
prepare(call) -> None                pure; CallFailed if the values ask for more than is declared
perform(call, connection) -> JSON    CallFailed.surely or CallFailed.perhaps where there is no result
```

It may have a fourth, `reach(declared, connection) -> None`: ConfigError if the address is not one that may be used. It
sends nothing, and is asked before a run is on record.

`perform` returns an object, a list of rows, or `None` where nothing was found. A failure of which it is not known
whether the call was carried out makes the effect `in_doubt`, unless the call changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from time import perf_counter
from typing import Any, Protocol, cast

from compiled_ai.canonical import canonical_json, digest
from compiled_ai.capabilities import Declared, Repeats, faults
from compiled_ai.errors import ArtifactRefused, CallFailed, ConfigError, UsageError
from compiled_ai.library.context import EffectRequest
from compiled_ai.library.recorded import Recorded
from compiled_ai.library.steps import StepInfo
from compiled_ai.library.types import type_from_json
from compiled_ai.runtime.calls.connections import Connection, find_connection
from compiled_ai.runtime.calls.projection import project

_SHIPPED = ("database", "http", "notify", "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that is to be made."""

    declared: Declared
    arguments: Mapping[str, Any]
    """JSON values by name."""
    key: str = ""
    """The same for the same run, step and item, whatever process asks; empty for a run that is nowhere on record."""


class Client(Protocol):
    def repeats(self, declared: Declared) -> Repeats: ...
    def prepare(self, call: Call) -> None: ...
    def perform(self, call: Call, connection: Connection) -> Any: ...


class CallMaker(Protocol):
    """Makes a call and returns its recorded effect: `make_call`, or a double."""

    def __call__(self, info: StepInfo, request: EffectRequest, *, run_id: str, on_record: bool) -> Recorded: ...


def declared_of(info: StepInfo) -> Declared:
    """What the artifact declares of a call step."""
    return Declared(
        step=info.name,
        module=info.module or "",
        settings=info.settings or {},
        arguments={name: type_from_json(each["type"]) for name, each in (info.arguments or {}).items()},
        result=info.result,
        allow=info.allow or {},
    )


def call_key(run_id: str, request: EffectRequest) -> str:
    """Returns the key of a call: the run, and a digest of step and item."""
    return f"{run_id}-{digest(canonical_json([request.step, request.item]))[:16]}" if run_id else ""


def repeats_of(info: StepInfo) -> Repeats:
    """What doing a call of this step twice does."""
    return _client(info).repeats(declared_of(info))


def repeatable(info: StepInfo) -> bool:
    """True if a call of which it is not known whether it happened may simply be made again."""
    return repeats_of(info) != "once"


def only_reads(info: StepInfo) -> bool:
    """True if a call changes nothing outside."""
    return repeats_of(info) == "reads"


def check_call(info: StepInfo, *, run_id: str, on_record: bool) -> None:
    """Raises what would stop a call before it is made.

    Raises:
        ConfigError: its connection has no address, or one that may not be used.
        UsageError: it must not happen twice, and the run is on no record that would know.
        ArtifactRefused: the package that brings its module is not the one that the artifact was compiled with.
    """
    client, declared, connection = _checked(info, run_id=run_id, on_record=on_record)
    reach = getattr(client, "reach", None)
    if reach is not None:
        reach(declared, connection)


def _checked(info: StepInfo, *, run_id: str, on_record: bool) -> tuple[Client, Declared, Connection]:
    declared, client = declared_of(info), _client(info)
    again = client.repeats(declared)
    if (again == "once" and not on_record) or (again == "keyed" and not run_id):
        raise UsageError(
            f"Step {info.name!r} calls module {info.module!r}, which must not happen twice; this run is on no record.",
            remedy="Run it with a run store (leave out --no-store).",
        )
    if wrong := faults(declared):
        raise ArtifactRefused(f"Step {info.name!r} of the artifact: {wrong[0].message}", remedy="Compile it again.")
    return client, declared, find_connection(declared.connection)


def make_call(info: StepInfo, request: EffectRequest, *, run_id: str, on_record: bool) -> Recorded:
    """Makes one call and returns its recorded effect; what the caller must put right is raised, as by `check_call`."""
    client, declared, connection = _checked(info, run_id=run_id, on_record=on_record)
    call = Call(declared=declared, arguments=request.payload["arguments"], key=call_key(run_id, request))
    started = perf_counter()
    state, result, error = _made(client, call, connection)
    return Recorded(
        request.step,
        request.kind,
        request.item,
        request.attempt,
        state=state,
        request=request.payload,
        result=result,
        error=error,
        origin=f"{declared.module}: {declared.connection}",
        milliseconds=round((perf_counter() - started) * 1000, 3),
    )


def _made(client: Client, call: Call, connection: Connection) -> tuple[Any, Any, str | None]:
    try:
        client.prepare(call)
        return "succeeded", project(call.declared.result, client.perform(call, connection)), None
    except CallFailed as fault:
        unclear = fault.may_have_happened and client.repeats(call.declared) != "reads"
        return "in_doubt" if unclear else "failed", None, fault.message
    except (ArithmeticError, ValueError, OSError) as fault:  # a value that the client cannot carry: never a crash
        unclear = client.repeats(call.declared) != "reads"
        return "in_doubt" if unclear else "failed", None, f"The call could not be made ({type(fault).__name__})."


def _client(info: StepInfo) -> Client:
    provider = info.provider or {}
    return client_of(info.module or "", provider.get("package"), provider.get("digest"))


@lru_cache(maxsize=64)
def client_of(module: str, package: str | None = None, pinned: str | None = None) -> Client:
    """Returns the client of a module: one that ships, or the one of a package with the digest that is pinned."""
    if package is None:
        if module not in _SHIPPED:
            raise ConfigError(f"There is no client for module {module!r}.", remedy=f"Known: {', '.join(_SHIPPED)}.")
        return cast(Client, import_module(f"compiled_ai.runtime.calls.{module}"))
    return _installed(module, package, pinned)


def _installed(module: str, package: str, pinned: str | None) -> Client:
    from compiled_ai.catalog import load_catalog

    found = load_catalog().effects.get(module)
    if found is None or found.provider != package:
        raise ConfigError(f"Module {module!r} comes from package {package!r}.", remedy=f"pip install {package}")
    if found.provider_digest != pinned:
        raise ArtifactRefused(
            f"The installed package {package!r} is not the one that module {module!r} was compiled with.",
            remedy="Install that version again, or compile again.",
        )
    client = import_module(found.client)
    if missing := [name for name in ("repeats", "prepare", "perform") if not callable(getattr(client, name, None))]:
        raise ConfigError(
            f"{found.client!r} of package {package!r} has no {missing[0]!r}.", remedy="Correct the package."
        )
    return cast(Client, client)


__all__ = [
    "Call",
    "CallMaker",
    "Client",
    "Connection",
    "call_key",
    "check_call",
    "client_of",
    "declared_of",
    "make_call",
    "only_reads",
    "repeatable",
    "repeats_of",
]
