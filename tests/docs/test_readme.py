"""The README is run: its commands in order in one home, its Python, its links."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Yields each command of the console blocks with the lines that must occur in what it prints."""
    for block in _blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *expected = part.strip("\n").split("\n")
            yield command, expected


@dataclass(frozen=True)
class Printed:
    environment: dict[str, str]
    results: list[tuple[str, list[str], str, int]]
    """Command, lines that must occur, what was printed, exit code."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Printed:
    """Runs all commands in one shell session's worth of environment; returns what each printed."""
    folder = tmp_path_factory.mktemp("readme")
    script = folder / "bin" / "compiled-ai"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from compiled_ai.cli import main; main()" "$@"\n', "utf-8"
    )
    script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPILED_AI")}
    environment = {**kept, "COMPILED_AI_HOME": str(folder / "home"), "PATH": f"{script.parent}:{os.environ['PATH']}"}
    results = []
    exported = ""
    for command, expected in _commands():
        if command.startswith("export "):
            name, value = command.removeprefix("export ").split("=", 1)
            shown = subprocess.run(
                ["sh", "-c", f"printf %s {value}"],
                capture_output=True,
                text=True,
                env=environment,
                cwd=ROOT,
                check=True,
            )
            environment[name] = shown.stdout
            exported = name
            continue
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
        )
        results.append((command, expected, done.stdout + done.stderr, done.returncode))
    assert exported == "COMPILED_AI_KEY"
    return Printed(environment, results)


def test_every_command_of_the_readme_prints_what_the_readme_shows(
    printed: Printed,
) -> None:
    for command, expected, out, code in printed.results:
        wanted = int(expected[-1].strip("[]").split()[1]) if expected and expected[-1].startswith("[exit") else 0
        assert code == wanted, f"{command}\n{out}"
        for line in expected:
            if not line.startswith("[exit"):
                assert line in out, f"{command}\nlacks {line!r}\n{out}"


def test_the_compiled_rule_of_the_readme_is_what_is_compiled() -> None:
    from compiled_ai.assemble import assemble
    from compiled_ai.catalog import load_catalog
    from compiled_ai.plan import make_plan
    from compiled_ai.spec.loader import load_spec

    plan = make_plan(load_spec(ROOT / "examples" / "prior_auth_glp1.yaml"), load_catalog())
    source = assemble(plan.spec, plan.template.source, {}).source
    assert _blocks("python")[0].strip() in source


def test_the_python_of_the_readme_runs(printed: Printed) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _blocks("python")[1]],
        capture_output=True, text=True, env=printed.environment, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_two_commands_exist_and_are_what_ci_calls() -> None:
    for name in ("scripts/demo", "scripts/test"):
        assert os.access(ROOT / name, os.X_OK)
        assert name in (ROOT / ".ci" / "run").read_text("utf-8")
