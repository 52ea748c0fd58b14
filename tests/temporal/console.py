"""Runs the console blocks of a page of the documentation, in order, as one shell session."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SCRIPT = """\
. "$SESSION" 2>/dev/null
{command}
code=$?
export -p > "$SESSION"
exit $code
"""


@dataclass(frozen=True)
class Command:
    text: str
    expected: tuple[str, ...]
    code: int


def commands(page: Path) -> Iterator[Command]:
    """Each command, the lines that must occur in what it prints, and its exit code."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *expected = part.strip("\n").split("\n")
            code = 0
            if expected and (ended := re.fullmatch(r"\[exit (\d+)\]", expected[-1])):
                code = int(ended[1])
                expected.pop()
            yield Command(command, tuple(expected), code)


def play(page: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Runs a page in a folder in which `examples` and `deploy` lie; asserts what each command prints."""
    for name in ("examples", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    script = folder / "bin" / "compiled-ai"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from compiled_ai.cli import main; main()" "$@"\n')
    script.chmod(0o755)
    session = folder / "session.sh"
    around = {**environment, "PATH": f"{script.parent}:{environment['PATH']}", "SESSION": str(session)}
    started: set[int] = set()
    try:
        for command in commands(page):
            _run(command, folder, around)
            started |= {int(pid) for pid in re.findall(r'WORKER="(\d+)"', session.read_text("utf-8"))}
    finally:
        for pid in started:
            _end(pid)


def _run(command: Command, folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", _SCRIPT.format(command=command.text)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=dict(environment),
        timeout=180,
    )
    said = done.stdout + done.stderr
    assert done.returncode == command.code, f"{command.text}\n{said}"
    for line in command.expected:
        assert line.strip() in said, f"{command.text}\ndoes not print {line!r} but\n{said}"


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
