"""`explain RUN`: the decision, replayed line by line, with everything that stands behind each line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import RecordAltered, RunFailed
from compiled_ai.library.types import FieldType
from compiled_ai.records import RunRecord
from compiled_ai.runtime.loading import ArtifactLike, as_program
from compiled_ai.runtime.local import as_effect, effects_of
from compiled_ai.runtime.stepper import Done, Failed, Pending, Program
from compiled_ai.runtime.tracing import Trace, Traced, row_comments, trace_run

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

ExplainVerdict = Literal["reproduced", "environment differs", "record altered"]
ArtifactSource = Callable[[str], "Program | ArtifactLike"]
"""Gives the verified artifact (or the program) of a digest."""
_QUIET_LINES = 3


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of `workflow.py`, and what happened on it."""

    number: int
    text: str
    executed: int = 0
    """How often it ran."""
    values: tuple[Mapping[str, str], ...] = ()
    """At a branch: what it read, for the first few visits."""
    taken: tuple[bool, ...] = ()
    specification_line: int | None = None

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"line": self.number, "text": self.text, "executed": self.executed}
        if self.specification_line is not None:
            shown["specification_line"] = self.specification_line
        if self.values:
            shown |= {"values": [dict(values) for values in self.values], "taken": list(self.taken)}
        return shown


@dataclass(frozen=True, slots=True)
class Origin:
    """The place in the source that an output came from."""

    field: str
    place: Any
    """Spans as JSON (`library.places`), or `{"dropped": REASON}`."""
    text: str | None = None
    """The words at that place, where the run has one text to look in."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything that `explain` shows."""

    run_id: str
    verdict: ExplainVerdict
    differences: tuple[str, ...] = ()
    """What changed in the environment, or how the replay and the record differ."""
    artifact: str = ""
    workflow: str = ""
    status: str = ""
    input: Any = None
    output: Any = None
    error: str | None = None
    lines: tuple[SourceLine, ...] = ()
    calls: tuple[Mapping[str, Any], ...] = ()
    """Each function that ran: name, line, arguments, result."""
    rows: tuple[Mapping[str, Any], ...] = ()
    """Each row of a decision table that decided: function, id, line of `workflow.py`, cells as written."""
    votes: tuple[Mapping[str, Any], ...] = ()
    """Each step with several functions: step, item, and per field what each function said and what came of it."""
    abstained: tuple[Mapping[str, Any], ...] = ()
    """What is null because nobody can be sure: step, item, field, reason."""
    stood_in: tuple[Mapping[str, Any], ...] = ()
    """Each step whose fallback stood in for a result: step, item, problems."""
    effects: tuple[Mapping[str, Any], ...] = ()
    origins: tuple[Origin, ...] = ()
    specification: Mapping[int, str] = field(default_factory=dict)
    """Line of the specification to its text, for the lines referred to."""
    truncated: bool = False
    """The replay was too long to follow to its end."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; numbers inside values are text, as shown."""
        return {
            "run_id": self.run_id,
            "verdict": self.verdict,
            "differences": list(self.differences),
            "artifact": self.artifact,
            "workflow": self.workflow,
            "status": self.status,
            "input": self.input,
            "output": self.output,
            "error": self.error,
            "lines": [line.to_json() for line in self.lines],
            "calls": [dict(call) for call in self.calls],
            "rows": [dict(row) for row in self.rows],
            "votes": [dict(vote) for vote in self.votes],
            "abstained": [dict(each) for each in self.abstained],
            "stood_in": [dict(each) for each in self.stood_in],
            "effects": [dict(effect) for effect in self.effects],
            "evidence": [
                {"field": origin.field, "place": origin.place, "text": origin.text} for origin in self.origins
            ],
            "specification": {str(line): text for line, text in self.specification.items()},
            "truncated": self.truncated,
        }

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{escape(self.text())}</pre>"

    def text(self) -> str:
        """The explanation as a page of plain text."""
        told = (
            self._rows(),
            self._votes(),
            self._abstained(),
            self._source(),
            self._effects(),
            self._stood_in(),
            self._origins(),
        )
        return "\n".join([self._head(), *(line for lines in told for line in lines), self._end()])

    def _head(self) -> str:
        title = f"Run {self.run_id}" + (f" of {self.workflow}, artifact {self.artifact[:12]}" if self.workflow else "")
        decided = canonical_json(self.output) if self.output is not None else self.error or "no decision"
        return f"{title}\n{self.status}: {decided}" if self.status else title

    def _rows(self) -> list[str]:
        if not self.rows:
            return []
        return ["", "Rows that decided:", *(f"  {row['function']}: {row['text']}" for row in self.rows)]

    def _votes(self) -> list[str]:
        if not self.votes:
            return []
        parts = ["", "What the functions of a committee say:"]
        for each in self.votes:
            parts += [f"  {_item_of(each)}, {_vote(vote)}" for vote in each["votes"]]
        return parts

    def _abstained(self) -> list[str]:
        """What stays null without a vote: the votes say it themselves."""
        voted = {(vote["step"], vote["item"]) for vote in self.votes}
        left = [each for each in self.abstained if (each["step"], each["item"]) not in voted]
        told = [f"  {_item_of(each)}, {each['field']}: {each['reason']}" for each in left]
        return ["", "Not answered (null):", *told] if told else []

    def _stood_in(self) -> list[str]:
        """Fallbacks of steps that have no effect whose line could say so."""
        asked = {(effect["step"], effect["item"]) for effect in self.effects}
        left = [each for each in self.stood_in if (each["step"], each["item"]) not in asked]
        told = [f"  {_item_of(each)}: {'; '.join(each['problems'])}" for each in left]
        return ["", "A fallback stood in:", *told] if told else []

    def _source(self) -> list[str]:
        if not self.lines:
            return []
        last: int | None = None
        parts = ["", "  (> ran; right of #: line of the specification)"]
        for line in _worth_showing(self.lines):
            if last is not None and line.number > last + 1:
                parts.append("         ...")
            last = line.number
            behind = "" if line.specification_line is None else f"#{line.specification_line}"
            mark = ">" if line.executed else " "
            parts.append(f"{mark} {line.number:5} {behind:>5}  {line.text}{_said(line)}")
        return parts

    def _effects(self) -> list[str]:
        if not self.effects:
            return []
        parts = ["", "Effects:"]
        stood_in = {(each["step"], each["item"]): "; ".join(each["problems"]) for each in self.stood_in}
        last = {(effect["step"], effect["item"]): effect for effect in self.effects}
        for effect in self.effects:
            key = (effect["step"], effect["item"])
            end = f"; {stood_in[key]}: the fallback stood in" if key in stood_in and last[key] is effect else ""
            which = "".join(f", {name} {effect[name]}" for name in ("item", "attempt") if effect[name])
            what = canonical_json(effect["result"]) if effect["result"] is not None else effect["error"] or "no result"
            told = f"{effect['state']}, {effect['origin']}: {what}{end}"
            parts.append(f"  {effect['step']} ({effect['kind']}{which}) {told}")
        return parts

    def _origins(self) -> list[str]:
        read = [origin for origin in self.origins if isinstance(origin.place, list)]
        dropped = [origin for origin in self.origins if isinstance(origin.place, dict)]
        parts = ["", "Read from the source:", *(f"  {one.field}: {_where(one)}" for one in read)] if read else []
        if dropped:
            parts += ["", "Left out (null):", *(f"  {one.field}: {one.place['dropped']}" for one in dropped)]
        return parts

    def _end(self) -> str:
        told = f": {'; '.join(self.differences)}" if self.differences else ""
        cut = " (the replay was too long to follow to its end)" if self.truncated else ""
        return f"\n{self.verdict}{told}{cut}"


