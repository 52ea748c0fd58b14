"""Identifiers, phones, units, names, comparing, mapping."""

from decimal import Decimal

import pytest

from compiled_ai.library.identifiers import (
    IdentifierKind,
    find_identifiers,
    is_identifier,
    luhn_valid,
    parse_identifier,
)
from compiled_ai.library.mapping import find, flatten, get, put, reshape
from compiled_ai.library.names import has_legal_form, organisation_key, parse_person, without_codes
from compiled_ai.library.phones import find_phones, format_phone, parse_phone, region_of
from compiled_ai.library.places import Located
from compiled_ai.library.stated_units import amount_in, has_unit
from compiled_ai.library.textmatch import best_match, classify, find_phrase, is_like, likeness, plain
from compiled_ai.library.units import convert, parse_quantity, unit_of


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("npi", "1234567893", "1234567890"),
        ("dea", "AB1234563", "AB1234564"),
        ("iban", "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
        ("isbn", "978-0-306-40615-7", "978-0-306-40615-8"),
        ("card", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("ssn", "123-45-6789", "000-45-6789"),
        ("aba", "021000021", "021000022"),
        ("vin", "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
        ("isin", "US0378331005", "US0378331006"),
        ("lei", "529900T8BM49AURSDO55", "529900T8BM49AURSDO56"),
    ],
)
def test_check_digits_decide(kind: IdentifierKind, good: str, bad: str) -> None:
    assert is_identifier(kind, good)
    assert parse_identifier(kind, bad) is None
    assert parse_identifier(kind, "") is None


def test_an_unknown_identifier_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown kind 'nhs'. Known: npi"):
        parse_identifier("nhs", "1")  # type: ignore[arg-type]
    assert not luhn_valid("12a")


def test_identifiers_are_found_with_their_place() -> None:
    text = Located("NPI: 1234567893, tel 2155550123", None)
    assert list(find_identifiers("npi", text)) == ["1234567893"]


def test_phones_are_checked_against_the_numbering_plan() -> None:
    assert parse_phone("(212) 736-5000") == "+12127365000"
    assert parse_phone("12345") is None and parse_phone("not a number") is None
    assert list(find_phones("call 212-736-5000 or +44 20 7946 0958")) == ["+12127365000", "+442079460958"]
    assert format_phone("2127365000") == "(212) 736-5000" and format_phone("1") is None
    assert region_of("+442079460958") == "GB" and region_of("1") is None


def test_units_convert_exactly_within_a_dimension() -> None:
    assert convert(Decimal(180), "lb", "kg") == Decimal("81.6466266")
    assert convert(Decimal("98.6"), "°F", "Celsius") == Decimal(37)
    assert unit_of("kilograms") == "kg" and unit_of("parsec") is None
    with pytest.raises(ValueError, match="'kg' is a unit of mass, 'm' of length"):
        convert(Decimal(1), "kg", "m")
    with pytest.raises(ValueError, match="Unknown unit 'parsec'"):
        convert(Decimal(1), "parsec", "m")


def test_a_quantity_is_a_number_beside_a_known_unit() -> None:
    found = parse_quantity("Weight: 81.5 kg")
    assert found is not None and (found.value, found.unit) == (Decimal("81.5"), "kg")
    assert found.to("g") == 81500
    assert parse_quantity("81.5") is None


def test_names_are_cleaned_and_compared() -> None:
    assert without_codes("GARDENIA BAKERIES (KL) SDN BHD (139386 X)") == "GARDENIA BAKERIES (KL) SDN BHD"
    assert has_legal_form("Acme Inc.") and not has_legal_form("Acme")
    assert organisation_key("ACME, Inc.") == organisation_key("Acme Incorporated (443)")
    assert organisation_key("Acme") != organisation_key("Apex")


def test_persons_are_split() -> None:
    first, second = parse_person("Dr. Maria Elena van der Berg, MD"), parse_person("Major, Mary Ann")
    assert (first.title, first.given, first.middle, first.family, first.suffix) == (
        "Dr.",
        "Maria",
        "Elena",
        "van der Berg",
        "MD",
    )
    assert (second.given, second.middle, second.family) == ("Mary", "Ann", "Major")


def test_texts_are_compared_in_spite_of_case_accents_and_order() -> None:
    assert likeness("ACME, Inc.", "inc acme") == 1.0 and plain("Café-Bar") == "cafe bar"
    assert is_like("JOHNSTON", "JOHNST0N", at_least=0.85) and not is_like("a", "")
    best = best_match("Jonston", ["Miller", "Johnston"])
    assert best is not None and best.index == 1
    assert best_match("Jonston", ["Miller"]) is None


def test_a_text_is_classified_by_whole_words() -> None:
    classes = {"billing": ["invoice", "refund"], "tech": ["crash", "error message"]}
    assert classify("An error message, no invoice", classes, otherwise="other") == "tech"
    assert classify("nothing of it: invoices", classes, otherwise="other") == "other"


def test_a_phrase_is_found_as_it_is_written() -> None:
    assert find_phrase("Please pay Totl Amount 5", "Total Amount") == "Totl Amount"
    assert find_phrase("Please pay", "Total Amount") is None


def test_paths_read_nested_values() -> None:
    source = {"a": [{"b": 1}, {"b": 2}], "c.d": {"e": None}}
    assert get(source, "a[-1].b") == 2 and find(source, "a[*].b") == (1, 2)
    assert get(source, "x.y", "a[0].b") == 1 and get(source, '"c.d".e', default="none") == "none"
    assert get(source, "a[9].b") is None and get("text", "a") is None
    with pytest.raises(ValueError, match="is no path"):
        get(source, "a[x]")


def test_objects_are_built_by_rules() -> None:
    source = {"customer": {"name": "X"}, "lines": [1, 2]}
    built = reshape(source, {"buyer.name": "customer.name", "sum": ("lines", sum), "all": "lines[*]", "no": "missing"})
    assert built == {"buyer": {"name": "X"}, "sum": 3, "all": [1, 2]}
    assert reshape(source, {"no": "missing"}, keep_missing=True) == {"no": None}
    assert put({"a": 1}, "b[0].c", 2) == {"a": 1, "b": [{"c": 2}]}
    assert flatten({"a": {"b": [1, {"c.d": 2}]}}) == {"a.b[0]": 1, 'a.b[1]."c.d"': 2}
    with pytest.raises(ValueError, match="leads through 1, which has no keys"):
        put({"a": 1}, "a.b", 2)


@pytest.mark.parametrize(
    ("number", "behind", "unit", "expected"),
    [
        ("180", " cm tall", "m", "1.8"),
        ("70", "kg", "kilograms", "70"),
        ("9.8", " meters per second squared", "m/s^2", "9.8"),
        ("9.8", " m/s^2", "m/s", None),
        ("36", " km/h", "m/s", "10"),
        ("60", " miles per hour", "mph", "60"),
        ("2", " cubic meters", "m^3", "2"),
        ("3", " square feet per gallon", "square feet", "3"),
        ("5", " ft 10 in and", "inches", "70"),
        ("6", " feet 2 inches", "in", "74"),
        ("5", "'10\" tall", "cm", "177.8"),
        ("2", " hours 30 minutes", "minutes", "150"),
        ("25", " degrees Celsius", "kelvin", "298.15"),
        ("90", " degrees north", "deg", "90"),
        ("5", " C", "coulomb", "5"),
        ("2", " nC", "coulomb", "2e-9"),
        ("18", " months", "years", "1.5"),
        ("5", " kg", "m", None),
        ("5", " in 2020", "m", "5"),
        ("5", " parsecs", "m", "5"),
        ("5", " cm", "parsecs", "5"),
        ("5", "", "m", "5"),
    ],
)
def test_a_number_is_read_in_the_unit_that_is_wanted(number: str, behind: str, unit: str, expected: str | None) -> None:
    assert amount_in(Decimal(number), behind, unit) == (None if expected is None else Decimal(expected))


def test_a_known_unit_of_the_wanted_kind_is_told_from_none() -> None:
    assert has_unit(" cm", "m") and not has_unit(" kg", "m")
    assert not has_unit(" wide", "m") and not has_unit(" cm", "parsecs")
