"""The local engine: runs an artifact in this process and answers its effects.

Nothing has to be started. Without a store a run costs a few microseconds more than calling the function; with one
it is on record, can wait for a person, and is taken up again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import CompiledAIError, ConfigError, InputError, UsageError, Waiting
from compiled_ai.records import Effect, RunRecord, RunStatus
from compiled_ai.runtime.ids import engine_of, new_run_id
from compiled_ai.runtime.loading import ArtifactLike, ProgramSource, as_program
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
    from compiled_ai.runtime.calls import CallMaker
    from compiled_ai.runtime.keys import TextSealer
    from compiled_ai.runtime.store import RunStore

ModelSource: TypeAlias = "str | Model | Callable[[StepInfo], Model] | None"
"""Who serves bounded calls: a model's name, a model, a choice per step, or nothing: the model that a step pins."""


class RunResult:
    """What came of a run. Its effects, times and record are put together only when they are asked for."""

    __slots__ = ("_run_id", "finished_ns", "outcome", "review_ids", "started_ns", "stepping")

    def __init__(self, stepping: Stepping, outcome: Outcome, started_ns: int, run_id: str = "") -> None:
        self.stepping = stepping
        self.outcome = outcome
        self.started_ns = started_ns
        self.finished_ns = time_ns()
        self._run_id = run_id
        self.review_ids: tuple[str, ...] = ()
        """Ids in the store of `reviews`, in the same order (none without a store)."""

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
        """Output path to the place in the source that the value was read at, or `{"dropped": REASON}`."""
        return self.outcome.evidence if isinstance(self.outcome, Done) else {}

    @property
    def abstained(self) -> tuple[Mapping[str, Any], ...]:
        """What is null because nobody can be sure: `{"step", "item", "field", "reason"}`, without any value."""
        return tuple(self.stepping.abstained)

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
            "effects": [self._told(effect) for effect in self.effects],
        }
        if self.evidence:
            shown["evidence"] = self.evidence
        if self.abstained:
            shown["abstained"] = list(self.abstained)
        if self.error is not None:
            shown["error"] = self.error
        if self.reviews:
            ids = self.review_ids or (None,) * len(self.reviews)
            shown["reviews"] = [
                {"review_id": review_id, "step": request.step, "item": request.item, **self._asked(request)}
                for review_id, request in zip(ids, self.reviews, strict=True)
            ]
        return shown

    def _told(self, effect: EffectLike) -> dict[str, Any]:
        """An effect; of one without a result the step's line in the specification, and why, unless a pack hides it."""
        shown = describe_effect(effect)
        if effect.error is None:
            return shown
        step = self.program.steps.get(effect.step)
        placed = {**shown, "line": step.line} if step and step.line else shown
        return placed if hides_errors(self.program) else {**placed, "error": effect.error}

    def _asked(self, request: EffectRequest) -> dict[str, Any]:
        """Why a person is asked; problems may quote values, and stay in the store where error texts are protected."""
        hidden, info = hides_errors(self.program), self.program.steps.get(request.step)
        if hidden and info is not None and info.module == "human":
            return {"reason": f"Step {request.step!r} asks a person."}
        told: dict[str, Any] = {"reason": request.payload["reason"]}
        return told if hidden else {**told, "problems": list(request.payload["problems"])}

    def record(self) -> RunRecord:
        """The run as the store keeps it."""
        status, given, program = self.status, self.input, self.stepping.program
        return RunRecord.model_construct(  # not validated: every part is made here, and it is on the path of every run
            run_id=self.run_id,
            artifact=program.digest,
            workflow=program.workflow,
            input=given,
            effects=tuple(map(as_effect, self.effects)) if self.stepping.recorded else (),
            status=status,
            output=self.output,
            evidence=self.evidence or None,
            abstained=self.stepping.abstained or None,
            error=self.error,
            started_at=utc_text(self.started_ns),
            finished_at=utc_text(self.finished_ns) if status in ("completed", "failed") else None,
            environment=program.environment,
            reference=reference_of(program, given),
        )

    def __repr__(self) -> str:
        return f"RunResult({self.run_id!r}, {self.status}, artifact {self.artifact[:12]!r})"


def hides_errors(program: Program) -> bool:
    """True if a pack says that error texts carry no values of the run."""
    return program.sinks.get("error_texts", "clear") in ("masked", "forbidden")


