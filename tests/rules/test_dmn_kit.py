"""All cases of the DMN compatibility kit, level 2, through the compiler and the interpreter."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dmn import Case, Model, cases, models_folder
from rule_support import both

FOLDER = models_folder()
needs_kit = pytest.mark.skipif(FOLDER is None, reason="the DMN compatibility kit is not in COMPILED_AI_DATA")
MODELS = sorted(FOLDER.iterdir()) if FOLDER else []


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, Decimal) and isinstance(expected, Decimal):
        return abs(found - expected) <= abs(expected) * Decimal("1e-12")
    return bool(found == expected)


def _shaped(result: dict[str, Any] | None, expected: Any) -> Any:
    """Our result in the shape of the kit's: one output is a value, several are a context, lists are lists of these."""
    values = {name: value for name, value in (result or {}).items() if name != "reason"}
    if result is None:
        return None
    if len(values) == 1:
        only = next(iter(values.values()))
        return list(only) if isinstance(only, tuple) else only
    if isinstance(expected, list):
        return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return values


def _inputs(model: Model, case: Case) -> dict[str, Any]:
    return {
        name: SimpleNamespace(**value) if isinstance(value := case.inputs.get(name), dict) else value
        for name in model.fields
    }


@needs_kit
@pytest.mark.parametrize("folder", [path for path in MODELS if path.is_dir()], ids=lambda path: path.name)
def test_compiler_and_interpreter_pass_every_case_of(folder: Path) -> None:
    model = Model(next(folder.glob("*.dmn")))
    for case in cases(folder):
        for name, expected in case.expected.items():
            found = both(model.decision(name), model.scope).run(**_inputs(model, case))
            shaped = _shaped(found, expected)
            assert _same(shaped, expected), f"{case.id} {name}: {shaped!r}, expected {expected!r}"


@needs_kit
def test_the_kit_has_all_its_cases() -> None:
    assert sum(1 for path in MODELS if path.is_dir() for _ in cases(path)) == 116
