"""Types and names: every name found in scope, every operand of a kind that its operator takes.

The checker returns the tree again with the types filled in, and says everything that is wrong at once. After an
error the part is of unknown type, so that one fault is reported once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

from compiled_ai.errors import suggest
from compiled_ai.library import rules as library
from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding, Severity
from compiled_ai.spec.model import Table
from compiled_ai.spec.rules.ast import (
    ANY,
    BOOLEAN,
    NULL,
    TEXT,
    Call,
    Candidate,
    Compare,
    Constant,
    Expression,
    Filter,
    If,
    In,
    InTable,
    IsNull,
    ListOf,
    Logical,
    Lookup,
    Name,
    Negate,
    Not,
    Operation,
    Path,
    Place,
    Range,
    Test,
    Value,
    ValueType,
    Words,
    value_type,
)
from compiled_ai.spec.rules.functions import FOLDS, FUNCTIONS, ITEM_KINDS, PROPERTIES, Signature, fits, signature_of
from compiled_ai.spec.rules.operators import ARITHMETIC, MOMENTS, NEGATION, ORDERED

_A = {
    "number": "a number",
    "text": "text",
    "boolean": "true or false",
    "any": "a value of unknown type",
    "null": "null",
}


def named(kind: ValueType) -> str:
    """Returns a type in words, with its article."""
    if kind.kind in _A:
        return _A[kind.kind]
    return f"{'an' if str(kind)[0] in 'aeiou' else 'a'} {kind}"


SHEET_COLUMN = 100_000
"""In a sheet, `Place.column` is the cell's column times this, plus the place within the cell."""


def cell_name(place: Place) -> str:
    """Returns `C14` for a place in a sheet."""
    letters, column = "", place.column // SHEET_COLUMN
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{place.line}"


@dataclass
class Report:
    """Findings of one text."""

    file: str
    sheet: str | None = None
    """`rates.xlsx[Plans]`, where places are cells of a sheet."""
    findings: list[Finding] = field(default_factory=list)

    def add(
        self, rule: str, place: Place, message: str, severity: Severity = "error", *, file: str | None = None
    ) -> None:
        line: int | None = place.line
        column: int | None = place.column
        if self.sheet is not None and file is None:
            file, line, column = f"{self.sheet}!{cell_name(place)}", None, None
        found = Finding(
            rule=f"rules.{rule}",
            message=message,
            file=file or self.file,
            line=line,
            column=column,
            severity=severity,
        )
        if found not in self.findings:
            self.findings.append(found)


