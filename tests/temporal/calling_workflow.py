"""A person's own workflow that calls an artifact: a file of its own, as the SDK's sandbox wants it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from compiled_ai.runtime.temporal.messages import Carried, RunEnd, RunStart


@workflow.defn
class Intake:
    """Has each claim of a list decided, one after another, and counts the approved."""

    @workflow.run
    async def run(self, claims: list[dict[str, Any]]) -> int:
        ends: list[RunEnd] = []
        for claim in claims:
            end: RunEnd = await workflow.execute_activity(
                "triage",
                claim,
                result_type=RunEnd,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
            )
            ends.append(end)
        return sum(end.value["outcome"] == "APPROVE" for end in ends)


@workflow.defn
class Chart:
    """Has a chart judged."""

    @workflow.run
    async def run(self, chart: dict[str, Any]) -> RunEnd:
        end: RunEnd = await workflow.execute_activity(
            "judge_chart",
            chart,
            result_type=RunEnd,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
        )
        return end


@workflow.defn
class Parent:
    """Starts a run as a child workflow: the way where people decide."""

    @workflow.run
    async def run(self, artifact: str, queue: str, claim: dict[str, Any]) -> RunEnd:
        start = RunStart(
            run_id=f"{workflow.uuid4()}.t",
            artifact=artifact,
            workflow="triage",
            version="1.0.0",
            input=Carried.of(claim),
            queue=queue,
        )
        end: RunEnd = await workflow.execute_child_workflow(
            "CompiledAIRun", start, id=start.run_id, task_queue=queue, result_type=RunEnd
        )
        return end
