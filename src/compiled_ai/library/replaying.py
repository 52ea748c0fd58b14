"""The concrete context of a run: it looks effects up, and suspends the run where one is missing.

The error text of a failed effect never enters the run: a store may withhold it, and the replay must not notice.
Nothing here does anything to the outside. `ask` yields the requests that are not recorded; whoever steps the
coroutine (`runtime.stepper`) hands them on and comes back when they are answered.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from datetime import date, datetime
from types import coroutine
from typing import Any, Literal, TypeVar, TypeVarTuple

from compiled_ai.canonical import canonical_json, digest_json
from compiled_ai.errors import StepFailed
from compiled_ai.library.committee import NO_ANSWER, Committee, take_vote
from compiled_ai.library.context import EffectRequest
from compiled_ai.library.evidence import NO_PLACE, Dropped, Keep, Source
from compiled_ai.library.fingerprints import Layouts, fingerprint
from compiled_ai.library.hearing import hear, is_of, line_of
from compiled_ai.library.recorded import EffectKey, EffectLike
from compiled_ai.library.replies import read_reply
from compiled_ai.library.steps import Doubt, OnFailure, StepCodec, StoodIn
from compiled_ai.library.types import Classes, Convert, Mismatch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Requests = tuple[EffectRequest, ...]
Check = Callable[[T], Sequence[str]]


class RunContext:
    """The `ctx` of one run (see `library.context.Context` for what each method promises)."""

    __slots__ = (
        "_branch",
        "_classes",
        "_counts",
        "_recorded",
        "_steps",
        "_to_json",
        "doubts",
        "dropped",
        "stood_in",
        "used",
    )

    def __init__(
        self,
        recorded: Mapping[EffectKey, EffectLike],
        steps: Mapping[str, StepCodec],
        classes: Classes,
        to_json: Convert,
    ) -> None:
        self._recorded = recorded
        self._steps = steps
        self._classes = classes
        self._to_json = to_json
        self._counts: dict[EffectKey, int] = {}
        self._branch: int | None = None
        self.used: set[EffectKey] = set()
        """Keys of the recorded effects that the run has read."""
        self.dropped: dict[tuple[str, int], tuple[Dropped, ...]] = {}
        """What was dropped of the result of a step (and item), since it has no place in the source."""
        self.doubts: list[Doubt] = []
        self.stood_in: list[StoodIn] = []

    async def bounded(
        self, step: str, inputs: Mapping[str, object], returns: type[T], *, check: Check[T] | None = None, item: int = 0
    ) -> T:
        codec = self._codec(step, "bounded")
        shown = {name: self._to_json(value) for name, value in inputs.items()}
        feedback: list[str] = []
        problems: list[str] = []
        proposed: Any = None
        for attempt in range(codec.info.attempts):
            payload = {"inputs": shown, "feedback": feedback}
            effect = await self._ask(EffectRequest(step, "bounded", item, attempt, payload))
            if effect.state == "in_doubt":
                return await self._in_doubt(codec, effect, returns, check, item)
            if effect.state == "failed":
                problems = [*feedback, f"attempt {attempt + 1}: the model gave no usable answer"]
                continue
            reading = read_reply(codec.info.result, self._classes, effect.result, decode=codec.decode)
            proposed = reading.settled if reading.settled is not None else proposed
            if reading.missing:
                problems = [f"{path}: unknown, and it is required" for path in reading.missing]
                break
            faults = reading.problems or _faults(check, reading.value)
            if not faults:
                return _typed(reading.value, returns, step)
            problems = feedback = list(faults)
        return await self._settle(codec, codec.info.on_failure, proposed, problems, returns, check, item)

    async def call(
        self,
        step: str,
        arguments: Mapping[str, object],
        returns: type[T],
        *,
        check: Check[T] | None = None,
        item: int = 0,
    ) -> T:
        codec = self._codec(step, "call")
        given = {name: self._to_json(value) for name, value in arguments.items()}
        if codec.info.module == "human":
            return _typed(await self._answered(codec, given, check, item), returns, step)
        payload = {"arguments": given}
        effect = await self._ask(EffectRequest(step, "call", item, 0, payload))
        if effect.state == "in_doubt":
            return await self._in_doubt(codec, effect, returns, check, item)
        if effect.state == "failed":
            problems = ["the call failed"]
            return await self._settle(codec, codec.info.on_failure, None, problems, returns, check, item)
        rows = effect.result if isinstance(effect.result, list) else [effect.result]
        rows = [row for row in rows if row is not None]
        if not rows:
            return await self._settle(codec, codec.info.on_none, None, ["nothing was found"], returns, check, item)
        if len(rows) > 1:
            problems = [f"{len(rows)} results, one was expected"]
            return await self._settle(codec, codec.info.on_many, None, problems, returns, check, item)
        try:
            value = _typed(codec.decode(rows[0]), returns, step)
        except Mismatch as fault:
            return await self._settle(codec, codec.info.on_failure, rows[0], [str(fault)], returns, check, item)
        faults = _faults(check, value)
        if not faults:
            return value
        return await self._settle(codec, codec.info.on_failure, rows[0], list(faults), returns, check, item)

    async def _answered(self, codec: StepCodec, given: Mapping[str, Any], check: Check[T] | None, item: int) -> Any:
        """Asks a person: proposed is what the step declares, and arguments that are fields of the answer."""
        settings = codec.info.settings or {}
        fields = {each.name for each in codec.info.result.fields}
        proposed = {**settings.get("proposed", {}), **{name: value for name, value in given.items() if name in fields}}
        question = _question(str(settings.get("question", "")), given)
        decided = await self._decided(codec, proposed or None, question, [], check, item)
        return _accept_json(codec, proposed or None, check) if decided is _APPROVED else decided

    async def review(self, step: str, proposed: T, *, reason: str, check: Check[T] | None = None, item: int = 0) -> T:
        codec = self._codec(step)
        shown = codec.encode(proposed)
        decided = await self._decided(codec, shown, reason, [], check, item)
        if decided is _APPROVED:
            _accept(codec, proposed, check)
            return proposed
        return _typed(decided, type(proposed), step)

    async def result(
        self,
        step: str,
        function: Callable[[*Ts], T | None],
        *arguments: *Ts,
        check: Check[T] | None = None,
        item: int = 0,
        layout: object = None,
    ) -> T:
        codec = self._steps.get(step) or self._codec(step)
        if layout is not None and codec.info.layouts is not None:
            strange = _strange(codec.info.layouts, layout)
            if strange:
                return await self._unfamiliar(codec, strange, function, arguments, check, item)
        if isinstance(function, Committee):
            return await self._vote(codec, function, arguments, check, item)
        try:
            value = function(*arguments)
        except (MemoryError, RecursionError):
            raise  # what the machine lacks must not become a decision: the run fails
        except Exception as fault:  # a model wrote the function: whatever it raises, the step has no valid result
            problems = [f"the function raised {type(fault).__name__}{line_of(fault)}: {fault}"]
            return await self._settle(codec, codec.info.on_failure, None, problems, None, check, item)
        if value is None:
            problems = ["no branch applies"]
            return await self._settle(codec, codec.info.on_failure, None, problems, None, check, item)
        shown: Any = None
        if codec.info.kind == "function":
            try:
                shown = codec.encode(value)
            except Mismatch as wrong:
                problems = [f"the function's result does not fit: {wrong}"]
                return await self._settle(codec, codec.info.on_failure, None, problems, None, check, item)
        if check is None and codec.keep is None:
            return value
        return await self._checked(codec, value, shown, arguments, check, item)

    async def _checked(
        self, codec: StepCodec, value: T, shown: Any, arguments: Sequence[object], check: Check[T] | None, item: int
    ) -> T:
        """Keeps of a result what has a place in the source, and holds it against the step's validation."""
        if codec.keep is not None:
            kept, problems = self._kept(codec, codec.keep, value, arguments, item)
            if problems:
                return await self._settle(codec, codec.info.on_failure, shown, problems, None, check, item)
            shown = shown if kept is value else codec.encode(kept)
            value = kept
        faults = None if check is None else _faults(check, value)
        if not faults:
            return value
        shown = shown if shown is not None else _shown(codec, value)
        return await self._settle(codec, codec.info.on_failure, shown, list(faults), None, check, item)

    def _kept(
        self, codec: StepCodec, keep: Keep, result: T, arguments: Sequence[object], item: int
    ) -> tuple[T, list[str]]:
        """Drops what has no place in the source; gives also what is wrong if that was required."""
        dropped: list[Dropped] = []
        kept: T = keep(result, Source(arguments), dropped, "")
        if dropped:
            self.dropped[codec.info.name, item] = tuple(dropped)
        return kept, [f"{one.path}: {NO_PLACE}, and it is required" for one in dropped if not one.optional]

    async def _unfamiliar(
        self,
        codec: StepCodec,
        reason: str,
        function: Callable[..., T | None],
        arguments: Sequence[Any],
        check: Check[T] | None,
        item: int,
    ) -> T:
        """Asks a person to confirm what is found on a page of unfamiliar layout, or finds nothing on it."""
        info = codec.info
        if info.unfamiliar == "review":
            self.doubts.append(Doubt(info.name, item, unfamiliar=reason))
            value = await self.result(info.name, function, *arguments, check=check, item=item)
            return await self.review(info.name, value, reason=f"Step {info.name!r}: {reason}.", check=check, item=item)
        unread = tuple(field.name for field in info.result.fields if field.type.optional)
        self.doubts.append(Doubt(info.name, item, unread=unread, unfamiliar=reason))
        if len(unread) < len(info.result.fields):
            return await self._settle(codec, info.on_failure, None, [reason], None, check, item)
        empty: T = self._classes[info.class_name](**{field.identifier: None for field in info.result.fields})
        faults = _faults(check, empty)
        if not faults:
            return empty
        return await self._settle(codec, info.on_failure, None, list(faults), None, check, item)

    async def _vote(
        self, codec: StepCodec, committee: Committee, arguments: Sequence[Any], check: Check[T] | None, item: int
    ) -> T:
        """Calls every member, takes the vote on each field, and builds the result out of the winners' own values."""
        rules = codec.info.committee
        if rules is None:
            raise StepFailed(
                f"Step {codec.info.name!r} has no rules for its committee.", details=_details("", "crashed")
            )
        source = Source(arguments)
        heard = [hear(codec, member, arguments, source) for member in committee.members]
        if all(isinstance(each, str) for each in heard):
            problems = [str(heard[0])]
            return await self._settle(codec, codec.info.on_failure, None, problems, None, check, item)
        answers = [each.shown if not isinstance(each, str) else {} for each in heard]
        votes = [
            take_vote(rule, [answer.get(rule.field, NO_ANSWER) for answer in answers], rules.least)
            for rule in rules.fields
        ]
        typed: dict[str, Any] = {}
        problems = []
        dropped: list[Dropped] = []
        unfound: list[str] = []
        by_field = {vote.field: vote for vote in votes}
        for field in codec.info.result.fields:
            vote, winner = by_field[field.name], heard[by_field[field.name].winner]
            if vote.abstains or isinstance(winner, str):
                typed[field.identifier] = None
                if not field.type.optional:
                    unplaced = vote.value is NO_ANSWER
                    problems.append(f"{field.name}: {NO_PLACE}, and it is required" if unplaced else vote.reason)
                continue
            typed[field.identifier] = getattr(winner.value, field.identifier)
            lost = [one for one in winner.dropped if is_of(one, field.name)]
            dropped += lost
            if vote.value is None and not lost:
                unfound.append(field.name)
        self.doubts.append(Doubt(codec.info.name, item, tuple(votes), tuple(unfound)))
        if dropped:
            self.dropped[codec.info.name, item] = tuple(dropped)
        if problems:
            proposed = {vote.field: None if vote.value is NO_ANSWER else vote.value for vote in votes}
            return await self._settle(codec, codec.info.on_failure, proposed, problems, None, check, item)
        value: T = self._classes[codec.info.class_name](**typed)
        return await self._checked(codec, value, None, arguments, check, item)

    async def failed(
        self,
        step: str,
        proposed: T | None,
        returns: type[T],
        *,
        problems: Sequence[str],
        check: Check[T] | None = None,
        item: int = 0,
    ) -> T:
        codec = self._codec(step)
        shown = None if proposed is None else _shown(codec, proposed)
        return await self._settle(codec, codec.info.on_failure, shown, list(problems), returns, check, item)

    async def each(self, requests: Sequence[Awaitable[T]]) -> tuple[T, ...]:
        if self._branch is not None:
            for request in requests:
                getattr(request, "close", _nothing)()
            raise StepFailed("A list inside a list cannot be gone through.", details=_details("", "crashed"))
        return await self._run_all([_Branch(index, request.__await__()) for index, request in enumerate(requests)])

    async def today(self) -> date:
        return date.fromisoformat(await self._read("today", attempt=0))

    async def now(self) -> datetime:
        return datetime.fromisoformat(await self._read("clock"))

    async def new_id(self) -> str:
        return await self._read("id")

    async def _read(self, kind: Literal["today", "clock", "id"], *, attempt: int | None = None) -> str:
        """Reads a clock or an id. Within a `for_each`, each item counts its own readings."""
        item = (self._branch or 0) if attempt is None else 0
        count = self._count(kind, kind, item) if attempt is None else attempt
        effect = await self._ask(EffectRequest(kind, kind, item, count, {}))
        if effect.state != "succeeded" or not isinstance(effect.result, str):
            raise StepFailed(f"The effect {kind!r} could not be read.", details=_details(kind, "step_failed"))
        return effect.result

    @coroutine
    def _ask(self, request: EffectRequest) -> Generator[Requests, None, EffectLike]:
        key = request.key
        while key not in self._recorded:
            yield (request,)
        effect = self._recorded[key]
        if effect.request is not request.payload and digest_json(effect.request) != digest_json(request.payload):
            raise StepFailed(
                f"Step {request.step!r} asks for something else than was recorded for it ({request.kind}, "
                f"item {request.item}, attempt {request.attempt}): the replay diverged.",
                details=_details(request.step, "diverged"),
            )
        self.used.add(key)
        return effect

    @coroutine
    def _run_all(self, branches: list[_Branch]) -> Generator[Requests, None, tuple[Any, ...]]:
        waiting = branches
        while True:
            for branch in waiting:
                if all(request.key in self._recorded for request in branch.requests):
                    self._branch = branch.index
                    branch.step()
            self._branch = None
            waiting = [branch for branch in waiting if branch.requests]
            if not waiting:
                break
            yield tuple(request for branch in waiting for request in branch.requests)
        for branch in branches:
            if branch.fault is not None:
                raise branch.fault
        return tuple(branch.result for branch in branches)

    async def _in_doubt(
        self, codec: StepCodec, effect: EffectLike, returns: type[T], check: Check[T] | None, item: int
    ) -> T:
        problems = [f"it is not known whether this {effect.kind} was carried out"]
        return await self._settle(codec, "review", None, problems, returns, check, item)

    async def _settle(
        self,
        codec: StepCodec,
        policy: OnFailure,
        proposed: Any,
        problems: list[str],
        returns: type[T] | None,
        check: Check[T] | None,
        item: int,
    ) -> T:
        """Applies a failure policy. `proposed` is JSON here: it need not fit the schema."""
        name = codec.info.name
        returns = returns or self._classes[codec.info.class_name]
        if policy == "review":
            packs = f" ({', '.join(codec.info.packs)})" if codec.info.packs else ""
            reason = f"Step {name!r} gave no valid result{packs}."
            decided = await self._decided(codec, proposed, reason, problems, check, item)
            value = _accept_json(codec, proposed, check) if decided is _APPROVED else decided
            return _typed(value, returns, name)
        if policy == "fallback":
            self.stood_in.append(StoodIn(name, item, tuple(problems)))
            return _typed(_fallback(codec), returns, name)
        raise StepFailed(
            f"Step {name!r} gave no valid result: {'; '.join(problems) or 'no reason was given'}.",
            details=_details(name, "step_failed", problems),
        )

    async def _decided(
        self, codec: StepCodec, proposed: Any, reason: str, problems: list[str], check: Check[T] | None, item: int
    ) -> Any:
        """Waits for a person; returns `_APPROVED`, or the corrected typed value."""
        name = codec.info.name
        payload = {"proposed": proposed, "reason": reason, "problems": problems}
        attempt = self._count(name, "review", item)
        effect = await self._ask(EffectRequest(name, "review", item, attempt, payload))
        decision = effect.result if effect.state == "succeeded" and isinstance(effect.result, dict) else {}
        action, by, why = (decision.get(key) for key in ("action", "by", "reason"))
        if not (isinstance(by, str) and by.strip() and isinstance(why, str) and why.strip()):
            raise _refused(codec, ["a decision names who decided (by) and why (reason)"])
        if action == "approve":
            return _APPROVED
        if action == "correct":
            return _accept_json(codec, decision.get("value"), check)
        if action == "reject":
            raise StepFailed(f"Step {name!r} was rejected by {by}: {why}", details=_details(name, "rejected", [why]))
        raise _refused(codec, [f"unknown action {action!r}; known: approve, correct, reject"])

    def _codec(self, step: str, kind: str | None = None) -> StepCodec:
        codec = self._steps.get(step)
        if codec is None or (kind is not None and codec.info.kind != kind):
            raise StepFailed(f"Step {step!r} is not declared as {kind or 'a step'}.", details=_details(step, "crashed"))
        return codec

    def _count(self, step: str, kind: str, item: int) -> int:
        key = (step, kind, item, 0)
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        return count


