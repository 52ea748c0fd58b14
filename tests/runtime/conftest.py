"""Small artifacts in the shape that `assemble` writes, and people and models that answer for them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.runtime.stepper import Program, load_program

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def program() -> Callable[[str], Program]:
    """Loads a fixture program by name: glp1, lines, extract."""
    return lambda name: load_program(FIXTURES / name)


@pytest.fixture
def chart() -> dict[str, Any]:
    """What a model reads from a chart that leads to a denial."""
    return {
        "has_t2d_diagnosis": False,
        "current_a1c": Decimal("5.4"),
        "bmi": Decimal("27.5"),
        "has_step_therapy_failure": False,
    }