def utc_text(nanoseconds: int) -> str:
    seconds, micros = divmod(nanoseconds // 1000, 1_000_000)
    return f"{_second_text(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=8)
def _second_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


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
    store: RunStore | None = None,
    model: ModelSource = None,
    once: bool = False,
    calls: CallMaker | None = None,
) -> RunResult:
    """Runs one input.

    Args:
        artifact: A verified artifact, or its program.
        given: The input as JSON values (or typed values) by field name.
        store: Where the run is recorded; without one it leaves no trace, and cannot be taken up again.
        model: Who serves bounded calls: a model name, a `Model`, or a function of the step; by default the model
            that the step pins.
        once: Return the existing run of the same reference and artifact, if the store has one.
        calls: Answers call steps instead of their modules: a `runtime.calls.double.CallDouble` in a test.

    Raises:
        InputError: The input does not fit; nothing has happened.
        KeyMissing: A pack demands encryption and the store has no key; nothing has happened.
        ConfigError: A bounded call has no model, or its key is missing.
        Waiting: An exchange has no reply yet; `details` ends with the id of the run that waits.
    """
    started = time_ns()
    program = artifact if type(artifact) is Program else as_program(artifact)
    try:
        stepping = Stepping(program, given)
    except InputError as fault:
        raise quiet(fault, program) from None
    outcome = stepping.advance()
    if store is not None or once:
        return _run_on_record(stepping, outcome, started, store, Answers(model, calls=calls), once=once)
    if type(outcome) is Pending:
        outcome = answer_all(stepping, outcome, Answers(model, calls=calls))
    return RunResult(stepping, outcome, started)


def _run_on_record(
    stepping: Stepping, outcome: Outcome, started: int, store: RunStore | None, answers: Answers, *, once: bool
) -> RunResult:
    from compiled_ai.runtime.store import Protection

    if store is None:
        raise UsageError("Without a run store there is no earlier run to return.", remedy="Leave out 'once'.")
    protection = Protection.from_sinks(stepping.program.sinks)
    store.require(protection)
    if isinstance(outcome, Pending):
        answers.check(outcome.requests, stepping.program)
        result = RunResult(stepping, Pending(()), started)
        run_id = store.start(result.record(), protection, once=once)
    else:
        result = RunResult(stepping, outcome, started)
        run_id = store.save(result.record(), protection, once=once)
    if run_id != result.run_id:
        return _existing(store, run_id, stepping, answers)
    if isinstance(outcome, Pending):
        return go_on(store, run_id, stepping, outcome, answers, started)
    return result


def _existing(store: RunStore, run_id: str, stepping: Stepping, answers: Answers) -> RunResult:
    """Returns the run that `once` found, carried on if it waits for a model; another input is a mistake."""
    record = store.load(run_id)
    given = stepping.program.encode_input(stepping.input)
    if not _withheld(record.input) and canonical_json(record.input) != canonical_json(given):
        raise UsageError(
            f"Run {run_id!r} has the same reference and another input.",
            remedy="Run without --once, or correct the input.",
        )
    if record.status == "waiting":
        return resume(run_id, store=store, programs=lambda _: stepping.program, model=answers.model)
    return kept(store, run_id, stepping.program)


def _withheld(value: Any) -> bool:
    return isinstance(value, dict) and "withheld" in value


def go_on(
    store: RunStore, run_id: str, stepping: Stepping, outcome: Outcome, answers: Answers, started: int
) -> RunResult:
    """Carries a stored run as far as it goes without a person: answers, opens reviews, writes how it ended."""
    answers.store, answers.run_id = store, run_id
    try:
        outcome = answer_all(stepping, outcome, answers)
    except Waiting as wait:
        remedy = f"{wait.remedy}\nTo go on with this run instead of a new one: compiled-ai resume {run_id}"
        raise Waiting(wait.message, remedy=remedy, details=[*(wait.details or ()), {"run_id": run_id}]) from wait
    result = RunResult(stepping, outcome, started, run_id)
    if isinstance(outcome, Pending):
        program = stepping.program
        result.review_ids = tuple(open_review(store, run_id, request, program) for request in result.reviews)
    else:
        end = (result.status, result.output, result.error, result.evidence)
        store.finish(run_id, *end, abstained=stepping.abstained)
    return result


