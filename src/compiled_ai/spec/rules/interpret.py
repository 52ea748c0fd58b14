"""The interpreter: slow and obvious, kept as the measure of the compiler.

It walks the tree with FEEL's tables written out, keeps null as None, and shares nothing with the compiler but the
tree and the functions of `library.rules` that authors call by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiled_ai.library import rules as library
from compiled_ai.library.values import number
from compiled_ai.spec.rules.ast import (
    Call,
    Candidate,
    Cell,
    Chain,
    Compare,
    Constant,
    DecisionTable,
    Expression,
    Filter,
    If,
    In,
    InTable,
    IsNull,
    ListOf,
    Logic,
    Logical,
    Lookup,
    Name,
    Negate,
    Not,
    Operation,
    Outcome,
    Path,
    Range,
    Row,
    Test,
)
from compiled_ai.spec.rules.functions import PROPERTIES, signature_of
from compiled_ai.spec.rules.operators import ARITHMETIC, NEGATION

Values = Mapping[str, Any]


def interpret_expression(node: Expression, values: Values, tables: Mapping[str, Any] | None = None) -> Any:
    """Returns the value of a checked expression; null is None. Numbers of `values` become decimals.

    `values` maps the author's names to typed values; `tables` maps names to `library.lookups.ReferenceTable`.
    """
    return _Interpreter(values, tables or {}).value(node)


def interpret_logic(node: Logic, values: Values, tables: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Returns the fields that a rule yields, by name, or None when no branch applies."""
    interpreter = _Interpreter(values, tables or {})
    result: dict[str, Any] = {field.name: None for field in node.result}
    for line in node.lines:
        result[line.name] = interpreter.locals[line.name] = interpreter.value(line.value)
    if node.body is None:
        return result
    outcome = _outcome(node.body, interpreter)
    if outcome is None:
        return None
    if "reason" in result:
        result["reason"] = interpreter.value(outcome.reason)
    for setting in outcome.settings:
        result[setting.name] = interpreter.value(setting.value)
    return result


def _outcome(body: Chain | Outcome, interpreter: _Interpreter) -> Outcome | None:
    if isinstance(body, Outcome):
        return body
    for branch in body.branches:
        if branch.condition is None or interpreter.value(branch.condition) is True:
            return _outcome(branch.body, interpreter)
    return None


