"""The syntax tree of the rule language: small, immutable, typed, with the place of every node.

One tree serves the checker, the compiler, the interpreter and whoever proves things about rules later.
`parser.py` builds it, `check.py` returns it with every name resolved and every `type` filled in.
`Context`, `Filter`, `For`, `Quantified` and `Function` are reserved: the words are kept free, the parser
refuses them with a located message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from compiled_ai.library.types import Field, FieldType, Kind
from compiled_ai.library.values import YearsMonths

ValueKind = Literal[
    "number",
    "text",
    "boolean",
    "date",
    "time",
    "datetime",
    "days_time_duration",
    "years_months_duration",
    "list",
    "object",
    "range",
    "null",
    "any",
]
HitPolicy = Literal["UNIQUE", "ANY", "PRIORITY", "FIRST", "RULE ORDER", "OUTPUT ORDER", "COLLECT"]
Aggregation = Literal["sum", "min", "max", "count"]
Comparison = Literal["=", "!=", "<", "<=", ">", ">="]
Arithmetic = Literal["+", "-", "*", "/", "**"]
Value = Decimal | str | bool | date | time | datetime | timedelta | YearsMonths | None


@dataclass(frozen=True)
class ValueType:
    """The type of an expression. All numbers are one kind; `optional` says that it can be null."""

    kind: ValueKind
    optional: bool = False
    items: ValueType | None = None
    """Items of a `list`, or ends of a `range`."""
    fields: tuple[Field, ...] = ()
    """Fields of an `object`."""
    enum: tuple[str, ...] | None = None
    """Closed set of a `text`."""
    declared: FieldType | None = None
    """The field's own type, where the value comes straight from a field."""

    def __str__(self) -> str:
        words = {"days_time_duration": "days-time duration", "years_months_duration": "years-months duration"}
        name = words.get(self.kind, self.kind)
        if self.kind in ("list", "range") and self.items is not None:
            name = f"{name} of {self.items}"
        return name


ANY = ValueType("any", optional=True)
NULL = ValueType("null", optional=True)
NUMBER = ValueType("number")
TEXT = ValueType("text")
BOOLEAN = ValueType("boolean")
NUMBERS = frozenset({"integer", "decimal", "money", "float"})


def value_type(declared: FieldType) -> ValueType:
    """Returns the rule language's type of a field."""
    optional = declared.optional
    if declared.kind in NUMBERS:
        return ValueType("number", optional, declared=declared)
    if declared.kind in ("text", "string"):
        return ValueType("text", optional, enum=declared.enum, declared=declared)
    if declared.kind in ("json", "box"):
        return ValueType("any", True, declared=declared)
    if declared.kind == "list":
        items = value_type(declared.items) if declared.items else ANY
        return ValueType("list", optional, items=items, declared=declared)
    kind: Any = declared.kind
    return ValueType(kind, optional, fields=declared.fields, declared=declared)


def field_type(kind: ValueType) -> FieldType:
    """Returns the type of a result field that holds such a value: numbers become `decimal`."""
    if kind.declared is not None and kind.kind == "object":
        return kind.declared if not kind.optional else kind.declared.as_optional()
    text: Kind = "string" if kind.enum else "text"
    names: dict[str, Kind] = {"number": "decimal", "text": text, "any": "json", "null": "json"}
    name: Any = names.get(kind.kind, kind.kind)
    items = field_type(kind.items) if kind.kind == "list" and kind.items is not None else None
    return FieldType(name, kind.optional and name != "json", enum=kind.enum if name == "string" else None, items=items)


@dataclass(frozen=True)
class Place:
    """Where a node begins in the specification's file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Expression:
    place: Place = field(compare=False)
    type: ValueType = field(default=ANY, compare=False)


@dataclass(frozen=True)
class Constant(Expression):
    value: Value


@dataclass(frozen=True)
class Name(Expression):
    """A field in scope, by the key that the author wrote; `local` names an earlier line of the same rule."""

    key: str
    local: bool = False


@dataclass(frozen=True)
class Words(Expression):
    """Words that are no field: a member of the step's enumeration in outcome position, an error elsewhere."""

    text: str


@dataclass(frozen=True)
class Candidate(Expression):
    """The `?` of a unary test: the value of the column."""


@dataclass(frozen=True)
class Path(Expression):
    """`base.member`: a field of an object, or a property of a date, time or duration."""

    base: Expression
    member: str


