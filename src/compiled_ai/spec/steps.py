"""Steps joined into a flow: what each reads and yields, in the order in which they run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from compiled_ai.capabilities.statement import read_statement
from compiled_ai.errors import suggest
from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.drafts import Draft
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.model import (
    BoundedStep,
    CallStep,
    Check,
    ForEach,
    FunctionStep,
    GoldenCase,
    OnFailure,
    Parameter,
    RuleStep,
    Table,
)
from compiled_ai.spec.reach import Group, Reach, Visible, parameters, reach
from compiled_ai.spec.reading import Folder, Notes, mapping, records, scalar, scalars, text, whole
from compiled_ai.spec.rule_text import RuleReading, read_condition, read_logic
from compiled_ai.spec.types import UNKNOWN
from compiled_ai.spec.values import Fitting, json_fields, locate
from compiled_ai.spec.yaml_source import Fields, Node, Scalar, plain_value

AnyStep = RuleStep | FunctionStep | BoundedStep | CallStep
_GUESSED = {"outcome": FieldType("string"), "reason": FieldType("text")}
"""What a rule that cannot be read is taken to yield."""
_ITEM_IN = re.compile(r"\s*(?P<item>\S.*?)\s+in\s+(?P<list>\S.*?)\s*")


@dataclass
class _Sight:
    """What one step can see, with the item of its `for_each`."""

    reach: Reach
    for_each: ForEach | None = None
    item: Visible | None = None


@dataclass
class Flow:
    """Everything that the steps of one specification share while they are read."""

    inputs: Group
    drafts: list[Draft]
    tables: Mapping[str, Table]
    packs: tuple[str, ...]
    notes: Notes
    folder: Folder
    rules: dict[str, RuleReading] = field(default_factory=dict)
    lost_tables: tuple[str, ...] = ()
    """Reference tables that could not be read: their names are known to be unknown."""
    nameless: tuple[Node, ...] = ()
    """Steps that are no drafts, since not even their names and kinds can be read."""
    lost: set[str] = field(default_factory=set)
    """Steps whose results are unknown, since something is wrong with them."""

    @property
    def complete(self) -> bool:
        """Whether every step yields what its author meant."""
        return not self.nameless and not self.lost

    def follows(self, name: str, *, within: str | None = None) -> bool:
        """Whether a name is unknown (in a step) because something else is wrong, which is told already."""
        head, dotted, _ = name.partition(".")
        if head in self.lost_tables or head in self.lost - {within}:
            return True
        if dotted:
            return bool(self.nameless) and head not in {"inputs", *(draft.name for draft in self.drafts)}
        lost = [draft.node for draft in self.drafts if draft.name in self.lost - {within}]
        return any(_may_yield(node, name) for node in (*self.nameless, *lost))

    def note(self, findings: Iterable[Finding]) -> None:
        """Notes findings of the rule language, except names and types that are unknown because of something else."""
        self.notes.findings.extend(one for one in findings if not self._blames_twice(one))

    def _blames_twice(self, finding: Finding) -> bool:
        name = unknown_name(finding)
        if name is not None:
            return self.follows(name, within=finding.step)
        declared = [*self.inputs.fields, *(each for draft in self.drafts for each in draft.result or ())]
        return "value of unknown type" in finding.message and any(each.type is UNKNOWN for each in declared)

    def groups(self, *, without: str = "") -> list[Group]:
        known = [draft.group() for draft in self.drafts if draft.result is not None and draft.name != without]
        return [self.inputs, *known]


_UNKNOWN_NAME = re.compile(r"Unknown name (?:'(?P<plain>[^']*)'|\"(?P<quoted>[^\"]*)\")\.")


def unknown_name(finding: Finding) -> str | None:
    """The name that a finding of the rule language says is unknown."""
    found = _UNKNOWN_NAME.match(finding.message) if finding.rule == "rules.unknown_name" else None
    return found and (found["plain"] or found["quoted"])


def _may_yield(step: Node, name: str) -> bool:
    """Whether a step that cannot be read may have a field of this name: by its schema, or by what its rule assigns."""
    schema = (step.get("schema") or step.get("returns")) if isinstance(step, Fields) else None
    if isinstance(schema, Fields) and schema.entries:
        return any(entry.key.text == name for entry in schema.entries)
    logic = text(step, "logic")
    if text(step, "type") != "deterministic_rule" or logic is None:
        return True
    return name in _GUESSED or re.search(rf"(?m)(?:^|\b(?:THEN|ELSE)\b|,)\s*{re.escape(name)}\s*=", logic) is not None


def read_steps(flow: Flow) -> tuple[AnyStep, ...]:
    """Returns the steps in the order of execution; what is wrong with them is in the flow's notes."""
    flow.lost |= {each.name for each in flow.drafts if each.result is None and each.kind != "deterministic_rule"}
    _read_rules(flow)
    steps = [_Reader(flow, draft).step() for draft in flow.drafts]
    return _ordered([step for step in steps if step is not None], flow)


