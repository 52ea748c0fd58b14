"""Rules and conditions of a specification: the rule language's findings, put where the author sees them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compiled_ai.library.types import Field
from compiled_ai.records import Finding
from compiled_ai.spec.model import Check, Mark, Table
from compiled_ai.spec.reach import Reach, Visible, parameters, with_sources
from compiled_ai.spec.yaml_source import Scalar


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
    from compiled_ai.spec.rules import Scope, parse_logic  # a specification without rules needs no grammar

    text, mark = source.rule_text, source.rule_mark
    scope = Scope(fields=sight.types(), tables=tables)
    parsed = parse_logic(text, scope=scope, mark=mark, result=declared or ())
    findings = _explained(parsed.findings, source, sight, step)
    findings += _hidden(parsed.outcomes, source, sight, step)
    reads = _visible(parsed.reads, sight)
    tree = with_sources(parsed.node, {key: one.source for key, one in zip(parsed.reads, reads, strict=True)})
    return RuleReading(tree, reads, parsed.result, parsed.outcomes, findings, text, mark)


def read_condition(source: Scalar, sight: Reach, tables: Mapping[str, Table], step: str | None) -> CheckReading:
    """Reads a condition; it must be boolean."""
    from compiled_ai.spec.rules import Scope, parse_condition

    text, mark = source.rule_text, source.rule_mark
    parsed = parse_condition(text, scope=Scope(fields=sight.types(), tables=tables), mark=mark)
    findings = _explained(parsed.findings, source, sight, step)
    if parsed.node is None:
        return CheckReading(None, (), findings)
    reads = _visible(parsed.reads, sight)
    tree = with_sources(parsed.node, {key: one.source for key, one in zip(parsed.reads, reads, strict=True)})
    return CheckReading(Check(text.strip(), tree, parameters(reads), mark), reads, findings)


def _visible(keys: Iterable[str], sight: Reach) -> tuple[Visible, ...]:
    return tuple(sight.keys[key] for key in keys)


def _explained(findings: Iterable[Finding], source: Scalar, sight: Reach, step: str | None) -> tuple[Finding, ...]:
    """A name that could mean two fields is out of scope for the rule language; say why."""
    return tuple(_explain(finding, source, sight, step) for finding in findings)


def _explain(finding: Finding, source: Scalar, sight: Reach, step: str | None) -> Finding:
    here = _text_at(finding, source)
    for name in sight.ambiguous:
        if finding.severity == "error" and re.match(rf"{re.escape(name)}(?!\w)", here):
            return finding.model_copy(update={"rule": "spec.ambiguous", "message": sight.unknown(name), "step": step})
    return finding.model_copy(update={"step": step})


def _text_at(finding: Finding, source: Scalar) -> str:
    lines = source.rule_text.splitlines()
    row = (finding.line or 0) - source.rule_mark.line
    if not 0 <= row < len(lines):
        return ""
    return lines[row][max((finding.column or 1) - source.rule_mark.column, 0) :]


def _hidden(outcomes: Iterable[str], source: Scalar, sight: Reach, step: str) -> tuple[Finding, ...]:
    """An ambiguous field in outcome position must not silently become a word of the enumeration."""
    return tuple(
        Finding(
            rule="spec.ambiguous",
            message=sight.unknown(word),
            file=source.rule_mark.file,
            line=(place := place_of(word, source)).line,
            column=place.column,
            step=step,
        )
        for word in outcomes
        if word in sight.ambiguous
    )


def place_of(word: str, source: Scalar) -> Mark:
    """Returns where a word first stands in a rule text."""
    for row, line in enumerate(source.rule_text.splitlines()):
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", line)
        if found:
            mark = source.rule_mark
            return replace(mark, line=mark.line + row, column=mark.column + found.start())
    return source.rule_mark
