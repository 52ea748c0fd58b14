"""Runs without people: the same records as on the local engine, whatever the size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from temporal_support import CHART, CLAIM, SICK, Engine, activity_names, event_names, fixture_program, until
from temporalio.client import WorkflowFailureError
from temporalio.common import SearchAttributeKey

from compiled_ai.errors import InputError, NotFound, RunFailed, UsageError
from compiled_ai.models import Reply, Request, ScriptedModel
from compiled_ai.records import RunRecord, Usage
from compiled_ai.runtime.ids import engine_of, new_temporal_run_id
from compiled_ai.runtime.local import resume, run
from compiled_ai.runtime.temporal.messages import Carried, RunEnd, RunStart
from compiled_ai.runtime.temporal.submitting import start_run, wait_for

Play = Callable[..., None]
_OWN = {"run_id", "started_at", "finished_at"}


def _told(record: RunRecord) -> dict[str, Any]:
    """A record without its times and ids."""
    told = record.model_dump(exclude=_OWN)
    for effect in told["effects"]:
        effect.pop("milliseconds")
        if effect["kind"] in ("today", "clock", "id"):
            effect.pop("result")
    return told


def line_of(request: Request) -> str:
    """Reads the amount of a note that says `amount N`."""
    amount = request.prompt.split("amount ")[1].split()[0]
    return f'{{"amount": {amount}}}'


def test_an_artifact_without_effects_costs_one_activity_and_leaves_the_record_of_a_local_run(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            end = await engine.run(program, CLAIM)
        assert isinstance(end, RunEnd)
        assert (end.status, end.value["outcome"]) == ("completed", "APPROVE")
        local = run(program, CLAIM, store=engine.store)
        assert _told(engine.store.load(end.run_id)) == _told(engine.store.load(local.run_id))
        names = event_names(await engine.history(end.run_id))
        assert names.count("ACTIVITY_TASK_SCHEDULED") == 1
        assert engine_of(end.run_id) == "temporal"

    scene(scenario)


def test_a_bounded_call_is_an_activity_and_leaves_the_record_of_a_local_run(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([SICK])):
            end = await engine.run(program, CHART)
        assert isinstance(end, RunEnd)
        assert (end.status, end.error) == ("completed", None)
        local = run(program, CHART, store=engine.store, model=ScriptedModel([SICK]))
        assert _told(engine.store.load(end.run_id)) == _told(engine.store.load(local.run_id))
        names = activity_names(await engine.history(end.run_id))
        assert names == ["compiled_ai_begin", "compiled_ai_answer"]
        assert engine.store.verify().findings == ()

    scene(scenario)


def test_a_model_that_is_not_set_up_keeps_the_run_waiting_and_is_told(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            start = await engine.submit(program, CHART)

            async def told() -> bool:
                described = await engine.client.get_workflow_handle(start.run_id).describe()
                failures = [each.last_failure.message for each in described.raw_description.pending_activities]
                return any("calls a model, and the artifact pins none" in text for text in failures)

            await until(told)
        assert engine.store.unresolved(start.run_id) == ()
        async with engine.serving(program, model=ScriptedModel([SICK])):
            end = await wait_for(engine.client, start.run_id)
        assert end.status == "completed"

    scene(scenario)


def test_a_document_of_five_megabytes_travels_by_its_digest(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})
    document = "type 2 diabetes " * (5 * 1024 * 1024 // 16)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([SICK])):
            start = await engine.submit(program, {"patient_chart_summary": document})
            assert start.input.text is None
            assert start.input.size > 5_000_000
            end = await wait_for(engine.client, start.run_id)
        assert end.status == "completed"
        history = await engine.history(start.run_id)
        assert sum(event.ByteSize() for event in history.events) < 20_000
        assert engine.store.load(start.run_id).input == {"patient_chart_summary": document}

    scene(scenario)


def test_a_large_output_is_read_from_the_record() -> None:
    carried = Carried.of({"text": "x" * 70_000})
    assert carried.text is None
    with pytest.raises(Exception, match="A value of 70011 bytes does not travel. Read it from the run's record"):
        _ = carried.value
    with pytest.raises(Exception, match="The run store holds another value than the one of digest"):
        carried.checked({"text": "y"})


def test_a_list_is_answered_item_by_item_and_in_portions_when_it_is_long(scene: Play) -> None:
    program = fixture_program("lines")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel(line_of)):
            for count, activities in ((3, 3), (250, 3)):
                notes = [f"amount {number}" for number in range(count)]
                end = await engine.run(program, {"claim_id": "c", "notes": notes})
                assert isinstance(end, RunEnd)
                assert end.value["total"] == sum(range(count))
                assert activity_names(await engine.history(end.run_id)).count("compiled_ai_answer") == activities
                record = engine.store.load(end.run_id)
                answered = sorted(effect.item for effect in record.effects if effect.kind == "bounded")
                assert answered == list(range(count))

    scene(scenario)


class OneReply:
    """A model that says the same to everything and counts no tokens: 20,000 times that is most of the time."""

    name = "one-reply"

    def ask(self, request: Request) -> Reply:
        usage = Usage(requests=1, origin="measured")
        return Reply(text='{"amount": 1}', usage=usage, origin="scripted", model=self.name, finish_reason="stop")


def test_twenty_thousand_items_meet_no_limit_of_history_or_payload(scene: Play) -> None:
    program = fixture_program("lines")
    notes = ["amount 1"] * 20_000

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=OneReply()):
            start = await engine.submit(program, {"claim_id": "c", "notes": notes})
            end = await wait_for(engine.client, start.run_id, people=True)
        assert end.status == "completed"
        record = engine.store.load(start.run_id)
        assert record.output["total"] == 20_000
        history = await engine.history(start.run_id)
        assert len(history.events) < 2_000
        assert max(event.ByteSize() for event in history.events) < 64 * 1024

    scene(scenario, seconds=900)


def test_an_input_that_does_not_fit_is_refused_before_anything_happens(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        with pytest.raises(InputError, match="age"):
            await engine.submit(program, {**CLAIM, "age": "old"})
        assert engine.store.list() == ()

    scene(scenario)


def test_an_input_that_another_client_sends_and_that_does_not_fit_ends_the_workflow(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        start = RunStart(
            run_id=new_temporal_run_id(),
            artifact=program.digest,
            workflow="triage",
            version="1",
            input=Carried.of({"claim_id": 1}),
            queue=engine.queue,
            searchable=False,
        )
        async with engine.serving(program):
            handle = await start_run(engine.client, start)
            with pytest.raises(WorkflowFailureError):
                await handle.result()
            with pytest.raises(RunFailed, match="did not end on Temporal: .*age"):
                await wait_for(engine.client, start.run_id)
        with pytest.raises(NotFound):
            engine.store.load(start.run_id)

    scene(scenario)


def test_a_run_that_is_started_twice_happens_once(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            start = await engine.submit(program, CLAIM)
            first = await wait_for(engine.client, start.run_id)
            await start_run(engine.client, start)
            assert await wait_for(engine.client, start.run_id) == first
        assert len(engine.store.list()) == 1

    scene(scenario)


def test_a_run_that_an_operator_cancels_ends_as_failed(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            start = await engine.submit(program, CHART)

            async def begun() -> bool:
                return bool(engine.store.list())

            await until(begun)
            await engine.client.get_workflow_handle(start.run_id).cancel()
            with pytest.raises(RunFailed, match="did not end on Temporal"):
                await wait_for(engine.client, start.run_id)
        record = engine.store.load(start.run_id)
        assert (record.status, record.error) == ("failed", "cancelled by an operator")

    scene(scenario)


def test_a_run_of_temporal_is_not_taken_up_by_the_local_engine(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([SICK])):
            start = await engine.submit(program, {"patient_chart_summary": "x" * 70_000})
            await wait_for(engine.client, start.run_id)
        assert resume(start.run_id, store=engine.store, programs=lambda _: program).status == "completed"
        waiting = await engine.submit(program, {"patient_chart_summary": "y" * 70_000})
        with pytest.raises(UsageError, match="is carried by Temporal. Its workers take it up again."):
            resume(waiting.run_id, store=engine.store, programs=lambda _: program)

    scene(scenario)


def test_a_server_that_does_not_know_the_search_attributes_carries_runs_without(
    scene: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fixture_program("triage")
    unknown = SearchAttributeKey.for_keyword("CompiledAiNobodyAddedThis")
    monkeypatch.setattr("compiled_ai.runtime.temporal.submitting.NAMED", unknown)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            end = await engine.run(program, CLAIM)
        assert isinstance(end, RunEnd)
        assert end.status == "completed"
        described = await engine.client.get_workflow_handle(end.run_id).describe()
        assert described.typed_search_attributes.get(unknown) is None

    scene(scenario)


def test_fifty_runs_at_once_are_all_on_record(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            starts = [await engine.submit(program, {**CLAIM, "claim_id": f"c-{number}"}) for number in range(50)]
            ends = await asyncio.gather(*(wait_for(engine.client, each.run_id, people=True) for each in starts))
        assert {end.status for end in ends} == {"completed"}
        assert len(engine.store.list()) == 50
        assert engine.store.verify().findings == ()

    scene(scenario)
