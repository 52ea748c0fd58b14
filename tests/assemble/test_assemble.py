"""What is assembled can be read aloud, passes the checkers, and points back at the specification."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.assemble import Assembled, assemble
from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import load_catalog
from compiled_ai.errors import CompileFailed
from compiled_ai.plan import make_plan
from compiled_ai.runtime.stepper import Done, load_program
from compiled_ai.runtime.supplied import Lacking, Supplied, decide
from compiled_ai.spec.loader import load_spec_text

ROOT = Path(__file__).parents[2]

RICH = """\
metadata: {name: Claim intake, reference: [claim_id]}
inputs:
  - {name: claim_id, type: string}
  - {name: claim amount, type: money}
  - {name: note, type: "text?"}
  - name: member
    type: {type: object, fields: {id: string, plan: {type: "string?", enum: [gold, silver]}}}
  - {name: lines, type: list, items: {code: string, amount: money, units: integer}}
logic_requirements:
  - step: judge_line
    type: deterministic_rule
    for_each: line in lines
    logic: |
      IF line.amount > 1000 THEN CHECK BECAUSE "expensive"
      ELSE IF line.units > 10 THEN CHECK
      ELSE PASS
  - step: read_note
    type: bounded_invocation
    when: note IS NOT NULL
    schema: {urgent: boolean, wanted_by: "date?"}
    on_failure: fallback
    fallback: {urgent: false, wanted_by: null}
  - step: tidy
    type: function
    description: Upper-case the claim id.
    inputs: [claim_id]
    schema: {tidied: string}
  - step: decide
    type: deterministic_rule
    logic: |
      IF urgent = true AND claim amount < 500 THEN PAY
      ELSE IF member.plan = "gold" THEN LATE
      ELSE HOLD
outputs: [tidy.tidied, decide.outcome, {name: lines, from: judge_line}]
"""
FUNCTION = '''import re
from decimal import Decimal as D


def tidy(claim_id: str) -> Tidy:
    """Upper-cases a claim id."""
    number = re.sub(r"[^A-Za-z0-9]", "", claim_id)
    return Tidy(tidied=number.upper() if D(1) else "")
'''


def _assemble(text: str, functions: dict[str, str]) -> Assembled:
    plan = make_plan(load_spec_text(text, file="spec.yaml"), load_catalog())
    return assemble(
        plan.spec, plan.template.source, functions, template_name=plan.template.name, pack_reasons=plan.pack_reasons
    )


@pytest.fixture(scope="module")
def rich() -> Assembled:
    return _assemble(RICH, {"tidy": FUNCTION})


def _run(assembled: Assembled, given: dict[str, Any], **effects: Any) -> Any:
    files = {"workflow.py": assembled.source, "program.json": canonical_json(assembled.program)}
    return decide(load_program(files), given, Supplied(effects))


GIVEN = {
    "claim_id": "c-1", "claim amount": "99.50", "note": None, "member": {"id": "m", "plan": None},
    "lines": [{"code": "a", "amount": "1000.01", "units": 1}, {"code": "b", "amount": "5", "units": 2}],
}  # fmt: skip


def test_it_passes_mypy_strict_and_ruff(rich: Assembled, tmp_path: Path) -> None:
    file = tmp_path / "workflow.py"
    file.write_text(rich.source, "utf-8")
    for tool in (["mypy", "--strict", "--cache-dir", str(tmp_path)], ["ruff", "check", "--config", "pyproject.toml"]):
        ran = subprocess.run(
            [sys.executable, "-m", *tool, str(file)], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert ran.returncode == 0, ran.stdout


def test_a_skipped_step_reaches_later_rules_as_null(rich: Assembled) -> None:
    end = _run(rich, GIVEN)
    assert isinstance(end, Done)
    assert end.output == {
        "tidied": "C1",
        "outcome": "HOLD",
        "lines": [
            {"outcome": "CHECK", "reason": "expensive"},
            {"outcome": "PASS", "reason": "no earlier condition applied"},
        ],
    }


@pytest.mark.parametrize("name", ["handler", "validator", "batch", "stream"])
def test_the_same_candidate_decides_the_same_under_every_template(rich: Assembled, name: str) -> None:
    other = _assemble(f"{RICH}template: {name}\n", {"tidy": FUNCTION})
    assert other.program["template"] == name
    assert other.functions["tidy"].source == rich.functions["tidy"].source
    for given in (GIVEN, {**GIVEN, "claim amount": "5", "note": "please"}, {**GIVEN, "lines": []}):
        effects = {"read_note": {"urgent": True, "wanted_by": None}}
        assert _run(other, given, **effects) == _run(rich, given, **effects)


def test_an_effect_that_is_not_supplied_ends_the_run(rich: Assembled) -> None:
    assert _run(rich, {**GIVEN, "note": "please"}) == Lacking("read_note", "bounded")


def test_a_supplied_effect_reaches_the_rule(rich: Assembled) -> None:
    end = _run(rich, {**GIVEN, "note": "please"}, read_note={"urgent": True, "wanted_by": None})
    assert isinstance(end, Done)
    assert end.output["outcome"] == "PAY"


def test_a_local_name_of_a_function_brings_no_import(rich: Assembled) -> None:
    assert "from decimal import Decimal as D" in rich.source
    assert rich.functions["tidy"].imports == ("import re", "from decimal import Decimal as D")


def test_lines_point_back_at_the_specification_and_at_the_function(rich: Assembled) -> None:
    lines = rich.source.splitlines()
    gold = next(number for number, line in enumerate(lines, 1) if "gold" in line and line.strip().startswith("if "))
    assert RICH.splitlines()[rich.line_map[gold]["line"] - 1].strip().startswith("ELSE IF member.plan")
    place = rich.functions["tidy"]
    assert lines[place.first_line - 1].startswith("def tidy(")
    assert rich.line_map[place.first_line + 1] == {"line": 23, "function": "tidy", "own_line": 2}
    assert place.own_line(place.last_line + 1) is None


def test_two_functions_may_not_import_different_things_under_one_name() -> None:
    text = """\
