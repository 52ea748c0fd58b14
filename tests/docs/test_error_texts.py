"""Error texts end in one full stop, and speak of JSON and of fields, never of Python's types."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import CompiledAIError, InputError, UsageError
from compiled_ai.library.types import Field, FieldType, Kind, decode_all
from compiled_ai.records import Finding

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "compiled_ai").rglob("*.py"))
LISTED = [ROOT / "tests" / "spec" / "wrong_specifications.txt", ROOT / "tests" / "rules" / "wrong_messages.txt"]
ODD: tuple[Any, ...] = (
    None,
    True,
    7,
    Decimal("1.5"),
    Decimal("-0.10"),
    "x",
    "",
    [1, Decimal("2.5")],
    {"a": 1},
    "9" * 99,
)
KINDS: tuple[Kind, ...] = (
    "text", "string", "integer", "decimal", "money", "float", "boolean", "date", "time", "datetime",
    "days_time_duration", "years_months_duration", "box",
)  # fmt: skip
PYTHON = re.compile(r"\b(str|int|dict|tuple|bool|NoneType|Decimal)\b(?! of)")
TWO_STOPS = re.compile(r"(?<![.'\"/])\.\.(?=\s|$)")


def test_messages_that_end_in_anothers_full_stop_have_one() -> None:
    quoted = "unknown field. Did you mean 'a'?"
    assert str(UsageError("It fails: disk full..", remedy="Try '..'.")) == "It fails: disk full. Try '..'."
    assert Finding(rule="x", message="Not here. Known: a..").message == "Not here. Known: a."
    assert str(CompiledAIError(f"Wait... {quoted}")) == f"Wait... {quoted}"


@dataclass
class _Class:
    f: Any


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_does_not_fit_is_told_as_json(kind: Kind) -> None:
    whole = FieldType("object", fields=(Field("f", "f", FieldType(kind)),), class_name="C")
    for value in ODD:
        try:
            decode_all(whole, {"C": _Class}, {"f": value})
        except InputError as fault:
            for detail in fault.details:
                assert not PYTHON.search(detail["message"]), detail
                assert not TWO_STOPS.search(str(fault)), fault
                assert value is None or len(detail["message"]) < 200


@pytest.mark.parametrize("value, shown", [([1, Decimal("2.50")], "list [1,2.50]"), ({"a": None}, 'object {"a":null}')])
def test_lists_and_objects_are_told_as_json(value: Any, shown: str) -> None:
    whole = FieldType("object", fields=(Field("f", "f", FieldType("date")),), class_name="C")
    with pytest.raises(InputError, match=re.escape(f"expected date (YYYY-MM-DD), got {shown}.")):
        decode_all(whole, {"C": _Class}, {"f": value})
    assert canonical_json(value) in shown


@pytest.mark.parametrize("file", LISTED, ids=lambda file: file.name)
def test_every_listed_message_ends_in_one_stop_and_names_no_type_of_python(file: Path) -> None:
    told = [line for line in file.read_text("utf-8").splitlines() if re.match(r"\s*(\S*:)?\d+:\d+: ", line)]
    assert len(told) > 50
    for line in told:
        assert not TWO_STOPS.search(line), line
        assert not re.search(r"\b(NoneType|Decimal\()", line), line


def _type_names() -> Iterator[tuple[str, str]]:
    """Each `type(value).__name__` in a text, with its file."""
    for path in SOURCES:
        for text in ast.walk(ast.parse(path.read_text("utf-8"))):
            for node in ast.walk(text) if isinstance(text, ast.JoinedStr) else ():
                if isinstance(node, ast.Attribute) and node.attr == "__name__" and isinstance(node.value, ast.Call):
                    named = ast.unparse(node.value)
                    if named == "type(value)":
                        yield path.name, named


def test_no_text_names_the_python_type_of_a_value_but_where_the_value_has_no_json() -> None:
    assert sorted(set(_type_names())) == [
        ("canonical.py", "type(value)"),
        ("columns.py", "type(value)"),
        ("sheets.py", "type(value)"),
        ("stepper.py", "type(value)"),
        ("tracing.py", "type(value)"),
    ]
