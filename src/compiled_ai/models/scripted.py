"""A test double that ships: replies from a list or a function, as a recording or a provider would give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiled_ai.errors import ModelFailed
from compiled_ai.models.request import FinishReason, Reply, Request, estimated_usage


class ScriptedModel:
    """Answers from `replies`, in order, or by calling it; `requests` lists what was asked.

    A reply may be a text, or an exception to raise.
    """

    def __init__(
        self,
        replies: Sequence[str | Exception] | Callable[[Request], str],
        *,
        name: str = "scripted",
        finish_reason: FinishReason = "stop",
    ) -> None:
        self.name = name
        self.requests: list[Request] = []
        self._replies = replies
        self._finish_reason = finish_reason

    def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        text = self._replies(request) if callable(self._replies) else self._next()
        return Reply(
            text=text,
            usage=estimated_usage(request, text),
            origin="scripted",
            model=self.name,
            finish_reason=self._finish_reason,
        )

    def _next(self) -> str:
        assert not callable(self._replies)
        position = len(self.requests) - 1
        if position >= len(self._replies):
            raise ModelFailed(f"The script has {len(self._replies)} replies and was asked once more.")
        reply = self._replies[position]
        if isinstance(reply, Exception):
            raise reply
        return reply