metadata: {name: clash}
inputs: [{name: a, type: string}]
logic_requirements:
  - {step: one, type: function, description: x, schema: {b: string}}
  - {step: two, type: function, description: x, inputs: [a], schema: {c: string}}
"""
    one = "import re as tool\n\n\ndef one(a: str) -> One:\n    return One(tool.escape(a))\n"
    two = "import json as tool\n\n\ndef two(a: str) -> Two:\n    return Two(tool.dumps(a))\n"
    with pytest.raises(CompileFailed, match="'tool' is imported as two different things"):
        _assemble(text, {"one": one, "two": two})


def test_author_text_cannot_break_out_of_a_docstring_or_comment() -> None:
    text = """\
metadata: {name: 'x\"\"\"\\nimport os', description: 'a \"\"\" b \\\\'}
inputs: [{name: a, type: integer, description: 'evil \"\"\" + 1'}]
logic_requirements:
  - step: s
    type: deterministic_rule
    logic: IF a > 1 THEN YES ELSE NO
"""
    assembled = _assemble(text, {})
    compile(assembled.source, "workflow.py", "exec")
    assert "\nimport os" not in assembled.source


def test_author_text_keeps_its_quotes() -> None:
    text = r"""
metadata: {name: quotes}
inputs: [{name: kind, type: string, description: 'one of "a" and "b"'}]
logic_requirements:
  - step: s
    type: deterministic_rule
    when: kind != "b"
    logic: IF kind = "a" THEN YES ELSE NO
    validation: ['matches(outcome, "\\w+") = true AND outcome != "NO"']
properties: ['inputs.kind != "c"']
outputs: [{name: outcome, description: '"YES" or "NO"'}]
"""
    source = _assemble(text, {}).source
    compile(source, "workflow.py", "exec")
    for shown in (
        '"""one of "a" and "b" """',
        '""""YES" or "NO" """',
        r'# line 9: matches(outcome, "\\w+") = true AND outcome != "NO"' + "\n",
        '# line 7: when kind != "b"\n',
        '# line 10: inputs.kind != "c"\n',
    ):
        assert shown in source, shown


def test_a_template_without_a_slot_is_refused() -> None:
    plan = make_plan(load_spec_text(RICH, file="spec.yaml"), load_catalog())
    with pytest.raises(CompileFailed, match="lacks the slot 'flow'"):
        assemble(plan.spec, "# slot: models\n# slot: steps\n", {"tidy": FUNCTION})
