"""Generated inputs: that they fit, that they are the same everywhere, and that they go where code breaks."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from pathlib import Path

import pytest

from compiled_ai.canonical import canonical_json, digest_json
from compiled_ai.errors import InputError
from compiled_ai.library.types import KINDS, Field, FieldType
from compiled_ai.sandbox import type_checker
from compiled_ai.validation.inputs import Chance, generate_inputs, mutate

LINE = FieldType(
    "object",
    class_name="Line",
    fields=(
        Field("unit price", "unit_price", FieldType("money", minimum=Decimal(0))),
        Field("count", "count", FieldType("integer", optional=True, maximum=Decimal(99))),
    ),
)
TYPES = [
    *(FieldType(kind) for kind in KINDS if kind not in ("list", "object")),  # type: ignore[arg-type]
    FieldType("string", pattern=r"[A-Z]{2}-\d{4}(?:/[^\s/]+)?"),
    FieldType("string", enum=("red", "green")),
    FieldType("string", max_length=3),
    FieldType("integer", minimum=Decimal(5), maximum=Decimal(7)),
    FieldType("decimal", maximum=Decimal("0.5")),
    FieldType("float", minimum=Decimal(1)),
    FieldType("date", optional=True),
    FieldType("list", items=LINE, max_length=4),
    FieldType("list", items=FieldType("box")),
    LINE,
]


def test_a_pattern_that_nothing_matches_is_named() -> None:
    with pytest.raises(InputError, match=r"No text could be made that matches the pattern '\^a\(\?!b\)b\$'"):
        generate_inputs([FieldType("string", pattern="^a(?!b)b$")], count=5)


def test_a_cache_that_is_broken_is_not_used(tmp_path: Path) -> None:
    first = generate_inputs([FieldType("text")], count=20, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    for broken in ("", "[1]", "{}", "[[1],[2]]", "\x00"):
        file.write_text(broken)
        again = generate_inputs([FieldType("text")], count=20, cache=tmp_path)
        assert (again.inputs, again.cached) == (first.inputs, False)
    assert generate_inputs([FieldType("text")], count=20, cache=tmp_path).cached


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert len(generate_inputs([FieldType("text")], count=5, cache=blocked / "below").inputs) == 5


def test_another_schema_has_other_inputs(tmp_path: Path) -> None:
    generate_inputs([FieldType("text")], count=5, cache=tmp_path)
    generate_inputs([FieldType("text", max_length=9)], count=5, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: f"{kind.kind}{'?' if kind.optional else ''}")
def test_every_input_fits_its_type(kind: FieldType) -> None:
    check = type_checker(kind)
    for (value,) in generate_inputs([kind], count=250).inputs:
        check(value)


def test_the_same_seed_gives_the_same_inputs_on_every_machine() -> None:
    made = generate_inputs(TYPES, count=40).inputs
    assert digest_json([list(row) for row in made]) == digest_json(
        [list(row) for row in generate_inputs(TYPES, count=40).inputs]
    )
    assert made != generate_inputs(TYPES, count=40, seed=1).inputs


def test_texts_go_where_code_breaks() -> None:
    texts = [value for (value,) in generate_inputs([FieldType("text")]).inputs]
    assert {"", " ", "\n" * 2000} <= set(texts)
    assert max(map(len, texts)) >= 50_000
    assert sum(len(text) > 20_000 for text in texts) < 20
    assert any(not text.isascii() for text in texts)


def test_numbers_go_to_their_bounds() -> None:
    kind = FieldType("decimal", minimum=Decimal("1.5"), maximum=Decimal(30))
    values = {value for (value,) in generate_inputs([kind]).inputs}
    assert {Decimal("1.5"), Decimal(30), Decimal("1.51"), Decimal("29.99")} <= values
    assert min(values) >= Decimal("1.5") and max(values) <= 30


def test_what_is_optional_is_none_at_times() -> None:
    values = [value for (value,) in generate_inputs([FieldType("date", optional=True)]).inputs]
    assert 50 < values.count(None) < 500
    assert {"2024-02-29", "9999-12-31", "0001-01-01"} <= {value for value in values if value}


def test_date_times_of_one_input_compare() -> None:
    kinds = [FieldType("datetime"), FieldType("datetime")]
    for first, second in generate_inputs(kinds, count=200).inputs:
        assert bool(re.search(r"[+-]\d\d:\d\d$", first)) == bool(re.search(r"[+-]\d\d:\d\d$", second))


def test_shown_documents_are_mutated() -> None:
    document = "Invoice 77\nTotal: 12.50\nDate: 2024-01-31"
    texts = [value for (value,) in generate_inputs([FieldType("text")], samples=[[document]]).inputs]
    assert sum("Invoice 7" in text or "Total" in text for text in texts) > 200
    assert any(sorted(text.split("\n")) == sorted(document.split("\n")) and text != document for text in texts)


def test_mutation_needs_no_text() -> None:
    assert {mutate("", Chance(seed)) for seed in range(30)} == {""}


def test_a_thousand_inputs_take_a_moment() -> None:
    started = time.process_time()
    made = generate_inputs([FieldType("text"), FieldType("decimal"), FieldType("date", optional=True)])
    assert len(made.inputs) == 1000
    assert len(canonical_json([list(row) for row in made.inputs])) < 3_000_000
    assert time.process_time() - started < 0.5
