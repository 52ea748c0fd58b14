"""From a rule step to its function, with the author's line beside each branch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from compiled_ai.library import rules as library
from compiled_ai.library.types import Field
from compiled_ai.spec.model import Check, Parameter, RuleStep
from compiled_ai.spec.rules.ast import (
    NUMBERS,
    Branch,
    Chain,
    Constant,
    DecisionTable,
    Expression,
    Line,
    Logic,
    Outcome,
)
from compiled_ai.spec.rules.emit import Code, Emitter, call
from compiled_ai.spec.rules.literals import LINE, WIDTH, comment, folded, width, wrapped_text


def emit_rule(step: RuleStep) -> str:
    """Returns the Python source of the step's function, without imports.

    Its parameters are `step.parameters`; it returns the step's dataclass, or None when nothing applies.
    """
    if isinstance(step.logic, DecisionTable):
        from compiled_ai.spec.rules.emit_table import emit_table

        return emit_table(step, step.logic)
    writer = _Writer(step)
    return "\n".join([*header(step), *writer.body(step.logic)]) + "\n"


def emit_check(check: Check, names: Mapping[str, str]) -> str:
    """Returns a Python expression that holds (in an `if`) only if the condition is TRUE.

    `names` gives the Python of each name, by the key that the author wrote or by `Parameter.source`.
    """
    condition: Expression = check.condition
    return condition_source(condition, names)


def condition_source(condition: Expression, names: Mapping[str, str]) -> str:
    """Returns Python for a checked condition, as `emit_check`."""
    return Emitter(resolver(names)).true(condition).text


def resolver(names: Mapping[str, str]) -> Callable[[str], str]:
    """Returns a function from the author's name to Python: the name itself, or the one source that ends in it."""

    def resolve(key: str) -> str:
        for candidate in (key, f"inputs.{key}"):
            if candidate in names:
                return names[candidate]
        ends = [source for source in names if source.endswith(f".{key}")]
        if not ends and "." in key:
            ends = [source for source in names if source.partition(".")[2] == key.partition(".")[2]]
        if len(ends) != 1:
            raise KeyError(f"{key!r} is {'ambiguous' if ends else 'unknown'} among {sorted(names)}")
        return names[ends[0]]

    return resolve


def parameter_names(parameters: Iterable[Parameter]) -> dict[str, str]:
    return {parameter.source: parameter.identifier for parameter in parameters}


def annotation(parameter: Parameter) -> str:
    """Returns a parameter's annotation: numbers arrive as decimals."""
    if parameter.type.kind in NUMBERS:
        return "Decimal | None" if parameter.type.optional else "Decimal"
    return parameter.type.python()


def header(step: RuleStep) -> list[str]:
    """Returns the `def` of a step's function, wrapped where it is long."""
    given = [f"{parameter.identifier}: {annotation(parameter)}" for parameter in step.parameters]
    line = f"def {step.identifier}({', '.join(given)}) -> {step.class_name} | None:"
    if width(line) <= LINE:
        return [line]
    return [f"def {step.identifier}(", *(f"    {one}," for one in given), f") -> {step.class_name} | None:"]


def imports_of(source: str) -> tuple[str, ...]:
    """Returns the names of `library.rules` that a source uses, sorted."""
    words = set(re.findall(r"[A-Za-z_]\w*", source))
    return tuple(sorted(words.intersection(library.__all__)))


