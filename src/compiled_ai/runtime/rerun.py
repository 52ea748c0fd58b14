"""What another artifact would have decided: one run (`rerun`), or all of them (`impact`).

A run is replayed under the other artifact with the effects that are on record. Where that artifact asks for
something that is not, the answer is "not known", never a call, unless live effects are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import CompiledAIError, InputError, UsageError
from compiled_ai.records import RunRecord
from compiled_ai.runtime.explain import ArtifactSource, differences
from compiled_ai.runtime.loading import ArtifactLike, as_program
from compiled_ai.runtime.local import Answers, ModelSource, answer_all, effects_of
from compiled_ai.runtime.stepper import Done, EffectLike, Failed, Outcome, Program, Stepping
from compiled_ai.runtime.tracing import Mark, Trace, Traced, trace_run

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

Standing = Literal["completed", "failed", "review", "not known", "input refused"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one artifact makes of a run."""

    artifact: str
    status: Standing
    """`not known`: an effect is asked for that is not on record. `input refused`: the input does not fit."""
    output: Any = None
    reason: str = ""
    """The `reason` of the output if it has one, else the last branch taken, or why there is no decision."""
    missing: tuple[str, ...] = ()
    """Effects that are not on record, as `step (kind)`."""

    def to_json(self) -> dict[str, Any]:
        shown = {"artifact": self.artifact, "status": self.status, "output": self.output, "reason": self.reason}
        return {**shown, "missing": list(self.missing)}

    def text(self) -> str:
        output = "" if self.output is None else f" {canonical_json(self.output)}"
        reason = f"\n              {self.reason}" if self.reason else ""
        return f"{self.artifact[:12]}  {self.status}{output}{reason}"


@dataclass(frozen=True, kw_only=True)
class Parting:
    """Where two replays part: a line on each side, as far as there is one."""

    first: Mark | None = None
    second: Mark | None = None

    @property
    def responsible(self) -> str:
        """The rule, row or line that a change is put down to: a row, a branch that only one side takes, or a return."""
        now = next((mark for mark in (self.second, self.first) if mark is not None and mark.rows), None)
        if now is not None:
            before = self.first.rows if self.first is not None else ()
            instead = f" (before: {_rows_named(before)})" if before and before != now.rows else ""
            return f"{now.function}: {_rows_named(now.rows)}{instead}"
        for mark in (self.second, self.first):
            if mark is not None and mark.kind == "branch":
                return f"{mark.function}: {mark.text}"
        mark = self.second or self.first
        return f"{mark.function}: {mark.text}" if mark else "a computed value"

    def to_json(self) -> dict[str, Any]:
        return {
            "responsible": self.responsible,
            "first": None if self.first is None else _mark_json(self.first),
            "second": None if self.second is None else _mark_json(self.second),
        }


def _rows_named(rows: Sequence[str]) -> str:
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(rows)}"


