"""Batches on Temporal: the output of `batch`, whoever dies meanwhile; and functions that never end."""

from __future__ import annotations

import asyncio
import json
import time
import unittest.mock
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from crash_support import Worker
from intake_support import intake
from temporal_support import CLAIM, WELL, Engine, activity_names, fixture_program, until
from temporalio import workflow

from compiled_ai.errors import RunFailed
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime import reviews
from compiled_ai.runtime.batch import portions, run_batch
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.temporal.batch_messages import BatchEnd, workflow_id_of
from compiled_ai.runtime.temporal.batch_submitting import BatchSubmission, submit_batch, wait_for_batch
from compiled_ai.runtime.temporal.batch_workflow import BatchWorkflow
from compiled_ai.runtime.temporal.messages import RunEnd

Play = Callable[..., None]
LIMITS = RecordLimits(seconds=0.5)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "PORTION_RECORDS", 4)
    monkeypatch.setattr(portions, "PORTION_WITH_EFFECTS", 2)


def endless() -> Program:
    """The triage of the fixtures, that never ends for an age of 99."""
    files = fixture_program("triage", version="endless").files
    never = "    while age == 99:\n        age = age\n"
    source = files["workflow.py"].replace("    if age < 18:", f"{never}    if age < 18:")
    return load_program({**files, "workflow.py": source}, digest="e" * 64)


def claims(path: Path, count: int = 11, **odd: Any) -> Path:
    rows = [{**CLAIM, "claim_id": f"claim-{number}", "note": number} for number in range(count)]
    for place, age in odd.items():
        rows[int(place.removeprefix("at_"))]["age"] = age
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def submitted(engine: Engine, program: Program, source: Path, target: Path, **how: Any) -> str:
    submission = BatchSubmission(version="1.0.0", queue=engine.queue, keep=("note",), **how)
    return (await submit_batch(engine.client, program, str(source), target, engine.store, submission)).batch


async def run(engine: Engine, program: Program, source: Path, target: Path, **how: Any) -> BatchEnd:
    return await wait_for_batch(engine.client, await submitted(engine, program, source, target, **how))


def test_the_output_is_that_of_a_local_batch_and_a_record_that_never_ends_fails_alone(
    scene: Play, tmp_path: Path
) -> None:
    program, source = endless(), claims(tmp_path / "in.jsonl", at_3="young", at_6=99)
    there, here = tmp_path / "there.jsonl", tmp_path / "here.jsonl"

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, limits=LIMITS):
            end = await run(engine, program, source, there)
        assert end.counts == {"completed": 9, "failed": 2}
        history = await engine.history(workflow_id_of(end.batch))
        assert sorted(activity_names(history)) == (
            ["compiled_ai_batch_cut", "compiled_ai_batch_join"] + ["compiled_ai_batch_portion"] * 3
        )
        told = b"".join(event.SerializeToString() for event in history.events)
        assert b"in.jsonl" in told
        assert b"claim-" not in told, "records never travel"
        run_batch(program, source, here, keep=["note"], workers=1, limits=LIMITS)
        for line, local in zip(read(there), read(here), strict=True):
            named = line.pop("run_id"), local.pop("run_id")
            assert line == local
            assert named[0] in (None, f"{end.batch}{line['index']:08x}")
        assert read(there)[6]["error"] == "stopped after 0.5 s of processor time"
        assert [letter["index"] for letter in read(tmp_path / "there.dead.jsonl")] == [3, 6]
        done = [f"{end.batch}{number:08x}" for number in range(11)]
        assert len(engine.store.stored(done)) == 9
        assert not list(tmp_path.glob("there.jsonl.*"))

    scene(scenario)


def test_a_run_that_never_ends_fails_and_holds_no_thread(scene: Play) -> None:
    program = endless()

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, limits=LIMITS, max_concurrent=2, processes=1):
            ends = await asyncio.gather(*(engine.run(program, {**CLAIM, "age": age}) for age in (99, 41, 99, 41)))
        assert [end.status for end in ends] == ["failed", "completed", "failed", "completed"]
        assert isinstance(ends[0], RunEnd)
        assert ends[0].error == "The artifact was stopped after 0.5 s of processor time."
        assert engine.store.load(ends[0].run_id).error == ends[0].error

    scene(scenario)


