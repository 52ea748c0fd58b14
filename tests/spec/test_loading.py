"""Loading files: Listing 1 and its defaults, files that cannot be read, golden files, the starter."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from compiled_ai.errors import SpecError
from compiled_ai.spec import load_spec, load_spec_text
from compiled_ai.spec.model import BoundedStep, CallStep, FunctionStep, RuleStep
from compiled_ai.spec.starter import starter_text

ROOT = Path(__file__).parents[2]
LISTING_1 = ROOT / "examples" / "prior_auth_glp1.yaml"
RULE = "steps:\n  - {step: s, type: deterministic_rule, logic: IF a > 1 THEN OK ELSE NO}\n"


def refused(text: str, folder: Path | None = None) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec_text(text, file="spec.yaml" if folder is None else str(folder / "spec.yaml"), folder=folder)
    return [str(one) for one in caught.value.details]


# ---------------------------------------------------------------- files that cannot be read


def read_error(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return str(caught.value).removeprefix(f"{path}:")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert read_error(path) == f"1:1: Cannot read {str(path)!r}: No such file or directory. Give the path of a file."


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in read_error(tmp_path)


@pytest.mark.parametrize("size", [2_000_001, 10_000_000])
def test_a_file_of_many_megabytes_is_refused_before_it_is_parsed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * size)
    assert read_error(path) == (
        "1:1: The file is larger than 2,000,000 bytes. Move reference data to 'tables' and cases to a golden file."
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_unicode_encoding_is_refused_by_name(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes("inputs: {a: integer}".encode(encoding))
    said = "1:1: The file is not UTF-8 (it looks like UTF-16 or UTF-32). Save it as UTF-8."
    assert read_error(path) == said


def test_a_byte_of_latin_1_is_located(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes("inputs:\n  größe: integer\n".encode("latin-1"))
    assert read_error(path) == "2:5: Byte b'\\xf6' is not UTF-8. Save the file as UTF-8."


def test_a_control_character_is_located() -> None:
    assert refused("inputs:\n  a\x00: integer\n") == [
        "spec.yaml:2:4: Character '\\x00' cannot stand in YAML. Remove it, or write it as an escape in double quotes."
    ]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_endless_nesting_is_refused_and_not_a_crash(opening: str) -> None:
    found = refused(opening * 50_000)
    assert found[0].endswith(": Nested deeper than 64 levels. Flatten it.") or "Not valid YAML" in found[0]


def test_a_hundred_thousand_values_are_too_many() -> None:
    found = refused("inputs: [" + "a, " * 100_001 + "]")
    assert found[0].endswith(
        "More than 100,000 values, aliases counted in full. Move data to 'tables' or to a golden file."
    )


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + b"inputs: {a: integer}\r\n" + RULE.replace("\n", "\r\n").encode())
    spec = load_spec(path)
    assert spec.steps[0].mark.line == 3 and spec.steps[0].mark.column == 12


def test_an_unknown_library_module_is_refused_with_the_nearest() -> None:
    found = refused("modules: [dats]\ninputs: {a: integer}\n" + RULE)
    assert found[0].startswith("spec.yaml:1:11: Unknown module 'dats'. Did you mean 'dates'? Known: ")


# ---------------------------------------------------------------- Listing 1


def test_listing_1_loads_as_printed() -> None:
    spec = load_spec(LISTING_1)
    ask, decide = spec.steps
    assert isinstance(ask, BoundedStep) and isinstance(decide, RuleStep)
    assert [field.name for field in ask.result] == [
        "has_t2d_diagnosis",
        "current_a1c",
        "bmi",
        "has_step_therapy_failure",
    ]
    assert [one.source for one in decide.parameters] == [
        "extract_clinical_factors.has_t2d_diagnosis",
        "extract_clinical_factors.bmi",
        "extract_clinical_factors.has_step_therapy_failure",
    ]
    assert decide.result[0].type.enum == ("APPROVE", "DENY")
    assert decide.source_text.startswith("IF has_t2d_diagnosis THEN APPROVE\n")
    assert (decide.logic_mark.line, decide.logic_mark.column) == (20, 7)
    assert (ask.validation[0].mark.line, ask.validation[0].mark.column) == (16, 10)
    assert [output.source for output in spec.outputs] == ["evaluate_coverage.outcome", "evaluate_coverage.reason"]
    assert spec.slug == "prior_auth_glp1"
    assert spec.adverse_outcomes == ("DENY",)
    assert {step.on_failure for step in spec.steps} == {"review"}


def test_each_default_of_listing_1_is_listed_with_its_reason() -> None:
    spec = load_spec(LISTING_1)
    listed = {default.path: default.value for default in spec.defaults}
    assert all(default.reason for default in spec.defaults)
    assert listed == {
        "metadata.version": "0.1.0",
        "logic_requirements[0].inputs": "inputs.patient_chart_summary",
        "logic_requirements[0].model": "the model of the run",
        "logic_requirements[0].schema": "each field may also be answered 'unknown'",
        "logic_requirements[0].attempts": "2",
        "logic_requirements[0].max_tokens": "1024",
        "logic_requirements[0].timeout_seconds": "60",
        "logic_requirements[0].on_failure": "review",
        "logic_requirements[1].schema.outcome": "APPROVE, DENY",
        "logic_requirements[1].schema": "outcome: one of APPROVE, DENY, reason: text",
        "logic_requirements[1].on_failure": "review",
        "outputs": "outcome, reason",
        "accuracy.outcome.metric": "exact",
        "accuracy.outcome.threshold": "1",
        "accuracy.reason.metric": "text",
        "accuracy.reason.threshold": "1",
        "golden": "prior_auth_glp1/golden.jsonl",
        "metadata.adverse_outcomes": "DENY",
        "limits": "candidates 1, target none, committee 1, confidence 0.9, unfamiliar accept, function_lines 50, "
        "memory_mb 512, cpu_seconds 10",
    }


def test_the_golden_cases_of_listing_1_say_that_they_are_synthetic_and_keep_numbers_exact() -> None:
    cases = load_spec(LISTING_1).golden
    assert len(cases) == 13
    assert all(case.id.startswith("synthetic-") for case in cases)
    assert all(case.input["patient_chart_summary"].startswith("Synthetic chart.") for case in cases)
    first = cases[0].effects["extract_clinical_factors"]["bmi"]
    assert first == Decimal("33.1") and isinstance(first, Decimal)
    silent = [
        name for case in cases for name, value in case.effects["extract_clinical_factors"].items() if value is None
    ]
    assert set(silent) == {"has_t2d_diagnosis", "bmi", "has_step_therapy_failure"}


def test_without_a_pack_what_cannot_be_decided_fails_the_run() -> None:
    spec = load_spec_text("inputs: {a: integer}\n" + RULE)
    assert spec.steps[0].on_failure == "fail" and spec.adverse_outcomes == ()


def test_a_waiver_is_kept_with_who_and_why() -> None:
    pack = "compliance: [{pack: CMS_Decision_Timeframes, waive: {denial_review: {by: Dr. A, reason: pilot}}}]\n"
    rule = RULE.replace("NO", "DENY")
    spec = load_spec_text(pack + "inputs: {a: integer}\n" + rule)
    assert spec.packs[0].waived == {"denial_review": {"by": "Dr. A", "reason": "pilot"}}


# ---------------------------------------------------------------- values


def test_words_of_yaml_1_1_stay_text_where_text_is_expected() -> None:
    text = """
