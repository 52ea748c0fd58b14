"""`demo`: compiles the examples with recorded replies, runs their golden cases, and prints one table."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from compiled_ai.cli.output import emit, note, table
from compiled_ai.config import Settings, load_settings
from compiled_ai.errors import CompiledAIError, NotFound

_REPEATS = 200
Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]


@dataclass(frozen=True)
class Shown:
    """One line of the demo's table."""

    example: str
    template: str
    attempts: int
    stages_passed: int
    stages_ms: float
    tokens: int
    token_origin: str
    replies: str
    n: int
    accuracy: float | None
    """Mean over fields on cases that no model was shown; `None` where nothing was measured."""
    provisional: bool
    microseconds: float | None
    """Median of a run in this process, effects supplied, without a store."""
    break_even: int | None
    """Runs after which compiling cost fewer tokens than one model call for each run (both estimated)."""


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    examples: Annotated[Path, typer.Option("--examples", help="folder with the examples")] = Path("examples"),
    as_json: Json = False,
) -> None:
    """Compiles and runs the examples that ship, with recorded replies; needs no API key and leaves nothing behind.

    Example: compiled-ai demo
    """
    specs = sorted(examples.glob("*.yaml"))
    if not specs:
        raise NotFound(f"There are no examples in {str(examples)!r}.", remedy="Run it in the project's folder.")
    with tempfile.TemporaryDirectory(prefix="compiled-ai-demo-") as home:
        settings = _throwaway(Path(home))
        started = time.perf_counter()
        rows = [shown for spec in specs for shown in _try(spec, settings)]
        note(f"{len(rows)} of {len(specs)} examples in {time.perf_counter() - started:.0f} s")
    failed = len(specs) - len(rows)
    emit([vars(row) for row in rows], as_json=as_json, text=_page(rows))
    if failed:
        raise typer.Exit(1)


def _throwaway(home: Path) -> Settings:
    """A home and a master key for this demo alone."""
    from compiled_ai.runtime.keys import new_key

    if not os.environ.get("COMPILED_AI_KEY") and not os.environ.get("COMPILED_AI_KEYS_FILE"):
        os.environ["COMPILED_AI_KEY"] = new_key("demo")
    note(f"home: {home} (removed at the end), with a throwaway key")
    return replace(load_settings(), home=home, store_url=f"sqlite:///{home / 'runs.db'}")


def _try(spec: Path, settings: Settings) -> Iterator[Shown]:
    try:
        yield _show(spec, settings)
    except CompiledAIError as error:
        note(f"{spec}: {error}")


def _show(spec: Path, settings: Settings) -> Shown:
    from compiled_ai.compiler import CompileOptions, compile_spec

    recordings = spec.with_suffix("") / "recordings"
    options = CompileOptions(model=f"recorded:{recordings}" if recordings.is_dir() else None)
    compiled = compile_spec(spec, settings, options, progress=lambda line: note(f"{spec.stem}: {line}"))
    accuracy = next((stage.measures for stage in compiled.report.stages if stage.name == "accuracy"), {})
    score: dict[str, Any] = accuracy.get("score") or {}
    tokens = compiled.usage.input_tokens + compiled.usage.output_tokens
    call = _tokens_of_a_call(compiled.plan)
    return Shown(
        example=spec.stem,
        template=compiled.plan.template.name,
        attempts=len(compiled.attempts),
        stages_passed=sum(stage.status == "passed" for stage in compiled.report.stages),
        stages_ms=round(sum(stage.milliseconds for stage in compiled.report.stages), 1),
        tokens=tokens,
        token_origin=compiled.usage.origin,
        replies=", ".join(compiled.origins) or "none needed",
        n=int(score.get("n", 0)),
        accuracy=None if score.get("mean") is None else float(score["mean"]),
        provisional=compiled.provisional is not None,
        microseconds=_microseconds(compiled, settings),
        break_even=-(-tokens // call) if call and tokens else None,
    )


def _tokens_of_a_call(plan: Any) -> int:
    """Estimates what one model call for a golden case would take: the specification, the input, the answer."""
    from compiled_ai.canonical import canonical_json
    from compiled_ai.models import estimate_tokens

    cases = (*plan.spec.examples, *plan.spec.golden)
    if not cases:
        return 0
    texts = [canonical_json(dict(case.input)) + canonical_json(dict(case.expected)) for case in cases]
    told = sum(estimate_tokens(text) for text in texts)
    return estimate_tokens(plan.spec.text) + told // len(cases)


def _microseconds(compiled: Any, settings: Settings) -> float | None:
    from statistics import median

    from compiled_ai.artifact import load_artifact
    from compiled_ai.runtime.loading import as_program
    from compiled_ai.runtime.stepper import Done
    from compiled_ai.runtime.supplied import Supplied, decide

    program = as_program(load_artifact(compiled.folder, settings.artifacts))
    cases = [(case.input, Supplied(case.effects, case.reviews)) for case in compiled.plan.spec.golden]
    whole = [case for case in cases if isinstance(decide(program, *case), Done)]
    if not whole:
        return None
    times = []
    for repeat in range(_REPEATS):
        start = time.perf_counter_ns()
        decide(program, *whole[repeat % len(whole)])
        times.append((time.perf_counter_ns() - start) / 1000)
    return round(median(times), 1)


def _accuracy(row: Shown) -> str:
    if row.accuracy is None:
        return "not measured"
    return f"{row.accuracy:.3f}{' provisional' if row.provisional else ''}"


def _page(rows: list[Shown]) -> str:
    header = (
        "example", "template", "tokens", "attempts", "stages passed", "replies", "n", "accuracy", "us a run",
        "break-even",
    )  # fmt: skip
    lines = [
        (
            row.example,
            row.template,
            f"{row.tokens} {row.token_origin}" if row.tokens else "0",
            row.attempts,
            f"{row.stages_passed} in {row.stages_ms / 1000:.1f} s",
            row.replies,
            row.n,
            _accuracy(row),
            "not measured" if row.microseconds is None else row.microseconds,
            "-" if row.break_even is None else f"{row.break_even} runs",
        )
        for row in rows
    ]
    notes = (
        "accuracy: mean over fields on sealed golden cases (synthetic); on all cases where no model wrote code\n"
        "us a run: median in this process, effects supplied, no store\n"
        "tokens: of all attempts of a compile; `estimated` where nobody measured them\n"
        "break-even: runs after which compiling took fewer tokens than a model call for each run (estimated)"
    )
    return f"{table(lines, header=header)}\n\n{notes}"
