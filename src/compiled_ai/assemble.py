"""Splices rules and model-written functions into a template: the module that an auditor reads.

The template is a Python file of the catalogue with three slots, each a comment on a line of its own:
`# slot: models`, `# slot: steps`, `# slot: flow`. What comes out names its phases in order, types every
value, holds each function as it was written, and ends with the `run` that calls them (paper, Listing 2).
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from compiled_ai.committee import Member, members_of, open_vote, spoken_rules, words_in
from compiled_ai.errors import CompileFailed
from compiled_ai.import_block import import_block
from compiled_ai.library.types import Field, FieldType
from compiled_ai.program_json import KINDS, program_of
from compiled_ai.spec.model import (
    BoundedStep,
    CallStep,
    Check,
    FunctionStep,
    Parameter,
    RuleStep,
    Step,
    WorkflowSpec,
)
from compiled_ai.spec.rules import emit_check, emit_rule

_WIDTH = 120
_SPOKEN = {
    "rule": "rule, compiled from the specification",
    "function": "function, written by a model and validated",
    "bounded": "bounded call to a model",
    "call": "call of a module",
}


@dataclass(frozen=True)
class FunctionPlace:
    """Where a model-written function stands in the assembled module."""

    step: str
    first_line: int
    """1-based line of the assembled module that holds the function's first line."""
    last_line: int
    source: str
    """The function alone, as it stands (its imports are hoisted)."""
    imports: tuple[str, ...] = ()
    """The import statements that came with it."""
    name: str = ""
    """The function's name."""

    def own_line(self, assembled_line: int) -> int | None:
        """Returns the line in `source`, counted from 1, or `None` outside of the function."""
        inside = self.first_line <= assembled_line <= self.last_line
        return assembled_line - self.first_line + 1 if inside else None


@dataclass(frozen=True)
class Assembled:
    source: str
    """Text of `workflow.py`."""
    program: Mapping[str, Any]
    """Content of `program.json`."""
    functions: Mapping[str, FunctionPlace] = field(default_factory=dict)
    """By the name of the step; with a committee, by the key of each member."""
    members: Mapping[str, Sequence[Member]] = field(default_factory=dict)
    """Step to the members of its committee, where it has one."""
    line_map: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Assembled line to `{"line": L}` of the specification, with `"function"` and `"own_line"` inside a function."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Data of the reference tables, by the name of the file in the folder `tables`."""


def assemble(
    spec: WorkflowSpec,
    template: str,
    functions: Mapping[str, str | Sequence[str]],
    *,
    template_name: str = "handler",
    pack_reasons: Mapping[str, Sequence[str]] | None = None,
    sinks: Mapping[str, str] | None = None,
    reading: Collection[str] = (),
    committees: Mapping[str, Mapping[str, Any]] | None = None,
    layouts: Mapping[str, Mapping[str, Any]] | None = None,
    brought: Mapping[str, Mapping[str, str]] | None = None,
) -> Assembled:
    """Returns the module of a specification with its model-written functions in place.

    Args:
        spec: the specification.
        template: text of the template, with its slots.
        functions: step name to candidate source (imports and one function), or to several for a committee.
        template_name: name of the template, for the record.
        pack_reasons: step name to the compliance packs behind its failure policy.
        sinks: sink name to protection, as the packs demand together.
        reading: names of the steps that read a document, whose values need a place in it.
        committees: step name to how its committee decides (`library.committee.Rules` as JSON); by default every
            answer with most votes stands.
        layouts: step name to the layouts that it knows (`familiarity.learn_layouts`).
        brought: call module to the installed package that brings it, `{"package", "digest"}`.

    Raises:
        CompileFailed: two functions import different things under one name, or a slot is missing.
    """
    rules = {
        step.name: (committees or {}).get(step.name) or open_vote(step, spec)
        for step in spec.steps
        if not isinstance(functions.get(step.name, ""), str)
    }
    writer = _Writer(spec, functions, pack_reasons or {}, rules, layouts or {})
    body = _fill(template, models=writer.models(), steps=writer.steps(), flow=writer.flow())
    head = _docstring(spec)
    imports = import_block(body, [line for lines in writer.imports.values() for line in lines])
    source = f"{head}\n\n{imports}\n\n\n{body.strip()}\n"
    places = _places(source, writer)
    return Assembled(
        source=source,
        program=program_of(
            spec, template_name, pack_reasons or {}, sinks or {}, rules, layouts or {}, reading, brought or {}
        ),
        functions=places,
        members=writer.members,
        line_map=_line_map(source, places, spec),
        tables=_data_files(spec),
    )


