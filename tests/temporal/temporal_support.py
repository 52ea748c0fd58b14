"""What the tests of the Temporal engine share: a session with a client, a store, and workers that come and go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client

from compiled_ai.canonical import digest
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.keys import KeyRing, MasterKey
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.temporal.connecting import Connection, connect
from compiled_ai.runtime.temporal.messages import RunEnd, RunStart, Standing
from compiled_ai.runtime.temporal.submitting import Submission, submit, wait_for
from compiled_ai.runtime.temporal.worker import WorkerSettings, serving

FIXTURES = Path(__file__).parents[1] / "runtime" / "fixtures"
KEYS = KeyRing([MasterKey("test", b"k" * 32)])
CLAIM = {"claim_id": "c-1", "age": 41, "amount": "812.25", "plan": "silver", "in_network": True}
CHART = {"patient_chart_summary": "62 year old with type 2 diabetes. BMI 31."}
SICK = '{"has_t2d_diagnosis": true, "current_a1c": 8.1, "bmi": 31, "has_step_therapy_failure": false}'
WELL = '{"has_t2d_diagnosis": false, "current_a1c": 5.4, "bmi": 27.5, "has_step_therapy_failure": false}'


CLEAR: dict[str, Any] = {"sinks": {}}
SEALED: dict[str, Any] = {
    "sinks": {
        **dict.fromkeys(("inputs", "effects", "outputs", "reviews", "checkpoints", "dead_letters"), "encrypted"),
        **dict.fromkeys(("golden_cases", "prompts", "temporal"), "encrypted"),
        **dict.fromkeys(("caches", "logs"), "forbidden"),
        "error_texts": "masked",
    }
}
"""What a compliance pack asks for: nothing, and everything."""


def fixture_program(fixture: str, **changed: Any) -> Program:
    """A fixture as a program with a digest of its own; `changed` replaces keys of its `program.json`."""
    files = {file: (FIXTURES / fixture / file).read_text("utf-8") for file in ("workflow.py", "program.json")}
    if changed:
        files["program.json"] = json.dumps({**json.loads(files["program.json"]), **changed})
    return load_program(files, digest=digest("".join(files.values())))


@dataclass
class Engine:
    """One test's view of the server: its own queue, its own store."""

    client: Client
    store: RunStore
    queue: str

    def settings(self, model: ModelSource = None, **more: Any) -> WorkerSettings:
        return WorkerSettings(queue=self.queue, model=model, drain_seconds=2, **more)

    def serving(self, *programs: Program, model: ModelSource = None, **more: Any) -> Any:
        return serving(self.client, programs, self.store, self.settings(model, **more))

    async def submit(self, program: Program, given: Mapping[str, Any], **more: Any) -> RunStart:
        submission = Submission(**{"version": "1.0.0", "queue": self.queue, **more})
        return await submit(self.client, program, given, self.store, submission)

    async def run(self, program: Program, given: Mapping[str, Any], **more: Any) -> RunEnd | Standing:
        start = await self.submit(program, given, **more)
        return await wait_for(self.client, start.run_id)

    async def history(self, run_id: str) -> Any:
        return await self.client.get_workflow_handle(run_id).fetch_history()


Scenario = Callable[[Engine], Awaitable[None]]


@asynccontextmanager
async def engine(address: str, folder: Path, keys: KeyRing) -> AsyncIterator[Engine]:
    with RunStore.open(folder / "runs.db", home=folder, keys=keys) as store:
        client = await connect(Connection(address=address), keys)
        yield Engine(client, store, f"test-{new_run_id()}")


def play(address: str, folder: Path, scenario: Scenario, *, keys: KeyRing | None = None, seconds: float = 120) -> None:
    """Runs a scenario to its end, or fails after some time."""

    async def whole() -> None:
        async with asyncio.timeout(seconds), engine(address, folder, keys or KeyRing(home=folder)) as found:
            await scenario(found)

    asyncio.run(whole())


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


def event_names(history: Any) -> Sequence[str]:
    from temporalio.api.enums.v1 import EventType

    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]


def activity_names(history: Any) -> Sequence[str]:
    """Names of the activities that a history scheduled, in their order."""
    attributes = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [each.activity_type.name for each in attributes if each.activity_type.name]
