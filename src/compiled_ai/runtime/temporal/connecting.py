"""The way to a Temporal server: addresses and credentials, telemetry, and a server for development.

What is not given is read as every Temporal tool reads it (`temporalio.envconfig`): `TEMPORAL_ADDRESS`,
`TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_*`, and the profile file of the `temporal` command. Keys and
certificates come from there alone: a command line is seen by all.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from compiled_ai.errors import ConfigError
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.temporal.codec import data_converter
from compiled_ai.runtime.temporal.errands import REVIEW, STATUS

if TYPE_CHECKING:
    from temporalio.runtime import Runtime
    from temporalio.testing import WorkflowEnvironment

CONNECT_SECONDS = 10.0
BINARY_VARIABLE = "COMPILED_AI_TEMPORAL_BIN"
NAMED = SearchAttributeKey.for_keyword("CompiledAiWorkflow")
VERSION = SearchAttributeKey.for_keyword("CompiledAiVersion")
ARTIFACT = SearchAttributeKey.for_keyword("CompiledAiArtifact")
SEARCH_ATTRIBUTES = (NAMED, VERSION, ARTIFACT, STATUS, REVIEW)
_INSTALL = "go install github.com/temporalio/cli/cmd/temporal@v1.5.1"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Which server is meant; what is `None`, TLS and credentials come from the environment and the profile."""

    address: str | None = None
    namespace: str | None = None
    profile: str | None = None
    """Name of a profile in the file of the `temporal` command; else `TEMPORAL_PROFILE`, else `default`."""


async def connect(
    connection: Connection, keys: KeyRing, *, runtime: Runtime | None = None, lazy: bool = False
) -> Client:
    """Connects; raises `ConfigError` naming the address if no server answers there."""
    options = _options(connection)
    address = options.pop("target_host")
    try:
        if not lazy:
            await asyncio.to_thread(_knock, address)
        return await Client.connect(address, data_converter=data_converter(keys), runtime=runtime, lazy=lazy, **options)
    except (RuntimeError, RPCError, OSError, OverflowError, UnicodeError) as fault:  # the last two: no address
        raise ConfigError(
            f"No Temporal server answers at {address!r}{_reason(fault)}.",
            remedy="Give --address HOST:PORT or set TEMPORAL_ADDRESS; `compiled-ai worker --dev` starts one here.",
        ) from fault


