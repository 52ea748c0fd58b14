"""The inside of the sandbox: a warm process that preloads libraries and forks a child for each job.

It is started by `sandbox.box` as `python -c "... main(...)"` with a control socket. Each control message carries a
job's limits and two sockets: `job`, over which host and child talk, and `status`, over which this process says how the
child ended. The warm process never reads a job; a child never sees the control socket. When the host goes away,
the control socket ends, and so does everything here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import compiled_ai.library
from compiled_ai.sandbox import seccomp
from compiled_ai.sandbox.frames import frame, write_all
from compiled_ai.sandbox.variants import apply_variant

PRELOADED = (
    "_strptime",
    "bisect",
    "calendar",
    "collections.abc",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "encodings.ascii",
    "encodings.charmap",
    "encodings.cp1252",
    "encodings.cp437",
    "encodings.idna",
    "encodings.iso8859_15",
    "encodings.latin_1",
    "encodings.punycode",
    "encodings.raw_unicode_escape",
    "encodings.unicode_escape",
    "encodings.utf_16",
    "encodings.utf_32",
    "encodings.utf_8_sig",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "locale",
    "math",
    "numbers",
    "operator",
    "re",
    "statistics",
    "string",
    "textwrap",
    "time",
    "typing",
    "unicodedata",
    "zoneinfo",
    "zoneinfo._common",
    "compiled_ai.canonical",
    "compiled_ai.sandbox.calls",
    "compiled_ai.runtime.calls.database",
    "compiled_ai.runtime.calls.files",
    "compiled_ai.runtime.calls.http",
    "compiled_ai.runtime.calls.notify",
    "rapidfuzz.distance.Levenshtein",
    "rapidfuzz.fuzz",
    "rapidfuzz.process",
)
"""`datetime.strptime` imports `_strptime` on first use, and text codecs arrive as late: a child cannot open files."""


class Warm:
    """The warm process: control socket in, children out."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def serve(self) -> None:
        """Forks until the host is gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    if not self._fork():
                        return self._end()
                elif key.fileobj == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                elif key.data in self._children:
                    os.kill(key.data, signal.SIGKILL)  # the host gave this job up
                    self._selector.unregister(key.fileobj)
            self._reap()

    def _fork(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 2)
        if not data:
            return False
        job, status = descriptors
        warm = os.getpid()
        pid = os.fork()
        if pid == 0:
            _child(json.loads(data), job, warm)
        os.close(job)
        self._children[pid] = socket.socket(fileno=status)
        self._selector.register(self._children[pid], selectors.EVENT_READ, pid)
        return True

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._report(self._children.pop(pid), os.waitstatus_to_exitcode(status), usage)

    def _report(self, status: socket.socket, code: int, usage: resource.struct_rusage) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(status)
        with contextlib.suppress(OSError):
            status.send(json.dumps({"exit": code, "cpu": usage.ru_utime + usage.ru_stime}).encode())
        status.close()

    def _end(self) -> None:
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main(control: int, preload: list[str]) -> None:
    """Preloads, says `ready`, and serves."""
    library = (f"compiled_ai.library.{module.name}" for module in pkgutil.iter_modules(compiled_ai.library.__path__))
    for name in (*PRELOADED, *library, *preload):
        with contextlib.suppress(ImportError):  # what is not there is missed by the code that asks for it
            _load(name)
    channel = socket.socket(fileno=control)
    channel.send(b"ready")
    gc.collect()
    gc.freeze()
    Warm(channel).serve()
    os._exit(0)


def _load(name: str) -> None:
    """Imports `package.module`, and calls what stands behind a colon: `phonenumbers:PhoneMetadata.load_all`."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    if path:
        for part in path.split("."):
            found = getattr(found, part)
        found()


def _child(options: Mapping[str, Any], job: int, warm: int) -> None:
    """Never returns. Gives everything up, and only then reads what it is to run."""
    try:
        _confine(options, job, warm)
        _answer('[-3,"confined"]', options["output_bytes"])
        _work(options["output_bytes"])
    except BaseException:  # whatever happens, the child must not come back into the warm process
        os._exit(3)
    os._exit(0)


def _confine(options: Mapping[str, Any], job: int, warm: int) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    apply_variant(options["variant"])
    os.dup2(job, seccomp.JOB)
    os.closerange(seccomp.JOB + 1, 4096)
    _limit(options)
    if options["unprivileged"] and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    _die_with(warm)
    if seccomp.available():
        seccomp.install()


def _die_with(parent: int) -> None:
    """Asks the kernel to kill this process with its parent (a change of user would take that back)."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(3)


def _limit(options: Mapping[str, Any]) -> None:
    memory = options["memory_mb"] * 1024 * 1024
    cpu = max(1, round(options["cpu_seconds"]))
    limits = {
        "RLIMIT_CPU": (cpu, cpu + 1),
        "RLIMIT_AS": (memory + 512 * 1024 * 1024,) * 2,
        "RLIMIT_DATA": (memory + 64 * 1024 * 1024,) * 2,
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NPROC": (0, 0),
        "RLIMIT_NOFILE": (8, 8),
    }
    for name, limit in limits.items():
        if hasattr(resource, name):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, name), limit)


def _work(output_bytes: int) -> None:
    """Reads the job, then one input after the other; answers each at once, so that an end loses only its own."""
    frames = _frames()
    job = json.loads(next(frames), parse_float=Decimal)
    runner = sys.modules[job["runner"]].prepare(job)
    _answer(json.dumps([-1, *runner.ready]), output_bytes)
    if runner.ready[0] != "ready":
        return
    for index, request in enumerate(frames):
        _answer(runner.answer(index, request), output_bytes)
    _answer(json.dumps([-2, "end", runner.measures()]), output_bytes)


def _answer(text: str, output_bytes: int) -> None:
    data = frame(text)
    if len(data) > output_bytes:
        index = text[1 : text.index(",")]
        data = frame(f'[{index},"limit","output"]')
    write_all(seccomp.JOB, data)


def _frames() -> Any:
    """Yields the requests of the host (trusted) until an empty one."""
    held = bytearray()
    while True:
        while len(held) < 4 or len(held) < 4 + int.from_bytes(held[:4], "big"):
            part = os.read(seccomp.JOB, 262144)
            if not part:
                return
            held += part
        size = 4 + int.from_bytes(held[:4], "big")
        if size == 4:
            return
        yield bytes(held[4:size])
        del held[:size]