def open_review(
    store: RunStore,
    run_id: str,
    request: EffectRequest,
    program: Program | None = None,
    *,
    deadline: str | None = None,
) -> str:
    """Puts a question into the queue of reviews and returns its id; asking again returns the same.

    The program, where it is given, says by when the answer to a step of module `human` is due; every other decision is
    due by `deadline`.
    """
    payload = request.payload
    return store.open_review(
        run_id,
        step=request.step,
        proposed=payload["proposed"],
        reason=payload["reason"],
        problems=payload["problems"],
        item=request.item,
        attempt=request.attempt,
        deadline=(None if program is None else _deadline(program.steps[request.step])) or deadline,
    )


def _deadline(info: StepInfo) -> str | None:
    """The moment, as ISO 8601 in UTC, by which an answer is due that is asked for now."""
    due = (info.settings or {}).get("due") if info.module == "human" else None
    if due is None:
        return None
    from compiled_ai.library.values import parse_days_time

    return (datetime.now(UTC) + parse_days_time(due)).isoformat()


def kept(store: RunStore, run_id: str, program: Program) -> RunResult:
    """Returns a stored run as it stands, by replay; nothing is asked and nothing is written."""
    record = store.load(run_id)
    stepping = Stepping(program, record.input, effects_of(store, record, program))
    return RunResult(stepping, stepping.advance(), nanoseconds(record.started_at), record.run_id)


def resume(run_id: str, *, store: RunStore, programs: ProgramSource, model: ModelSource = None) -> RunResult:
    """Takes a run up again on the artifact that it began on, and carries it as far as it goes.

    Bounded calls without a result are asked again with the same request; any other effect of which it is not
    known whether it happened goes to a person. A run that has ended is returned as it is.
    """
    record = store.load(run_id)
    program = programs(record.artifact)
    if record.status in ("completed", "failed"):
        return kept(store, record.run_id, program)
    if engine_of(record.run_id) == "temporal":
        raise UsageError(f"Run {record.run_id!r} is carried by Temporal.", remedy="Its workers take it up again.")
    stepping = Stepping(program, record.input, effects_of(store, record, program))
    started = nanoseconds(record.started_at)
    return go_on(store, record.run_id, stepping, stepping.advance(), Answers(model), started)


def effects_of(store: RunStore, record: RunRecord, program: Program) -> tuple[Effect, ...]:
    """The effects of a run that a replay reads: those with a result, and those known to be in doubt."""
    if all(info.kind != "call" for info in program.steps.values()):
        return record.effects  # a bounded call is never in doubt: it is asked again
    doubtful = [effect for effect in store.unresolved(record.run_id) if effect.state == "in_doubt"]
    return (*record.effects, *doubtful)


def nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1000


async def run_async(artifact: Program | ArtifactLike, given: Mapping[str, Any], **options: Any) -> RunResult:
    """As `run`, in a thread: model calls do not hold up the event loop."""
    from asyncio import to_thread

    return await to_thread(run, artifact, given, **options)


def quiet(fault: InputError, program: Program) -> InputError:
    """Tells an input that does not fit without its values, where a pack protects error texts."""
    if not hides_errors(program):
        return fault
    told = [{"path": each["path"], "message": _without_value(each["message"])} for each in fault.details or ()]
    listed = "; ".join(f"{each['path']}: {each['message']}" for each in told)
    shown = listed or "it is no object"
    return InputError(f"The input does not fit: {shown} (values are not shown here).", details=told)


def _without_value(message: str) -> str:
    """Says what is wrong with a value and leaves out the value."""
    for kept in ("required", "unknown field"):
        if message.startswith(kept):
            return message
    if message.startswith("expected "):
        return message.split(", got ")[0]
    for part in ("is not one of the allowed values", "does not match the pattern", "is less than", "is more than"):
        if part in message:
            return f"{part}{message.split(part, 1)[1] if part.startswith('is ') and 'than' in part else ''}"
    return message if "are allowed" in message else "does not fit"


