"""Rule texts as a whole: what they yield, and what is cheap to see about their branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from compiled_ai.errors import suggest
from compiled_ai.library.rules import to_text
from compiled_ai.library.types import Field
from compiled_ai.spec.names import Names as Identifiers
from compiled_ai.spec.rules.ast import (
    TEXT,
    Branch,
    Chain,
    Compare,
    Constant,
    Expression,
    IsNull,
    Line,
    Logic,
    Logical,
    Lookup,
    Name,
    Outcome,
    Place,
    Setting,
    Value,
    ValueType,
    Words,
    field_type,
    value_type,
)
from compiled_ai.spec.rules.check import Checker, merged, named, walk
from compiled_ai.spec.rules.interpret import interpret_expression


@dataclass(frozen=True)
class Found:
    """A value that some branch gives a field."""

    name: str
    value: Expression
    place: Place


@dataclass(frozen=True)
class CheckedLogic:
    logic: Logic
    outcomes: tuple[str, ...]


def check_logic(logic: Logic, checker: Checker, declared: Sequence[Field]) -> CheckedLogic:
    """Returns the rule with names, types and result fields; what is wrong goes to the checker's report."""
    lines = tuple(_line(line, checker) for line in logic.lines)
    body = _body(logic.body, checker) if logic.body is not None else None
    outcomes = list(_outcomes(body)) if body is not None else []
    result = _result(lines, outcomes, checker, declared)
    checked = replace(logic, lines=lines, body=body, result=result)
    _warn(checked, checker)
    first = next((field for field in result if field.name == "outcome"), None)
    return CheckedLogic(checked, (first.type.enum or ()) if first else ())


def _line(line: Line, checker: Checker) -> Line:
    value = checker.expression(line.value)
    if line.name in checker.locals:
        checker.report.add(
            "assigned_twice", line.place, f"{line.name!r} is computed twice. Give the second another name."
        )
    checker.locals[line.name] = replace(value.type, declared=None) if value.type.kind != "object" else value.type
    return replace(line, value=value)


def _body(body: Chain | Outcome, checker: Checker) -> Chain | Outcome:
    if isinstance(body, Outcome):
        return _outcome(body, checker)
    return Chain(tuple(_branch(branch, checker) for branch in body.branches))


def _branch(branch: Branch, checker: Checker) -> Branch:
    condition = checker.condition(branch.condition) if branch.condition is not None else None
    return replace(branch, condition=condition, body=_body(branch.body, checker))


def _outcome(outcome: Outcome, checker: Checker) -> Outcome:
    names = [setting.name for setting in outcome.settings]
    for index, setting in enumerate(outcome.settings):
        if setting.name in names[:index]:
            checker.report.add("assigned_twice", setting.place, f"{setting.name!r} is set twice in one outcome.")
    settings = tuple(replace(setting, value=_setting(setting.value, checker)) for setting in outcome.settings)
    reason = checker.expression(outcome.reason)
    if reason.type.kind not in ("text", "any"):
        checker.report.add("type", outcome.reason.place, f"BECAUSE takes text, and this is {named(reason.type)}.")
    return replace(outcome, settings=settings, reason=reason)


def _setting(value: Expression, checker: Checker) -> Expression:
    """Bare words in outcome position are a member of the enumeration."""
    if isinstance(value, Words):
        return Constant(place=value.place, value=value.text, type=TEXT)
    return checker.expression(value)


def _outcomes(body: Chain | Outcome) -> Iterator[Outcome]:
    if isinstance(body, Outcome):
        yield body
        return
    for branch in body.branches:
        yield from _outcomes(branch.body)


# ---------------------------------------------------------------- result fields


def _result(
    lines: Sequence[Line], outcomes: Sequence[Outcome], checker: Checker, declared: Sequence[Field]
) -> tuple[Field, ...]:
    found: dict[str, list[Found]] = {line.name: [Found(line.name, line.value, line.place)] for line in lines}
    for outcome in outcomes:
        for setting in outcome.settings:
            found.setdefault(setting.name, []).append(Found(setting.name, setting.value, setting.place))
    for name in {line.name for line in lines} & {s.name for outcome in outcomes for s in outcome.settings}:
        place = next(s.place for outcome in outcomes for s in outcome.settings if s.name == name)
        checker.report.add("assigned_twice", place, f"{name!r} is computed above and set again here.")
    if declared:
        return _declared(found, outcomes, {line.name for line in lines}, checker, declared)
    identifiers = Identifiers()
    fields = [_field(name, values, len(outcomes), lines, checker, identifiers) for name, values in found.items()]
    if outcomes and "reason" not in found:
        fields.append(Field("reason", "reason", field_type(_reason_type(outcomes))))
    return tuple(fields)


def _reason_type(outcomes: Sequence[Outcome]) -> ValueType:
    return replace(TEXT, optional=any(outcome.reason.type.optional for outcome in outcomes))