@dataclass
class Checker:
    """Resolves and types expressions against fields and tables."""

    fields: Mapping[str, FieldType]
    tables: Mapping[str, Table]
    report: Report
    locals: dict[str, ValueType] = field(default_factory=dict)
    candidate: ValueType | None = None
    """Type of `?`, inside a unary test."""
    reads: dict[str, None] = field(default_factory=dict)

    # ------------------------------------------------------------ entry

    def expression(self, node: Expression) -> Expression:
        """Returns the node with its names resolved and its type known."""
        visit: Callable[[Any], Expression] = getattr(self, f"_{type(node).__name__.lower()}")
        return visit(node)

    def condition(self, node: Expression) -> Expression:
        """The same, for what must be true or false."""
        checked = self.expression(node)
        if checked.type.kind not in ("boolean", "any", "null"):
            self._error("type", node.place, f"A condition must be true or false, and this is {named(checked.type)}.")
        return checked

    def _error(self, rule: str, place: Place, message: str) -> None:
        self.report.add(rule, place, message)

    def _unknown(self, node: Expression, rule: str, place: Place, message: str) -> Expression:
        self._error(rule, place, message)
        return replace(node, type=ANY)

    # ------------------------------------------------------------ leaves

    def _constant(self, node: Constant) -> Expression:
        return replace(node, type=constant_type(node.value))

    def _name(self, node: Name) -> Expression:
        if node.key in self.locals:
            return replace(node, local=True, type=self.locals[node.key])
        self.reads.setdefault(node.key)
        return replace(node, type=value_type(self.fields[node.key]))

    def _words(self, node: Words) -> Expression:
        known = [*self.fields, *self.locals, *self.tables]
        hint = f' For text, write "{node.text}" in quotes.' if not suggest(node.text, known).startswith(" Did") else ""
        return self._unknown(
            node, "unknown_name", node.place, f"Unknown name {node.text!r}.{suggest(node.text, known)}{hint}"
        )

    def _candidate(self, node: Candidate) -> Expression:
        if self.candidate is None:
            return self._unknown(
                node, "candidate", node.place, "'?' stands for a column's value, only in a table's cell."
            )
        return replace(node, type=self.candidate)

    # ------------------------------------------------------------ paths

    def _path(self, node: Path) -> Expression:
        dotted = _dotted(node)
        if dotted is not None:
            known = [*self.fields, *self.locals]
            return self._unknown(
                node, "unknown_name", dotted[1], f"Unknown name {dotted[0]!r}.{suggest(dotted[0], known)}"
            )
        base = self.expression(node.base)
        kind = base.type
        if kind.kind == "object":
            return self._field(node, base)
        if kind.kind in PROPERTIES:
            found = PROPERTIES[kind.kind].get(node.member)
            if found is None:
                return self._no_member(node, kind, PROPERTIES[kind.kind])
            optional = kind.optional or found.result.optional
            return replace(node, base=base, type=replace(found.result, optional=optional))
        if kind.kind == "any" and kind.declared is None:
            return replace(node, base=base, type=ANY)
        return self._unknown(node, "type", node.place, f"{node.member!r} asks for a part, and {named(kind)} has none.")

    def _field(self, node: Path, base: Expression) -> Expression:
        found = next((part for part in base.type.fields if part.name == node.member), None)
        if found is None:
            return self._no_member(node, base.type, [part.name for part in base.type.fields])
        kind = value_type(found.type)
        return replace(node, base=base, type=replace(kind, optional=kind.optional or base.type.optional))

    def _no_member(self, node: Path, kind: ValueType, known: Iterable[str]) -> Expression:
        return self._unknown(
            node,
            "unknown_name",
            node.place,
            f"{_capital(named(kind))} has no {node.member!r}.{suggest(node.member, known)}",
        )

    def _filter(self, node: Filter) -> Expression:
        base, position = self.expression(node.base), self.expression(node.condition)
        if base.type.kind not in ("list", "any"):
            return self._unknown(
                node, "type", node.place, f"Brackets take an item of a list, and this is {named(base.type)}."
            )
        if position.type.kind not in ("number", "any", "null"):
            return self._unknown(
                node,
                "reserved",
                node.place,
                "Brackets take a position: list[1]. Filters are reserved for a later version.",
            )
        item = base.type.items or ANY
        return replace(node, base=base, condition=position, type=replace(item, optional=True))

    # ------------------------------------------------------------ tables

    def _lookup(self, node: Lookup) -> Expression:
        table = self.tables[node.table]
        if not node.keys:
            return self._unknown(
                node,
                "table",
                node.place,
                f"{node.table!r} is a table: write {_example(table)} or 'key IN {node.table}'.",
            )
        keys = self._keys(table, node.keys, node.place)
        columns = {column.name: column for column in table.columns}
        if not node.column:
            return self._unknown(
                node, "table", node.place, f"Name the column to read: {_example(table)}.{suggest('', columns)}"
            )
        if node.column not in columns:
            return self._unknown(
                node,
                "unknown_name",
                node.place,
                f"Table {node.table!r} has no column {node.column!r}.{suggest(node.column, columns)}",
            )
        kind = replace(value_type(columns[node.column].type), optional=True)
        return replace(node, keys=keys, type=kind, identifier=table.identifier)

    def _keys(self, table: Table, given: tuple[Expression, ...], place: Place) -> tuple[Expression, ...]:
        keys = tuple(self.expression(key) for key in given)
        wanted = [*table.keys, *(["date"] if table.effective_from or table.effective_to else [])]
        if len(keys) != len(wanted):
            self._error(
                "table",
                place,
                f"Table {table.name!r} is read by {_words(wanted)}, and {len(keys)} given. Write {_example(table)}.",
            )
            return keys
        for key, name in zip(keys, wanted, strict=True):
            column = next((column for column in table.columns if column.name == name), None)
            kind = value_type(column.type) if column else ValueType("date")
            if not _alike(key.type, kind):
                self._error(
                    "type",
                    key.place,
                    f"Key {name!r} of table {table.name!r} is {named(kind)}, and this is {named(key.type)}.",
                )
        return keys

    # ------------------------------------------------------------ operators

    def _negate(self, node: Negate) -> Expression:
        operand = self.expression(node.operand)
        kind = operand.type
        if kind.kind in ("any", "null"):
            return replace(node, operand=operand, type=replace(kind, optional=True))
        found = NEGATION.get(kind.kind)
        if found is None:
            return self._unknown(
                node, "type", node.place, f"'-' takes a number or a duration, and this is {named(kind)}."
            )
        return replace(node, operand=operand, type=ValueType(found.result, kind.optional or found.nullable))

    def _operation(self, node: Operation) -> Expression:
        left, right = self.expression(node.left), self.expression(node.right)
        built = replace(node, left=left, right=right)
        kinds = (left.type.kind, right.type.kind)
        if any(side.type.kind == "any" and side.type.declared is None for side in (left, right)):
            return replace(built, type=ANY)
        if "null" in kinds:
            other = right.type if kinds[0] == "null" else left.type
            return replace(built, type=replace(other, optional=True, declared=None, enum=None))
        found = ARITHMETIC.get((node.operator, *kinds))
        if found is None:
            return self._unknown(built, "type", node.place, _no_operation(node.operator, left.type, right.type))
        nullable = found.nullable and not is_total(node.operator, right)
        optional = left.type.optional or right.type.optional or nullable
        return replace(built, type=ValueType(found.result, optional))

    def _compare(self, node: Compare) -> Expression:
        left, right = self._pair(node.left, node.right)
        if node.operator in ("=", "!="):
            for one, other in ((left, right), (right, left)):
                if isinstance(other, Constant) and other.value is None:
                    return IsNull(place=node.place, type=BOOLEAN, operand=one, negated=node.operator == "!=")
        self._comparable(node.operator, left, right, node.place)
        optional = node.operator not in ("=", "!=") and (_gives_null(left.type) or _gives_null(right.type))
        return replace(node, left=left, right=right, type=replace(BOOLEAN, optional=optional))

    def _pair(self, left: Expression, right: Expression) -> tuple[Expression, Expression]:
        return self.expression(left), self.expression(right)

    def _comparable(self, operator: str, left: Expression, right: Expression, place: Place) -> bool:
        """Reports what cannot be compared; a closed set is compared with its members only."""
        if not _alike(left.type, right.type):
            self._error("type", place, _no_comparison(operator, left, right))
            return False
        kind = left.type.kind if left.type.kind not in ("any", "null") else right.type.kind
        if operator not in ("=", "!=", "in") and kind not in ORDERED and kind not in ("any", "null"):
            self._error(
                "type",
                place,
                f"{_capital(named(left.type))} has no order: '{operator}' compares numbers, text, dates or durations.",
            )
            return False
        for one, other in ((left, right), (right, left)) if operator in ("=", "!=", "in") else ():
            members = one.type.enum
            if members and isinstance(other, Constant) and isinstance(other.value, str) and other.value not in members:
                self._error(
                    "enum", other.place, f"{_spoken(one)} is never {other.value!r}.{suggest(other.value, members)}"
                )
                return False
        return True

    def _not(self, node: Not) -> Expression:
        operand = self._boolean(node.operand, "NOT")
        return replace(node, operand=operand, type=replace(BOOLEAN, optional=operand.type.optional))

    def _logical(self, node: Logical) -> Expression:
        parts = tuple(self._boolean(part, node.operator.upper()) for part in node.parts)
        optional = any(part.type.optional for part in parts)
        return replace(node, parts=parts, type=replace(BOOLEAN, optional=optional))

    def _boolean(self, node: Expression, operator: str) -> Expression:
        checked = self.expression(node)
        if checked.type.kind not in ("boolean", "any", "null"):
            self._error(
                "type", node.place, f"{operator} takes conditions, and {_spoken(checked)} is {named(checked.type)}."
            )
        return checked

    def _isnull(self, node: IsNull) -> Expression:
        return replace(node, operand=self.expression(node.operand), type=BOOLEAN)

    def _if(self, node: If) -> Expression:
        condition = self.condition(node.condition)
        then, otherwise = self._pair(node.then, node.otherwise)
        kind = merged(then.type, otherwise.type)
        if kind is None:
            return self._unknown(
                node,
                "type",
                node.place,
                f"THEN gives {named(then.type)} and ELSE {named(otherwise.type)}: make them the same.",
            )
        return replace(node, condition=condition, then=then, otherwise=otherwise, type=kind)

    def _listof(self, node: ListOf) -> Expression:
        items = tuple(self.expression(item) for item in node.items)
        kind: ValueType | None = items[0].type if items else ANY
        for item in items[1:]:
            kind = merged(kind, item.type) if kind else None
            if kind is None:
                self._error(
                    "type", item.place, f"The list holds {named(items[0].type)} and {named(item.type)}: keep to one."
                )
                kind = ANY
        return replace(node, items=items, type=ValueType("list", items=kind and replace(kind, declared=None)))

    def _range(self, node: Range) -> Expression:
        low, high = self._pair(node.low, node.high)
        if self._comparable("..", low, high, node.place) and _empty(node, low, high):
            self.report.add(
                "empty_range", node.place, "The range is empty: its lower end is above its upper.", "warning"
            )
        optional = low.type.optional or high.type.optional
        items = low.type if low.type.kind != "null" else high.type
        return replace(node, low=low, high=high, type=ValueType("range", optional, items=items))

    # ------------------------------------------------------------ unary tests

    def _in(self, node: In) -> Expression:
        target = node.tests[0].operand if len(node.tests) == 1 else None
        if isinstance(target, Lookup) and not target.keys:
            given = node.subject.items if isinstance(node.subject, ListOf) else (node.subject,)
            keys = self._keys(self.tables[target.table], given, node.place)
            return InTable(
                place=node.place,
                type=BOOLEAN,
                table=target.table,
                keys=keys,
                negated=node.negated,
                identifier=self.tables[target.table].identifier,
            )
        subject = self.expression(node.subject)
        tests = tuple(self.test(test, subject) for test in node.tests)
        optional = any(test.type.optional for test in tests)
        return replace(node, subject=subject, tests=tests, type=replace(BOOLEAN, optional=optional))

    def test(self, node: Test, subject: Expression) -> Test:
        """Returns a unary test of the subject, its `how` decided by the kind of its operand."""
        outer, self.candidate = self.candidate, subject.type
        try:
            operand = self.expression(node.operand)
        finally:
            self.candidate = outer
        how = node.how
        if how == "unknown":
            how = _how(operand, subject.type)
        checked = replace(node, how=how, operand=operand)
        return replace(checked, type=replace(BOOLEAN, optional=self._test_optional(checked, subject)))

    def _test_optional(self, node: Test, subject: Expression) -> bool:
        operand = node.operand
        if node.how == "holds":
            return operand.type.optional
        if node.how == "member":
            item = replace(operand, type=operand.type.items or ANY)
            self._comparable("in", subject, item, node.place)
            return operand.type.optional
        if node.how == "within":
            ends = operand.type.items or ANY
            self._comparable("in", subject, replace(operand, type=ends), node.place)
            return _gives_null(subject.type) or operand.type.optional
        self._comparable(node.how, subject, operand, node.place)
        return node.how not in ("=", "!=") and (_gives_null(subject.type) or _gives_null(operand.type))

    # ------------------------------------------------------------ functions

    def _call(self, node: Call) -> Expression:
        arguments = tuple(self.expression(argument) for argument in node.arguments)
        node = replace(node, arguments=arguments)
        if node.function in ("duration", "@", "date", "time", "date and time"):
            folded = self._literal(node)
            if folded is not None:
                return folded
        if node.function == "contains" and arguments and arguments[0].type.kind == "list":
            node = replace(node, function="list contains")
        if node.function in FOLDS and (len(arguments) != 1 or arguments[0].type.kind not in ("list", "any")):
            node = self._folded(node)
        return self._signature(node)

    def _folded(self, node: Call) -> Call:
        items = self._listof(ListOf(place=node.place, items=node.arguments))
        return replace(node, arguments=(items,)) if node.arguments else node

    def _signature(self, node: Call) -> Expression:
        signatures = FUNCTIONS[node.function]
        count = len(node.arguments)
        fitting = [s for s in signatures if s.least <= count and (s.most is None or count <= s.most)]
        if not fitting:
            return self._unknown(
                node, "arguments", node.place, f"{node.function}() takes {_counts(signatures)}, and {count} given."
            )
        signature = signature_of(node.function, [argument.type for argument in node.arguments])
        return self._called(node, signature) if signature else self._misfit(node, fitting)

    def _misfit(self, node: Call, fitting: list[Signature]) -> Expression:
        for place, argument in enumerate(node.arguments):
            allowed = frozenset[str]().union(*(signature.kinds(place) for signature in fitting))
            if not fits(argument.type, allowed):
                kinds = " or ".join(sorted(str(ValueType(kind)) for kind in allowed))  # type: ignore[arg-type]
                return self._unknown(
                    node,
                    "type",
                    argument.place,
                    f"{node.function}() takes {kinds} as argument {place + 1}, and this is {named(argument.type)}.",
                )
        return self._unknown(node, "type", node.place, f"{node.function}() does not take these arguments together.")

    def _called(self, node: Call, signature: Signature) -> Expression:
        wanted = ITEM_KINDS.get(node.function)
        first = node.arguments[0].type if node.arguments else ANY
        item = first.items if first.kind == "list" else None
        if wanted and item is not None and item.kind not in wanted | {"any", "null"}:
            kinds = " or ".join(sorted(str(ValueType(kind)) for kind in wanted))  # type: ignore[arg-type]
            return self._unknown(
                node,
                "type",
                node.arguments[0].place,
                f"{node.function}() takes a list of {kinds}, and this is {named(first)}.",
            )
        self._pattern(node)
        kind = signature.result_type(tuple(argument.type for argument in node.arguments))
        passed = any(argument.type.optional for argument in node.arguments) and not signature.takes_null
        if node.function == "string" and first.kind != "any" and not first.optional:
            return replace(node, type=TEXT)
        if node.function == "matches" and _constant_text(node.arguments[1]) is not None:
            return replace(node, type=replace(BOOLEAN, optional=passed))
        return replace(node, type=replace(kind, optional=kind.optional or passed))

    def _pattern(self, node: Call) -> None:
        """A pattern that is written out must be one."""
        if node.function not in ("matches", "replace", "split") or len(node.arguments) < 2:
            return
        text = _constant_text(node.arguments[1])
        flags = _constant_text(node.arguments[-1]) if len(node.arguments) > 2 else ""
        if text is None:
            return
        try:
            re.compile(text)
        except (re.error, OverflowError) as fault:
            self._error("pattern", node.arguments[1].place, f"{text!r} is no pattern: {fault}.")
            return
        if node.function == "matches" and flags and library.compiled_pattern("", flags) is None:
            self._error("pattern", node.arguments[-1].place, f"Unknown flags {flags!r}. Known: i, m, s, x.")

    def _literal(self, node: Call) -> Expression | None:
        """Reads a date, a time or a duration that is written out; anything else is left to run time."""
        text = _constant_text(node.arguments[0]) if len(node.arguments) == 1 else None
        if text is None:
            if node.function == "duration" and not any(argument.type == ANY for argument in node.arguments):
                return self._unknown(
                    node, "type", node.place, 'duration() takes one text in quotes: duration("P1Y6M").'
                )
            return replace(node, type=ANY) if node.function == "duration" else None
        for reader in _READERS[node.function]:
            value = reader(text)
            if value is not None:
                return Constant(place=node.place, value=value, type=constant_type(value))
        return self._unknown(node, "literal", node.arguments[0].place, f"{text!r} is no {_LITERALS[node.function]}.")


