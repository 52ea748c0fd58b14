"""Commands of the Temporal engine: worker, submit."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compiled_ai.cli.artifacts import Name, open_artifact
from compiled_ai.cli.govern import open_store
from compiled_ai.cli.many import Keep, MaxErrors
from compiled_ai.cli.output import emit, note
from compiled_ai.cli.runs import Map, parse_maps
from compiled_ai.config import Settings, load_settings, make_home
from compiled_ai.errors import NotFound, UsageError

if TYPE_CHECKING:
    from temporalio.client import Client

    from compiled_ai.runtime.store import RunStore
    from compiled_ai.runtime.temporal.connecting import Connection
    from compiled_ai.runtime.temporal.worker import WorkerSettings

Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]
Address = Annotated[str, typer.Option("--address", metavar="HOST:PORT", help="server; else TEMPORAL_ADDRESS")]
Namespace = Annotated[str, typer.Option("--namespace", help="else TEMPORAL_NAMESPACE, else 'default'")]
Queue = Annotated[str, typer.Option("--task-queue", help="common queue; those of artifacts are named after it")]
Profile = Annotated[
    str,
    typer.Option("--profile", metavar="NAME", help="of the `temporal` command: TLS, API key; else TEMPORAL_PROFILE"),
]
DEV_PORT = 7233


def register(app: typer.Typer) -> None:
    for command in (worker, submit):
        app.command()(command)


def worker(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ARTIFACT]...", help="default: every artifact of this home")
    ] = None,
    address: Address = "",
    namespace: Namespace = "",
    task_queue: Queue = "compiled-ai",
    profile: Profile = "",
    dev: Annotated[bool, typer.Option("--dev", help="start a development server here as well")] = False,
    max_concurrent: Annotated[int, typer.Option("--max-concurrent", help="activities of an artifact at once")] = 16,
    drain: Annotated[float, typer.Option("--drain", metavar="SECONDS", help="time to finish on SIGTERM")] = 30.0,
    metrics: Annotated[str, typer.Option("--metrics", metavar="WHERE", help="prometheus:HOST:PORT, or otlp:URL")] = "",
    model: Annotated[str, typer.Option("--model", help="serves bounded calls; default: what steps pin")] = "",
) -> None:
    """Serves artifacts to a Temporal server until SIGTERM or Ctrl-C, then finishes what it has begun.

    Example: compiled-ai worker prior_auth_glp1@0.1.0 --address temporal:7233
    """
    import asyncio

    from compiled_ai.runtime.temporal import require_temporal

    require_temporal()
    from compiled_ai.runtime.temporal.worker import WorkerSettings

    settings = load_settings()
    loaded = [open_artifact(settings, name) for name in names or _all_digests(settings)]
    chosen = WorkerSettings(queue=task_queue, max_concurrent=max_concurrent, drain_seconds=drain, model=model or None)
    connection = _connection(address, namespace, profile)
    with open_store(settings, writes=True) as store:
        asyncio.run(_serve(settings, loaded, store, chosen, connection, metrics, dev))


def _all_digests(settings: Settings) -> list[str]:
    from compiled_ai.artifact import all_artifacts

    found = [folder.name for _, _, folder in all_artifacts(settings.artifacts)]
    if not found:
        raise NotFound(f"There is no artifact in {str(settings.home)!r}.", remedy="Compile one first.")
    return found


def _connection(address: str, namespace: str, profile: str) -> Connection:
    from compiled_ai.runtime.temporal.connecting import Connection

    return Connection(address=address or None, namespace=namespace or None, profile=profile or None)


async def _serve(
    settings: Settings,
    loaded: Sequence[Any],
    store: RunStore,
    chosen: WorkerSettings,
    connection: Connection,
    metrics: str,
    dev: bool,
) -> None:
    import asyncio

    from compiled_ai.runtime.loading import as_program
    from compiled_ai.runtime.temporal.connecting import ensure_search_attributes
    from compiled_ai.runtime.temporal.worker import serve_until

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _server(settings, connection, metrics, dev) as client:
        if not await ensure_search_attributes(client):
            note("the server does not let this worker add search attributes; docs/temporal.md says which it needs")
        for each in loaded:
            note(f"serves {each.workflow}@{each.version} {each.digest}")
        note(
            f"worker: {client.config()['service_client'].config.target_host}, namespace {client.namespace}, "
            f"queue {chosen.queue}"
        )
        await serve_until(stop, client, [as_program(each) for each in loaded], store, chosen)
        note("worker: drained")


@asynccontextmanager
async def _server(settings: Settings, connection: Connection, metrics: str, dev: bool) -> AsyncIterator[Client]:
    """The client; with `--dev` of a server that starts here and keeps its histories in this home."""
    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.temporal.connecting import connect, dev_server, telemetry

    kind, _, where = metrics.partition(":")
    if metrics and (kind not in ("prometheus", "otlp") or not where):
        raise UsageError(f"--metrics is {metrics!r}.", remedy="Write prometheus:HOST:PORT or otlp:URL.")
    runtime = telemetry(**{kind: where}) if metrics else None
    keys = KeyRing.from_environment(home=settings.home)
    if not dev:
        yield await connect(connection, keys, runtime=runtime)
        return
    host, _, port = (connection.address or f"localhost:{DEV_PORT}").rpartition(":")
    if host not in ("localhost", "127.0.0.1") or not port.isdigit():
        raise UsageError(
            f"--dev starts a server here, not at {connection.address!r}.", remedy="Give --address localhost:PORT."
        )
    histories = make_home(settings) / "temporal.db"
    async with dev_server(keys, port=int(port), database=histories, runtime=runtime) as client:
        yield client


# ---------------------------------------------------------------------------------------------- submit


def submit(
    name: Name,
    given: Annotated[str, typer.Option("--input", help="FILE, - for standard input, or JSON text")] = "-",
    batch: Annotated[
        tuple[str, Path] | None, typer.Option("--batch", metavar="IN OUT", help="many records instead, as for `batch`")
    ] = None,
    maps: Map = None,
    keep: Keep = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the batch to this output")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 if a line of the batch failed")] = False,
    max_errors: MaxErrors = -1,
    wait: Annotated[bool, typer.Option("--wait", help="until it ends (a run: or waits for a person)")] = False,
    deadline: Annotated[
        str, typer.Option("--deadline", metavar="TIME", help="for people: ISO time, or a duration from now (P7D)")
    ] = "",
    address: Address = "",
    namespace: Namespace = "",
    task_queue: Queue = "compiled-ai",
    profile: Profile = "",
    as_json: Json = False,
) -> None:
    """Starts a run, or a batch, on a Temporal server. With --wait exit codes are those of `run` and `batch`.

    The files of a batch lie where every worker reaches them under the same paths.

    Example: compiled-ai submit claim_routing --input claim.json --wait
    """
    from compiled_ai.runtime.temporal import require_temporal

    require_temporal()
    settings = load_settings()
    loaded = open_artifact(settings, name)
    connection = _connection(address, namespace, profile)
    many = {"--map": maps, "--keep": keep, "--resume": resume, "--strict": strict, "--max-errors": max_errors >= 0}
    if batch is None:
        if wrong := next((option for option, is_given in many.items() if is_given), None):
            raise UsageError(f"{wrong} belongs to a batch.", remedy="Give --batch IN OUT, or leave it out.")
        _submit_one(settings, loaded, connection, given, task_queue, moment(deadline), wait, as_json)
        return
    if given != "-" or deadline:
        raise UsageError("--batch takes neither --input nor --deadline.", remedy="Leave them out.")
    from compiled_ai.cli.temporal_batch import Wanted, submit_many
    from compiled_ai.runtime.temporal.batch_submitting import BatchSubmission

    how = BatchSubmission(
        version=loaded.version,
        mapping=parse_maps(maps),
        keep=tuple(keep or ()),
        most_errors=max_errors if max_errors >= 0 else None,
        resume=resume,
        queue=task_queue,
    )
    asked = Wanted(source=batch[0], target=batch[1], how=how, wait=wait, strict=strict, as_json=as_json)
    submit_many(settings, loaded, connection, asked)


def _submit_one(
    settings: Settings,
    loaded: Any,
    connection: Connection,
    given: str,
    queue: str,
    deadline: str | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Submits one run; with `wait` prints what came of it, and exits as `run` does."""
    import asyncio

    from compiled_ai.cli.runs import emit_result, read_input
    from compiled_ai.runtime.loading import as_program
    from compiled_ai.runtime.local import kept

    value = read_input(given)
    with open_store(settings, writes=True) as store:
        start = asyncio.run(_submit(settings, loaded, value, store, connection, queue, deadline, wait))
        if wait:
            emit_result(kept(store, start.run_id, as_program(loaded)), as_json=as_json)
            return
    _tell_submitted(start.run_id, start.artifact, as_json=as_json)