class _Branch:
    """One item of a `for_each`: its coroutine, what it waits for, and how it ended."""

    __slots__ = ("fault", "index", "requests", "result", "_steps")

    def __init__(self, index: int, steps: Generator[Any, Any, Any]) -> None:
        self.index = index
        self.requests: Requests = ()
        self.result: Any = None
        self.fault: Exception | None = None
        self._steps = steps

    def step(self) -> None:
        try:
            self.requests = next(self._steps)
        except StopIteration as end:
            self.requests, self.result = (), end.value
        except Exception as fault:
            # Kept, so that the other items finish: which fault ends the run must not depend on timing.
            self.requests, self.fault = (), fault


_APPROVED = object()


_PLACE = re.compile(r"\{\{|\}\}|\{(\w+)\}")


def _nothing() -> None:
    return None


def _question(text: str, given: Mapping[str, Any]) -> str:
    """Puts the arguments into a question: `{name}`; `{{` and `}}` are braces."""

    def put(match: re.Match[str]) -> str:
        value = given.get(match[1]) if match[1] else match[0][0]
        return "" if value is None else value if isinstance(value, str) else canonical_json(value)

    return _PLACE.sub(put, text)


def _details(step: str, code: str, problems: Sequence[str] = ()) -> dict[str, Any]:
    return {"step": step, "code": code, "problems": list(problems)}


