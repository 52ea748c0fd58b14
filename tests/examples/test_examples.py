"""Every example compiles as its README says, decides its golden cases, and is exported; with recorded replies only."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.artifact import SealedArtifact, load_artifact
from compiled_ai.canonical import parse_json
from compiled_ai.compiler import CompileOptions, compile_spec
from compiled_ai.config import Settings
from compiled_ai.runtime.stepper import Done, load_program
from compiled_ai.runtime.supplied import Supplied, decide
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import FunctionStep, RuleStep, WorkflowSpec
from compiled_ai.spec.rules.ast import DecisionTable

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
READ_BY_FUNCTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "address_normalisation": {
        "apartment": {"line": "418 N MILL ST APT 4B", "city": "ASHFORD", "state": "OH", "zip": "44822-1234"},
        "no_number": {"outcome": "INCOMPLETE", "reason": "there is no street and no post-office box"},
    },
    "email_fields": {
        "no_order": {"outcome": "ASK_FOR_ORDER", "sender_name": None, "sender_address": "tom@example.com"},
        "reschedule": {"outcome": "RESCHEDULE", "order_number": "WB-104233", "wanted_day": "2026-03-12"},
    },
    "eob_extraction": {
        "adds_up": {"outcome": "POST", "total_paid": "26.18"},
        "does_not_add_up": {"outcome": "REVIEW", "check_number": "E55826838"},
    },
    "function_call": {
        "complete": {
            "call": {"city": "Lyon", "day": "2026-05-14", "people": 12, "hours": 3, "equipment": "whiteboard"},
        },
        "incomplete": {"call": None},
    },
    "line_items": {
        "adds_up": {"outcome": "MATCH", "subtotal": "2196.33"},
        "does_not_add_up": {"outcome": "CHECK", "reason": "quantity times price is not the amount of a row"},
    },
    "schema_mapping": {
        "no_address": {"outcome": "HOLD", "order_number": "443043868", "customer_name": "Hotel Marten"},
        "order": {
            "outcome": "ACCEPT",
            "lines": [{"sku": "MUG-0042", "quantity": 2, "unit_price": "12.50", "discount": "2.50"}],
            "shipping_cost": "4.95",
            "gift": True,
            "note": "Please ring twice.",
        },
    },
    "ticket_triage": {
        "outage": {"category": "OUTAGE", "team": "ON_CALL", "hours": 1},
        "question": {"category": "HOW_TO", "team": "COMMUNITY", "hours": 72},
    },
}
"""The inputs to try of the examples that a model's functions read, and some of what is decided about them."""
RULES_ONLY = ("claim_routing", "eligibility", "prior_auth_glp1_complete")


def specification(name: str) -> WorkflowSpec:
    return load_spec(FOLDER / f"{name}.yaml")


def recordings(name: str) -> Path:
    return FOLDER / name / "recordings"


def golden(name: str) -> list[dict[str, Any]]:
    lines = (FOLDER / name / "golden.jsonl").read_text("utf-8").splitlines()
    return [parse_json(line) for line in lines]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPILED_AI_KEY", f"main:{base64.b64encode(b'examples' * 4).decode()}")
        yield Settings(home, f"sqlite:///{home / 'runs.db'}")


@pytest.fixture(scope="module", params=EXAMPLES)
def compiled(request: pytest.FixtureRequest, settings: Settings) -> tuple[str, SealedArtifact]:
    name: str = request.param
    written = any(isinstance(step, FunctionStep) for step in specification(name).steps)
    if written and not recordings(name).is_dir():
        pytest.skip("needs a model, and no replies are recorded")
    options = CompileOptions(model=f"recorded:{recordings(name)}" if written else None)
    done = compile_spec(FOLDER / f"{name}.yaml", settings, options)
    return name, load_artifact(done.folder, settings.artifacts)


