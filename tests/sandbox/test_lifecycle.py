"""How the sandbox starts, falls back, and ends; and the filter's tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from compiled_ai.errors import SandboxFailed
from compiled_ai.library.types import Field, FieldType
from compiled_ai.sandbox import (
    ELSEWHERE,
    HOME,
    Call,
    Level,
    Limits,
    Measures,
    Sandbox,
    box,
    launch,
    run_tool,
    seccomp,
    why_no_bubblewrap,
)

SOURCE = """
from __future__ import annotations
import datetime
from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class R:
    t: str

def shout(text: str) -> R:
    return R(text.upper())

def clock(text: str) -> R:
    return R(f"{datetime.date.today()} {datetime.datetime.now().year} {datetime.datetime.strptime('2020', '%Y').year}")

def order(text: str) -> R:
    return R(" ".join(set("abcdefghij")))

def spoil(values: list[int]) -> R:
    held = values[0]
    held.append(1)
    return R("spoiled")

def branch(text: str) -> R:
    if text == "a":
        return R("first")
    return R("second")
"""
RESULT = FieldType("object", class_name="R", fields=(Field("t", "t", FieldType("text")),))


def call(function: str, kind: FieldType | None = None, *, trace: bool = False) -> Call:
    return Call(source=SOURCE, function=function, parameters=[kind or FieldType("text")], result=RESULT, trace=trace)


@pytest.fixture
def level() -> Level:
    return "process" if why_no_bubblewrap() else "bubblewrap"


def test_without_bubblewrap_a_required_sandbox_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "sandbox_level", lambda: "process")
    monkeypatch.setattr(box, "why_no_bubblewrap", lambda: "bwrap is not installed")
    with pytest.raises(SandboxFailed, match="bwrap is not installed") as refused:
        Sandbox(require=True)
    assert "--require-sandbox" in refused.value.remedy


def test_without_bubblewrap_there_is_a_warning_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(box, "sandbox_level", lambda: "process")
    monkeypatch.setattr(box, "why_no_bubblewrap", lambda: "bwrap is not installed")
    monkeypatch.setattr(box, "_warned", threading.Event())
    for _ in range(2):
        with Sandbox() as opened:
            assert opened.level == "process"
            assert opened.call_many(call("shout"), [["a"]])[0].value == {"t": "A"}
    assert capsys.readouterr().err.count("warning: no bubblewrap (bwrap is not installed)") == 1


def test_bubblewrap_that_does_not_work_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "No permissions to create new namespace" in launch.why_no_bubblewrap.__wrapped__()


def test_a_missing_bubblewrap_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.why_no_bubblewrap.__wrapped__() == "bwrap is not installed"


def test_a_function_that_is_not_there_is_the_candidates_fault(level: Level) -> None:
    with Sandbox(level=level) as opened:
        (outcome,) = opened.call_many(call("absent"), [["a"]])
    assert (outcome.status, outcome.error_type) == ("raised", "AttributeError")


def test_an_input_of_another_type_is_not_called(level: Level) -> None:
    with Sandbox(level=level) as opened:
        (outcome,) = opened.call_many(call("shout"), [[7]])
    assert (outcome.status, outcome.error_type) == ("raised", "Mismatch")


def test_changed_arguments_are_seen(level: Level) -> None:
    with Sandbox(level=level) as opened:
        (outcome,) = opened.call_many(call("spoil", FieldType("json")), [[[[1], 2]]])
    assert outcome.changed_arguments


def test_no_input_needs_no_process(level: Level) -> None:
    with Sandbox(level=level) as opened:
        assert opened.call_many(call("shout"), []) == []


def test_outcomes_stream_as_the_inputs_come(level: Level) -> None:
    read: list[int] = []

    def endless() -> object:
        number = 0
        while True:
            read.append(number)
            yield [f"n{number}"]
            number += 1

    with Sandbox(level=level) as opened:
        stream = opened.stream(call("shout"), endless())  # type: ignore[arg-type]
        assert [next(stream).value for _ in range(3)] == [{"t": "N0"}, {"t": "N1"}, {"t": "N2"}]
        stream.close()  # type: ignore[attr-defined]
    assert len(read) < 2000


def test_the_variant_has_another_clock_and_order(level: Level) -> None:
    with Sandbox(level=level) as opened:
        here = opened.call_many(call("clock"), [["a"]])[0].value["t"]
        there = opened.call_many(call("clock"), [["a"]], variant=ELSEWHERE)[0].value["t"]
        orders = [opened.call_many(call("order"), [["a"]], variant=v)[0].value for v in (HOME, ELSEWHERE)]
    assert int(there[:4]) - int(here[:4]) == 8
    assert here.endswith(" 2020") and there.endswith(" 2020")
    assert orders[0] != orders[1]


def test_traced_lines_come_back(level: Level) -> None:
    measures = Measures()
    with Sandbox(level=level) as opened:
        opened.call_many(call("branch", trace=True), [["a"]], measures=measures)
    first = next(number for number, line in enumerate(SOURCE.splitlines(), 1) if 'text == "a"' in line)
    assert (first, first + 1) in measures.arcs
    assert (first, first + 2) not in measures.arcs


def test_two_threads_may_use_one_sandbox(level: Level) -> None:
    with Sandbox(level=level) as opened:
        results: dict[int, list[object]] = {}

        def work(number: int) -> None:
            inputs = [[f"{number}-{index}"] for index in range(300)]
            results[number] = [outcome.value["t"] for outcome in opened.call_many(call("shout"), inputs)]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: [f"{number}-{index}" for index in range(300)] for number in range(3)}


def test_a_sandbox_that_was_killed_starts_again(level: Level) -> None:
    with Sandbox(level=level) as opened:
        opened.call_many(call("shout"), [["a"]])
        for warm in opened._warm.values():
            os.kill(warm._process.pid, signal.SIGKILL)
            warm._process.wait()
        assert opened.call_many(call("shout"), [["a"]])[0].value == {"t": "A"}


def test_a_closed_sandbox_leaves_no_process(level: Level) -> None:
    with Sandbox(level=level) as opened:
        opened.call_many(call("shout"), [["a"]])
        pids = [warm._process.pid for warm in opened._warm.values()]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
@pytest.mark.parametrize("chosen", ["bubblewrap", "process"])
def test_killing_the_parent_at_any_instant_leaves_no_process(chosen: str, tmp_path: Path) -> None:
    if chosen == "bubblewrap" and why_no_bubblewrap():
        pytest.skip(why_no_bubblewrap())
    mark = f"mark{os.getpid()}{time.monotonic_ns()}"
    script = f"""