inputs: {answer: {type: string, enum: [no, yes, on]}, code: string, when: string}
steps:
  - {step: s, type: function, description: Count., schema: {n: integer}}
golden:
  - {id: no, input: {answer: no, code: 0123, when: 12:30}, expected: {n: 1}}
  - {id: on, input: {answer: on, code: 1.10, when: 2026-01-01}, expected: {n: 10}}
"""
    spec = load_spec_text(text)
    assert spec.inputs[0].type.enum == ("no", "yes", "on")
    assert [case.id for case in spec.golden] == ["no", "on"]
    assert spec.golden[0].input == {"answer": "no", "code": "0123", "when": "12:30"}
    assert spec.golden[1].input == {"answer": "on", "code": "1.10", "when": "2026-01-01"}


def test_yes_is_no_boolean() -> None:
    text = (
        "inputs: {a: integer, b: boolean}\n"
        + RULE
        + "golden: [{id: x, input: {a: 1, b: yes}, expected: {outcome: NO}}]"
    )
    assert refused(text) == ["spec.yaml:4:35: input.b: expected boolean, got text 'yes'."]


def test_numbers_are_read_from_their_text_and_never_through_a_double() -> None:
    text = """
inputs: {a: decimal}
steps:
  - step: s
    type: function
    description: Count.
    schema: {n: decimal}
    fallback: {n: 0.1000000000000000055511151231257827021181583404541015625}
