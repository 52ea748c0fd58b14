"""From the tree to Python that a person can read.

A condition only asks what is TRUE, so three-valued logic needs no helper there: `a AND b` is true exactly if both
are, false exactly if one is. `true` and `false` write these two questions as plain Python, with `is not None` in
front of whatever may be missing; only a boolean that is kept as a value, or a missing value in the middle of
arithmetic, calls `library.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from compiled_ai.spec.rules.ast import (
    BOOLEAN,
    NUMBERS,
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
    Range,
    Test,
    ValueType,
)
from compiled_ai.spec.rules.check import is_total, walk
from compiled_ai.spec.rules.functions import PROPERTIES, signature_of
from compiled_ai.spec.rules.literals import literal, text_literal
from compiled_ai.spec.rules.operators import ARITHMETIC, MOMENTS, NEGATION

CONDITIONAL, OR, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY, POWER, ATOM = range(10)
_LEVELS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "**": POWER}
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_PYTHON = {"=": "==", "!=": "!="}
_HELPERS = {"<": "less", "<=": "at_most", ">": "greater", ">=": "at_least"}
_SIMPLE = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Code:
    """Python text and how tightly it binds; `parts` are what `and` or `or` joins, for long lines."""

    text: str
    level: int = ATOM
    parts: tuple[str, ...] = ()
    joiner: str = ""

    def at(self, level: int) -> str:
        """Returns the text, in brackets where the place asks for something that binds tighter."""
        return self.text if self.level >= level else f"({self.text})"


def call(function: str, *arguments: str) -> Code:
    return Code(f"{function}({', '.join(arguments)})")


@dataclass
class Emitter:
    """Writes expressions; `names` gives the Python of a field, `locals` that of a line of the rule."""

    names: Callable[[str], str]
    locals: dict[str, str] = field(default_factory=dict)
    known: frozenset[Name | Candidate] = frozenset()
    """Names that cannot be null here, because the code in front has asked."""
    candidate: Expression | None = None
    keeps: bool = False
    """The answer is kept as a value, not only asked in a condition."""

    # ------------------------------------------------------------ what may be null

    def nullable(self, node: Expression) -> bool:
        """Whether the Python for this node can give None here."""
        if not node.type.optional:
            return False
        if isinstance(node, Name):
            return node not in self.known
        if isinstance(node, Candidate) and self.candidate is not None:
            return self.nullable(self.candidate)
        if isinstance(node, Operation):
            kinds = (node.operator, node.left.type.kind, node.right.type.kind)
            rule = ARITHMETIC.get(kinds)
            own = rule is None or (rule.nullable and not is_total(node.operator, node.right))
            return own or self.nullable(node.left) or self.nullable(node.right)
        if isinstance(node, Compare):
            moments = bool({node.left.type.kind, node.right.type.kind} & MOMENTS)
            ordered = node.operator not in ("=", "!=")
            return ordered and (moments or self.nullable(node.left) or self.nullable(node.right))
        if isinstance(node, Logical):
            return any(self.nullable(part) for part in node.parts)
        if isinstance(node, Not):
            return self.nullable(node.operand)
        if isinstance(node, Path):
            return self._path_nullable(node)
        if isinstance(node, Call):
            signature = signature_of(node.function, [argument.type for argument in node.arguments])
            if node.function == "string":
                return self.nullable(node.arguments[0]) or node.arguments[0].type.kind == "any"
            own = signature is None or signature.nullable or signature.takes_null
            return own or any(self.nullable(argument) for argument in node.arguments)
        if isinstance(node, Range):
            return self.nullable(node.low) or self.nullable(node.high)
        return True

    def _path_nullable(self, node: Path) -> bool:
        known = PROPERTIES.get(node.base.type.kind)
        if known is not None:
            return known[node.member].result.optional or self.nullable(node.base)
        field = next(part for part in node.base.type.fields if part.name == node.member)
        return field.type.optional or field.type.kind in ("json", "box") or self.nullable(node.base)

    def _guards(self, *nodes: Expression) -> tuple[Name, ...] | None:
        """Returns the names to ask for None so that the nodes cannot be null; None where that is not enough."""
        names: dict[Name, None] = {}
        for node in walk(nodes):
            node = self.candidate if isinstance(node, Candidate) and self.candidate is not None else node
            if not _strict(node):
                return None
            if isinstance(node, Name) and self.nullable(node):
                if not _SIMPLE.fullmatch(self._name(node).text):
                    return None
                names.setdefault(node)
        with self.knowing(names):
            return None if any(self.nullable(node) for node in nodes) else tuple(names)

    @contextmanager
    def knowing(self, names: Iterable[Name | Candidate]) -> Iterator[None]:
        """Inside, these names are known not to be null."""
        before = self.known
        self.known = before | frozenset(names)
        try:
            yield
        finally:
            self.known = before

    # ------------------------------------------------------------ TRUE and FALSE

    def true(self, node: Expression) -> Code:
        """Python that is True exactly if the node is TRUE, else False."""
        return self._ask(node, True)

    def false(self, node: Expression) -> Code:
        """Python that is True exactly if the node is FALSE (null is not)."""
        return self._ask(node, False)

    def _ask(self, node: Expression, wanted: bool) -> Code:
        if isinstance(node, Constant):
            return Code(repr(node.value is wanted))
        if isinstance(node, Not):
            return self._ask(node.operand, not wanted)
        if isinstance(node, Logical):
            return self._ask_logical(node, wanted)
        if isinstance(node, Compare):
            return self._ask_compare(node, wanted)
        if isinstance(node, IsNull):
            return self._ask_null(node, wanted)
        if isinstance(node, In):
            return self._ask_in(node, wanted)
        if isinstance(node, InTable):
            code = self.value(replace(node, negated=False))
            return code if wanted != node.negated else Code(f"not {code.at(NOT)}", NOT)
        return self._ask_value(node, wanted)

    def _ask_value(self, node: Expression, wanted: bool) -> Code:
        code = self.value(node)
        if isinstance(node, (Name, Candidate)) and node.type.kind == "boolean" and self.nullable(node):
            return self._maybe(code, wanted)
        if self.nullable(node) or node.type.kind != "boolean":
            return Code(f"{code.at(COMPARISON + 1)} is {wanted}", COMPARISON)
        return code if wanted else Code(f"not {code.at(NOT)}", NOT)

    def _maybe(self, code: Code, wanted: bool) -> Code:
        """A field that is true, false or missing: missing counts as neither."""
        if wanted:
            return call("bool", code.text) if self.keeps else code
        missing = Code(f"{code.at(COMPARISON + 1)} is not None", COMPARISON)
        return joined([missing, Code(f"not {code.at(NOT)}", NOT)], "and")

    def _ask_logical(self, node: Logical, wanted: bool) -> Code:
        both = (node.operator == "and") == wanted
        before = self.known
        parts: list[Code] = []
        for part in node.parts:
            parts.append(self._ask(part, wanted))
            self.known |= self.facts(part, wanted) if both else self.facts_otherwise(part, wanted)
        self.known = before
        return joined(parts, "and" if both else "or")

    def _ask_compare(self, node: Compare, wanted: bool) -> Code:
        operator = node.operator if wanted else _OPPOSITE[node.operator]
        if operator in ("=", "!="):
            return self._equality(node.left, node.right, operator)
        moments = bool({node.left.type.kind, node.right.type.kind} & (MOMENTS | {"any"}))
        guards = None if moments else self._guards(node.left, node.right)
        if guards is None:
            helper = call(_HELPERS[node.operator], self.value(node.left).text, self.value(node.right).text)
            return Code(f"{helper.text} is {wanted}", COMPARISON)
        with self.knowing(guards):
            left, right = self._compared(node.left, node.right)
            asked = Code(f"{left} {operator} {right}", COMPARISON)
        return joined([*(self._guard(name) for name in guards), asked], "and")

    def _equality(self, left: Expression, right: Expression, operator: str) -> Code:
        if "any" in (left.type.kind, right.type.kind) or "list" in (left.type.kind, right.type.kind):
            same = call("same", self.value(left).text, self.value(right).text)
            return same if operator == "=" else Code(f"not {same.text}", NOT)
        if isinstance(left, Constant) and isinstance(left.value, bool):
            left, right = right, left
        if isinstance(right, Constant) and isinstance(right.value, bool):
            return self._flag(left, right.value, operator)
        first, second = self._compared(left, right)
        if "None" in (first, second):
            same = call("same", first, second)
            return same if operator == "=" else Code(f"not {same.text}", NOT)
        return Code(f"{first} {_PYTHON[operator]} {second}", COMPARISON)

    def _flag(self, left: Expression, value: bool, operator: str) -> Code:
        if isinstance(left, (Name, Candidate)) and left.type.kind == "boolean":
            return self._flag_name(left, value, operator)
        code = self.value(left).at(COMPARISON + 1)
        if operator == "=":
            return Code(f"{code} is {value}", COMPARISON)
        missing = self.nullable(left) or left.type.kind != "boolean"
        return Code(f"{code} is not {value}" if missing else f"{code} is {not value}", COMPARISON)

    def _flag_name(self, left: Expression, value: bool, operator: str) -> Code:
        if operator == "=":
            return self._ask_value(left, value)
        code = self.value(left)
        if value or not self.nullable(left):
            return Code(f"not {code.at(NOT)}", NOT) if value else code
        return joined([Code(f"{code.at(COMPARISON + 1)} is None", COMPARISON), code], "or")

    def _compared(self, left: Expression, right: Expression) -> tuple[str, str]:
        return self.value(left).at(COMPARISON + 1), self._short(right, left).at(COMPARISON + 1)

    def _short(self, node: Expression, beside: Expression) -> Code:
        """A whole number beside a decimal is written as Python's integer."""
        if isinstance(node, Constant) and isinstance(node.value, Decimal) and not isinstance(beside, Constant):
            value = node.value
            if value == value.to_integral_value() and abs(value) < 10**15:
                return Code(str(int(value)), ATOM if value >= 0 else UNARY)
        return self.value(node)

    def _guard(self, name: Expression) -> Code:
        return Code(f"{self.value(name).text} is not None", COMPARISON)

    def _ask_null(self, node: IsNull, wanted: bool) -> Code:
        missing = wanted != node.negated
        if not self.nullable(node.operand):
            return Code(repr(not missing))
        code = self.value(node.operand).at(COMPARISON + 1)
        return Code(f"{code} is None" if missing else f"{code} is not None", COMPARISON)

    # ------------------------------------------------------------ what a condition tells about null

    def facts(self, node: Expression, wanted: bool = True) -> frozenset[Name | Candidate]:
        """Names that are not null once the code has found that the node is `wanted`."""
        if isinstance(node, Not):
            return self.facts(node.operand, not wanted)
        if isinstance(node, IsNull) and isinstance(node.operand, Name):
            return frozenset({node.operand}) if node.negated == wanted else frozenset()
        if isinstance(node, Logical) and (node.operator == "and") == wanted:
            return frozenset[Name | Candidate]().union(*(self.facts(part, wanted) for part in node.parts))
        if isinstance(node, Compare) and node.operator not in ("=", "!="):
            moments = {node.left.type.kind, node.right.type.kind} & (MOMENTS | {"any"})
            return frozenset(() if moments else self._guards(node.left, node.right) or ())
        return frozenset()

    def facts_otherwise(self, node: Expression, wanted: bool = True) -> frozenset[Name | Candidate]:
        """Names that are not null once the code has found that the node is not `wanted`."""
        if isinstance(node, Not):
            return self.facts_otherwise(node.operand, not wanted)
        if isinstance(node, IsNull) and isinstance(node.operand, Name):
            return frozenset({node.operand}) if node.negated != wanted else frozenset()
        if isinstance(node, Logical) and (node.operator == "or") == wanted:
            return frozenset[Name | Candidate]().union(*(self.facts_otherwise(part, wanted) for part in node.parts))
        return frozenset()

    # ------------------------------------------------------------ unary tests

    def _ask_in(self, node: In, wanted: bool) -> Code:
        return self.ask_tests(node.subject, node.tests, wanted != node.negated)

    def ask_tests(self, subject: Expression, tests: Sequence[Test], wanted: bool) -> Code:
        """Asks whether one of the tests is true (`wanted`), or whether all are false."""
        parts: list[Code] = []
        equals = [test.operand for test in tests if test.how == "=" and _plain(test.operand)]
        if len(equals) > 1:
            members = [self._short(one, subject).text for one in equals]
            inside = Code(
                f"{self.value(subject).at(COMPARISON + 1)} {'' if wanted else 'not '}in ({', '.join(members)})",
                COMPARISON,
            )
            parts.append(inside)
            tests = [test for test in tests if not (test.how == "=" and _plain(test.operand))]
        parts.extend(self._ask_test(subject, test, wanted) for test in tests)
        return joined(parts, "or" if wanted else "and")

    def _ask_test(self, subject: Expression, test: Test, wanted: bool) -> Code:
        if test.how == "holds":
            return self._with_candidate(subject, lambda: self._ask(test.operand, wanted))
        if test.how == "member":
            return self._ask_member(subject, test.operand, wanted)
        if test.how == "within" and isinstance(test.operand, Range):
            return self._ask_range(subject, test.operand, wanted)
        return self._ask(as_condition(subject, test), wanted)

    def _with_candidate(self, subject: Expression, write: Callable[[], Code]) -> Code:
        before, self.candidate = self.candidate, subject
        try:
            return write()
        finally:
            self.candidate = before

    def _ask_member(self, subject: Expression, values: Expression, wanted: bool) -> Code:
        code = self.value(values)
        inside = call("list_contains", code.text, self.value(subject).text)
        if self.nullable(values):
            lifted = call("unless_null", "list_contains", code.text, self.value(subject).text)
            if self.nullable(subject):
                lifted = call("member_of", self.value(subject).text, code.text)
            return Code(f"{lifted.text} is {wanted}", COMPARISON)
        return inside if wanted else Code(f"not {inside.text}", NOT)

    def _ask_range(self, subject: Expression, within: Range, wanted: bool) -> Code:
        guards = self._guards(subject, within.low, within.high)
        moments = subject.type.kind in MOMENTS | {"any"}
        one_sided = not wanted and (self.nullable(within.low) or self.nullable(within.high))
        if guards is None or moments or one_sided:  # beyond one end it is FALSE, even where the other end is null
            return self._ask(range_condition(subject, within), wanted)
        with self.knowing(guards):
            low, high = self._short(within.low, subject), self._short(within.high, subject)
            first, second = ("<=" if within.low_closed else "<"), ("<=" if within.high_closed else "<")
            middle = self.value(subject).at(COMPARISON + 1)
            chain = f"{low.at(COMPARISON + 1)} {first} {middle} {second} {high.at(COMPARISON + 1)}"
        asked = Code(chain, COMPARISON) if wanted else Code(f"not {chain}", NOT)
        return joined([*(self._guard(name) for name in guards), asked], "and")

    # ------------------------------------------------------------ values

    def value(self, node: Expression) -> Code:
        """Python for the value of a node; None where it is null."""
        write: Callable[[Any], Code] = getattr(self, f"_{type(node).__name__.lower()}")
        return write(node)

    def _kept(self, node: Expression) -> Code:
        """Asks whether a node is TRUE for an answer that is kept: True or False, never None."""
        before, self.keeps = self.keeps, True
        try:
            return self.true(node)
        finally:
            self.keeps = before

    def _constant(self, node: Constant) -> Code:
        return Code(literal(node.value))

    def _name(self, node: Name) -> Code:
        text = self.locals[node.key] if node.local else self.names(node.key)
        code = Code(text)
        return _exact(code, node.type) if node.type.kind == "list" and not node.local else code

    def _candidate(self, node: Candidate) -> Code:
        return self.value(self.candidate if self.candidate is not None else node)

    def _not(self, node: Not) -> Code:
        return call("negated", self.value(node.operand).text) if self.nullable(node) else self._kept(node)

    def _logical(self, node: Logical) -> Code:
        if not self.nullable(node):
            return self._kept(node)
        return call(
            "all_true" if node.operator == "and" else "any_true", *(self.value(part).text for part in node.parts)
        )

    def _compare(self, node: Compare) -> Code:
        if not self.nullable(node):
            return self._kept(node)
        return call(_HELPERS[node.operator], self.value(node.left).text, self.value(node.right).text)

    def _isnull(self, node: IsNull) -> Code:
        return self._kept(node)

    def _in(self, node: In) -> Code:
        if not node.type.optional:
            return self._kept(node)
        parts = [self._test_value(node.subject, test).text for test in node.tests]
        found = call("any_true", *parts) if len(parts) > 1 else Code(parts[0], CONDITIONAL)
        return call("negated", found.text) if node.negated else found

    def _test_value(self, subject: Expression, test: Test) -> Code:
        if test.how == "holds":
            return self._with_candidate(subject, lambda: self.value(test.operand))
        if test.how == "member":
            return call("member_of", self.value(subject).text, self.value(test.operand).text)
        return self.value(as_condition(subject, test))

    def _intable(self, node: InTable) -> Code:
        found = call(f"{node.identifier.upper()}.has", *(self.value(key).text for key in node.keys))
        return Code(f"not {found.text}", NOT) if node.negated else found

    def _lookup(self, node: Lookup) -> Code:
        keys = (self.value(key).text for key in node.keys)
        return call(f"{node.identifier.upper()}.value", text_literal(node.column), *keys)

    def _negate(self, node: Negate) -> Code:
        rule = NEGATION.get(node.operand.type.kind)
        if rule is None:
            return Code("None")
        operand = self.value(node.operand)
        if self.nullable(node.operand):
            return call("unless_null", rule.library, operand.text)
        return Code(f"-{operand.at(UNARY)}", UNARY) if rule.native else call(rule.library, operand.text)

    def _operation(self, node: Operation) -> Code:
        rule = ARITHMETIC.get((node.operator, node.left.type.kind, node.right.type.kind))
        if rule is None:
            return Code("None")
        if self.nullable(node.left) or self.nullable(node.right):
            operands = [self.value(node.left).text, self.value(node.right).text]
            return call("unless_null", rule.library, *(reversed(operands) if rule.swapped else operands))
        if rule.native or (rule.result == "number" and is_total(node.operator, node.right)):
            return self._native(node)
        operands = [self.value(node.left).text, self.value(node.right).text]
        return call(rule.library, *(reversed(operands) if rule.swapped else operands))

    def _native(self, node: Operation) -> Code:
        level = _LEVELS[node.operator]
        right = self._short(node.right, node.left)
        if node.operator == "**":
            return Code(f"{self.value(node.left).at(ATOM)} ** {right.at(ATOM)}", POWER)
        return Code(f"{self.value(node.left).at(level)} {node.operator} {right.at(level + 1)}", level)

    def _path(self, node: Path) -> Code:
        kind = node.base.type
        base = self.value(node.base)
        if kind.kind in PROPERTIES:
            function = PROPERTIES[kind.kind][node.member].library
            return call("unless_null", function, base.text) if self.nullable(node.base) else call(function, base.text)
        identifier = next(part.identifier for part in kind.fields if part.name == node.member)
        if not self.nullable(node.base):
            return _exact(Code(f"{base.at(ATOM)}.{identifier}"), node.type)
        return _exact(call("part_of", base.text, text_literal(identifier)), node.type)

    def _filter(self, node: Filter) -> Code:
        operands = [self.value(node.base).text, self.value(node.condition).text]
        if self.nullable(node.base) or self.nullable(node.condition):
            return call("unless_null", "item_at", *operands)
        return call("item_at", *operands)

    def _listof(self, node: ListOf) -> Code:
        items = [self.value(item).text for item in node.items]
        return Code(f"({', '.join(items)}{',' if len(items) == 1 else ''})")

    def _if(self, node: If) -> Code:
        before, self.keeps = self.keeps, False
        condition = self.true(node.condition)
        self.keeps = before
        with self.knowing(self.facts(node.condition)):
            then = self.value(node.then).at(OR)
        with self.knowing(self.facts_otherwise(node.condition)):
            otherwise = self.value(node.otherwise).at(CONDITIONAL)
        return Code(f"{then} if {condition.at(OR)} else {otherwise}", CONDITIONAL)

    def _call(self, node: Call) -> Code:
        signature = signature_of(node.function, [argument.type for argument in node.arguments])
        if signature is None:
            raise ValueError(f"No signature of {node.function!r} for these arguments: the tree was not checked.")
        arguments = [self.value(argument).text for argument in node.arguments]
        if signature.library == "to_text" and not self.nullable(node):
            return call("text_of", *arguments)
        if not signature.takes_null and any(self.nullable(argument) for argument in node.arguments):
            return call("unless_null", signature.library, *arguments)
        return call(signature.library, *arguments)


