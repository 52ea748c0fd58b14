"""The paper's Listing 1, as printed, from specification to a decision that a person confirmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import EXAMPLES, Home, Provider

SPEC = str(EXAMPLES / "prior_auth_glp1.yaml")
FACTORS = {"has_t2d_diagnosis": False, "current_a1c": 5.4, "bmi": 27.5, "has_step_therapy_failure": False}
MARKER = "ZQ7MARKERPATIENT"


@pytest.fixture(scope="module")
def clinic(shared_home: Home) -> Home:
    shared_home.compiled(SPEC)
    return shared_home


def _run(clinic: Home, provider: Provider, factors: dict[str, Any], chart: str = "chart") -> Any:
    provider.reply = lambda prompt: json.dumps(factors)
    return clinic(
        "run", "prior_auth_glp1", "--input", json.dumps({"patient_chart_summary": chart}), "--model", "openai:local",
        "--json", **provider.variables,
    )  # fmt: skip


def test_without_a_key_nothing_is_compiled_and_the_remedy_is_named(home: Home) -> None:
    ran = home("compile", SPEC)
    assert ran.code == 2
    assert "compiled-ai keys new" in ran.err
    assert not list(home.folder.rglob("seal.json"))


@pytest.mark.parametrize("silent", FACTORS)
@pytest.mark.parametrize("answer", [None, "unknown"])
def test_a_chart_silent_on_one_field_goes_to_review_and_is_never_denied(
    clinic: Home, provider: Provider, silent: str, answer: str | None
) -> None:
    ran = _run(clinic, provider, {**FACTORS, silent: answer})
    assert (ran.code, ran.json["status"], ran.json["output"]) == (3, "review", None)
    assert "HIPAA" in ran.json["reviews"][0]["reason"]
    assert "DENY" not in ran.out


@pytest.mark.parametrize(
    "reply",
    [
        "```json\n{0}\n```\nCorrection, I misread:\n```json\n{1}\n```",
        "```json\n{1}\n```\nno: {0}",
        "[{0}]",
        "{0}".replace("27.5", "29.999999999999999"),
    ],
)
def test_a_reply_that_is_not_one_clear_answer_goes_to_review(clinic: Home, provider: Provider, reply: str) -> None:
    yes, no = json.dumps({**FACTORS, "has_t2d_diagnosis": True}), json.dumps(FACTORS)
    text = reply.replace("{0}", yes if "{1}" in reply or "[" in reply else yes.replace("27.5", "29.999999999999999"))
    text = text.replace("{1}", no)
    provider.reply = lambda prompt: text
    ran = clinic("run", "prior_auth_glp1", "--input", '{"patient_chart_summary": "x"}', "--model", "openai:local",
                 "--json", **provider.variables)  # fmt: skip
    assert (ran.code, ran.json["status"], len(provider.asked)) == (3, "review", 2)


def test_an_approval_is_decided_at_once(clinic: Home, provider: Provider) -> None:
    ran = _run(clinic, provider, {**FACTORS, "has_t2d_diagnosis": True})
    assert ran.code == 0
    assert ran.json["output"] == {"outcome": "APPROVE", "reason": "has_t2d_diagnosis"}


def test_a_denial_waits_for_a_person_and_is_final_once_confirmed(clinic: Home, provider: Provider) -> None:
    ran = _run(clinic, provider, FACTORS)
    assert (ran.code, ran.json["status"], ran.json["output"]) == (3, "review", None)
    review = ran.json["reviews"][0]["review_id"]
    decided = clinic(
        "review", "decide", review, "--approve", "--by", "Dr. Ito", "--reason", "criteria not met", "--json"
    )
    assert decided.code == 0, decided.err
    assert decided.json["output"]["outcome"] == "DENY"
    again = clinic("review", "decide", review, "--approve", "--by", "Dr. Ito", "--reason", "again")
    assert again.code == 1
    assert "was decided" in again.err


def test_a_correction_must_fit_schema_and_rules(clinic: Home, provider: Provider) -> None:
    ran = _run(clinic, provider, {**FACTORS, "bmi": None})
    review = ran.json["reviews"][0]["review_id"]
    ten = ("--by", "Dr. Ito", "--reason", "measured today")
    wrong = clinic("review", "decide", review, "--correct", json.dumps({**FACTORS, "bmi": 300}), *ten)
    assert wrong.code == 2
    assert "bmi > 10 AND bmi < 100" in wrong.err
    right = clinic(
        "review",
        "decide",
        review,
        "--correct",
        json.dumps({**FACTORS, "bmi": 31, "has_step_therapy_failure": True}),
        *ten,
        "--json",
    )
    assert right.code == 0, right.err
    assert right.json["output"]["outcome"] == "APPROVE"


def test_a_decision_that_breaks_the_rules_is_asked_again_and_then_goes_to_review(
    clinic: Home, provider: Provider
) -> None:
    ran = _run(clinic, provider, {**FACTORS, "bmi": 5})
    assert (ran.code, ran.json["status"]) == (3, "review")
    assert len(provider.asked) == 2
    assert "bmi > 10 AND bmi < 100" in provider.asked[1]


def test_what_a_chart_says_reaches_no_sink_in_the_clear(clinic: Home, provider: Provider, tmp_path: Path) -> None:
    chart = f"{MARKER} has diabetes"
    ran = _run(clinic, provider, {**FACTORS, "has_t2d_diagnosis": True}, chart)
    assert ran.code == 0
    assert MARKER in provider.asked[0]
    denied = _run(clinic, provider, FACTORS, chart)
    assert MARKER not in denied.err + denied.out
    bad = clinic("run", "prior_auth_glp1", "--input", json.dumps({"patient_chart_summary": 7, MARKER: MARKER}))
    assert bad.code == 2
    assert MARKER not in bad.err.replace(f"{MARKER}", "", 0) or "values are not shown" in bad.err
    lines = tmp_path / "charts.jsonl"
    lines.write_text(json.dumps({"patient_chart_summary": chart}) + "\n", "utf-8")
    held = [path for path in clinic.folder.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()]
    assert held == []


def test_a_pinned_exchange_keeps_no_chart_once_it_is_answered(clinic: Home, tmp_path: Path) -> None:
    folder = tmp_path / "exchange"
    run = ("run", "prior_auth_glp1", "--input", json.dumps({"patient_chart_summary": MARKER}),
           "--model", f"exchange:{folder}", "--json")  # fmt: skip
    assert clinic(*run).code == 3
    (request,) = folder.glob("*.request.md")
    reply = request.with_name(request.name.replace(".request.md", ".reply.md"))
    reply.write_text(json.dumps({**FACTORS, "has_t2d_diagnosis": True}), "utf-8")
    done = clinic(*run)
    assert done.code == 0, done.err
    assert [path for path in folder.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()] == []


def test_inspect_says_which_controls_are_enforced_and_which_are_not_yet(clinic: Home) -> None:
    controls = {
        (each["pack"], each["control"]): each["status"]
        for each in clinic("inspect", "prior_auth_glp1", "--json").json["controls"]
    }
    assert controls["CMS_Decision_Timeframes", "denial_review"] == "enforced"
    assert controls["HIPAA", "person_authentication"] == "not yet enforced"


def test_plan_prints_each_default(clinic: Home) -> None:
    page = clinic("plan", SPEC).out
    for words in (
        "on_failure = review",
        "outcome = APPROVE, DENY",
        "adverse_outcomes = DENY",
        "no 'outputs' are listed",
    ):
        assert words in page


def test_explain_ends_with_reproduced_and_shows_the_line(clinic: Home, provider: Provider) -> None:
    run = _run(clinic, provider, {**FACTORS, "has_t2d_diagnosis": True}).json["run_id"]
    explained = clinic("explain", run)
    assert explained.code == 0, explained.err
    assert "IF has_t2d_diagnosis THEN APPROVE" in explained.out
    assert explained.out.rstrip().splitlines()[-1].startswith("reproduced")


def test_replies_can_be_recorded_and_replayed_sealed_where_a_pack_asks(
    clinic: Home, provider: Provider, tmp_path: Path
) -> None:
    provider.reply = lambda prompt: json.dumps({**FACTORS, "has_t2d_diagnosis": True})
    run = ("run", "prior_auth_glp1", "--input", json.dumps({"patient_chart_summary": MARKER}), "--json")
    folder = tmp_path / "kept"
    assert clinic(*run, "--record", str(folder)).code == 2
    assert clinic(*run, "--model", "openai:local", "--record", str(folder), **provider.variables).code == 0
    again = clinic(*run, "--model", f"recorded:{folder}")
    assert (again.code, again.json["output"]["outcome"]) == (0, "APPROVE")
    assert [path for path in folder.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()] == []


def test_cases_inside_a_protected_specification_are_refused(home: Home) -> None:
    case = "golden:\n  - {id: a, input: {patient_chart_summary: x}, expected: {outcome: DENY}}\n"
    text = Path(SPEC).read_text("utf-8") + case
    (home.folder / "inline.yaml").write_text(text, "utf-8")
    ran = home("check", "inline.yaml")
    assert (ran.code, "a specification is stored in the clear" in ran.out) == (2, True)
