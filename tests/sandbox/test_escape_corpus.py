"""The gate's escape corpus with the gate switched off: in the sandbox, and in the run-time loader of a bare process."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiled_ai.library.types import FieldType
from compiled_ai.sandbox import Call, Level, Limits, Outcome, Sandbox, run_tool, why_no_bubblewrap

CORPUS = Path(__file__).parent.parent / "gate" / "escapes"
LIMITS = Limits(memory_mb=64, call_seconds=0.15, cpu_seconds=1, wall_seconds=3, output_bytes=200_000)
UNFENCED = """
_found = [k for k in ().__class__.__base__.__subclasses__() if k.__name__ == "_wrap_close"]
_real = _found[0].__init__.__globals__["__builtins__"]
_scope = {"__builtins__": _real, "__name__": "__main__"}
_real["exec"](%r, _scope)
f = _scope["f"]
"""


def snippets() -> Iterator[tuple[str, str]]:
    for file in sorted(CORPUS.glob("*.txt")):
        for part in file.read_text(encoding="utf-8").split("=== ")[1:]:
            name, _, source = part.partition("\n")
            yield name.split()[0], source


SNIPPETS = dict(snippets())


def attempt(box: Sandbox, source: str, *, fenced: bool) -> Outcome:
    job = Call(
        source=source + "\ndef attempt(nonce):\n    return f()\n",
        function="attempt",
        parameters=[FieldType("text")],
        result=FieldType("json"),
        fenced=fenced,
    )
    (outcome,) = box.call_many(job, [["in"]])
    return outcome


@pytest.mark.parametrize("loader", ["run-time loader", "restricted builtins", "nothing"])
@pytest.mark.parametrize("level", ["bubblewrap", "process"])
def test_no_escape_reaches_the_host_or_forges_a_result(
    loader: str, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if level == "bubblewrap" and why_no_bubblewrap():
        pytest.skip(why_no_bubblewrap())
    assert len(SNIPPETS) >= 200
    mark = secrets.token_hex(8)
    monkeypatch.setenv("CANARY", mark)
    (tmp_path / mark).write_text(mark)
    monkeypatch.chdir(tmp_path)
    before = {path: sorted(os.listdir(path)) for path in (tmp_path, Path.home())}
    with socket.create_server(("127.0.0.1", 0)) as server, Sandbox(LIMITS, level=level) as box:
        server.setblocking(False)
        for name, source in SNIPPETS.items():
            started = time.monotonic()
            outcome = attempt(
                box, UNFENCED % source if loader == "nothing" else source, fenced=loader == "run-time loader"
            )
            assert time.monotonic() - started < 5, name
            assert mark not in repr(outcome), name
            assert outcome.status != "overrun", (name, outcome)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert {path: sorted(os.listdir(path)) for path in before} == before


WATCHED = """
import json, signal, sys
seen = []
watching = False
HARMLESS = ("object.__getattr__", "compile", "exec", "import", "object.__setattr__", "object.__delattr__",
            "builtins.id", "code.__new__", "signal.setitimer", "sys._getframe", "re.", "time.", "marshal.")
def ours(event, arguments):
    # Python reads its own library, and looks for the text of a syntax error under the module's name.
    file = str(arguments[0]) if event == "open" else ""
    return file.startswith("<") or (file.startswith(sys.base_prefix) and file.endswith((".py", ".pyc", ".so")))
def watch(event, arguments):
    if watching and not event.startswith(HARMLESS) and not ours(event, arguments):
        seen.append([event, repr(arguments)[:80]])
from compiled_ai.library.loading import load_module
import compiled_ai.library.values, _strptime, calendar, difflib, statistics, zoneinfo, unicodedata, fractions, decimal
sys.addaudithook(watch)
class Late(BaseException): pass
def late(*_): raise Late
signal.signal(signal.SIGPROF, late)
found = {}
for name, source in json.load(sys.stdin).items():
    seen.clear()
    result = None
    watching = True
    signal.setitimer(signal.ITIMER_PROF, 0.5)
    try:
        result = load_module(source, "escape").f()
    except BaseException as fault:
        result = type(fault).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        watching = False
    try:
        text = repr(result)
    except BaseException:
        text = ""
    if seen or CANARY in text:
        found[name] = [list(seen), text[:200]]
print("FOUND " + json.dumps(found))
"""


def test_no_escape_reaches_the_host_from_the_run_time_loader() -> None:
    """Loaded into a bare process, without gate and sandbox; what takes time and memory is the sandbox's affair."""
    mark = secrets.token_hex(8)
    light = {name: source for name, source in SNIPPETS.items() if not name.startswith("limits-")}
    script = f"CANARY = {mark!r}\n{WATCHED}"
    run = run_tool(
        [sys.executable, "-c", script],
        stdin=json.dumps(light),
        timeout_seconds=120,
        env={"PYTHONPATH": "src", "CANARY": mark},
        cwd=Path(__file__).parent.parent.parent,
    )
    assert "FOUND " in run.stdout, run.stderr[-2000:]
    assert json.loads(run.stdout.rpartition("FOUND ")[2]) == {}
