"""The local engine: runs an artifact in this process and answers its effects.

Nothing has to be started. Without a store a run costs a few microseconds more than calling the function; with one
it is on record, can wait for a person, and is taken up again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING, Any

from compiled_ai.errors import CompiledAIError, ConfigError, InputError, RunFailed, Waiting
from compiled_ai.records import Effect, RunRecord, RunStatus
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.loading import ArtifactLike, as_program
from compiled_ai.runtime.stepper import (
    Done,
    EffectLike,
    EffectRequest,
    Failed,
    Outcome,
    Pending,
    Program,
    Recorded,
    StepInfo,
    Stepping,
    answer,
)

if TYPE_CHECKING:
    from compiled_ai.models import Model

ModelSource = "str | Model | Callable[[StepInfo], Model] | None"
"""Who serves bounded calls: a model's name, a model, a choice per step, or nothing: the model that a step pins."""


class RunResult:
    """What came of a run. Its effects, times and record are put together only when they are asked for."""

    __slots__ = ("_run_id", "finished_ns", "outcome", "started_ns", "stepping")

    def __init__(self, stepping: Stepping, outcome: Outcome, started_ns: int, run_id: str = "") -> None:
        self.stepping = stepping
        self.outcome = outcome
        self.started_ns = started_ns
        self.finished_ns = time_ns()
        self._run_id = run_id

    @property
    def run_id(self) -> str:
        """Made when it is first asked for: a run that is on no record needs none."""
        self._run_id = self._run_id or new_run_id()
        return self._run_id

    @property
    def program(self) -> Program:
        return self.stepping.program

    @property
    def status(self) -> RunStatus:
        """`completed`, `failed`, `review` (a person must decide), `waiting` (for a model's reply)."""
        if type(self.outcome) is Done:
            return "completed"
        if type(self.outcome) is Failed:
            return "failed"
        return "review" if self.reviews else "waiting"

    @property
    def output(self) -> Any:
        """JSON of the artifact's output; `None` unless the run is completed."""
        return self.outcome.output if isinstance(self.outcome, Done) else None

    @property
    def evidence(self) -> Mapping[str, Any]:
        """Output path to the place in the source that the value was read at."""
        return self.outcome.evidence if isinstance(self.outcome, Done) else {}

    @property
    def error(self) -> str | None:
        """Why the run failed, without values of the run where a compliance pack protects error texts."""
        if not isinstance(self.outcome, Failed):
            return None
        return self.outcome.masked if hides_errors(self.program) else self.outcome.error

    @property
    def reviews(self) -> tuple[EffectRequest, ...]:
        """The decisions that the run waits for."""
        if not isinstance(self.outcome, Pending):
            return ()
        return tuple(request for request in self.outcome.requests if request.kind == "review")

    @property
    def effects(self) -> tuple[EffectLike, ...]:
        return self.stepping.effects

    @property
    def artifact(self) -> str:
        return self.program.digest

    @property
    def input(self) -> Any:
        """JSON of the input as it was read."""
        return self.program.encode_input(self.stepping.input)

    def to_json(self) -> dict[str, Any]:
        """The shape of `run --json`."""
        shown: dict[str, Any] = {
            "run_id": self.run_id,
            "status": self.status,
            "output": self.output,
            "artifact": self.artifact,
            "effects": [describe_effect(effect) for effect in self.effects],
        }
        if self.error is not None:
            shown["error"] = self.error
        if self.reviews:
            shown["reviews"] = [{"step": request.step, "item": request.item} for request in self.reviews]
        return shown

    def record(self) -> RunRecord:
        """The run as the store keeps it."""
        ended = self.status in ("completed", "failed")
        given = self.input
        return RunRecord(
            run_id=self.run_id,
            artifact=self.program.digest,
            workflow=self.program.workflow,
            input=given,
            effects=tuple(as_effect(effect) for effect in self.effects),
            status=self.status,
            output=self.output,
            error=self.error,
            started_at=utc_text(self.started_ns),
            finished_at=utc_text(self.finished_ns) if ended else None,
            environment=self.program.environment,
            reference=reference_of(self.program, given),
        )

    def __repr__(self) -> str:
        return f"RunResult({self.run_id!r}, {self.status}, artifact {self.artifact[:12]!r})"


def hides_errors(program: Program) -> bool:
    """True if a pack says that error texts carry no values of the run."""
    return program.sinks.get("error_texts", "clear") in ("masked", "forbidden")


def utc_text(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1000 % 1_000_000:06d}Z"


def describe_effect(effect: EffectLike) -> dict[str, Any]:
    """One effect without its contents: what, when of how many, and where its result came from."""
    shown = {"step": effect.step, "kind": effect.kind, "item": effect.item, "attempt": effect.attempt}
    return {**shown, "state": effect.state, "origin": getattr(effect, "origin", None)}


