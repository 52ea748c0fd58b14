"""Runs on record: crash and resume, reviews, and doing things once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.errors import ConfigError, InputError, ModelFailed, NotFound, ReviewConflict, Waiting
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import resume, run
from compiled_ai.runtime.reviews import decide, preview
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore

FIXTURES = Path(__file__).parent / "fixtures"
Programs = Callable[[str], Program]
CHART = {"patient_chart_summary": "Jane Doe, 62. BMI 27.5"}
DENIED = '{"has_t2d_diagnosis": false, "current_a1c": 5.4, "bmi": 27.5, "has_step_therapy_failure": false}'
SILENT = DENIED.replace("27.5", "null")
LINES = {"claim_id": "c-1", "notes": ["a", "b", "c"]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


@pytest.fixture
def by_digest() -> Callable[[str], Program]:
    loaded = {program.digest: program for program in map(load_program, FIXTURES.iterdir())}

    def find(digest: str) -> Program:
        if digest not in loaded:
            raise NotFound(digest)
        return loaded[digest]

    return find


def test_nothing_is_on_record_if_the_first_call_cannot_be_made(program: Programs, store: RunStore) -> None:
    with pytest.raises(ConfigError):
        run(program("glp1"), CHART, store=store)
    with pytest.raises(InputError):
        run(program("glp1"), {}, store=store)
    assert store.list() == ()


@pytest.mark.parametrize(
    ("action", "value", "said"),
    [
        ("approve", None, "there is no result to approve|required, and there is no value"),
        ("correct", {"has_t2d_diagnosis": False}, "required, and there is no value"),
        (
            "correct",
            {"has_t2d_diagnosis": False, "current_a1c": 5, "bmi": 275, "has_step_therapy_failure": False},
            "bmi > 10 AND bmi < 100",
        ),
        ("correct", None, "'correct' needs value"),
        ("approve", {}, "'approve' takes no value"),
        ("wave through", None, "Unknown action 'wave through'"),
    ],
)
def test_a_decision_that_cannot_stand_is_refused_and_leaves_the_review_open(
    program: Programs, store: RunStore, by_digest: Any, action: Any, value: Any, said: str
) -> None:
    waiting = run(program("glp1"), CHART, store=store, model=ScriptedModel([SILENT]))
    with pytest.raises(InputError, match=said):
        decide(waiting.review_ids[0], action, by="A", reason="B", value=value, store=store, programs=by_digest)
    assert store.review(waiting.review_ids[0]).status == "open"


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("who", " ")])
def test_a_decision_without_who_and_why_is_refused(
    program: Programs, store: RunStore, by_digest: Any, by: str, reason: str
) -> None:
    waiting = run(program("glp1"), CHART, store=store, model=ScriptedModel([SILENT]))
    with pytest.raises(InputError, match="who decided and why"):
        decide(waiting.review_ids[0], "reject", by=by, reason=reason, store=store, programs=by_digest)


def test_a_silent_chart_waits_and_goes_on_with_what_a_person_adds(
    program: Programs, store: RunStore, by_digest: Any
) -> None:
    waiting = run(program("glp1"), CHART, store=store, model=ScriptedModel([SILENT]))
    assert waiting.status == store.load(waiting.run_id).status == "review"
    shown = preview(store.review(waiting.review_ids[0]), store, by_digest)
    assert shown["input"] == CHART and shown["problems"] == ["bmi: unknown, and it is required"]
    value = {"has_t2d_diagnosis": False, "current_a1c": 5, "bmi": 27, "has_step_therapy_failure": False}
    denied = decide(waiting.review_ids[0], "correct", by="A", reason="B", value=value, store=store, programs=by_digest)
    assert denied.status == "review"
    assert denied.reviews[0].step == "evaluate_coverage"
    done = decide(denied.review_ids[0], "approve", by="A", reason="B", store=store, programs=by_digest)
    assert done.status == "completed"
    record = store.load(waiting.run_id)
    assert (record.status, record.output) == ("completed", done.output)
    assert [effect.kind for effect in record.effects] == ["bounded", "review", "review"]
    assert store.verify().findings == ()


def test_a_review_is_decided_once(program: Programs, store: RunStore, by_digest: Any) -> None:
    waiting = run(program("glp1"), CHART, store=store, model=ScriptedModel([DENIED]))
    rejected = decide(waiting.review_ids[0], "reject", by="A", reason="B", store=store, programs=by_digest)
    assert rejected.status == "failed"
    with pytest.raises(ReviewConflict, match="was decided by 'A'"):
        decide(waiting.review_ids[0], "approve", by="C", reason="D", store=store, programs=by_digest)


def test_a_decision_resumes_on_the_artifact_that_the_run_began_on(program: Programs, store: RunStore) -> None:
    waiting = run(program("glp1"), CHART, store=store, model=ScriptedModel([DENIED]))
    asked: list[str] = []

    def remember(digest: str) -> Program:
        asked.append(digest)
        return program("glp1")

    decide(waiting.review_ids[0], "approve", by="A", reason="B", store=store, programs=remember)
    assert asked == [waiting.artifact]


def test_once_returns_the_run_that_stands(program: Programs, store: RunStore) -> None:
    first = run(program("lines"), LINES, store=store, once=True, model=ScriptedModel(['{"amount": 1}'] * 3))
    again = run(program("lines"), LINES, store=store, once=True, model=ScriptedModel([]))
    assert (again.run_id, again.output) == (first.run_id, first.output)
    assert len(store.list()) == 1


def test_a_run_that_awaits_a_reply_is_resumed_when_it_is_there(
    program: Programs, store: RunStore, by_digest: Any, tmp_path: Path
) -> None:
    with pytest.raises(Waiting) as caught:
        run(program("glp1"), CHART, store=store, model=f"exchange:{tmp_path / 'box'}")
    run_id = caught.value.details[-1]["run_id"]
    assert store.load(run_id).status == "waiting"
    done = resume(run_id, store=store, programs=by_digest, model=ScriptedModel([DENIED.replace("false", "true")]))
    assert done.status == store.load(run_id).status == "completed"


def test_a_run_that_ended_is_returned_as_it_is(program: Programs, store: RunStore, by_digest: Any) -> None:
    done = run(program("lines"), LINES, store=store, model=ScriptedModel(['{"amount": 1}'] * 3))
    again = resume(done.run_id[:18], store=store, programs=by_digest, model=ScriptedModel([]))
    assert (again.run_id, again.status, again.output) == (done.run_id, "completed", done.output)


def test_failed_attempts_replay_although_error_texts_are_withheld(
    program: Programs, store: RunStore, by_digest: Any
) -> None:
    model = ScriptedModel([ModelFailed("overloaded"), ModelFailed("overloaded")])
    waiting = run(program("glp1"), CHART, store=store, model=model)
    assert all("overloaded" not in (effect.error or "") for effect in store.load(waiting.run_id).effects)
    value = {"has_t2d_diagnosis": True, "current_a1c": 5, "bmi": 27, "has_step_therapy_failure": False}
    done = decide(waiting.review_ids[0], "correct", by="A", reason="B", value=value, store=store, programs=by_digest)
    assert done.status == "completed"


KILLED = """
import os, signal, sys
from pathlib import Path
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import run
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore
home = Path(sys.argv[1])
asked = []
def reply(request):
    asked.append(request)
    if len(asked) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return '{"amount": 1}'
store = RunStore.open(home / "runs.db", keys=KeyRing(home=home))
given = {"claim_id": "c-1", "notes": ["a", "b", "c"]}
run(load_program(Path(sys.argv[2])), given, store=store, model=ScriptedModel(reply))
"""


def killed_run(home: Path, name: str, call: int) -> None:
    argv = [sys.executable, "-c", KILLED, str(home), str(FIXTURES / name), str(call)]
    ended = subprocess.run(argv, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_killed_run_goes_on_where_it_was_and_asks_nothing_twice(tmp_path: Path, by_digest: Any, call: int) -> None:
    killed_run(tmp_path, "lines", call)
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as store:
        (open_run,) = store.incomplete()
        assert len(store.load(open_run.run_id).effects) == call - 1
        model = ScriptedModel(['{"amount": 1}'] * 3)
        done = resume(open_run.run_id, store=store, programs=by_digest, model=model)
        assert done.status == "completed"
        assert done.output["total"] == 3
        assert len(model.requests) == 3 - (call - 1)
        assert store.incomplete() == ()
