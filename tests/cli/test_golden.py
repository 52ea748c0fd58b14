"""`golden check`: what looks wrong in golden cases, told to a person and to nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import ROOT, Home
from papers import pdf

SPEC = """
metadata: {name: "Letters", data_basis: "synthetic"}
inputs:
  - {name: "letter", type: "text"}
logic_requirements:
  - step: "read_letter"
    type: "function"
    description: "vendor follows From:, total follows Total:, day is the first date."
    schema: {vendor: string?, total: money?, day: date?}
"""


def letter(number: int, **changed: Any) -> dict[str, Any]:
    text = f"From: Vendor {number} Ltd\nDate: March {number + 1}, 2024\nTotal: $1,{number + 100}.50"
    expected = {"vendor": f"Vendor {number} Ltd", "total": f"1{number + 100}.50", "day": f"2024-03-{number + 1:02d}"}
    return {"id": f"case-{number}", "input": {"letter": text}, "expected": expected | changed}


def write(folder: Path, cases: list[Any], *, spec: str = SPEC) -> Path:
    (folder / "letters").mkdir(exist_ok=True)
    if spec:
        (folder / "letters.yaml").write_text(spec, "utf-8")
    golden = folder / "letters" / "golden.jsonl"
    golden.write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    return golden


def rules(told: Any) -> list[tuple[str, int]]:
    return [(finding["rule"].removeprefix("golden."), finding["line"]) for finding in told["findings"]]


def test_a_file_that_is_not_there_is_wrong_usage(home: Home) -> None:
    ran = home("golden", "check", "gone.jsonl")
    assert ran.code == 2
    assert "There is no file 'gone.jsonl'." in ran.err


def test_labels_of_the_wrong_type_are_errors_with_their_lines(home: Home) -> None:
    golden = write(home.folder, [letter(0), letter(1, day="yesterday"), letter(2, total=True)])
    for named in (golden, home.folder / "letters.yaml"):
        ran = home("golden", "check", str(named), "--json")
        assert ran.code == 2, ran.err
        assert rules(ran.json) == [("type", 2), ("type", 3)]


def test_without_a_specification_a_label_unlike_its_neighbours_is_an_error(home: Home) -> None:
    golden = write(home.folder, [letter(0), letter(1), letter(2, vendor=7)], spec="")
    ran = home("golden", "check", str(golden), "--json")
    assert (ran.code, rules(ran.json)) == (2, [("type", 3)])
    assert "is number, elsewhere it is text" in ran.json["findings"][0]["message"]


def test_a_line_that_is_no_case_is_an_error(home: Home) -> None:
    golden = write(home.folder, [letter(0), {"id": "x", "input": {}}], spec="")
    ran = home("golden", "check", str(golden), "--json")
    assert (ran.code, rules(ran.json)) == (2, [("type", 2)])


def test_a_line_that_is_no_json_says_so_once(home: Home) -> None:
    golden = write(home.folder, [letter(0)], spec="")
    golden.write_bytes(golden.read_bytes() + b"id,input\n\xff\n")
    ran = home("golden", "check", str(golden), "--json")
    assert (ran.code, rules(ran.json)) == (2, [("type", 2), ("type", 3)])
    assert [finding["message"] for finding in ran.json["findings"]] == [
        "Not valid JSON: Expecting value: line 1 column 1 (char 0). Write one case {id, input, expected} on each line.",
        "The line is not UTF-8. Save the file as UTF-8.",
    ]


def test_a_sheet_of_labels_is_no_golden_file_and_the_command_that_makes_one_is_told(home: Home) -> None:
    (home.folder / "labels.csv").write_text("file,total\na,1\n", "utf-8")
    ran = home("golden", "check", "labels.csv")
    assert ran.code == 2
    assert "'labels.csv' is a sheet, and golden cases are JSON lines {id, input, expected}." in ran.err
    assert "Make cases of it: compiled-ai golden import DIR --labels labels.csv --key COLUMN." in ran.err


def test_the_same_input_twice_is_suspected_and_a_contradiction_names_the_fields(home: Home) -> None:
    same = letter(0) | {"id": "same"}
    shouting = letter(1, vendor="Vendor 1") | {"id": "other"}
    shouting["input"] = {"letter": shouting["input"]["letter"].upper() + "  "}
    ran = home("golden", "check", str(write(home.folder, [letter(0), letter(1), same, shouting])), "--json")
    assert (ran.code, rules(ran.json)) == (0, [("duplicate", 3), ("contradiction", 4)])
    assert "other labels: vendor." in ran.json["findings"][1]["message"]


def test_a_label_that_its_document_does_not_hold_is_suspected(home: Home) -> None:
    odd = [letter(1, vendor="Acme Inc"), letter(2, total="1102.55"), letter(3, day="2024-04-04")]
    cases = [letter(0), *odd, letter(4)]
    ran = home("golden", "check", str(write(home.folder, cases)), "--json")
    assert ran.code == 0
    assert sorted(rules(ran.json)) == [("absent", 2), ("absent", 3), ("absent", 4)]


def test_a_field_that_is_worked_out_is_not_held_against_its_documents(home: Home) -> None:
    cases = [letter(number, vendor=f"class {chr(65 + number)}") for number in range(4)]
    ran = home("golden", "check", str(write(home.folder, cases)), "--json")
    assert ran.json["findings"] == []
    assert ran.json["notes"] == [
        "most labels of 'vendor' do not occur in their documents: it is worked out, and was not judged by that"
    ]


def test_a_person_reads_one_line_for_each_suspicion(home: Home) -> None:
    golden = write(home.folder, [letter(0), letter(1), letter(2, vendor="Acme Inc")])
    ran = home("golden", "check", str(golden))
    first, last = ran.out.strip().splitlines()
    assert first.endswith(
        "golden.jsonl:3: suspected: absent: "
        "Label 'vendor' of 'case-2' is \"Acme Inc\", which its document does not hold."
    )
    assert last.endswith("3 cases, 0 errors, 1 suspicion")


RULE = """
metadata: {name: "Limits"}
inputs:
  - {name: "weight", type: "decimal"}