_READERS: Mapping[str, tuple[Callable[[str], Value], ...]] = {
    "date": (library.date_from_text,),
    "time": (library.time_from_text,),
    "date and time": (library.datetime_from_text,),
    "duration": (library.days_time_from_text, library.years_months_from_text),
    "@": (
        library.date_from_text,
        library.datetime_from_text,
        library.time_from_text,
        library.days_time_from_text,
        library.years_months_from_text,
    ),
}
_LITERALS = {
    "date": "date of the calendar. Write YYYY-MM-DD",
    "time": "time of day. Write HH:MM:SS",
    "date and time": "date and time. Write YYYY-MM-DDTHH:MM:SS",
    "duration": "duration. Write for example P3DT4H (days and time) or P1Y6M (years and months)",
    "@": "date, time or duration. Write for example 2026-01-31, 09:30:00 or P1Y6M",
}


def constant_type(value: Value) -> ValueType:
    """Returns the type of a literal."""
    kinds: dict[str, Any] = {
        "bool": "boolean",
        "Decimal": "number",
        "str": "text",
        "timedelta": "days_time_duration",
        "YearsMonths": "years_months_duration",
    }
    name = type(value).__name__
    return NULL if value is None else ValueType(kinds.get(name, name))


def merged(left: ValueType, right: ValueType) -> ValueType | None:
    """Returns the type that holds both, or None where there is none."""
    optional = left.optional or right.optional
    if left.kind == "null" or right.kind == "null":
        return replace(right if left.kind == "null" else left, optional=True, declared=None)
    if left.kind == "any" or right.kind == "any":
        return ANY
    if left.kind != right.kind or left.fields != right.fields:
        return None
    enum = left.enum if left.enum == right.enum else None
    items = merged(left.items, right.items) if left.items and right.items else left.items or right.items
    if (left.items and right.items) and items is None:
        return None
    declared = left.declared if left.declared == right.declared else None
    return replace(left, optional=optional, enum=enum, items=items, declared=declared)


