"""What a workflow may ask of the outside, and how: every effect is one `await` on the context.

The context never does anything itself. It looks the effect up among the recorded ones; where it is missing
the coroutine is suspended with the requests it waits for, and whoever steps it (`runtime.stepper`) answers.
First run, replay, resume after a crash and resume after a person's decision are therefore the same thing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
EffectKind = Literal["bounded", "call", "review", "clock", "today", "id"]


@dataclass(frozen=True, slots=True)
class EffectRequest:
    """One effect that a run needs next. `payload` is JSON; its digest must agree on replay."""

    step: str
    kind: EffectKind
    item: int
    attempt: int
    payload: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, int, int]:
        return (self.step, self.kind, self.item, self.attempt)


class Context(Protocol):
    """The `ctx` of an artifact's `async def run(ctx, input)`.

    Failure policies (attempts, review, fallback) are declared per step in the artifact's `program.json`, and
    repeated in a comment beside each call; the context applies them.
    """

    def bounded(
        self,
        step: str,
        inputs: Mapping[str, object],
        returns: type[T],
        *,
        check: Callable[[T], Sequence[str]] | None = None,
        item: int = 0,
    ) -> Awaitable[T]:
        """One fenced model call; `check` returns what is wrong with a reply, in words (empty: nothing).

        After the declared attempts: the fallback, a review, or `StepFailed`.
        """
        ...

    def call(
        self,
        step: str,
        arguments: Mapping[str, object],
        returns: type[T],
        *,
        check: Callable[[T], Sequence[str]] | None = None,
        item: int = 0,
    ) -> Awaitable[T]:
        """One call of the module that the step declares; module `human` asks a person and waits, as `review` does."""
        ...

    def review(
        self,
        step: str,
        proposed: T,
        *,
        reason: str,
        check: Callable[[T], Sequence[str]] | None = None,
        item: int = 0,
    ) -> Awaitable[T]:
        """Waits for a person; returns the proposed result if approved, or the corrected one."""
        ...

    def result(
        self,
        step: str,
        function: Callable[[*Ts], T | None],
        *arguments: *Ts,
        check: Callable[[T], Sequence[str]] | None = None,
        item: int = 0,
        layout: object = None,
    ) -> Awaitable[T]:
        """Calls a rule's or a model-written function and returns its result, if it is valid.

        `layout` is a document whose layout must be one that the step was validated on: otherwise a person
        confirms the result, or all that may be missing is missing, as the specification says.

        It is not when the function returns `None` (no branch applies), raises `ValueError`, yields a value of
        the wrong type (checked for model-written functions only; rules are typed by construction), or
        `check` finds something: then the step's `on_failure` decides, as in `failed`.
        """
        ...

    def failed(
        self,
        step: str,
        proposed: T | None,
        returns: type[T],
        *,
        problems: Sequence[str],
        check: Callable[[T], Sequence[str]] | None = None,
        item: int = 0,
    ) -> Awaitable[T]:
        """Applies the step's `on_failure` (review, fallback, fail) to a rule or function that gave no valid result."""
        ...

    def each(self, requests: Sequence[Awaitable[T]]) -> Awaitable[tuple[T, ...]]:
        """Runs the items of a `for_each`; all their effects are asked for at once."""
        ...

    def today(self) -> Awaitable[date]: ...

    def now(self) -> Awaitable[datetime]: ...

    def new_id(self) -> Awaitable[str]: ...
