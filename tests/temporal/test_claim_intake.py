"""The example with a database, a service, a message and a person: the same on Temporal as on the local engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from intake_support import Place, claim_of, intake, surroundings
from temporal_support import Engine

from compiled_ai.records import RunRecord
from compiled_ai.runtime import reviews
from compiled_ai.runtime.calls.database import forget_engines
from compiled_ai.runtime.calls.http import forget_services
from compiled_ai.runtime.local import run
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.temporal.messages import ANSWER, Decision, Portion, RunEnd, Standing
from compiled_ai.runtime.temporal.submitting import decide, wait_for

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by a plugin of apprise
Play = Callable[..., None]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Program]]:
    folder = tmp_path_factory.mktemp("intake")
    with surroundings(folder) as place:
        yield place, intake(folder)[1]
    forget_engines()
    forget_services()


def _told(record: RunRecord, claim: str) -> dict[str, Any]:
    """A record without its times and ids, and without the claim's number and what counts up."""
    told = record.model_dump(mode="json", exclude={"run_id", "started_at", "finished_at"})
    for effect in told["effects"]:
        effect.pop("milliseconds")
        if effect["kind"] == "review":
            effect["result"].pop("at")
        if effect["step"] == "reserve":
            effect["result"] = "a number"
    told["output"].pop("reservation")
    told["effects"].sort(key=lambda effect: (effect["step"], effect["kind"], effect["item"], effect["attempt"]))
    return _without(told, claim)


def _without(told: Any, claim: str) -> Any:
    if isinstance(told, dict):
        return {key: _without(value, claim) for key, value in told.items()}
    if isinstance(told, list):
        return [_without(each, claim) for each in told]
    return told.replace(claim, "CLAIM") if isinstance(told, str) else told


PAUSES = {"find_member": 0.5, "find_provider": 0.5, "reserve": 1.0, "keep": 1.0, "tell": 5.0}
"""Seconds before an effect is tried again: a read, what a key or a database keeps from being done twice, a message."""


async def _pauses(engine: Engine, run_id: str) -> dict[str, float]:
    """Step to the first pause of its effect's retry policy, as the server knows it."""
    found = {}
    for event in (await engine.history(run_id)).events:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == ANSWER:
            [portion] = await engine.client.data_converter.decode(scheduled.input.payloads, [Portion])
            found[portion.wanted.step] = scheduled.retry_policy.initial_interval.ToTimedelta().total_seconds()
    return found


@pytest.mark.parametrize("number", [10, 11], ids=["taken", "examined"])
def test_the_records_are_identical_but_for_times_and_ids(
    scene: Play, example: tuple[Place, Program], number: int
) -> None:
    place, program = example
    there, here = claim_of(number), claim_of(number + 100)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program):
            start = await engine.submit(program, there)
            end = await wait_for(engine.client, start.run_id)
            if isinstance(end, Standing):
                assert end.reviews[0].deadline is not None
                decision = Decision(review_id=end.reviews[0].review_id, action="approve", by="E", reason="read it")
                await decide(engine.client, start.run_id, decision)
                end = await wait_for(engine.client, start.run_id)
        assert isinstance(end, RunEnd)
        assert (end.status, end.value["outcome"]) == ("completed", "TAKEN")
        local = run(program, here, store=engine.store)
        if local.review_ids:
            local = reviews.decide(
                local.review_ids[0], "approve", by="E", reason="read it", store=engine.store, programs=lambda _: program
            )
        assert _told(engine.store.load(start.run_id), there["claim_id"]) == _told(
            engine.store.load(local.run_id), here["claim_id"]
        )
        assert await _pauses(engine, start.run_id) == PAUSES
        assert place.kept()[there["claim_id"]] == 1
        assert place.service.reserved[there["claim_id"]] == place.service.messages[there["claim_id"]] == 1

    scene(scenario)
