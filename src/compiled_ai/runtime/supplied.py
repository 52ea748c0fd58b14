"""Steps a whole run with effects that are given beforehand, and never asks for one more.

Golden cases, exported packages and the sandbox run this way. An effect that nobody supplied ends the run as
`Lacking`: it is never made up and never called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compiled_ai.library.context import EffectRequest
from compiled_ai.runtime.stepper import Done, Failed, Pending, Program, Recorded, StepInfo, Stepping, answer

APPROVED = "approved"
"""Origin of a review that was approved because nothing was said of it."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """The run needs an effect that the case does not supply."""

    step: str
    kind: str
    problems: tuple[str, ...] = ()
    """What a review would be about."""


@dataclass(frozen=True)
class Supplied:
    """Results by step: JSON, or for a `for_each` a list with one for each item."""

    effects: Mapping[str, Any] = field(default_factory=dict)
    reviews: Mapping[str, Any] = field(default_factory=dict)
    approve: bool = False
    """Approve what is proposed to a review that has no problems, where nothing is said of it."""
    refuse: Callable[[StepInfo, EffectRequest], str | None] | None = None
    """Says in words why a call is not declared (`runtime.calls.double.undeclared_use`); such a run is `Lacking`."""

    def answer(self, program: Program, request: EffectRequest) -> Recorded | None:
        """Returns the recorded effect for a request, or `None` if it was not supplied."""
        source = self.reviews if request.kind == "review" else self.effects
        if request.step not in source:
            return self._approval(request)
        result = source[request.step]
        info = program.steps.get(request.step)
        if info is not None and info.for_each:
            if not isinstance(result, list) or request.item >= len(result):
                return None
            result = result[request.item]
        return answer(request, result, origin="supplied")

    def undeclared(self, program: Program, request: EffectRequest) -> tuple[str, ...]:
        """Returns why a call must not be made, whatever was supplied for it (empty: it may)."""
        info = program.steps.get(request.step)
        if self.refuse is None or request.kind != "call" or info is None:
            return ()
        problem = self.refuse(info, request)
        return () if problem is None else (problem,)

    def _approval(self, request: EffectRequest) -> Recorded | None:
        if not self.approve or request.kind != "review" or request.payload.get("problems"):
            return None
        decision = {"action": "approve", "by": "golden case", "reason": "the case says nothing of a review"}
        return answer(request, {**decision, "value": None}, origin=APPROVED)


def decide(program: Program, input_json: Any, supplied: Supplied | None = None) -> Done | Failed | Lacking:
    """Runs one input to its end; raises `InputError` if the input does not fit."""
    with Stepping(program, input_json) as stepping:
        return finish(stepping, supplied or Supplied())


def finish(stepping: Stepping, supplied: Supplied) -> Done | Failed | Lacking:
    """Steps a run to its end with what is supplied."""
    while True:
        outcome = stepping.advance()
        if not isinstance(outcome, Pending):
            return outcome
        for request in outcome.requests:
            undeclared = supplied.undeclared(stepping.program, request)
            recorded = None if undeclared else supplied.answer(stepping.program, request)
            if recorded is None:
                problems = undeclared or request.payload.get("problems") or ()
                return Lacking(request.step, request.kind, tuple(map(str, problems)))
            stepping.record(recorded)
