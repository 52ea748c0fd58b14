"""Commands from specification to artifact: init, schema, check, plan, compile."""

from __future__ import annotations

import shlex
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from compiled_ai.cli.output import emit, jsonable, note
from compiled_ai.config import load_settings, make_home
from compiled_ai.errors import CompiledAIError, ConfigError, ModelFailed, NotFound, SpecError, UsageError, Waiting

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="a specification, YAML")]
Specs = Annotated[list[Path], typer.Argument(metavar="SPEC...", help="specifications, YAML")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]


def register(app: typer.Typer) -> None:
    for command in (init, schema, check, plan):
        app.command()(command)
    app.command("compile")(compile_command)


def init(
    file: Annotated[Path, typer.Argument(help="file to write")] = Path("workflow.yaml"),
    force: Annotated[bool, typer.Option("--force", help="overwrite an existing file")] = False,
    table: Annotated[Path | None, typer.Option("--from", help="decision table, .xlsx or .csv")] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="sheet of the table (default: the first)")] = None,
    output: Annotated[list[str] | None, typer.Option("--output", help="column that the table yields")] = None,
) -> None:
    """Writes a commented starter specification that compiles without a model, or one for a decision table.

    Example: compiled-ai init routing.yaml --from routing.xlsx --output queue
    """
    from compiled_ai.spec.starter import starter_text

    if table is None and (sheet or output):
        raise UsageError("--sheet and --output speak of a table.", remedy="Name it: --from TABLE.xlsx.")
    if file.exists() and not force:
        raise UsageError(f"{str(file)!r} exists already.", remedy="Name another file, or give --force.")
    if table is None:
        text = starter_text(file.stem)
    else:
        from compiled_ai.spec.table_starter import table_starter

        text = table_starter(table, file, sheet=sheet, outputs=output or ())
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text, "utf-8")
    draft.replace(file)
    note(f"Wrote {file}. Next: compiled-ai compile {file}")


def schema() -> None:
    """Prints the JSON schema of a specification, for editors.

    Example: compiled-ai schema > specification.schema.json
    """
    from compiled_ai.spec.schema import schema as specification_schema

    emit(specification_schema(), as_json=True, text="")


def check(specs: Specs, as_json: Json = False) -> None:
    """Reads, types and plans; reports every error with file:line:column. Calls nothing.

    Example: compiled-ai check examples/prior_auth_glp1.yaml
    """
    from compiled_ai.catalog import load_catalog
    from compiled_ai.plan import read_spec

    catalog = load_catalog()
    results: list[dict[str, Any]] = []
    for path in specs:
        try:
            spec = read_spec(path, catalog)
            found = [finding.model_dump(mode="json", exclude_none=True) for finding in spec.warnings]
            results.append({"file": str(path), "status": "ok", "findings": found})
        except SpecError as error:
            results.append({"file": str(path), "status": "error", "findings": jsonable(error.details)})
    text = "\n".join(_checked(result) for result in results)
    emit(results[0] if len(results) == 1 else results, as_json=as_json, text=text)
    if any(result["status"] == "error" for result in results):
        raise typer.Exit(2)


def _checked(result: dict[str, Any]) -> str:
    lines = [f"{_place(finding)}: {finding['severity']}: {finding['message']}" for finding in result["findings"]]
    errors = sum(finding["severity"] == "error" for finding in result["findings"])
    end = f"{result['file']}: {errors} error{'s' if errors != 1 else ''}" if errors else f"{result['file']}: ok"
    return "\n".join([*lines, end])


def _place(finding: dict[str, Any]) -> str:
    return ":".join(str(finding[key]) for key in ("file", "line", "column") if finding.get(key) is not None)


def plan(spec: Spec, as_json: Json = False) -> None:
    """Shows template, modules, packs, signatures, prompt, estimated tokens, and why. Calls nothing.

    Example: compiled-ai plan examples/invoice_fields.yaml
    """
    from compiled_ai.catalog import load_catalog
    from compiled_ai.cli.pages import describe_plan, plan_page
    from compiled_ai.plan import make_plan, read_spec

    catalog = load_catalog()
    planned = make_plan(read_spec(spec, catalog), catalog)
    described = describe_plan(planned)
    emit(described, as_json=as_json, text=plan_page(described))


def compile_command(
    specs: Specs,
    model: Annotated[str, typer.Option("--model", help="recorded:DIR, exchange:DIR or a pydantic-ai name")] = "",
    record: Annotated[Path | None, typer.Option("--record", help="folder for the transcript of replies")] = None,
    max_attempts: Annotated[int, typer.Option("--max-attempts", min=1, max=20)] = 5,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="stop before passing this many")] = None,
    max_usd: Annotated[str, typer.Option("--max-usd", help="stop before passing this price")] = "",
    require_sandbox: Annotated[bool, typer.Option("--require-sandbox", help="refuse a weaker sandbox")] = False,
    explain_stages: Annotated[bool, typer.Option("--explain-stages", help="say what each stage alone catches")] = False,
    as_json: Json = False,
) -> None:
    """Compiles specifications: plan, generate, assemble, validate in four stages, seal.

    Example: compiled-ai compile examples/invoice_fields.yaml --model recorded:examples/invoice_fields/recordings
    """
    from compiled_ai.compiler import CompileOptions, compile_spec
    from compiled_ai.models import Budget, merged

    settings = load_settings()
    note(f"home: {make_home(settings)}")
    budget = Budget(max_tokens=max_tokens, max_usd=_usd(max_usd)) if max_tokens or max_usd else None
    options = CompileOptions(
        model=model or None,
        record=record,
        max_attempts=max_attempts,
        budget=budget,
        require_sandbox=require_sandbox,
        explain_stages=explain_stages,
    )
    done: list[dict[str, Any]] = []
    waits: list[Waiting] = []
    failures: list[CompiledAIError] = []
    for path in specs:
        try:
            compiled = compile_spec(path, settings, options, progress=note)
            done.append(compiled.describe())
            if not as_json:
                emit(None, as_json=False, text=compiled.page())
        except Waiting as wait:
            waits.append(wait)
        except CompiledAIError as failure:
            failure.remedy += _recording_beside(path, model, failure)
            if len(specs) == 1:
                raise
            note(f"{path}: {failure}")
            done.append({"file": str(path), "error": {"code": failure.code, "message": str(failure)}})
            failures.append(failure)
    if waits:
        raise merged(waits)
    if as_json:
        emit(done[0] if len(specs) == 1 else done, as_json=True, text="")
    if failures:
        raise typer.Exit(max(failure.exit_code for failure in failures))


def _recording_beside(spec: Path, model: str, failure: CompiledAIError) -> str:
    """Names the recording that lies beside a specification, if the model that was named (or not) cannot answer."""
    place = spec.with_suffix("") / "recordings"
    name = f"recorded:{place}"
    if not isinstance(failure, (ConfigError, NotFound, ModelFailed)) or model == name:
        return ""
    there = spec.is_file() and (place / "transcript.jsonl").is_file()
    return f" A recording lies beside the specification: --model {shlex.quote(name)}" if there else ""


def _usd(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount <= 0:
        raise ConfigError(f"--max-usd is {text!r}.", remedy="Give a positive amount such as 0.50.")
    return amount