# ---------------------------------------------------------------- rules


def _read_rules(flow: Flow) -> None:
    """Reads every rule once what it reads is known; rules may stand before the steps that they read."""
    rules = [draft for draft in flow.drafts if draft.kind == "deterministic_rule"]
    waiting = rules
    while waiting:
        left = [draft for draft in waiting if not _try_rule(draft, flow)]
        if len(left) == len(waiting):
            _report_rules(waiting, flow)
            break
        waiting = left
    if len(rules) > 1 and not waiting:
        _read_again(rules, flow)
    for reading in flow.rules.values():
        flow.note(reading.findings)


def _try_rule(draft: Draft, flow: Flow) -> bool:
    """Whether the rule can be read with what is known by now."""
    findings = Findings()
    reading = _rule(draft, flow, findings)
    if reading is None or findings.errors or _errors(reading):
        return False
    _accept(draft, reading, flow)
    return True


def _errors(reading: RuleReading) -> list[Finding]:
    return [finding for finding in reading.findings if finding.severity == "error"]


def _accept(draft: Draft, reading: RuleReading, flow: Flow) -> None:
    flow.rules[draft.name] = reading
    if not draft.declared:
        draft.result = reading.result


def _read_again(rules: list[Draft], flow: Flow) -> None:
    """Reads the rules with all results in scope: a word taken for an outcome may be the field of a later step."""
    for _ in rules:
        before = [draft.result for draft in rules]
        for draft in rules:
            reading = _rule(draft, flow, Findings())
            if reading is not None:
                flow.rules[draft.name] = reading
                if not _errors(reading):
                    _accept(draft, reading, flow)
        if [draft.result for draft in rules] == before:
            return


def _report_rules(waiting: list[Draft], flow: Flow) -> None:
    """Says what is wrong with rules that cannot be read, with guessed results, so that nothing is blamed twice."""
    for draft in waiting:
        draft.result = draft.result or tuple(Field(name, name, kind) for name, kind in _GUESSED.items())
    left, before = waiting, 0
    while len(left) != before:
        before = len(left)
        left = [draft for draft in left if not _try_rule(draft, flow)]
    flow.lost |= {draft.name for draft in left}
    for draft in left:
        reading = _rule(draft, flow, flow.notes.findings)
        flow.note(_errors(reading) if reading is not None else ())
    for draft in left:
        draft.result = draft.result if draft.declared else None


def _rule(draft: Draft, flow: Flow, findings: Findings) -> RuleReading | None:
    sight = _sight(draft, flow, findings)
    if sight.item is None and draft.node.get("for_each") is not None:
        return None  # nothing can be said of a rule over items that are unknown
    declared = draft.result if draft.declared else None
    source = scalar(draft.node, "logic")
    if source is not None:
        return read_logic(source, sight.reach, flow.tables, draft.name, declared)
    table = mapping(draft.node, "table")
    if table is None:
        return None
    from compiled_ai.spec.decision_tables import read_table  # a specification without rules needs no grammar

    return read_table(table, flow.folder, sight.reach, flow.tables, draft.name, declared, findings)