def _item_of(told: Mapping[str, Any]) -> str:
    return f"{told['step']}, item {told['item']}" if told["item"] else str(told["step"])


def _vote(vote: Mapping[str, Any]) -> str:
    """One field: the answer with most votes, what the others say, and why it is null."""
    said: dict[str, int] = {}
    for answer in vote["answers"]:
        text = canonical_json(answer["value"]) if "value" in answer else "nothing"
        said[text] = said.get(text, 0) + 1
    listed = ", ".join(f"{count} of {vote['of']} say {text}" for text, count in said.items())
    return f"{vote['field']}: {listed}" + (f"; null, since {vote['reason']}" if vote["abstains"] else "")


def _worth_showing(lines: tuple[SourceLine, ...]) -> list[SourceLine]:
    """The lines that ran inside functions, with a little around them."""
    ran = {line.number for line in lines if line.executed}
    near = {number + step for number in ran for step in range(-_QUIET_LINES, _QUIET_LINES + 1)}
    return [line for line in lines if line.number in near]


def _said(line: SourceLine) -> str:
    parts = []
    for index, values in enumerate(line.values):
        listed = ", ".join(f"{name} = {value}" for name, value in values.items())
        way = {True: " -> yes", False: " -> no"}[line.taken[index]] if index < len(line.taken) else ""
        parts.append(f"{listed}{way}")
    more = f" (ran {line.executed} times)" if line.executed > max(1, len(parts)) else ""
    return f"    [{' | '.join(parts)}]{more}" if parts else more and f"   {more}"


