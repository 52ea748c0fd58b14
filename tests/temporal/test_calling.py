"""An artifact as an ordinary activity, and as a child, of a person's own workflow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from calling_workflow import Chart, Intake, Parent
from temporal_support import CHART, CLAIM, CLEAR, SICK, WELL, Engine, fixture_program
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from compiled_ai.errors import ModelFailed
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.temporal import artifact_activity
from compiled_ai.runtime.temporal.messages import RunEnd

Play = Callable[..., None]


@asynccontextmanager
async def own_worker(engine: Engine, *activities: Any) -> Any:
    with ThreadPoolExecutor(4) as executor:
        async with Worker(
            engine.client,
            task_queue=f"own-{engine.queue}",
            workflows=[Intake, Chart, Parent],
            activities=activities,
            activity_executor=executor,
        ):
            yield lambda workflow, argument: engine.client.execute_workflow(
                workflow, argument, id=new_run_id(), task_queue=f"own-{engine.queue}"
            )


def test_a_workflow_of_ones_own_calls_an_artifact_as_an_activity(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        async with own_worker(engine, artifact_activity(program, store=engine.store)) as execute:
            claims = [CLAIM, {**CLAIM, "amount": "90000", "in_network": False}, CLAIM]
            assert await execute(Intake.run, claims) == 2
        assert [run.status for run in engine.store.list()] == ["completed"] * 3

    scene(scenario)


def test_an_activity_that_is_tried_again_takes_its_run_up_again(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)
    closed = ModelFailed("closed for a moment", details={"caller": True})

    async def scenario(engine: Engine) -> None:
        model = ScriptedModel([closed, SICK])
        called = artifact_activity(program, store=engine.store, name="judge_chart", model=model)
        async with own_worker(engine, called) as execute:
            end = await execute(Chart.run, CHART)
        assert (end.status, end.value["outcome"]) == ("completed", "APPROVE")
        [summary] = engine.store.list()
        assert summary.run_id == end.run_id
        assert len(model.requests) == 2

    scene(scenario)


def test_an_activity_whose_run_needs_a_person_says_so(scene: Play) -> None:
    program = fixture_program("glp1", **CLEAR)

    async def scenario(engine: Engine) -> None:
        called = artifact_activity(program, store=engine.store, name="judge_chart", model=ScriptedModel([WELL]))
        async with own_worker(engine, called) as execute:
            end = await execute(Chart.run, CHART)
        assert end.status == "review"
        assert [review.review_id for review in engine.store.reviews()] == list(end.reviews)

    scene(scenario)


def test_an_input_that_does_not_fit_fails_the_activity_at_once(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        async with own_worker(engine, artifact_activity(program, store=engine.store)) as execute:
            with pytest.raises(WorkflowFailureError) as caught:
                await execute(Intake.run, [{**CLAIM, "age": "old"}])
        cause = caught.value.cause.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.type, cause.non_retryable) == ("input", True)
        assert engine.store.list() == ()

    scene(scenario)


def test_a_run_is_started_as_a_child_workflow(scene: Play) -> None:
    program = fixture_program("triage")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program), own_worker(engine):
            end = await engine.client.execute_workflow(
                Parent.run,
                args=[program.digest, engine.queue, CLAIM],
                id=new_run_id(),
                task_queue=f"own-{engine.queue}",
            )
        assert isinstance(end, RunEnd)
        assert end.value["outcome"] == "APPROVE"
        assert engine.store.summary(end.run_id).status == "completed"

    scene(scenario)