AND_TABLE: Mapping[tuple[bool | None, bool | None], bool | None] = {
    (True, True): True,
    (True, False): False,
    (True, None): None,
    (False, True): False,
    (False, False): False,
    (False, None): False,
    (None, True): None,
    (None, False): False,
    (None, None): None,
}
"""OMG DMN 1.5, table 50."""
OR_TABLE: Mapping[tuple[bool | None, bool | None], bool | None] = {
    (True, True): True,
    (True, False): True,
    (True, None): True,
    (False, True): True,
    (False, False): False,
    (False, None): None,
    (None, True): True,
    (None, False): None,
    (None, None): None,
}
NOT_TABLE: Mapping[bool | None, bool | None] = {True: False, False: True, None: None}
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@dataclass
class _Interpreter:
    values: Values
    tables: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.locals: dict[str, Any] = {}
        self.candidate: Any = None

    def value(self, node: Expression) -> Any:
        visit: Callable[[Any], Any] = getattr(self, f"_{type(node).__name__.lower()}")
        return visit(node)

    def _constant(self, node: Constant) -> Any:
        return node.value

    def _name(self, node: Name) -> Any:
        return self.locals[node.key] if node.local else exact(self.values[node.key])

    def _candidate(self, node: Candidate) -> Any:
        return self.candidate

    def _path(self, node: Path) -> Any:
        base = self.value(node.base)
        if base is None:
            return None
        if node.base.type.kind in PROPERTIES:
            return getattr(library, PROPERTIES[node.base.type.kind][node.member].library)(base)
        if isinstance(base, Mapping):
            return exact(base[node.member])
        part = next(part for part in node.base.type.fields if part.name == node.member)
        return exact(getattr(base, part.identifier))

    def _filter(self, node: Filter) -> Any:
        base, position = self.value(node.base), self.value(node.condition)
        return None if base is None or position is None else library.item_at(base, position)

    def _lookup(self, node: Lookup) -> Any:
        return exact(self.tables[node.table].value(node.column, *[self.value(key) for key in node.keys]))

    def _intable(self, node: InTable) -> bool:
        return self.tables[node.table].has(*[self.value(key) for key in node.keys]) is not node.negated

    def _negate(self, node: Negate) -> Any:
        operand = self.value(node.operand)
        rule = NEGATION.get(node.operand.type.kind)
        return None if operand is None or rule is None else getattr(library, rule.library)(operand)

    def _operation(self, node: Operation) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        rule = ARITHMETIC.get((node.operator, node.left.type.kind, node.right.type.kind))
        if left is None or right is None or rule is None:
            return None
        operate = getattr(library, rule.library)
        return operate(right, left) if rule.swapped else operate(left, right)

    def _compare(self, node: Compare) -> bool | None:
        return compare(node.operator, self.value(node.left), self.value(node.right))

    def _not(self, node: Not) -> bool | None:
        return NOT_TABLE[logical(self.value(node.operand))]

    def _logical(self, node: Logical) -> bool | None:
        table = AND_TABLE if node.operator == "and" else OR_TABLE
        result = logical(self.value(node.parts[0]))
        for part in node.parts[1:]:
            result = table[result, logical(self.value(part))]
        return result

    def _isnull(self, node: IsNull) -> bool:
        return (self.value(node.operand) is None) is not node.negated

    def _if(self, node: If) -> Any:
        return self.value(node.then if self.value(node.condition) is True else node.otherwise)

    def _listof(self, node: ListOf) -> tuple[Any, ...]:
        return tuple(self.value(item) for item in node.items)

    def _in(self, node: In) -> bool | None:
        result = self.tests(self.value(node.subject), node.tests)
        return NOT_TABLE[result] if node.negated else result

    def tests(self, subject: Any, tests: tuple[Test, ...]) -> bool | None:
        """Returns the disjunction of unary tests."""
        result: bool | None = False
        for test in tests:
            result = OR_TABLE[result, self.test(subject, test)]
        return result

    def test(self, subject: Any, test: Test) -> bool | None:
        if test.how == "holds":
            outer, self.candidate = self.candidate, subject
            held = logical(self.value(test.operand))
            self.candidate = outer
            return held
        if test.how == "within" and isinstance(test.operand, Range):
            within = test.operand
            low = compare(">=" if within.low_closed else ">", subject, self.value(within.low))
            high = compare("<=" if within.high_closed else "<", subject, self.value(within.high))
            return AND_TABLE[low, high]
        operand = self.value(test.operand)
        if test.how == "member":
            return None if operand is None else library.list_contains(operand, subject)
        return compare(test.how, subject, operand)

    def _call(self, node: Call) -> Any:
        signature = signature_of(node.function, [argument.type for argument in node.arguments])
        arguments = [self.value(argument) for argument in node.arguments]
        if signature is None or (not signature.takes_null and None in arguments):
            return None
        return getattr(library, signature.library)(*arguments)


def compare(operator: str, left: Any, right: Any) -> bool | None:
    """FEEL's comparison: equality with null is true or false, an order with null is null."""
    if operator in ("=", "!="):
        return same(left, right) is (operator == "=")
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return None
    try:
        return ORDER[operator](left, right)
    except TypeError:
        return None


