"""The rule language: from an author's text to a checked tree, to Python, and to an answer.

```python
scope = Scope(fields={"bmi": FieldType("float"), "extract.bmi": FieldType("float")}, tables={"formulary": table})
parsed = parse_logic(text, scope=scope, mark=mark, result=())   # Parsed[Logic]
parsed = parse_condition(text, scope=scope, mark=mark)          # Parsed[Expression], boolean
parsed = parse_expression(text, scope=scope, mark=mark)         # Parsed[Expression], any type
parsed = parse_table(table_text, scope=scope, result=())       # Parsed[DecisionTable]; see tables.TableText
source = emit_rule(step)                                        # the step's function, without imports
python = emit_check(check, names)                               # True only if the condition is TRUE
```

`Scope.fields`: keys as the author may write them; a key may have dots and several words. Where the workflow can ask
for the date, add the keys `today()` (date) and `now()` (datetime): they are read like fields.
`Scope.tables`: reference tables by the author's name.
`mark` is where the first character of the text stands; later lines of a block begin in the same column.

`Parsed.node` is None if a finding is an error. `Parsed.reads` has the scope keys in order of first mention;
`Parsed.outcomes` the members of `outcome`; `Parsed.result` the result fields (identifiers are unique within the step).
Pass `result=` (declared fields) to check a rule against them: then they are the result.

Names at the call: `emit_rule` finds the parameter whose `source` is the author's key, `inputs.` + key, or the one
source that ends in `.key`; `emit_check` looks a name up in `names` by key or by source, in the same way.
Identifiers must not be one of `library.rules.__all__` (parameters and steps would shadow what a rule calls).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.model import Mark, Table
from compiled_ai.spec.rules.ast import DecisionTable, Expression, Logic
from compiled_ai.spec.rules.emit_rule import condition_source, emit_check, emit_rule, imports_of
from compiled_ai.spec.rules.interpret import interpret_expression, interpret_logic, interpret_table

__all__ = [
    "DecisionTable",
    "Expression",
    "Logic",
    "Parsed",
    "Scope",
    "condition_source",
    "emit_check",
    "emit_rule",
    "imports_of",
    "interpret_expression",
    "interpret_logic",
    "interpret_table",
    "parse_condition",
    "parse_expression",
    "parse_logic",
]

N = TypeVar("N")


@dataclass(frozen=True)
class Scope:
    """What a rule may speak of."""

    fields: Mapping[str, FieldType]
    tables: Mapping[str, Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Parsed(Generic[N]):
    """A checked tree and what was found on the way; `node` is None if there is an error."""

    node: N | None
    findings: tuple[Finding, ...] = ()
    reads: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    result: tuple[Field, ...] = ()


def parse_logic(text: str, *, scope: Scope, mark: Mark, result: Sequence[Field] = ()) -> Parsed[Logic]:
    """Reads a rule text: lines `name = value`, then IF / ELSE IF / ELSE, or one expression."""
    from compiled_ai.spec.rules.reading import read_logic

    return read_logic(text, scope, mark, result)


def parse_condition(text: str, *, scope: Scope, mark: Mark) -> Parsed[Expression]:
    """Reads what must be true or false."""
    from compiled_ai.spec.rules.reading import read_condition

    return read_condition(text, scope, mark)


def parse_expression(text: str, *, scope: Scope, mark: Mark) -> Parsed[Expression]:
    """Reads a value of any type."""
    from compiled_ai.spec.rules.reading import read_expression

    return read_expression(text, scope, mark)