def _field(
    name: str, values: list[Found], branches: int, lines: Sequence[Line], checker: Checker, identifiers: Identifiers
) -> Field:
    everywhere = len(values) >= branches or any(line.name == name for line in lines)
    kind: ValueType | None = values[0].value.type
    for value in values[1:]:
        kind = merged(kind, value.value.type) if kind else None
        if kind is None:
            checker.report.add(
                "type",
                value.place,
                f"{name!r} is {named(values[0].value.type)} at line {values[0].place.line} "
                f"and {named(value.value.type)} here: give it one type.",
            )
            kind = ValueType("any", optional=True)
            break
    kind = kind or TEXT
    members = _members(values)
    if kind.kind == "null":
        checker.report.add("type", values[0].place, f"{name!r} is always null. Give it a value somewhere.")
    if kind.kind == "text":
        kind = replace(kind, enum=members)
    if kind.kind != "object":
        kind = replace(kind, declared=None)
    kind = replace(kind, optional=kind.optional or not everywhere)
    return Field(name, identifiers.identifier(name), field_type(kind))


def _members(values: Sequence[Found]) -> tuple[str, ...] | None:
    """Returns the closed set of texts, if all are written out."""
    members: dict[str, None] = {}
    for found in values:
        value = found.value
        if isinstance(value, Constant) and value.value is None:
            continue
        if not isinstance(value, Constant) or not isinstance(value.value, str):
            return value.type.enum if len(values) == 1 else None
        members.setdefault(value.value)
    return tuple(members) or None


def _declared(
    found: Mapping[str, list[Found]],
    outcomes: Sequence[Outcome],
    computed: set[str],
    checker: Checker,
    declared: Sequence[Field],
) -> tuple[Field, ...]:
    known = {field.name: field for field in declared}
    for name, values in found.items():
        if name not in known:
            checker.report.add(
                "unknown_field", values[0].place, f"{name!r} is no field of this step's result.{suggest(name, known)}"
            )
            continue
        for value in values:
            _fits_field(value, known[name], checker)
    for name in known:
        if not outcomes and name not in found and not known[name].type.optional:
            checker.report.add(
                "missing_field", _first_place(found), f"The rule does not set {name!r}. Set it, or declare it optional."
            )
    for outcome in outcomes:
        _complete(outcome, computed, known, checker)
    return tuple(declared)


def _complete(outcome: Outcome, computed: set[str], known: Mapping[str, Field], checker: Checker) -> None:
    set_here = {setting.name for setting in outcome.settings} | computed | {"reason"}
    for name, field in known.items():
        if name not in set_here and not field.type.optional:
            checker.report.add(
                "missing_field", outcome.place, f"This outcome does not set {name!r}. Set it, or declare it optional."
            )


def _first_place(found: Mapping[str, list[Found]]) -> Place:
    return next((values[0].place for values in found.values()), Place(1, 1))


def _fits_field(found: Found, field: Field, checker: Checker) -> None:
    wanted, given = value_type(field.type), found.value.type
    if given.kind not in ("any", "null") and wanted.kind != "any" and given.kind != wanted.kind:
        checker.report.add(
            "type", found.place, f"{field.name!r} is declared as {field.type.kind}, and this is {named(given)}."
        )
        return
    value = found.value.value if isinstance(found.value, Constant) else None
    if field.type.enum and isinstance(value, str) and value not in field.type.enum:
        checker.report.add(
            "enum",
            found.place,
            f"{value!r} is not one of the values of {field.name!r}.{suggest(value, field.type.enum)}",
        )
    if field.type.kind == "integer" and isinstance(value, Decimal) and value != value.to_integral_value():
        checker.report.add("type", found.place, f"{field.name!r} is declared as integer, and {value} is none.")
    if given.optional and not field.type.optional and field.type.kind != "json":
        checker.report.add(
            "null",
            found.place,
            f"{field.name!r} is required, and this can be null. Test for null, or declare it optional.",
        )


# ---------------------------------------------------------------- warnings


def _warn(logic: Logic, checker: Checker) -> None:
    if logic.body is None:
        return
    _null_untested(logic, checker)
    if isinstance(logic.body, Chain):
        _unreachable(logic.body, (), checker)
        _gap(logic.body, checker)


def conditions_of(chain: Chain) -> Iterator[Expression]:
    """Yields every condition of a chain and of the chains inside it."""
    for branch in chain.branches:
        if branch.condition is not None:
            yield branch.condition
        if isinstance(branch.body, Chain):
            yield from conditions_of(branch.body)


def _null_untested(logic: Logic, checker: Checker) -> None:
    tested = {node.operand.key for node in walk(logic) if isinstance(node, IsNull) and isinstance(node.operand, Name)}
    conditions = tuple(conditions_of(logic.body)) if isinstance(logic.body, Chain) else ()
    warn_untested(conditions, tested, checker)


