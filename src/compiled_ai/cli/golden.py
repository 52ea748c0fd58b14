"""Commands about a person's own documents: `read`, `golden import`, `golden check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from compiled_ai.cli.output import emit, note
from compiled_ai.cli.progress import progress_bar
from compiled_ai.cli.runs import Map, parse_maps
from compiled_ai.config import load_settings

Golden = Annotated[Path, typer.Argument(metavar="GOLDEN", help="golden cases, JSONL, or a specification with cases")]
Languages = Annotated[str, typer.Option("--languages", help="of text in images, as Tesseract names them: eng+deu")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]


def register(app: typer.Typer) -> None:
    app.command()(read)
    room = typer.Typer(help="Golden cases: your own labelled documents.", no_args_is_help=True)
    room.callback()(_golden)
    room.command("import")(import_)
    room.command()(check)
    app.add_typer(room, name="golden")


def _golden() -> None:
    """Golden cases: your own labelled documents."""


def read(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PDF, HTML, DOCX, XLSX, image or plain text")],
    root: Annotated[Path | None, typer.Option("--root", help="folder that the file must lie in")] = None,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="print one JSON array of boxes [x0, y0, x1, y1, text] instead")
    ] = False,
    as_input: Annotated[
        str, typer.Option("--as", metavar="INPUT", help='print the input of a run: {"INPUT": text}, or its boxes')
    ] = "",
    languages: Languages = "eng",
    as_json: Json = False,
) -> None:
    """Prints the text of a document as an artifact will see it; what is odd about it goes to stderr.

    Example: compiled-ai read invoices/4711.pdf --as document | compiled-ai run invoice_fields --input -
    """
    from compiled_ai.reading import read_document

    document = read_document(file, root=root, languages=languages)
    for warning in document.warnings:
        note(f"{document.name}: {warning}")
    if boxes and not document.boxes:
        note(f"{document.name}: {document.format} has no boxes")
    shown: Any = document.boxes if boxes else document.to_json()
    if as_input:
        shown = {as_input: document.boxes if boxes else document.text}
    emit(shown, as_json=as_json or boxes or bool(as_input), text=document.text)


def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder with the documents")],
    labels: Annotated[Path, typer.Option("--labels", help="sheet of labels, XLSX or CSV")],
    key: Annotated[str, typer.Option("--key", metavar="COLUMN", help="column that names each row's file")],
    spec: Annotated[Path | None, typer.Option("--spec", help="specification whose outputs the columns are")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="by default NAME/golden.jsonl beside NAME.yaml")] = None,
    maps: Map = None,
    group: Annotated[str | None, typer.Option("--group", metavar="COLUMN", help="kept together, e.g. vendor")] = None,
    date_order: Annotated[str | None, typer.Option("--date-order", help="of dates in texts: mdy, dmy, ymd")] = None,
    languages: Languages = "eng",
    replace: Annotated[bool, typer.Option("--replace", help="replace golden cases that are there")] = False,
    as_json: Json = False,
) -> None:
    """Makes golden cases of your own documents and a sheet of labels. Nothing is written if a cell is wrong.

    Example: compiled-ai golden import invoices --labels labels.xlsx --key file --spec invoice_fields.yaml
    """
    from compiled_ai.golden_import import ImportOptions, import_golden

    options = ImportOptions(key, spec, out, parse_maps(maps), group, date_order, languages, replace)
    with progress_bar() as progress:
        imported = import_golden(folder, labels, options, progress=progress)
    emit(imported.to_json(), as_json=as_json, text=imported.page())
    note(f"next: compiled-ai golden check {imported.out}")


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
