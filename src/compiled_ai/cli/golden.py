"""Commands about golden cases: `golden check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compiled_ai.cli.output import emit
from compiled_ai.config import load_settings

Golden = Annotated[Path, typer.Argument(metavar="GOLDEN", help="golden cases, JSONL, or a specification with cases")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]


def register(app: typer.Typer) -> None:
    room = typer.Typer(help="Golden cases: your own labelled documents.", no_args_is_help=True)
    room.callback()(_golden)
    room.command()(check)
    app.add_typer(room, name="golden")


def _golden() -> None:
    """Golden cases: your own labelled documents."""


def check(
    golden: Golden,
    candidates: Annotated[
        list[str] | None, typer.Option("--with", metavar="ARTIFACT", help="a candidate to hold labels against; repeat")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lists duplicates, type errors and suspected labels; for you alone, no model is told.

    Exit 2 if a case cannot be used; suspicions alone are no error.

    Example: compiled-ai golden check examples/invoice_fields.yaml --with invoice_fields@1.0.0 --with 9f3a
    """
    from compiled_ai.cli.artifacts import open_artifact
    from compiled_ai.golden_check import check_golden

    settings = load_settings()
    report = check_golden(golden, artifacts=[open_artifact(settings, name) for name in candidates or ()])
    emit(report.to_json(), as_json=as_json, text=report.page())
    if report.wrong:
        raise typer.Exit(2)
