"""Records the histories that `test_versions.py` replays: `python tests/temporal/record_histories.py`.

Run it once for each released form of the workflow, into a new folder if the form changed; never over released ones.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "src")]

from temporal_support import CHART, CLAIM, WELL, Engine, fixture_program, until  # noqa: E402
from temporalio import workflow as temporal_workflow  # noqa: E402

from compiled_ai.models import ScriptedModel  # noqa: E402
from compiled_ai.runtime.batch import portions  # noqa: E402
from compiled_ai.runtime.keys import KeyRing  # noqa: E402
from compiled_ai.runtime.store import RunStore  # noqa: E402
from compiled_ai.runtime.temporal import (  # noqa: E402
    batch_workflow,
    errands,
    workflow,
)
from compiled_ai.runtime.temporal.batch_messages import workflow_id_of  # noqa: E402
from compiled_ai.runtime.temporal.batch_submitting import (  # noqa: E402
    BatchSubmission,
    submit_batch,
    wait_for_batch,
)
from compiled_ai.runtime.temporal.connecting import dev_server  # noqa: E402
from compiled_ai.runtime.temporal.messages import Decision, RunStart, Standing  # noqa: E402
from compiled_ai.runtime.temporal.submitting import decide, wait_for  # noqa: E402

FOLDER = Path(__file__).parent / "histories"


async def keep(engine: Engine, run_id: str, name: str, *, run: str | None = None) -> None:
    history = await engine.client.get_workflow_handle(run_id, run_id=run).fetch_history()
    told = json.loads(history.to_json())
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")


async def decided(engine: Engine, start: RunStart) -> None:
    standing = await wait_for(engine.client, start.run_id)
    assert isinstance(standing, Standing)
    decision = Decision(review_id=standing.reviews[0].review_id, action="approve", by="A", reason="b")
    await decide(engine.client, start.run_id, decision)
    await wait_for(engine.client, start.run_id)


async def record(engine: Engine) -> None:
    pure, chart, lines = fixture_program("triage"), fixture_program("glp1", sinks={}), fixture_program("lines")
    model = ScriptedModel(lambda request: WELL if "chart" in request.prompt else '{"amount": 1}')
    async with engine.serving(pure, chart, lines, model=model):
        start = await engine.submit(pure, CLAIM)
        await wait_for(engine.client, start.run_id)
        await keep(engine, start.run_id, "pure")
        start = await engine.submit(chart, CHART)
        await decided(engine, start)
        await keep(engine, start.run_id, "reviewed")
        for name, count in (("several_effects", 3), ("long_list", 130)):
            start = await engine.submit(lines, {"claim_id": "c", "notes": ["amount 1"] * count})
            await wait_for(engine.client, start.run_id)
            await keep(engine, start.run_id, name)
        start = await engine.submit(
            chart, CHART, deadline=(datetime.now(UTC) + timedelta(seconds=3)).isoformat()
        )
        await wait_for(engine.client, start.run_id)
        await asyncio.sleep(4)
        await decided(engine, start)
        await keep(engine, start.run_id, "overdue")
        start = await engine.submit(chart, CHART)
        await wait_for(engine.client, start.run_id)
        await engine.client.get_workflow_handle(start.run_id).cancel()
        await asyncio.sleep(2)
        await keep(engine, start.run_id, "cancelled")
        await continued(engine, chart)
    await without_worker(engine, pure, chart)


async def batches(engine: Engine, folder: Path) -> None:
    """A batch of three portions, and what it is started with when its history goes on in a new one."""
    program, source = fixture_program("triage"), folder / "claims.jsonl"
    source.write_text("".join(json.dumps({**CLAIM, "claim_id": f"c-{number}"}) + "\n" for number in range(10)))
    portions.PORTION_RECORDS = 4
    async with engine.serving(program):
        for name, halfway in (("batch", False), ("batch_continued", True)):
            batch_workflow.BatchWorkflow._is_long = lambda self, halfway=halfway: (  # type: ignore[method-assign, misc]
                halfway and self._done == 1 and temporal_workflow.info().continued_run_id is None
            )
            batch_workflow.WINDOW = 1
            how = BatchSubmission(version="1.0.0", queue=engine.queue)
            start = await submit_batch(
                engine.client, program, str(source), folder / f"{name}.jsonl", engine.store, how
            )
            await wait_for_batch(engine.client, start.batch)
            await keep(engine, workflow_id_of(start.batch), name)


async def continued(engine: Engine, chart: Any) -> None:
    """A run whose history goes on in a new one: the form in which it is started then."""
    start = await engine.submit(chart, CHART)
    await wait_for(engine.client, start.run_id)
    handle = engine.client.get_workflow_handle(start.run_id)
    await handle.terminate()
    await start_again(engine, start.model_copy(update={"continued": True}))


async def start_again(engine: Engine, start: RunStart) -> None:
    from temporalio.common import WorkflowIDReusePolicy

    await engine.client.start_workflow(
        workflow.ArtifactWorkflow.run,
        start,
        id=start.run_id,
        task_queue=start.queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )
    await decided(engine, start)
    await keep(engine, start.run_id, "continued")


async def without_worker(engine: Engine, pure: Any, other: Any) -> None:
    errands.PATIENCE = timedelta(seconds=1)
    async with engine.serving(other):
        start = await engine.submit(pure, CLAIM)
        handle = engine.client.get_workflow_handle(start.run_id)

        async def told() -> bool:
            return (await handle.describe()).typed_search_attributes.get(errands.STATUS) == "no_worker"

        await until(told)
    async with engine.serving(pure):
        await wait_for(engine.client, start.run_id)
    await keep(engine, start.run_id, "no_worker")


async def main(*wanted: str) -> None:
    """Records all histories, or with `batches` those of batches alone."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with RunStore.open(home / "runs.db", home=home, keys=KeyRing(home=home)) as store:
            async with dev_server(KeyRing()) as client:
                engine = Engine(client, store, "compiled-ai")
                if "batches" not in wanted:
                    await record(engine)
                await batches(engine, home)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