golden:
  - {id: one, input: {a: 12345678901234567890.12345678901234567890}, expected: {n: 1e3}}
"""
    spec = load_spec_text(text)
    assert spec.steps[0].fallback == {"n": Decimal("0.1000000000000000055511151231257827021181583404541015625")}
    assert spec.golden[0].input["a"] == Decimal("12345678901234567890.12345678901234567890")
    assert spec.golden[0].expected["n"] == Decimal(1000)


def test_a_number_with_an_endless_exponent_is_no_number() -> None:
    text = "inputs: {a: decimal}\n" + RULE + "golden: [{id: x, input: {a: 1e999999999}, expected: {outcome: NO}}]"
    assert refused(text) == [
        "spec.yaml:4:29: input.a: expected decimal (a plain decimal number), got text '1e999999999'."
    ]


# ---------------------------------------------------------------- golden files


def golden(folder: Path, *lines: str, text: str = "") -> list[str]:
    (folder / "cases.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    found = refused("inputs: {a: integer}\n" + RULE + "golden: cases.jsonl\n" + text, folder)
    return [line.removeprefix(str(folder / "cases.jsonl")) for line in found]


GOOD_LINE = json.dumps({"id": "one", "input": {"a": 1}, "expected": {"outcome": "NO"}})


def test_each_fault_of_a_golden_file_is_located_at_its_line(tmp_path: Path) -> None:
    found = golden(
        tmp_path,
        GOOD_LINE,
        '{"id": "two", "input": {"a": 1}, "expected": ',
        "",
        "[]",
        '{"id": "three", "input": {"a": "x"}, "expected": {"outcome": "MAYBE"}, "extra": 1}',
        GOOD_LINE,
        '{"id": "four", "input": {"a": NaN}, "expected": {"outcome": "NO"}}',
        '{"id": 5, "input": {"a": 1, "a": 2}, "expected": {"outcome": "NO"}}',
        '{"id": 6, "input": {"a": 1}, "expected": {"outcome": "NO"}}',
        '{"id": "seven", "group": 7, "input": {"a": 1}, "expected": {"outcome": "NO"}}',
        '{"id": "eight", "input": {"a": 1}}',
        '{"id": "nine", "input": {"a": 1}, "expected": {"outcome": "NO"}, "effects": []}',
    )
    assert found == [
        ":2:46: Not valid JSON: Expecting value. Write one case on each line.",
        ":4:1: A case is an object {id, input, expected}.",
        ":5:1: Unknown key 'extra' in a case. Known: effects, expected, group, id, input, reviews.",
        ":5:1: input.a: expected integer, got text 'x'.",
        ":5:1: expected.outcome: 'MAYBE' is not one of the allowed values. Known: NO, OK.",
        ":6:1: Case 'one' is there twice, first in line 1. Give each case its own id.",
        ":7:1: Not valid JSON: NaN is not a JSON number. Write one case on each line.",
        ":8:1: Not valid JSON: key 'a' occurs twice in one object. Write one case on each line.",
        ":9:1: Key 'id' is missing in a case, or no text. Give each case a name.",
        ":10:1: 'group' must be text, not 7.",
        ":11:1: Key 'expected' is missing in a case, or no object. Write {id, input, expected}.",
        ":12:1: 'effects' must be an object from step to result, not [].",
    ]


def test_a_golden_line_that_is_not_utf_8_is_located(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_bytes(GOOD_LINE.encode() + b"\n" + b'{"id": "\xff"}\n')
    found = refused("inputs: {a: integer}\n" + RULE + "golden: cases.jsonl\n", tmp_path)
    assert found == [f"{tmp_path / 'cases.jsonl'}:2:9: The line is not UTF-8. Save the file as UTF-8."]


def test_a_golden_file_beside_the_specification_is_used_and_said(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "golden.jsonl").write_text(GOOD_LINE + "\n", "utf-8")
    path = tmp_path / "claims.yaml"
    path.write_text("inputs: {a: integer}\n" + RULE, "utf-8")
    spec = load_spec(path)
    assert [case.id for case in spec.golden] == ["one"]
    assert [default.value for default in spec.defaults if default.path == "golden"] == ["claims/golden.jsonl"]
    assert spec.name == "claims"


def test_a_text_without_a_folder_names_no_files() -> None:
    assert refused("inputs: {a: integer}\n" + RULE + "golden: cases.jsonl\n") == [
        "spec.yaml:4:9: A specification without a folder cannot name a golden file. Write the cases as a list."
    ]


# ---------------------------------------------------------------- flow


def test_steps_run_after_what_they_read_and_keep_the_authors_order_otherwise() -> None:
    text = """