def _where(origin: Origin) -> str:
    spans = origin.place if isinstance(origin.place, list) else []
    first = spans[0] if spans else {}
    at = f"box {first['box']}" if "box" in first else f"line {first.get('line')}, column {first.get('column')}"
    at += " (searched)" if first.get("searched") else ""
    return f"{at}: {origin.text!r}" if origin.text is not None else at


# ---------------------------------------------------------------------------------------------- making one


def explain(run_id: str, *, store: RunStore, artifacts: ArtifactSource) -> Explanation:
    """Replays a stored run under a tracer.

    Raises:
        NotFound: No such run, or its artifact is not here.
        ArtifactRefused: The artifact was altered, or is not trusted.
        RunFailed: The record withholds what a replay needs.
    """
    try:
        record = store.load(run_id)
    except RecordAltered as fault:
        return Explanation(run_id=run_id, verdict="record altered", differences=(fault.message,))
    artifact = artifacts(record.artifact)
    program = as_program(artifact)
    _refuse_withheld(record)
    traced = trace_run(program, record.input, effects_of(store, record, program))
    return explain_traced(record, artifact, traced)


def explain_traced(record: RunRecord, artifact: Program | ArtifactLike, traced: Traced) -> Explanation:
    """Puts an explanation together from a record and its traced replay."""
    program = traced.stepping.program
    changed = environment_changes(record, program)
    against = differences(record, traced)
    verdict: ExplainVerdict = "environment differs" if changed else "record altered" if against else "reproduced"
    same = ("the decision is the same",) if changed and not against else ()
    lines = _lines(program, traced.trace, _line_map(artifact, program.source))
    return Explanation(
        run_id=record.run_id,
        verdict=verdict,
        differences=(*changed, *against, *same),
        artifact=record.artifact,
        workflow=record.workflow,
        status=record.status,
        input=record.input,
        output=record.output,
        error=record.error,
        lines=lines,
        calls=tuple(_call(call) for call in traced.trace.calls),
        rows=tuple(_rows_of(traced.trace, program.source)),
        votes=tuple(
            {"step": doubt.step, "item": doubt.item, "votes": [vote.to_json() for vote in doubt.votes]}
            for doubt in traced.stepping.doubts
            if doubt.votes
        ),
        abstained=tuple(traced.stepping.abstained),
        stood_in=tuple(
            {"step": each.step, "item": each.item, "problems": list(each.problems)} for each in traced.stepping.stood_in
        ),
        effects=tuple(_effect(effect) for effect in traced.stepping.effects),
        origins=_origins_of(traced, record.input),
        specification=_specification(artifact, lines),
        truncated=traced.trace.truncated,
    )


def _refuse_withheld(record: RunRecord) -> None:
    parts = [record.input, *(effect.request for effect in record.effects)]
    if any(isinstance(part, dict) and set(part) >= {"withheld"} and "inputs" not in part for part in parts):
        raise RunFailed(
            f"Run {record.run_id!r} cannot be replayed: its record withholds inputs or effects.",
            remedy="That is what the compliance pack's table of sinks says for this workflow.",
        )


def environment_changes(record: RunRecord, program: Program) -> tuple[str, ...]:
    """Names each package, library module or interpreter that is not as it was when the run was made."""
    from compiled_ai.artifact import environment

    now = environment(record.environment)
    return tuple(
        f"{name}: {then} then, {now.get(name, 'absent')} now"
        for name, then in sorted(record.environment.items())
        if now.get(name) != then
    )


def differences(record: RunRecord, traced: Traced) -> tuple[str, ...]:
    """Says in words how a replay differs from what was recorded (empty: it does not)."""
    found = []
    outcome = traced.outcome
    if isinstance(outcome, Failed) and outcome.code == "diverged":
        found.append(outcome.error)
    elif record.status == "completed":
        if not isinstance(outcome, Done):
            found.append(f"the run was completed, the replay is not ({_how(outcome)})")
        elif canonical_json(outcome.output) != canonical_json(record.output):
            found.append(f"the replay decides {canonical_json(outcome.output)}")
        elif isinstance(record.abstained, list) and record.abstained != traced.stepping.abstained:
            found.append("the replay abstains otherwise")
        elif _places_differ(record.evidence, outcome.evidence):
            found.append("the replay reads the same values at other places")
    elif record.status == "failed" and not isinstance(outcome, Failed):
        found.append(f"the run failed, the replay does not ({_how(outcome)})")
    elif record.status in ("review", "waiting") and not isinstance(outcome, Pending):
        found.append(f"the run waits, the replay does not ({_how(outcome)})")
    for effect in traced.stepping.unused:
        if not (isinstance(outcome, Failed) and outcome.code == "diverged"):
            found.append(f"the replay never asks for {effect.step} ({effect.kind}), which is on record")
    return tuple(found)


