"""Recordings: `recorded:DIR` replays one, `RecordingModel` makes one."""

from __future__ import annotations

import shlex
from pathlib import Path

from compiled_ai.errors import NotFound
from compiled_ai.models.budget import Budget
from compiled_ai.models.request import Model, Reply, Request, Sealer
from compiled_ai.models.transcript import (
    Entry,
    Transcript,
    orphans,
    read_transcript,
    write_transcript,
)


class RecordedModel:
    """Replays a recording by request key. Tokens count against a budget as they did when they were recorded."""

    def __init__(self, place: Path, *, budget: Budget | None = None, protect: Sealer | None = None) -> None:
        self.name = f"recorded:{place}"
        self._place = place
        self._budget = budget
        self._transcript = read_transcript(place, protect=protect)
        self._used: set[str] = set()

    def ask(self, request: Request) -> Reply:
        entry = self._transcript.get(request.key)
        if entry is None:
            raise self._missing(request)
        reply = entry.as_reply()
        if self._budget is not None:
            self._budget.reserve(request, entry.model, entry.usage).settle(reply)
        self._used.add(entry.key)
        return reply

    @property
    def transcript(self) -> Transcript:
        return self._transcript

    @property
    def unused(self) -> tuple[Entry, ...]:
        """The recorded entries that nobody has asked for so far."""
        return orphans(self._transcript, self._used)

    def _missing(self, request: Request) -> NotFound:
        near = [e for e in self._transcript.entries if (e.purpose, e.sample) == (request.purpose, request.sample)]
        changed = f" {_difference(near[-1], request)}" if near else ""
        return NotFound(
            f"No reply to {request.purpose!r} (sample {request.sample}, request {request.key[:12]}) in "
            f"{str(self._place)!r}.{changed}",
            remedy=self._remedy(request),
            details={"key": request.key, "purpose": request.purpose, "sample": request.sample},
        )

    def _remedy(self, request: Request) -> str:
        """The exact command that makes this recording anew, with the model that made it."""
        live = [entry.model for entry in self._transcript.entries if entry.origin == "live"]
        model = live[-1] if live else f"exchange:{self._place / 'exchange'}"
        options = f"--model {shlex.quote(model)} --record {shlex.quote(str(self._place))}"
        if not request.command:
            return f"Record it again: the same command with {options}"
        return f"Record it again: compiled-ai {request.command} {options}"


def _difference(entry: Entry, request: Request) -> str:
    if entry.system != request.system_digest:
        return "The system prompt has changed since."
    pairs = zip(entry.prompt.split("\n"), request.prompt.split("\n"), strict=False)
    same = next((number for number, (old, new) in enumerate(pairs, start=1) if old != new), None)
    return (
        f"The prompt has changed since, from its line {same} on." if same else "The prompt's length has changed since."
    )


class RecordingModel:
    """Passes requests on to another model and keeps every reply in `transcript`; with `place`, on disk at once."""

    def __init__(self, inner: Model, place: Path | None = None, *, protect: Sealer | None = None) -> None:
        self._inner = inner
        self._place = place
        self._protect = protect
        self.transcript = Transcript()

    @property
    def name(self) -> str:
        return self._inner.name

    def ask(self, request: Request) -> Reply:
        reply = self._inner.ask(request)
        if self.transcript.add(request, reply) and self._place is not None:
            write_transcript(self._place, Transcript.of([(request, reply)]), protect=self._protect)
        return reply
