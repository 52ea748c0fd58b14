"""The reference documentation: every key is named, every example loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiled_ai.spec.findings import Findings
from compiled_ai.spec.keys import SPECIFICATION
from compiled_ai.spec.loader import load_spec_text
from compiled_ai.spec.shapes import Either, ListOf, MapOf, Record, Shape, Variants
from compiled_ai.spec.types import ATTRIBUTES, SIMPLE_KINDS
from compiled_ai.spec.yaml_source import compose, plain_value

REFERENCE = (Path(__file__).parents[2] / "docs" / "specification.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml ?(\w*)\n(.*?)^```", REFERENCE, flags=re.MULTILINE | re.DOTALL)

BASE = """
inputs: {claim_id: string, amount: money, note: text?, lines: [{code: string, units: integer}]}
steps:
  - step: route
    type: deterministic_rule
    logic: |
      IF amount > 1000 THEN DENY
      ELSE PAY
"""


def _complete(kind: str, block: str) -> str:
    """Puts a fragment into the base specification, in place of what it says anew."""
    if kind == "":
        return block
    if kind == "step":
        return BASE + "".join(
            f"  {'- ' if not index else '  '}{line}\n" for index, line in enumerate(block.splitlines())
        )
    parts = re.split(r"^(?=\w)", BASE, flags=re.MULTILINE)
    said = set(plain_value(compose(block, file="block", findings=Findings())))
    kept = [part for part in parts if part.strip() and part.partition(":")[0] not in said]
    text = block + "".join(kept)
    return text.replace(", lines: [{code: string, units: integer}]", "") if "golden" in said else text


@pytest.mark.parametrize(("kind", "block"), BLOCKS, ids=[block.partition("\n")[0] for _, block in BLOCKS])
def test_an_example_of_the_reference_loads(kind: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "formulary.csv").write_text("ndc,tier\n0002-1433,2\n0169-4132,3\n", "utf-8")
    assert load_spec_text(_complete(kind, block), file="spec.yaml", folder=tmp_path).steps


def _keys(shape: Shape) -> set[str]:
    if isinstance(shape, Either):
        return set().union(*(_keys(one) for one in (shape.scalar, shape.items, shape.fields) if one is not None))
    if isinstance(shape, ListOf):
        return _keys(shape.items)
    if isinstance(shape, MapOf):
        return _keys(shape.values)
    if isinstance(shape, Variants):
        return set().union(*(_keys(record) for record in shape.records.values()))
    if isinstance(shape, Record):
        return set(shape.keys).union(*(_keys(key.shape) for key in shape.keys.values()))
    return set()


@pytest.mark.parametrize("key", sorted(_keys(SPECIFICATION) | set(ATTRIBUTES) | set(SIMPLE_KINDS)))
def test_every_key_and_type_is_in_the_reference(key: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(key)}(?!\w)", REFERENCE)