def _tell_submitted(run_id: str, artifact: str, *, as_json: bool) -> None:
    shown: dict[str, Any] = {"run_id": run_id, "status": "submitted", "output": None}
    shown |= {"artifact": artifact, "effects": []}
    emit(shown, as_json=as_json, text=f"submitted  run {run_id}  artifact {artifact[:12]}")


async def _submit(
    settings: Settings,
    loaded: Any,
    value: Any,
    store: RunStore,
    connection: Connection,
    queue: str,
    deadline: str | None,
    wait: bool,
) -> Any:
    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.loading import as_program
    from compiled_ai.runtime.temporal.connecting import connect, ensure_search_attributes
    from compiled_ai.runtime.temporal.messages import queue_of
    from compiled_ai.runtime.temporal.submitting import Submission, wait_for
    from compiled_ai.runtime.temporal.submitting import submit as start

    client = await connect(connection, KeyRing.from_environment(home=settings.home))
    searchable = await ensure_search_attributes(client)
    how = Submission(version=loaded.version, queue=queue, deadline=deadline, searchable=searchable)
    started = await start(client, as_program(loaded), value, store, how)
    await note_if_unserved(client, queue_of(loaded.digest, queue), loaded, what="run")
    if wait:
        await wait_for(client, started.run_id)
    return started


