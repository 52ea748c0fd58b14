"""Values keep their place in the source through trimming, and lose it where they are computed."""

import pickle
from datetime import date, timedelta
from decimal import Decimal

from compiled_ai.canonical import canonical_json
from compiled_ai.library.layout import Page
from compiled_ai.library.places import Located, LocatedDate, LocatedDecimal, located, place_of
from compiled_ai.library.types import FieldType, encoder

PAGE = Page.from_text("Total due   $1,234.50\nInvoice date 06/08/20\nBill to     Ann Lee (77)\n")


def test_a_plain_value_and_a_computed_one_have_no_place() -> None:
    amount = PAGE.labelled("Total due", kind="money")
    assert amount is not None
    assert place_of("text") is None and place_of(amount + 1) is None and place_of(None) is None


def test_a_place_names_line_column_and_characters() -> None:
    amount = PAGE.labelled("Total due", kind="money")
    place = place_of(amount)
    assert place is not None
    assert (place.line, place.column) == (1, 13)
    assert PAGE.text[place.start : place.end] == "$1,234.50"
    assert place.to_json() == [{"start": 12, "end": 21, "line": 1, "column": 13}]


def test_trimming_narrows_the_place() -> None:
    name = PAGE.labelled("Bill to", kind="name")
    assert isinstance(name, Located)
    first = name.split("(")[0].strip()
    place = place_of(first)
    assert first == "Ann Lee" and place is not None and PAGE.text[place.start : place.end] == "Ann Lee"
    assert place_of(name.removeprefix("Ann ").upper()) is not None


def test_a_lost_place_can_be_given_back() -> None:
    place = place_of(PAGE.labelled("Bill to", kind="name"))
    assert place_of(located("ann lee", place)) == place
    assert place_of(located(Decimal("2"), place)) == place
    assert place_of(located(date(2020, 1, 2), place)) == place


def test_located_values_encode_as_plain_ones() -> None:
    amount, day = PAGE.labelled("Total due", kind="money"), PAGE.labelled("Invoice date", kind="date")
    assert encoder(FieldType("money"), {})(amount) == "1234.50"
    assert encoder(FieldType("date"), {})(day) == "2020-06-08"
    assert type(encoder(FieldType("text"), {})(PAGE.labelled("Bill to"))) is str
    assert canonical_json([amount, day]) == '[1234.50,"2020-06-08"]'


def test_located_values_survive_pickling_and_compare_as_plain_ones() -> None:
    for value in (Located("x"), LocatedDate(2020, 1, 2), LocatedDecimal("1.5"), PAGE.labelled("Bill to")):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value and place_of(copy) == place_of(value)
    assert LocatedDate(2020, 1, 2) + timedelta(days=1) == date(2020, 1, 3)


def test_on_boxes_a_place_names_the_box() -> None:
    page = Page.from_boxes([[200, 12, 260, 30, "12.50"], [10, 10, 80, 30, "TOTAL"]])
    place = place_of(page.total())
    assert place is not None and place.boxes == (0,) and place.spans[0].edges == (200, 12, 260, 30)
