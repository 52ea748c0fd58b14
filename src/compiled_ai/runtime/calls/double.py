"""A double for call steps, in tests and golden cases: it answers what it was given, and refuses what is not declared.

It holds each call against the artifact as the engine does (allow-list, arguments, `prepare` of the module's client),
and reaches nothing: no connection has to be set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compiled_ai.capabilities import faults
from compiled_ai.errors import CallFailed, UsageError
from compiled_ai.library.context import EffectRequest
from compiled_ai.library.recorded import Recorded, answer
from compiled_ai.library.steps import StepInfo
from compiled_ai.runtime.calls import Call, client_of, declared_of
from compiled_ai.runtime.calls.projection import project


def undeclared_use(info: StepInfo, request: EffectRequest) -> str | None:
    """Returns in words what a call asks for beyond what the artifact declares; `None` if it asks for nothing more."""
    declared = declared_of(info)
    if wrong := faults(declared):
        return wrong[0].message
    if info.provider is not None:
        return None  # a package's own client is asked where it is installed, when the call is made
    given = request.payload["arguments"]
    if beyond := sorted(set(given) ^ set(declared.arguments)):
        return f"The call gives or leaves out the argument {beyond[0]!r}, other than the step declares."
    try:
        client_of(declared.module).prepare(Call(declared=declared, arguments=given))
    except CallFailed as fault:
        return fault.message
    return None


@dataclass
class CallDouble:
    """Answers call steps: `run(artifact, input, calls=CallDouble({"find_member": {...}}))`."""

    results: Mapping[str, Any]
    """By step: JSON, or for a `for_each` a list with one for each item; a `CallFailed` fails the call."""
    made: list[tuple[StepInfo, EffectRequest]] = field(default_factory=list)
    """The calls that were made, in order."""

    def __call__(self, info: StepInfo, request: EffectRequest, *, run_id: str, on_record: bool) -> Recorded:
        """Raises `UsageError` for a call that is not declared, or that no result was given for."""
        problem = undeclared_use(info, request)
        if problem is not None:
            raise UsageError(f"Step {info.name!r}: {problem}", remedy="Declare it in the specification.")
        self.made.append((info, request))
        result = self._result(info, request)
        if isinstance(result, CallFailed):
            state: Any = "in_doubt" if result.may_have_happened else "failed"
            asked, said = request.payload, result.message
            return Recorded(request.step, "call", request.item, state=state, request=asked, error=said, origin="double")
        return answer(request, project(info.result, result), origin="double")

    def _result(self, info: StepInfo, request: EffectRequest) -> Any:
        if info.name not in self.results:
            raise UsageError(f"Nothing was given for step {info.name!r}.", remedy="Give its result to the double.")
        result = self.results[info.name]
        return result[request.item] if info.for_each else result