import sys
from compiled_ai.sandbox import Call, Limits, Sandbox
from compiled_ai.library.types import FieldType, Field
result = FieldType("object", class_name="R", fields=(Field("t", "t", FieldType("text")),))
job = Call(source="class R: pass\\ndef f(text):\\n    while True: pass\\n", function="f",
           parameters=[FieldType("text")], result=result)
with Sandbox(Limits(call_seconds=60), level={chosen!r}) as box:
    box.prepare()
    print("{mark}", flush=True)
    box.call_many(job, [["a"]])
"""
    for delay in (0.0, 0.05, 0.4):
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=dict(os.environ))
        assert parent.stdout is not None
        parent.stdout.readline()
        time.sleep(delay)
        family = _descendants(parent.pid)
        assert family
        parent.kill()
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and any(_alive(pid) for pid in family):
            time.sleep(0.02)
        assert not [pid for pid in family if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def test_the_filters_tables_are_those_of_libseccomp() -> None:
    library = pytest.importorskip("pyseccomp")
    for name, arch in (("x86_64", library.Arch.X86_64), ("aarch64", library.Arch.AARCH64)):
        calls = seccomp.CALLS[name]
        for call_name, number in {**calls.free, **calls.mapping, "read": calls.read, "write": calls.write}.items():
            assert library.resolve_syscall(arch, call_name) == number, (name, call_name)


def test_a_tool_that_does_not_exist_is_named() -> None:
    with pytest.raises(SandboxFailed, match="'no-such-tool' cannot be started"):
        run_tool(["no-such-tool"], timeout_seconds=5)


def test_a_tool_that_hangs_is_killed_with_its_children() -> None:
    started = time.monotonic()
    result = run_tool(["sh", "-c", "sleep 60 & sleep 60; echo never"], timeout_seconds=0.3)
    assert result.timed_out
    assert result.stdout == ""
    assert time.monotonic() - started < 5


def test_a_tool_that_floods_is_ended() -> None:
    result = run_tool(["sh", "-c", "cat /dev/zero"], timeout_seconds=30)
    assert result.truncated and not result.timed_out


def test_a_tool_that_does_not_read_its_input_is_no_problem() -> None:
    assert run_tool(["true"], stdin="x" * 1_000_000, timeout_seconds=5).returncode == 0


def test_a_tool_sees_no_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    assert "secret" not in run_tool(["env"], timeout_seconds=5).stdout


def test_a_tool_gets_its_input_and_gives_its_output() -> None:
    result = run_tool(["sh", "-c", "cat; echo broken >&2; exit 3"], stdin="gr\u00fc\u00dfe", timeout_seconds=5)
    assert (result.returncode, result.stdout, result.stderr) == (3, "gr\u00fc\u00dfe", "broken\n")


def test_limits_have_defaults() -> None:
    assert Limits().memory_mb == 512