def test_a_worker_that_dies_in_a_batch_loses_and_doubles_nothing(
    scene: Play, server: str, tmp_path: Path
) -> None:
    """It is killed again and again; each note is on record once, and the output has each line once."""
    program, count, notes = fixture_program("lines"), 40, 2
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [
        {"claim_id": f"c-{row}", "notes": [f"note-{row}-{number}" for number in range(notes)], "note": row}
        for row in range(count)
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = tmp_path / "asked.txt"

    async def scenario(engine: Engine) -> None:
        worker = Worker(server, engine.queue, tmp_path, intake(tmp_path))
        engine.client.start_workflow = partial(  # type: ignore[method-assign]
            engine.client.start_workflow, task_timeout=timedelta(seconds=2)
        )  # a task that died with its worker is given out again that soon
        try:
            batch = await submitted(engine, program, source, target)
            ended = asyncio.ensure_future(wait_for_batch(engine.client, batch))
            for kills in range(1, 3):
                await worker.ensure()

                async def went_on(least: int = kills * 20) -> bool:
                    return ended.done() or (asked.exists() and len(asked.read_text().split()) >= least)

                await until(went_on, seconds=60)
                worker.kill()
            await worker.ensure()
            end = await ended
        finally:
            worker.kill()
        assert end.counts == {"completed": count}
        lines = read(target)
        assert [line["note"] for line in lines] == list(range(count))
        assert {line["output"]["total"] for line in lines} == {sum(range(notes))}
        for line in lines:
            effects = engine.store.load(line["run_id"]).effects
            assert sorted(effect.item for effect in effects if effect.kind == "bounded") == list(range(notes))

    scene(scenario)


def test_a_long_history_of_a_batch_goes_on_in_a_new_one(
    scene: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, source = fixture_program("triage"), claims(tmp_path / "in.jsonl", 23)
    monkeypatch.setattr("compiled_ai.runtime.temporal.batch_workflow.WINDOW", 2)
    monkeypatch.setattr(
        BatchWorkflow, "_is_long", lambda self: self._done >= 2 and workflow.info().continued_run_id is None
    )

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            end = await run(engine, program, source, tmp_path / "out.jsonl")
        assert end.counts == {"completed": 23}
        names = activity_names(await engine.history(workflow_id_of(end.batch)))
        assert "compiled_ai_batch_cut" not in names
        assert 0 < names.count("compiled_ai_batch_portion") < 6
        assert [line["note"] for line in read(tmp_path / "out.jsonl")] == list(range(23))

    scene(scenario)


def test_too_many_failures_stop_a_batch_and_resume_goes_on_with_it(scene: Play, tmp_path: Path) -> None:
    program, target = fixture_program("triage"), tmp_path / "out.jsonl"
    source = claims(tmp_path / "in.jsonl", at_1="young", at_2="old")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            batch = await submitted(engine, program, source, target, most_errors=1)
            with pytest.raises(RunFailed, match="Temporal: The batch was stopped: 2 lines failed, and 1 may"):
                await wait_for_batch(engine.client, batch)
            assert not target.exists()
            end = await run(engine, program, source, target, resume=True)
        assert (end.batch, end.counts) == (batch, {"completed": 9, "failed": 2})
        assert len(read(target)) == 11

    scene(scenario)


def test_an_input_that_is_changed_meanwhile_keeps_the_batch_waiting_until_it_is_restored(
    scene: Play, tmp_path: Path
) -> None:
    program, source = fixture_program("triage"), claims(tmp_path / "in.jsonl")

    async def scenario(engine: Engine) -> None:
        batch = await submitted(engine, program, source, tmp_path / "out.jsonl")
        text = source.read_text()
        handle = engine.client.get_workflow_handle(workflow_id_of(batch))
        source.unlink()
        async with engine.serving(program):

            async def told() -> bool:
                pending = (await handle.describe()).raw_description.pending_activities
                return any("There is no file" in each.last_failure.message for each in pending)

            await until(told)
            source.write_text(text)
            assert (await wait_for_batch(engine.client, batch)).counts == {"completed": 11}

    scene(scenario)


def test_lines_that_wait_for_people_are_filled_in_by_a_local_resume(scene: Play, tmp_path: Path) -> None:
    program, target = fixture_program("glp1", sinks={}), tmp_path / "out.jsonl"
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"patient_chart_summary": f"chart {n}", "note": n}) + "\n" for n in range(5)))
    model = ScriptedModel(lambda request: WELL)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=model):
            end = await run(engine, program, source, target)
        assert end.counts == {"review": 5}
        for review in engine.store.reviews():
            reviews.decide(
                review.review_id, "approve", by="A", reason="b", store=engine.store, programs=lambda _: program
            )
        options: Any = {"keep": ["note"], "store": engine.store, "workers": 0, "model": model}
        assert run_batch(program, source, target, resume=True, **options).completed == 5

    scene(scenario)


def test_a_portion_of_a_worker_that_drains_stops_at_a_checkpoint(scene: Play, tmp_path: Path) -> None:
    program, target, slept = fixture_program("lines"), tmp_path / "out.jsonl", asyncio.Event()
    source = tmp_path / "in.jsonl"
    rows = [{"claim_id": f"c-{n}", "notes": ["amount 1"], "note": n} for n in range(40)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    async def scenario(engine: Engine) -> None:
        loop = asyncio.get_running_loop()

        def slow(_: Any) -> str:
            loop.call_soon_threadsafe(slept.set)
            time.sleep(0.15)
            return '{"amount": 1}'

        batch = await submitted(engine, program, source, target)
        async with engine.serving(program, model=ScriptedModel(slow), processes=1):
            await slept.wait()
            await asyncio.sleep(0.5)
        assert not target.exists()
        quick = ScriptedModel(lambda request: '{"amount": 1}')
        async with engine.serving(program, model=quick):
            assert (await wait_for_batch(engine.client, batch)).counts == {"completed": 40}
        assert len(quick.requests) < 40

    with unittest.mock.patch.object(portions, "PORTION_WITH_EFFECTS", 40):
        scene(scenario)