def _exact(code: Code, kind: ValueType) -> Code:
    """Numbers that objects and lists hold as `int` or `float` become decimals."""
    if kind.declared is not None and kind.declared.kind in ("integer", "float"):
        return call("number", code.text)
    items = kind.declared.items if kind.declared is not None and kind.kind == "list" else None
    if items is not None and items.kind in NUMBERS - {"decimal", "money"}:
        return call("numbers", code.text)
    return code


def _strict(node: Expression) -> bool:
    """Whether a null anywhere inside makes the whole null."""
    if isinstance(node, Call):
        signature = signature_of(node.function, [argument.type for argument in node.arguments])
        return signature is not None and not signature.takes_null
    return isinstance(node, (Name, Constant, Operation, Negate, Path, Range))


def _plain(node: Expression) -> bool:
    return isinstance(node, Constant) and node.value is not None and not isinstance(node.value, bool)


def as_condition(subject: Expression, test: Test) -> Expression:
    """Returns a comparison test as the comparison that it stands for."""
    operand = test.operand
    if test.how == "within" and isinstance(operand, Range):
        return range_condition(subject, operand)
    if isinstance(operand, Constant) and operand.value is None and test.how in ("=", "!="):
        return IsNull(place=test.place, type=BOOLEAN, operand=subject, negated=test.how == "!=")
    operator: Any = test.how
    return Compare(place=test.place, type=test.type, operator=operator, left=subject, right=operand)


