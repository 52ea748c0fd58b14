"""Commands that run artifacts and look back at runs: run, resume, score, explain, rerun, impact."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compiled_ai.cli.artifacts import Name, open_artifact
from compiled_ai.cli.govern import open_store
from compiled_ai.cli.output import emit
from compiled_ai.config import Settings, load_settings
from compiled_ai.errors import InputError, NotFound, UsageError

if TYPE_CHECKING:
    from compiled_ai.runtime.loading import ProgramSource

Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]
Model = Annotated[
    str, typer.Option("--model", help="serves bounded calls; by default the model that the artifact pins")
]
Map = Annotated[list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="where a field comes from")]
NoStore = Annotated[bool, typer.Option("--no-store", help="leave no record")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="run id, or its beginning")]


def register(app: typer.Typer) -> None:
    for command in (run, resume, score, explain, rerun, impact):
        app.command()(command)


def program_source(settings: Settings) -> ProgramSource:
    """Returns what gives the verified program of a digest (or another name) of this home."""
    from compiled_ai.artifact import find_artifact, load_artifact
    from compiled_ai.runtime.loading import as_program

    return lambda name: as_program(load_artifact(find_artifact(settings.artifacts, name), settings.artifacts))


def run(
    name: Name,
    given: Annotated[str, typer.Option("--input", help="FILE, - for standard input, or JSON text")] = "-",
    model: Model = "",
    once: Annotated[bool, typer.Option("--once", help="return the existing run of the same reference")] = False,
    record: Annotated[Path | None, typer.Option("--record", help="folder for the replies of bounded calls")] = None,
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Runs one input and records it. Exit 3 while a person's decision or a model's reply is awaited.

    Example: compiled-ai run prior_auth_glp1 --input '{"patient_chart_summary": "..."}' --model anthropic:NAME
    """
    from compiled_ai.runtime.local import recording
    from compiled_ai.runtime.local import run as run_local

    settings = load_settings()
    if record is not None and not model:
        raise UsageError("--record keeps the replies of a model.", remedy="Name the model with --model.")
    loaded = open_artifact(settings, name)
    value = read_input(given)
    asked = recording(model, record, loaded.program["sinks"]) if record is not None else model or None
    with nullcontext() if no_store else open_store(settings, writes=True) as store:
        result = run_local(loaded, value, store=store, model=asked, once=once)
    emit_result(result, as_json=as_json)


def resume(run: RunId, model: Model = "", as_json: Json = False) -> None:
    """Takes up a run that waits for a model's reply or was cut off, on the artifact that it began on.

    A run on Temporal whose workflow was terminated is given a new one (server: TEMPORAL_ADDRESS).

    Example: compiled-ai resume 0197 --model exchange:questions
    """
    from compiled_ai.runtime.ids import engine_of
    from compiled_ai.runtime.local import resume as resume_local

    settings = load_settings()
    with open_store(settings, writes=True) as store:
        summary = store.summary(run)
        if engine_of(summary.run_id) == "temporal" and summary.status not in ("completed", "failed"):
            from compiled_ai.cli.temporal import take_up_again

            take_up_again(settings, store, summary.run_id, as_json=as_json)
            return
        result = resume_local(run, store=store, programs=program_source(settings), model=model or None)
    emit_result(result, as_json=as_json)


def read_input(text: str) -> Any:
    """Returns the JSON of `--input`; raises `InputError` or `NotFound`."""
    from compiled_ai.canonical import read_json

    if text == "-":
        return read_json(sys.stdin.buffer.read(), "standard input")
    if text.lstrip().startswith(("{", "[")):  # a list is no input, which the run then says
        return read_json(text, "--input")
    path = Path(text)
    if not path.is_file():
        raise NotFound(
            f"There is no input file {text!r}.", remedy="Name a file, '-' or JSON text that begins with '{'."
        )
    content = path.read_bytes()
    try:
        return read_json(content, text)
    except InputError as fault:
        if not content.strip() or content.lstrip().startswith((b"{", b"[")):
            raise
        command = f"compiled-ai read {shlex.quote(text)} --as INPUT"
        raise InputError(
            fault.message, remedy=f"An input is a JSON object; `{command}` makes one of a document."
        ) from fault


