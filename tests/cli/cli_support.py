"""What the tests of the command line share: running it as a user does, and a local provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@dataclass
class Home:
    """A working directory with a home below it; calling it runs one command."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str | None = None, **variables: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-c", "from compiled_ai.cli import main; main()", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**self.environment, **variables},
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def compiled(self, *arguments: str) -> Any:
        ran = self("compile", *arguments, "--json")
        assert ran.code == 0, ran.err
        return ran.json


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMPILED_AI", "OPENAI", "ANTH"))}
    return {**kept, "COMPILED_AI_HOME": str(folder / "home"), "COMPILED_AI_ACTOR": "test"}


@dataclass
class Provider:
    """A local server that speaks OpenAI's format and answers with what `reply` gives for the prompt."""

    url: str
    reply: Callable[[str], str]
    asked: list[str]

    @property
    def variables(self) -> Mapping[str, str]:
        return {"OPENAI_BASE_URL": f"{self.url}/v1", "OPENAI_API_KEY": "local"}
