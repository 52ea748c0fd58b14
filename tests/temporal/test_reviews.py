"""People: the workflow's update, the command line's door, deadlines, and waiting that costs nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporal_support import CHART, CLEAR, WELL, Engine, event_names, fixture_program, until

from compiled_ai.errors import InputError, NotFound, ReviewConflict
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime import reviews
from compiled_ai.runtime.temporal import errands, workflow
from compiled_ai.runtime.temporal.messages import Decision, RunEnd, Standing
from compiled_ai.runtime.temporal.submitting import decide, wait_for
from compiled_ai.runtime.temporal.workflow import ArtifactWorkflow

Play = Callable[..., None]


def _decision(review_id: str, **more: Any) -> Decision:
    return Decision(**{"review_id": review_id, "action": "approve", "by": "Dr. Ito", "reason": "criteria met", **more})


async def _waiting(engine: Engine, program: Any, **more: Any) -> tuple[str, str]:
    """A run that waits for a review; returns both ids."""
    start = await engine.submit(program, CHART, **more)
    standing = await wait_for(engine.client, start.run_id)
    assert isinstance(standing, Standing)
    return start.run_id, standing.reviews[0].review_id


def test_a_decision_by_update_is_recorded_once_and_the_run_goes_on(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program)
            assert engine.store.summary(run_id).status == "review"
            assert [each.review_id for each in engine.store.reviews()] == [review_id]
            assert await decide(engine.client, run_id, _decision(review_id)) == review_id
            end = await wait_for(engine.client, run_id)
            assert isinstance(end, RunEnd)
            assert (end.status, end.value["outcome"]) == ("completed", "DENY")
            record = engine.store.load(run_id)
            assert [(effect.kind, effect.origin) for effect in record.effects][-1] == ("review", "Dr. Ito")
            with pytest.raises(NotFound, match="is not under way on this server"):
                await decide(engine.client, run_id, _decision(review_id))

    scene(scenario)


def test_a_decision_that_cannot_stand_is_refused_and_leaves_no_trace(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program)
            before = len((await engine.history(run_id)).events)
            for wrong, kind, said in (
                (_decision(review_id, by=" "), InputError, "names who decided and why"),
                (_decision(review_id, action="correct"), InputError, "only 'correct' takes one"),
                (_decision("0"), ReviewConflict, "does not wait for review '0'; it waits for"),
            ):
                with pytest.raises(kind, match=said):
                    await decide(engine.client, run_id, wrong)
            names = event_names(await engine.history(run_id))[before:]
            assert not any("UPDATE" in name or "ACTIVITY" in name for name in names)
            with pytest.raises(InputError, match="The decision on step"):
                await decide(engine.client, run_id, _decision(review_id, action="correct", value='{"outcome":"MAYBE"}'))
            assert engine.store.review(review_id).status == "open"

    scene(scenario)


def test_a_review_is_decided_through_the_store_and_temporal_is_told(
    scene: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fixture_program("glp1", **CLEAR)

    async def scenario(engine: Engine) -> None:
        monkeypatch.setenv("TEMPORAL_ADDRESS", engine.client.config()["service_client"].config.target_host)
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program)
            told = await asyncio.to_thread(
                lambda: reviews.decide(
                    review_id,
                    "approve",
                    by="Dr. Ito",
                    reason="criteria met",
                    store=engine.store,
                    programs=lambda _: program,
                )
            )
            assert told.status == "completed"
            end = await wait_for(engine.client, run_id)
            assert isinstance(end, RunEnd)
            assert end.status == "completed"
            assert engine.store.summary(run_id).status == "completed"

    scene(scenario)


def test_a_decision_that_temporal_could_not_be_told_of_is_found_by_looking(
    scene: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = fixture_program("glp1", **CLEAR)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "localhost:1")
    monkeypatch.setattr(workflow, "FIRST_LOOK", timedelta(seconds=1))

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program)
            with caplog.at_level(logging.WARNING, logger="compiled_ai"):
                await asyncio.to_thread(
                    lambda: reviews.decide(
                        review_id,
                        "reject",
                        by="Dr. Ito",
                        reason="not met",
                        store=engine.store,
                        programs=lambda _: program,
                    )
                )
            assert "The decision is on record, but Temporal could not be told" in caplog.text
            end = await wait_for(engine.client, run_id, people=True)
            assert isinstance(end, RunEnd)
            assert end.status == "failed"
            assert "rejected by Dr. Ito" in (end.error or "")

    scene(scenario)


def test_a_decision_is_taken_while_no_worker_is_there(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program)
        deciding = asyncio.ensure_future(decide(engine.client, run_id, _decision(review_id)))
        await asyncio.sleep(0.5)
        async with engine.serving(program, model=ScriptedModel([])):
            assert await deciding == review_id
            assert (await wait_for(engine.client, run_id)).status == "completed"

    scene(scenario)


def test_a_deadline_is_a_durable_timer_and_marks_the_run_as_overdue(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)
    deadline = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program, deadline=deadline)
            assert engine.store.review(review_id).deadline is not None

            async def overdue() -> bool:
                described = await engine.client.get_workflow_handle(run_id).describe()
                return described.typed_search_attributes.get(errands.REVIEW) == "overdue"

            await until(overdue)
            assert "TIMER_FIRED" in event_names(await engine.history(run_id))
            await decide(engine.client, run_id, _decision(review_id))
            assert (await wait_for(engine.client, run_id)).status == "completed"

    scene(scenario)


def test_what_operators_search_for_holds_no_value_of_the_run(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL])):
            run_id, review_id = await _waiting(engine, program, version="7.7.7")
            handle = engine.client.get_workflow_handle_for(ArtifactWorkflow.run, run_id)

            async def shown() -> dict[str, Any]:
                described = await handle.describe()
                pairs = described.typed_search_attributes
                return {pair.key.name: pair.value for pair in pairs if pair.key.name.startswith("CompiledAi")}

            assert await shown() == {
                "CompiledAiWorkflow": program.workflow,
                "CompiledAiVersion": "7.7.7",
                "CompiledAiArtifact": program.digest,
                "CompiledAiStatus": "review",
                "CompiledAiReview": "open",
            }
            await decide(engine.client, run_id, _decision(review_id))
            await wait_for(engine.client, run_id)
            ended = await shown()
            assert (ended["CompiledAiStatus"], ended["CompiledAiReview"]) == ("completed", "decided")
            query = 'CompiledAiStatus="completed" AND CompiledAiVersion="7.7.7"'

            async def found() -> bool:
                return [each.id async for each in engine.client.list_workflows(query)] == [run_id]

            await until(found)

    scene(scenario)
