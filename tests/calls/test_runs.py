"""Call steps in whole runs of the local engine: on record, after a crash, with a person, under a compliance pack."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer import Exit

from compiled_ai.assemble import assemble
from compiled_ai.catalog import load_catalog
from compiled_ai.cli.runs import emit_result
from compiled_ai.errors import CallFailed, ConfigError, InputError, SpecError, UsageError
from compiled_ai.plan import make_plan
from compiled_ai.runtime.calls.double import CallDouble
from compiled_ai.runtime.explain import explain
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.local import resume, run
from compiled_ai.runtime.rerun import rerun
from compiled_ai.runtime.reviews import decide as decide_review
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.supplied import Lacking, Supplied, decide
from compiled_ai.spec.loader import load_spec_text
from conftest import Service

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by a plugin of apprise

SPEC = """
metadata: {name: Calls%(packs)s}
inputs: {id: string, notes: [text]}
connections:
  db: {module: database, allow: {tables: [members], writes: [log]}}
  api: {module: http, allow: {hosts: [127.0.0.1], methods: [GET, POST], addresses: [127.0.0.0/8]}}
  desk: {module: notify, allow: {channels: [json]}}
  inbox: {module: files, allow: {paths: ["*"]}}
steps:
%(steps)s
"""
FIND = """
  - {step: find, type: call, module: database, connection: db, parameters: {id: id}, returns: {plan: string},
     statement: "SELECT plan FROM members WHERE id = :id"%(more)s}
"""
NOTE = """
  - {step: note, type: call, module: database, connection: db, for_each: text in notes, parameters: {note: text},
     statement: "INSERT INTO log (note) VALUES (:note)", settings: {read_only: false}, returns: {changed: integer}}
outputs: [note]
"""
POST = """
  - {step: post, type: call, module: http, connection: api, parameters: {id: id}, returns: {plan: string},
     settings: {method: POST, path: /claims, timeout_seconds: 2}, on_failure: %(policy)s}
"""
TELL = """
  - {step: tell, type: call, module: notify, connection: desk, parameters: {id: id}, returns: {sent: boolean},
     settings: {message: "{id}", timeout_seconds: 2}}
"""
READ = """
  - {step: read, type: call, module: files, connection: inbox, parameters: {id: id}, returns: {text: text},
     settings: {operation: read, path: "{id}"}}
"""
ASK = """
  - {step: ask, type: call, module: human, parameters: {id: id}, returns: {take: boolean, limit: integer?},
     settings: {question: "Take {id}?", proposed: {take: true}, due: P1DT2H}, validation: [take = true OR limit = 0]}
