"""The process that reads one file: it limits itself, finds the format by the file's content, and answers with JSON."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import PurePath
from typing import Any

from compiled_ai.reading.archives import office_format
from compiled_ai.reading.pages import Format, ReadLimits, ReadPage, ReadText, Unreadable

_MEGABYTE = 1 << 20
_LARGEST_FILE = 256 * _MEGABYTE
"""Of what a reader may write: Tesseract goes through temporary files."""
_MODULES: dict[Format, str] = {
    "pdf": "pdf",
    "html": "hypertext",
    "docx": "word",
    "xlsx": "workbook",
    "image": "image",
    "text": "plain",
}
_IMAGES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"GIF8", b"BM")
_SUFFIXES: dict[str, Format] = {
    ".pdf": "pdf", ".html": "html", ".htm": "html", ".docx": "docx", ".xlsx": "xlsx", ".txt": "text",
    ".png": "image", ".jpg": "image", ".jpeg": "image", ".tif": "image", ".tiff": "image",
}  # fmt: skip
Read = Callable[[bytes, ReadLimits, str], tuple[str, list[ReadPage], list[str]]]
"""From content, limits and languages to what read it, pages, and warnings."""


def main() -> None:
    """Reads the job from standard input, answers on standard output."""
    job = json.loads(sys.stdin.read())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not be taken for the answer
    limits = ReadLimits(**job["limits"])
    _limit(limits)
    json.dump(_answered(job, limits), answers)
    answers.flush()
    os._exit(0)


def _limit(limits: ReadLimits) -> None:
    """Sets soft limits one below the hard ones, so that passing the time ends the process by a signal of its own."""
    try:
        import resource
    except ImportError:  # not on every system; the clock is watched from outside
        return
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_mb * _MEGABYTE),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most + 1))


def _answered(job: dict[str, Any], limits: ReadLimits) -> dict[str, Any]:
    name = job["name"]
    try:
        return asdict(_read(job, limits))
    except Unreadable as fault:
        return {"error": f"{name!r} {fault.message}", "remedy": fault.remedy, "missing": fault.missing}
    except MemoryError:
        said = f"{name!r} needs more than {limits.memory_mb} MB of memory to be read."
        return {"error": said, "remedy": "Split it, or raise memory_mb.", "missing": ""}
    except RecursionError:
        return {"error": f"{name!r} is nested too deeply.", "remedy": "The file may be damaged.", "missing": ""}
    except Exception as fault:  # readers of others fail on damaged files in every way there is
        said = f"{name!r} cannot be read: {type(fault).__name__}: {str(fault)[:200]}"
        return {"error": said, "remedy": "The file may be damaged; save it anew.", "missing": ""}


def _read(job: dict[str, Any], limits: ReadLimits) -> ReadText:
    content = _content(job, limits)
    suffix = PurePath(job["name"]).suffix.lower()
    kind = _format(content, suffix, limits)
    reader, pages, warnings = _reader(kind)(content, limits, job["languages"])
    if len(pages) > limits.max_pages:
        raise Unreadable(f"has {len(pages)} pages, more than {limits.max_pages}.", "Split it, or raise max_pages.")
    length = sum(len(page.text) for page in pages)
    if length > limits.max_characters:
        raise Unreadable(
            f"holds {length:,} characters, more than {limits.max_characters:,}.", "Split it, or raise max_characters."
        )
    if _SUFFIXES.get(suffix, kind) != kind:
        warnings.insert(0, f"it is called {suffix} and is {kind}")
    return ReadText(job["name"], kind, reader, tuple(pages), tuple(warnings))


def _content(job: dict[str, Any], limits: ReadLimits) -> bytes:
    """Reads the file that was looked at, and no other that has taken its name since."""
    with open(job["path"], "rb") as stream:
        facts = os.fstat(stream.fileno())
        if [facts.st_dev, facts.st_ino] != job["inode"] or facts.st_size > limits.max_bytes:
            raise Unreadable("has changed while it was read.", "Try again.")
        return stream.read(limits.max_bytes)


def _format(content: bytes, suffix: str, limits: ReadLimits) -> Format:
    head = content[:1024]
    if not content.strip():
        raise Unreadable("is empty.", "Give a document with text.")
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return office_format(content, limits)
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable(
            "is an old binary or an encrypted Office file.", "Save it as .docx or .xlsx without a password."
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix in (".html", ".htm", ".xhtml") or start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if suffix in _SUFFIXES and suffix != ".txt":
        raise Unreadable(f"is called {suffix}, but its content is not.", "It may be damaged or misnamed.")
    return "text"


def _reader(kind: Format) -> Read:
    try:
        read: Read = import_module(f"compiled_ai.reading.{_MODULES[kind]}").read
    except ImportError as fault:
        raise Unreadable(
            f"is {kind}, and {fault.name!r} is not installed.",
            "Install it: pip install compiled-ai[documents]",
            missing=fault.name or kind,
        ) from fault
    return read