logic_requirements:
  - step: "decide"
    type: "deterministic_rule"
    logic: |
      IF weight >= 10 THEN HEAVY
      ELSE LIGHT
"""


@pytest.fixture
def candidates(home: Home) -> list[str]:
    """Two ways to say one rule, and one copy."""
    other = RULE.replace("IF weight >= 10 THEN HEAVY\n      ELSE LIGHT", "IF weight < 10 THEN LIGHT\n      ELSE HEAVY")
    for name, text in (("one", RULE), ("two", other)):
        (home.folder / f"{name}.yaml").write_text(text, "utf-8")
    return [home.compiled(f"{name}.yaml")["digest"] for name in ("one", "two")]


def test_cases_on_which_independent_candidates_agree_against_the_label_are_suspected(
    home: Home, candidates: list[str]
) -> None:
    cases = [
        {"id": "right", "input": {"weight": 12}, "expected": {"outcome": "HEAVY"}},
        {"id": "wrong", "input": {"weight": 3}, "expected": {"outcome": "HEAVY"}},
    ]
    golden = write(home.folder, cases, spec="")
    before = sorted(path for path in (home.folder / "home").rglob("*") if path.is_file())
    ran = home("golden", "check", str(golden), "--with", candidates[0], "--with", candidates[1], "--json")
    assert (ran.code, ran.json["candidates"], rules(ran.json)) == (0, 2, [("disagreement", 2)])
    assert ran.json["findings"][0]["message"] == (
        "Label 'outcome' of 'wrong' is \"HEAVY\"; 2 independent candidates say \"LIGHT\"."
    )
    assert sorted(path for path in (home.folder / "home").rglob("*") if path.is_file()) == before


AMOUNTS = """
metadata: {name: "Amounts"}
inputs: [{name: "total", type: "money"}, {name: "day", type: "date"}]
logic_requirements:
  - step: "decide"
    type: "deterministic_rule"
    logic: "IF total >= 0 THEN PLUS ELSE MINUS"
