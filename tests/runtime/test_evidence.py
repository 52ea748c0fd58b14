"""The places of what a run read: kept in its record, shown by explain, and null where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compiled_ai.assemble import assemble
from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import load_catalog
from compiled_ai.committee import open_vote
from compiled_ai.plan import make_plan
from compiled_ai.runtime.explain import explain, explain_traced
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import run
from compiled_ai.runtime.stepper import Failed, Program, load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.tracing import trace_run
from compiled_ai.spec.loader import load_spec_text

SPEC = """\
metadata: {name: Read bill}
inputs: {document: text}
steps:
  - step: read
    type: function
    description: Read the number, the total and the date of the bill.
    schema:
      number: string?
      total: money?
      doubled: {type: money, optional: true, computed: true}
      day: KIND
"""
FUNCTION = '''import re
from compiled_ai.library.layout import Page


def read(document: str) -> Read:
    """Reads a bill."""
    page = Page.from_text(document)
    total = page.labelled("Total", kind="money")
    number = re.search("No ([A-Z0-9]+)", document)
    day = page.first("date")
    return Read(
        (number.group(1).lower() if number else None) or "unknown",
        total,
        total * 2 if total is not None else None,
        day or page.first("date"),
    )
'''
BILL = {"document": "Bill No B77\nDate  7 May 2018\nTotal   $12.50\n"}
NO_NUMBER = {"document": "Bill\nDate  7 May 2018\nTotal   $12.50\n"}


def made(*, required: bool = False, function: str = FUNCTION) -> Program:
    text = SPEC.replace("KIND", "date" if required else '"date?"')
    plan = make_plan(load_spec_text(text, file="spec.yaml"), load_catalog())
    reading = [each.step.name for each in plan.functions if each.reads_document]
    assert reading == ["read"]
    assembled = assemble(plan.spec, plan.template.source, {"read": function}, reading=reading)
    return load_program({"workflow.py": assembled.source, "program.json": canonical_json(assembled.program)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


def test_a_place_is_read_or_searched_for_and_kept_in_the_record(store: RunStore) -> None:
    result = run(made(), BILL, store=store)
    assert result.output == {"number": "b77", "total": "12.50", "doubled": "25.00", "day": "2018-05-07"}
    assert result.evidence["total"] == [{"start": 37, "end": 43, "line": 3, "column": 9}]
    assert result.evidence["number"] == [{"start": 8, "end": 11, "line": 1, "column": 9, "searched": True}]
    assert set(result.evidence) == {"number", "total", "day"}
    assert store.load(result.run_id).evidence == result.evidence
    assert result.to_json()["evidence"] == result.evidence


def test_a_value_without_a_place_is_null_with_the_reason(store: RunStore) -> None:
    program = made()
    result = run(program, NO_NUMBER, store=store)
    assert result.output["number"] is None
    assert store.load(result.run_id).evidence["number"] == {"dropped": "no place in the source"}
    told = explain(result.run_id, store=store, artifacts=lambda digest: program)
    assert told.verdict == "reproduced"
    assert "Left out (null):\n  number: no place in the source" in told.text()
    assert "  total: line 3, column 9: '$12.50'" in told.text()


def test_explain_says_which_place_was_searched_for(store: RunStore) -> None:
    program = made()
    result = run(program, BILL, store=store)
    told = explain(result.run_id, store=store, artifacts=lambda digest: program)
    assert "  number: line 1, column 9 (searched): 'B77'" in told.text()


def test_a_required_value_without_a_place_is_no_valid_result() -> None:
    invented = FUNCTION.replace('day or page.first("date")', "date(2031, 1, 1)").replace(
        "import re\n", "import re\nfrom datetime import date\n"
    )
    outcome = run(made(required=True, function=invented), BILL, store=None).outcome
    assert isinstance(outcome, Failed)
    assert outcome.problems == ("day: no place in the source, and it is required",)


def test_a_replay_that_reads_elsewhere_is_told_apart_from_the_record(store: RunStore) -> None:
    program = made()
    result = run(program, BILL, store=store)
    moved = made(function=FUNCTION.replace("day or", "page.labelled('Date', kind='date') or"))
    record = store.load(result.run_id)
    elsewhere = record.model_copy(update={"evidence": {**record.evidence, "day": []}})
    assert explain(result.run_id, store=store, artifacts=lambda digest: moved).verdict == "reproduced"
    told = explain_traced(elsewhere, program, trace_run(program, record.input, ()))
    assert told.verdict == "record altered"
    assert told.differences == ("the replay reads the same values at other places",)


# ---------------------------------------------------------------- committees


def voted(*functions: str, required: bool = False) -> Program:
    """A committee of functions that read a bill; the most votes stand."""
    text = SPEC.replace("KIND", "date" if required else '"date?"')
    plan = make_plan(load_spec_text(text, file="spec.yaml"), load_catalog())
    (step,) = plan.spec.steps
    assembled = assemble(
        plan.spec,
        plan.template.source,
        {"read": functions},
        reading=["read"],
        committees={"read": open_vote(step, plan.spec)},
    )
    return load_program({"workflow.py": assembled.source, "program.json": canonical_json(assembled.program)})


INVENTED = FUNCTION.replace('day or page.first("date")', "date(2031, 1, 1)").replace(
    "import re\n", "import re\nfrom datetime import date\n"
)


def test_what_has_no_place_does_not_vote(store: RunStore) -> None:
    invents = FUNCTION.replace("number.group(1).lower()", '"Z99"')
    program = voted(invents, invents, FUNCTION)
    result = run(program, BILL, store=store)
    assert result.output["number"] == "b77"
    assert store.load(result.run_id).evidence["number"][0]["searched"] is True
    told = explain(result.run_id, store=store, artifacts=lambda digest: program)
    votes = {vote["field"]: vote for vote in told.to_json()["votes"][0]["votes"]}
    assert [answer["value"] for answer in votes["number"]["answers"]] == [None, None, "b77"]
    assert (votes["number"]["votes"], "abstained" in result.to_json()) == (1, False)


def test_a_required_value_that_one_member_invents_is_outvoted() -> None:
    result = run(voted(INVENTED, FUNCTION, FUNCTION, required=True), BILL, store=None)
    assert result.output["day"] == "2018-05-07"


def test_a_required_value_that_all_members_invent_has_one_reason() -> None:
    outcome = run(voted(INVENTED, INVENTED, INVENTED, required=True), BILL, store=None).outcome
    assert isinstance(outcome, Failed)
    assert outcome.problems == ("day: no place in the source, and it is required",)


def test_a_value_that_is_voted_null_for_want_of_votes_has_one_reason(store: RunStore) -> None:
    apart = [FUNCTION.replace("number.group(1).lower()", f'"Z{number}"') for number in (1, 2, 3)]
    result = run(voted(*apart), BILL, store=store)
    assert result.output["number"] is None
    assert store.load(result.run_id).evidence["number"] == {"dropped": "no place in the source"}
    assert "abstained" not in result.to_json()
