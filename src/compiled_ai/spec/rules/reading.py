"""Parser and checker together; imported late, since the grammar library takes a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from compiled_ai.library.types import Field, FieldType
from compiled_ai.spec.model import Mark
from compiled_ai.spec.rules import Parsed, Scope
from compiled_ai.spec.rules.ast import Expression, Logic
from compiled_ai.spec.rules.check import Checker, Report
from compiled_ai.spec.rules.lexer import Names, Refused
from compiled_ai.spec.rules.logic import check_logic
from compiled_ai.spec.rules.parser import Start, parse


def names_of(scope: Scope) -> Names:
    """Returns the scope's names for the lexer, with the members that may follow a dot."""
    members: dict[str, None] = {}
    for kind in scope.fields.values():
        members.update(dict.fromkeys(_members(kind)))
    for table in scope.tables.values():
        members.update((column.name, None) for column in table.columns)
    return Names(tuple(scope.fields), tuple(scope.tables), tuple(members))


def _members(kind: FieldType) -> Iterator[str]:
    for part in kind.fields:
        yield part.name
        yield from _members(part.type)
    if kind.items is not None:
        yield from _members(kind.items)


def parsed_or_none(text: str, start: Start, scope: Scope, mark: Mark, report: Report) -> Any:
    """Returns the unchecked tree, or None after reporting what is wrong."""
    try:
        return parse(text, start, names=names_of(scope), mark=mark)
    except Refused as fault:
        report.add(fault.rule.removeprefix("rules."), fault.place, fault.message)
        return None


def read_logic(text: str, scope: Scope, mark: Mark, declared: Sequence[Field]) -> Parsed[Logic]:
    report = Report(mark.file)
    tree = parsed_or_none(text, "logic", scope, mark, report)
    if tree is None:
        return Parsed(None, tuple(report.findings))
    checker = Checker(scope.fields, scope.tables, report)
    checked = check_logic(tree, checker, declared)
    logic = None if _wrong(report) else checked.logic
    return Parsed(logic, tuple(report.findings), tuple(checker.reads), checked.outcomes, checked.logic.result)


def read_condition(text: str, scope: Scope, mark: Mark) -> Parsed[Expression]:
    return _read(text, scope, mark, condition=True)


def read_expression(text: str, scope: Scope, mark: Mark) -> Parsed[Expression]:
    return _read(text, scope, mark, condition=False)


def _read(text: str, scope: Scope, mark: Mark, *, condition: bool) -> Parsed[Expression]:
    report = Report(mark.file)
    tree = parsed_or_none(text, "condition" if condition else "value", scope, mark, report)
    if tree is None:
        return Parsed(None, tuple(report.findings))
    checker = Checker(scope.fields, scope.tables, report)
    checked = checker.condition(tree) if condition else checker.expression(tree)
    node = None if _wrong(report) else checked
    return Parsed(node, tuple(report.findings), tuple(checker.reads))


def _wrong(report: Report) -> bool:
    return any(finding.severity == "error" for finding in report.findings)
