"""The stepper: `advance(program, input, recorded effects) -> Pending | Done | Failed`.

A run is a pure function of its artifact, its input, and the recorded results of its effects. The assembled
`async def run(ctx, input)` is stepped by hand, without an event loop. First run, replay, resume after a crash,
resume after a person's decision, explaining and judging by another artifact are all this one function; engines
differ only in who answers the pending requests.

This file and `library/` are all that an exported artifact needs: it imports nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, getcontext, setcontext
from pathlib import Path
from traceback import walk_tb
from types import ModuleType, TracebackType
from typing import Any, Literal

from compiled_ai.canonical import canonical_json, digest, kind_of, parse_json
from compiled_ai.errors import ArtifactRefused, InputError, StepFailed, one_stop
from compiled_ai.library.committee import Rules
from compiled_ai.library.context import EffectRequest
from compiled_ai.library.evidence import NO_PLACE, keeper
from compiled_ai.library.fingerprints import Layouts
from compiled_ai.library.lookups import load_tables
from compiled_ai.library.recorded import EffectKey, EffectLike, Recorded, answer
from compiled_ai.library.replaying import RunContext
from compiled_ai.library.steps import Doubt, StepCodec, StepInfo, StoodIn
from compiled_ai.library.types import (
    Convert,
    FieldType,
    Mismatch,
    builder,
    decode_all,
    decoder,
    encoder,
    type_from_json,
    writer,
)
from compiled_ai.library.values import NUMBERS, Box, YearsMonths, format_days_time

__all__ = [
    "INTERFACE",
    "Done",
    "EffectLike",
    "EffectRequest",
    "Failed",
    "Outcome",
    "Pending",
    "Program",
    "Recorded",
    "StepInfo",
    "Stepping",
    "advance",
    "answer",
    "load_program",
]

INTERFACE = 1
"""What `program.json` and the context promise each other; an artifact made for another number is refused."""

FailureCode = Literal["step_failed", "rejected", "decision", "diverged", "crashed", "output"]
_TABLES = "tables"
_RANKS = {"bounded": 0, "call": 1, "review": 2, "today": 3, "clock": 4, "id": 5}


@dataclass(frozen=True, slots=True)
class Pending:
    """The run waits for these effects; all of them may be answered at once, in any order."""

    requests: tuple[EffectRequest, ...]


@dataclass(slots=True)
class Done:
    """The run ended with a decision. (Not frozen: every run makes one, and freezing costs a microsecond.)"""

    output: Any
    """JSON of the artifact's `Output`."""
    value: Any = field(default=None, repr=False, compare=False)
    """The typed `Output`."""
    kind: FieldType | None = field(default=None, repr=False, compare=False)
    """Its type."""
    dropped: tuple[str, ...] = ()
    """Output paths of the values that were dropped, since they have no place in the source."""
    collected: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    """The evidence, where the typed value stayed in another process."""

    def alone(self) -> Done:
        """The same without what only this process knows: the typed value, and its type."""
        return Done(self.output, collected=self.evidence)

    @property
    def evidence(self) -> dict[str, Any]:
        """Output path to the place in the source that the value came from, as JSON.

        For a value that was dropped, `{"dropped": REASON}`.
        """
        if self.collected is not None:
            return self.collected
        found: dict[str, Any] = {}
        if self.kind is not None:
            _collect(self.kind, self.value, "", found)
        return {**found, **{path: {"dropped": NO_PLACE} for path in self.dropped}}


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended without a decision."""

    error: str
    """May quote values of the run: what is written down is decided by the sink `error_texts`."""
    step: str | None = None
    code: str = "step_failed"
    """`step_failed`, `rejected` (by a person), `decision` (a decision that cannot stand), `diverged` (the program
    asks for something else than was recorded), `crashed` (a fault of the artifact), `output`, `stopped` (it used more
    time or memory than a round may)."""
    problems: tuple[str, ...] = ()
    line: int | None = None
    """Line of `workflow.py`, if an exception ended the run."""

    @property
    def masked(self) -> str:
        """The error without any value of the run."""
        where = f" in step {self.step!r}" if self.step else ""
        return f"{self.code}{where}" + (f", line {self.line} of workflow.py" if self.line else "")


Outcome = Pending | Done | Failed


class Program:
    """An artifact ready to run: its executed module, its types, and what it declares of each step."""

    __slots__ = (
        "_decode",
        "_encode",
        "_encoders",
        "_encode_input",
        "_alone",
        "_may_place",
        "_numbers",
        "build_input",
        "decides_alone",
        "input_text",
        "output_text",
        "classes",
        "codecs",
        "described",
        "digest",
        "environment",
        "filename",
        "input_type",
        "name",
        "output_type",
        "packs",
        "places",
        "reference",
        "run",
        "sinks",
        "source",
        "steps",
        "tables",
        "template",
        "workflow",
    )

    def __init__(self, module: ModuleType, described: Mapping[str, Any], *, source: str, digest: str) -> None:
        self.digest: str = digest
        self.source = source
        self.described = described
        """`program.json`, decoded."""
        self.environment: Mapping[str, str] = {}
        """What is installed now of all that can change a decision, by name; whoever loads the artifact fills it in."""
        self.tables: Mapping[str, str] = {}
        """The data of its reference tables, by the name of the file in the folder `tables`."""
        self.filename: str = module.__file__ or ""
        """The file name that the module's code objects carry."""
        self.workflow: str = described["workflow"]
        self.name: str = described.get("name", self.workflow)
        self.template: str = described.get("template", "handler")
        self.reference: tuple[str, ...] = tuple(described.get("reference", ()))
        self.packs: tuple[str, ...] = tuple(described.get("packs", ()))
        self.sinks: Mapping[str, str] = described.get("sinks", {})
        self.input_type: FieldType = type_from_json(described["input"])
        self.output_type: FieldType = type_from_json(described["output"])
        infos = [_step_info(step) for step in described["steps"]]
        self.steps: Mapping[str, StepInfo] = {info.name: info for info in infos}
        kinds = [self.input_type, self.output_type, *(info.result for info in infos)]
        self.classes: Mapping[str, type] = _classes(module, kinds)
        self.run: Callable[[Any, Any], Coroutine[Any, Any, Any]] = module.run
        self._prepare(kinds)

    def _prepare(self, kinds: Sequence[FieldType]) -> None:
        """Makes every converter once: a run of the hot path builds none."""
        self._decode = decoder(self.input_type, self.classes)
        self.build_input: Callable[[Sequence[Any]], Any | None] | None = builder(self.input_type, self.classes)
        """The typed `Input` of its JSON values, in the order of its fields; `None` where `decode_input` must tell."""
        self._encode = encoder(self.output_type, self.classes)
        self._encode_input = encoder(self.input_type, self.classes)
        self.places: Mapping[str, int] = {name: index for index, name in enumerate(self.steps)}
        self.input_text: Callable[[Any], str] = writer(self.input_type, self.classes)
        """Canonical JSON of a typed `Input`."""
        self.output_text: Callable[[Any], str] = writer(self.output_type, self.classes)
        """Canonical JSON of an `Output`, which is checked; raises `Mismatch`."""
        self._alone: RunContext | None = None
        self._numbers = NUMBERS.copy()
        told = [info.evidence or info.committee or info.layouts for info in self.steps.values()]
        self.decides_alone: bool = not any(told)
        """True if nothing but the output is told of a run: `decide_alone` may serve it."""
        self._may_place = any(info.kind == "function" for info in self.steps.values())
        """True if a result may say where in a document it was read."""
        self._encoders: dict[type, Convert] = {
            self.classes[kind.class_name]: encoder(kind, self.classes) for kind in _objects(kinds) if kind.class_name
        }
        self.codecs: Mapping[str, StepCodec] = {
            info.name: StepCodec(
                info,
                decoder(info.result, self.classes),
                encoder(info.result, self.classes),
                keeper(info.result) if info.evidence else None,
            )
            for info in self.steps.values()
        }

    @property
    def files(self) -> dict[str, str]:
        """All that `load_program` needs to make this program again, in another process."""
        data = {f"{_TABLES}/{name}": text for name, text in self.tables.items()}
        return {"workflow.py": self.source, "program.json": canonical_json(self.described), **data}

    def decode_input(self, value: Any) -> Any:
        """Returns the typed `Input`; raises `InputError` with every fault of it."""
        if not isinstance(value, Mapping):
            raise InputError(f"The input must be a JSON object, not {kind_of(value)}.")
        try:
            return self._decode(value if type(value) is dict else dict(value))
        except Mismatch:
            return decode_all(self.input_type, self.classes, dict(value))

    def decide_alone(self, given: Any) -> str | None:
        """Runs a typed input that needs nothing from the outside: the quick way for many records.

        Returns the canonical JSON of the output, and `None` for every other end (a failure, an effect that is asked
        for) and where more than the output is told (places in a document, votes): then a `Stepping` of the same input
        tells. It gives the same output: a run is a pure function, and here it has no effects.
        """
        if not self.decides_alone:
            return None
        context, self._alone = self._alone or RunContext({}, self.codecs, self.classes, self.to_json), None
        outside, numbers = getcontext(), self._numbers
        numbers.clear_flags()  # nothing else of it can change: the code gate refuses whatever would
        setcontext(numbers)
        try:
            coroutine = self.run(context, given)
            try:
                coroutine.send(None)
            except StopIteration as end:
                if self._may_place and _has_places(self.output_type, end.value):
                    return None
                text = self.output_text(end.value)
                if not context.stood_in:
                    self._alone = context  # nothing was kept in it: it can serve the next run
                return text
            coroutine.close()
        except Exception:  # whatever it was, the usual way finds it again and tells it
            pass
        finally:
            setcontext(outside)
        return None

    def encode_input(self, value: Any) -> Any:
        """Returns the JSON of a typed `Input`: what a record keeps, and what a replay reads."""
        return self._encode_input(value)

    def encode_output(self, value: Any) -> Any:
        """Returns the JSON of an `Output`; raises `Mismatch`."""
        return self._encode(value)

    def to_json(self, value: Any) -> Any:
        """Returns the JSON of any value that a step may hand to an effect; raises `Mismatch`."""
        encode = self._encoders.get(type(value))
        return encode(value) if encode else _to_json(value, self.to_json)

    def rank(self, effect: EffectLike | EffectRequest) -> tuple[int, int, int, int]:
        """Sorts effects by step, item, kind and attempt: a record does not show who answered first."""
        return (self.places.get(effect.step, -1), effect.item, _RANKS.get(effect.kind, 9), effect.attempt)


