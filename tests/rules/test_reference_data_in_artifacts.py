"""Reference data and decision tables on their whole way: compiled, sealed, run, explained, exported, compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.artifact import SealedArtifact, load_artifact
from compiled_ai.comparing import compare_artifacts
from compiled_ai.compiler import Compilation, compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import ArtifactRefused, CompileFailed, SpecError
from compiled_ai.export import export_package
from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.explain import explain
from compiled_ai.runtime.local import run
from compiled_ai.runtime.rerun import rerun
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.supplied import decide
from compiled_ai.spec.loader import load_spec_text

FORMULARY = "ndc,tier,name\n00093-7214,1,Metformin\n00169-4130,3,Semaglutide\n"
SPECIFICATION = """
metadata: {name: Drug, data_basis: synthetic}
inputs: {ndc: string, amount: money}
tables:
  formulary: {file: formulary.csv, keys: [ndc]}
steps:
  - step: cover
    type: deterministic_rule
    logic: |
      IF ndc NOT IN formulary THEN REVIEW BECAUSE "not on the formulary"
      ELSE IF formulary[ndc].tier <= 2 THEN APPROVE
      ELSE DENY
  - step: share
    type: deterministic_rule
    table:
      hit_policy: FIRST
      inputs: {amount: amount}
      outputs: {share: []}
      id: name
      rows:
        - {name: small, amount: "<= 100", share: 1}
        - {name: large, amount: "> 100", share: amount * 0.5}
outputs: [outcome, share]
golden:
  - {id: a, input: {ndc: 00093-7214, amount: 20}, expected: {outcome: APPROVE, share: 1}}
  - {id: b, input: {ndc: 00169-4130, amount: 200}, expected: {outcome: DENY, share: 100}}
  - {id: c, input: {ndc: x, amount: 200}, expected: {outcome: REVIEW, share: 100}}
