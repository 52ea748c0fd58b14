"""The one file format for model calls: `transcript.jsonl`, shared by recordings, exchanges and artifacts.

One JSON object a line. `{"kind": "system", "digest", "text"}` stores a system prompt once, however many calls
share it; `{"kind": "call", ...}` is an `Entry`. Under a pack that demands encryption a call is
`{"kind": "sealed", "text"}` instead, and nothing about it is in the clear.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from compiled_ai.canonical import canonical_json, digest, parse_json
from compiled_ai.errors import ConfigError, InputError, KeyMissing, NotFound
from compiled_ai.models.request import FinishReason, Reply, Request, Sealer
from compiled_ai.records import Origin, Record, Usage

FILE_NAME = "transcript.jsonl"


class Entry(Record):
    """One question and its answer."""

    key: str
    purpose: str
    sample: int = 0
    system: str
    """Digest of the system prompt."""
    prompt: str
    reply: str
    usage: Usage
    origin: Origin
    model: str
    finish_reason: FinishReason = "stop"
    milliseconds: float | None = None

    @classmethod
    def of(cls, request: Request, reply: Reply) -> Entry:
        return cls(
            key=request.key,
            purpose=request.purpose,
            sample=request.sample,
            system=request.system_digest,
            prompt=request.prompt,
            reply=reply.text,
            usage=reply.usage,
            origin=reply.origin,
            model=reply.model,
            finish_reason=reply.finish_reason,
            milliseconds=reply.milliseconds,
        )

    def as_reply(self) -> Reply:
        return Reply(
            text=self.reply,
            usage=self.usage,
            origin=self.origin,
            model=self.model,
            finish_reason=self.finish_reason,
            milliseconds=self.milliseconds,
        )


class Transcript:
    """Calls by key, in the order they were made. Thread-safe; holds one entry a key, the latest."""

    def __init__(self) -> None:
        self._systems: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._lock = Lock()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries.values())

    @property
    def systems(self) -> Mapping[str, str]:
        return dict(self._systems)

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    @classmethod
    def of(cls, calls: Iterable[tuple[Request, Reply]]) -> Transcript:
        """Returns the transcript of calls that were made."""
        transcript = cls()
        for request, reply in calls:
            transcript.add(request, reply)
        return transcript

    def add(self, request: Request, reply: Reply) -> bool:
        """Adds a call; returns False if the very same entry was there already."""
        entry = Entry.of(request, reply)
        with self._lock:
            self._systems[entry.system] = request.system
            if self._entries.get(entry.key) == entry:
                return False
            self._entries[entry.key] = entry
            return True

    def extend(self, other: Transcript) -> None:
        with self._lock:
            self._systems.update(other._systems)
            self._entries.update(other._entries)

    def to_jsonl(self, protect: Sealer | None = None) -> str:
        """Returns the file's text: system prompts first, then the calls in order."""
        with self._lock:
            used = {entry.system for entry in self._entries.values()}
            lines = [
                canonical_json({"kind": "system", "digest": key, "text": text})
                for key, text in sorted(self._systems.items())
                if key in used
            ]
            lines += [_call_line(entry, protect) for entry in self._entries.values()]
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def from_jsonl(cls, text: str, *, source: str, protect: Sealer | None = None) -> Transcript:
        """Reads what `to_jsonl` wrote; raises `ConfigError` naming file and line for anything else."""
        transcript = cls()
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                transcript._read_line(line, f"{source}:{number}", protect)
        missing = {entry.system for entry in transcript.entries} - set(transcript._systems)
        if missing:
            raise ConfigError(f"{source} lacks the system prompt {min(missing)[:12]!r}.", remedy="Record it again.")
        return transcript

    def _read_line(self, line: str, place: str, protect: Sealer | None) -> None:
        try:
            item = parse_json(line)
            kind = item["kind"]
            if kind == "system" and digest(item["text"]) == item["digest"]:
                self._systems[item["digest"]] = item["text"]
                return
            if kind == "sealed":
                item, kind = parse_json(_unseal(item["text"], place, protect)), "call"
            if kind != "call":
                raise ValueError(f"line of kind {kind!r}")
            entry = Entry.model_validate({key: value for key, value in item.items() if key != "kind"})
        except (InputError, ValidationError, KeyError, TypeError, ValueError) as fault:
            raise ConfigError(
                f"{place} is no line of a transcript ({type(fault).__name__}).",
                remedy="Restore the file, or record it again with --record.",
            ) from fault
        self._entries[entry.key] = entry


def _call_line(entry: Entry, protect: Sealer | None) -> str:
    plain = canonical_json({"kind": "call", **entry.model_dump(mode="json", exclude_none=True)})
    return plain if protect is None else canonical_json({"kind": "sealed", "text": protect.seal(plain)})


def _unseal(text: str, place: str, protect: Sealer | None) -> str:
    if protect is None:
        raise KeyMissing(
            f"{place} is encrypted and no key is at hand.", remedy="Set the key of the pack that encrypted it."
        )
    return protect.unseal(text)


def transcript_file(place: Path) -> Path:
    """Returns the file of a recording: the path itself, or `transcript.jsonl` in that folder."""
    return place if place.suffix == ".jsonl" else place / FILE_NAME


def read_transcript(place: Path, *, protect: Sealer | None = None) -> Transcript:
    """Reads a recording (a folder or a `.jsonl` file).

    Raises:
        NotFound: there is none.
        ConfigError: a line is not of this format.
        KeyMissing: it is encrypted and `protect` is not given.
    """
    file = transcript_file(place)
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"No recording at {str(file)!r}.",
            remedy=f"Make one with --model PROVIDER:NAME --record {place}.",
        ) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"Cannot read {str(file)!r}: {fault}.", remedy="Restore the file.") from fault
    return Transcript.from_jsonl(text, source=str(file), protect=protect)


def write_transcript(place: Path, transcript: Transcript, *, protect: Sealer | None = None) -> Path:
    """Merges a transcript into the recording at `place` under a lock, and replaces the file as a whole."""
    from filelock import FileLock

    file = transcript_file(place)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.stem}.lock")):
        merged = read_transcript(file, protect=protect) if file.exists() else Transcript()
        merged.extend(transcript)
        replace_file(file, merged.to_jsonl(protect), private=protect is not None)
    return file


def replace_file(file: Path, text: str, *, private: bool = False) -> None:
    """Writes a file so that a reader sees the old one or the new one, never half of it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(fresh, flags, 0o600 if private else 0o644), "w", encoding="utf-8", newline="") as out:
        out.write(text)
    os.replace(fresh, file)


def orphans(transcript: Transcript, used: Iterable[str]) -> tuple[Entry, ...]:
    """Returns the recorded entries whose keys nobody asked for: a recording that has rotted."""
    asked = set(used)
    return tuple(entry for entry in transcript.entries if entry.key not in asked)
