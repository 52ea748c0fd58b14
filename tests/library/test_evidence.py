"""What has a place in the source is kept with it; what has none is dropped, and said so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from compiled_ai.library.evidence import Dropped, Source, keeper
from compiled_ai.library.layout import Page
from compiled_ai.library.places import Located, LocatedDecimal, LocatedInteger, place_of
from compiled_ai.library.types import Field, FieldType
from compiled_ai.library.values import Box

TEXT = "Invoice  A-20417   Advertiser: Oak & Pine,    Total  $1,234.50\nDate 7 May 2018               Inc. (77)\n"
BOXES = (
    Box(200, 10, 240, 20, "BHD"),
    Box(10, 60, 90, 70, "T0TAL 12.50"),
    Box(10, 10, 190, 20, "GREEN FIELDS SDN"),
)


def words_at(value: object, text: str = TEXT) -> str:
    place = Source([text]).find(value)
    assert place is not None and place.searched
    return " ".join(text[span.start : span.end] for span in place.spans)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("A-20417", "A-20417"),
        ("a20417", "A-20417"),
        ("ADVERTISER", "Advertiser"),
        ("Oak & Pine, Inc. (77)", "Oak & Pine Inc. (77"),
        ("lnvoice", "Invoice"),
        ("&", "&"),
        (date(2018, 5, 7), "7 May 2018"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("-1234.50"), "$1,234.50"),
        (77, "(77)"),
    ],
)
def test_a_value_that_lost_its_place_is_found_where_it_stands(value: object, words: str) -> None:
    assert words_at(value) == words


@pytest.mark.parametrize(
    "value", ["20417x", "0417", "Oak and Pine", "", " ", "never said", date(2018, 5, 8), Decimal("1234"), 4, None, True]
)
def test_a_value_that_stands_nowhere_is_not_found(value: object) -> None:
    assert Source([TEXT]).find(value) is None


def test_on_a_page_of_boxes_a_value_is_found_across_the_boxes_of_a_row() -> None:
    source = Source([BOXES, ()])
    place = source.find("Green Fields Sdn Bhd")
    assert place is not None and place.boxes == (2, 0)
    total = source.find(Decimal("12.50"))
    assert total is not None and total.spans[0][:6] == (6, 11, 3, 1, 1, (10.0, 60.0, 90.0, 70.0))
    assert source.find("TOTAL") is not None


def test_a_searched_place_says_so_in_the_record() -> None:
    place = Source([TEXT]).find("A-20417")
    assert place is not None
    assert place.to_json() == [{"start": 9, "end": 16, "line": 1, "column": 10, "searched": True}]
    assert (place + place).searched


@dataclass(frozen=True, slots=True)
class Item:
    name: str | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class Read:
    number: str | None
    kind: str | None
    count: int | None
    note: str | None
    items: tuple[Item, ...]


def field(name: str, kind: FieldType, **told: Any) -> Field:
    return Field(name, name, kind, **told)


ITEM = FieldType("object", fields=(field("name", FieldType("text", optional=True)), field("price", FieldType("money"))))
READ = FieldType(
    "object",
    fields=(
        field("number", FieldType("string", optional=True)),
        field("kind", FieldType("string", optional=True, enum=("bill", "order"))),
        field("count", FieldType("integer", optional=True)),
        field("note", FieldType("text", optional=True), computed=True),
        field("items", FieldType("list", items=ITEM)),
    ),
)
WHOLE = Read("A-20417", "bill", 77, "made up", (Item("Advertiser", Decimal("1234.50")),))


def kept(value: Read) -> tuple[Read, list[Dropped]]:
    keep = keeper(READ)
    assert keep is not None
    dropped: list[Dropped] = []
    result = keep(value, Source([TEXT]), dropped, "")
    assert isinstance(result, Read)
    return result, dropped


def test_values_of_every_kind_get_their_place_and_stay_equal() -> None:
    result, dropped = kept(WHOLE)
    assert result == WHOLE and not dropped
    values = (result.number, result.count, result.items[0].name, result.items[0].price)
    assert [type(value) for value in values] == [Located, LocatedInteger, Located, LocatedDecimal]
    assert all(place_of(value) for value in values)


def test_a_judgement_and_a_field_declared_computed_need_no_place() -> None:
    result, _ = kept(WHOLE)
    assert type(result.kind) is str and type(result.note) is str


def test_a_value_without_a_place_becomes_null_and_is_named_by_its_path() -> None:
    wrong = replace(WHOLE, number="B-1", items=(Item("Advertiser", Decimal("1234.50")), Item("Nobody", Decimal(3))))
    result, dropped = kept(wrong)
    assert result.number is None and result.items[1].name is None
    assert dropped == [
        Dropped("number", True),
        Dropped("items[1].name", True),
        Dropped("items[1].price", False),
    ]


def test_a_value_that_carries_its_place_is_not_looked_for() -> None:
    page = Page.from_text(TEXT)
    number = page.labelled("Invoice #", "Invoice", kind="identifier")
    assert number is not None
    result, _ = kept(replace(WHOLE, number=number))
    assert result.number is number


def test_a_result_of_judgements_alone_needs_no_evidence() -> None:
    assert keeper(FieldType("object", fields=(field("paid", FieldType("boolean")),))) is None
    assert keeper(FieldType("list", items=FieldType("boolean"))) is None
