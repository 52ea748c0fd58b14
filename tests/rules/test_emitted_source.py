"""What the compiler writes is Python that mypy --strict and ruff accept, and that a person can read."""

from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from generated import FIELDS, Author
from rule_support import MARK, rule, rule_step

from compiled_ai.library import rules as library
from compiled_ai.library.types import FieldType
from compiled_ai.spec.rules import Scope, emit_rule, parse_logic
from compiled_ai.spec.rules.tables import parse_table

SCOPE = Scope(FIELDS)
GLP1 = """IF has_t2d_diagnosis THEN APPROVE
ELSE IF (bmi >= 30) AND has_step_therapy_failure THEN APPROVE
ELSE DENY
"""
CHART = {
    "has_t2d_diagnosis": FieldType("boolean"),
    "bmi": FieldType("float"),
    "has_step_therapy_failure": FieldType("boolean"),
}


def test_the_published_rule_reads_as_it_was_written() -> None:
    assert (
        rule(GLP1, CHART).source
        == """\
def decide(has_t2d_diagnosis: bool, bmi: Decimal, has_step_therapy_failure: bool) -> Decide | None:
    # line 1: IF has_t2d_diagnosis THEN APPROVE
    if has_t2d_diagnosis:
        return Decide("APPROVE", "has_t2d_diagnosis")
    # line 2: ELSE IF (bmi >= 30) AND has_step_therapy_failure THEN APPROVE
    if bmi >= 30 and has_step_therapy_failure:
        return Decide("APPROVE", "(bmi >= 30) AND has_step_therapy_failure")
    # line 3: ELSE DENY
    return Decide("DENY", "no earlier condition applied")
"""
    )


def test_a_missing_value_is_asked_for_in_plain_python() -> None:
    source = rule(
        "IF age IS NULL THEN REVIEW\nELSE IF age < 18 OR score > 3 THEN DENY\nELSE APPROVE",
        {"age": FieldType("integer", optional=True), "score": FieldType("integer", optional=True)},
    ).source
    assert "    if age is None:\n" in source
    assert "    if age < 18 or (score is not None and score > 3):\n" in source


def _renamed(found: re.Match[str], seed: int) -> str:
    """As long as before, so that lines keep their length."""
    name = found[1]
    return f"{name[0]}{seed:05d}{name[6:]}"


def _module(count: int) -> str:
    """One module of generated rules and tables, with their classes."""
    parts: list[str] = []
    for seed in range(count):
        dice = random.Random(f"source {seed}")
        author = Author(dice)
        parsed = (
            parse_table(author.table(), scope=SCOPE)
            if seed % 3 == 0
            else parse_logic(author.rule(), scope=SCOPE, mark=MARK)
        )
        if parsed.node is None:
            continue
        step = rule_step(parsed, SCOPE)
        fields = "\n".join(f"    {field.identifier}: {field.type.python()}" for field in step.result)
        text = f"@dataclass(frozen=True, slots=True)\nclass Decide:\n{fields}\n\n\n{emit_rule(step)}"
        parts.append(re.sub(r"\b(Decide|decide|DECIDE_ROWS)\b", partial(_renamed, seed=seed), text))
    body = "\n\n".join(parts)
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    used = names.intersection(library.__all__)
    imported = "".join(f"    {name},\n" for name in sorted(used))
    wanted = names.intersection(("date", "datetime", "time", "timedelta"))
    return (
        "from __future__ import annotations\n\nfrom dataclasses import dataclass\n"
        f"from datetime import {', '.join(sorted(wanted))}\nfrom decimal import Decimal\nfrom typing import Any\n\n"
        f"from compiled_ai.library.rules import (\n{imported})\n"
        "from compiled_ai.library.values import YearsMonths, number\n\n"
        "Unused = (Any, number, YearsMonths)\n\n\n" + body
    )


def test_generated_rules_pass_mypy_strict_and_ruff(tmp_path: Path) -> None:
    path = tmp_path / "emitted.py"
    path.write_text(_module(120), "utf-8")
    root = Path(__file__).resolve().parents[2]
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--select",
        "E,F,W,B",
        "--line-length",
        "120",
        "--isolated",
        str(path),
    ]
    linted = subprocess.run(ruff, capture_output=True, text=True, cwd=root)
    assert linted.returncode == 0, linted.stdout
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", "/dev/null", "--no-error-summary", str(path)]
    typed = subprocess.run(
        mypy, capture_output=True, text=True, cwd=root, env={"MYPYPATH": "src", "PATH": "", "HOME": str(tmp_path)}
    )
    assert typed.returncode == 0, typed.stdout
