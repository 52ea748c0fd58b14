"""The two corpora: every wrong specification with its exact findings, every good one without any."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from compiled_ai.errors import SpecError
from compiled_ai.spec.findings import Findings
from compiled_ai.spec.loader import load_spec_text
from compiled_ai.spec.schema import schema
from compiled_ai.spec.yaml_source import compose, plain_value


def _corpus() -> Any:
    place = Path(__file__).parent / "spec_corpus.py"
    described = importlib.util.spec_from_file_location("spec_corpus", place)
    assert described is not None and described.loader is not None
    module = importlib.util.module_from_spec(described)
    sys.modules["spec_corpus"] = module
    described.loader.exec_module(module)
    return module


WRONG = _corpus().wrong_cases()
GOOD = _corpus().good_cases()
NOWHERE = Path("no-such-folder")


def _instance(text: str) -> Any:
    return plain_value(compose(text, file="spec.yaml", findings=Findings()))


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("case", WRONG, ids=[case.name for case in WRONG])
def test_a_wrong_specification_is_refused_with_every_finding_at_its_place(case: Any) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec_text(case.text, file="spec.yaml", folder=NOWHERE)
    found = tuple(f"{one.line}:{one.column}: {one.message}" for one in caught.value.details)
    assert found == case.findings
    assert str(caught.value) == "\n".join(f"spec.yaml:{line}" for line in case.findings)
    assert caught.value.exit_code == 2


def test_the_corpus_of_wrong_specifications_is_large_and_each_kind_is_there() -> None:
    assert len(WRONG) >= 100
    assert {case.kind for case in WRONG} == {"structure", "structure-yaml", "other"}
    assert all(case.findings for case in WRONG)


@pytest.mark.parametrize("case", GOOD, ids=[case.name for case in GOOD])
def test_a_good_specification_loads_without_a_warning(case: Any) -> None:
    assert load_spec_text(case.text, file="spec.yaml", folder=NOWHERE).warnings == ()


@pytest.mark.parametrize("case", GOOD, ids=[case.name for case in GOOD])
def test_the_json_schema_accepts_what_the_loader_accepts(case: Any, editor: jsonschema.Draft202012Validator) -> None:
    assert [error.message for error in editor.iter_errors(_instance(case.text))] == []


STRUCTURE = [case for case in WRONG if case.kind == "structure"]
OTHER = [case for case in WRONG if case.kind == "other"]


@pytest.mark.parametrize("case", STRUCTURE, ids=[case.name for case in STRUCTURE])
def test_the_json_schema_refuses_a_wrong_structure(case: Any, editor: jsonschema.Draft202012Validator) -> None:
    assert not editor.is_valid(_instance(case.text))


@pytest.mark.parametrize("case", OTHER, ids=[case.name for case in OTHER])
def test_the_json_schema_leaves_the_meaning_to_the_loader(case: Any, editor: jsonschema.Draft202012Validator) -> None:
    try:
        instance = _instance(case.text)
    except SpecError:
        return  # no YAML tree, so no structure to judge
    assert [error.message for error in editor.iter_errors(instance)] == []