def _strange(layouts: Layouts, document: object) -> str:
    """Says why the layout of a document is unfamiliar; nothing if it is familiar."""
    nearest = layouts.nearest(fingerprint(document))
    if nearest >= layouts.least:
        return ""
    return f"the layout is unfamiliar: likeness {nearest:.3f} to the nearest known one, {layouts.least} is needed"


def _refused(codec: StepCodec, problems: Sequence[str]) -> StepFailed:
    name = codec.info.name
    return StepFailed(
        f"The decision on step {name!r} cannot stand: {'; '.join(problems)}.",
        details=_details(name, "decision", problems),
    )


def _faults(check: Check[T] | None, value: T) -> tuple[str, ...]:
    """What a step's validation says; a check that crashes is a check that failed."""
    if check is None:
        return ()
    try:
        return tuple(check(value))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as fault:
        return (f"the validation could not be evaluated ({type(fault).__name__})",)


def _accept(codec: StepCodec, value: T, check: Check[T] | None) -> None:
    problems = _faults(check, value)
    if problems:
        raise _refused(codec, problems)


def _accept_json(codec: StepCodec, shown: Any, check: Check[T] | None) -> Any:
    """Decodes what a person (or a fallback) gives for a step, strictly, and holds it against the validation."""
    if shown is None:
        raise _refused(codec, ["there is no result to approve; correct it or reject it"])
    try:
        value = codec.decode(shown)
    except Mismatch as fault:
        raise _refused(codec, [str(fault)]) from None
    _accept(codec, value, check)
    return value


def _fallback(codec: StepCodec) -> Any:
    try:
        return codec.decode(codec.info.fallback)
    except Mismatch as fault:
        name = codec.info.name
        raise StepFailed(
            f"The fallback of step {name!r} does not fit its result: {fault}.", details=_details(name, "crashed")
        ) from None


def _shown(codec: StepCodec, proposed: Any) -> Any:
    """The proposed result as JSON, or nothing if it does not even fit its type."""
    try:
        return codec.encode(proposed)
    except Mismatch:
        return None


def _typed(value: Any, returns: type[T], step: str) -> T:
    if not isinstance(value, returns):
        raise StepFailed(f"Step {step!r} does not yield {returns.__name__}.", details=_details(step, "crashed"))
    return value
