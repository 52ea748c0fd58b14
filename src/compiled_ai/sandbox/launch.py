"""How the warm process is started: under bubblewrap where that works, as a bare subprocess elsewhere."""

from __future__ import annotations

import functools
import os
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import compiled_ai
from compiled_ai.errors import SandboxFailed
from compiled_ai.sandbox import seccomp
from compiled_ai.sandbox.tools import die_with_parent, run_tool

Level = Literal["bubblewrap", "process"]
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
REMEDY = (
    "Install bubblewrap and allow unprivileged user namespaces, or leave out --require-sandbox. "
    "`compiled-ai doctor` shows what is missing."
)


@functools.cache
def sandbox_level() -> Level:
    """Returns what this machine can do; tries it once."""
    return "process" if why_no_bubblewrap() else "bubblewrap"


@functools.cache
def why_no_bubblewrap() -> str:
    """Returns why bubblewrap cannot be used, in words; empty if it can."""
    if not sys.platform.startswith("linux"):
        return f"bubblewrap needs Linux, this is {sys.platform}"
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    if not seccomp.available():
        return "there is no system-call filter for this processor"
    try:
        tried = run_tool([*_bubblewrap(), *_python(), "-c", "print('works')"], timeout_seconds=20)
    except SandboxFailed as fault:
        return fault.message
    if tried.stdout.strip() != "works":
        return f"bwrap does not work here: {(tried.stderr.strip().splitlines() or ['no message'])[-1]}"
    return ""


def start(level: Level, control: socket.socket, *, hash_seed: int, preload: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the warm process with its end of the control socket."""
    code = (
        f"import sys; sys.path[:] = {_search_path()!r}; "
        f"from compiled_ai.sandbox.worker import main; main({control.fileno()}, {list(preload)!r})"
    )
    wrapper = _bubblewrap(hash_seed) if level == "bubblewrap" else []
    return _starter(os.getpid()).submit(_spawn, [*wrapper, *_python(), "-c", code], control, hash_seed).result()


@functools.cache
def _starter(_: int) -> ThreadPoolExecutor:
    """One thread per process that starts all sandboxes and never ends before it.

    The kernel kills a process "when its parent dies", and means the thread that made it.
    """
    return ThreadPoolExecutor(1, thread_name_prefix="sandbox")


def _spawn(argv: Sequence[str], control: socket.socket, hash_seed: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[control.fileno()],
            env=_environment(hash_seed),
            cwd="/",
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    except OSError as fault:
        raise SandboxFailed(f"The sandbox cannot be started: {fault}.", remedy=REMEDY) from fault


def _environment(hash_seed: int = 0) -> dict[str, str]:
    return {"PYTHONHASHSEED": str(hash_seed), "PYTHONUTF8": "1", "TZ": "UTC0", "LC_ALL": "C"}


def _python() -> list[str]:
    return [os.path.realpath(sys.executable), "-s", "-S", "-P", "-B"]


@functools.cache
def _package_folder() -> str:
    return str(Path(compiled_ai.__file__).resolve().parent)


@functools.cache
def _search_path() -> list[str]:
    """Where the inside finds Python's library, installed packages and ours, and nothing else."""
    paths = sysconfig.get_paths()
    standard = paths["stdlib"]
    dynamic = next((path for path in sys.path if path.endswith("lib-dynload")), f"{standard}/lib-dynload")
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    wanted = [str(Path(_package_folder()).parent), standard, dynamic, *packages, paths["purelib"], *site_folders()]
    return [path for path in dict.fromkeys(wanted) if os.path.isdir(path)]


def site_folders() -> list[str]:
    return [path for path in site.getsitepackages() if path.startswith(sys.prefix)]


@functools.cache
def _mounts() -> tuple[str, ...]:
    package, *others = _search_path()
    folders = [path for path in _LIBRARIES if os.path.isdir(path)]
    base = Path(sys.base_prefix) / "lib"
    wanted = [*folders, str(base), *others, _package_folder()]
    executable = os.path.realpath(sys.executable)
    arguments = [word for path in dict.fromkeys(wanted) if os.path.isdir(path) for word in ("--ro-bind", path, path)]
    return (*arguments, "--ro-bind", executable, executable)


def _bubblewrap(hash_seed: int = 0) -> list[str]:
    """No network, no processes but its own, no home, no shell, nothing writable, nobody's user id."""
    variables = [word for name, value in _environment(hash_seed).items() for word in ("--setenv", name, value)]
    isolation = "--unshare-all --unshare-user --die-with-parent --new-session --uid 65534 --gid 65534 --cap-drop ALL"
    return [
        "bwrap" if shutil.which("bwrap") is None else str(shutil.which("bwrap")),
        *isolation.split(),
        *("--hostname", "sandbox", "--clearenv", *variables, *_mounts(), "--chdir", "/", "--remount-ro", "/"),
    ]
