"""Commands about artifacts: list, inspect, verify, diff, promote, rollback, trust, sign, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from compiled_ai.cli.output import emit, note, table
from compiled_ai.config import Settings, load_settings
from compiled_ai.errors import ArtifactRefused

Name = Annotated[str, typer.Argument(metavar="ARTIFACT", help="name, name@version, digest prefix or folder")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]


def register(app: typer.Typer) -> None:
    for command in (list_artifacts, inspect, verify, diff, promote, rollback, trust, sign, export):
        name = "list" if command is list_artifacts else command.__name__
        app.command(name)(command)


def open_artifact(settings: Settings, name: str) -> Any:
    """Loads an artifact by any of its names, and says on stderr when the name left a choice."""
    from compiled_ai.artifact import find_artifact, load_artifact, read_labels

    folder = find_artifact(settings.artifacts, name)
    loaded = load_artifact(folder, settings.artifacts)
    labels = read_labels(folder.parent)
    if name == loaded.workflow and labels.promoted is None:
        note(f"{name}: no promoted version; using the newest, {loaded.version} ({loaded.digest[:12]}).")
    elif name == loaded.workflow and labels.compiled and labels.compiled[-1] != loaded.digest:
        note(f"{name}: using the promoted {loaded.digest[:12]}; {labels.compiled[-1][:12]} is newer.")
    if loaded.provisional:
        note(f"{loaded.workflow}: provisional: {loaded.provisional}")
    return loaded


def list_artifacts(as_json: Json = False) -> None:
    """Lists the artifacts of this home.

    Example: compiled-ai list
    """
    from compiled_ai.artifact import all_artifacts
    from compiled_ai.canonical import parse_json

    rows = []
    settings = load_settings()
    for workflow, labels, folder in all_artifacts(settings.artifacts):
        manifest = parse_json((folder / "identity" / "manifest.json").read_text("utf-8"))
        report = parse_json((folder / "evidence" / "report.json").read_text("utf-8"))
        rows.append(
            {
                "workflow": workflow,
                "version": manifest["version"],
                "digest": folder.name,
                "promoted": labels.promoted == folder.name,
                "provisional": report.get("provisional"),
            }
        )
    text = table(
        [
            (
                row["workflow"],
                row["version"],
                row["digest"][:12],
                "promoted" if row["promoted"] else "",
                "provisional" if row["provisional"] else "",
            )
            for row in rows
        ],
        header=("workflow", "version", "digest", "", ""),
    )
    none = f"No artifacts in {str(settings.home)!r} yet. Compile a specification first."
    emit(rows, as_json=as_json, text=text if rows else none)


def inspect(name: Name, as_json: Json = False) -> None:
    """Shows one artifact: specification, code, stages, tokens, controls, provenance.

    Example: compiled-ai inspect prior_auth_glp1
    """
    from compiled_ai.cli.pages import artifact_page, describe_artifact

    loaded = open_artifact(load_settings(), name)
    described = describe_artifact(loaded)
    emit(described, as_json=as_json, text=artifact_page(loaded, described))


def verify(name: Name, as_json: Json = False) -> None:
    """Verifies digest, origin, code gate and environment of an artifact; exit 1 if it was altered.

    Example: compiled-ai verify invoice_fields
    """
    settings = load_settings()
    loaded = open_artifact(settings, name)
    differences = loaded.environment_differences()
    result = {
        "digest": loaded.digest,
        "status": "environment differs" if differences else "verified",
        "trusted_because": loaded.trusted_because,
        "environment_differences": list(differences),
    }
    lines = [f"{loaded.workflow}@{loaded.version} {loaded.digest}", f"{result['status']}; {loaded.trusted_because}"]
    emit(result, as_json=as_json, text="\n".join([*lines, *(f"  {each}" for each in differences)]))


def diff(first: Name, second: Name, as_json: Json = False) -> None:
    """Shows what differs between two artifacts: rows of tables by id, specification, code, program, environment.

    Example: compiled-ai diff claim_routing@1.0.0 claim_routing@1.1.0
    """
    from compiled_ai.comparing import compare_artifacts

    settings = load_settings()
    changes = compare_artifacts(open_artifact(settings, first), open_artifact(settings, second))
    emit(changes.to_json(), as_json=as_json, text=changes.text())


def promote(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="who promotes")] = "",
    accept_provisional: Annotated[
        str, typer.Option("--accept-provisional", help="reason to promote all the same")
    ] = "",
    as_json: Json = False,
) -> None:
    """Makes this version the one that the workflow's name stands for.

    Example: compiled-ai promote invoice_fields@1.1.0 --by ana
    """
    from compiled_ai.artifact import promote as move

    settings = load_settings()
    loaded = open_artifact(settings, name)
    labels = move(settings.artifacts, loaded, by=by or settings.actor, accept_provisional=accept_provisional or None)
    note(f"home: {settings.home}")
    emit(
        {"workflow": loaded.workflow, "promoted": labels.promoted},
        as_json=as_json,
        text=f"{loaded.workflow} is now {loaded.version} ({loaded.digest[:12]}).",
    )


def rollback(
    workflow: Annotated[str, typer.Argument(help="name of the workflow")],
    by: Annotated[str, typer.Option("--by", help="who rolls back")] = "",
    as_json: Json = False,
) -> None:
    """Returns to the version that was promoted before.

    Example: compiled-ai rollback invoice_fields --by ana
    """
    from compiled_ai.artifact import rollback as move

    settings = load_settings()
    labels = move(settings.artifacts, workflow, by=by or settings.actor)
    note(f"home: {settings.home}")
    emit(
        {"workflow": workflow, "promoted": labels.promoted},
        as_json=as_json,
        text=f"{workflow} is back at {str(labels.promoted)[:12]}.",
    )


def trust(
    folder: Annotated[Path, typer.Argument(help="folder of an artifact from elsewhere")],
    by: Annotated[str, typer.Option("--by", help="who vouches for it")],
    reason: Annotated[str, typer.Option("--reason", help="why")],
    as_json: Json = False,
) -> None:
    """Accepts an artifact that was compiled elsewhere, on record, after checking that it is whole.

    Example: compiled-ai trust ./invoice_fields-1f2e --by ana --reason "read and tested"
    """
    from compiled_ai.artifact import adopt

    settings = load_settings()
    target = adopt(settings.artifacts, folder, by=by, reason=reason)
    note(f"home: {settings.home}")
    emit({"digest": target.name, "path": str(target)}, as_json=as_json, text=f"Trusted: {target.name}")


def sign(
    name: Name,
    key: Annotated[Path, typer.Option("--key", help="Ed25519 private key, PEM")],
    signer: Annotated[str, typer.Option("--as", help="name under which the public key is kept")],
    as_json: Json = False,
) -> None:
    """Signs an artifact, so that other homes that trust the key accept it.

    Example: compiled-ai sign invoice_fields --key release.pem --as release
    """
    from compiled_ai.artifact import sign as add_signature

    settings = load_settings()
    loaded = open_artifact(settings, name)
    if not key.is_file():
        raise ArtifactRefused(f"There is no key file {str(key)!r}.", remedy="Name a PEM file.")
    add_signature(loaded.folder, key, name=signer)
    note(f"home: {settings.home}")
    emit(
        {"digest": loaded.digest, "signed_by": signer},
        as_json=as_json,
        text=f"Signed {loaded.digest[:12]} as {signer}.",
    )


def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="new folder")],
    as_json: Json = False,
) -> None:
    """Writes a plain Python package that runs every golden case identically without this library.

    Example: compiled-ai export claim_routing ./claim_routing_package
    """
    from compiled_ai.export import export_package

    settings = load_settings()
    package = export_package(open_artifact(settings, name), folder)
    emit(
        {"path": str(package)},
        as_json=as_json,
        text=f"Wrote {package}. Try: cd {folder} && python -m {package.name} check",
    )
