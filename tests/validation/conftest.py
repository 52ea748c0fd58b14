"""A small specification with one model-written function, and candidates for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.assemble import Assembled, assemble
from compiled_ai.catalog import load_catalog
from compiled_ai.plan import CompilePlan, make_plan
from compiled_ai.pools import Pools
from compiled_ai.sandbox import Sandbox
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import GoldenCase
from compiled_ai.validation import PRELOAD, limits_of

SPEC = """
metadata:
  name: "Greeting"
inputs:
  - name: "letter"
    type: "text"
  - name: "weight"
    type: "decimal"
logic_requirements:
  - step: "read_letter"
    type: "function"
    description: |
      vendor: what follows 'From:' on its line. cost: two per unit of weight. Springfield is a town.
    schema:
      vendor: string?
      cost: money
accuracy:
  vendor: {metric: text, threshold: 0.75}
  cost: {metric: money, threshold: 0.75}
"""
GOOD = '''
import re
from decimal import Decimal

def read_letter(letter: str, weight: Decimal) -> ReadLetter:
    """Reads the vendor and counts the cost."""
    found = re.search(r"From: ([^\\n]*)", letter)
    if found:
        return ReadLetter(found.group(1).strip(), weight * 2)
    return ReadLetter(None, weight * 2)
'''
VENDORS = ("Acme Tools Ltd", "Borgward & Sons", "Celestial Foods", "Dunmore Press")
RULES = """
metadata:
  name: "Limits"
inputs:
  - name: "weight"
    type: "decimal"
logic_requirements:
  - step: "decide"
    type: "deterministic_rule"
    logic: |
      IF weight > 10 THEN HEAVY
      ELSE LIGHT
"""


def case(number: int, *, prefix: str = "case", **expected: Any) -> GoldenCase:
    vendor = VENDORS[number % len(VENDORS)]
    return GoldenCase(
        id=f"{prefix}-{number}",
        input={"letter": f"Dear all,\nFrom: {vendor}\nregards", "weight": Decimal(number)},
        expected={"vendor": vendor, "cost": str(number * 2)} | expected,
    )


def pools(shown: int = 2, selection: int = 4, sealed: int = 20) -> Pools:
    return Pools(
        shown=tuple(case(number, prefix="shown") for number in range(shown)),
        selection=tuple(case(number, prefix="selection") for number in range(selection)),
        sealed=tuple(case(number, prefix="sealed") for number in range(sealed)),
    )


@pytest.fixture(scope="session")
def plan_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CompilePlan]:
    def make(text: str) -> CompilePlan:
        file: Path = tmp_path_factory.mktemp("spec") / "spec.yaml"
        file.write_text(text, encoding="utf-8")
        return make_plan(load_spec(file), load_catalog())

    return make


@pytest.fixture(scope="session")
def plan(plan_of: Callable[[str], CompilePlan]) -> CompilePlan:
    return replace(plan_of(SPEC), pools=pools())


@pytest.fixture(scope="session")
def build(plan: CompilePlan) -> Callable[[str], Assembled]:
    def make(body: str) -> Assembled:
        return assembled(plan, {"read_letter": body})

    return make


def assembled(plan: CompilePlan, functions: dict[str, str]) -> Assembled:
    return assemble(plan.spec, plan.template.source, functions, template_name=plan.template.name)


@pytest.fixture(scope="session")
def box(plan: CompilePlan) -> Iterator[Sandbox]:
    limits = replace(limits_of(plan.spec), call_seconds=0.5, wall_seconds=5, memory_mb=128)
    with Sandbox(limits, preload=PRELOAD) as opened:
        yield opened


def rules_of(findings: Sequence[Any]) -> list[str]:
    return [finding.rule for finding in findings]