def walk(node: object) -> Iterator[Expression]:
    """Yields every expression of a tree, depth first."""
    if isinstance(node, Expression):
        yield node
    if isinstance(node, (tuple, list)):
        for item in node:
            yield from walk(item)
    elif is_dataclass(node) and not isinstance(node, (ValueType, Place, Field, FieldType, type)):
        for part in fields(node):
            yield from walk(getattr(node, part.name))


def _how(operand: Expression, subject: ValueType) -> Any:
    if operand.type.kind == "range":
        return "within"
    if operand.type.kind == "boolean" and any(isinstance(node, Candidate) for node in walk(operand)):
        return "holds"
    return "member" if operand.type.kind == "list" and subject.kind != "list" else "="


def _gives_null(kind: ValueType) -> bool:
    """Whether an order with such a value can be null: it can be missing, or lack the offset that the other has."""
    return kind.optional or kind.kind in MOMENTS


def _alike(left: ValueType, right: ValueType) -> bool:
    loose = ("any", "null")
    if left.kind in loose or right.kind in loose:
        return True
    if left.kind != right.kind:
        return False
    return not (left.items and right.items) or _alike(left.items, right.items)


def is_total(operator: str, right: Expression) -> bool:
    """Whether this divisor or exponent always gives a number."""
    value = right.value if isinstance(right, Constant) else None
    if not isinstance(value, Decimal):
        return False
    return value != 0 if operator == "/" else operator == "**" and value >= 1 and value == value.to_integral_value()