@dataclass(frozen=True)
class Call(Expression):
    """A built-in function by its FEEL name."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Negate(Expression):
    operand: Expression


@dataclass(frozen=True)
class Operation(Expression):
    operator: Arithmetic
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Compare(Expression):
    operator: Comparison
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Not(Expression):
    operand: Expression


@dataclass(frozen=True)
class Logical(Expression):
    """`and` or `or` over two or more parts."""

    operator: Literal["and", "or"]
    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class IsNull(Expression):
    operand: Expression
    negated: bool = False


@dataclass(frozen=True)
class Range(Expression):
    """`[low..high]`; a round bracket excludes its end."""

    low: Expression
    high: Expression
    low_closed: bool = True
    high_closed: bool = True


@dataclass(frozen=True)
class ListOf(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class If(Expression):
    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True)
class Test(Expression):
    """One unary test of a value: `operand` is compared by `how`.

    A comparison, `within` (a range), `member` (an item of a list), or `holds` (a condition that speaks of `?`).
    """

    __test__ = False
    how: Literal["=", "!=", "<", "<=", ">", ">=", "within", "member", "holds", "unknown"]
    operand: Expression


@dataclass(frozen=True)
class In(Expression):
    """`subject IN (tests)`: true when one of the tests is."""

    subject: Expression
    tests: tuple[Test, ...]
    negated: bool = False


@dataclass(frozen=True)
class InTable(Expression):
    """`key IN table`: whether a reference table has a row for the key."""

    table: str
    keys: tuple[Expression, ...]
    negated: bool = False
    identifier: str = ""


@dataclass(frozen=True)
class Lookup(Expression):
    """`table[key].column`: null where the table has no such row."""

    table: str
    keys: tuple[Expression, ...]
    column: str = ""
    identifier: str = ""


@dataclass(frozen=True)
class Context(Expression):
    """Reserved: `{name: value}`."""

    entries: tuple[Setting, ...]


@dataclass(frozen=True)
class Filter(Expression):
    """`list[condition]` is reserved; `list[number]` counts from 1, from the end if negative."""

    base: Expression
    condition: Expression


@dataclass(frozen=True)
class For(Expression):
    """Reserved: `for name in source return body`."""

    name: str
    source: Expression
    body: Expression


@dataclass(frozen=True)
class Quantified(Expression):
    """Reserved: `some` or `every name in source satisfies body`."""

    quantifier: Literal["some", "every"]
    name: str
    source: Expression
    body: Expression


@dataclass(frozen=True)
class Function(Expression):
    """Reserved: `function(parameters) body`."""

    parameters: tuple[str, ...]
    body: Expression


# ---------------------------------------------------------------- rules


@dataclass(frozen=True)
class Setting:
    """`name = value`: one result field."""

    name: str
    value: Expression
    place: Place


@dataclass(frozen=True)
class Outcome:
    """What a branch yields. One setting without a name of its own is called `outcome`."""

    settings: tuple[Setting, ...]
    reason: Expression
    """The author's words of the condition that fired, or what BECAUSE states."""
    place: Place
    stated: bool = False
    """The reason was written by the author."""


@dataclass(frozen=True)
class Branch:
    """`IF condition THEN body`; `condition` is None for ELSE. `source` is the author's text of the branch."""

    condition: Expression | None
    body: Outcome | Chain
    place: Place
    source: str


@dataclass(frozen=True)
class Chain:
    """IF, ELSE IF, ELSE: the first branch whose condition is true. A null condition is not true."""

    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Line:
    """`name = value` on a line of its own: a result field that later lines may use."""

    name: str
    value: Expression
    place: Place
    source: str


@dataclass(frozen=True)
class Logic:
    """A rule text: lines that compute fields, then at most one chain or one bare expression."""

    lines: tuple[Line, ...]
    body: Chain | Outcome | None
    result: tuple[Field, ...]
    """Fields that the rule yields, in order; those that an outcome leaves out are null."""
    place: Place


# ---------------------------------------------------------------- decision tables


@dataclass(frozen=True)
class InputColumn:
    label: str
    expression: Expression
    allowed: tuple[Value, ...] = ()
    """The closed set of values, where one is stated or the field is an enumeration."""


@dataclass(frozen=True)
class OutputColumn:
    name: str
    type: ValueType
    allowed: tuple[Value, ...] = ()
    """Output values, best first: the order of PRIORITY and OUTPUT ORDER."""
    default: Expression | None = None


@dataclass(frozen=True)
class Cell:
    """The unary tests of one cell; no tests mean any value. `source` is the author's text."""

    tests: tuple[Test, ...]
    negated: bool
    source: str
    place: Place


@dataclass(frozen=True)
class Row:
    id: str
    cells: tuple[Cell, ...]
    outputs: tuple[Expression, ...]
    reason: str
    place: Place
    notes: str = ""
    origin: str = ""
    """Where the row stands, for a person: `line 31` or `plans.xlsx[Rates]!A14`."""
    written: tuple[str, ...] = ()
    """The outputs' cells as written."""


@dataclass(frozen=True)
class DecisionTable:
    """A decision table under one of DMN's hit policies; `reason` names the rows that applied."""

    name: str
    inputs: tuple[InputColumn, ...]
    outputs: tuple[OutputColumn, ...]
    rows: tuple[Row, ...]
    hit_policy: HitPolicy
    aggregation: Aggregation | None
    result: tuple[Field, ...]
    place: Place
    digest: str = ""
    """SHA-256 over the parsed cells: writing the same table again changes nothing."""