def as_effect(effect: EffectLike) -> Effect:
    """Turns a result inside a run into the record of it."""
    if isinstance(effect, Effect):
        return effect
    return Effect(**{name: getattr(effect, name) for name in Effect.model_fields})


def reference_of(program: Program, given: Mapping[str, Any]) -> dict[str, str]:
    """The business keys of a run: the declared input fields that have a value, as text."""
    found = {name: given.get(name) for name in program.reference}
    return {name: str(value) for name, value in found.items() if value is not None}


def run(
    artifact: Program | ArtifactLike,
    given: Mapping[str, Any],
    *,
    model: Any = None,
) -> RunResult:
    """Runs one input.

    Args:
        artifact: A verified artifact, or its program.
        given: The input as JSON values (or typed values) by field name.
        model: Who serves bounded calls: a model name, a `Model`, or a function of the step; by default the model
            that the step pins.

    Raises:
        InputError: The input does not fit; nothing has happened.
        Waiting: An exchange has no reply yet.
        ConfigError: A bounded call has no model, or its key is missing.
    """
    started = time_ns()
    program = artifact if type(artifact) is Program else as_program(artifact)
    try:
        stepping = Stepping(program, given)
    except InputError as fault:
        raise _quiet(fault, program) from None
    outcome = stepping.advance()
    if type(outcome) is Pending:
        outcome = answer_all(stepping, outcome, Answers(model))
    return RunResult(stepping, outcome, started)


async def run_async(artifact: Program | ArtifactLike, given: Mapping[str, Any], **options: Any) -> RunResult:
    """As `run`, in a thread: model calls do not hold up the event loop."""
    from asyncio import to_thread

    return await to_thread(run, artifact, given, **options)


def _quiet(fault: InputError, program: Program) -> InputError:
    """Tells an input that does not fit without its values, where a pack protects error texts."""
    if not hides_errors(program):
        return fault
    paths = [told["path"] for told in fault.details or ()]
    return InputError(
        f"The input does not fit: {', '.join(paths) or 'it is no object'} (values are not shown here).",
        details=[{"path": path, "message": "does not fit"} for path in paths],
    )


Watch = Callable[[Recorded], None]


@dataclass(slots=True)
class Answers:
    """Answers what a run asks of the outside, in this process. `watch` hears of every effect before and after."""

    model: Any = None
    watch: Watch | None = None

    def answer(self, request: EffectRequest, program: Program) -> Recorded:
        if request.kind == "bounded":
            from compiled_ai.runtime.bounded import ask_bounded

            info = program.steps[request.step]
            return ask_bounded(info, request, self._model_for(info))
        if request.kind == "call":
            raise RunFailed(
                f"Step {request.step!r} is a call of module {program.steps[request.step].module!r}, "
                "which this engine has no client for.",
                remedy="Call steps are read and checked now; they run with an engine that has module clients.",
            )
        return answer(request, _own_reading(request), origin="this process")

    def _model_for(self, info: StepInfo) -> Model:
        if self.model is not None and not isinstance(self.model, str):
            chosen: Model = self.model(info) if callable(self.model) else self.model
            return chosen
        name = self.model or info.model
        if not name:
            raise ConfigError(
                f"Step {info.name!r} calls a model, and the artifact pins none.",
                remedy="Name one with --model (anthropic:..., openai:..., recorded:DIR, exchange:DIR).",
            )
        return _opened(name)


_models: dict[str, Any] = {}


def _opened(name: str) -> Model:
    from compiled_ai.models import open_model

    model: Model = _models.get(name) or _models.setdefault(name, open_model(name))
    return model


def _own_reading(request: EffectRequest) -> str:
    if request.kind == "today":
        return datetime.now(UTC).date().isoformat()
    if request.kind == "clock":
        return datetime.now(UTC).isoformat()
    return new_run_id()


def answer_all(stepping: Stepping, outcome: Outcome, answers: Answers) -> Outcome:
    """Answers everything that needs no person, until the run ends or only people are awaited.

    All requests that are pending at once are asked before the absence of one reply is reported.
    """
    while isinstance(outcome, Pending):
        open_requests = [request for request in outcome.requests if request.kind != "review"]
        if not open_requests:
            break
        waits = [wait for request in open_requests if (wait := _answer_one(stepping, request, answers))]
        if waits:
            raise _merged(waits)
        outcome = stepping.advance()
    return outcome


def _answer_one(stepping: Stepping, request: EffectRequest, answers: Answers) -> Waiting | None:
    try:
        effect = answers.answer(request, stepping.program)
    except Waiting as wait:
        return wait
    stepping.record(effect)
    if answers.watch:
        answers.watch(effect)
    return None


def _merged(waits: list[Waiting]) -> CompiledAIError:
    from compiled_ai.models import merged

    return merged(waits)