def _data_files(spec: WorkflowSpec) -> dict[str, str]:
    if not spec.tables:
        return {}
    from compiled_ai.spec.reference_tables import data_files

    return data_files(spec.tables)


def _fill(template: str, **slots: str) -> str:
    tree = ast.parse(template)
    start = 0
    for node in tree.body:  # the template's own docstring and imports are replaced by the artifact's
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (docstring or isinstance(node, (ast.Import, ast.ImportFrom))):
            break
        start = node.end_lineno or start
    filled: list[str] = []
    for line in template.splitlines()[start:]:
        match = re.fullmatch(r"(\s*)# slot: (\w+)\s*", line)
        if match and match[2] in slots:
            filled.append(textwrap.indent(slots.pop(match[2]).strip("\n"), match[1]))
        else:
            filled.append(line)
    if slots:
        raise CompileFailed(f"The template lacks the slot {min(slots)!r}.", remedy="Add it as a comment line.")
    return "\n".join(filled)


def _docstring(spec: WorkflowSpec) -> str:
    phases = "\n".join(
        f"  {number}. {step.name}: {_SPOKEN[KINDS[type(step)]]} (line {step.mark.line})"
        for number, step in enumerate(spec.steps, 1)
    )
    about = f"{_plain(spec.description)}\n\n" if spec.description else ""
    packs = ", ".join(pack.name for pack in spec.packs) or "none"
    title = _plain(spec.name).rstrip(".") or spec.slug
    return (
        f'"""{title}.\n\n{about}Compiled from the specification (line numbers refer to it). '
        f'Compliance packs: {packs}.\n\nPhases:\n{phases}\n"""\n\nfrom __future__ import annotations'
    )


def _plain(text: str) -> str:
    """Makes an author's text harmless inside a docstring."""
    return text.replace("\\", "/").replace('"""', "'''").strip()


def _quoted(text: str) -> str:
    """An author's text as a docstring of one paragraph; a space keeps a last quote apart from those that end it."""
    plain = _plain(text)
    return f'"""{plain} """' if plain.endswith('"') else f'"""{plain}"""'


def _comment(text: str, *, indent: int = 0) -> str:
    """An author's text as comment lines, word for word: nothing but the end of a line ends a comment."""
    folded = " ".join(text.split())
    lines = textwrap.wrap(folded, _WIDTH - indent - 2) or [""]
    return "\n".join(f"# {line}" for line in lines)


def _banner(number: int, step: Step) -> str:
    text = f"phase {number}: {step.name} ({_SPOKEN[KINDS[type(step)]]}, line {step.mark.line})"
    return f"# {'-' * max(4, _WIDTH - 4 - len(text))} {text}"[:_WIDTH]