def _mark_json(mark: Mark) -> dict[str, Any]:
    told = {"function": mark.function, "line": mark.line, "text": mark.text, "kind": mark.kind}
    return {**told, "values": dict(mark.values), "rows": list(mark.rows)}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One run under two artifacts."""

    run_id: str
    first: Decision
    second: Decision
    same: bool
    parting: Parting | None = None
    """The first line where they part; `None` if they decide the same."""
    notes: tuple[str, ...] = ()
    """What limits the comparison: other prompts, an environment or record that does not reproduce."""

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "same": self.same,
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "parting": None if self.parting is None else self.parting.to_json(),
            "notes": list(self.notes),
        }

    def text(self) -> str:
        parts = [f"Run {self.run_id}", self.first.text(), self.second.text()]
        parts.append("The same decision." if self.same else "Another decision.")
        if self.parting is not None:
            parts += [f"They part at: {self.parting.responsible}", *_sides(self.parting)]
        return "\n".join([*parts, *(f"Note: {note}" for note in self.notes)])


def _sides(parting: Parting) -> list[str]:
    sides = []
    for name, mark in (("first", parting.first), ("second", parting.second)):
        if mark is None:
            sides.append(f"  {name:6}  (ends before)")
            continue
        values = ", ".join(f"{key} = {value}" for key, value in mark.values)
        read = f"   [{values}]" if values else ""
        rows = f"{_rows_named(mark.rows)}: " if mark.rows else ""
        result = f" = {mark.result}" if mark.result else ""
        sides.append(f"  {name:6}  line {mark.line}, {mark.function}: {rows}{mark.text}{result}{read}")
    return sides


# ---------------------------------------------------------------------------------------------- one run


def rerun(
    run_id: str,
    other: Program | ArtifactLike,
    *,
    store: RunStore,
    artifacts: ArtifactSource,
    live_effects: bool = False,
    model: ModelSource = None,
) -> Comparison:
    """Replays a stored run under another artifact and compares the decisions.

    Args:
        run_id: The run, or the beginning of its id.
        other: The artifact to try.
        store: Where the run is; nothing is written.
        artifacts: Gives the artifact that the run was made with.
        live_effects: Call what the other artifact asks for and is not on record, as far as that changes nothing.
        model: Who serves those calls.
    """
    record = store.load(run_id)
    program = as_program(artifacts(record.artifact))
    effects = effects_of(store, record, program)
    live = Answers(model, only_reads=True) if live_effects else None
    return _compare(record, program, as_program(other), effects, live)


def _compare(
    record: RunRecord, first: Program, second: Program, effects: Sequence[EffectLike], live: Answers | None
) -> Comparison:
    was = trace_run(first, record.input, effects)
    notes = [f"the record does not reproduce: {fault}" for fault in differences(record, was)]
    notes += _prompt_notes(first, second, effects)
    before = _decision(first, was.outcome, was.trace)
    try:
        now = _under(second, record.input, effects, live)
    except InputError as fault:
        after = Decision(artifact=second.digest, status="input refused", reason=fault.message)
        return Comparison(run_id=record.run_id, first=before, second=after, same=False, notes=tuple(notes))
    after = _decision(second, now.outcome, now.trace)
    same = _same(before, after)
    parting = None if same else part(was.trace, now.trace)
    return Comparison(run_id=record.run_id, first=before, second=after, same=same, parting=parting, notes=tuple(notes))


def _under(program: Program, given: Any, effects: Sequence[EffectLike], live: Answers | None) -> Traced:
    """A replay with the recorded effects; an effect that was recorded for another request counts as not recorded."""
    usable = _usable(program, given, effects)
    if live is not None:
        with Stepping(program, given, usable) as stepping:
            answer_all(stepping, stepping.advance(), live)
            usable = stepping.effects
    return trace_run(program, given, usable)


def _usable(program: Program, given: Any, effects: Sequence[EffectLike]) -> tuple[EffectLike, ...]:
    """Leaves out, one by one, effects whose request this artifact does not make."""
    left = list(effects)
    while True:
        with Stepping(program, given, left) as stepping:
            outcome = stepping.advance()
            if not (isinstance(outcome, Failed) and outcome.code == "diverged"):
                return tuple(left)
            unread = {effect.key for effect in stepping.unused}
            culprit = next((each for each in left if each.step == outcome.step and each.key in unread), None)
        if culprit is None:
            return tuple(left)
        left.remove(culprit)


def _decision(program: Program, outcome: Outcome, trace: Trace) -> Decision:
    if isinstance(outcome, Done):
        reason = outcome.output.get("reason") if isinstance(outcome.output, dict) else None
        return Decision(
            artifact=program.digest,
            status="completed",
            output=outcome.output,
            reason=reason if isinstance(reason, str) else _last_branch(trace),
        )
    if isinstance(outcome, Failed):
        return Decision(artifact=program.digest, status="failed", reason=outcome.error)
    missing = tuple(f"{request.step} ({request.kind})" for request in outcome.requests)
    reviews = all(request.kind == "review" for request in outcome.requests)
    why = outcome.requests[0].payload.get("reason", "") if reviews else "an effect is not on record"
    return Decision(artifact=program.digest, status="review" if reviews else "not known", reason=why, missing=missing)


def _last_branch(trace: Trace) -> str:
    taken = [mark for mark in trace.marks if mark.kind == "branch"]
    return taken[-1].text if taken else ""


def _same(before: Decision, after: Decision) -> bool:
    return before.status == after.status and canonical_json(_decided(before)) == canonical_json(_decided(after))


def _decided(decision: Decision) -> Any:
    """The output without its `reason`, where it has an outcome: a rule that is worded anew decides nothing else."""
    output = decision.output
    if isinstance(output, dict) and {"outcome", "reason"} <= output.keys():
        return {name: value for name, value in output.items() if name != "reason"}
    return output


def part(first: Trace, second: Trace) -> Parting:
    """Finds the first thing that only one side does: a branch that it takes, or another value that it returns.

    Branches that are not taken are passed over: a rule that was added and does not apply parts nothing.
    """
    ones, others = first.marks, second.marks
    for index, (one, other) in enumerate(zip(ones, others, strict=False)):
        if not _alike(one, other) and not _lead_to_the_same(ones[index:], others[index:]):
            return Parting(first=one, second=other)
    shared = min(len(ones), len(others))
    if len(ones) != len(others):
        return Parting(
            first=ones[shared] if len(ones) > shared else None, second=others[shared] if len(others) > shared else None
        )
    return _by_values(first, second)


def _alike(one: Mark, other: Mark) -> bool:
    return (one.function, one.kind, one.text, one.result) == (other.function, other.kind, other.text, other.result)


def _lead_to_the_same(ones: Sequence[Mark], others: Sequence[Mark]) -> bool:
    """Two conditions that read differently, but hold in both and lead to the same next thing."""
    if ones[0].kind != "branch" or others[0].kind != "branch" or len(ones) < 2 or len(others) < 2:
        return False
    return _alike(ones[1], others[1])


def _by_values(first: Trace, second: Trace) -> Parting:
    """Both went the same way: the first function that returned something else is responsible."""
    for one, other in zip(first.calls, second.calls, strict=False):
        if one.result != other.result:
            return Parting(
                first=Mark(one.function, one.line, f"result {one.result}", "return", one.arguments),
                second=Mark(other.function, other.line, f"result {other.result}", "return", other.arguments),
            )
    return Parting()


def _prompt_notes(first: Program, second: Program, effects: Sequence[EffectLike]) -> list[str]:
    """A recorded reply answers the prompt (or the call) of its artifact; say so where the other one asks otherwise."""
    notes = []
    for step in dict.fromkeys(effect.step for effect in effects if effect.kind == "bounded"):
        one, other = first.steps.get(step), second.steps.get(step)
        if one and other and (one.prompt, one.model, one.result) != (other.prompt, other.model, other.result):
            notes.append(f"step {step!r} asks its model otherwise in the second artifact; the recorded reply was used")
    for step in dict.fromkeys(effect.step for effect in effects if effect.kind == "call"):
        one, other = first.steps.get(step), second.steps.get(step)
        if one and other and (one.module, one.settings, one.provider) != (other.module, other.settings, other.provider):
            notes.append(f"step {step!r} calls otherwise in the second artifact; the recorded result was used")
    return notes


# ---------------------------------------------------------------------------------------------- all runs


@dataclass(frozen=True, kw_only=True)
class Group:
    """Decisions that change for the same reason."""

    responsible: str
    """The rule, row or line that parts them."""
    change: str
    """From what to what, as far as an outcome can be named."""
    runs: tuple[str, ...]
    example: Comparison

    def to_json(self) -> dict[str, Any]:
        told = {"responsible": self.responsible, "change": self.change, "count": len(self.runs)}
        return {**told, "runs": list(self.runs), "example": self.example.to_json()}


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What would change if the second artifact had decided."""

    first: str
    second: str
    examined: int
    same: int
    groups: tuple[Group, ...] = ()
    """Largest first."""
    not_known: tuple[str, ...] = ()
    """Runs that need an effect which is not on record."""
    not_readable: Mapping[str, str] = field(default_factory=dict)
    """Runs that cannot be replayed (altered, purged, key missing), and why."""

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "second": self.second,
            "examined": self.examined,
            "same": self.same,
            "changed": sum(len(group.runs) for group in self.groups),
            "groups": [group.to_json() for group in self.groups],
            "not_known": list(self.not_known),
            "not_readable": dict(self.not_readable),
        }

    def text(self) -> str:
        changed = sum(len(group.runs) for group in self.groups)
        parts = [
            f"{self.first[:12]} -> {self.second[:12]}: {self.examined} runs examined, {self.same} the same, "
            f"{changed} would change, {len(self.not_known)} not known, {len(self.not_readable)} not readable"
        ]
        for group in self.groups:
            parts.append(f"{len(group.runs):6}  {group.change}  by {group.responsible}  (for example {group.runs[0]})")
        return "\n".join(parts)


