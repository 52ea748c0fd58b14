"""The commands as the contract states them: exit codes, one JSON document, located errors, nothing lost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from cli_support import EXAMPLES, Home

SPEC = """\
metadata: {{name: Triage, version: "{version}", reference: [ticket]}}
inputs:
  - {{name: ticket, type: string}}
  - {{name: waiting, type: integer}}
logic_requirements:
  - step: decide
    type: deterministic_rule
    logic: |
      IF waiting > {days} THEN URGENT
      ELSE NORMAL
outputs: [decide.outcome, decide.reason]
"""

CALL = """\
metadata: {name: send}
inputs: [{name: id, type: string}]
connections: {inbox: {module: files, allow: {paths: ["*.txt"]}}}
logic_requirements:
  - {step: send, type: call, module: files, connection: inbox, parameters: {id: id}, returns: {text: "text?"},
     settings: {operation: read, path: "{id}.txt"}, on_failure: fail}
"""


def _write(home: Home, *, days: int = 7, version: str = "1.0.0", name: str = "triage.yaml") -> str:
    (home.folder / name).write_text(SPEC.format(days=days, version=version), "utf-8")
    return name


@pytest.fixture(scope="module")
def desk(shared_home: Home) -> Home:
    """Two versions of one workflow, and three runs on the first."""
    shared_home.compiled(_write(shared_home))
    for ticket, waiting in (("T-1", 9), ("T-2", 5), ("T-3", 1)):
        ran = shared_home("run", "triage@1.0.0", "--input", json.dumps({"ticket": ticket, "waiting": waiting}))
        assert ran.code == 0, ran.err
    shared_home.compiled(_write(shared_home, days=4, version="1.1.0"))
    return shared_home


def _run_of(desk: Home, ticket: str) -> str:
    return str(desk("runs", "find", "--ref", f"ticket={ticket}", "--json").json[0]["run_id"])


# ------------------------------------------------------------------------------------------ unhappy first


def test_every_error_of_a_specification_is_located_at_once(home: Home) -> None:
    text = (
        SPEC.format(days=7, version="1").replace("waiting > 7", "wating > 7").replace("type: integer", "type: interger")
    )
    (home.folder / "bad.yaml").write_text(text, "utf-8")
    ran = home("check", "bad.yaml")
    assert ran.code == 2
    assert "bad.yaml:4:" in ran.out and "Did you mean 'integer'?" in ran.out
    fixed = text.replace("interger", "integer")
    (home.folder / "bad.yaml").write_text(fixed, "utf-8")
    ran = home("compile", "bad.yaml")
    assert ran.code == 2
    assert "bad.yaml:9:" in ran.err and "Did you mean 'waiting'?" in ran.err


def test_a_missing_specification_is_named(home: Home) -> None:
    ran = home("compile", "nowhere.yaml")
    assert ran.code == 2
    assert "nowhere.yaml" in ran.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"ticket": "T",\n "waiting": five}', ":2:13: Not valid JSON: Expecting value."),
        (b'{"ticket": "T",\n "waiting": 1}\n{"ticket": "U"}\n', ":3:1: Not valid JSON: Extra data."),
        (b"ticket,waiting\nT,5\n", ":1:1: Not valid JSON: Expecting value."),
        (b"", ":1:1: Not valid JSON: Expecting value."),
        (b'{"ticket": "T",\n "waiting": "\xff"}', ":2:14: The text is not UTF-8."),
        (b'{"ticket": "T", "ticket": "U"}', ": Not valid JSON: "),
    ],
)
def test_an_input_file_that_is_no_json_is_named_with_line_and_column(desk: Home, content: bytes, told: str) -> None:
    (desk.folder / "claim.json").write_bytes(content)
    ran = desk("run", "triage", "--input", "claim.json")
    assert (ran.code, f"error: claim.json{told}" in ran.err) == (2, True), ran.err


@pytest.mark.parametrize("content", [b"Order 7: five weeks", b"%PDF-1.7\n%\xe2\xe3", b"ticket,waiting\nT,5\n"])
def test_a_document_in_place_of_an_input_is_told_how_it_becomes_one(desk: Home, content: bytes) -> None:
    (desk.folder / "an order.pdf").write_bytes(content)
    ran = desk("run", "triage", "--input", "an order.pdf")
    told = "An input is a JSON object; `compiled-ai read 'an order.pdf' --as INPUT` makes one of a document."
    assert (ran.code, ran.err.rstrip().endswith(told)) == (2, True), ran.err


@pytest.mark.parametrize("content", [b"", b' {"ticket": "T"', b"[1"])
def test_damaged_json_is_no_document(desk: Home, content: bytes) -> None:
    (desk.folder / "claim.json").write_bytes(content)
    ran = desk("run", "triage", "--input", "claim.json")
    assert (ran.code, "--as" in ran.err) == (2, False), ran.err


def test_a_list_is_no_input_however_long_it_is(desk: Home) -> None:
    ran = desk("run", "triage", "--input", json.dumps(["x" * 300]))
    assert (ran.code, "File name too long" in ran.err) == (2, False), ran.err
    assert "The input must be a JSON object, not list." in ran.err


def test_a_correction_that_is_no_json_is_told_with_its_column(desk: Home) -> None:
    ran = desk("review", "decide", "abc", "--correct", '{"outcome":', "--by", "A", "--reason", "r")
    assert (ran.code, "error: --correct:1:12: Not valid JSON: Expecting value." in ran.err) == (2, True), ran.err


def test_a_sheet_is_no_file_of_cases_to_score(desk: Home) -> None:
    (desk.folder / "cases.csv").write_text("ticket,waiting\n", "utf-8")
    ran = desk("score", "triage", "cases.csv")
    assert (ran.code, "cases.csv:1: Not valid JSON" in ran.err) == (2, True), ran.err
    assert ran.err.rstrip().endswith("Give one JSON object a line.")


def test_standard_input_that_is_no_json_says_so(desk: Home) -> None:
    ran = desk("run", "triage", "--input", "-", stdin="ticket: T")
    assert (ran.code, "error: standard input:1:1: Not valid JSON" in ran.err) == (2, True), ran.err


def test_a_function_step_without_a_model_says_what_to_give(home: Home) -> None:
    spec = """\
