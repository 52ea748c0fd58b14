"""The gate's escape corpus with the gate switched off: the sandbox alone, under the run-time loader and without it."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiled_ai.library.types import FieldType
from compiled_ai.sandbox import Call, Level, Limits, Outcome, Sandbox, why_no_bubblewrap

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


def attempt(box: Sandbox, source: str) -> Outcome:
    call = "\ndef attempt(nonce):\n    return f()\n"
    job = Call(source=source + call, function="attempt", parameters=[FieldType("text")], result=FieldType("json"))
    (outcome,) = box.call_many(job, [["in"]])
    return outcome


@pytest.mark.parametrize("loader", ["run-time loader", "no loader"])
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
            outcome = attempt(box, source if loader == "run-time loader" else UNFENCED % source)
            assert time.monotonic() - started < 5, name
            assert mark not in repr(outcome), name
            assert outcome.status != "overrun", (name, outcome)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert {path: sorted(os.listdir(path)) for path in before} == before
