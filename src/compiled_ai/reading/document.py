"""Opens one file under a root and has it read in a process of its own."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compiled_ai.errors import ConfigError, InputError, NotFound
from compiled_ai.reading.pages import ReadLimits, ReadText

_CLOCK = 3
"""Times the processor seconds: how long reading may take on a machine that does other things too."""
_OUT_OF_TIME = -24
"""How a process ends by SIGXCPU: it has used its processor time."""


def read_document(
    path: str | Path, *, root: str | Path | None = None, limits: ReadLimits | None = None, languages: str = "eng"
) -> ReadText:
    """Reads a file as an artifact will see it.

    Args:
        path: the file; below `root` if that is given (then a relative path is relative to it).
        root: a folder that the file must lie in, after all symbolic links are followed.
        limits: sizes, memory and time.
        languages: for images, the languages of Tesseract, such as `eng+deu`.

    Raises:
        NotFound: there is no such file.
        InputError: it lies outside the root, is no regular file, too large, damaged, encrypted, or of no known format.
        ConfigError: a reader is not installed.
    """
    allowed = limits or ReadLimits()
    found, facts = _opened(Path(path), root, allowed)
    job = {
        "path": str(found),
        "name": found.name,
        "inode": [facts.st_dev, facts.st_ino],
        "limits": asdict(allowed),
        "languages": languages,
    }
    return _read_apart(job, found.name, allowed)


def _opened(path: Path, root: str | Path | None, limits: ReadLimits) -> tuple[Path, os.stat_result]:
    """Returns the real path of a file that may be read, and what the system says of it."""
    base = Path(root).resolve() if root is not None else None
    try:
        found = (base / path if base is not None else path).resolve(strict=True)
        facts = found.stat()
    except (OSError, RuntimeError, ValueError) as fault:
        raise NotFound(f"There is no file {str(path)!r} to read.", remedy="Give the path of a document.") from fault
    if base is not None and not found.is_relative_to(base):
        raise InputError(f"{str(path)!r} lies outside {str(root)!r}.", remedy="Copy it there, or name another root.")
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(f"{str(path)!r} is no regular file.", remedy="Name a document.")
    if facts.st_size > limits.max_bytes:
        raise InputError(
            f"{found.name!r} has {facts.st_size:,} bytes, more than {limits.max_bytes:,}.",
            remedy="Split it, or raise max_bytes.",
        )
    return found, facts


def _read_apart(job: dict[str, Any], name: str, limits: ReadLimits) -> ReadText:
    from compiled_ai.sandbox import run_tool, tool_environment

    code = f"import sys; sys.path[:] = {sys.path!r}; from compiled_ai.reading.worker import main; main()"
    done = run_tool(
        [sys.executable, "-s", "-S", "-P", "-B", "-c", code],
        stdin=json.dumps(job),
        timeout_seconds=_CLOCK * limits.seconds,
        env=tool_environment() | {"OMP_THREAD_LIMIT": "1"},
    )
    if done.timed_out or done.returncode == _OUT_OF_TIME:
        raise InputError(f"{name!r} was not read within {limits.seconds} s.", remedy="Split it, or raise the limit.")
    if done.truncated:
        raise InputError(f"{name!r} holds more text than can be read.", remedy="Split it.")
    answer = _answer(done.stdout)
    if answer is None:
        raise InputError(
            f"{name!r} cannot be read: its reader ended with code {done.returncode}.", remedy="The file may be damaged."
        )
    return _told(answer)


def _answer(printed: str) -> Any:
    try:
        return json.loads(printed)
    except ValueError:
        return None


def _told(answer: dict[str, Any]) -> ReadText:
    from pydantic import TypeAdapter

    if "error" not in answer:
        return TypeAdapter(ReadText).validate_python(answer)
    kind = ConfigError if answer["missing"] else InputError
    raise kind(answer["error"], remedy=answer["remedy"])
