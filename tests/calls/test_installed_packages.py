"""A package of a third party brings a module and a template, by the entry point group `compiled_ai.catalog`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiled_ai import catalog
from compiled_ai.assemble import assemble
from compiled_ai.catalog import load_catalog
from compiled_ai.catalog.installed import providers
from compiled_ai.errors import ArtifactRefused, ConfigError, SpecError
from compiled_ai.plan import make_plan
from compiled_ai.runtime.calls import client_of
from compiled_ai.runtime.local import run
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.spec.loader import load_spec_text
from compiled_ai.spec.schema import schema

MODULE = """\
name: ledger
description: Looks an account up in the ledger.
client: acme_ledger.client
settings:
  connection: {type: string, required: true, description: "Name of the ledger."}
  book: {type: string, required: true, description: "Which book."}
allow:
  books: {type: list, required: true, description: "Books that may be read."}
"""
CLIENT = """\
from compiled_ai.errors import CallFailed

def repeats(declared):
    return "reads"

def prepare(call):
    if call.declared.settings["book"] not in call.declared.allow["books"]:
        raise CallFailed.surely("That book is not allowed.")

def perform(call, connection):
    return {"balance": f"{connection.address}:{call.arguments['account']}"}
"""
SPEC = """
metadata: {name: Ledger}
inputs: {account: string}
connections:
  main: {module: ledger, allow: {books: [main]}}
steps:
  - {step: look, type: call, module: ledger, connection: main, parameters: {account: account},
     settings: {book: main}, returns: {balance: string}}
"""


def forget() -> None:
    for cached in (providers, load_catalog, client_of):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_ledger"]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package as pip would have laid it out."""
    folder = tmp_path / "site" / "acme_ledger"
    template = folder / "templates" / "acme"
    (folder / "effects").mkdir(parents=True)
    template.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "client.py").write_text(CLIENT)
    (folder / "effects" / "ledger.yaml").write_text(MODULE)
    handler = Path(catalog.__file__).parent / "templates" / "handler"
    (template / "template.py").write_text((handler / "template.py").read_text())
    described = (handler / "description.yaml").read_text().replace("name: handler", "name: acme")
    (template / "description.yaml").write_text(described)
    info = tmp_path / "site" / "acme_ledger-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ledger\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[compiled_ai.catalog]\nacme = acme_ledger\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("COMPILED_AI_CONNECTION_MAIN", "book")
    forget()
    yield folder
    forget()


def program_of(text: str = SPEC) -> Program:
    spec = load_spec_text(text, file="ledger.yaml")
    plan = make_plan(spec, load_catalog())
    made = assemble(spec, plan.template.source, {}, template_name=plan.template.name, brought=plan.brought)
    return load_program({"workflow.py": made.source, "program.json": json.dumps(made.program, default=str)})


def test_its_module_is_checked_compiled_and_run(package: Path) -> None:
    program = program_of()
    assert run(program, {"account": "A-1"}).output == {"balance": "book:A-1"}
    assert program.described["steps"][0]["provider"]["package"] == "acme-ledger"
    with pytest.raises(SpecError, match="needs the setting 'book'"):
        program_of(SPEC.replace("book: main", ""))


def test_its_template_can_be_chosen(package: Path) -> None:
    assert program_of(f"template: acme\n{SPEC}").template == "acme"


def test_the_schema_for_editors_knows_them(package: Path) -> None:
    assert '"ledger"' in json.dumps(schema()) and '"acme"' in json.dumps(schema())


def test_its_files_are_part_of_the_catalogue_s_digest(package: Path) -> None:
    before = load_catalog().digest
    (package / "client.py").write_text(CLIENT + "\n# changed\n")
    forget()
    assert load_catalog().digest != before


def test_an_artifact_runs_only_with_the_package_that_it_was_compiled_with(package: Path) -> None:
    program = program_of()
    (package / "client.py").write_text(CLIENT + "\n# changed\n")
    forget()
    with pytest.raises(ArtifactRefused, match="'acme-ledger' is not the one that module 'ledger' was compiled with"):
        run(program, {"account": "A-1"})


def test_an_artifact_names_the_package_that_is_missing(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of()
    monkeypatch.setattr("compiled_ai.catalog.providers", tuple)
    forget()
    with pytest.raises(ConfigError, match="comes from package 'acme-ledger'. pip install acme-ledger"):
        run(program, {"account": "A-1"})


def test_its_client_refuses_what_is_not_allowed(package: Path) -> None:
    result = run(program_of(SPEC.replace("{book: main}", "{book: other}")), {"account": "A-1"})
    assert (result.status, [getattr(each, "error", "") for each in result.effects]) == (
        "failed",
        ["That book is not allowed."],
    )


def test_nothing_of_it_is_imported_before_it_is_called(package: Path) -> None:
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    assert "ledger" in load_catalog().effects


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("effects/ledger.yaml", MODULE.replace("acme_ledger.client", "os"), "names the client 'os', which is outside"),
        ("effects/ledger.yaml", MODULE.replace("name: ledger", "name: http"), "names 'http' twice"),
        ("effects/ledger.yaml", "- list", "holds no mapping"),
        ("effects/ledger.yaml", "a: [", "is not YAML"),
        ("templates/acme/template.py", "x = 1", "needs the line '# slot: models' once"),
    ],
)
def test_a_package_that_is_wrong_is_refused_by_name(package: Path, file: str, content: str, message: str) -> None:
    (package / file).write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_catalog()


def test_a_client_without_its_functions_is_refused(package: Path) -> None:
    (package / "client.py").write_text("def repeats(declared): return 'reads'\n")
    with pytest.raises(ConfigError, match="of package 'acme-ledger' has no 'prepare'"):
        run(program_of(), {"account": "A-1"})


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("acme = acme_ledger.inner", "is 'acme_ledger.inner', no package of the top level"),
        ("acme = no_such_package", "names 'no_such_package', which is no package with files"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_refused(package: Path, points: str, message: str) -> None:
    (package.parent / "acme_ledger-1.2.dist-info" / "entry_points.txt").write_text(f"[compiled_ai.catalog]\n{points}\n")
    with pytest.raises(ConfigError, match=message):
        providers()


def test_two_distributions_cannot_bring_one_package(package: Path) -> None:
    info = package.parent / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[compiled_ai.catalog]\nother = acme_ledger\n")
    with pytest.raises(ConfigError, match="'acme-ledger' and 'other' both bring 'acme_ledger'. Remove one of them"):
        providers()
