"""What a run has of its effects: each with its one result, as it was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from compiled_ai.library.context import EffectKind, EffectRequest

EffectKey = tuple[str, str, int, int]
"""Step, kind, item, attempt."""


class EffectLike(Protocol):
    """What a recorded effect looks like: `Recorded` here, `records.Effect` in the store."""

    @property
    def step(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def item(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def key(self) -> EffectKey: ...
    @property
    def state(self) -> str: ...
    @property
    def request(self) -> Any: ...
    @property
    def result(self) -> Any: ...
    @property
    def error(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """The one result of an effect, inside a run (`records.Effect` is its form in files and stores)."""

    step: str
    kind: EffectKind
    item: int = 0
    attempt: int = 0
    state: Literal["intended", "succeeded", "failed", "in_doubt"] = "succeeded"
    request: Any = None
    result: Any = None
    error: str | None = None
    origin: str | None = None
    usage: Any = None
    """`records.Usage` of a model call."""
    milliseconds: float | None = None

    @property
    def key(self) -> EffectKey:
        return (self.step, self.kind, self.item, self.attempt)


def answer(request: EffectRequest, result: Any, *, origin: str | None = None) -> Recorded:
    """Records the result of a request that succeeded."""
    return Recorded(
        request.step,
        request.kind,
        request.item,
        request.attempt,
        request=request.payload,
        result=result,
        origin=origin,
    )
