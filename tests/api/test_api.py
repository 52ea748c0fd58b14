"""The Python API has the words of the command line, and every public name is listed here."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path

import pytest

import compiled_ai
from compiled_ai import CompiledAIError, Settings
from compiled_ai.errors import InputError, NotFound, SpecError

SPEC = """\
metadata: {name: Triage, reference: [ticket]}
inputs: [{name: ticket, type: string}, {name: waiting, type: integer}]
logic_requirements:
  - step: decide
    type: deterministic_rule
    logic: IF waiting > 7 THEN URGENT ELSE NORMAL
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    (home / "triage.yaml").write_text(SPEC, "utf-8")
    return Settings(home=home, store_url=f"sqlite:///{home / 'runs.db'}")


@pytest.fixture(scope="module")
def artifact(settings: Settings) -> compiled_ai.Artifact:
    compiled = compiled_ai.compile(settings.home / "triage.yaml", settings=settings)
    assert "triage@0.1.0" in compiled._repr_html_()
    return compiled_ai.load_artifact(compiled.digest, settings=settings)


def test_the_public_names_are_these_and_each_is_documented() -> None:
    assert compiled_ai.__all__ == [
        "Artifact",
        "CompiledAIError",
        "Settings",
        "batch",
        "check_golden",
        "compile",
        "explain",
        "import_golden",
        "load_artifact",
        "load_settings",
        "load_spec",
        "make_plan",
        "read_document",
        "run",
    ]
    for name in compiled_ai.__all__:
        assert inspect.getdoc(getattr(compiled_ai, name)), name
    assert dir(compiled_ai) == sorted(compiled_ai.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'compil'"):
        _ = compiled_ai.compil


def test_a_wrong_specification_carries_located_findings(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SPEC.replace("integer", "interger"), "utf-8")
    with pytest.raises(SpecError) as error:
        compiled_ai.load_spec(tmp_path / "bad.yaml")
    assert isinstance(error.value, CompiledAIError)
    assert (error.value.details[0].line, error.value.exit_code) == (2, 2)


def test_an_artifact_runs_sync_and_async_and_is_explained(settings: Settings, artifact: compiled_ai.Artifact) -> None:
    first = artifact.run({"ticket": "T-1", "waiting": 9})
    second = asyncio.run(artifact.run_async({"ticket": "T-2", "waiting": 1}, store=False))
    assert (first.output["outcome"], second.output["outcome"]) == ("URGENT", "NORMAL")
    explained = compiled_ai.explain(first.run_id, settings=settings)
    assert explained.verdict == "reproduced"
    assert "waiting &gt; 7" in explained._repr_html_()


def test_an_artifact_runs_many_records(settings: Settings, artifact: compiled_ai.Artifact) -> None:
    source, target = settings.home / "in.jsonl", settings.home / "out.jsonl"
    source.write_text('{"number": "T-1", "waiting": 9}\n{"number": "T-2", "waiting": 1}\n', "utf-8")
    summary = artifact.batch(str(source), target, mapping={"ticket": "number"}, keep=["number"], workers=0)
    lines = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert (summary.lines, summary.completed) == (2, 2)
    assert [(line["number"], line["output"]["outcome"]) for line in lines] == [("T-1", "URGENT"), ("T-2", "NORMAL")]
    assert compiled_ai.explain(lines[0]["run_id"], settings=settings).verdict == "reproduced"
    unrecorded = artifact.batch(source, target, mapping={"ticket": "number"}, workers=0, store=False)
    assert unrecorded.completed == 2


def test_an_artifact_shows_itself(artifact: compiled_ai.Artifact) -> None:
    assert repr(artifact).startswith("Artifact(triage@0.1.0, ")
    assert "<td>security</td>" in artifact._repr_html_()
    assert "waiting &gt; 7" in artifact._repr_html_()


def test_wrong_inputs_and_names_are_told_apart(settings: Settings, artifact: compiled_ai.Artifact) -> None:
    with pytest.raises(InputError, match="waiting: required"):
        artifact.run({"ticket": "T"})
    with pytest.raises(NotFound, match="Did you mean 'triage'"):
        compiled_ai.load_artifact("triag", settings=settings)


def test_a_plan_calls_nothing(settings: Settings) -> None:
    assert compiled_ai.make_plan(settings.home / "triage.yaml").functions == ()