outputs: [total, day]
"""


def test_amounts_and_days_are_compared_by_the_type_that_the_candidates_declare(home: Home) -> None:
    other = AMOUNTS.replace("IF total >= 0 THEN PLUS ELSE MINUS", "IF total < 0 THEN MINUS ELSE PLUS")
    for name, text in (("one", AMOUNTS), ("two", other)):
        (home.folder / f"{name}.yaml").write_text(text, "utf-8")
    candidates = [home.compiled(f"{name}.yaml")["digest"] for name in ("one", "two")]
    given = {"total": "1250.0", "day": "2024-03-14"}
    cases = [
        {"id": "written", "input": given, "expected": {"total": "$1,250.00", "day": "14/03/2024"}},
        {"id": "wrong", "input": given, "expected": {"total": "1,250.50", "day": "15 March 2024"}},
    ]
    golden = write(home.folder, cases, spec="")
    ran = home("golden", "check", str(golden), "--with", candidates[0], "--with", candidates[1], "--json")
    found = [finding for finding in ran.json["findings"] if finding["rule"] == "golden.disagreement"]
    assert [(each["line"], each["message"].split("'")[1]) for each in found] == [(2, "total"), (2, "day")], ran.json


def test_a_candidate_does_not_agree_with_itself(home: Home, candidates: list[str]) -> None:
    golden = write(home.folder, [{"id": "a", "input": {"weight": 3}, "expected": {"outcome": "HEAVY"}}], spec="")
    ran = home("golden", "check", str(golden), "--with", candidates[0], "--with", candidates[0], "--json")
    assert (ran.json["candidates"], ran.json["findings"]) == (1, [])
    assert "one candidate alone cannot agree with another" in ran.json["notes"][-1]


@pytest.mark.parametrize("name", ["invoice_fields.yaml", "prior_auth_glp1.yaml"])
def test_the_shipped_examples_have_no_suspected_label(home: Home, name: str) -> None:
    ran = home("golden", "check", str(ROOT / "examples" / name), "--json")
    assert (ran.code, ran.json["findings"]) == (0, [])
    assert ran.json["cases"] > 10


def test_read_prints_the_text_its_json_and_its_boxes(home: Home) -> None:
    (home.folder / "a.pdf").write_bytes(pdf("Total   12.50", ""))
    ran = home("read", "a.pdf")
    assert (ran.code, ran.out.split()) == (0, ["Total", "12.50"])
    assert ran.err == "a.pdf: page 2 has no text layer\n"
    told = home("read", "a.pdf", "--json").json
    assert (told["format"], told["warnings"], len(told["pages"])) == ("pdf", ["page 2 has no text layer"], 2)
    assert [box[4] for box in home("read", "a.pdf", "--boxes").json] == ["Total", "12.50"]


def test_read_makes_the_input_of_a_run_of_a_document(home: Home) -> None:
    (home.folder / "order.txt").write_text('Total "12"\n', "utf-8")
    (home.folder / "a.pdf").write_bytes(pdf("Total   12.50"))
    assert home("read", "order.txt", "--as", "letter").json == {"letter": 'Total "12"\n'}
    assert home("read", "order.txt", "--as", "letter", "--json").json == {"letter": 'Total "12"\n'}
    assert [box[4] for box in home("read", "a.pdf", "--boxes", "--as", "lines").json["lines"]] == ["Total", "12.50"]


def test_read_refuses_with_exit_two_what_lies_outside_its_root(home: Home) -> None:
    (home.folder / "a.txt").write_text("words", "utf-8")
    (home.folder / "papers").mkdir()
    ran = home("read", "../a.txt", "--root", "papers")
    assert (ran.code, ran.out) == (2, "")
    assert "'../a.txt' lies outside 'papers'." in ran.err
    assert "text has no boxes" in home("read", "a.txt", "--boxes").err


def test_golden_import_writes_cases_beside_the_specification_and_names_wrong_cells(home: Home) -> None:
    (home.folder / "letters.yaml").write_text(SPEC, "utf-8")
    (home.folder / "papers").mkdir()
    for number in range(3):
        (home.folder / "papers" / f"{number}.txt").write_text(letter(number)["input"]["letter"], "utf-8")
    labels = home.folder / "labels.csv"
    arguments = ("golden", "import", "papers", "--labels", "labels.csv", "--key", "file", "--spec", "letters.yaml")
    labels.write_text('file,Vendor,total\n0,Vendor 0 Ltd,"1,100.50"\n1,Vendor 1 Ltd,many\n', "utf-8")
    ran = home(*arguments)
    assert ran.code == 2
    assert "labels.csv:3: column 'total': 'many' is no number." in ran.err
    labels.write_text('file,Vendor,total\n0,Vendor 0 Ltd,"1,100.50"\n1,Vendor 1 Ltd,1101.50\n', "utf-8")
    told = home(*arguments, "--json").json
    assert (told["cases"], told["files_without_row"], told["unlabelled"]) == (2, ["2.txt"], ["day"])
    assert home("golden", "check", told["out"]).code == 0


def test_golden_check_takes_a_file_of_the_working_directory(home: Home) -> None:
    (home.folder / "golden.jsonl").write_text(json.dumps(letter(0)) + "\n", "utf-8")
    ran = home("golden", "check", "golden.jsonl")
    assert (ran.code, ran.out) == (0, "golden.jsonl: 1 case, 0 errors, 0 suspicions\n")
