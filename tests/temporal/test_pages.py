"""The pages about Temporal and operations are run: their commands in order, their Python, their links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import environment
from console import ROOT, commands, play

PAGES = ("temporal.md", "runbook.md", "deploy.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_prints_what_the_page_shows(page: str, tmp_path: Path, server: str) -> None:
    around = {**environment(tmp_path), "TEMPORAL_ADDRESS": server}
    assert list(commands(ROOT / "docs" / page))
    play(ROOT / "docs" / page, tmp_path, around)
    if page == "temporal.md":
        _python(page, tmp_path, around)


def _python(page: str, folder: Path, around: dict[str, str]) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        done = subprocess.run([sys.executable, "-c", block], cwd=folder, env=around, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (ROOT / "docs" / target).exists(), target
