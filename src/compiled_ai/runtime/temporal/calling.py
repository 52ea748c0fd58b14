"""An artifact as an ordinary activity, called from a person's own workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from time import time_ns
from typing import TYPE_CHECKING, Any

from temporalio import activity

from compiled_ai.canonical import digest
from compiled_ai.errors import CompiledAIError, InputError, NotFound
from compiled_ai.runtime.loading import ArtifactLike, as_program
from compiled_ai.runtime.local import (
    Answers,
    ModelSource,
    RunResult,
    go_on,
    hides_errors,
    resume,
)
from compiled_ai.runtime.stepper import Pending, Program, Stepping
from compiled_ai.runtime.temporal.activities import beating, told
from compiled_ai.runtime.temporal.messages import Carried, RunEnd

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from compiled_ai.runtime.store import RunStore


def artifact_activity(
    artifact: Program | ArtifactLike,
    *,
    store: RunStore,
    name: str | None = None,
    model: ModelSource = None,
    executor: Executor | None = None,
) -> Callable[[dict[str, Any]], Coroutine[Any, Any, RunEnd]]:
    """Returns an activity that runs the artifact to its end, for `Worker(activities=[...])`.

    It takes the input as a JSON object and returns a `RunEnd`. The run is on record under an id made from the calling
    workflow and the activity's id, so an activity that is retried takes its run up again: nothing is done twice. A run
    that needs a person returns with status `review` and the ids of its reviews; where people are the rule, start
    `ArtifactWorkflow` as a child workflow instead.

    Args:
        artifact: A verified artifact, or its program.
        store: Where its runs are kept.
        name: Name of the activity; by default that of the workflow (its slug).
        model: Who serves bounded calls.
        executor: Threads to run in; by default those of the event loop.

    Raises (in the calling workflow, as `ApplicationError` whose type is the code):
        input: The input does not fit; not retried.
    """
    caller = _Caller(artifact if isinstance(artifact, Program) else as_program(artifact), store, model)

    async def call(given: dict[str, Any]) -> RunEnd:
        run_id = _run_id()
        work = asyncio.get_running_loop().run_in_executor(executor, caller.run, run_id, given)
        return await beating(work)

    return activity.defn(name=name or caller.program.workflow)(call)


def _run_id() -> str:
    """The same for every attempt of one activity of one workflow run; 40 characters."""
    info = activity.info()
    return "a" + digest(f"{info.namespace}/{info.workflow_id}/{info.workflow_run_id}/{info.activity_id}")[:39]


class _Caller:
    def __init__(self, program: Program, store: RunStore, model: ModelSource) -> None:
        self.program, self.store, self.model = program, store, model

    def run(self, run_id: str, given: Mapping[str, Any]) -> RunEnd:
        try:
            result = self._taken_up(run_id) or self._begun(run_id, given)
        except CompiledAIError as fault:
            raise told(fault, hide=hides_errors(self.program), final=(InputError,)) from None
        return RunEnd(
            run_id=run_id,
            artifact=self.program.digest,
            status=result.status,
            output=None if result.output is None else Carried.of(result.output),
            error=result.error,
            reviews=result.review_ids,
        )

    def _taken_up(self, run_id: str) -> RunResult | None:
        try:
            self.store.summary(run_id)
        except NotFound:
            return None
        return resume(run_id, store=self.store, programs=lambda _: self.program, model=self.model)

    def _begun(self, run_id: str, given: Mapping[str, Any]) -> RunResult:
        from compiled_ai.runtime.store import Protection

        started = time_ns()
        stepping = Stepping(self.program, given)
        outcome = stepping.advance()
        protection = Protection.from_sinks(self.program.sinks)
        if not isinstance(outcome, Pending):
            result = RunResult(stepping, outcome, started, run_id)
            self.store.save(result.record(), protection)
            return result
        answers = Answers(self.model)
        answers.check(outcome.requests, self.program)
        self.store.start(RunResult(stepping, Pending(()), started, run_id).record(), protection)
        return go_on(self.store, run_id, stepping, outcome, answers, started)


__all__ = ["artifact_activity"]