"""


def program_of(steps: str, packs: str = "", **more: str) -> Program:
    spec = load_spec_text(SPEC % {"steps": steps % more if more else steps, "packs": packs}, file="calls.yaml")
    plan = make_plan(spec, load_catalog())
    sinks = {str(sink): str(how) for sink, how in plan.sinks.items()} if packs else {}
    made = assemble(spec, plan.template.source, {}, pack_reasons=plan.pack_reasons, sinks=sinks, brought=plan.brought)
    return load_program({"workflow.py": made.source, "program.json": json.dumps(made.program, default=str)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    keys = KeyRing.from_environment({"COMPILED_AI_KEY": new_key("main")}, home=tmp_path)
    with RunStore.open(tmp_path / "runs.db", home=tmp_path, keys=keys) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _connections(service: Service, members: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", service.address)
    monkeypatch.setenv("COMPILED_AI_CONNECTION_DESK", service.address.replace("http", "json"))


def given(**more: Any) -> dict[str, Any]:
    return {"id": "M1", "notes": [], **more}


def notes(members: Path) -> list[str]:
    connection = sqlite3.connect(members)
    try:
        return [row[0] for row in connection.execute("SELECT note FROM log ORDER BY rowid")]
    finally:
        connection.close()


def died_before_the_result(store: RunStore, program: Program, monkeypatch: pytest.MonkeyPatch, **inputs: Any) -> str:
    """Runs until the first call has happened, and loses the process before its result is on record."""

    class Died(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "effect", die)
        with pytest.raises(Died):
            run(program, given(**inputs), store=store)
    return store.list()[0].run_id


# ---------------------------------------------------------------- what is checked


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            FIND.replace("connection: db", "connection: dbb") % {"more": ""},
            "'dbb' is not declared with module 'database'",
        ),
        (
            FIND.replace("connection: db", "connection: api") % {"more": ""},
            "'api' is not declared with module 'database'",
        ),
        (FIND.replace("FROM members", "FROM secrets") % {"more": ""}, "reads table 'secrets', which the connection's"),
        (POST.replace("POST", "PUT") % {"policy": "fail"}, "does not allow method 'PUT'"),
        (ASK.replace("P1DT2H", "tomorrow"), "Setting 'due' is 'tomorrow'. Write days and hours as in 'P2D'"),
        (ASK.replace("{take: true}", "{tke: true}"), "'proposed' names 'tke', which 'returns' does not. Did you mean"),
        (FIND % {"more": ", settings: {max_rows: 0}"}, "Setting 'max_rows' is 0; a value of type integer from 1"),
        (FIND.replace("{id: id}", "{id: notes}") % {"more": ""}, "is of type list, which cannot be bound"),
    ],
)
def test_a_call_that_asks_for_more_than_is_declared_is_refused_with_its_line(steps: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        program_of(steps)
    [finding] = caught.value.details
    assert message in finding.message
    assert (finding.file, finding.line) in (("calls.yaml", 11), ("calls.yaml", 12))


def places_of(steps: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        program_of(steps)
    return [str(finding).removeprefix("calls.yaml:") for finding in caught.value.details]


def test_what_is_wrong_with_a_statement_is_told_at_its_own_line_and_once() -> None:
    told = places_of(FIND.replace("plan FROM members", "plann FROM memberz") % {"more": ""})
    assert told == [
        "12:17: The statement reads table 'memberz', which the connection's 'allow.tables' does not list.",
        "12:17: The statement gives no column 'plan', which 'returns' names. Did you mean 'plann'? Known: plann.",
    ]
    told = places_of(FIND.replace("= :id", "= '{id}'") % {"more": ""})
    assert [each.split(". ")[0] for each in told if "interpolates" in each] == [
        "12:17: The statement interpolates '{id}'"
    ]


def test_what_a_connection_does_not_allow_is_told_at_the_connection_and_once() -> None:
    write = FIND.replace("module: database, connection: db", "module: files, connection: inbox")
    write = write.replace(
        """statement: "SELECT plan FROM members WHERE id = :id\"""", """settings: {operation: write, path: a}"""
    )
    for allow, told in (
        ("{paths: [a]}", ["8:3: Connection 'inbox' does not allow writing. Declare 'allow.write: true'."]),
        ("{write: true}", ["8:3: A connection of module 'files' needs the permission 'paths'"]),
    ):
        declared = SPEC.replace(
            'inbox: {module: files, allow: {paths: ["*"]}}', f"inbox: {{module: files, allow: {allow}}}"
        )
        with pytest.raises(SpecError) as caught:
            make_plan(load_spec_text(declared % {"steps": write % {"more": ""}, "packs": ""}), load_catalog())
        found = [str(each).partition(":")[2] for each in caught.value.details if "connection" in str(each).lower()]
        assert [each.split(": Paths")[0] for each in found] == told