def load_program(identity: Path | Mapping[str, str], *, digest: str = "") -> Program:
    """Loads an artifact's identity: a folder, or its files as text.

    These are `workflow.py`, `program.json`, and `tables/NAME.jsonl` for each reference table.

    The caller has verified the digest and run the gate; the module is executed under restricted builtins.

    Args:
        identity: The folder `identity/`, or its files by name.
        digest: The artifact's digest; without it, one over the first two files (which pin the others).

    Raises:
        ArtifactRefused: The files do not fit each other or this library.
    """
    from compiled_ai.library.loading import load_module, unload

    source, text = _text_of(identity, "workflow.py"), _text_of(identity, "program.json")
    described = parse_json(text)
    if not isinstance(described, dict) or described.get("interface") != INTERFACE:
        found = described.get("interface") if isinstance(described, dict) else None
        raise ArtifactRefused(
            f"The artifact was made for interface {found!r}, this library has {INTERFACE}.", remedy="Compile it again."
        )
    name = digest or _own_digest(source, text)
    try:
        module = load_module(source, f"compiled_ai_artifact_{name[:16]}")
        unload(module)
        program = Program(module, described, source=source, digest=name)
    except (KeyError, TypeError, AttributeError, ValueError, SyntaxError, ImportError, NameError) as fault:
        raise ArtifactRefused(
            f"workflow.py and program.json do not fit each other: {type(fault).__name__}: {fault}.",
            remedy="Compile it again.",
        ) from fault
    program.tables = load_tables(vars(module), _tables_of(identity))
    return program