# ---------------------------------------------------------------- what a step sees


def _sight(draft: Draft, flow: Flow, findings: Findings) -> _Sight:
    groups = flow.groups(without=draft.name)
    outside = reach(groups, clocks=True)
    node = draft.node.get("for_each")
    if node is None:
        return _Sight(outside)
    name, source = _item_and_list(node)
    found = outside.find(source.text) if source is not None else None
    if name is None or source is None:
        return _Sight(outside)
    if found is None:
        if source.text in outside.ambiguous or not flow.follows(source.text, within=draft.name):
            findings.add("unknown_field", outside.unknown(source.text), source.mark, step=draft.name)
        return _Sight(reach(groups, (name, FieldType("json")), clocks=True))
    if found.type.kind != "list":
        message = f"'for_each' goes through a list, and {quote(source.text)} is of type {found.type.kind!r}."
        findings.add("for_each", message, source.mark, step=draft.name)
    if name in outside.keys or name in outside.ambiguous:
        message = f"Item {quote(name)} has the name of a field. Name the item otherwise."
        findings.add("duplicate_name", message, node.mark, step=draft.name)
    kind = found.type.items or FieldType("json")
    list_parameter = parameters([found])[0]
    inside = reach(groups, (name, kind), clocks=True)
    return _Sight(inside, ForEach(name, list_parameter), inside.keys[name])


def _item_and_list(node: Node) -> tuple[str | None, Scalar | None]:
    if isinstance(node, Fields):
        return text(node, "item"), scalar(node, "in")
    match = _ITEM_IN.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None or not isinstance(node, Scalar):
        return None, None
    mark = replace(node.rule_mark, column=node.rule_mark.column + match.start("list"))
    return match["item"], Scalar(match["list"], True, mark, match["list"], mark)


# ---------------------------------------------------------------- one step


