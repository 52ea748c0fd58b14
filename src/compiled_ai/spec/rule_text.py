"""Rules and conditions of a specification: the rule language's findings, put where the author sees them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.model import Check, Mark, Table
from compiled_ai.spec.reach import Reach, Visible, parameters, with_sources
from compiled_ai.spec.rules.ast import Compare, Name, Outcome
from compiled_ai.spec.yaml_source import Scalar

if TYPE_CHECKING:
    from compiled_ai.spec.rules import Parsed, Scope


@dataclass(frozen=True)
class RuleReading:
    """What came of one rule text or table."""

    logic: Any
    reads: tuple[Visible, ...]
    result: tuple[Field, ...]
    outcomes: tuple[str, ...]
    """Bare words that form the enumeration of the rule's outcome."""
    findings: tuple[Finding, ...]
    text: str
    mark: Mark


@dataclass(frozen=True)
class CheckReading:
    check: Check | None
    reads: tuple[Visible, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def read_logic(
    source: Scalar, sight: Reach, tables: Mapping[str, Table], step: str, declared: tuple[Field, ...] | None
) -> RuleReading:
    """Reads a rule text; names in the returned tree are dotted sources."""
    from compiled_ai.spec.rules import parse_logic  # a specification without rules needs no grammar

    text, mark = source.rule_text, source.rule_mark
    parsed = parse_logic(text, scope=scope_of(sight, tables), mark=mark, result=declared or ())
    findings = (*located(parsed, source, sight, step), *_hides_a_field(parsed, source))
    reads, tree = resolved(parsed, sight)
    return RuleReading(tree, reads, parsed.result, parsed.outcomes, findings, text, mark)


def read_condition(source: Scalar, sight: Reach, tables: Mapping[str, Table], step: str | None) -> CheckReading:
    """Reads a condition; it must be boolean."""
    from compiled_ai.spec.rules import parse_condition

    text, mark = source.rule_text, source.rule_mark
    parsed = parse_condition(text, scope=scope_of(sight, tables), mark=mark)
    findings = located(parsed, source, sight, step)
    reads, tree = resolved(parsed, sight)
    if tree is None:
        return CheckReading(None, (), findings)
    return CheckReading(Check(text.strip(), tree, parameters(reads), mark), reads, findings)


def _hides_a_field(parsed: Parsed[Any], source: Scalar) -> tuple[Finding, ...]:
    """A rule that ends in `amount = ...` compares where the author may have meant to compute."""
    outcome = getattr(parsed.node, "body", None)
    value = outcome.settings[0].value if isinstance(outcome, Outcome) else None
    if not isinstance(value, Compare) or value.operator != "=" or not isinstance(value.left, Name) or value.left.local:
        return ()
    place = value.left.place
    lines = source.rule_text.splitlines()
    before = lines[place.line - source.rule_mark.line][: place.column - source.rule_mark.column]
    if before.strip():
        return ()
    message = (
        f"{value.left.key!r} is a field already, so that this line compares and computes nothing. "
        "Give the result another name, or put the comparison in brackets."
    )
    finding = Finding(rule="spec.hidden_field", message=message, file=source.rule_mark.file)
    return (finding.model_copy(update={"line": place.line, "column": place.column}),)


def located(parsed: Parsed[Any], source: Scalar, sight: Reach, step: str | None) -> tuple[Finding, ...]:
    found = (*_ambiguous(parsed.reads, source, sight), *parsed.findings)
    return tuple(one.model_copy(update={"step": step}) for one in found)


def resolved(parsed: Parsed[Any], sight: Reach) -> tuple[tuple[Visible, ...], Any]:
    """Returns what a text reads, and its tree with dotted sources for names."""
    known = [key for key in parsed.reads if key in sight.keys]
    sources = {key: sight.keys[key].source for key in known}
    tree = with_sources(parsed.node, sources) if parsed.node is not None else None
    return tuple(sight.keys[key] for key in known), tree


def scope_of(sight: Reach, tables: Mapping[str, Table]) -> Scope:
    """Ambiguous names are known, of any type, so that a rule that uses one is refused and not misread."""
    from compiled_ai.spec.rules import Scope

    return Scope({**sight.types(), **{name: FieldType("json") for name in sight.ambiguous}}, tables)


def _ambiguous(keys: Iterable[str], source: Scalar, sight: Reach) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule="spec.ambiguous",
            message=sight.unknown(key),
            file=source.rule_mark.file,
            line=(place := _place_of(key, source)).line,
            column=place.column,
        )
        for key in keys
        if key in sight.ambiguous
    )


def _place_of(word: str, source: Scalar) -> Mark:
    """Returns where a word first stands in a rule text."""
    for row, line in enumerate(source.rule_text.splitlines()):
        found = re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", line)
        if found:
            mark = source.rule_mark
            return replace(mark, line=mark.line + row, column=mark.column + found.start())
    return source.rule_mark
