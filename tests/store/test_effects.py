"""Nothing lost, nothing doubled: effects are intended before they start, and their first result wins."""

from __future__ import annotations

import pytest
from store_samples import ALL_ENCRYPTED, Place, call_effect, in_another_process, run_record, waiting_record

from compiled_ai.errors import InputError, NotFound, StoreFailed
from compiled_ai.library.context import EffectRequest
from compiled_ai.runtime.store import CLEAR, Protection, RunStore

REQUEST = EffectRequest("find_member", "call", 0, 0, {"arguments": {"id": "M7"}})
KEY = ("find_member", "call", 0, 0)


@pytest.fixture(params=[CLEAR, ALL_ENCRYPTED], ids=["clear", "encrypted"])
def protection(request: pytest.FixtureRequest) -> Protection:
    found: Protection = request.param
    return found


def test_an_effect_of_an_unknown_run_is_refused(store: RunStore) -> None:
    with pytest.raises(NotFound):
        store.intend("nothing", REQUEST)
    with pytest.raises(NotFound):
        store.effect("nothing", call_effect())


def test_nothing_is_added_to_a_run_that_has_ended(store: RunStore) -> None:
    run_id = store.save(run_record())
    for addition in (
        lambda: store.intend(run_id, REQUEST),
        lambda: store.effect(run_id, call_effect()),
        lambda: store.finish(run_id, "failed"),
        lambda: store.open_review(run_id, step="s", proposed=None, reason="r"),
    ):
        with pytest.raises(StoreFailed, match=r"has ended \(completed\)"):
            addition()
    assert store.verify().events == 2


def test_a_run_that_starts_cannot_have_ended(store: RunStore) -> None:
    with pytest.raises(InputError, match="cannot be 'completed'"):
        store.start(run_record())


def test_an_unknown_status_is_refused(store: RunStore) -> None:
    run_id = store.start(waiting_record())
    with pytest.raises(InputError, match="'done' is not a status"):
        store.finish(run_id, "done")  # type: ignore[arg-type]


def test_an_effect_without_a_result_is_not_a_result(store: RunStore) -> None:
    run_id = store.start(waiting_record())
    with pytest.raises(InputError, match=r"Use intend\(\)"):
        store.effect(run_id, call_effect(state="intended", result=None))


def test_the_first_result_wins(store: RunStore, protection: Protection) -> None:
    run_id = store.start(waiting_record(), protection)
    assert store.intend(run_id, REQUEST).state == "new"
    first = call_effect(result={"plan": "gold"})
    assert store.effect(run_id, first) == first
    second = store.effect(run_id, call_effect(result={"plan": "silver"}))
    assert second == first
    assert store.load(run_id).effects == (first,)
    again = store.intend(run_id, REQUEST)
    assert (again.state, again.effect) == ("recorded", first)


def test_a_late_second_result_does_not_matter_after_the_end(store: RunStore) -> None:
    run_id = store.start(waiting_record())
    first = store.effect(run_id, call_effect())
    store.finish(run_id, "completed", {"outcome": "PAY"})
    assert store.effect(run_id, call_effect(result="late")) == first


def test_a_result_without_its_request_keeps_the_one_that_was_intended(store: RunStore) -> None:
    run_id = store.start(waiting_record())
    store.intend(run_id, REQUEST)
    store.effect(run_id, call_effect(request=None))
    assert store.load(run_id).effects[0].request == {"arguments": {"id": "M7"}}


def test_an_effect_in_doubt_may_still_get_its_result(store: RunStore) -> None:
    run_id = store.start(waiting_record())
    store.intend(run_id, REQUEST)
    store.effect(run_id, call_effect(state="in_doubt", result=None))
    assert store.load(run_id).effects == ()
    assert [effect.state for effect in store.unresolved(run_id)] == ["in_doubt"]
    assert store.incomplete()[0].in_doubt == (KEY,)
    resolved = store.effect(run_id, call_effect())
    assert resolved.result == {"plan": "gold"}
    assert store.unresolved(run_id) == ()
    assert store.verify().status == "clean"