class _Reader:
    def __init__(self, flow: Flow, draft: Draft) -> None:
        self.flow = flow
        self.draft = draft
        self.node = draft.node
        self.notes = flow.notes
        findings = (
            Findings() if draft.kind == "deterministic_rule" and draft.name not in flow.rules else flow.notes.findings
        )
        self.sight = _sight(draft, flow, findings)

    def step(self) -> AnyStep | None:
        """Returns the finished step, or None where its result is unknown."""
        make = {
            "deterministic_rule": self._rule,
            "function": self._function,
            "bounded_invocation": self._bounded,
            "call": self._call,
        }[self.draft.kind]
        if self.draft.result is None:
            return None
        return make()

    def _add(self, rule: str, message: str, node: Node) -> None:
        self.notes.findings.add(rule, message, node.mark, step=self.draft.name)

    def _common(self, result: tuple[Field, ...], read: tuple[Parameter, ...]) -> dict[str, Any]:
        policy = self._on_failure()
        return {
            "name": self.draft.name,
            "identifier": self.draft.identifier,
            "class_name": self.draft.class_name,
            "mark": self.draft.mark,
            "description": text(self.node, "description") or "",
            "result": result,
            "parameters": read,
            "when": self._when(),
            "for_each": self.sight.for_each,
            "validation": self._validation(result),
            "on_failure": policy,
            "fallback": self._fallback(result, policy),
        }

    # ------------------------------------------------------------ kinds

    def _rule(self) -> RuleStep | None:
        reading = self.flow.rules.get(self.draft.name)
        if reading is None:
            return None
        result = reading.result
        if reading.outcomes and not self.draft.declared:
            words = ", ".join(reading.outcomes)
            reason = "bare words in outcome position that are no field form the step's enumeration"
            self.notes.default(f"{self.draft.path}.schema.outcome", words, reason, reading.mark)
        if not self.draft.declared:
            names = ", ".join(f"{each.name}: {_spoken(each.type)}" for each in result)
            self.notes.default(
                f"{self.draft.path}.schema", names, "the rule's own results, with their types", reading.mark
            )
        common = self._common(result, parameters(reading.reads))
        return RuleStep(**common, logic=reading.logic, source_text=reading.text, logic_mark=reading.mark)

    def _function(self) -> FunctionStep:
        prose = scalar(self.node, "logic") or scalar(self.node, "description")
        said = prose.text if prose else ""
        read = self._inputs(said)
        result = self.draft.result or ()
        return FunctionStep(
            **self._common(result, read),
            prose=said.strip(),
            prose_mark=prose.rule_mark if prose else self.draft.mark,
            examples=self._examples(read, result),
        )

    def _bounded(self) -> BoundedStep:
        said = text(self.node, "instructions") or ""
        read = self._inputs(f"{said}\n{text(self.node, 'description') or ''}")
        model = text(self.node, "model")
        if model is None:
            reason = "no model is named, so each run names one (--model)"
            self._default("model", "the model of the run", reason)
        reason = "a required field without a value is missing, never false: 'on_failure' decides"
        self._default("schema", "each field may also be answered 'unknown'", reason)
        numbers = {"attempts": 2, "max_tokens": 1024, "timeout_seconds": 60}
        for key, value in numbers.items():
            if self.node.get(key) is None:
                self._default(key, str(value), "the usual limit of a bounded invocation")
        return BoundedStep(
            **self._common(self.draft.result or (), read),
            instructions=said,
            model=model,
            attempts=whole(self.node, "attempts", numbers["attempts"]),
            max_tokens=whole(self.node, "max_tokens", numbers["max_tokens"]),
            timeout_seconds=whole(self.node, "timeout_seconds", numbers["timeout_seconds"]),
        )

    def _call(self) -> CallStep:
        arguments = self._arguments()
        read = parameters([Visible(one.source, one.type) for one in arguments.values()])
        own = {key: text(self.node, key) for key in ("connection", "statement")}
        settings: dict[str, Any] = {key: value for key, value in own.items() if value is not None}
        extra = mapping(self.node, "settings")
        for entry in extra.entries if extra else ():
            if entry.key.text in ("connection", "statement"):
                self._add("unknown_key", f"Write {entry.key.text!r} beside 'settings', not inside.", entry.key)
            settings[entry.key.text] = plain_value(entry.value)
        if text(self.node, "module") == "database":
            self._check_statement(settings, arguments)
        written = (*(extra.entries if extra else ()), *self.node.entries)
        return CallStep(
            **self._common(self.draft.result or (), read),
            module=text(self.node, "module") or "",
            settings=settings,
            arguments=arguments,
            marks={each.key.text: each.value.mark for each in written},
            key_marks={each.key.text: each.key.mark for each in written},
            on_none=self._policy("on_none"),
            on_many=self._policy("on_many"),
        )

    def _arguments(self) -> dict[str, Parameter]:
        node = mapping(self.node, "parameters")
        found: dict[str, Parameter] = {}
        for entry in node.entries if node else ():
            if isinstance(entry.value, Scalar):
                visible = self._find(entry.value) or Visible(entry.value.text, FieldType("string"))
                found[entry.key.text] = parameters([visible])[0]
        return found

    def _check_statement(self, settings: Mapping[str, Any], arguments: Mapping[str, Parameter]) -> None:
        for key in ("connection", "statement"):
            if key not in settings:
                self._add("missing_key", f"Key {key!r} is missing: module 'database' needs it.", self.node)
        statement = scalar(self.node, "statement")
        if statement is None:
            return
        reading = read_statement(statement.text)
        for fault in reading.faults:
            self._add("statement", fault, statement)
        wanted = reading.parameters
        given = mapping(self.node, "parameters")
        names = [entry.key.text for entry in given.entries] if given else []
        for name in wanted:
            if name not in names:
                message = f"The statement names ':{name}', which 'parameters' does not give.{suggest(name, names)}"
                self._add("statement", message, statement)
        for entry in given.entries if given else ():
            if entry.key.text not in wanted:
                message = f"Parameter {quote(entry.key.text)} is not in the statement. Write ':{entry.key.text}' there."
                self._add("statement", message, entry.key)

    # ------------------------------------------------------------ what it reads

    def _find(self, name: Scalar) -> Visible | None:
        found = self.sight.reach.find(name.text)
        ambiguous = name.text in self.sight.reach.ambiguous
        if found is None and (ambiguous or not self.flow.follows(name.text, within=self.draft.name)):
            self._add("unknown_field", self.sight.reach.unknown(name.text), name)
        return found

    def _inputs(self, prose: str) -> tuple[Parameter, ...]:
        node = self.node.get("inputs")
        if node is None:
            return self._default_inputs(prose)
        found: list[Visible] = []
        for name in scalars(node):
            visible = self._find(name)
            if visible is not None and visible in found:
                self._add("duplicate_name", f"{quote(name.text)} is listed twice. Remove one.", name)
            elif visible is not None:
                found.append(visible)
        return parameters(found)

    def _default_inputs(self, prose: str) -> tuple[Parameter, ...]:
        own = list(self.flow.inputs.visible().values())
        reason = "no 'inputs' are listed: all inputs of the workflow"
        if self.sight.item is not None:
            own = [self.sight.item, *(one for one in own if _mentions(prose, one.source))]
            reason = "no 'inputs' are listed: the item, the inputs that the prose names"
        earlier = [draft.group() for draft in self.flow.drafts[: self._position()] if draft.result is not None]
        named = [one for group in earlier for one in group.visible().values() if _mentions(prose, one.source)]
        found = parameters([*own, *named])
        self._default(
            "inputs", ", ".join(one.source for one in found), f"{reason}, and earlier results that the prose names"
        )
        return found

    def _position(self) -> int:
        return self.flow.drafts.index(self.draft)

    # ------------------------------------------------------------ checks and policies

    def _when(self) -> Check | None:
        source = scalar(self.node, "when")
        if source is None:
            return None
        groups = self.flow.groups(without=self.draft.name)
        reading = read_condition(source, reach(groups, clocks=True), self.flow.tables, self.draft.name)
        self.flow.note(reading.findings)
        return reading.check

    def _validation(self, result: tuple[Field, ...]) -> tuple[Check, ...]:
        sight = reach([Group(self.draft.name, result)])
        checks: list[Check] = []
        for source in scalars(self.node.get("validation")):
            reading = read_condition(source, sight, self.flow.tables, self.draft.name)
            self.flow.note(reading.findings)
            if reading.check is not None:
                checks.append(reading.check)
        return tuple(checks)

    def _default(self, key: str, value: str, reason: str) -> None:
        self.notes.default(f"{self.draft.path}.{key}", value, reason, self.draft.mark)

    def _policy(self, key: str) -> OnFailure:
        written = text(self.node, key)
        if written is not None:
            if written == "fallback" and self.node.get("fallback") is None:
                message = f"'{key}: fallback' needs a key 'fallback' with the result that stands in."
                self._add("fallback", message, scalar(self.node, key) or self.node)
            return cast(OnFailure, written)
        if key == "on_failure" and self.node.get("fallback") is not None and not self._fallback_is_for_rows():
            self._default(key, "fallback", "a 'fallback' is written")
            return "fallback"
        if self.flow.packs:
            names = ", ".join(self.flow.packs)
            self._default(key, "review", f"{names}: what cannot be decided goes to a person")
            return "review"
        self._default(key, "fail", "without a compliance pack, what cannot be decided fails the run")
        return "fail"

    def _fallback_is_for_rows(self) -> bool:
        """A fallback for what was not found says nothing of a service that is down."""
        return "fallback" in (text(self.node, "on_none"), text(self.node, "on_many"))

    def _on_failure(self) -> OnFailure:
        return self._policy("on_failure")

    def _fallback(self, result: tuple[Field, ...], policy: OnFailure) -> Mapping[str, Any] | None:
        node = mapping(self.node, "fallback")
        if node is None:
            return None
        used = {policy, text(self.node, "on_none"), text(self.node, "on_many")}
        if "fallback" not in used:
            key = self.node.key("fallback") or node
            self._add("fallback", f"'fallback' is never used with 'on_failure: {policy}'. Remove one of them.", key)
        value: Mapping[str, Any] = json_fields(node, result)
        for misfit in Fitting(result).whole(value):
            where = f"{misfit.path}: " if misfit.path else ""
            message = f"The fallback does not fit the result: {where}{misfit.message}."
            self.notes.findings.add("fallback", message, locate(node, misfit.path), step=self.draft.name)
        return value

    def _examples(self, read: tuple[Parameter, ...], result: tuple[Field, ...]) -> tuple[GoldenCase, ...]:
        given = tuple(Field(one.source.rpartition(".")[2], one.identifier, one.type) for one in read)
        names = [one.name for one in given]
        given = tuple(
            replace(one, name=full.source) if names.count(one.name) > 1 else one
            for one, full in zip(given, read, strict=True)
        )
        cases: list[GoldenCase] = []
        for index, node in records(self.node.get("examples")):
            parts: dict[str, Any] = {}
            for key, fields in (("input", given), ("expected", result)):
                inner = mapping(node, key)
                parts[key] = json_fields(inner, fields) if inner else {}
                for misfit in Fitting(fields).whole(parts[key]) if inner else ():
                    message = f"Example {index + 1}: {key}.{misfit.path}: {misfit.message}."
                    self.notes.findings.add(
                        "example", message, locate(inner or node, misfit.path), step=self.draft.name
                    )
            cases.append(GoldenCase(text(node, "id") or f"example {index + 1}", parts["input"], parts["expected"]))
        return tuple(cases)


