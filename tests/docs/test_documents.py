"""docs/documents.md is run: thirty PDFs and a sheet of labels, its commands in order, its Python."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from papers import pdf, xlsx

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "documents.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty documents as PDFs, and their labels as a person would type them."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "papers").mkdir()
    rows = []
    for line in (ROOT / "examples" / "invoice_fields" / "golden.jsonl").read_text("utf-8").splitlines()[:30]:
        case = json.loads(line)
        name = f"{case['id']}.pdf"
        (folder / "papers" / name).write_bytes(pdf(*case["input"]["document"].rstrip("\f\n").split("\f")))
        told = case["expected"]
        amount = f"${float(told['gross_amount']):,.2f}" if told["gross_amount"] else "null"
        days = [datetime.date.fromisoformat(told[key]) if told[key] else "null" for key in ("flight_from", "flight_to")]
        rows.append([name, told["contract_num"] or "null", told["advertiser"] or "null", amount, *days])
    rows.append(["lost.pdf", "1", "Nobody", "$1.00", datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)])
    header = ["File", "Contract Num", "Client", "Gross Amount", "Flight From", "Flight To"]
    xlsx(folder / "labels.xlsx", Labels=[header, *rows])
    return folder


def _environment(desk: Path) -> dict[str, str]:
    script = desk / "bin" / "compiled-ai"
    script.parent.mkdir(exist_ok=True)
    script.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from compiled_ai.cli import main; main()" "$@"\n', "utf-8"
    )
    script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPILED_AI")}
    return {**kept, "COMPILED_AI_HOME": str(desk / "home"), "PATH": f"{script.parent}:{os.environ['PATH']}"}


def _run(desk: Path, *arguments: str) -> str:
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=_environment(desk), cwd=desk, check=False
    )  # fmt: skip
    assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_the_commands_of_the_page_print_what_it_shows(desk: Path) -> None:
    for block in _blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *expected = part.strip("\n").split("\n")
            out = _run(desk, "sh", "-c", command)
            for line in expected:
                assert line in out, f"{command}\nlacks {line!r}\n{out}"


def test_the_python_of_the_page_runs(desk: Path) -> None:
    (code,) = _blocks("python")
    _run(desk, sys.executable, "-c", code)