def _knock(address: str) -> None:
    """Raises `OSError` where nothing listens, so that the SDK is not asked.

    A process that ends just after the SDK's connection has failed can be aborted: a thread of the SDK's runtime still
    lets go of Python's objects while the interpreter is taken down.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:  # what else there is the SDK refuses or understands
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def _reason(fault: Exception) -> str:
    """` (Connection refused)`: what a fault says in words; the SDK wraps them in the fields of its own classes."""
    words = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    said = words.partition("\n")[0][:300].rstrip(".")
    if "::" in said or "{" in said:
        found = re.search(r'(?:message|error): (?:"([^"]+)"|([A-Z]\w+(?:\(\w+\))?))', said)
        said = (found[1] or found[2]) if found else ""
    return f" ({said})" if said else ""


def _options(connection: Connection) -> dict[str, Any]:
    from temporalio.envconfig import ClientConfig

    try:
        options: dict[str, Any] = {**ClientConfig.load_client_connect_config(connection.profile)}
    except (RuntimeError, ValueError, OSError) as fault:
        named = f" (profile {connection.profile!r})" if connection.profile else ""
        raise ConfigError(
            f"Temporal's settings cannot be read{named}: {fault}.",
            remedy="Correct TEMPORAL_* or the profile; `temporal config list` shows the profiles.",
        ) from fault
    options.setdefault("target_host", "localhost:7233")
    given = {"target_host": connection.address, "namespace": connection.namespace}
    options.update({name: value for name, value in given.items() if value is not None})
    return options


# ---------------------------------------------------------------------------------------------- telemetry


def telemetry(*, prometheus: str | None = None, otlp: str | None = None) -> Runtime | None:
    """The SDK's metrics: served for Prometheus at `HOST:PORT`, or sent to an OpenTelemetry collector's URL."""
    if prometheus and otlp:
        raise ConfigError("Metrics go to one place.", remedy="Give prometheus or otlp.")
    if not (prometheus or otlp):
        return None
    from temporalio.runtime import OpenTelemetryConfig, PrometheusConfig, Runtime, TelemetryConfig

    metrics = PrometheusConfig(bind_address=prometheus) if prometheus else OpenTelemetryConfig(url=str(otlp))
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except (RuntimeError, ValueError) as fault:
        raise ConfigError(
            f"Metrics cannot be set up at {prometheus or otlp!r}: {fault}.",
            remedy="Give a free HOST:PORT for Prometheus, or the URL of a collector.",
        ) from fault


# ---------------------------------------------------------------------------------------------- search attributes


async def ensure_search_attributes(client: Client) -> bool:
    """Makes the search attributes known to the server if it lets us; says whether they are known.

    Where they are not, runs go on without them, and `docs/temporal.md` says how an operator adds them.
    """
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest

    try:
        asked = ListSearchAttributesRequest(namespace=client.namespace)
        known = (await client.operator_service.list_search_attributes(asked)).custom_attributes
        lacking = {key.name: key.indexed_value_type for key in SEARCH_ATTRIBUTES if key.name not in known}
        if lacking:
            wanted = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=_types(lacking))
            await client.operator_service.add_search_attributes(wanted)
    except RPCError:
        return False
    return True


def _types(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {name: int(kind) for name, kind in keys.items()}


# ---------------------------------------------------------------------------------------------- development


def find_server(given: Path | None = None) -> Path:
    """The `temporal` binary: given, named by the variable, on the path, or where Go installs; else how to get one."""
    named = given or (Path(os.environ[BINARY_VARIABLE]) if os.environ.get(BINARY_VARIABLE) else None)
    if named is not None:
        if not os.access(named, os.X_OK) or named.is_dir():
            raise ConfigError(
                f"{str(named)!r} is no program that can be run.",
                remedy=f"Point {BINARY_VARIABLE} at a `temporal` binary.",
            )
        return named
    go = Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin" / "temporal"
    found = shutil.which("temporal") or (str(go) if os.access(go, os.X_OK) else None)
    if found is None:
        raise ConfigError(
            "There is no `temporal` binary on this machine.",
            remedy=f"Get one with `{_INSTALL}` (Go 1.24 or newer, about 3 minutes), or put one on PATH or "
            f"into {BINARY_VARIABLE}.",
        )
    return Path(found)


async def _started(**options: Any) -> WorkflowEnvironment:
    from temporalio.testing import WorkflowEnvironment

    try:
        return await WorkflowEnvironment.start_local(**options)
    except RuntimeError as fault:
        raise ConfigError(
            f"The development server did not start{_reason(fault)}.",
            remedy="Is its port free, and its database file not in use? Give --address localhost:PORT.",
        ) from fault


@asynccontextmanager
async def dev_server(
    keys: KeyRing,
    *,
    binary: Path | None = None,
    port: int | None = None,
    database: Path | None = None,
    ui: bool = False,
    runtime: Runtime | None = None,
    patience_seconds: float = 60.0,
) -> AsyncIterator[Client]:
    """A development server in a process of its own, with our search attributes; it ends with the block.

    Args:
        keys: Master keys for the client's payloads.
        binary: The `temporal` binary; by default it is looked for.
        port: By default a free one.
        database: SQLite file that keeps histories; by default they are gone with the server.
        ui: Serve the web interface too.
        runtime: With telemetry.
        patience_seconds: How long it may take to start.

    Raises:
        ConfigError: There is no binary, or it does not start.
    """
    environment = await _started(
        data_converter=data_converter(keys),
        port=port,
        ui=ui,
        runtime=runtime,
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(find_server(binary)),
        dev_server_database_filename=None if database is None else str(database),
        dev_server_log_level="never",
        dev_server_startup_timeout=timedelta(seconds=patience_seconds),
        dev_server_extra_args=["--output", "none"],  # its greeting would stand on our stdout
    )
    async with environment:
        yield environment.client