def impact(
    first: Program | ArtifactLike,
    second: Program | ArtifactLike,
    *,
    store: RunStore,
    since: str | None = None,
) -> Impact:
    """Reruns every run of the first artifact under the second, and groups the decisions that would change.

    Runs that wait, and runs that failed, are examined like the completed ones. Raises `UsageError` if the two are
    the same artifact.
    """
    one, other = as_program(first), as_program(second)
    if one.digest == other.digest:
        raise UsageError(f"Both are artifact {one.digest[:12]!r}.", remedy="Name two different artifacts.")
    compared: list[Comparison] = []
    unreadable: dict[str, str] = {}
    for summary in store.list(artifact=one.digest, since=since, limit=None):
        try:
            record = store.load(summary.run_id)
            compared.append(_compare(record, one, other, effects_of(store, record, one), None))
        except CompiledAIError as fault:
            unreadable[summary.run_id] = fault.message
    changed = [each for each in compared if not each.same and each.second.status != "not known"]
    return Impact(
        first=one.digest,
        second=other.digest,
        examined=len(compared),
        same=sum(each.same for each in compared),
        groups=_grouped(changed, _short_fields(one)),
        not_known=tuple(each.run_id for each in compared if not each.same and each.second.status == "not known"),
        not_readable=unreadable,
    )