"""
DENIED = {"ndc": "00169-4130", "amount": "200"}

Compiled = Callable[..., SealedArtifact]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return Settings(home, f"sqlite:///{home / 'runs.db'}")


@pytest.fixture(scope="module")
def compiled(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    def make(text: str = SPECIFICATION, data: str = FORMULARY) -> SealedArtifact:
        folder = tmp_path_factory.mktemp("specification")
        (folder / "formulary.csv").write_text(data, "utf-8")
        (folder / "drug.yaml").write_text(text, "utf-8")
        done: Compilation = compile_spec(folder / "drug.yaml", settings)
        return load_artifact(done.folder, settings.artifacts)

    return make


@pytest.fixture(scope="module")
def drug(compiled: Compiled) -> SealedArtifact:
    return compiled()


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.open(f"sqlite:///{tmp_path / 'runs.db'}", home=tmp_path)


def texts(drug: SealedArtifact) -> dict[str, str]:
    paths = [path for path in drug.identity.rglob("*") if path.is_file()]
    return {path.relative_to(drug.identity).as_posix(): path.read_text("utf-8") for path in paths}


def test_data_other_than_the_pinned_is_refused(drug: SealedArtifact) -> None:
    files = texts(drug)
    files["tables/formulary.jsonl"] = files["tables/formulary.jsonl"].replace("3", "1")
    with pytest.raises(ArtifactRefused, match="is not the one that was compiled against"):
        load_program(files)


def test_missing_data_is_refused(drug: SealedArtifact) -> None:
    files = {name: text for name, text in texts(drug).items() if not name.startswith("tables/")}
    with pytest.raises(ArtifactRefused, match=r"\(tables/formulary\.jsonl\) cannot be read"):
        load_program(files)


def test_a_golden_case_is_judged_with_the_data(compiled: Compiled) -> None:
    with pytest.raises(CompileFailed, match="accuracy failed"):
        compiled(data=FORMULARY.replace(",3,", ",2,"))


def test_a_run_and_its_replay_read_the_data(drug: SealedArtifact, compiled: Compiled, store: RunStore) -> None:
    done = run(drug, DENIED, store=store)
    assert done.output == {"outcome": "DENY", "share": 100}
    told = explain(done.run_id, store=store, artifacts=lambda _: drug)
    assert told.verdict == "reproduced"
    golden = SPECIFICATION.replace("expected: {outcome: DENY,", "expected: {outcome: APPROVE,")
    other = compiled(golden, FORMULARY.replace(",3,", ",2,"))
    compared = rerun(done.run_id, other, store=store, artifacts=lambda _: drug)
    assert (compared.same, compared.second.output["outcome"]) == (False, "APPROVE")


def test_workers_of_a_batch_have_the_data(drug: SealedArtifact, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(DENIED) + "\n", "utf-8")
    run_batch(drug, tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=1)
    line = json.loads((tmp_path / "out.jsonl").read_text("utf-8"))
    assert (line["status"], line["output"]["outcome"]) == ("completed", "DENY")


def test_an_exported_package_carries_the_data(drug: SealedArtifact, tmp_path: Path) -> None:
    export_package(drug, tmp_path / "package")
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import sys, runpy; sys.path.insert(0, '.'); sys.argv[1:] = ['check'];"
         "runpy.run_module('drug', run_name='__main__')"],
        cwd=tmp_path / "package", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "3 of 3 golden cases identical\n", done.stderr


def test_a_program_can_be_made_again_from_its_files(drug: SealedArtifact) -> None:
    again = load_program(load_program(drug.identity).files)
    assert decide(again, DENIED).output["outcome"] == "DENY"  # type: ignore[union-attr]


def test_the_same_data_saved_otherwise_is_the_same_artifact(drug: SealedArtifact, compiled: Compiled) -> None:
    assert compiled(data=FORMULARY.replace("\n", "\r\n").replace("Metformin", '"Metformin"')).digest == drug.digest


def test_a_difference_names_rows_of_decision_tables_by_id_and_rows_of_data(
    drug: SealedArtifact, compiled: Compiled
) -> None:
    text = SPECIFICATION.replace('"<= 100"', '"<= 150"').replace('"> 100"', '"> 150"')
    other = compiled(text, FORMULARY.replace("Semaglutide", "Ozempic"))
    changes = compare_artifacts(drug, other)
    page = changes.text()
    assert "decision table share:\n  row small changed: amount '<= 100' -> '<= 150'" in page
    assert 'reference table formulary:\n  -["00169-4130",3,"Semaglutide"]\n  +["00169-4130",3,"Ozempic"]' in page
    told: dict[str, Any] = changes.to_json()
    assert [(row["id"], row["kind"]) for row in told["rows"]["share"]] == [("small", "changed"), ("large", "changed")]
    assert compare_artifacts(drug, drug).text() == "The two are the same."


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("drug list", "drug-list"), "Table 'drug-list' would be called DRUG_LIST, like table 'drug list'."),
        (("share rows",), "Table 'share rows' would be called SHARE_ROWS, like the rows of step 'share'."),
    ],
)
def test_two_things_of_one_python_name_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "formulary.csv").write_text(FORMULARY, "utf-8")
    tables = "".join(f"  {name}: {{file: formulary.csv, keys: [ndc]}}\n" for name in names)
    text = SPECIFICATION.replace("tables:\n", f"tables:\n{tables}")
    with pytest.raises(SpecError) as caught:
        load_spec_text(text, folder=tmp_path)
    assert message in str(caught.value)


def test_large_reference_data_is_loaded_in_the_sandbox(compiled: Compiled) -> None:
    data = FORMULARY + "".join(f"{number:09},{number % 5},Drug {number}\n" for number in range(50_000))
    program = load_program(compiled(data=data).identity)
    assert decide(program, {"ndc": "000049999", "amount": "1"}).output["outcome"] == "DENY"  # type: ignore[union-attr]