class _Writer:
    def __init__(self, step: RuleStep) -> None:
        self.step = step
        self.emitter = Emitter(resolver(parameter_names(step.parameters)))

    def body(self, logic: Logic) -> list[str]:
        lines: list[str] = []
        for line in logic.lines:
            lines.extend(self._line(line))
        if logic.body is None:
            return [*lines, *self._return(None, 4)]
        if isinstance(logic.body, Outcome):
            place = logic.body.place
            words = f"line {place.line}: {_words(logic.body)}"
            return [*lines, *comment(words, 4), *self._return(logic.body, 4)]
        lines.extend(self._chain(logic.body, 4))
        return lines

    def _line(self, line: Line) -> Iterator[str]:
        taken = {parameter.identifier for parameter in self.step.parameters} | set(self.emitter.locals.values())
        field = next((field for field in self.step.result if field.name == line.name), None)
        name = field.identifier if field is not None else "value"
        while name in taken or name in library.__all__:
            name += "_"
        yield from comment(f"line {line.place.line}: {line.source}", 4)
        yield from statement(f"{name} = ", self.emitter.value(line.value), 4)
        self.emitter.locals[line.name] = name

    def _chain(self, chain: Chain, margin: int) -> list[str]:
        lines: list[str] = []
        before = self.emitter.known
        for branch in chain.branches:
            lines.extend(comment(f"line {branch.place.line}: {_branch_words(branch)}", margin))
            if branch.condition is None:
                lines.extend(self._yield(branch.body, margin))
                self.emitter.known = before
                return lines
            lines.extend(test_lines(self.emitter.true(branch.condition), margin))
            with self.emitter.knowing(self.emitter.facts(branch.condition)):
                lines.extend(self._yield(branch.body, margin + 4))
            self.emitter.known |= self.emitter.facts_otherwise(branch.condition)
        self.emitter.known = before
        return [*lines, f"{' ' * margin}return None"]

    def _yield(self, body: Outcome | Chain, margin: int) -> list[str]:
        return self._chain(body, margin) if isinstance(body, Chain) else self._return(body, margin)

    def _return(self, outcome: Outcome | None, margin: int) -> list[str]:
        settings = {setting.name: setting.value for setting in outcome.settings} if outcome else {}
        if outcome is not None and "reason" not in settings:
            settings["reason"] = outcome.reason
        values = [self._field(field, settings.get(field.name), margin + 4) for field in self.step.result]
        return return_lines(self.step, values, margin)

    def _field(self, field: Field, value: Expression | None, margin: int) -> str:
        if value is None:
            local = self.emitter.locals.get(field.name)
            if local is None:
                return "None"
            line = next(line for line in self.step.logic.lines if line.name == field.name)
            return converted(Code(local), field, self.emitter.nullable(line.value))
        if isinstance(value, Constant) and isinstance(value.value, str):
            return wrapped_text(value.value, margin)
        return converted(self.emitter.value(value), field, self.emitter.nullable(value))


def converted(code: Code, field: Field, nullable: bool) -> str:
    """Returns a value as the field's Python type: rules count in decimals."""
    convert = {"integer": "whole", "float": "float"}.get(field.type.kind)
    if convert is None:
        return code.text
    return call("unless_null", convert, code.text).text if nullable else call(convert, code.text).text


def return_lines(step: RuleStep, values: Sequence[str], margin: int, *, before: int = 0) -> list[str]:
    """Returns the statement that yields the step's dataclass; `before` columns more are taken in its line."""
    pad = " " * margin
    named = [f"{field.identifier}={value}" for field, value in zip(step.result, values, strict=True)]
    given = values if len(values) <= 2 else named
    line = f"{pad}return {step.class_name}({', '.join(given)})"
    if width(line) + before <= WIDTH and "\n" not in line:
        return [line]
    return [f"{pad}return {step.class_name}(", *_lines_of(given, margin + 4), f"{pad})"]


def _lines_of(values: Sequence[str], margin: int) -> Iterator[str]:
    for value in values:
        lines = folded(value, margin)
        yield from lines[:-1]
        yield f"{lines[-1]},"


def statement(prefix: str, code: Code, margin: int) -> list[str]:
    """Returns `prefix` and an expression, in brackets over several lines where it is long."""
    pad = " " * margin
    if len(pad) + len(prefix) + width(code.text) <= WIDTH:
        return [f"{pad}{prefix}{code.text}"]
    return [f"{pad}{prefix}(", *_broken(code, margin + 4), f"{pad})"]


def test_lines(code: Code, margin: int) -> list[str]:
    """Returns an `if` statement's head."""
    pad = " " * margin
    if len(pad) + width(code.text) + 4 <= WIDTH:
        return [f"{pad}if {code.text}:"]
    return [f"{pad}if (", *_broken(code, margin + 4), f"{pad}):"]


def _broken(code: Code, margin: int) -> list[str]:
    if not code.parts:
        return folded(code.text, margin)
    lines = folded(code.parts[0], margin)
    for part in code.parts[1:]:
        lines.extend(folded(f"{code.joiner} {part}", margin))
    return lines


def _branch_words(branch: Branch) -> str:
    if not isinstance(branch.body, Chain):
        return branch.source
    found = re.search(r"\bTHEN\b", branch.source, re.IGNORECASE) if branch.condition is not None else None
    return branch.source[: found.end()] if found else "ELSE"


def _words(outcome: Outcome) -> str:
    return str(outcome.reason.value) if isinstance(outcome.reason, Constant) else "the result"
