"""Specifications as the loader would give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from compiled_ai.library.types import Field, FieldType, Kind
from compiled_ai.spec.model import (
    Accuracy,
    FunctionStep,
    GoldenCase,
    Mark,
    Output,
    Parameter,
    Step,
    WorkflowSpec,
)

MARK = Mark("x.yaml", 3, 5)


def a_field(name: str, kind: Kind, **more: Any) -> Field:
    return Field(name, name, FieldType(kind, **more))


def a_function(**more: Any) -> FunctionStep:
    base = {
        "name": "read_fields",
        "identifier": "read_fields",
        "class_name": "ReadFields",
        "mark": MARK,
        "result": (a_field("number", "string", optional=True), a_field("total", "money", optional=True)),
        "parameters": (Parameter("inputs.document", "document", FieldType("text")),),
        "prose": "Read the number and the total.",
        "prose_mark": MARK,
    }
    return FunctionStep(**{**base, **more})


def a_case(number: int, document: str = "", **more: Any) -> GoldenCase:
    return GoldenCase(
        **{"id": f"case-{number}", "input": {"document": document}, "expected": {"number": str(number)}, **more}
    )


def a_spec(steps: Sequence[Any] = (), **more: Any) -> WorkflowSpec:
    steps = tuple(steps) or (a_function(),)
    last: Step = steps[-1]
    base = {
        "file": "x.yaml",
        "text": "",
        "digest": "0" * 64,
        "name": "X",
        "slug": "x",
        "version": "1.0.0",
        "description": "",
        "packs": (),
        "reference": (),
        "data_basis": None,
        "inputs": (a_field("document", "text"),),
        "steps": steps,
        "outputs": tuple(Output(each, f"{last.name}.{each.name}") for each in last.result),
        "accuracy": Accuracy({}),
    }
    return WorkflowSpec(**{**base, **more})


@pytest.fixture
def field() -> Callable[..., Field]:
    return a_field


@pytest.fixture
def function_step() -> Callable[..., FunctionStep]:
    return a_function


@pytest.fixture
def case() -> Callable[..., GoldenCase]:
    return a_case


@pytest.fixture
def spec() -> Callable[..., WorkflowSpec]:
    return a_spec