def _tables_of(identity: Path | Mapping[str, str]) -> Path | dict[str, str]:
    if isinstance(identity, Path):
        return identity / _TABLES
    return {name.removeprefix(f"{_TABLES}/"): text for name, text in identity.items() if name.startswith(f"{_TABLES}/")}


def _own_digest(source: str, text: str) -> str:
    return digest(canonical_json([source, text]))


def _text_of(identity: Path | Mapping[str, str], name: str) -> str:
    try:
        return identity[name] if isinstance(identity, Mapping) else (identity / name).read_text(encoding="utf-8")
    except (KeyError, OSError, UnicodeDecodeError) as fault:
        raise ArtifactRefused(f"{name} of the artifact cannot be read: {fault}.") from fault


def _step_info(described: Mapping[str, Any]) -> StepInfo:
    known = {field.name for field in fields(StepInfo)}
    given = {key: value for key, value in described.items() if key in known and value is not None}
    packs = tuple(pack if isinstance(pack, str) else json.dumps(pack) for pack in given.pop("packs", ()))
    if "committee" in given:
        given["committee"] = Rules.from_json(given["committee"])
    if "layouts" in given:
        given |= {"unfamiliar": given["layouts"]["unfamiliar"], "layouts": Layouts.from_json(given["layouts"])}
    return StepInfo(**{**given, "packs": packs, "result": type_from_json(described["result"])})