def test_items_and_attempts_are_effects_of_their_own(store: RunStore, protection: Protection) -> None:
    run_id = store.start(waiting_record(effects=(call_effect(),)), protection)
    for item, attempt in ((1, 0), (0, 1), (1, 1)):
        store.effect(run_id, call_effect(item=item, attempt=attempt, result=f"{item}/{attempt}"))
    assert [effect.result for effect in store.load(run_id).effects] == [{"plan": "gold"}, "1/0", "0/1", "1/1"]
    assert store.effect(run_id, call_effect(result="again")).result == {"plan": "gold"}
    assert store.verify().status == "clean"


def test_a_run_goes_step_by_step_to_its_end(store: RunStore, protection: Protection) -> None:
    run_id = store.start(waiting_record(), protection)
    assert [(run.run_id, run.status) for run in store.incomplete()] == [(run_id, "waiting")]
    store.intend(run_id, REQUEST)
    store.effect(run_id, call_effect(state="failed", result=None, error="no such member"))
    store.finish(run_id, "failed", error="step find_member failed")
    record = store.load(run_id)
    assert (record.status, record.error, record.output) == ("failed", "step find_member failed", None)
    assert record.effects[0].error == "no such member"
    assert record.finished_at is not None
    assert store.incomplete() == ()
    assert store.list(status="failed")[0].run_id == run_id


def test_runs_that_ended_are_not_incomplete(store: RunStore) -> None:
    store.save(run_record(status="failed", output=None, effects=(call_effect(state="in_doubt", result=None),)))
    store.save(run_record())
    assert store.incomplete() == ()


_KILLED = """
import os, signal, sys
from pathlib import Path
from compiled_ai.library.context import EffectRequest
from compiled_ai.records import RunRecord
from compiled_ai.runtime.store import RunStore, now_text
store = RunStore.open(sys.argv[1], home=Path(sys.argv[2]))
run_id = store.start(RunRecord(run_id="killed", artifact="a", workflow="w", input={}, status="waiting",
                               started_at=now_text()))
store.intend(run_id, EffectRequest("find_member", "call", 0, 0, {"arguments": {"id": "M7"}}))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_effect_between_intention_and_result_is_in_doubt_after_a_kill(place: Place, key_line: str) -> None:
    child = in_another_process(_KILLED, place.url, str(place.home), key_line=key_line)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == -9, errors
    with place.open() as store:
        [run] = store.incomplete()
        assert (run.run_id, run.status, run.in_doubt) == ("killed", "waiting", (KEY,))
        [effect] = store.unresolved("killed")
        assert (effect.state, effect.request) == ("intended", {"arguments": {"id": "M7"}})
        assert store.load("killed").effects == ()
        assert store.intend("killed", REQUEST).state == "in_doubt"
        store.effect("killed", call_effect())
        store.finish("killed", "completed", {"plan": "gold"})
        assert store.load("killed").effects == (call_effect(),)
        assert store.verify().counts == {"unclosed": 1}


_WRITER = """
import sys
from pathlib import Path
from compiled_ai.library.context import EffectRequest
from compiled_ai.records import Effect, RunRecord
from compiled_ai.runtime.store import RunStore, new_run_id, now_text
name = sys.argv[3]
wins = 0
with RunStore.open(sys.argv[1], home=Path(sys.argv[2])) as store:
    for number in range(25):
        intent = store.intend("shared", EffectRequest("step", "call", number, 0, {}))
        wins += intent.state == "new"
        store.effect("shared", Effect(step="step", kind="call", item=number, request={}, result=name))
        store.save(RunRecord(run_id=new_run_id(), artifact="a", workflow=name, input=number, status="completed",
                             started_at=now_text()))
print(wins)
"""


def test_two_processes_that_work_on_one_run_start_each_effect_once(place: Place, key_line: str) -> None:
    with place.open() as store:
        store.start(waiting_record(run_id="shared"))
    children = [
        in_another_process(_WRITER, place.url, str(place.home), name, key_line=key_line) for name in ("one", "two")
    ]
    outputs = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], outputs
    assert sum(int(output) for output, _ in outputs) == 25
    with place.open() as store:
        assert len(store.load("shared").effects) == 25
        assert len(store.list(workflow="one")) == len(store.list(workflow="two")) == 25
        report = store.verify()
        assert (report.status, report.chains) == ("clean", 3)