def test_the_examples_of_rules_are_there() -> None:
    assert {*RULES_ONLY, "prior_auth_glp1"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read_without_a_warning(name: str) -> None:
    assert specification(name).warnings == ()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_readme_says_that_the_cases_are_synthetic(name: str) -> None:
    assert "synthetic" in (FOLDER / name / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(READ_BY_FUNCTIONS))
def test_the_inputs_to_try_are_those_that_are_tested(name: str) -> None:
    assert {path.stem for path in (FOLDER / name / "inputs").glob("*.json")} == set(READ_BY_FUNCTIONS[name])


def test_the_inputs_to_try_are_decided_as_expected(compiled: tuple[str, SealedArtifact]) -> None:
    name, artifact = compiled
    program = load_program(artifact.folder / "identity")
    for stem, expected in READ_BY_FUNCTIONS.get(name, {}).items():
        end = decide(program, parse_json((FOLDER / name / "inputs" / f"{stem}.json").read_text("utf-8")), Supplied())
        assert isinstance(end, Done), (stem, end)
        assert {key: end.output[key] for key in expected} == expected, stem


def test_a_readme_shows_what_a_run_prints(compiled: tuple[str, SealedArtifact], settings: Settings) -> None:
    name, _ = compiled
    environment = {**os.environ, "COMPILED_AI_HOME": str(settings.home)}
    for command, lines in shown_runs(name) if name in READ_BY_FUNCTIONS else ():
        done = subprocess.run(
            [sys.executable, "-c", "from compiled_ai.cli import main; main()", *shlex.split(command)],
            capture_output=True, text=True, cwd=FOLDER.parent, env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert [line for line in lines if line not in done.stdout] == [], command


def shown_runs(name: str) -> Iterator[tuple[str, list[str]]]:
    """The commands `run` of an example's README, each with the lines that it says are printed."""
    text = (FOLDER / name / "README.md").read_text("utf-8")
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ compiled-ai ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.strip("\n").split("\n")
            assert command.startswith(f"run {name} ")
            yield command, lines


@pytest.mark.parametrize("name", sorted(READ_BY_FUNCTIONS))
def test_the_readme_of_a_read_example_shows_a_run(name: str) -> None:
    assert list(shown_runs(name))


def test_it_passes_all_stages(compiled: tuple[str, SealedArtifact]) -> None:
    _, artifact = compiled
    assert [stage["status"] for stage in artifact.report["stages"]] == ["passed"] * 4


@pytest.mark.parametrize("name", RULES_ONLY)
def test_golden_cases_cover_every_outcome(name: str) -> None:
    cases = golden(name)
    assert len(cases) >= 12
    for step in specification(name).steps:
        for field in step.result:
            if field.name in ("outcome", "queue") and field.type.enum:
                assert {case["expected"].get(field.name) for case in cases} == set(field.type.enum)


@pytest.mark.parametrize("name", RULES_ONLY)
def test_every_golden_case_is_decided_as_it_says(name: str, settings: Settings) -> None:
    done = compile_spec(FOLDER / f"{name}.yaml", settings)
    program = load_program(done.folder / "identity")
    for case in golden(name):
        end = decide(program, case["input"], Supplied(case.get("effects", {}), case.get("reviews", {})))
        assert isinstance(end, Done), (case["id"], end)
        assert {key: end.output[key] for key in case["expected"]} == case["expected"], case["id"]


def test_claim_routing_has_sixty_rows_and_each_row_its_id() -> None:
    tables = [
        step.logic for step in specification("claim_routing").steps
        if isinstance(getattr(step, "logic", None), DecisionTable)
    ]  # fmt: skip
    (table,) = tables
    assert len(table.rows) == 60 and table.rows[0].id == "PRO-A1" and table.hit_policy == "UNIQUE"


def test_every_branch_of_the_complete_review_has_a_golden_case() -> None:
    (step,) = [each for each in specification("prior_auth_glp1_complete").steps if each.name == "evaluate_coverage"]
    assert isinstance(step, RuleStep)
    stated = re.findall(r'BECAUSE\s+"([^"]+)"', step.source_text)
    reasons = [case["expected"]["reason"] for case in golden("prior_auth_glp1_complete")]
    assert len(stated) == 18
    assert [words for words in stated if not any(reason.startswith(words) for reason in reasons)] == []