def _objects(kinds: Sequence[FieldType]) -> Iterator[FieldType]:
    """Every object type within the given types."""
    for kind in kinds:
        if kind.kind == "object":
            yield kind
            yield from _objects([field.type for field in kind.fields])
        elif kind.items is not None:
            yield from _objects([kind.items])


def _classes(module: ModuleType, kinds: Sequence[FieldType]) -> dict[str, type]:
    names = {kind.class_name for kind in _objects(kinds) if kind.class_name}
    classes = {name: getattr(module, name) for name in sorted(names)}
    for name, found in classes.items():
        if not (isinstance(found, type) and is_dataclass(found)):
            raise TypeError(f"{name} is no dataclass of workflow.py")
    return classes


def _to_json(value: Any, convert: Convert) -> Any:
    if value is None or isinstance(value, (bool, str, int, float, Decimal)):
        return value
    if isinstance(value, Box):
        return [value.x0, value.y0, value.x1, value.y1, value.text]
    if isinstance(value, (list, tuple)):
        return [convert(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): convert(part) for key, part in value.items()}
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_days_time(value)
    if isinstance(value, YearsMonths):
        return str(value)
    raise Mismatch(f"{type(value).__name__} cannot be handed to an effect")


class Stepping:
    """One run under way: its coroutine stays alive between answers.

    `record` an effect for each pending request (the first result of a key wins, and `intended` is no result),
    then `advance` again. A fresh `Stepping` with the same effects gives the same outcome.
    """

    __slots__ = ("_context", "_coroutine", "_outcome", "input", "program", "recorded")

    def __init__(self, program: Program, input_json: Any, effects: Sequence[EffectLike] = ()) -> None:
        self.program = program
        self.input = program.decode_input(input_json)
        """The typed input."""
        self.recorded: dict[EffectKey, EffectLike] = {}
        self._outcome: Done | Failed | None = None
        self._context = RunContext(self.recorded, program.codecs, program.classes, program.to_json)
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        for effect in effects:
            self.record(effect)

    def record(self, effect: EffectLike) -> None:
        """Adds the result of an effect; it enters the program as decoded canonical JSON."""
        if effect.state == "intended" or effect.key in self.recorded:
            return
        self.recorded[effect.key] = effect if effect.result is None else _pure(effect)

    def advance(self) -> Outcome:
        """Steps the run as far as the recorded effects carry it."""
        if self._outcome is not None:
            return self._outcome
        if self._coroutine is None:
            self._coroutine = self.program.run(self._context, self.input)
        outside = getcontext()
        setcontext(NUMBERS.copy())
        try:
            requests = self._coroutine.send(None)
        except StopIteration as end:
            self._outcome = self._done(end.value)
        except StepFailed as fault:
            self._outcome = _failed(fault)
        except Exception as fault:  # whatever an artifact raises is a failed run, never a crash of the engine
            self._outcome = _crashed(fault, self.program)
        else:
            if type(requests) is tuple and requests and type(requests[0]) is EffectRequest:
                return Pending(requests)
            self._coroutine.close()
            self._outcome = Failed("The artifact awaits something that is not its context.", code="crashed")
        finally:
            setcontext(outside)
        return self._outcome

    def _done(self, value: Any) -> Done | Failed:
        try:
            dropped = self._dropped() if self._context.dropped else ()
            return Done(self.program.encode_output(value), value, self.program.output_type, dropped)
        except Mismatch as fault:
            return Failed(one_stop(f"The output does not fit: {fault}."), code="output", problems=(str(fault),))

    def _dropped(self) -> tuple[str, ...]:
        """What was dropped in a step, by the output that shows it, else by step and field."""
        outputs = {source: name for name, source in self.program.described.get("output_sources", {}).items()}
        paths: list[str] = []
        for (step, item), dropped in self._context.dropped.items():
            several = self.program.steps[step].for_each
            for one in dropped:
                own = f"{step}[{item}].{one.path}" if several else f"{step}.{one.path}"
                head = re.match(r"\w+", one.path)
                output = outputs.get(f"{step}.{head.group()}") if head and not several else None
                paths.append(own if head is None or output is None else output + one.path[head.end() :])
        return tuple(paths)

    @property
    def effects(self) -> tuple[EffectLike, ...]:
        """All recorded effects, in an order that does not depend on who answered first."""
        return tuple(sorted(self.recorded.values(), key=self.program.rank))

    @property
    def unused(self) -> tuple[EffectLike, ...]:
        """Recorded effects that the run has not asked for (so far)."""
        return tuple(effect for effect in self.effects if effect.key not in self._context.used)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What committees said, in the order of steps and items."""
        places = self.program.places
        return tuple(sorted(self._context.doubts, key=lambda doubt: (places[doubt.step], doubt.item)))

    @property
    def abstained(self) -> list[dict[str, Any]]:
        """What is null because nobody can be sure: `{"step", "item", "field", "reason"}`, without any value."""
        return [
            {"step": doubt.step, "item": doubt.item, "field": field, "reason": reason}
            for doubt in self.doubts
            for field, reason in doubt.abstained
        ]

    @property
    def stood_in(self) -> tuple[StoodIn, ...]:
        """Fallbacks that stood in for results, in the order of steps and items."""
        places = self.program.places
        return tuple(sorted(self._context.stood_in, key=lambda each: (places[each.step], each.item)))

    def close(self) -> None:
        """Gives the coroutine up; the recorded effects stay."""
        if self._coroutine is not None:
            self._coroutine.close()

    def __enter__(self) -> Stepping:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def advance(program: Program, input_json: Any, effects: Sequence[EffectLike]) -> Outcome:
    """Replays a run from its beginning up to the first effect that is not recorded.

    Raises `InputError` if the input does not fit; every other end is a value.
    """
    with Stepping(program, input_json, effects) as stepping:
        return stepping.advance()


_JSON_SCALARS = frozenset({str, int, bool, Decimal, type(None)})


def _pure(effect: EffectLike) -> EffectLike:
    """Gives the effect with its result as decoded canonical JSON, the first time as on every replay."""
    if type(effect.result) in _JSON_SCALARS:
        return effect
    result = parse_json(canonical_json(effect.result))
    return Recorded(
        effect.step,
        effect.kind,  # type: ignore[arg-type]
        effect.item,
        effect.attempt,
        state=effect.state,  # type: ignore[arg-type]
        request=effect.request,
        result=result,
        error=effect.error,
        origin=getattr(effect, "origin", None),
        usage=getattr(effect, "usage", None),
        milliseconds=getattr(effect, "milliseconds", None),
    )


def _failed(fault: StepFailed) -> Failed:
    told = fault.details or {}
    return Failed(
        fault.message,
        step=told.get("step") or None,
        code=told.get("code", "step_failed"),
        problems=tuple(told.get("problems", ())),
    )


def _crashed(fault: Exception, program: Program) -> Failed:
    line, step = _place_of(fault.__traceback__, program)
    where = f" at line {line} of workflow.py" if line else ""
    return Failed(f"{type(fault).__name__}{where}: {fault}", step=step, code="crashed", line=line)


def _place_of(traceback: TracebackType | None, program: Program) -> tuple[int | None, str | None]:
    """The last line of the artifact that was running, and the step whose function it belongs to."""
    line: int | None = None
    step: str | None = None
    by_function = {re.sub(r"\W+", "_", name).lower(): name for name in program.steps}
    for frame, number in walk_tb(traceback):
        if frame.f_code.co_filename == program.filename:
            line, step = number, by_function.get(frame.f_code.co_name, step)
    return line, step


_PLAIN = frozenset({str, int, float, bool, Decimal, date, datetime, time, timedelta, type(None)})


def _has_places(kind: FieldType, value: Any) -> bool:
    found: dict[str, Any] = {}
    _collect(kind, value, "", found)
    return bool(found)


def _collect(kind: FieldType, value: Any, path: str, found: dict[str, Any]) -> None:
    """Collects the places of all values within an output that carry one."""
    if kind.kind == "object":
        prefix = f"{path}." if path else ""
        for field in kind.fields:
            part = getattr(value, field.identifier, None)
            if type(part) not in _PLAIN:
                _collect(field.type, part, prefix + field.name, found)
    elif kind.kind == "list" and kind.items is not None and isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            if type(part) not in _PLAIN:
                _collect(kind.items, part, f"{path}[{index}]", found)
    else:
        place = getattr(value, "place", None)
        if place is not None:
            found[path] = place.to_json()