def range_condition(subject: Expression, within: Range) -> Logical:
    """`low <= x and x <= high`."""
    first, second = (">=" if within.low_closed else ">"), ("<=" if within.high_closed else "<")
    parts = tuple(
        Compare(
            place=within.place,
            type=replace(BOOLEAN, optional=subject.type.optional or end.type.optional or subject.type.kind in MOMENTS),
            operator=operator,  # type: ignore[arg-type]
            left=subject,
            right=end,
        )
        for operator, end in ((first, within.low), (second, within.high))
    )
    kind = replace(BOOLEAN, optional=any(part.type.optional for part in parts))
    return Logical(place=within.place, type=kind, operator="and", parts=parts)


def joined(parts: Sequence[Code], joiner: str) -> Code:
    parts = _simplified(parts, joiner)
    if len(parts) == 1:
        return parts[0]
    level = AND if joiner == "and" else OR
    inner = AND if joiner == "or" else NOT
    texts: list[str] = []
    for part in parts:
        texts.extend(part.parts if part.joiner == joiner else (part.at(inner) if joiner == "and" else _mixed(part),))
    return Code(f" {joiner} ".join(texts), level, tuple(texts), joiner)


def _mixed(part: Code) -> str:
    """`and` inside `or` stands in brackets: not needed, but read with less thought."""
    return f"({part.text})" if part.joiner == "and" else part.at(AND)


def _simplified(parts: Sequence[Code], joiner: str) -> Sequence[Code]:
    neutral, absorbing = ("True", "False") if joiner == "and" else ("False", "True")
    if any(part.text == absorbing for part in parts):
        return [Code(absorbing)]
    return [part for part in parts if part.text != neutral] or [Code(neutral)]
