"""What a run knows of a step: what `program.json` says of it, its converters, and what is said beside its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compiled_ai.library.committee import Rules, Vote
from compiled_ai.library.evidence import Keep
from compiled_ai.library.fingerprints import Layouts
from compiled_ai.library.types import Convert, FieldType

OnFailure = Literal["review", "fail", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """What `program.json` says of one step."""

    name: str
    kind: Literal["rule", "function", "bounded", "call"]
    result: FieldType
    class_name: str
    for_each: bool = False
    on_failure: OnFailure = "fail"
    fallback: Any = None
    """JSON of the result that stands in, when `on_failure` is `fallback`."""
    line: int = 0
    """Line of the step in the specification."""
    packs: tuple[str, ...] = ()
    """Compliance packs that chose `on_failure`, or the like."""
    prompt: str = ""
    model: str | None = None
    attempts: int = 1
    max_tokens: int = 1024
    timeout_seconds: int = 60
    module: str | None = None
    settings: Mapping[str, Any] | None = None
    allow: Mapping[str, Any] | None = None
    """What the specification allows the connection of a call."""
    arguments: Mapping[str, Any] | None = None
    """Arguments of a call by name: `{"source", "type"}`."""
    provider: Mapping[str, str] | None = None
    """The installed package that brings the module of a call: `{"package", "digest"}`; none for one that ships."""
    on_none: OnFailure = "fail"
    on_many: OnFailure = "fail"
    evidence: bool = False
    """The function reads a document: of its result only what has a place there is kept."""
    committee: Rules | None = None
    """How the functions of a step that has several decide together."""
    layouts: Layouts | None = None
    """The layouts that the step was validated on, where others are not accepted."""
    unfamiliar: Literal["abstain", "review"] = "abstain"


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is said beside a step's result: the votes of its functions, or why its document is not familiar."""

    step: str
    item: int
    votes: tuple[Vote, ...] = ()
    unfound: tuple[str, ...] = ()
    """Fields that stay null since no function gives them a value, and none was dropped for want of a place."""
    unread: tuple[str, ...] = ()
    """Fields that stay null since the layout is unfamiliar."""
    unfamiliar: str = ""
    """Why it is."""

    @property
    def abstained(self) -> tuple[tuple[str, str], ...]:
        """Each field on which the step abstains, with the reason."""
        voted = tuple((vote.field, vote.reason) for vote in self.votes if vote.abstains or vote.field in self.unfound)
        return (*voted, *((field, self.unfamiliar) for field in self.unread))


@dataclass(frozen=True, slots=True)
class StoodIn:
    """A fallback that stood in for the result of a step, and why."""

    step: str
    item: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepCodec:
    """A step with the converters of its result, made once per program."""

    info: StepInfo
    decode: Convert
    encode: Convert
    keep: Keep | None = None
    """Keeps of the result what has a place in the source (see `library.evidence`)."""
