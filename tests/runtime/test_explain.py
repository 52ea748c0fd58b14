"""Explaining a decision, and what another artifact would have decided."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compiled_ai import artifact as artifact_module
from compiled_ai.canonical import canonical_json
from compiled_ai.errors import NotFound, UsageError
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.explain import explain, explain_traced
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import run
from compiled_ai.runtime.rerun import impact, rerun
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.tracing import MOST_EVENTS, trace_run

FIXTURES = Path(__file__).parent / "fixtures"
Programs = Callable[[str], Program]
CLAIM = {"claim_id": "c-1", "age": 41, "amount": "812.25", "plan": "silver", "in_network": True}
CHART = {"patient_chart_summary": "62 year old"}
READ = '{"has_t2d_diagnosis": false, "current_a1c": 5.4, "bmi": 31, "has_step_therapy_failure": true}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


def changed(name: str, *edits: tuple[str, str], told: Mapping[str, Any] | None = None) -> Program:
    files = {file: (FIXTURES / name / file).read_text() for file in ("workflow.py", "program.json")}
    for old, new in edits:
        assert old in files["workflow.py"]
        files["workflow.py"] = files["workflow.py"].replace(old, new)
    described = json.loads(files["program.json"]) | dict(told or {})
    return load_program({**files, "program.json": json.dumps(described)})


def only(*programs: Program) -> Callable[[str], Program]:
    known = {program.digest: program for program in programs}

    def find(digest: str) -> Program:
        if digest not in known:
            raise NotFound(f"no artifact {digest}")
        return known[digest]

    return find


def test_a_record_that_was_altered_is_called_so(program: Programs, store: RunStore, tmp_path: Path) -> None:
    triage = program("triage")
    done = run(triage, CLAIM, store=store)
    with sqlite3.connect(tmp_path / "runs.db") as database:
        database.execute("UPDATE payloads SET clear = replace(clear, 'APPROVE', 'DENY')")
        database.execute("UPDATE payloads SET clear = CAST(replace(CAST(clear AS TEXT), 'APPROVE', 'DENY') AS BLOB)")
    explained = explain(done.run_id, store=store, artifacts=only(triage))
    assert explained.verdict == "record altered"
    assert "altered" in explained.text().splitlines()[-1]


def test_a_record_that_never_came_from_this_artifact_is_called_altered(program: Programs, store: RunStore) -> None:
    triage = program("triage")
    record = run(triage, CLAIM).record()
    store.save(record.model_copy(update={"output": {"outcome": "DENY", "reason": "because"}}))
    explained = explain(record.run_id, store=store, artifacts=only(triage))
    assert explained.verdict == "record altered"
    assert "the replay decides" in explained.differences[0]


def test_a_package_or_module_that_changed_is_named_and_never_called_corrupt(
    program: Programs, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    triage = program("triage")
    names = ["python", "package:pydantic", "module:compiled_ai.library.values"]
    triage.environment = artifact_module.environment(names)
    done = run(triage, CLAIM, store=store)
    assert explain(done.run_id, store=store, artifacts=only(triage)).verdict == "reproduced"
    real = artifact_module.environment

    def later(wanted: Any) -> dict[str, str]:
        return real(wanted) | {"package:pydantic": "99.0", "module:compiled_ai.library.values": "0" * 16}

    monkeypatch.setattr(artifact_module, "environment", later)
    explained = explain(done.run_id, store=store, artifacts=only(triage))
    assert explained.verdict == "environment differs"
    assert any(told.startswith("package:pydantic: ") and told.endswith("99.0 now") for told in explained.differences)
    assert any(told.startswith("module:compiled_ai.library.values") for told in explained.differences)
    assert explained.differences[-1] == "the decision is the same"


def test_an_artifact_that_is_gone_is_named(program: Programs, store: RunStore) -> None:
    done = run(program("triage"), CLAIM, store=store)
    with pytest.raises(NotFound, match=done.artifact):
        explain(done.run_id, store=store, artifacts=only())


def test_an_explanation_marks_the_lines_that_ran_with_values_and_specification_lines(
    program: Programs, store: RunStore
) -> None:
    triage = program("triage")
    done = run(triage, CLAIM, store=store)
    explained = explain(done.run_id, store=store, artifacts=only(triage))
    assert explained.verdict == "reproduced"
    by_text = {line.text.strip(): line for line in explained.lines if line.text.strip()}
    first = by_text["if age < 18:"]
    assert (first.executed, first.values, first.taken, first.specification_line) == (1, ({"age": "41"},), (False,), 15)
    last = by_text['if in_network and amount <= Decimal("1000.50"):']
    assert last.taken == (True,)
    assert last.values == ({"in_network": "True", "amount": "812.25"},)
    assert by_text['return Triage("DENY", "no earlier condition applied")'].executed == 0
    page = explained.text()
    assert "#17" in page and "amount = 812.25 -> yes" in page and page.endswith("reproduced")
    json.loads(canonical_json(explained.to_json()))


def test_effects_are_shown_with_their_origin(program: Programs, store: RunStore) -> None:
    glp1 = program("glp1")
    done = run(glp1, CHART, store=store, model=ScriptedModel([READ.replace("31", "310"), READ]))
    explained = explain(done.run_id, store=store, artifacts=only(glp1))
    assert explained.verdict == "reproduced"
    assert [effect["origin"] for effect in explained.effects] == ["scripted: scripted"] * 2
    assert "extract_clinical_factors (bounded, attempt 1) succeeded, scripted" in explained.text()


def test_a_run_that_waits_or_failed_is_explained_too(program: Programs, store: RunStore) -> None:
    glp1, extract = program("glp1"), program("extract")
    waiting = run(glp1, CHART, store=store, model=ScriptedModel([READ.replace("true", "false")]))
    explained = explain(waiting.run_id, store=store, artifacts=only(glp1))
    assert (explained.verdict, explained.status) == ("reproduced", "review")
    failed = run(extract, {"document": "nothing"}, store=store)
    explained = explain(failed.run_id, store=store, artifacts=only(extract))
    assert (explained.verdict, explained.status) == ("reproduced", "failed")
    assert "no branch applies" in explained.text()


def test_an_extracted_value_is_shown_with_its_words(program: Programs, store: RunStore) -> None:
    extract = program("extract")
    done = run(extract, {"document": "Invoice\nTotal: 12.50", "limit": None}, store=store)
    explained = explain(done.run_id, store=store, artifacts=only(extract))
    (origin,) = explained.origins
    assert (origin.field, origin.text) == ("total", "12.50")
    assert "total: line 1, column 16: '12.50'" in explained.text()


def test_hostile_code_cannot_make_an_explanation_endless() -> None:
    wild = changed(
        "triage",
        ("    if age < 18:", "    for turn in range(400000):\n        plan = plan\n    if age < 18:"),
        ("class Triage:", 'class Triage:\n    def __repr__(self) -> str:\n        return "x" * (1 << 40)\n'),
    )
    traced = trace_run(wild, CLAIM, ())
    assert traced.trace.truncated
    assert sum(visits.count for visits in traced.trace.lines.values()) <= MOST_EVENTS
    explained = explain_traced(run(wild, CLAIM).record(), wild, traced)
    assert len(explained.text()) < 10_000
    assert "too long to follow" in explained.text()


def test_a_condition_and_a_call_over_several_lines_are_one_visit_each() -> None:
    long = changed(
        "triage",
        ("    if age < 18:", "    if (\n        age < 18\n        and amount > 0\n    ):"),
        ("    if plan ==", "    while (\n        age < 0\n    ):\n        age = -age\n    if plan =="),
        ('await ctx.result("triage", triage, ', 'await ctx.result(\n        "triage", triage, '),
    )
    for age, way in ((41, False), (17, True)):
        trace = trace_run(long, CLAIM | {"age": age}, ()).trace
        number = long.source.splitlines().index("    if (") + 1
        assert trace.lines[number].taken == [way]
        assert trace.lines[number].values == [{"age": str(age), "amount": "812.25"}]
        call = long.source.splitlines().index("    triage_result = await ctx.result(") + 1
        assert trace.lines[call].count == 1
        assert len([mark for mark in trace.marks if mark.kind == "return"]) == 2


def test_a_tracer_that_was_there_before_is_put_back(program: Programs) -> None:
    import sys

    before = sys.gettrace()
    trace_run(program("triage"), CLAIM, ())
    assert sys.gettrace() is before


# ---------------------------------------------------------------------------------------------- another artifact


def test_another_artifact_is_compared_down_to_the_first_line_where_they_part(
    program: Programs, store: RunStore
) -> None:
    glp1 = program("glp1")
    lower = changed("glp1", ("bmi >= 30", "bmi >= 35"))
    done = run(glp1, CHART, store=store, model=ScriptedModel([READ]))
    compared = rerun(done.run_id, lower, store=store, artifacts=only(glp1))
    assert (compared.first.status, compared.second.status) == ("completed", "review")
    assert compared.first.reason == "(bmi >= 30) AND has_step_therapy_failure"
    assert compared.parting is not None
    assert compared.parting.responsible == "evaluate_coverage: bmi >= 30 and has_step_therapy_failure"
    assert compared.parting.first is not None and dict(compared.parting.first.values)["bmi"] == "31.0"
    assert "They part at" in compared.text()


def test_a_rule_that_was_added_and_does_not_apply_parts_nothing(program: Programs, store: RunStore) -> None:
    triage = program("triage")
    added = changed("triage", ("    if age < 18:", "    if age > 99:\n        return None\n    if age < 18:"))
    done = run(triage, CLAIM, store=store)
    compared = rerun(done.run_id, added, store=store, artifacts=only(triage))
    assert compared.same and compared.parting is None


def test_an_effect_that_is_not_on_record_is_reported_and_never_called(program: Programs, store: RunStore) -> None:
    lines = program("lines")
    given = {"claim_id": "c", "notes": ["x"]}
    done = run(lines, given, store=store, model=ScriptedModel(['{"amount": 1}']))
    other = changed("lines", ('{"note": item}', '{"text": item}'))
    compared = rerun(done.run_id, other, store=store, artifacts=only(lines), model=ScriptedModel([]))
    assert (compared.second.status, compared.second.missing) == ("not known", ("read_line (bounded)",))
    live = ScriptedModel(['{"amount": 2}'])
    called = rerun(done.run_id, other, store=store, artifacts=only(lines), live_effects=True, model=live)
    assert called.second.status == "completed"
    assert called.second.output["total"] == 2
    assert len(live.requests) == 1


def test_an_input_that_the_other_artifact_refuses_is_reported(program: Programs, store: RunStore) -> None:
    triage = program("triage")
    described = json.loads((FIXTURES / "triage" / "program.json").read_text())
    described["input"]["fields"][3]["type"]["enum"] = ["gold"]
    strict = changed("triage", told={"input": described["input"]})
    done = run(triage, CLAIM, store=store)
    compared = rerun(done.run_id, strict, store=store, artifacts=only(triage))
    assert (compared.second.status, compared.same) == ("input refused", False)
    assert "'silver'" in compared.second.reason


def test_another_prompt_is_noted(program: Programs, store: RunStore) -> None:
    glp1 = program("glp1")
    described = json.loads((FIXTURES / "glp1" / "program.json").read_text())
    described["steps"][0]["prompt"] = "Read more carefully."
    done = run(glp1, CHART, store=store, model=ScriptedModel([READ]))
    other = changed("glp1", told={"steps": described["steps"]})
    compared = rerun(done.run_id, other, store=store, artifacts=only(glp1))
    assert compared.same
    assert "asks its model otherwise" in compared.notes[0]


def test_impact_groups_the_decisions_that_would_change_by_what_is_responsible(
    program: Programs, store: RunStore
) -> None:
    triage = program("triage")
    other = changed(
        "triage", ("if age < 18", "if age < 21"), ("1000.50", "500.00"), ("class Output:", "class Output:  # other")
    )
    for age, amount in [(19, 100), (20, 100), (41, 700), (41, 800), (41, 900), (41, 100), (17, 5)]:
        run(triage, CLAIM | {"age": age, "amount": amount}, store=store)
    found = impact(triage, other, store=store)
    assert (found.examined, found.same) == (7, 2)
    assert [(len(group.runs), group.change) for group in found.groups] == [
        (3, "APPROVE -> DENY"),
        (2, "APPROVE -> REFER"),
    ]
    assert found.groups[1].responsible == "triage: age < 21"
    assert found.to_json()["changed"] == 5
    assert "by triage: age < 21" in found.text()


def test_impact_counts_only_runs_since_a_date(program: Programs, store: RunStore) -> None:
    triage = program("triage")
    run(triage, CLAIM, store=store)
    assert impact(triage, changed("triage", ("age < 18", "age < 99")), store=store, since="2999-01-01").examined == 0


def test_impact_of_an_artifact_on_itself_is_refused(program: Programs, store: RunStore) -> None:
    with pytest.raises(UsageError, match="two different artifacts"):
        impact(program("triage"), program("triage"), store=store)


def test_the_line_map_and_the_specification_of_a_sealed_artifact_are_used(program: Programs, tmp_path: Path) -> None:
    triage = program("triage")
    number = triage.source.splitlines().index("    if age < 18:") + 1
    (tmp_path / "evidence").mkdir()
    (tmp_path / "identity").mkdir()
    (tmp_path / "evidence" / "line_map.json").write_text(json.dumps({str(number): {"line": 2}}))
    (tmp_path / "identity" / "specification.yaml").write_text("metadata:\n  IF age < 18 THEN REFER\n")

    @dataclass
    class Sealed:
        digest: str
        identity: Path
        evidence: Path
        manifest: dict[str, Any]

    sealed = Sealed(triage.digest, tmp_path / "identity", tmp_path / "evidence", {})
    explained = explain_traced(run(triage, CLAIM).record(), sealed, trace_run(triage, CLAIM, ()))
    assert explained.specification == {2: "IF age < 18 THEN REFER"}
