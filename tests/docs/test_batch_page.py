"""What docs/batch.md names exists: commands, options, files, scripts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "batch.md").read_text("utf-8")


@pytest.mark.parametrize("command", re.findall(r"^compiled-ai (\w+ .*)$", TEXT, re.MULTILINE))
def test_every_option_of_a_usage_line_is_in_its_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from compiled_ai.cli import main; main()", command.split()[0], "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    for option in re.findall(r"--[a-z-]+", command):
        assert option in done.stdout


@pytest.mark.parametrize("script", re.findall(r"`python (bench/\w+\.py)", TEXT))
def test_every_script_is_there(script: str) -> None:
    assert (ROOT / script).is_file()