@dataclass
class _Writer:
    """Writes the three slots; `imports` and `bodies` collect what the model-written functions bring."""

    spec: WorkflowSpec
    functions: Mapping[str, str | Sequence[str]]
    pack_reasons: Mapping[str, Sequence[str]]
    committees: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Key of a function to its step and its name."""
    members: dict[str, tuple[Member, ...]] = field(default_factory=dict)

    @cached_property
    def taken(self) -> set[str]:
        """Names that no member of a committee can have; each member's own is added."""
        sources = [each for one in self.functions.values() for each in ([one] if isinstance(one, str) else one)]
        return {step.identifier for step in self.spec.steps} | words_in(sources)

    def models(self) -> str:
        written: dict[str, str] = {}
        _write_class("Input", self.spec.inputs, "What a run is given.", written)
        for step in self.spec.steps:
            _write_class(step.class_name, step.result, f"What {step.name} yields.", written)
        outputs = tuple(output.field for output in self.spec.outputs)
        _write_class("Output", outputs, "What a run returns.", written)
        return "\n\n\n".join(written.values())

    def steps(self) -> str:
        parts = [part for number, step in enumerate(self.spec.steps, 1) for part in self._step_parts(number, step)]
        return "\n\n\n".join([*self._tables(), *parts])

    def _tables(self) -> Iterator[str]:
        if self.spec.tables:
            from compiled_ai.spec.reference_tables import declare_tables

            text = "reference tables (the data lies beside this file, pinned by digest)"
            yield f"# {'-' * 16} {text}\n{declare_tables(self.spec.tables).rstrip()}"

    def _step_parts(self, number: int, step: Step) -> Iterator[str]:
        parts = [self._check(step)] if step.validation else []
        if isinstance(step, RuleStep):
            parts.append(emit_rule(step).strip("\n"))
        elif isinstance(step, FunctionStep):
            parts += self._functions(step)
        if parts:
            yield f"{_banner(number, step)}\n{parts[0]}"
            yield from parts[1:]

    def _functions(self, step: FunctionStep) -> list[str]:
        written = self.functions[step.name]
        if isinstance(written, str):
            return [self._function(step, step.name, step.identifier, written)]
        self.members[step.name] = tuple(members_of(step, written, self.taken))
        return [self._function(step, each.key, each.name, each.source) for each in self.members[step.name]]

    def _function(self, step: FunctionStep, key: str, name: str, source: str) -> str:
        imports, body = split_candidate(source)
        self.imports[key], self.bodies[key], self.names[key] = tuple(imports), body, (step.name, name)
        return body

    def _check(self, step: Step) -> str:
        lines = [
            f"def check_{step.identifier}(value: {step.class_name}) -> list[str]:",
            '    """Returns the validation rules that the value does not satisfy."""',
            "    problems: list[str] = []",
        ]
        known: set[str] = set()
        for check in step.validation:
            names, assigned = _named(check, _own_names(check, step))
            lines += [f"    {name} = {value}" for name, value in assigned.items() if name not in known]
            known.update(assigned)
            lines.append(textwrap.indent(_comment(f"line {check.mark.line}: {check.text}", indent=4), "    "))
            lines.append(f"    if not ({emit_check(check, names)}):")
            lines.append(f"        problems.append({_literal(check.text)})")
        return "\n".join([*lines, "    return problems"])

    def flow(self) -> str:
        phases = [*self._clocks(), *(self._phase(number, step) for number, step in enumerate(self.spec.steps, 1))]
        values = ",\n    ".join(self._read(output.source) for output in self.spec.outputs)
        made = f"Output(\n    {values},\n)"
        if not self.spec.properties:
            return "\n\n".join([*phases, f"return {made}"])
        checks = "\n".join(self._property(check) for check in self.spec.properties)
        return "\n\n".join([*phases, f"output = {made}", checks, "return output"])

    def _property(self, check: Check) -> str:
        """What every run must satisfy; a run that does not fails."""
        names = {parameter.source: self._property_value(parameter) for parameter in check.reads}
        told = _literal(f"the property of line {check.mark.line} does not hold: {check.text}")
        comment = _comment(f"line {check.mark.line}: {check.text}", indent=4)
        return f"{comment}\nif not ({emit_check(check, names)}):\n    raise ValueError({told})"

    def _property_value(self, parameter: Parameter) -> str:
        head, *path = parameter.source.split(".")
        if head != "outputs":
            return self._rule_value(parameter)
        outputs = FieldType("object", fields=tuple(output.field for output in self.spec.outputs))
        value = _walk("output", outputs, path)
        return f"number({value})" if parameter.type.kind in ("integer", "float") else value

    def _clocks(self) -> Iterator[str]:
        """The date and the time are effects: asked for once, recorded, the same on every replay."""
        sources = {
            parameter.source
            for step in self.spec.steps
            for parameter in (*step.parameters, *(step.when.reads if step.when else ()))
        } | {parameter.source for check in self.spec.properties for parameter in check.reads}
        if "today()" in sources:
            yield "today = await ctx.today()"
        if "now()" in sources:
            yield "now = await ctx.now()"

    def _phase(self, number: int, step: Step) -> str:
        lines = [_comment(f"phase {number}, line {step.mark.line}: {self._spoken(step)}", indent=4)]
        if step.name in self.members:
            told = spoken_rules(self.committees[step.name], len(self.members[step.name]))
            lines.append(_comment(told, indent=4))
        denial = self._denial(step)
        target = f"{step.identifier}_result = " if denial or step.when or self._is_read(step) else ""
        body = target + (self._each(step) if step.for_each else f"await {self._await(step)}")
        body = f"{body}\n{denial}" if denial else body
        if step.when is None:
            return "\n".join([*lines, body])
        kind = f"tuple[{step.class_name}, ...]" if step.for_each else step.class_name
        values = {parameter.source: self._rule_value(parameter) for parameter in step.when.reads}
        names, assigned = _named(step.when, values, prefix=f"when_{step.identifier}_")
        lines += [f"{name} = {value}" for name, value in assigned.items()]
        lines.append(f"{step.identifier}_result: {kind} | None = None")
        lines.append(_comment(f"line {step.when.mark.line}: when {step.when.text}", indent=4))
        lines.append(f"if {emit_check(step.when, names)}:")
        return "\n".join([*lines, textwrap.indent(body, "    ")])

    def _is_read(self, step: Step) -> bool:
        """Tells whether anything after the step reads its result."""
        sources = [output.source for output in self.spec.outputs]
        for other in self.spec.steps:
            given = other.arguments.values() if isinstance(other, CallStep) else other.parameters
            sources += [parameter.source for parameter in (*given, *(other.when.reads if other.when else ()))]
            sources += [other.for_each.source.source] if other.for_each else []
        return any(source.split(".")[0] == step.name for source in sources)

    def _spoken(self, step: Step) -> str:
        packs = ", ".join(self.pack_reasons.get(step.name, ()))
        several = len(self.members.get(step.name, ()))
        what = f"{several} functions, written by a model and validated, that vote" if several else ""
        policy = f"{step.on_failure} where there is no valid result{f' ({packs})' if packs else ''}"
        tries = f"{step.attempts} attempts, then " if isinstance(step, BoundedStep) else ""
        return f"{step.name}, {what or _SPOKEN[KINDS[type(step)]]}; {tries}{policy}"

    def _await(self, step: Step, *, item: str = "") -> str:
        """Returns the call on the context that yields the step's result."""
        options = [f"check=check_{step.identifier}"] if step.validation else []
        options += ["item=index"] if item else []
        if isinstance(step, (RuleStep, FunctionStep)):
            read = self._rule_value if isinstance(step, RuleStep) else self._value
            given = [read(parameter) for parameter in step.parameters]
            if step.name in self.layouts:
                options.append(f"layout={self._read('inputs.' + self.layouts[step.name]['document'])}")
            members = self.members.get(step.name)
            function = f"agreed({', '.join(each.name for each in members)})" if members else step.identifier
            return _call("ctx.result", [_literal(step.name), function, *given, *options])
        if isinstance(step, CallStep):
            named = {name: self._value(parameter) for name, parameter in step.arguments.items()}
            return _call("ctx.call", [_literal(step.name), _dict(named), step.class_name, *options])
        named = {_last(parameter.source): self._value(parameter) for parameter in step.parameters}
        return _call("ctx.bounded", [_literal(step.name), _dict(named), step.class_name, *options])

    def _each(self, step: Step) -> str:
        if step.for_each is None:
            raise CompileFailed(f"Step {step.name!r} has no for_each.")
        source = self._value(step.for_each.source)
        if step.for_each.source.type.optional:
            source = f"{source} or ()"
        inner = textwrap.indent(self._await(step, item=step.for_each.item), "        ")
        return f"await ctx.each(\n    [\n{inner}\n        for index, item in enumerate({source})\n    ]\n)"

    def _denial(self, step: Step) -> str:
        """CMS_Decision_Timeframes: no denial is final without a review, unless the specification waives it."""
        pack = next((pack for pack in self.spec.packs if pack.name == "CMS_Decision_Timeframes"), None)
        denials = tuple(word for word in self.spec.adverse_outcomes if word in _outcomes(step))
        if pack is None or not denials or step.for_each is not None:
            return ""
        if "denial_review" in pack.waived:
            waiver = pack.waived["denial_review"]
            return _comment(
                f"CMS_Decision_Timeframes: review of denials waived by {waiver['by']}: {waiver['reason']}", indent=4
            )
        result = f"{step.identifier}_result"
        words = f"({', '.join(_literal(word) for word in denials)},)"
        check = f",\n        check=check_{step.identifier}" if step.validation else ""
        return (
            "# CMS_Decision_Timeframes: no denial is final without a review\n"
            f"if {result}.{_outcome_identifier(step)} in {words}:\n"
            f"    {result} = await ctx.review(\n        {_literal(step.name)},\n        {result},\n"
            f"        reason={_literal('CMS_Decision_Timeframes: no denial is final without a review')}{check},\n    )"
        )

    def _rule_value(self, parameter: Parameter) -> str:
        """Numbers enter a rule as decimals."""
        value = self._value(parameter)
        return f"number({value})" if parameter.type.kind in ("integer", "float") else value

    def _value(self, parameter: Parameter) -> str:
        return self._read(parameter.source)

    def _read(self, source: str) -> str:
        """Returns the Python expression for a dotted source, guarding what may be absent on the way."""
        if source in ("today()", "now()"):
            return source.removesuffix("()")
        head, *path = source.split(".")
        if head == "inputs":
            return _walk("input", FieldType("object", fields=self.spec.inputs), path)
        step = next((step for step in self.spec.steps if step.name == head), None)
        if step is None:  # the item of a for_each
            owner = next(
                s.for_each for s in self.spec.steps if s.for_each and s.for_each.item == head or head == "item"
            )
            kind = owner.source.type.items if owner else None
            return _walk("item", kind or FieldType("json"), path)
        result = FieldType("object", optional=step.when is not None, fields=step.result)
        name = f"{step.identifier}_result"
        if step.for_each is not None:
            inner = _walk("each", FieldType("object", fields=step.result), path) if path else "each"
            return name if not path else f"tuple({inner} for each in {name}{' or ()' if step.when else ''})"
        return _walk(name, result, path)