async def note_if_unserved(client: Client, queue: str, loaded: Any, *, what: str) -> None:
    """Tells whoever submits that nobody takes it at the moment, and the command that helps."""
    from compiled_ai.runtime.temporal.submitting import has_worker

    if not await has_worker(client, queue):
        note(
            f"No worker holds {loaded.workflow}@{loaded.version} at the moment: the {what} waits, and loses nothing. "
            f"Start one: compiled-ai worker {loaded.digest[:12]}"
        )


def take_up_again(settings: Settings, store: RunStore, run_id: str, *, as_json: bool) -> None:
    """Gives an open run a new workflow, where nobody carries it any more."""
    import asyncio

    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.temporal import require_temporal

    require_temporal()
    from compiled_ai.runtime.temporal.connecting import Connection, connect
    from compiled_ai.runtime.temporal.forsaken import take_up

    version = open_artifact(settings, store.summary(run_id).artifact).version

    async def start() -> Any:
        client = await connect(Connection(), KeyRing.from_environment(home=settings.home))
        return await take_up(client, store, run_id, version)

    _tell_submitted(run_id, asyncio.run(start()).artifact, as_json=as_json)


def moment(text: str) -> str | None:
    """Reads `--deadline`: a time with its zone, or a duration from now; returns ISO 8601 in UTC."""
    from compiled_ai.library.values import parse_days_time

    if not text:
        return None
    try:
        if text.startswith("P"):
            return (datetime.now(UTC) + parse_days_time(text)).isoformat()
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"--deadline is {text!r}.", remedy="Write 2026-12-01T12:00Z, or a duration from now such as P7D or PT72H."
        )
    return found.astimezone(UTC).isoformat()