def warn_untested(conditions: Sequence[Expression], tested: set[str], checker: Checker) -> None:
    """Warns of optional fields that a decision turns on and that are nowhere tested for null."""
    seen: set[str] = set()
    for node in walk(conditions):
        if isinstance(node, Name) and node.type.optional and not node.local and node.key not in tested | seen:
            seen.add(node.key)
            checker.report.add(
                "null_untested",
                node.place,
                f"The rule turns on {node.key!r}, which can be missing, and never tests it for null. "
                f"Add a branch such as: IF {node.key} IS NULL THEN REVIEW",
                "warning",
            )


def _unreachable(chain: Chain, above: tuple[Expression, ...], checker: Checker) -> None:
    earlier: list[tuple[Expression, Place]] = []
    for branch in chain.branches:
        condition = branch.condition
        always = next((place for one, place in earlier if isinstance(one, Constant) and one.value is True), None)
        if always is not None:
            checker.report.add(
                "unreachable",
                branch.place,
                f"Never reached: the condition at line {always.line} is always true.",
                "warning",
            )
            return
        if condition is None:
            _inside(branch, (), checker)
            return
        if isinstance(condition, Constant) and condition.value is not True:
            checker.report.add("unreachable", branch.place, "Never reached: its condition is never true.", "warning")
        covering = next((place for one, place in earlier if implies(condition, one)), None)
        if covering is not None:
            checker.report.add(
                "unreachable",
                branch.place,
                f"Never reached: whenever its condition is true, the one at line {covering.line} is true before it.",
                "warning",
            )
        _inside(branch, (condition,), checker)
        earlier.append((condition, branch.place))


def _gap(chain: Chain, checker: Checker) -> None:
    """Warns of members of an enumeration that no branch of a chain without ELSE asks for."""
    conditions = [branch.condition for branch in chain.branches]
    names = {node for node in walk(conditions) if isinstance(node, Name)}
    if None in conditions or len(names) != 1 or any(isinstance(node, Lookup) for node in walk(conditions)):
        return
    (name,) = names
    members: tuple[Value, ...] = name.type.enum or ((True, False) if name.type.kind == "boolean" else ())
    if name.local or not members:
        return
    asked = [condition for condition in conditions if condition is not None]
    missing = [
        member
        for member in (*members, *((None,) if name.type.optional else ()))
        if not any(interpret_expression(condition, {name.key: member}) is True for condition in asked)
    ]
    if missing:
        listed = ", ".join(f'"{one}"' if isinstance(one, str) else to_text(one) or "null" for one in missing)
        message = f"No branch applies where {name.key!r} is {listed}. Add a branch or an ELSE."
        checker.report.add("gap", chain.branches[0].place, message, "warning")


def _inside(branch: Branch, above: tuple[Expression, ...], checker: Checker) -> None:
    if isinstance(branch.body, Chain):
        _unreachable(branch.body, above, checker)


def implies(one: Expression, other: Expression) -> bool:
    """Whether `other` is plainly true whenever `one` is; False where it is not plain to see."""
    if one == other:
        return True
    if isinstance(other, Logical):
        found = (implies(one, part) for part in other.parts)
        if all(found) if other.operator == "and" else any(found):
            return True
    if isinstance(one, Logical):
        parts = (implies(part, other) for part in one.parts)
        return any(parts) if one.operator == "and" else all(parts)
    return _bounds_imply(one, other)


def _bounds_imply(one: Expression, other: Expression) -> bool:
    """`x > 10` implies `x > 5`."""
    left, right = _bound(one), _bound(other)
    if left is None or right is None or left.left != right.left:
        return False
    a, b = left.value, right.value
    if type(a) is not type(b) or isinstance(a, bool) or a is None or b is None:
        return False
    low: bool = a > b  # type: ignore[operator]
    high: bool = a < b  # type: ignore[operator]
    return {
        ">": {">": low or a == b, ">=": low or a == b},
        ">=": {">": low, ">=": low or a == b},
        "<": {"<": high or a == b, "<=": high or a == b},
        "<=": {"<": high, "<=": high or a == b},
        "=": {">": low, ">=": low or a == b, "<": high, "<=": high or a == b},
    }.get(left.operator, {}).get(right.operator, False)


@dataclass(frozen=True)
class _Bound:
    left: Expression
    operator: str
    value: object


_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


def _bound(node: Expression) -> _Bound | None:
    if not isinstance(node, Compare):
        return None
    if isinstance(node.right, Constant):
        return _Bound(node.left, node.operator, node.right.value)
    if isinstance(node.left, Constant):
        return _Bound(node.right, _MIRROR[node.operator], node.left.value)
    return None


def set_of(outcome: Outcome) -> Mapping[str, Setting]:
    """Returns an outcome's settings by field."""
    return {setting.name: setting for setting in outcome.settings}