def emit_result(result: Any, *, as_json: bool, rejected: bool = False) -> None:
    """Prints a run's result; exit 1 if it failed (unless a person has just rejected it), 3 while one is awaited."""
    from compiled_ai.cli.output import dumps

    shown = result.to_json()
    lines = [f"{result.status}  run {result.run_id}  artifact {result.artifact[:12]}"]
    lines += [dumps(result.output)] if result.output is not None else []
    lines += [f"error: {result.error}"] if result.error else []
    lines += [f"{each['step']}: {each['field']} is null: {each['reason']}" for each in result.abstained]
    for effect in shown["effects"]:
        if effect["kind"] == "call" and effect.get("error"):
            place = f" (line {effect['line']} of the specification)" if "line" in effect else ""
            lines.append(f"{effect['step']}{place}: {effect['state'].replace('_', ' ')}: {effect['error']}")
    for review in shown.get("reviews", ()):
        lines.append(f"waits for a person: {review.get('review_id') or review['step']}: {review.get('reason', '')}")
    emit(shown, as_json=as_json, text="\n".join(lines))
    if result.status == "failed" and not rejected:
        raise typer.Exit(1)
    if result.status in ("review", "waiting"):
        raise typer.Exit(3)


# ---------------------------------------------------------------------------------------------- many


def parse_maps(maps: list[str] | None) -> dict[str, str]:
    """Reads `--map field=column`; raises `UsageError`."""
    parsed: dict[str, str] = {}
    for text in maps or ():
        field, separator, column = text.partition("=")
        if not (separator and field and column):
            raise UsageError(f"--map is {text!r}.", remedy="Write --map FIELD=COLUMN.")
        parsed[field] = column
    return parsed


def score(
    name: Name,
    golden: Annotated[Path, typer.Argument(metavar="GOLDEN", help="golden or labelled cases, JSONL")],
    maps: Map = None,
    labels: Annotated[str, typer.Option("--labels", help="column that holds the labels")] = "expected",
    date_order: Annotated[
        str, typer.Option("--date-order", help="of labelled dates that are not ISO: mdy, dmy, ymd")
    ] = "mdy",
    as_json: Json = False,
) -> None:
    """Runs golden or labelled cases and prints accuracy per field, with n and a confidence interval.

    Example: compiled-ai score invoice_fields dev.jsonl --map document=text --labels labels
    """
    from compiled_ai.cli.pages import accuracy_lines
    from compiled_ai.scoring import score_file

    settings = load_settings()
    loaded = open_artifact(settings, name)
    scored = score_file(loaded, golden, mapping=parse_maps(maps), labels=labels, date_order=date_order)
    described = scored.to_json()
    lines = [f"{described['n']} cases; {described['failed']} without a decision", *accuracy_lines(described)]
    emit(described, as_json=as_json, text="\n".join(lines))


# ---------------------------------------------------------------------------------------------- looking back


def explain(run: RunId, as_json: Json = False) -> None:
    """Replays a run and shows the decision down to the line, and where each value came from.

    Example: compiled-ai explain 0197
    """
    from compiled_ai.runtime.explain import explain as explain_run

    settings = load_settings()
    with open_store(settings, writes=False) as store:
        explained = explain_run(run, store=store, artifacts=_artifact_source(settings))
    emit(explained.to_json(), as_json=as_json, text=explained.text())
    if explained.verdict == "record altered":
        raise typer.Exit(1)


def rerun(
    run: RunId,
    other: Annotated[str, typer.Option("--with", metavar="ARTIFACT", help="the other artifact")],
    live_effects: Annotated[bool, typer.Option("--live-effects", help="call what was not recorded")] = False,
    model: Model = "",
    as_json: Json = False,
) -> None:
    """Says what another artifact would have decided, with the run's recorded effects.

    Example: compiled-ai rerun 0197 --with claim_routing@1.1.0
    """
    from compiled_ai.runtime.rerun import rerun as rerun_run

    settings = load_settings()
    loaded = open_artifact(settings, other)
    with open_store(settings, writes=False) as store:
        compared = rerun_run(
            run,
            loaded,
            store=store,
            artifacts=_artifact_source(settings),
            live_effects=live_effects,
            model=model or None,
        )
    emit(compared.to_json(), as_json=as_json, text=compared.text())


def impact(
    first: Name,
    second: Name,
    since: Annotated[str, typer.Option("--since", help="ISO date")] = "",
    as_json: Json = False,
) -> None:
    """Says which decisions would change under another artifact, grouped by the rule, row or line responsible.

    Example: compiled-ai impact claim_routing@1.0.0 claim_routing@1.1.0 --since 2026-01-01
    """
    from compiled_ai.runtime.rerun import impact as impact_of

    settings = load_settings()
    a, b = open_artifact(settings, first), open_artifact(settings, second)
    with open_store(settings, writes=False) as store:
        found = impact_of(a, b, store=store, since=since or None)
    emit(found.to_json(), as_json=as_json, text=found.text())


def _artifact_source(settings: Settings) -> Callable[[str], Any]:
    from compiled_ai.artifact import find_artifact, load_artifact

    return lambda name: load_artifact(find_artifact(settings.artifacts, name), settings.artifacts)


__all__ = ["emit_result", "parse_maps", "program_source", "read_input", "register"]
