"""Versions side by side, workers that lack an artifact, and histories of earlier runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporal_support import CHART, CLAIM, SEALED, WELL, Engine, activity_names, fixture_program, until
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from compiled_ai.errors import KeyMissing, UsageError
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.temporal import errands
from compiled_ai.runtime.temporal.batch_workflow import BatchWorkflow
from compiled_ai.runtime.temporal.codec import data_converter
from compiled_ai.runtime.temporal.messages import Decision, RunEnd, Standing, queue_of
from compiled_ai.runtime.temporal.submitting import decide, has_worker, wait_for
from compiled_ai.runtime.temporal.workflow import ArtifactWorkflow

Play = Callable[..., None]
HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def test_two_versions_are_served_by_one_worker_and_old_runs_end_on_theirs(scene: Play) -> None:
    old = fixture_program("glp1", sinks={})
    new = fixture_program("glp1", sinks={}, name="GLP-1 review, new version")
    assert old.digest != new.digest

    async def scenario(engine: Engine) -> None:
        async with engine.serving(old, model=ScriptedModel([WELL])):
            first = await engine.submit(old, CHART, version="1.0.0")
            standing = await wait_for(engine.client, first.run_id)
            assert isinstance(standing, Standing)
        async with engine.serving(old, new, model=ScriptedModel([WELL])):
            second = await engine.submit(new, CHART, version="2.0.0")
            other = await wait_for(engine.client, second.run_id)
            assert isinstance(other, Standing)
            for start, reviews in ((first, standing.reviews), (second, other.reviews)):
                decision = Decision(review_id=reviews[0].review_id, action="approve", by="A", reason="b")
                await decide(engine.client, start.run_id, decision)
            ends = [await wait_for(engine.client, each.run_id) for each in (first, second)]
        assert [end.artifact for end in ends if isinstance(end, RunEnd)] == [old.digest, new.digest]
        assert engine.store.load(first.run_id).artifact == old.digest
        assert engine.store.load(second.run_id).artifact == new.digest

    scene(scenario)


def test_a_worker_that_lacks_the_artifact_leaves_the_run_waiting_and_says_how_to_help(
    scene: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, lacking = fixture_program("glp1", sinks={}), fixture_program("triage")
    monkeypatch.setattr(errands, "PATIENCE", timedelta(seconds=1))

    async def scenario(engine: Engine) -> None:
        async with engine.serving(held):
            start = await engine.submit(lacking, CLAIM)
            assert not await has_worker(engine.client, queue_of(lacking.digest, engine.queue))
            handle = engine.client.get_workflow_handle_for(ArtifactWorkflow.run, start.run_id)

            async def told() -> bool:
                described = await handle.describe()
                return described.typed_search_attributes.get(errands.STATUS) == "no_worker"

            await until(told)
            details = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
            assert details.current_details == (
                f"No worker that holds artifact {lacking.digest[:12]} (triage@1.0.0) takes this run. It waits on queue "
                f"{queue_of(lacking.digest, engine.queue)!r} and loses nothing. Start one: "
                f"compiled-ai worker {lacking.digest[:12]}"
            )
        async with engine.serving(held, lacking):
            assert (await wait_for(engine.client, start.run_id)).status == "completed"

    scene(scenario)


def test_a_worker_with_nothing_to_serve_is_refused(scene: Play) -> None:
    async def scenario(engine: Engine) -> None:
        with pytest.raises(UsageError, match="There is no artifact to serve"):
            async with engine.serving():
                pass
        with pytest.raises(UsageError, match="--max-concurrent is 0. Give 1 or more."):
            async with engine.serving(fixture_program("triage"), max_concurrent=0):
                pass
        with pytest.raises(KeyMissing, match="must be encrypted and no master key is configured"):
            async with engine.serving(fixture_program("glp1", **SEALED)):
                pass

    scene(scenario)


def test_a_worker_that_is_stopped_finishes_what_it_has_begun(scene: Play) -> None:
    program = fixture_program("glp1", sinks={})
    asked = asyncio.Event()

    async def scenario(engine: Engine) -> None:
        loop = asyncio.get_running_loop()

        def slow(_: Any) -> str:
            from time import sleep

            loop.call_soon_threadsafe(asked.set)
            sleep(1)
            return WELL

        async with engine.serving(program, model=ScriptedModel(slow)):
            start = await engine.submit(program, CHART)
            await asked.wait()
        assert [effect.kind for effect in engine.store.load(start.run_id).effects] == ["bounded"]

    scene(scenario)


def test_a_long_history_goes_on_in_a_new_one_and_nothing_is_done_twice(
    scene: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fixture_program("lines")
    monkeypatch.setattr(ArtifactWorkflow, "_is_long", lambda self: not self._start.continued)

    async def scenario(engine: Engine) -> None:
        model = ScriptedModel(lambda request: '{"amount": 2}')
        async with engine.serving(program, model=model):
            start = await engine.submit(program, {"claim_id": "c", "notes": ["a", "b"]})
            end = await wait_for(engine.client, start.run_id)
        assert isinstance(end, RunEnd)
        assert end.value["total"] == 4
        assert len(model.requests) == 2
        assert activity_names(await engine.history(start.run_id)) == ["compiled_ai_advance"]

    scene(scenario)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_recorded_history_replays_under_the_workflow_of_today(path: Path) -> None:
    async def replay() -> None:
        carried = [ArtifactWorkflow, BatchWorkflow]
        replayer = Replayer(workflows=carried, data_converter=data_converter(KeyRing()))
        await replayer.replay_workflow(WorkflowHistory.from_json(path.stem, path.read_text("utf-8")))

    asyncio.run(replay())


def test_a_history_that_does_not_fit_the_workflow_is_told() -> None:
    """The replays above would see a change: the same history with another activity is refused."""
    path = next(path for path in HISTORIES if path.stem == "reviewed")
    changed = path.read_text("utf-8").replace('"compiled_ai_begin"', '"something_else"')

    async def replay() -> None:
        replayer = Replayer(workflows=[ArtifactWorkflow], data_converter=data_converter(KeyRing()))
        await replayer.replay_workflow(WorkflowHistory.from_json("changed", changed))

    with pytest.raises(NondeterminismError):
        asyncio.run(replay())


def test_the_recorded_histories_show_every_path_of_the_workflow() -> None:
    assert [path.stem for path in HISTORIES] == [
        "batch",
        "batch_continued",
        "cancelled",
        "continued",
        "long_list",
        "no_worker",
        "overdue",
        "pure",
        "reviewed",
        "several_effects",
    ]
    for path in HISTORIES:
        assert json.loads(path.read_text("utf-8"))["events"], path
