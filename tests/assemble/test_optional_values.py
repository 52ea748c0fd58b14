"""Conditions on numbers that may be missing: what tests them for null holds for their later uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compiled_ai.compiler import compile_spec
from compiled_ai.config import Settings
from compiled_ai.runtime.stepper import Done, Failed, load_program
from compiled_ai.runtime.supplied import Lacking, Supplied, decide

SPECIFICATION = """
inputs: {note: text}
steps:
  - step: read
    type: bounded_invocation
    attempts: 1
    on_failure: fail
    schema: {weight: float?, count: integer?}
    validation:
      - weight IS NULL OR (weight > 3 AND weight < 20)
      - weight IS NULL OR weight != 7
  - step: many
    type: deterministic_rule
    when: count IS NOT NULL AND count > 2
    logic: double = count * 2
outputs: [double]
"""

Read = Callable[..., Done | Failed | Lacking]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("optional")
    (folder / "optional.yaml").write_text(SPECIFICATION, "utf-8")
    done = compile_spec(folder / "optional.yaml", Settings(folder / "home", f"sqlite:///{folder / 'runs.db'}"))
    program = load_program(done.folder / "identity")
    return lambda **found: decide(program, {"note": "x"}, Supplied({"read": found}))


@pytest.mark.parametrize("weight", [2, 7, 20])
def test_a_value_outside_of_its_bounds_is_refused(read: Read, weight: int) -> None:
    assert isinstance(read(weight=weight, count=None), Failed)


@pytest.mark.parametrize(("count", "double"), [(None, None), (2, None), (3, 6)])
def test_a_step_is_left_out_where_its_number_is_missing(read: Read, count: int | None, double: int | None) -> None:
    end = read(weight=None, count=count)
    assert isinstance(end, Done) and end.output == {"double": double}
