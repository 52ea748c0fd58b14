"""What a member of a committee answers in a run: its result, or why it has none; only what has a place may vote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from traceback import walk_tb
from typing import Any

from compiled_ai.library.evidence import Dropped, Keep, Source
from compiled_ai.library.steps import StepCodec
from compiled_ai.library.types import Mismatch


def line_of(fault: Exception) -> str:
    """Where in the artifact's module an exception came from: its innermost frame, or nothing."""
    lines = [number for frame, number in walk_tb(fault.__traceback__) if frame.f_code.co_filename.startswith("<")]
    return f" at line {lines[-1]} of workflow.py" if lines else ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one member of a committee answers: of its result, what has a place in the source."""

    value: Any
    shown: Mapping[str, Any]
    """The same as JSON; a required field that has no place is missing."""
    dropped: tuple[Dropped, ...] = ()


def hear(codec: StepCodec, member: Callable[..., Any], arguments: Sequence[Any], source: Source) -> Heard | str:
    """Returns what one member of a committee answers, or why it has no answer."""
    try:
        value = member(*arguments)
    except (MemoryError, RecursionError):
        raise
    except Exception as fault:
        return f"the function raised {type(fault).__name__}{line_of(fault)}: {fault}"
    if value is None:
        return "no branch applies"
    try:
        shown = codec.encode(value)
        return Heard(value, shown) if codec.keep is None else _placed(codec, codec.keep, value, shown, source)
    except Mismatch as wrong:
        return f"the function's result does not fit: {wrong}"


def _placed(codec: StepCodec, keep: Keep, value: Any, shown: Mapping[str, Any], source: Source) -> Heard:
    """Drops of a member's answer what has no place, before it can win a vote."""
    dropped: list[Dropped] = []
    kept = keep(value, source, dropped, "")
    if kept is value:
        return Heard(value, shown)
    lost = [
        field
        for field in codec.info.result.fields
        if any(not one.optional and is_of(one, field.name) for one in dropped)
    ]
    whole = replace(kept, **{field.identifier: getattr(value, field.identifier) for field in lost})
    names = {field.name for field in lost}
    answered = {name: each for name, each in codec.encode(whole).items() if name not in names}
    return Heard(kept, answered, tuple(dropped))


def is_of(dropped: Dropped, field: str) -> bool:
    """Tells whether a value was dropped in a field of a step's result: `lines[2].amount` in `lines`."""
    return dropped.path == field or dropped.path.startswith((f"{field}.", f"{field}["))
