"""`exchange:DIR`: each request is a readable file, each reply comes from a file beside it.

For air-gapped sites, for a person or any other tool as the model, and for batch interfaces: the first pass writes
all requests, the second reads the replies.

`KEY-PURPOSE.request.md` holds the question; `KEY-PURPOSE.reply.md` its answer. An optional `KEY-PURPOSE.reply.json`
says `{"model": ..., "input_tokens": ..., "output_tokens": ..., "origin": "exchange" or "authored"}`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from compiled_ai.canonical import parse_json
from compiled_ai.errors import ConfigError, InputError, ModelFailed
from compiled_ai.models.budget import Budget
from compiled_ai.models.request import Reply, Request, Sealer, estimated_usage, waiting
from compiled_ai.models.transcript import (
    Entry,
    Transcript,
    read_transcript,
    replace_file,
    transcript_file,
    write_transcript,
)
from compiled_ai.records import Record, Usage

_MOST_BYTES = 4_000_000
"""A reply file larger than this is refused: no function is that long."""


class Sidecar(Record):
    """What is known about a reply that came by file."""

    model: str = "unknown"
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    origin: Literal["exchange", "authored"] = "exchange"


class ExchangeModel:
    """Replies come from files; consumed ones stay in the folder's own transcript, so that a second run replays."""

    def __init__(self, folder: Path, *, budget: Budget | None = None, protect: Sealer | None = None) -> None:
        self.name = f"exchange:{folder}"
        self._folder = folder
        self._budget = budget
        self._protect = protect
        kept = transcript_file(folder).exists()
        self._transcript = read_transcript(folder, protect=protect) if kept else Transcript()

    def ask(self, request: Request) -> Reply:
        files = ExchangeFiles.of(self._folder, request)
        reply = files.read_reply(request)
        if reply is None:
            entry = self._transcript.get(request.key) or self._taken_elsewhere(request)
            if entry is None:
                raise self._ask_by_file(request, files)
            reply = entry.as_reply()
        if self._budget is not None:
            self._budget.reserve(request, reply.model, reply.usage).settle(reply)
        self._keep(request, reply)
        if self._protect is not None:
            files.delete()
        return reply

    def _taken_elsewhere(self, request: Request) -> Entry | None:
        """Another process may have read the reply, kept it, and removed its file."""
        if transcript_file(self._folder).exists():
            self._transcript.extend(read_transcript(self._folder, protect=self._protect))
        return self._transcript.get(request.key)

    def _ask_by_file(self, request: Request, files: ExchangeFiles) -> Exception:
        if self._budget is not None:
            self._budget.reserve(request, "unknown", Usage(input_tokens=request.estimated_tokens)).settle(None)
        files.write_request(request, private=self._protect is not None)
        return waiting([{"request": str(files.request), "reply": str(files.reply)}])

    def _keep(self, request: Request, reply: Reply) -> None:
        if self._transcript.add(request, reply):
            write_transcript(self._folder, Transcript.of([(request, reply)]), protect=self._protect)


class ExchangeFiles(Record):
    """The files of one request."""

    request: Path
    reply: Path
    sidecar: Path

    @classmethod
    def of(cls, folder: Path, request: Request) -> ExchangeFiles:
        purpose = re.sub(r"[^A-Za-z0-9]+", "-", request.purpose).strip("-")[:60]
        stem = f"{request.key[:12]}-{purpose}" + (f"-{request.sample}" if request.sample else "")
        return cls(
            request=folder / f"{stem}.request.md",
            reply=folder / f"{stem}.reply.md",
            sidecar=folder / f"{stem}.reply.json",
        )

    def read_reply(self, request: Request) -> Reply | None:
        """Returns the reply, or None while its file is missing or empty."""
        text = _read(self.reply)
        if text is None or not text.strip():
            return None
        told = self._read_sidecar()
        usage = estimated_usage(request, text)
        if told.input_tokens is not None and told.output_tokens is not None:
            usage = Usage(
                input_tokens=told.input_tokens, output_tokens=told.output_tokens, requests=1, origin="measured"
            )
        return Reply(text=text, usage=usage, origin=told.origin, model=told.model)

    def _read_sidecar(self) -> Sidecar:
        text = _read(self.sidecar)
        if text is None:
            return Sidecar()
        try:
            return Sidecar.model_validate(parse_json(text))
        except (InputError, ValidationError) as fault:
            raise ConfigError(
                f"{str(self.sidecar)!r} does not fit: {_first_line(fault)}.",
                remedy="Allowed: model, input_tokens, output_tokens, origin (exchange or authored); or delete it.",
            ) from fault

    def write_request(self, request: Request, *, private: bool) -> None:
        self.request.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.request, _request_page(request, self.reply.name, self.sidecar.name), private=private)

    def delete(self) -> None:
        for file in (self.request, self.reply, self.sidecar):
            file.unlink(missing_ok=True)


def _request_page(request: Request, reply: str, sidecar: str) -> str:
    return (
        f"<!-- {request.purpose}, sample {request.sample}, request {request.key} -->\n\n"
        f"# System\n\n{request.system.rstrip()}\n\n# Prompt\n\n{request.prompt.rstrip()}\n\n"
        f"<!-- Put the reply, and nothing else, into {reply} beside this file.\n"
        f"     Optional {sidecar}: "
        '{"model": "NAME", "input_tokens": N, "output_tokens": N} -->\n'
    )


def _read(file: Path) -> str | None:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ModelFailed(f"{str(file)!r} is larger than {_MOST_BYTES} bytes.", remedy="Put the reply alone there.")
        return file.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"Cannot read {str(file)!r}: {fault}.", remedy="Save it as UTF-8 text.") from fault


def _first_line(fault: Any) -> str:
    if isinstance(fault, ValidationError):
        first = fault.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(fault).split("\n")[0].rstrip(".")