inputs: {a: integer}
steps:
  - {step: c, type: deterministic_rule, logic: IF b.outcome = "OK" THEN PAY ELSE HOLD}
  - {step: z, type: deterministic_rule, logic: IF a > 9 THEN BIG ELSE SMALL}
  - {step: b, type: deterministic_rule, logic: IF a > 1 THEN OK ELSE NO}
"""
    spec = load_spec_text(text)
    assert [step.name for step in spec.steps] == ["z", "b", "c"]
    assert [output.source for output in spec.outputs] == ["b.outcome", "b.reason"]
    assert ("order of steps", "z, b, c") in [(default.path, default.value) for default in spec.defaults]


def test_a_function_reads_all_inputs_and_the_earlier_results_that_its_prose_names() -> None:
    text = """
inputs: {a: text, b: text}
steps:
  - {step: first, type: function, description: Count., schema: {line_count: integer, score: integer}}
  - {step: other, type: function, description: Count., inputs: [a], schema: {score: integer}}
  - step: second
    type: function
    description: Compare the line count with first.score and later.sum.
    schema: {n: integer}
  - {step: later, type: function, description: Count., inputs: [b], schema: {sum: integer}}
"""
    second = next(step for step in load_spec_text(text).steps if step.name == "second")
    assert [one.source for one in second.parameters] == [
        "inputs.a",
        "inputs.b",
        "first.line_count",
        "first.score",
    ]


def test_a_result_that_may_be_skipped_is_optional_for_its_readers() -> None:
    text = """
inputs: {a: integer}
steps:
  - {step: fee, type: deterministic_rule, when: a > 1, logic: "fee = a * 2"}
outputs: [fee]
"""
    output = load_spec_text(text).outputs[0]
    assert output.field.type.optional and output.field.type.kind == "decimal"


def test_a_step_for_each_item_yields_a_list_of_its_results() -> None:
    text = """
inputs: {lines: [{code: string}]}
steps:
  - {step: price, type: function, for_each: line in lines, description: Price., schema: {amount: money}}
"""
    spec = load_spec_text(text)
    step, output = spec.steps[0], spec.outputs[0]
    assert step.for_each is not None and step.for_each.item == "line"
    assert step.for_each.source.source == "inputs.lines"
    assert [(one.source, one.identifier) for one in step.parameters] == [("item", "line")]
    assert (output.source, output.field.type.kind) == ("price", "list")
    assert spec.accuracy.fields["price"].metric == "records"


def test_a_call_keeps_its_settings_and_the_sources_of_its_arguments() -> None:
    text = """
inputs: {member_id: string}
steps:
  - step: find
    type: call
    module: http
    connection: claims
    parameters: {id: member_id}
    settings: {path: /members, retries: 3}
    returns: {plan: "string?"}
