"""Commands that run many records: batch, stream, dead-letters."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compiled_ai.cli.artifacts import Name, open_artifact
from compiled_ai.cli.govern import open_store
from compiled_ai.cli.output import emit, note
from compiled_ai.cli.runs import Json, Map, Model, NoStore, parse_maps, program_source
from compiled_ai.config import load_settings
from compiled_ai.errors import counted

if TYPE_CHECKING:
    from compiled_ai.runtime.batch import BatchResult

Keep = Annotated[list[str] | None, typer.Option("--keep", metavar="COLUMN", help="copied to the output")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="processes; one per processor if not given")]
MaxErrors = Annotated[int, typer.Option("--max-errors", min=-1, help="stop when more records have failed")]


def register(app: typer.Typer) -> None:
    app.command()(batch)
    app.command()(stream)
    app.command(name="dead-letters")(dead_letters)


def batch(
    name: Name,
    source: Annotated[
        str, typer.Argument(metavar="IN", help="JSONL, CSV (.csv), Parquet (.parquet), or sql:CONNECTION:SELECT ...")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="JSONL, one line for each record")],
    maps: Map = None,
    keep: Keep = None,
    workers: Workers = 0,
    model: Model = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="go on after the last checkpoint, or fill in lines that waited")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 if a line failed")] = False,
    max_errors: MaxErrors = -1,
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Runs every record; order is kept, and a poison record is reported with its reason, never fatal.

    OUT has its name only when it is whole; a batch that is cut off goes on with --resume.

    Example: compiled-ai batch invoice_fields documents.jsonl fields.jsonl --map document=text --keep id
    """
    from compiled_ai.cli.progress import progress_bar
    from compiled_ai.runtime.batch import run_batch

    settings = load_settings()
    loaded = open_artifact(settings, name)
    if not resume:
        note_if_replaced(target)
    with nullcontext() if no_store else open_store(settings, writes=True) as store, progress_bar() as progress:
        try:
            summary = run_batch(
                loaded,
                source,
                target,
                mapping=parse_maps(maps),
                keep=tuple(keep or ()),
                workers=workers or None,
                model=model or None,
                resume=resume,
                strict=strict,
                max_errors=max_errors if max_errors >= 0 else None,
                store=store,
                progress=progress,
                programs=program_source(settings),
            )
        except KeyboardInterrupt:
            note("What was done is kept beside the output; go on with --resume.")
            raise
    end_batch(summary, as_json=as_json)


def note_if_replaced(target: Path) -> None:
    """Says so while the earlier output is still there: it is replaced when the new one is whole."""
    if target.is_file():
        note(
            f"warning: {str(target)!r} is there, and is replaced when this batch is whole; to keep its lines, and run "
            "only what they lack, use --resume."
        )


def end_batch(summary: BatchResult, *, as_json: bool) -> None:
    """Tells what came of a batch, and exits by it."""
    for warning in summary.warnings:
        note(f"warning: {warning}")
    emit(summary.to_json(), as_json=as_json, text=summary.text())
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def stream(
    name: Name,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="-, FILE to follow, http(s)://..., redis://HOST/DB?stream=NAME, kafka://HOST/TOPIC"
        ),
    ],
    sink: Annotated[
        str, typer.Argument(metavar="SINK", help="-, FILE, redis://HOST/DB?stream=NAME, or kafka://HOST/TOPIC")
    ],
    maps: Map = None,
    keep: Keep = None,
    workers: Workers = 0,
    model: Model = "",
    title: Annotated[str, typer.Option("--name", help="of the stream: run ids and its place follow from it")] = "",
    max_errors: MaxErrors = -1,
    no_store: NoStore = False,
) -> None:
    """Runs records as they come, in order, each at least once; SIGTERM ends it when what was taken is done.

    Example: compiled-ai stream claim_routing 'redis://localhost:6379/0?stream=claims' decisions.jsonl
    """
    from compiled_ai.runtime.stream import run_stream

    settings = load_settings()
    loaded = open_artifact(settings, name)
    with nullcontext() if no_store else open_store(settings, writes=True) as store:
        summary = run_stream(
            loaded,
            source,
            sink,
            store=store,
            state=settings.home / "streams",
            mapping=parse_maps(maps),
            keep=tuple(keep or ()),
            workers=workers or None,
            model=model or None,
            name=title or None,
            max_errors=max_errors if max_errors >= 0 else None,
        )
    note(summary.text())


def dead_letters(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="STEM.dead.jsonl beside a batch's output")],
    records: Annotated[bool, typer.Option("--records", help="only the records, ready to be run again")] = False,
    as_json: Json = False,
) -> None:
    """Prints dead letters as JSONL (with --json as one list), opened if they are sealed.

    Example: compiled-ai dead-letters fields.dead.jsonl --records
    """
    from compiled_ai.canonical import canonical_json
    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.letters import read_letters

    unreadable, listed = 0, []
    for letter in read_letters(file, KeyRing.from_environment()):
        told = letter.get("record") if records else letter
        if told is None:
            unreadable += 1
        elif as_json:
            listed.append(told)
        else:
            sys.stdout.write(canonical_json(told) + "\n")
    if as_json:
        sys.stdout.write(canonical_json(listed) + "\n")
    if unreadable:
        note(f"{counted(unreadable, 'letter')} left out: no record could be read; see them without --records")