def _mentions(prose: str, source: str) -> bool:
    last = source.rpartition(".")[2]
    words = {source, last, last.replace("_", " ")}
    return any(re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", prose) for word in words)


def _spoken(kind: FieldType) -> str:
    if kind.enum:
        return f"one of {', '.join(kind.enum)}"
    inner = f"list[{_spoken(kind.items)}]" if kind.kind == "list" and kind.items else kind.kind
    return f"{inner}{'?' if kind.optional else ''}"


# ---------------------------------------------------------------- order


def _ordered(steps: list[AnyStep], flow: Flow) -> tuple[AnyStep, ...]:
    names = {step.name for step in steps}
    needs = {step.name: _needs(step) & names for step in steps}
    done: list[AnyStep] = []
    waiting = list(steps)
    while waiting:
        ready = next((step for step in waiting if not needs[step.name] - {one.name for one in done}), None)
        if ready is None:
            _report_cycle(waiting, needs, flow)
            return tuple(steps)
        done.append(ready)
        waiting.remove(ready)
    if [step.name for step in done] != [step.name for step in steps]:
        order = ", ".join(step.name for step in done)
        flow.notes.default("order of steps", order, "a step runs after the steps that it reads")
    return tuple(done)


def _needs(step: AnyStep) -> set[str]:
    sources = [one.source for one in step.parameters]
    sources += [one.source for one in step.when.reads] if step.when else []
    sources += [step.for_each.source.source] if step.for_each else []
    return {source.partition(".")[0] for source in sources}


def _report_cycle(waiting: list[AnyStep], needs: Mapping[str, set[str]], flow: Flow) -> None:
    path = [waiting[0].name]
    left = {step.name for step in waiting}
    while path.count(path[-1]) < 2:
        path.append(min(needs[path[-1]] & left, key=[step.name for step in waiting].index))
    cycle = path[path.index(path[-1]) :]
    first = next(step for step in waiting if step.name == cycle[0])
    shown = " -> ".join(quote(name) for name in cycle)
    message = f"Steps read each other's results: {shown}. Break the circle."
    flow.notes.findings.add("cycle", message, first.mark, step=first.name)