"""
    step = load_spec_text(text).steps[0]
    assert isinstance(step, CallStep)
    assert step.settings == {"connection": "claims", "path": "/members", "retries": 3}
    assert step.arguments["id"].source == "inputs.member_id"
    assert (step.on_none, step.on_many, step.on_failure) == ("fail", "fail", "fail")


@pytest.mark.parametrize(("written", "expected"), [("", "fail"), (", on_failure: fallback", "fallback")])
def test_a_fallback_for_nothing_found_does_not_stand_in_for_a_call_that_failed(written: str, expected: str) -> None:
    step = load_spec_text(f"""
inputs: {{id: string}}
steps:
  - {{step: find, type: call, module: http, parameters: {{id: id}}, settings: {{path: /}}, returns: {{plan: string}},
     on_none: fallback, fallback: {{plan: NONE}}{written}}}
""").steps[0]
    assert (step.on_failure, getattr(step, "on_none", "")) == (expected, "fallback")


def test_examples_of_a_function_are_kept_with_exact_values() -> None:
    text = """
inputs: {a: text}
steps:
  - step: s
    type: function
    description: Add.
    schema: {n: decimal}
    examples: [{input: {a: 1.50}, expected: {n: 1.50}}]
"""
    step = load_spec_text(text).steps[0]
    assert isinstance(step, FunctionStep)
    assert step.examples[0].input == {"a": "1.50"}
    assert str(step.examples[0].expected["n"]) == "1.50"


# ---------------------------------------------------------------- starter


def test_the_starter_loads_without_a_model_and_carries_the_name() -> None:
    spec = load_spec_text(starter_text('Claims "A" & B'))
    assert spec.name == 'Claims "A" & B'
    assert all(isinstance(step, RuleStep) for step in spec.steps)
    assert len(spec.golden) == 4 and spec.warnings == ()


# ---------------------------------------------------------------- tables

TABLE = """
inputs: {age: integer}
steps:
  - {step: s, type: deterministic_rule, table: {file: ages.csv, inputs: [age], outputs: [outcome], id: row}}
"""


def test_a_decision_table_of_a_file_is_read_beside_the_specification(tmp_path: Path) -> None:
    (tmp_path / "ages.csv").write_text('row,age,outcome\na,">= 18",PAY\nb,"< 18",ASK\n', "utf-8")
    step = load_spec_text(TABLE, folder=tmp_path).steps[0]
    assert isinstance(step, RuleStep)
    assert [one.source for one in step.parameters] == ["inputs.age"]
    assert step.result[0].type.enum == ("PAY", "ASK")
    assert step.source_text == "row | age | outcome\na | >= 18 | PAY\nb | < 18 | ASK\n"


def test_a_fault_in_a_decision_tables_file_is_located_there(tmp_path: Path) -> None:
    (tmp_path / "ages.csv").write_text('row,age,outcome\na,">= x1",PAY\nb,"< 18",ASK\n', "utf-8")
    found = refused(TABLE, tmp_path)
    assert len(found) == 1 and found[0].startswith(f"{tmp_path / 'ages.csv'}:2:")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The table 'ages.csv' is empty. Write a header and rows."),
        (b"row,age,outcome\na,\xff,PAY\n", "The table 'ages.csv' is not UTF-8. Save it as CSV in UTF-8."),
    ],
)
def test_a_decision_tables_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "ages.csv").write_bytes(content)
    assert refused(TABLE, tmp_path) == [f"{tmp_path / 'spec.yaml'}:4:55: {message}"]


def test_a_reference_table_is_read_and_typed(tmp_path: Path) -> None:
    (tmp_path / "formulary.csv").write_text("ndc,tier\n0002,2\n0169,3\n", "utf-8")
    text = """
inputs: {ndc: string}
tables: {formulary: {file: formulary.csv, keys: ndc, columns: {tier: decimal}}}
steps:
  - {step: s, type: deterministic_rule, logic: IF ndc IN formulary THEN PAY ELSE ASK}
"""
    table = load_spec_text(text, folder=tmp_path).tables[0]
    assert (table.name, table.keys, len(table.rows), table.rows[0][0]) == ("formulary", ("ndc",), 2, "0002")
