"""A call step as an artifact declares it, made without a specification, and the one way to call it."""

from __future__ import annotations

from typing import Any

from compiled_ai.library.context import EffectRequest
from compiled_ai.library.recorded import Recorded
from compiled_ai.library.steps import StepInfo
from compiled_ai.library.types import Field, FieldType, Kind, type_to_json
from compiled_ai.runtime.calls import make_call


def result_of(**kinds: Kind) -> FieldType:
    fields = tuple(Field(name, name, FieldType(kind, optional=True)) for name, kind in kinds.items())
    return FieldType("object", fields=fields, class_name="Result")


def call_step(
    module: str, settings: dict[str, Any], allow: dict[str, Any], result: FieldType, **arguments: Kind
) -> StepInfo:
    return StepInfo(
        name="step",
        kind="call",
        result=result,
        class_name="Result",
        module=module,
        settings=settings,
        allow=allow,
        arguments={name: {"source": name, "type": type_to_json(FieldType(kind))} for name, kind in arguments.items()},
    )


def called(info: StepInfo, run_id: str = "run-1", item: int = 0, **arguments: Any) -> Recorded:
    request = EffectRequest("step", "call", item, 0, {"arguments": arguments})
    return make_call(info, request, run_id=run_id, on_record=bool(run_id))