def test_a_setting_that_is_wrong_is_told_at_its_own_place() -> None:
    told = places_of(POST.replace("/claims", "claims") % {"policy": "fail"})
    assert told == ["12:37: The path is 'claims'; it must begin with one '/'."]


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("  x: {module: human, allow: {}}", "No connection has module 'human'. Known: database, files, http, notify"),
        ("  x: {module: http, allow: {}}", "A connection of module 'http' needs the permission 'hosts'"),
        ("  x: {module: http, allow: {hosts: h}}", "Permission 'hosts' is 'h'; a value of type list is needed"),
        ("  x: {module: http, allow: {hosts: [1]}}", "Permission 'hosts' is \\[1\\]; a list of texts is needed"),
        ("  x: {module: http, allow: {hosts: [h], host: h}}", "has no permission 'host'. Did you mean 'hosts'"),
    ],
)
def test_a_connection_that_is_declared_wrongly_is_refused(connection: str, message: str) -> None:
    text = (SPEC % {"steps": ASK, "packs": ""}).replace("connections:\n", f"connections:\n{connection}\n")
    with pytest.raises(SpecError, match=message):
        make_plan(load_spec_text(text, file="calls.yaml"), load_catalog())


def test_the_plan_says_what_is_reached_and_what_becomes_of_each_call_after_a_crash() -> None:
    text = SPEC % {"steps": FIND % {"more": ""} + NOTE.replace("outputs: [note]", "") + TELL + ASK, "packs": ""}
    lines = {
        each.what: f"{each.value}. {each.reason}" for each in make_plan(load_spec_text(text), load_catalog()).choices
    }
    assert lines["connection db"] == 'database; tables ["members"], writes ["log"]. Used by find, note.'
    assert lines["connection api"].endswith("No step uses it.")
    assert lines["call find"] == "database. It changes nothing, and is made again after a crash."
    assert lines["call note"] == "database. It is done once for its key, and is asked for again after a crash."
    assert lines["call tell"] == "notify. After a crash it is in doubt, and waits for a person."
    assert lines["call ask"] == "human. It waits for a person."


# ---------------------------------------------------------------- runs


def test_a_run_that_only_reads_needs_no_store(members: Path) -> None:
    result = run(program_of(FIND, more=""), given())
    assert (result.status, result.output) == ("completed", {"plan": "GOLD"})