def _walk(expression: str, kind: FieldType, path: Sequence[str]) -> str:
    guards: list[str] = []
    for name in path:
        if kind.optional:
            guards.append(f"{expression} is not None")
        inner = next(field for field in kind.fields if field.name == name)
        expression, kind = f"{expression}.{inner.identifier}", inner.type
    return f"({expression} if {' and '.join(guards)} else None)" if guards else expression


def _outcomes(step: Step) -> tuple[str, ...]:
    return next((each.type.enum or () for each in step.result if each.name == "outcome"), ()) or tuple(
        word for each in step.result for word in each.type.enum or ()
    )


def _outcome_identifier(step: Step) -> str:
    named = [each for each in step.result if each.name == "outcome"] or [each for each in step.result if each.type.enum]
    return named[0].identifier


def _own_names(check: Check, step: Step) -> dict[str, str]:
    names: dict[str, str] = {}
    for parameter in check.reads:
        own = next(each for each in step.result if each.name == _last(parameter.source))
        value = f"value.{own.identifier}"
        names[parameter.source] = f"number({value})" if own.type.kind in ("integer", "float") else value
    return names


def _named(check: Check, values: Mapping[str, str], *, prefix: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Gives a name of its own to what may be missing and is computed, so that a test for null holds for its later uses.

    Returns source to Python, and the names that are to be assigned first.
    """
    names, assigned = dict(values), {}
    for parameter in check.reads:
        value = values[parameter.source]
        if parameter.type.optional and not re.fullmatch(r"[\w.]+", value):
            name = f"{prefix}{parameter.identifier}"
            names[parameter.source], assigned[name] = name, value
    return names, assigned


def _last(source: str) -> str:
    return source.rsplit(".", 1)[-1]


def _literal(text: str) -> str:
    """Returns a Python string literal in double quotes."""
    quoted = repr(text)
    return quoted if '"' in text else '"' + quoted[1:-1].replace("\\'", "'") + '"'


def _call(function: str, arguments: Sequence[str]) -> str:
    """Writes a call on one line where it fits, else with one argument a line."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= _WIDTH - 40:
        return line
    return f"{function}(\n" + "".join(f"{textwrap.indent(argument, '    ')},\n" for argument in arguments) + ")"


def _dict(items: Mapping[str, str]) -> str:
    pairs = [f"{_literal(key)}: {value}" for key, value in items.items()]
    line = "{" + ", ".join(pairs) + "}"
    return line if len(line) <= _WIDTH - 40 else "{\n" + "".join(f"    {pair},\n" for pair in pairs) + "}"


def _write_class(name: str, fields: Sequence[Field], doc: str, written: dict[str, str]) -> None:
    """Writes a dataclass after the ones that it needs; `written` keeps the order."""
    if name in written:
        return
    for each in fields:
        for inner in _objects(each.type):
            _write_class(inner.class_name or "object", inner.fields, f"Part of {name}.", written)
    lines = ["@dataclass(frozen=True, slots=True)", f"class {name}:", f"    {_quoted(doc)}", ""]
    for each in fields:
        lines.append(f"    {each.identifier}: {each.type.python()}")
        if each.description:
            lines.append(f"    {_quoted(each.description)}")
    written[name] = "\n".join(lines)


def _objects(kind: FieldType) -> Iterator[FieldType]:
    if kind.kind == "object":
        yield kind
    if kind.items is not None:
        yield from _objects(kind.items)


def split_candidate(source: str) -> tuple[list[str], str]:
    """Separates a candidate's import statements from the text of its function (decorators are refused earlier)."""
    tree = ast.parse(source)
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    lines = source.splitlines()[function.lineno - 1 : function.end_lineno]
    return imports, "\n".join(line.rstrip() for line in lines)


def provided_names(source: str) -> frozenset[str]:
    """Returns what an assembled module defines around its functions: its classes and its imported names."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    return frozenset(names)


def _places(source: str, writer: _Writer) -> dict[str, FunctionPlace]:
    places: dict[str, FunctionPlace] = {}
    for key, body in writer.bodies.items():
        at = source.index(body)
        first, (step, name) = source.count("\n", 0, at) + 1, writer.names[key]
        places[key] = FunctionPlace(step, first, first + body.count("\n"), body, writer.imports[key], name)
    return places


_LINE_COMMENT = re.compile(r"\s*# (?:phase \d+, )?line (\d+):")


def _line_map(source: str, places: Mapping[str, FunctionPlace], spec: WorkflowSpec) -> dict[int, dict[str, Any]]:
    """Maps assembled lines to specification lines: a `# line N:` comment holds until the block's next one."""
    steps = {step.name: step for step in spec.steps}
    inside = {number: place for place in places.values() for number in range(place.first_line, place.last_line + 1)}
    mapped: dict[int, dict[str, Any]] = {}
    current: int | None = None
    for number, line in enumerate(source.splitlines(), 1):
        match = _LINE_COMMENT.match(line)
        if match:
            current = int(match[1])
        elif line and not line[0].isspace():
            current = None
        if number in inside:
            place = inside[number]
            mapped[number] = {
                "line": steps[place.step].mark.line,
                "function": place.step,
                "own_line": place.own_line(number),
            }
        elif current is not None:
            mapped[number] = {"line": current}
    return mapped


__all__ = ["Assembled", "FunctionPlace", "assemble", "provided_names", "split_candidate"]
