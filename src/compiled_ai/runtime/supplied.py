"""Steps a whole run with effects that are given beforehand, and never asks for one more.

Golden cases, exported packages and the sandbox run this way. An effect that nobody supplied ends the run as
`Lacking`: it is never made up and never called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compiled_ai.library.context import EffectRequest
from compiled_ai.runtime.stepper import Done, Failed, Pending, Program, Recorded, Stepping, answer


@dataclass(frozen=True, slots=True)
class Lacking:
    """The run needs an effect that the case does not supply."""

    step: str
    kind: str


@dataclass(frozen=True)
class Supplied:
    """Results by step: JSON, or for a `for_each` a list with one for each item."""

    effects: Mapping[str, Any] = field(default_factory=dict)
    reviews: Mapping[str, Any] = field(default_factory=dict)

    def answer(self, program: Program, request: EffectRequest) -> Recorded | None:
        """Returns the recorded effect for a request, or `None` if it was not supplied."""
        source = self.reviews if request.kind == "review" else self.effects
        if request.step not in source:
            return None
        result = source[request.step]
        info = program.steps.get(request.step)
        if info is not None and info.for_each:
            if not isinstance(result, list) or request.item >= len(result):
                return None
            result = result[request.item]
        return answer(request, result, origin="supplied")


def decide(program: Program, input_json: Any, supplied: Supplied | None = None) -> Done | Failed | Lacking:
    """Runs one input to its end; raises `InputError` if the input does not fit."""
    given = supplied or Supplied()
    with Stepping(program, input_json) as stepping:
        while True:
            outcome = stepping.advance()
            if not isinstance(outcome, Pending):
                return outcome
            for request in outcome.requests:
                recorded = given.answer(program, request)
                if recorded is None:
                    return Lacking(request.step, request.kind)
                stepping.record(recorded)