def _empty(node: Range, low: Expression, high: Expression) -> bool:
    if not (isinstance(low, Constant) and isinstance(high, Constant)) or None in (low.value, high.value):
        return False
    ends: Any = (low.value, high.value)
    return bool(ends[0] > ends[1] or (ends[0] == ends[1] and not (node.low_closed and node.high_closed)))


def _constant_text(node: Expression) -> str | None:
    return node.value if isinstance(node, Constant) and isinstance(node.value, str) else None


def _dotted(node: Path) -> tuple[str, Place] | None:
    """Returns the dotted name of a path that begins with an unknown word."""
    if isinstance(node.base, Words):
        return f"{node.base.text}.{node.member}", node.base.place
    if isinstance(node.base, Path):
        below = _dotted(node.base)
        return (f"{below[0]}.{node.member}", below[1]) if below else None
    return None


def _spoken(node: Expression) -> str:
    if isinstance(node, Name):
        return repr(node.key)
    if isinstance(node, Path):
        return repr(node.member)
    if isinstance(node, Constant):
        return repr(library.to_text(node.value)) if not isinstance(node.value, str) else repr(node.value)
    return "this"


def _no_comparison(operator: str, left: Expression, right: Expression) -> str:
    message = f"Cannot compare {named(left.type)} ({_spoken(left)}) with {named(right.type)} ({_spoken(right)})."
    kinds = {left.type.kind, right.type.kind}
    if kinds == {"number", "text"}:
        text = left if left.type.kind == "text" else right
        if isinstance(text, Constant) and library.number_from_text(str(text.value)) is not None:
            return f"{message} Write the number without quotes: {text.value}."
        return f"{message} Write number(...) to read the text as a number."
    if kinds == {"date", "datetime"}:
        return f"{message} Write date(...) around the date and time."
    if "date" in kinds and "text" in kinds:
        return f'{message} A date is written date("2026-01-31").'
    if kinds == {"boolean", "text"}:
        return f"{message} Write true or false without quotes."
    return message


def _no_operation(operator: str, left: ValueType, right: ValueType) -> str:
    message = f"'{operator}' does not take {named(left)} and {named(right)}."
    kinds = {left.kind, right.kind}
    if kinds == {"number", "text"}:
        return f"{message} Write number(...) or string(...) around one of them."
    if "number" in kinds and kinds & {"date", "datetime"}:
        return f'{message} Add a duration: duration("P30D").'
    return message


def _counts(signatures: Iterable[Signature]) -> str:
    counts = sorted({(s.least, s.most) for s in signatures}, key=str)
    parts = [
        f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}" for low, high in counts
    ]
    return f"{' or '.join(parts)} argument{'' if parts == ['1'] else 's'}"


def _example(table: Table) -> str:
    keys = [*table.keys, *(["date"] if table.effective_from or table.effective_to else [])]
    other = next((column.name for column in table.columns if column.name not in table.keys), "column")
    return f"{table.name}[{', '.join(keys)}].{other}"


def _words(names: list[str]) -> str:
    listed = ", ".join(repr(name) for name in names)
    return f"{listed} ({len(names)} key{'' if len(names) == 1 else 's'})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
