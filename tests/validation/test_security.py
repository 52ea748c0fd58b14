"""The security stage: what it refuses, where it says so, and that a tool which did not look is no pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiled_ai.assemble import Assembled
from compiled_ai.errors import StageUnavailable
from compiled_ai.plan import CompilePlan
from compiled_ai.records import Finding
from compiled_ai.sandbox import ToolResult
from compiled_ai.validation import scanners
from compiled_ai.validation.security import SCANNERS, security

Build = Callable[[str], Assembled]
GOOD = '''
import re
from decimal import Decimal

def read_letter(letter: str, weight: Decimal) -> ReadLetter:
    """Reads the vendor."""
    found = re.search(r"From: ([^\\n]*)", letter)
    return ReadLetter(found.group(1) if found else None, weight * 2)
'''
RULES = [
    rule
    for path in sorted(scanners.RULES.glob("*.yaml"))
    for rule in yaml.safe_load(path.read_text("utf-8"))["rules"]
    if rule["id"] != "canary"
]


def test_a_good_function_passes_all_four_tools(build: Build, plan: CompilePlan) -> None:
    result = security(build(GOOD), plan)
    assert (result.status, result.findings) == ("passed", ())
    assert set(result.measures["milliseconds"]) == {"policy", "bandit", "semgrep", "detect_secrets"}


def test_all_findings_of_all_tools_go_back_in_the_lines_of_the_function(build: Build, plan: CompilePlan) -> None:
    result = security(build(GOOD.replace("    found =", "    eval(letter)\n    found =")), plan)
    assert result.status == "failed"
    assert {(f.caught_by, f.line, f.step) for f in result.findings} == {
        ("policy", 3, "read_letter"),
        ("bandit", 3, "read_letter"),
        ("semgrep", 3, "read_letter"),
    }


def test_a_key_in_the_code_is_found_by_its_form(build: Build, plan: CompilePlan) -> None:
    key = "AKIA" + "Z7QX" * 4
    result = security(build(GOOD.replace("From: ", key)), plan)
    assert {"policy", "detect-secrets"} <= {f.caught_by for f in result.findings}


def test_a_comment_for_a_scanner_switches_nothing_off(build: Build, plan: CompilePlan) -> None:
    body = GOOD.replace("    found =", "    exec(letter)  # nosec # nosemgrep\n    found =")
    assert {f.caught_by for f in security(build(body), plan).findings} >= {"policy", "bandit"}


@pytest.mark.parametrize("fault", [StageUnavailable("gone"), ValueError("odd")])
def test_a_tool_that_breaks_is_an_error_even_if_others_refuse(
    fault: Exception, build: Build, plan: CompilePlan
) -> None:
    def broken(_: str) -> list[Finding]:
        raise fault

    result = security(build(GOOD.replace("re.search", "eval")), plan, tools={**SCANNERS, "semgrep": broken})
    assert result.status == "error"
    assert result.findings[0].rule in ("security.semgrep_unavailable", "security.semgrep_crashed")


def test_nothing_written_by_a_model_needs_no_tool(plan_of: Callable[[str], CompilePlan]) -> None:
    bare = Assembled(source="x = 1\n", program={})
    plan = plan_of(RULE_ONLY)
    assert security(bare, plan).status == "passed"


RULE_ONLY = """
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


def test_every_semgrep_rule_refuses_its_snippet_and_accepts_the_other() -> None:
    refused, accepted = (
        {finding.rule for finding in scanners.semgrep("\n".join(rule["metadata"][key] for rule in RULES))}
        for key in ("refuses", "accepts")
    )
    assert refused >= {f"semgrep.{rule['id']}" for rule in RULES}
    assert not accepted


def test_every_weakness_has_a_semgrep_rule() -> None:
    wanted = (22, 78, 89, 94, 327, 328, 330, 347, 377, 489, 502, 601, 611, 798, 918, 1333, 1336)
    assert {f"CWE-{number}" for number in wanted} <= {rule["metadata"]["cwe"] for rule in RULES}
    assert all(rule["metadata"]["owasp"] for rule in RULES)


REPORT = (
    '{"errors": [], "results": [{"check_id": "canary", "path": "canary.py", "start": {"line": 1, "col": 1},'
    ' "extra": {"message": "", "metadata": {}}}], "paths": {"scanned": ["candidate.py", "canary.py"]}}'
)


@pytest.mark.parametrize(
    "printed",
    [
        "",
        '{"errors": [{"a": 1}], "results": [], "paths": {"scanned": ["candidate.py", "canary.py"]}}',
        '{"errors": [], "results": [], "paths": {"scanned": []}}',
        '{"errors": [], "results": [], "paths": {"scanned": ["candidate.py", "canary.py"]}}',
    ],
    ids=["prints nothing", "reports errors", "scans nothing", "misses the canary"],
)
def test_semgrep_that_did_not_look_has_not_passed(printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ToolResult(0, printed, "", False))
    with pytest.raises(StageUnavailable, match="Semgrep"):
        scanners.semgrep("x = 1\n")


def test_semgrep_that_hangs_or_crashes_has_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    for result in (ToolResult(-9, REPORT, "", True), ToolResult(2, REPORT, "", False)):
        answer(monkeypatch, result)
        with pytest.raises(StageUnavailable, match="Semgrep"):
            scanners.semgrep("x = 1\n")
    answer(monkeypatch, ToolResult(0, REPORT, "", False))
    assert scanners.semgrep("x = 1\n") == []


def test_semgrep_without_its_core_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    scanners._osemgrep.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StageUnavailable, match="pip install semgrep"):
        scanners.semgrep("x = 1\n")


def answer(monkeypatch: pytest.MonkeyPatch, result: ToolResult) -> None:
    monkeypatch.setattr(scanners, "run_tool", lambda *_, **__: result)
    monkeypatch.setattr(scanners, "_osemgrep", lambda: Path("osemgrep"))


def test_bandit_that_skips_a_file_has_not_passed() -> None:
    with pytest.raises(StageUnavailable, match="skipped"):
        scanners.bandit("def f(:\n")


def test_bandit_and_secrets_that_miss_their_canary_have_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "_CANARY", "other.txt")
    monkeypatch.setattr(scanners, "_PLUGINS", [{"name": "SlackDetector"}])
    with pytest.raises(StageUnavailable, match="canary"):
        scanners.secrets("x = 1\n")


def test_a_text_that_does_not_parse_is_shown_to_no_scanner(plan: CompilePlan, build: Build) -> None:
    candidate = build(GOOD)
    place = next(iter(candidate.functions.values()))
    broken: Any = Assembled(
        source=candidate.source,
        program=candidate.program,
        functions={place.step: type(place)(place.step, place.first_line, place.last_line, "def f(:\n")},
    )
    result = security(broken, plan)
    assert result.status == "failed"
    assert set(result.measures["milliseconds"]) == {"policy"}
