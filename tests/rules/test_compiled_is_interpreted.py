"""Compiled code and interpreter agree: on as many cases as `COMPILED_AI_RULE_CASES` says (4,000 by default)."""

from __future__ import annotations

import os
import random
from decimal import Overflow
from typing import Any

from generated import FIELDS, Author, inputs
from rule_support import MARK, Both, both

from compiled_ai.spec.rules import Scope, parse_logic
from compiled_ai.spec.rules.tables import parse_table

CASES = int(os.environ.get("COMPILED_AI_RULE_CASES", "4000"))
INPUTS_PER_RULE = 10
SCOPE = Scope(FIELDS)


def _agree(rule: Both, dice: random.Random) -> list[Any]:
    found: list[Any] = []
    for _ in range(INPUTS_PER_RULE):
        values = inputs(dice)
        try:
            found.append(rule.run(**values))
        except Overflow:
            found.append("overflow")
    return found


def test_rules_mean_the_same_compiled_and_interpreted() -> None:
    ran, refused, fired = 0, 0, 0
    for seed in range(CASES // 2 // INPUTS_PER_RULE):
        dice = random.Random(f"rule {seed}")
        text = Author(dice).rule()
        parsed = parse_logic(text, scope=SCOPE, mark=MARK)
        if parsed.node is None:
            refused += 1
            continue
        results = _agree(both(parsed, SCOPE), dice)
        ran += len(results)
        fired += sum(1 for result in results if result is not None)
    assert ran > CASES // 3, f"{refused} rules were refused"
    assert fired > ran // 3


def test_tables_mean_the_same_compiled_and_interpreted() -> None:
    ran, fired = 0, 0
    for seed in range(CASES // 2 // INPUTS_PER_RULE):
        dice = random.Random(f"table {seed}")
        parsed = parse_table(Author(dice).table(), scope=SCOPE)
        if parsed.node is None:
            assert {finding.rule for finding in parsed.findings if finding.severity == "error"} <= {
                "rules.contradictory_row"
            }, [str(finding) for finding in parsed.findings]
            continue
        results = _agree(both(parsed, SCOPE), dice)
        ran += len(results)
        fired += sum(1 for result in results if result is not None)
    assert ran > CASES // 4
    assert fired > ran // 4