metadata: {name: x}
inputs: [{name: a, type: text}]
logic_requirements:
  - {step: s, type: function, description: read it, schema: {b: "string?"}}
"""
    (home.folder / "f.yaml").write_text(spec, "utf-8")
    ran = home("compile", "f.yaml")
    assert (ran.code, "Give --model recorded:DIR, exchange:DIR" in ran.err) == (2, True)
    assert "A recording lies" not in ran.err


@pytest.mark.parametrize("model", [(), ("--model", "recorded:elsewhere"), ("--model", "openai:some")])
def test_where_a_recording_lies_beside_the_specification_a_model_that_cannot_answer_is_told_of_it(
    home: Home, model: tuple[str, ...]
) -> None:
    spec = EXAMPLES / "receipt_fields.yaml"
    ran = home("compile", str(spec), *model, OPENAI_API_KEY="x", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    beside = f"recorded:{EXAMPLES / 'receipt_fields' / 'recordings'}"
    assert ran.code in (1, 2)
    assert ran.err.rstrip().endswith(f"A recording lies beside the specification: --model {beside}")


def test_a_specification_that_is_not_there_has_no_recording_beside_it(home: Home) -> None:
    ran = home("compile", str(EXAMPLES / "receipt_fields"))
    assert (ran.code, "A recording lies" in ran.err) == (2, False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('{"ticket": "T", "waiting": "9"}', "waiting: expected integer, got text '9'"),
        ('{"ticket": "T", "waiting": 9, "wating": 9}', "Did you mean 'waiting'?"),
        ('{"ticket": "T"}', "waiting: required, and there is no value"),
        ('{"ticket": "T", "waiting": NaN}', "NaN is not a JSON number"),
        ('{"ticket": "T", "ticket": "U", "waiting": 1}', "occurs twice"),
        ('{"ticket": ', "--input:1:12: Not valid JSON: Expecting value."),
        ('{"ticket": "T",\n "waiting": 1', "--input:2:14: Not valid JSON: Expecting ',' delimiter."),
    ],
)
def test_an_input_that_does_not_fit_is_exit_2_and_leaves_no_run(desk: Home, given: str, words: str) -> None:
    before = len(desk("runs", "list", "--json").json)
    ran = desk("run", "triage", "--input", given)
    assert (ran.code, words in ran.err) == (2, True), ran.err
    assert len(desk("runs", "list", "--json").json) == before


def test_unknown_names_are_exit_2_with_a_suggestion(desk: Home) -> None:
    ran = desk("run", "triag", "--input", "{}")
    assert (ran.code, "Did you mean 'triage'?" in ran.err) == (2, True)
    assert desk("explain", "ffff").code == 2
    assert desk("review", "show", "ffff").code == 2
    assert desk("runs", "list", "--status", "done").code == 2


def test_errors_are_one_json_document_with_json(desk: Home) -> None:
    ran = desk("run", "nothing", "--input", "{}", "--json")
    assert ran.code == 2
    assert ran.json["error"]["code"] == "not_found"


def test_an_altered_artifact_does_not_run(home: Home) -> None:
    compiled = home.compiled(_write(home))
    file = Path(compiled["path"]) / "identity" / "workflow.py"
    file.write_text(file.read_text("utf-8").replace("> 7", "> 0"), "utf-8")
    ran = home("run", "triage", "--input", '{"ticket": "T", "waiting": 5}')
    assert (ran.code, "was altered: identity/workflow.py" in ran.err) == (1, True)


def test_the_run_store_is_not_made_by_looking(home: Home) -> None:
    ran = home("runs", "list")
    assert (ran.code, "Run something first" in ran.err) == (2, True)
    assert not (home.folder / "home").exists()


# ------------------------------------------------------------------------------------------ the first five minutes


def test_what_init_writes_compiles_and_runs(home: Home) -> None:
    assert home("init", "first.yaml").code == 0
    assert home("init", "first.yaml").code == 2
    compiled = home.compiled("first.yaml")
    assert [stage["name"] for stage in compiled["stages"]] == ["security", "syntax", "execution", "accuracy"]
    assert {stage["status"] for stage in compiled["stages"]} == {"passed"}
    assert compiled["tokens"] == {"input": 0, "output": 0, "origin": "none"}


def test_run_prints_what_the_contract_states(desk: Home) -> None:
    ran = desk("run", "triage@1.0.0", "--input", "-", "--json", stdin='{"ticket": "T-9", "waiting": 30}')
    assert ran.code == 0
    assert {"run_id", "status", "output", "artifact", "effects"} <= set(ran.json)
    assert ran.json["output"] == {"outcome": "URGENT", "reason": "waiting > 7"}


def test_once_returns_the_run_that_there_is(desk: Home) -> None:
    arguments = ("run", "triage@1.0.0", "--input", '{"ticket": "T-once", "waiting": 1}', "--once", "--json")
    assert desk(*arguments).json["run_id"] == desk(*arguments).json["run_id"]


def test_explain_shows_the_rule_and_reproduces(desk: Home) -> None:
    ran = desk("explain", _run_of(desk, "T-1"))
    assert "IF waiting > 7 THEN URGENT" in ran.out
    assert ran.out.rstrip().endswith("reproduced")
    assert desk("explain", _run_of(desk, "T-1"), "--json").json["verdict"] == "reproduced"


def test_rerun_and_impact_say_what_the_other_version_would_decide(desk: Home) -> None:
    ran = desk("rerun", _run_of(desk, "T-2"), "--with", "triage@1.1.0", "--json")
    assert ran.code == 0, ran.err
    assert "URGENT" in ran.out and "NORMAL" in ran.out
    found = desk("impact", "triage@1.0.0", "triage@1.1.0", "--json")
    assert found.code == 0, found.err
    assert "waiting > 4" in found.out


def test_diff_shows_the_changed_rule(desk: Home) -> None:
    ran = desk("diff", "triage@1.0.0", "triage@1.1.0")
    assert "-      IF waiting > 7 THEN URGENT" in ran.out and "+      IF waiting > 4 THEN URGENT" in ran.out


def test_promotion_and_rollback_choose_what_a_name_means(home: Home) -> None:
    first = home.compiled(_write(home))
    second = home.compiled(_write(home, days=4, version="1.1.0"))
    assert home("promote", "triage@1.0.0", "--by", "ana").code == 0
    given = ("run", "triage", "--input", '{"ticket": "T", "waiting": 5}', "--json")
    assert home(*given).json["artifact"] == first["digest"]
    home("promote", "triage@1.1.0", "--by", "ana")
    assert home(*given).json["artifact"] == second["digest"]
    assert home("rollback", "triage", "--by", "ana").code == 0
    assert home(*given).json["artifact"] == first["digest"]
    assert home("rollback", "nothing").code == 2


def test_the_same_specification_gives_the_same_artifact_in_another_home(home: Home, desk: Home) -> None:
    assert home.compiled(_write(home))["digest"] == desk("inspect", "triage@1.0.0", "--json").json["digest"]


def test_several_specifications_compile_in_one_command(home: Home) -> None:
    names = [_write(home), _write(home, name="other.yaml")]
    assert [each["workflow"] for each in home.compiled(*names)] == ["triage", "other"]


def test_runs_verify_is_clean_and_finds_what_was_altered(home: Home) -> None:
    import sqlite3

    home.compiled(_write(home))
    home("run", "triage", "--input", '{"ticket": "T", "waiting": 5}')
    assert home("runs", "verify", "--json").json["status"] == "clean"
    with sqlite3.connect(home.folder / "home" / "runs.db") as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert "events" in tables
        database.execute("DELETE FROM events WHERE rowid = (SELECT MAX(rowid) - 1 FROM events)")
    database.close()
    assert home("runs", "verify").code == 1


def test_batch_keeps_order_and_reports_poison_lines(desk: Home, tmp_path: Path) -> None:
    lines = ['{"id": 1, "ticket": "A", "waiting": 9}', "not json", '{"id": 3, "ticket": "B", "waiting": "x"}',
             '{"id": 4, "ticket": "C", "waiting": 1}']  # fmt: skip
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    arguments = ("batch", "triage@1.0.0", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), "--keep", "id")
    assert desk(*arguments).code == 0
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [line["index"] for line in out] == [0, 1, 2, 3]
    assert [line["status"] for line in out] == ["completed", "failed", "failed", "completed"]
    assert desk(*arguments, "--strict").code == 1


def test_dead_letters_become_the_next_batch(desk: Home, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"ticket": "B", "waiting": "x"}\n{"ticket": "A", "waiting": 9}\nnot json\n', "utf-8")
    ran = desk("batch", "triage@1.0.0", str(source), str(out), "--no-store", "--json")
    assert (ran.code, ran.json["failed"], ran.json["dead_letters"]) == (0, 2, str(tmp_path / "out.dead.jsonl"))
    letters = [json.loads(line) for line in desk("dead-letters", ran.json["dead_letters"]).out.splitlines()]
    assert [letter["index"] for letter in letters] == [0, 2]
    assert desk("dead-letters", ran.json["dead_letters"], "--json").json == letters
    records = desk("dead-letters", ran.json["dead_letters"], "--records")
    assert [json.loads(line) for line in records.out.splitlines()] == [{"ticket": "B", "waiting": "x"}]
    assert "1 letter left out: no record could be read; see them without --records" in records.err


def test_a_batch_with_too_many_errors_stops_and_goes_on(desk: Home, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("not json\n" * 3 + '{"ticket": "A", "waiting": 9}\n', "utf-8")
    arguments = ("batch", "triage@1.0.0", str(source), str(out), "--no-store")
    stopped = desk(*arguments, "--max-errors", "2")
    assert (stopped.code, "3 lines failed, and 2 may (--max-errors)" in stopped.err, out.exists()) == (1, True, False)
    again = desk(*arguments)
    assert (again.code, "Go on with --resume" in again.err) == (2, True)
    assert desk(*arguments, "--resume").code == 0
    assert len(out.read_text("utf-8").splitlines()) == 4


def test_a_stream_runs_what_comes_in(desk: Home) -> None:
    ran = desk("stream", "triage@1.0.0", "-", "-", "--workers", "1", stdin='{"ticket": "S", "waiting": 9}\n')
    assert ran.code == 0, ran.err
    line = json.loads(ran.out)
    assert (line["position"], line["status"]) == ("0", "completed")
    assert "1 records: 1 completed, 0 failed, 0 waiting" in ran.err


def test_batch_does_not_write_over_its_input(desk: Home, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"ticket": "A", "waiting": 9}\n', "utf-8")
    ran = desk("batch", "triage@1.0.0", str(file), str(file))
    assert (ran.code, "is input and output at once" in ran.err) == (2, True)
    assert file.read_text("utf-8") == '{"ticket": "A", "waiting": 9}\n'


def test_a_batch_that_replaces_its_earlier_output_says_so(desk: Home, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"ticket": "A", "waiting": 9}\n', "utf-8")
    arguments = ("batch", "triage@1.0.0", str(source), str(out), "--no-store")
    replaced = f"warning: {str(out)!r} is there, and is replaced when this batch is whole"
    told = [
        (ran.code, replaced in ran.err) for ran in (desk(*arguments), desk(*arguments), desk(*arguments, "--resume"))
    ]
    assert told == [(0, False), (0, True), (0, False)]


def test_a_batch_whose_mapped_column_is_nowhere_says_so_and_that_all_failed(desk: Home, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"ticket": "A", "week": 9}\n', "utf-8")
    ran = desk("batch", "triage@1.0.0", str(source), str(out), "--no-store", "--map", "waiting=weeks", "--json")
    assert (ran.code, ran.json["failed"], ran.json["absent_columns"]) == (0, 1, ["weeks"])
    assert "no record has a column 'weeks' (--keep, --map). Did you mean 'week'? Known: ticket, week." in ran.err
    assert "warning: every record failed; the reasons are in " in ran.err


def test_a_list_of_runs_that_stops_early_says_so(desk: Home) -> None:
    wanted = ("runs", "list", "--status", "completed", "--since", "2020-01-01")
    number = len(desk(*wanted, "--json").json)
    cut = desk(*wanted, "--limit", "1", "--json")
    assert (len(cut.json), cut.err) == (1, f"1 of {number} runs; --limit shows more\n")
    assert desk(*wanted, "--limit", str(number)).err == ""


def test_a_shown_run_has_the_names_of_its_references_and_json_values(desk: Home) -> None:
    run = _run_of(desk, "T-2")
    told = desk("runs", "show", run).out
    assert 'input: {"ticket":"T-2","waiting":5}\n' in told
    assert "status: completed\n" in told and "error: null\n" in told and "effects:\n  none\n" in told
    assert 'reference: ["ticket"] (found by value, kept only as keyed hashes)\n' in told
    assert desk("runs", "show", run, "--json").json["reference"] == ["ticket"]


def test_a_shown_run_says_why_a_call_failed(home: Home) -> None:
    (home.folder / "send.yaml").write_text(CALL, "utf-8")
    (home.folder / "a.txt").write_bytes(b"\xff")
    home.compiled("send.yaml")
    ran = home("run", "send", "--input", '{"id": "a"}', "--json", COMPILED_AI_CONNECTION_INBOX=str(home.folder))
    assert ran.code == 1, ran.err
    (effect,) = ran.json["effects"]
    told = home("runs", "show", ran.json["run_id"]).out
    assert effect["error"] and f": {effect['error']}\n" in told.partition("effects:\n  send call failed")[2], told


def test_once_with_another_input_is_a_mistake(desk: Home) -> None:
    first = desk("run", "triage@1.0.0", "--input", '{"ticket": "T-two", "waiting": 1}', "--once")
    other = desk("run", "triage@1.0.0", "--input", '{"ticket": "T-two", "waiting": 2}', "--once")
    assert (first.code, other.code, "has the same reference and another input" in other.err) == (0, 2, True)


def test_a_purge_says_who_and_why(desk: Home) -> None:
    ran = desk("runs", "purge", _run_of(desk, "T-3"))
    assert (ran.code, "--by WHO --reason WHY" in ran.err) == (2, True)


def test_a_property_that_does_not_hold_fails_the_run(home: Home) -> None:
    text = SPEC.format(days=7, version="1.0.0") + "properties: ['outcome != \"URGENT\" OR waiting <= 30']\n"
    (home.folder / "triage.yaml").write_text(text, "utf-8")
    home.compiled("triage.yaml")
    assert home("run", "triage", "--input", '{"ticket": "T", "waiting": 30}').code == 0
    ran = home("run", "triage", "--input", '{"ticket": "T", "waiting": 31}')
    assert (ran.code, "the property of line 12 does not hold" in ran.out) == (1, True)


def test_a_place_that_cannot_be_written_is_told_in_one_line(desk: Home) -> None:
    ran = desk("batch", "triage@1.0.0", "nothing.jsonl", "/proc/nowhere/out.jsonl")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_a_text_that_no_terminal_can_show_does_not_crash_the_command(home: Home) -> None:
    text = SPEC.format(days=7, version="1.0.0").replace("outputs: [decide.outcome, decide.reason]", "outputs: [ticket]")
    (home.folder / "triage.yaml").write_text(text, "utf-8")
    home.compiled("triage.yaml")
    ran = home("run", "triage", "--input", '{"ticket": "\\ud800", "waiting": 1}', "--json")
    assert "Traceback" not in ran.err
    assert ran.code == 0, ran.err
    assert ran.json["output"] == {"ticket": "\ud800"}
    for command in (("explain",), ("runs", "show"), ("rerun",)):
        shown = home(*command, ran.json["run_id"], *(("--with", "triage") if command == ("rerun",) else ()))
        assert (shown.code, "Unexpected" in shown.err) == (0, False), shown.err


def test_score_counts_missing_labels_not_at_all(desk: Home, tmp_path: Path) -> None:
    cases = [{"t": "A", "w": 9, "expected": {"outcome": "URGENT"}}, {"t": "B", "w": 9, "expected": {"outcome": None}},
             {"t": "C", "w": 9, "expected": {"outcome": "NORMAL"}}]  # fmt: skip
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, cases)), "utf-8")
    maps = ("--map", "ticket=t", "--map", "waiting=w")
    scored = desk("score", "triage@1.0.0", str(tmp_path / "golden.jsonl"), *maps, "--json").json
    assert (scored["n"], scored["fields"]["outcome"]["right"], scored["fields"]["outcome"]["n"]) == (3, 1, 2)
    wrong = desk("score", "triage@1.0.0", str(tmp_path / "golden.jsonl"), "--map", "ticket=tt", "--map", "waiting=w")
    assert (wrong.code, "there is no column 'tt'" in wrong.err) == (2, True)


def test_score_maps_labels_from_columns_too(desk: Home, tmp_path: Path) -> None:
    cases = [{"t": "A", "w": 9, "Queue": "URGENT"}, {"t": "B", "w": 9, "Queue": "NORMAL"}]
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, cases)), "utf-8")
    maps = ("--map", "ticket=t", "--map", "waiting=w", "--map", "expected.outcome=Queue", "--json")
    scored = desk("score", "triage@1.0.0", str(tmp_path / "golden.jsonl"), *maps).json
    assert (scored["fields"]["outcome"]["right"], scored["fields"]["outcome"]["n"]) == (1, 2)
    wrong = desk("score", "triage@1.0.0", str(tmp_path / "golden.jsonl"), "--map", "expected.outcom=Queue")
    assert (wrong.code, "--map names 'expected.outcom', which is no field." in wrong.err) == (2, True)


def test_score_reads_labelled_amounts_as_people_write_them(home: Home) -> None:
    text = SPEC.format(days=7, version="1.0.0").replace("type: string", "type: money")
    (home.folder / "triage.yaml").write_text(text.replace("[decide.outcome, decide.reason]", "[ticket]"), "utf-8")
    home.compiled("triage.yaml")
    written = {"RM 3.90": "3.90", "$1,234.5": "1234.50", "12.00": "12", "RM4": "5", "four": "4", "2,795.OO": "2795.00"}
    cases = [{"t": amount, "w": 1, "expected": {"ticket": label}} for label, amount in written.items()]
    (home.folder / "golden.jsonl").write_text("\n".join(map(json.dumps, cases)), "utf-8")
    scored = home("score", "triage", "golden.jsonl", "--map", "ticket=t", "--map", "waiting=w", "--json")
    assert scored.code == 0, scored.err
    assert (scored.json["fields"]["ticket"]["right"], scored.json["fields"]["ticket"]["n"]) == (3, 6)


def test_gate_code_prints_the_contracts_shape_and_refuses_effects(desk: Home, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("import re\n\n\ndef f(text: str) -> str:\n    return re.sub(r'\\s+', ' ', text)\n", "utf-8")
    bad.write_text("import os\n\n\ndef f() -> None:\n    os.system('true')\n", "utf-8")
    ran = desk("gate", "code", str(good), str(bad), "--json")
    assert ran.code == 1
    assert [each["verdict"] for each in ran.json] == ["pass", "refuse"]
    assert {"rule", "line", "message", "cwe"} <= set(ran.json[1]["findings"][0])
    assert desk("gate", "code", str(good)).code == 0


def test_doctor_says_what_is_configured(desk: Home) -> None:
    ran = desk("doctor", "--json")
    assert ran.code == 0, ran.out
    assert {"home", "keys", "sandbox", "store", "artifacts", "reviews"} <= {each["what"] for each in ran.json}


def test_every_help_ends_with_an_example(desk: Home) -> None:
    listed = desk("--help").out
    commands = "init check plan compile list inspect verify diff promote rollback export run resume batch score explain"
    for command in (*commands.split(), "rerun", "impact", "doctor", "demo", "stream", "dead-letters"):
        assert command in listed
        assert "Example: compiled-ai" in desk(command, "--help").out.replace("\n", " ").replace("  ", " ")


def test_the_command_line_starts_without_heavy_imports() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import compiled_ai.cli; "
        "print([m for m in ('pydantic_ai', 'openai', 'mypy', 'cryptography', 'lark') if m in sys.modules])"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", f"after {time.perf_counter() - started:.2f} s"