def _places_differ(recorded: Any, replayed: Any) -> bool:
    """Tells whether places were recorded, and are others now; a pack may have withheld them."""
    if not isinstance(recorded, dict) or "withheld" in recorded:
        return False
    return canonical_json(recorded) != canonical_json(replayed)


def _how(outcome: Any) -> str:
    if isinstance(outcome, Failed):
        return outcome.masked
    if isinstance(outcome, Pending):
        return "waits for " + ", ".join(f"{request.step} ({request.kind})" for request in outcome.requests)
    return "completed"


def _lines(program: Program, trace: Trace, line_map: Mapping[int, int]) -> tuple[SourceLine, ...]:
    lines = []
    for number, text in enumerate(program.source.splitlines(), 1):
        visits = trace.lines.get(number)
        behind = line_map.get(number)
        if visits is None:
            lines.append(SourceLine(number, text, specification_line=behind))
        else:
            values, taken = tuple(visits.values), tuple(visits.taken)
            lines.append(SourceLine(number, text, visits.count, values, taken, behind))
    return tuple(lines)


_LINE_COMMENT = re.compile(r"\s*# (?:phase \d+, )?line (\d+):")


def _line_map(artifact: Program | ArtifactLike, source: str) -> dict[int, int]:
    """Line of `workflow.py` to line of the specification: as compiled, else by the comments in the source."""
    evidence = getattr(artifact, "evidence", None)
    if isinstance(evidence, Path) and (evidence / "line_map.json").is_file():
        mapped = parse_json((evidence / "line_map.json").read_text("utf-8"))
        return {int(number): int(told["line"]) for number, told in mapped.items() if "line" in told}
    found: dict[int, int] = {}
    current: int | None = None
    for number, line in enumerate(source.splitlines(), 1):
        match = _LINE_COMMENT.match(line)
        if match:
            current = int(match[1])
        elif line and not line[0].isspace():
            current = None
        if current is not None:
            found[number] = current
    return found


def _specification(artifact: Program | ArtifactLike, lines: tuple[SourceLine, ...]) -> dict[int, str]:
    identity = getattr(artifact, "identity", None)
    path = identity / "specification.yaml" if isinstance(identity, Path) else None
    if path is None or not path.is_file():
        return {}
    text = path.read_text("utf-8").splitlines()
    wanted = {line.specification_line for line in lines if line.executed and line.specification_line}
    return {number: text[number - 1].strip() for number in sorted(wanted) if number <= len(text)}


def _call(call: Any) -> dict[str, Any]:
    arguments = dict(call.arguments)
    return {"function": call.function, "line": call.line, "arguments": arguments, "result": call.result}


def _rows_of(trace: Trace, source: str) -> Iterator[dict[str, Any]]:
    said = row_comments(source)
    seen = dict.fromkeys((mark.function, row) for mark in trace.marks for row in mark.rows)
    for function, row in seen:
        line, text = said.get((function, row), (None, f"row {row}"))
        yield {"function": function, "row": row, "line": line, "text": text}


def _effect(effect: Any) -> dict[str, Any]:
    told = as_effect(effect)
    names = ("step", "kind", "item", "attempt", "state", "origin", "result", "error", "milliseconds")
    shown = {name: getattr(told, name) for name in names}
    return {**shown, "usage": told.usage.model_dump() if told.usage else None}


def _origins_of(traced: Traced, given: Any) -> tuple[Origin, ...]:
    outcome = traced.outcome
    if not isinstance(outcome, Done):
        return ()
    fields = traced.stepping.program.input_type.fields
    sources = [part.name for part in fields if part.type.kind == "text" or _is_boxes(part.type)]
    source = given.get(sources[0]) if len(sources) == 1 and isinstance(given, dict) else None
    return tuple(Origin(path, place, _words(place, source)) for path, place in outcome.evidence.items())


def _is_boxes(kind: FieldType) -> bool:
    return kind.items is not None and kind.items.kind == "box"


def _words(place: Any, source: Any) -> str | None:
    """The text under the spans of a place; `None` where there is no one text (or page of boxes) to look in."""
    if not isinstance(place, list) or not isinstance(source, (str, list, tuple)):
        return None
    return " ".join(str(_text_at(span, source))[span["start"] : span["end"]] for span in place)


def _text_at(span: Mapping[str, Any], source: Any) -> Any:
    return source if isinstance(source, str) else source[span["box"]][4] if "box" in span else ""


__all__ = [
    "ArtifactSource",
    "Explanation",
    "Origin",
    "SourceLine",
    "differences",
    "environment_changes",
    "explain",
    "explain_traced",
]