@dataclass(slots=True)
class Answers:
    """Answers what a run asks of the outside, in this process.

    With a store, an effect is `intended` on record before it starts, and the first result on record counts. One that
    was intended and has no result is made again if that does no harm, under its key; any other is in doubt. A call
    whose connection may not be used is sent to nobody, and has failed.
    Without a store, calls that must not happen twice are refused; one that a key keeps from happening twice needs a
    `run_id`, which its caller gives again when it runs the same input again.
    """

    model: ModelSource = None
    store: RunStore | None = None
    run_id: str = ""
    calls: CallMaker | None = None
    """Makes the calls instead of the modules' clients (`runtime.calls.double.CallDouble` in a test)."""
    only_reads: bool = False
    """Refuse every call that would change something outside: what another artifact would have said is no deed."""

    def check(self, requests: Sequence[EffectRequest], program: Program) -> None:
        """Raises what would stop the very first effects, before the run is on record."""
        for request in requests:
            if request.kind == "bounded":
                self._model_for(program.steps[request.step], program)
            elif request.kind == "call" and self.calls is None:
                self._check_call(program.steps[request.step])

    def answer(self, request: EffectRequest, program: Program) -> EffectLike:
        if self.store is None:
            return self._make(request, program)
        if request.kind in ("bounded", "call"):
            intent = self.store.intend(self.run_id, request)
            if intent.effect is not None:
                return intent.effect
            if intent.state == "in_doubt" and request.kind == "call" and not self._repeatable(request, program):
                return self.store.effect(self.run_id, _in_doubt(request))
        return self.store.effect(self.run_id, as_effect(self._make(request, program)))

    def _make(self, request: EffectRequest, program: Program) -> Recorded:
        if request.kind == "bounded":
            from compiled_ai.runtime.bounded import ask_bounded

            info = program.steps[request.step]
            return ask_bounded(info, request, self._model_for(info, program))
        if request.kind == "call":
            from compiled_ai.runtime.calls import make_call, only_reads

            info, make = program.steps[request.step], self.calls or make_call
            if self.only_reads and not only_reads(info):
                raise UsageError(
                    f"Step {info.name!r} would change something outside, and a rerun only reads.",
                    remedy="Rerun it without live effects.",
                )
            try:
                return make(info, request, run_id=self.run_id, on_record=self.store is not None)
            except ConfigError as fault:
                if self.store is None:
                    raise
                return _unsent(request, str(fault))
        return answer(request, _own_reading(request), origin="this process")

    def _check_call(self, info: StepInfo) -> None:
        from compiled_ai.runtime.calls import check_call

        check_call(info, run_id=self.run_id or "to come", on_record=True)

    def _repeatable(self, request: EffectRequest, program: Program) -> bool:
        from compiled_ai.runtime.calls import repeatable

        return repeatable(program.steps[request.step])

    def _model_for(self, info: StepInfo, program: Program) -> Model:
        if self.model is not None and not isinstance(self.model, str):
            chosen: Model = self.model(info) if callable(self.model) else self.model
            return chosen
        name = self.model or info.model
        if not name:
            raise ConfigError(
                f"Step {info.name!r} calls a model, and the artifact pins none.",
                remedy="Name one with --model (anthropic:..., openai:..., recorded:DIR, exchange:DIR).",
            )
        return _opened(name, sealed=program.sinks.get("prompts", "clear") != "clear")


def _unsent(request: EffectRequest, why: str) -> Recorded:
    return Recorded(
        request.step, request.kind, request.item, request.attempt, state="failed", request=request.payload, error=why
    )


def _in_doubt(request: EffectRequest) -> Effect:
    return Effect(
        step=request.step,
        kind=request.kind,
        item=request.item,
        attempt=request.attempt,
        state="in_doubt",
        request=dict(request.payload),
        error="the process ended before a result was recorded",
    )


_models: dict[tuple[str, bool], Any] = {}


def _opened(name: str, *, sealed: bool) -> Model:
    """Opens a model once; `sealed` encrypts what a recording or an exchange would keep in the clear."""
    from compiled_ai.models import open_model

    if (name, sealed) not in _models:
        _models[name, sealed] = open_model(name, protect=_sealer() if sealed else None)
    model: Model = _models[name, sealed]
    return model


def recording(name: str, folder: Path, sinks: Mapping[str, str]) -> Model:
    """Opens a model whose replies are kept in a folder, for `recorded:DIR`; sealed where a pack protects prompts."""
    from compiled_ai.models import open_model

    sealed = sinks.get("prompts", "clear") != "clear"
    return open_model(name, record=folder, protect=_sealer() if sealed else None)


def _sealer() -> TextSealer:
    from compiled_ai.runtime.keys import KeyRing, TextSealer

    keys = KeyRing.from_environment()
    keys.require("The transcript of a model that a compliance pack protects")
    return TextSealer(keys)


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
    return None


def _merged(waits: list[Waiting]) -> CompiledAIError:
    from compiled_ai.models import merged

    return merged(waits)
