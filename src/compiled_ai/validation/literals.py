"""Does a candidate carry answers? Golden values of open fields may not stand in the code, however they are written.

Enumerations, closed sets, values that many cases share, and what the specification itself names are no answers but
knowledge. The finding never says which case, and never which value.
"""

from __future__ import annotations

import ast
import base64
import codecs
import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from compiled_ai.canonical import canonical_json
from compiled_ai.library.agreement import normalised
from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.model import GoldenCase

_LEAST_EQUAL, _LEAST_WITHIN, _LEAST_SPLIT = 4, 8, 10
_LEAST_DIGITS = 4
_SHARED, _SHARED_CASES = 0.25, 5
"""From this share of the cases on (and this many of them), a value is knowledge of the domain."""
_NUMBERS = frozenset({"integer", "decimal", "money", "float"})


@dataclass(frozen=True)
class Literal:
    text: str
    """Normalised."""
    line: int


def golden_literals(
    source: str, cases: Sequence[GoldenCase], outputs: Iterable[Field], named: str, *, step: str | None = None
) -> tuple[Finding, ...]:
    """Returns one finding for each line of a function that holds a golden value.

    Args:
        source: the function's own text.
        cases: golden cases of every pool.
        outputs: the fields that the cases label.
        named: all that the specification says; what it names may be written in code.
        step: for the finding.
    """
    answers = _forms(frozenset(_open_values(cases, outputs, normalised(named))))
    if not answers:
        return ()
    literals = list(_literals(ast.parse(source)))
    lines = {literal.line for literal in literals if _holds(literal.text, answers, _LEAST_WITHIN)}
    whole = "".join(literal.text for literal in literals)
    if not lines and _holds(whole, answers, _LEAST_SPLIT):
        lines = {literals[0].line}
    return tuple(
        Finding(
            rule="accuracy.golden_literal",
            line=line,
            step=step,
            message="This literal is the expected answer of a case. Derive answers from the input; do not list them.",
        )
        for line in sorted(lines)
    )


def _open_values(cases: Sequence[GoldenCase], outputs: Iterable[Field], named: str) -> set[str]:
    """Texts of expected values that only few cases share and that the specification does not name."""
    found: set[str] = set()
    for field in outputs:
        counts = Counter(text for case in cases for text in set(_texts(field.type, case.expected.get(field.name))))
        shared = max(_SHARED_CASES, _SHARED * len(cases))
        found |= {text for text, count in counts.items() if count < shared}
    return {text for text in found if normalised(text) not in named}


def _texts(kind: FieldType, value: Any) -> Iterator[str]:
    """The texts and amounts within an expected value, closed sets left out."""
    if value is None or isinstance(value, bool) or kind.enum is not None:
        return
    if kind.kind == "object" and isinstance(value, Mapping):
        for field in kind.fields:
            yield from _texts(field.type, value.get(field.name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(kind.items or FieldType("json"), item)
    elif kind.kind in _NUMBERS or isinstance(value, (int, float, Decimal)):
        text = value if isinstance(value, str) else canonical_json(value)
        if len(text.strip("0.-+").replace(".", "")) >= _LEAST_DIGITS:
            yield text
    elif isinstance(value, str) and len(normalised(value)) >= _LEAST_EQUAL:
        yield value


@functools.lru_cache(8)
def _forms(values: frozenset[str]) -> frozenset[str]:
    """Each value as it may be hidden: reversed, in hexadecimal, base 64, rot13, or as a hash."""
    forms: set[str] = set()
    for value in values:
        for written in {value, value.lower(), value.upper(), value.strip()}:
            data = written.encode("utf-8", "surrogatepass")
            hashes = (hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256"))
            hidden = (
                written,
                written[::-1],
                data.hex(),
                base64.b64encode(data).decode(),
                base64.b32encode(data).decode(),
                base64.b85encode(data).decode(),
                codecs.encode(written, "rot13"),
                *hashes,
            )
            forms.update(map(normalised, hidden))
    return frozenset(form for form in forms if len(form) >= _LEAST_EQUAL)


def _holds(text: str, answers: frozenset[str], least: int) -> bool:
    if least == _LEAST_WITHIN and text in answers:
        return True
    return len(text) >= least and any(len(form) >= least and form in text for form in answers)


def _literals(tree: ast.AST) -> Iterator[Literal]:
    """All constants of a function in order, and what adjacent ones spell together."""
    documented = set(_docstrings(tree))
    for node in ast.walk(tree):
        if id(node) in documented:
            continue
        spelled = _spelled(node)
        if spelled:
            yield Literal(normalised(spelled), getattr(node, "lineno", 1))


def _docstrings(tree: ast.AST) -> Iterator[int]:
    """A docstring is no code; the prompt's examples may be quoted there."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Module)) and node.body and isinstance(node.body[0], ast.Expr):
            yield id(node.body[0].value)


def _spelled(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        return _spelled(node.left) + _spelled(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(_spelled(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _spelled(node.value)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return _sequence(node.elts)
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        return _sequence([*([inner] if inner else []), *node.args])
    return ""


def _sequence(parts: Sequence[ast.AST]) -> str:
    codes = [part.value for part in parts if isinstance(part, ast.Constant) and type(part.value) is int]
    if len(codes) >= _LEAST_EQUAL and len(codes) == len(parts) and all(32 <= code < 0x110000 for code in codes):
        return "".join(map(chr, codes))
    return "".join(map(_spelled, parts))


def _constant(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return canonical_json(Decimal(repr(value)))
    return ""
