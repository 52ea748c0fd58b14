"""Whatever stands in a specification, the answer is a specification or a `SpecError`, never another exception."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import SpecError
from compiled_ai.spec.findings import Findings
from compiled_ai.spec.loader import load_spec_text
from compiled_ai.spec.schema import schema
from compiled_ai.spec.yaml_source import compose, plain_value

GOOD = [
    (head, body)
    for part in ("\n" + (Path(__file__).parent / "good_specifications.txt").read_text("utf-8")).split("\n=== ")[1:]
    for head, _, body in [part.partition("\n")]
]
STRIDE = 11
"""Every so many-th variant is tried; with 1 it takes a minute."""
STRANGE: tuple[Any, ...] = ([], {}, None, "", "x", 7, True, [{}], [None], {"type": "x"}, {"": None}, "a.b[", "\u0000")


def _variants(value: Any) -> Iterator[Any]:
    """Yields the value with each of its parts replaced, or left out, in turn."""
    yield from STRANGE
    if isinstance(value, dict):
        for key, part in value.items():
            yield {name: inner for name, inner in value.items() if name != key}
            for changed in _variants(part):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for index, part in enumerate(value):
            for changed in _variants(part):
                yield [*value[:index], changed, *value[index + 1 :]]


@pytest.mark.parametrize(("name", "text"), GOOD, ids=[name for name, _ in GOOD])
def test_a_mangled_specification_is_refused_and_never_a_crash(name: str, text: str) -> None:
    tree = plain_value(compose(text, file="spec.yaml", findings=Findings()))
    editor = jsonschema.Draft202012Validator(schema())
    loaded = refused = 0
    for index, changed in enumerate(_variants(tree)):
        if index % STRIDE:
            continue
        try:
            load_spec_text(json.dumps(json.loads(canonical_json(changed))), file="spec.yaml")
        except SpecError as fault:
            assert all(one.line and one.column for one in fault.details)
            refused += 1
        else:
            assert editor.is_valid(changed), f"the loader accepts what the schema refuses: {canonical_json(changed)}"
            loaded += 1
    assert refused > loaded