def test_a_connection_that_is_not_set_is_said_before_the_run_is_on_record(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPILED_AI_CONNECTION_DB")
    with pytest.raises(ConfigError, match="Set COMPILED_AI_CONNECTION_DB"):
        run(program_of(FIND, more=""), given(), store=store)
    assert store.list() == ()


REFUSED = {
    "API": ("https://elsewhere.example", POST % {"policy": "review"}, "names a host that 'allow.hosts' does not list"),
    "DB": ("sqlite:////nowhere/at-all.db", FIND % {"more": ""}, "names no file of SQLite that exists"),
    "DESK": ("mailto://a@example.org", TELL, "is of a kind that 'allow.channels' does not list"),
    "INBOX": ("/nowhere/at-all", READ, "names no folder that can be opened"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_address_that_may_not_be_used_is_said_before_the_run_is_on_record(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    address, steps, message = REFUSED[name]
    monkeypatch.setenv(f"COMPILED_AI_CONNECTION_{name}", address)
    with pytest.raises(ConfigError, match=f"COMPILED_AI_CONNECTION_{name} {message}"):
        run(program_of(steps), given(), store=store)
    assert store.list() == ()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://elsewhere.example", "COMPILED_AI_CONNECTION_API names a host that 'allow.hosts' does not list. "),
        (None, "Connection 'api' has no address. Set COMPILED_AI_CONNECTION_API (an address, or keyring:ENTRY)."),
    ],
)
def test_a_later_call_to_an_address_that_may_not_be_used_has_failed_and_nothing_waits(
    store: RunStore, service: Service, monkeypatch: pytest.MonkeyPatch, address: str | None, message: str
) -> None:
    if address is None:
        monkeypatch.delenv("COMPILED_AI_CONNECTION_API")
    else:
        monkeypatch.setenv("COMPILED_AI_CONNECTION_API", address)
    later = POST.replace("{id: id}, returns: {plan", "{id: plan}, returns: {other")
    program = program_of(FIND % {"more": ""} + later % {"policy": "fail"})
    result = run(program, given(), store=store)
    assert (result.status, result.error) == ("failed", "Step 'post' gave no valid result: the call failed.")
    assert result.to_json()["effects"][1]["error"].startswith(message)
    assert ([each.status for each in store.list()], store.reviews(), store.incomplete()) == (["failed"], (), ())
    assert resume(result.run_id, store=store, programs=lambda _: program).status == "failed"
    assert service.asked == []


def test_a_call_that_failed_is_told_with_the_line_of_its_step(
    members: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = program_of(FIND.replace("plan FROM", "plann AS plan FROM"), more="")
    result = run(program, given())
    with pytest.raises(Exit):
        emit_result(result, as_json=False)
    told = "find (line 11 of the specification): failed: The database refused the statement (SQLITE_ERROR: no such "
    assert told in capsys.readouterr().out
    assert result.to_json()["effects"][0]["line"] == 11


def test_nothing_found_does_what_the_step_declares(members: Path) -> None:
    fallback = run(program_of(FIND, more=", on_none: fallback, fallback: {plan: NONE}"), given(id="nobody"))
    assert fallback.output == {"plan": "NONE"}
    failed = run(program_of(FIND, more=""), given(id="nobody"))
    assert failed.error == "Step 'find' gave no valid result: nothing was found."


def test_explain_says_on_the_steps_line_that_the_fallback_stood_in_for_no_row(store: RunStore) -> None:
    program = program_of(FIND, more=", on_none: fallback, fallback: {plan: NONE}")
    missing, found = (run(program, given(id=id), store=store) for id in ("nobody", "M1"))
    told = explain(missing.run_id, store=store, artifacts=lambda _: program)
    [line] = [line for line in told.text().splitlines() if line.startswith("  find (call)")]
    assert line.endswith("nothing was found: the fallback stood in")
    assert told.to_json()["stood_in"] == [{"step": "find", "item": 0, "problems": ["nothing was found"]}]
    assert "stood in" not in explain(found.run_id, store=store, artifacts=lambda _: program).text()


def test_explain_says_where_the_fallback_of_a_rule_stood_in(store: RunStore) -> None:
    rule = 'IF id = "M1" THEN YES, fallback: {outcome: YES, reason: nobody said}'
    program = program_of(f"  - {{step: judge, type: deterministic_rule, logic: {rule}}}")
    done = run(program, given(id="other"), store=store)
    told = explain(done.run_id, store=store, artifacts=lambda _: program).text()
    assert "A fallback stood in:\n  judge: no branch applies" in told


def test_a_fallback_for_nothing_found_hides_no_failure(service: Service) -> None:
    service.says((404, {}, b""), (401, {}, b""))
    looking = POST.replace("method: POST, path: /claims", 'path: "/{id}"').replace(
        "on_failure: %(policy)s", "on_none: fallback, fallback: {plan: NONE}"
    )
    results = [run(program_of(looking), given()) for _ in range(2)]
    assert [result.status for result in results] == ["completed", "failed"]


def test_the_validation_of_a_call_is_held_against_its_result(members: Path) -> None:
    result = run(program_of(FIND, more=', validation: [plan = "SILVER"]'), given())
    assert (result.status, "plan = " in str(result.error)) == ("failed", True)


def test_each_item_of_a_list_is_written_once(store: RunStore, members: Path) -> None:
    result = run(program_of(NOTE), given(notes=["a", "b", "a"]), store=store)
    assert result.output == {"note": [{"changed": 1}] * 3}
    assert notes(members) == ["a", "b", "a"]


def test_without_a_store_what_must_not_happen_twice_is_refused(service: Service, members: Path) -> None:
    for steps in (NOTE, POST % {"policy": "fail"}, TELL):
        with pytest.raises(UsageError, match="this run is on no record. Run it with a run store"):
            run(program_of(steps), given(notes=["a"]))
    assert (notes(members), service.asked) == ([], [])


# ---------------------------------------------------------------- after a crash


def test_after_a_crash_a_write_is_asked_for_again_and_done_once(
    store: RunStore, members: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = program_of(NOTE)
    run_id = died_before_the_result(store, program, monkeypatch, notes=["a", "b"])
    assert notes(members) == ["a"]
    result = resume(run_id, store=store, programs=lambda _: program)
    assert (result.status, notes(members)) == ("completed", ["a", "b"])


def test_after_a_crash_a_message_is_in_doubt_and_a_person_decides(
    store: RunStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = program_of(TELL)
    run_id = died_before_the_result(store, program, monkeypatch)
    result = resume(run_id, store=store, programs=lambda _: program)
    assert (result.status, len(service.asked)) == ("review", 1)
    [review] = store.reviews()
    assert review.problems == ("it is not known whether this call was carried out",)
    assert [key[0] for key in store.incomplete()[0].in_doubt] == ["tell"]
    again = resume(run_id, store=store, programs=lambda _: program)
    assert (again.status, len(service.asked), len(store.reviews())) == ("review", 1, 1)
    decided = decide_review(
        review.review_id, "correct", by="A", reason="it is there", value={"sent": True}, store=store,
        programs=lambda _: program,
    )  # fmt: skip
    assert (decided.status, decided.output, len(service.asked)) == ("completed", {"sent": True}, 1)
    assert store.verify().status == "clean"


def test_a_post_that_breaks_off_waits_for_a_person_whatever_the_step_says(store: RunStore, service: Service) -> None:
    service.says((0, {}, b""))
    program = program_of(POST, policy="fail")
    result = run(program, given(), store=store)
    assert (result.status, [effect.state for effect in result.effects]) == ("review", ["in_doubt"])
    service.says({"plan": "never asked"})
    assert resume(result.run_id, store=store, programs=lambda _: program).status == "review"
    assert len(service.asked) == 1


def test_a_post_that_was_refused_does_what_the_step_says(store: RunStore, service: Service) -> None:
    service.says((422, {}, b""))
    result = run(program_of(POST, policy="fail"), given(), store=store)
    assert (result.status, result.error) == ("failed", "Step 'post' gave no valid result: the call failed.")
    assert result.to_json()["effects"][0]["error"] == "The service answered 422."


# ---------------------------------------------------------------- under another artifact


def test_a_rerun_reads_and_never_writes(store: RunStore, members: Path, service: Service) -> None:
    program = program_of(FIND, more="")
    done = run(program, given(notes=["a"]), store=store)
    writing = program_of(FIND + NOTE, more="")
    with pytest.raises(UsageError, match="'note' would change something outside, and a rerun only reads"):
        rerun(done.run_id, writing, store=store, artifacts=lambda _: program, live_effects=True)
    assert notes(members) == []


def test_a_rerun_says_where_the_other_artifact_calls_otherwise(store: RunStore, members: Path) -> None:
    program = program_of(FIND, more="")
    done = run(program, given(), store=store)
    other = program_of(FIND.replace("WHERE id", "WHERE share < 1 AND id"), more="")
    compared = rerun(done.run_id, other, store=store, artifacts=lambda _: program)
    assert compared.notes == ("step 'find' calls otherwise in the second artifact; the recorded result was used",)


# ---------------------------------------------------------------- people


def test_a_question_goes_into_the_queue_with_its_deadline(store: RunStore) -> None:
    program = program_of(ASK)
    result = run(program, given(), store=store)
    [review] = store.reviews()
    assert (result.status, review.reason, review.proposed) == ("review", "Take M1?", {"take": True})
    assert review.deadline is not None
    left = datetime.fromisoformat(review.deadline) - datetime.fromisoformat(review.opened_at)
    assert abs(left - timedelta(days=1, hours=2)) < timedelta(minutes=1)
    answer: dict[str, Any] = {"by": "A", "reason": "r", "store": store, "programs": lambda _: program}
    with pytest.raises(InputError, match="take"):
        decide_review(review.review_id, "correct", value={"take": False, "limit": 5}, **answer)
    done = decide_review(review.review_id, "approve", **answer)
    assert (done.status, done.output) == ("completed", {"take": True, "limit": None})
    assert run(program, given(), store=store).status == "review"


def test_an_approval_without_a_proposal_cannot_stand(store: RunStore) -> None:
    program = program_of(ASK.replace("proposed: {take: true}, ", ""))
    run(program, given(), store=store)
    [review] = store.reviews()
    answer: dict[str, Any] = {"by": "A", "reason": "r", "store": store, "programs": lambda _: program}
    with pytest.raises(InputError, match="there is no result to approve; correct it or reject it"):
        decide_review(review.review_id, "approve", **answer)
    assert decide_review(review.review_id, "reject", **answer).status == "failed"


# ---------------------------------------------------------------- doubles


def test_a_double_answers_what_it_was_given_and_keeps_the_calls() -> None:
    double = CallDouble({"find": {"plan": "GOLD", "more": "than declared"}})
    result = run(program_of(FIND, more=""), given(), calls=double)
    assert result.output == {"plan": "GOLD"}
    assert [request.payload for _, request in double.made] == [{"arguments": {"id": "M1"}}]


def test_a_double_fails_as_a_module_would(store: RunStore) -> None:
    program = program_of(POST, policy="fail")
    assert run(program, given(), store=store, calls=CallDouble({"post": CallFailed.surely("no")})).status == "failed"
    assert run(program, given(), store=store, calls=CallDouble({"post": CallFailed.perhaps("?")})).status == "review"


def test_a_double_refuses_what_it_was_not_given_and_what_is_not_declared() -> None:
    program = program_of(FIND, more="")
    with pytest.raises(UsageError, match="Nothing was given for step 'find'. Give its result to the double"):
        run(program, given(), calls=CallDouble({}))
    text = json.loads(program.files["program.json"])
    text["steps"][0]["allow"] = {"tables": []}
    other = load_program({**program.files, "program.json": json.dumps(text)})
    with pytest.raises(UsageError, match="reads table 'members', which the connection's 'allow.tables' does not list"):
        run(other, given(), calls=CallDouble({"find": {"plan": "GOLD"}}))


def test_a_golden_case_is_held_against_the_allow_list() -> None:
    from compiled_ai.runtime.calls.double import undeclared_use

    path = POST.replace("path: /claims", 'path: "/claims/{id}"') % {"policy": "fail"}
    program = program_of(path)
    for wrong in ("..", ""):
        end = decide(program, given(id=wrong), Supplied({"post": {"plan": "A"}}, refuse=undeclared_use))
        assert isinstance(end, Lacking) and "cannot stand in the path" in end.problems[0]


# ---------------------------------------------------------------- what is kept


def test_no_marker_reaches_any_file_message_or_log_in_the_clear(
    store: RunStore,
    service: Service,
    members: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Under HIPAA: inputs, arguments, results, questions, secrets and replies; a run that fails, one that waits."""
    monkeypatch.setenv("COMPILED_AI_SECRET_API", "MARKER-secret")
    service.says((200, {}, b'{"plan": "MARKER-result"}'), (422, {}, b"MARKER-reply"))
    steps = POST.replace("POST, path", "GET, path").replace("settings: {", "settings: {query: {id: id}, ")
    asking = ASK + steps.replace("step: post", "step: look") % {"policy": "fail"}
    told: list[str] = []
    with caplog.at_level("DEBUG"):
        for text in (asking, steps % {"policy": "fail"}, steps % {"policy": "fail"}):
            result = run(program_of(text, packs=", compliance: [HIPAA]"), given(id="MARKER-input"), store=store)
            told += [result.status, str(result.error), repr(result), *("" if result.reviews else [])]
            told += [str(each) for each in result.to_json().get("reviews", [])]
    assert service.asked
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != members]
    assert not [data for data in files if b"MARKER" in data]
    assert "MARKER" not in "".join(told) + caplog.text + "".join(capfd.readouterr())