def _short_fields(program: Program) -> list[str]:
    """Outputs by which changes can be told apart: enumerations first, then words and truth values."""
    fields = program.output_type.fields
    named = [part.name for part in fields if part.type.enum]
    words = [part.name for part in fields if part.type.kind in ("string", "text", "boolean") and part.name != "reason"]
    return [*named, *(name for name in words if name not in named)]


def _grouped(changed: Sequence[Comparison], fields: Sequence[str]) -> tuple[Group, ...]:
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for each in changed:
        responsible = each.parting.responsible if each.parting else each.second.reason
        groups.setdefault((responsible, _change(each, fields)), []).append(each)
    sizes = Counter({key: len(members) for key, members in groups.items()})
    return tuple(
        Group(
            responsible=key[0],
            change=key[1],
            runs=tuple(each.run_id for each in groups[key]),
            example=groups[key][0],
        )
        for key, _ in sizes.most_common()
    )


def _change(each: Comparison, fields: Sequence[str]) -> str:
    """From what to what: the outcome, else the first short field that differs, else the status."""
    before, after = each.first.output, each.second.output
    for name in ("outcome", *fields):
        if isinstance(before, dict) and isinstance(after, dict) and before.get(name) != after.get(name):
            return f"{before.get(name)} -> {after.get(name)}"
    return f"{_named(each.first)} -> {_named(each.second)}"


def _named(decision: Decision) -> str:
    output = decision.output
    if isinstance(output, dict) and isinstance(output.get("outcome"), str):
        return str(output["outcome"])
    return decision.status


__all__ = ["Comparison", "Decision", "Group", "Impact", "Parting", "impact", "part", "rerun"]
