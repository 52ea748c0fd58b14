"""Running a tool that we trust on text that we do not: linters, type checkers, scanners."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compiled_ai.errors import SandboxFailed

_OUTPUT_LIMIT = 64 * 1024 * 1024
_KEPT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class ToolResult:
    returncode: int
    """Negative: the number of the signal that ended it."""
    stdout: str
    stderr: str
    timed_out: bool
    truncated: bool = False
    """More than 64 MiB came out; the tool was ended there."""


def run_tool(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout_seconds: float,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
) -> ToolResult:
    """Runs a program and waits for it; at the time limit its whole process group is killed.

    It sees `env`, or only `PATH`, `HOME` and `TMPDIR` with a UTF-8 locale: never a key of ours. It dies with
    this process. Raises `SandboxFailed` if the program cannot be started.
    """
    process = _start(argv, stdin=stdin, cwd=cwd, env=tool_environment() if env is None else env)
    try:
        outputs, verdict = _drain(process, (stdin or "").encode(), time.monotonic() + timeout_seconds)
    finally:
        _end_group(process)
    return ToolResult(
        returncode=process.returncode,
        stdout=outputs[0].decode("utf-8", "replace"),
        stderr=outputs[1].decode("utf-8", "replace"),
        timed_out=verdict == "timed_out",
        truncated=verdict == "truncated",
    )


def tool_environment() -> dict[str, str]:
    """Returns what a tool may see of our environment."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}


def _start(
    argv: Sequence[str], *, stdin: str | None, cwd: Path | str | None, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    except OSError as fault:
        raise SandboxFailed(
            f"{argv[0]!r} cannot be started: {fault.strerror}.", remedy="Install it, or see `compiled-ai doctor`."
        ) from fault


def die_with_parent() -> Callable[[], None] | None:
    """Returns what a new process must do first so that the kernel kills it when its parent ends (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def first() -> None:
        prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return first


def _drain(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> tuple[list[bytearray], str]:
    outputs = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for index, stream in enumerate((process.stdout, process.stderr)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, (stream, outputs[index]))
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, (process.stdin, None))
        rest = memoryview(data)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                return outputs, "timed_out"
            for key, _ in ready:
                pipe, output = key.data
                if output is None:
                    rest = _feed(key.fd, rest)
                if not rest if output is None else not _take(key.fd, output):
                    selector.unregister(pipe)
                    pipe.close()
            if sum(map(len, outputs)) > _OUTPUT_LIMIT:
                return outputs, "truncated"
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return outputs, "timed_out"
    return outputs, "done"


def _feed(descriptor: int, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(descriptor, rest[:65536]) :] if rest else rest
    except BrokenPipeError:
        return memoryview(b"")


def _take(descriptor: int, output: bytearray) -> bool:
    part = os.read(descriptor, 65536)
    output += part
    return bool(part)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
