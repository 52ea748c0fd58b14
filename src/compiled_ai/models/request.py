"""What is asked of a language model, what comes back, and the one method that every model has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Protocol

from pydantic import Field

from compiled_ai.canonical import digest, digest_json
from compiled_ai.errors import Waiting
from compiled_ai.models.tokens import estimate_tokens
from compiled_ai.records import Origin, Record, Usage

FinishReason = Literal["stop", "length", "content_filter", "error", "unknown"]


class Request(Record):
    """One plain question: text in, text out, no tools."""

    system: str
    prompt: str
    purpose: str
    """`generate:STEP` or `bounded:STEP`."""
    sample: int = Field(default=0, ge=0)
    """Which of several replies to the same question: candidates and attempts count it up."""
    max_tokens: int = Field(default=4096, gt=0)
    timeout_seconds: float = Field(default=180, gt=0)
    command: str = ""
    """The command that asks this, without its model options (`compile invoice.yaml`), for the message
    that a recording is missing."""

    @cached_property
    def key(self) -> str:
        """Digest of what decides the reply: system, prompt, purpose and sample; limits and commands do not."""
        return digest_json(
            {"system": self.system, "prompt": self.prompt, "purpose": self.purpose, "sample": self.sample}
        )

    @cached_property
    def system_digest(self) -> str:
        return digest(self.system)

    @cached_property
    def estimated_tokens(self) -> int:
        return estimate_tokens(self.system) + estimate_tokens(self.prompt)


class Reply(Record):
    """What a model answered, and where the answer came from."""

    text: str
    usage: Usage
    origin: Origin
    model: str
    """`provider:name` as served; for an exchange what its sidecar says, else `unknown`."""
    finish_reason: FinishReason = "stop"
    milliseconds: float | None = None
    """Time until the reply was complete, retries included; None where nobody waited."""

    @property
    def truncated(self) -> bool:
        """True if the token limit or a filter cut the reply off: count it as a failed attempt, never use it."""
        return self.finish_reason in ("length", "content_filter", "error")


class Model(Protocol):
    """Anything that answers a `Request`: live, recorded, exchange, scripted."""

    @property
    def name(self) -> str:
        """The name it was opened by."""
        ...

    def ask(self, request: Request) -> Reply:
        """Returns the reply.

        Raises:
            ModelFailed: the provider refused, broke off, or answered nonsense, after retries.
            BudgetExceeded: the call would pass a stated limit; it was not made.
            NotFound: a recording has no such reply.
            Waiting: an exchange has no reply yet; the request file is written.
        """
        ...


class Sealer(Protocol):
    """Encryption at rest, passed in by whoever has the key; `unseal(seal(text)) == text`."""

    def seal(self, text: str) -> str: ...

    def unseal(self, text: str) -> str: ...


def estimated_usage(request: Request, text: str) -> Usage:
    return Usage(
        input_tokens=request.estimated_tokens, output_tokens=estimate_tokens(text), requests=1, origin="estimated"
    )


def ask_all(model: Model, requests: Sequence[Request]) -> tuple[Reply, ...]:
    """Asks every request before it waits for any: raises one `Waiting` that lists all that is missing."""
    replies: list[Reply] = []
    waits: list[Waiting] = []
    for request in requests:
        try:
            replies.append(model.ask(request))
        except Waiting as wait:
            waits.append(wait)
    if waits:
        raise merged(waits)
    return tuple(replies)


def merged(waits: Sequence[Waiting]) -> Waiting:
    """Returns one `Waiting` for several; `details` lists each awaited reply once."""
    awaited: list[dict[str, str]] = []
    for wait in waits:
        awaited.extend(item for item in wait.details if item not in awaited)
    return waiting(awaited)


_MOST_LISTED = 30


def waiting(awaited: Sequence[dict[str, str]]) -> Waiting:
    listed = "".join(f"\n  {item['reply']}" for item in awaited[:_MOST_LISTED])
    if len(awaited) > _MOST_LISTED:
        listed += f"\n  and {len(awaited) - _MOST_LISTED} more"
    count = "1 reply is" if len(awaited) == 1 else f"{len(awaited)} replies are"
    return Waiting(
        f"{count} awaited.",
        remedy=f"Answer the .request.md beside each of these, then run the same command again:{listed}",
        details=list(awaited),
    )