def same(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def logical(value: Any) -> bool | None:
    """What is not true or false counts as null."""
    return value if isinstance(value, bool) else None


def exact(value: Any) -> Any:
    """Numbers as decimals, also inside lists."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return tuple(exact(item) for item in value)
    return value


# ---------------------------------------------------------------- decision tables


def interpret_cell(cell: Cell, value: Any, values: Values, tables: Mapping[str, Any] | None = None) -> bool | None:
    """Returns whether a cell admits a value."""
    return _cell(cell, value, _Interpreter(values, tables or {}))


def _cell(cell: Cell, value: Any, interpreter: _Interpreter) -> bool | None:
    if not cell.tests:
        return True
    found = interpreter.tests(value, cell.tests)
    return NOT_TABLE[found] if cell.negated else found


def interpret_table(
    node: DecisionTable, values: Values, tables: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Returns the fields that a table yields, by name, or None when no row applies or the hit policy is violated."""
    interpreter = _Interpreter(values, tables or {})
    subjects = [interpreter.value(column.expression) for column in node.inputs]
    rows = [
        row
        for row in node.rows
        if all(_cell(cell, subject, interpreter) is True for cell, subject in zip(row.cells, subjects, strict=True))
    ]
    if node.hit_policy in ("PRIORITY", "OUTPUT ORDER"):
        rows.sort(key=lambda row: priority(node, row))
    if node.aggregation == "count" or (node.aggregation is None and is_list(node) and rows):
        return _collected(node, rows, interpreter)
    if not rows:
        return _default(node, interpreter)
    if node.aggregation is not None:
        return _collected(node, rows, interpreter)
    results = [_row(node, row, interpreter) for row in rows]
    if node.hit_policy == "UNIQUE" and len(rows) > 1:
        return None
    outputs = [column.name for column in node.outputs]
    if node.hit_policy == "ANY" and any(same_row(results[0], result, outputs) is False for result in results):
        return None
    return results[0]


def is_list(node: DecisionTable) -> bool:
    """Whether the table yields lists."""
    return node.aggregation is None and node.hit_policy in ("RULE ORDER", "OUTPUT ORDER", "COLLECT")


def same_row(left: Mapping[str, Any], right: Mapping[str, Any], names: Sequence[str]) -> bool:
    return all(same(left[name], right[name]) for name in names)


def priority(node: DecisionTable, row: Row) -> tuple[int, ...]:
    """Returns the rank of a row's outputs in the stated orders, best first."""
    ranks: list[int] = []
    for column, output in zip(node.outputs, row.outputs, strict=True):
        if column.allowed:
            value = output.value if isinstance(output, Constant) else None
            ranks.append(column.allowed.index(value) if value in column.allowed else len(column.allowed))
    return tuple(ranks)


def _row(node: DecisionTable, row: Row, interpreter: _Interpreter) -> dict[str, Any]:
    found = {field.name: None for field in node.result}
    if "reason" in found:
        found["reason"] = row.reason  # type: ignore[assignment]
    for column, output in zip(node.outputs, row.outputs, strict=True):
        found[column.name] = interpreter.value(output)
    return found


def _default(node: DecisionTable, interpreter: _Interpreter) -> dict[str, Any] | None:
    if all(column.default is None for column in node.outputs):
        return None
    found: dict[str, Any] = {field.name: None for field in node.result}
    if "reason" in found:
        found["reason"] = NO_ROW
    for column in node.outputs:
        value = interpreter.value(column.default) if column.default is not None else None
        found[column.name] = (value,) if is_list(node) else value
    return found


NO_ROW = "no row applies: default"
_AGGREGATES: Mapping[str, Callable[[tuple[Any, ...]], Any]] = {
    "sum": library.sum_of,
    "min": library.smallest,
    "max": library.largest,
    "count": library.count_of,
}


def _collected(node: DecisionTable, rows: Sequence[Row], interpreter: _Interpreter) -> dict[str, Any]:
    results = [_row(node, row, interpreter) for row in rows]
    found: dict[str, Any] = {field.name: None for field in node.result}
    if "reason" in found:
        found["reason"] = "; ".join(row.reason for row in rows)
    for column in node.outputs:
        values = tuple(result[column.name] for result in results)
        found[column.name] = _AGGREGATES[node.aggregation](values) if node.aggregation else values
    return found
