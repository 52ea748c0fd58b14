"""The example with all modules: its golden cases on real surroundings, and the commands of its README."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from compiled_ai.canonical import parse_json
from compiled_ai.compiler import compile_spec
from compiled_ai.config import Settings
from compiled_ai.runtime.calls.database import forget_engines
from compiled_ai.runtime.calls.http import forget_services
from compiled_ai.runtime.local import run
from compiled_ai.runtime.reviews import decide
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by a plugin of apprise
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "claim_intake"
CASES = [parse_json(line) for line in (EXAMPLE / "golden.jsonl").read_text("utf-8").splitlines()]


def surroundings() -> Any:
    spec = spec_from_file_location("claim_intake_surroundings", EXAMPLE / "surroundings.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any, dict[str, str]]]:
    """The folder with the database, the service, and the variables that lead there (set while the tests run)."""
    folder, module = tmp_path_factory.mktemp("claims"), surroundings()
    module.make_database(folder / "claims.db")
    with module.Service() as service, pytest.MonkeyPatch.context() as patch:
        thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        variables = module.variables(folder / "claims.db", service.server_address[1])
        for name, value in variables.items():
            patch.setenv(name, value)
        yield folder, service, variables
        service.shutdown()
        thread.join()
    forget_engines()
    forget_services()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    home = tmp_path_factory.mktemp("home")
    done = compile_spec(ROOT / "examples" / "claim_intake.yaml", Settings(home, f"sqlite:///{home / 'runs.db'}"))
    assert done.report.status == "passed"
    return load_program(done.folder / "identity", digest=done.digest)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_engine_decides_a_golden_case_on_real_surroundings_as_it_says(
    place: tuple[Path, Any, dict[str, str]], program: Program, tmp_path: Path, case: dict[str, Any]
) -> None:
    folder, service, _ = place
    claim = case["input"]["claim_id"]
    with RunStore.open(tmp_path / "runs.db", home=tmp_path) as store:
        result = run(program, case["input"], store=store)
        if "reviews" in case:
            [review] = store.reviews()
            answer = {key: value for key, value in case["reviews"]["examine"].items() if value is not None}
            result = decide(review.review_id, answer.pop("action"), **answer, store=store, programs=lambda _: program)
        assert store.verify().status == "clean"
    taken = case["expected"]["outcome"] == "TAKEN"
    assert result.output == {**case["expected"], "reservation": result.output["reservation"]}
    assert (result.output["reservation"] is not None) == taken
    recorded = {effect.step: effect.result for effect in result.effects if effect.kind == "call"}
    for step in ("find_member", "find_provider"):
        given = case["effects"][step]
        rows = recorded[step] if step == "find_member" else [recorded[step]]
        assert [row for row in rows if row] == ([_exact(given)] if given else [])
    assert service.counts()["reserved"].get(claim, 0) == int(taken)
    assert service.counts()["messages"][claim] == 1
    with sqlite3.connect(folder / "claims.db") as database:
        kept = database.execute("SELECT outcome FROM claims WHERE claim_id = ?", (claim,)).fetchall()
    database.close()
    assert kept == [(case["expected"]["outcome"],)]


def _exact(given: dict[str, Any]) -> dict[str, Any]:
    """A golden case writes an amount as text, the database gives it as a number."""
    return {name: parse_json(value) if name == "remaining" else value for name, value in given.items()}


def test_every_command_of_its_readme_prints_what_the_readme_shows(
    tmp_path: Path,
) -> None:
    module = surroundings()
    module.make_database(tmp_path / "claims.db")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPILED_AI")}
    with module.Service() as service:
        thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        variables = module.variables(tmp_path / "claims.db", service.server_address[1])
        environment = {**kept, **variables, "COMPILED_AI_HOME": str(tmp_path / "home")}
        try:
            for command, expected in _commands():
                _runs_as_shown(command, expected, environment)
        finally:
            service.shutdown()
            thread.join()


def _commands() -> Iterator[tuple[str, list[str]]]:
    text = (EXAMPLE / "README.md").read_text("utf-8")
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *expected = part.strip("\n").split("\n")
            yield command, expected


def _runs_as_shown(command: str, expected: list[str], environment: dict[str, str]) -> None:
    words = [sys.executable, "-c", "from compiled_ai.cli import main; main()", *command.split()[1:]]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    wanted = 3 if expected[-1] == "[exit 3]" else 0
    assert done.returncode == wanted, f"{command}\n{done.stdout}{done.stderr}"
    for line in expected:
        assert line == "[exit 3]" or line in done.stdout + done.stderr, f"{command}\n{done.stdout}{done.stderr}"
