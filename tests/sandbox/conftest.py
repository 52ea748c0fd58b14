"""Fixtures: both levels of the sandbox, and code that gets around the restricted builtins."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from compiled_ai.library.types import Field, FieldType
from compiled_ai.sandbox import Call, Limits, Outcome, Sandbox, why_no_bubblewrap

LIMITS = Limits(memory_mb=128, call_seconds=0.4, cpu_seconds=1, wall_seconds=8, output_bytes=100_000)
RESULT = FieldType("object", class_name="R", fields=(Field("t", "t", FieldType("text")),))

HEAD = '''
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class R:
    t: str

def _os():
    """What class walking gives to anyone whom no gate stops."""
    for kind in ().__class__.__base__.__subclasses__():
        if kind.__name__ == "_wrap_close":
            return kind.__init__.__globals__

def _builtins():
    return _os()["__builtins__"]

def _module(name):
    return _os()["sys"].modules[name]
'''


@pytest.fixture(scope="session", params=["bubblewrap", "process"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if request.param == "bubblewrap" and why_no_bubblewrap():
        pytest.skip(why_no_bubblewrap())
    with Sandbox(LIMITS, level=request.param) as opened:
        yield opened


@pytest.fixture
def attack(box: Sandbox) -> Callable[[str], list[Outcome]]:
    """Runs a function body on the inputs `before`, `now`, `after`; it attacks on `now` and is good otherwise."""

    def run(body: str, *, top: str = "") -> list[Outcome]:
        lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
        source = f"{HEAD}\n{top}\ndef f(text):\n    if text == 'now':\n{lines}\n    return R(text.upper())\n"
        job = Call(source=source, function="f", parameters=[FieldType("text")], result=RESULT, fenced=False)
        return box.call_many(job, [["before"], ["now"], ["after"]])

    return run
