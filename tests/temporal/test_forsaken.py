"""A workflow that is terminated cannot say so: its run is found, and given a new workflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from temporal_support import CHART, CLAIM, WELL, Engine, fixture_program
from temporalio.client import Client

from compiled_ai.errors import UsageError
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.ids import new_temporal_run_id
from compiled_ai.runtime.local import RunResult
from compiled_ai.runtime.stepper import Pending, Stepping
from compiled_ai.runtime.temporal.forsaken import forsaken, take_up
from compiled_ai.runtime.temporal.messages import Decision, Standing
from compiled_ai.runtime.temporal.submitting import decide, wait_for

Play = Callable[..., None]


def test_a_run_whose_workflow_was_terminated_is_found_and_goes_on_in_a_new_one(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([WELL, WELL])):
            kept, ended = await engine.submit(program, CHART), await engine.submit(program, CHART)
            for start in (kept, ended):
                assert isinstance(await wait_for(engine.client, start.run_id), Standing)
            assert await forsaken(engine.client, engine.store) == []
            await engine.client.get_workflow_handle(ended.run_id).terminate()
            assert await forsaken(engine.client, engine.store) == [ended.run_id]
            with pytest.raises(UsageError, match="is carried by Temporal. Its workers take it up again."):
                await take_up(engine.client, engine.store, kept.run_id, "1.0.0")
            await take_up(engine.client, engine.store, ended.run_id, "1.0.0")
            standing = await wait_for(engine.client, ended.run_id)
            assert isinstance(standing, Standing)
            decision = Decision(review_id=standing.reviews[0].review_id, action="approve", by="A", reason="b")
            await decide(engine.client, ended.run_id, decision)
            assert (await wait_for(engine.client, ended.run_id)).status == "completed"
            assert await forsaken(engine.client, engine.store) == []
            with pytest.raises(UsageError, match="has ended. `compiled-ai runs show"):
                await take_up(engine.client, engine.store, ended.run_id, "1.0.0")

    scene(scenario)


def test_a_run_that_the_server_has_lost_goes_on_from_what_is_on_record(
    scene: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, run_id = fixture_program("triage"), new_temporal_run_id()

    async def scenario(engine: Engine) -> None:
        engine.store.start(RunResult(Stepping(program, CLAIM), Pending(()), 1, run_id).record())
        assert await forsaken(engine.client, engine.store) == [run_id]
        begin = Client.start_workflow

        async def on_our_queue(*given: object, **options: object) -> object:
            return await begin(*given, **{**options, "task_queue": engine.queue})  # type: ignore[arg-type]

        monkeypatch.setattr(Client, "start_workflow", on_our_queue)
        start = await take_up(engine.client, engine.store, run_id, "1.0.0")
        assert (start.workflow, start.queue) == ("triage", "compiled-ai")
        monkeypatch.undo()
        await engine.client.get_workflow_handle(run_id).terminate()

    scene(scenario)
