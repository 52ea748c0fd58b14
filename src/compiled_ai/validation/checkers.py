"""mypy, ruff and radon on an assembled module, each in its fast path and fenced by a canary at the end of the text."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import compiled_ai
from compiled_ai.errors import StageUnavailable
from compiled_ai.records import Finding
from compiled_ai.sandbox import run_tool

RUFF_RULES = (
    "E4", "E7", "E9", "F", "B", "PLE", "C4", "PIE794", "PIE796", "RUF006", "RUF012", "RUF100", "SIM1", "SIM2", "UP",
)  # fmt: skip
"""Faults, and what reads badly; nothing about layout."""
RUFF_IGNORED = (
    "B904", "B905", "B007", "B028", "SIM102", "SIM103", "SIM105", "SIM108", "SIM110",
    "SIM114", "SIM117", "SIM118", "UP007", "UP017", "UP032", "UP038", "UP042",
    "UP045", "C408", "C416", "C417", "C420", "E701", "E702", "E731", "E741",
)  # fmt: skip
"""Matters of taste: a second attempt of a model is not worth them."""
RUFF_SECONDS = 20.0
_lock = threading.Lock()
"""mypy in this process replaces the standard streams: one check at a time."""


def mypy(source: str, cache: Path | None) -> list[Finding]:
    """Checks a module with `mypy --strict` in this process.

    Args:
        source: the text of `workflow.py`.
        cache: folder for the warm cache; without it each check starts cold.
    """
    try:
        from mypy import api
    except ImportError as fault:
        raise StageUnavailable("'mypy' is not installed.", remedy="Install it: `pip install mypy`.") from fault
    canary = "_compiled_ai_canary: int = ''"
    with _lock, _mypy_home(cache) as base:
        target = base / "workflow.py"
        target.write_text(f"{source.rstrip()}\n\n\n{canary}\n", "utf-8")
        printed, failed, _ = api.run([*_mypy_options(base), str(target)])
    findings = [found for line in printed.splitlines() if (found := _mypy_finding(line))]
    last = len(source.rstrip().split("\n")) + 3
    if not any(finding.line == last for finding in findings):
        raise StageUnavailable(f"mypy did not see its canary: {(failed or printed).strip()[:200]!r}.")
    return [finding for finding in findings if finding.line != last]


@contextmanager
def _mypy_home(cache: Path | None) -> Iterator[Path]:
    """Lends a folder with a warm cache; each process that checks at the same time has its own.

    The module always has the same path, or mypy would take each candidate for another module.
    """
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="compiled-ai-") as folder:
            yield Path(folder)
        return
    for number in count():
        home = cache / "mypy" / str(number)
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / "lock")
        with suppress(Timeout):
            lock.acquire(blocking=False)
        if lock.is_locked:
            break
    try:
        yield home
    finally:
        lock.release()


def _mypy_options(base: Path) -> list[str]:
    package = Path(compiled_ai.__file__).resolve().parent.parent
    settings = base / "mypy.ini"
    path = "" if package.name == "site-packages" else f"mypy_path = {package}\n"
    text = (
        f"[mypy]\n{path}strict = True\nfollow_imports = silent\nignore_missing_imports = True\n\n"
        "[mypy-compiled_ai]\nfollow_imports = skip\n"
    )
    if not settings.is_file() or settings.read_text("utf-8") != text:
        settings.write_text(text, "utf-8")
    return [
        "--config-file", str(settings), "--cache-dir", str(base / "cache"), "--no-error-summary", "--no-color-output",
        "--show-column-numbers", "--show-error-codes", "--hide-error-context", "--no-pretty",
        "--python-executable", sys.executable,
    ]  # fmt: skip


_MYPY_LINE = re.compile(r"^.*?workflow\.py:(\d+)(?::(\d+))?: error: (.*?)(?:  \[([\w-]+)\])?$")


def _mypy_finding(line: str) -> Finding | None:
    found = _MYPY_LINE.match(line)
    if not found:
        return None
    return Finding(
        rule=f"mypy.{found[4] or 'error'}",
        message=found[3].rstrip(".") + ".",
        line=int(found[1]),
        column=int(found[2]) if found[2] else None,
        caught_by="mypy",
    )


def ruff(source: str) -> list[Finding]:
    """Checks a module with ruff and an explicit selection of rules."""
    program = _ruff()
    canary = "def _compiled_ai_canary():\n    return compiled_ai_canary_name"
    text = f"{source.rstrip()}\n\n\n{canary}\n"
    result = run_tool(
        [program, "check", "--isolated", "--no-cache", "--output-format", "json", "--target-version", "py311",
         "--select", ",".join(RUFF_RULES), "--ignore", ",".join(RUFF_IGNORED), "--ignore-noqa", "--line-length", "120",
         "--stdin-filename", "workflow.py", "-"],
        stdin=text,
        timeout_seconds=RUFF_SECONDS,
    )  # fmt: skip
    if result.timed_out or result.returncode not in (0, 1):
        raise StageUnavailable(f"ruff ended with code {result.returncode}.", remedy="Run `compiled-ai doctor`.")
    try:
        report = json.loads(result.stdout)
    except ValueError as fault:
        raise StageUnavailable("ruff printed no report.", remedy="Run `compiled-ai doctor`.") from fault
    last = len(text.rstrip().split("\n"))
    if not any(found["location"]["row"] == last for found in report):
        raise StageUnavailable("ruff did not see its canary.", remedy="Reinstall ruff.")
    return [_ruff_finding(found) for found in report if found["location"]["row"] < last - 1]


def _ruff() -> str:
    try:
        from ruff import find_ruff_bin  # type: ignore[import-untyped]
    except ImportError:
        try:
            from ruff.__main__ import find_ruff_bin  # type: ignore[import-untyped]
        except ImportError as fault:
            raise StageUnavailable("'ruff' is not installed.", remedy="Install it: `pip install ruff`.") from fault
    try:
        return str(find_ruff_bin())
    except FileNotFoundError as fault:
        raise StageUnavailable("The ruff program is missing.", remedy="Install it: `pip install ruff`.") from fault


def _ruff_finding(found: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=f"ruff.{found['code'] or 'syntax'}",
        message=str(found["message"]).rstrip(".") + ".",
        line=found["location"]["row"],
        column=found["location"]["column"],
        caught_by="ruff",
    )


MOST_COMPLEXITY = 10
GOOD_COMPLEXITY = 7
FEW_LINES = 20


def radon(source: str, most_lines: int) -> Iterator[Finding]:
    """Judges the size of one function: cyclomatic complexity, and lines that hold code."""
    try:
        from radon.complexity import cc_visit  # type: ignore[import-untyped]
    except ImportError as fault:
        raise StageUnavailable("'radon' is not installed.", remedy="Install it: `pip install radon`.") from fault
    blocks = [block for block in cc_visit(source) if block.lineno == 1]
    if not blocks:
        raise StageUnavailable("radon saw no function.")
    yield from _complexity(blocks[0])
    yield from _length(code_lines(source), most_lines)


def complexity(source: str) -> int:
    """Returns the cyclomatic complexity of the function that a text begins with, nested functions included."""
    from radon.complexity import cc_visit

    return int(cc_visit(source)[0].complexity)


def _complexity(block: Any) -> Iterator[Finding]:
    parts = [("It", block.complexity - sum(part.complexity for part in block.closures), block.lineno)]
    parts += [(f"Its inner function {part.name!r}", part.complexity, part.lineno) for part in block.closures]
    for who, value, line in parts:
        if value > MOST_COMPLEXITY:
            message = (
                f"{who} has a cyclomatic complexity of {value}, at most {MOST_COMPLEXITY} is allowed; "
                "move part of it into an inner function or a table."
            )
            yield Finding(rule="syntax.complexity", message=message, line=line, caught_by="radon")


def code_lines(source: str) -> int:
    """Returns how many lines hold code: no blank lines, comments or docstring."""
    import ast

    tree = ast.parse(source)
    documented = 0
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            documented += (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    lines = [line.strip() for line in source.splitlines()]
    return sum(1 for line in lines if line and not line.startswith("#")) - documented


def _length(lines: int, most_lines: int) -> Iterator[Finding]:
    if lines > most_lines:
        message = f"It has {lines} lines of code, at most {most_lines} are allowed; say it more briefly."
        yield Finding(rule="syntax.length", message=message, line=1, caught_by="radon")
