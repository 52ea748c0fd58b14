"""A compiler that is killed at any instant: nothing half-written loads, and nothing goes on running."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compiled_ai.artifact import load_artifact
from compiled_ai.models import Request, Transcript
from compiled_ai.models.request import Reply, estimated_usage
from compiled_ai.models.transcript import write_transcript

SPEC = """
metadata: {name: "Letter", data_basis: "synthetic"}
inputs:
  - {name: "letter", type: "text"}
modules: ["re"]
logic_requirements:
  - step: "read_letter"
    type: "function"
    description: "vendor: what follows 'From:' on its line, else null."
    schema: {vendor: string?}
examples:
  - {input: {letter: "From: Acme"}, expected: {vendor: "Acme"}}
"""
GOOD = '''```python
import re

def read_letter(letter: str) -> ReadLetter:
    """Reads the vendor."""
    found = re.search(r"From: ([^\\n]*)", letter)
    return ReadLetter(found.group(1).strip() or None if found else None)
```'''
PROGRAM = "from compiled_ai.cli import main; main()"
INSTANTS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A specification, a recording of one good reply, and warm caches."""
    (tmp_path / "letter.yaml").write_text(SPEC, "utf-8")
    record(tmp_path)
    return tmp_path


def record(folder: Path) -> None:
    from compiled_ai.catalog import load_catalog
    from compiled_ai.generate import build_request
    from compiled_ai.plan import make_plan
    from compiled_ai.spec.loader import load_spec

    plan = make_plan(load_spec(folder / "letter.yaml"), load_catalog())
    request: Request = build_request(plan, plan.functions[0], (), None, sample=0)
    usage = estimated_usage(request, GOOD)
    transcript = Transcript()
    transcript.add(
        request,
        Reply(text=GOOD, usage=usage, origin="scripted", model="scripted", finish_reason="stop"),
    )
    write_transcript(folder / "recordings", transcript)


def start(folder: Path, number: int) -> subprocess.Popen[bytes]:
    """Starts a compile with a home and temporary folders of its own."""
    environment = {**os.environ, "COMPILED_AI_HOME": str(folder / f"home-{number}"), "TMPDIR": str(scratch(folder))}
    command = [sys.executable, "-c", PROGRAM, "compile", "letter.yaml", "--model", "recorded:recordings", "--json"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def scratch(folder: Path) -> Path:
    place = folder / "scratch"
    place.mkdir(exist_ok=True)
    return place


def descendants(root: int) -> set[int]:
    """Returns the processes below one, at any depth."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found: set[int] = set()
    waiting = [root]
    while waiting:
        above = waiting.pop()
        below = [pid for pid, parent in parents.items() if parent == above and pid not in found]
        found.update(below)
        waiting.extend(below)
    return found


def alive(processes: set[int]) -> set[int]:
    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (OSError, IndexError):
            return False

    return {pid for pid in processes if runs(pid)}


def artifacts(home: Path) -> list[Path]:
    return [path.parent for path in home.rglob("seal.json")] if home.exists() else []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_compiler_killed_at_any_instant_leaves_no_half_artifact_and_no_process(folder: Path) -> None:
    begun = time.monotonic()
    whole = start(folder, 0)
    out, err = whole.communicate(timeout=120)
    assert whole.returncode == 0, err.decode()
    digest = json.loads(out)["digest"]
    seconds = time.monotonic() - begun
    chance = random.Random(20261121)
    with_children = 0
    for number in range(1, INSTANTS + 1):
        compiling = start(folder, number)
        moment = time.monotonic() + chance.uniform(0.2, 1.05) * seconds
        seen: set[int] = set()
        while time.monotonic() < moment and compiling.poll() is None:
            seen |= descendants(compiling.pid)
            time.sleep(0.02)
        seen |= descendants(compiling.pid)
        with_children += bool(alive(seen))
        compiling.kill()  # does nothing where the compile ended by itself just now
        compiling.communicate()
        assert_nothing_runs(seen)
        home = folder / f"home-{number}"
        for artifact in artifacts(home):
            assert load_artifact(artifact, home / "artifacts").digest == digest  # it was finished before the kill
        assert_next_compile_works(folder, number, digest)
    assert with_children >= 3, "the instants missed everything that runs beside the compiler"


def assert_nothing_runs(processes: set[int]) -> None:
    deadline = time.monotonic() + 5
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(processes) == set()


def assert_next_compile_works(folder: Path, number: int, digest: str) -> None:
    """What was left behind (drafts, locks, caches) does not stand in the way; tried for some, since it takes long."""
    if number % 4:
        return
    again = start(folder, number)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err.decode()
    assert json.loads(out)["digest"] == digest
