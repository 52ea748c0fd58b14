"""Receipts: who issued one, where, and what is to be paid. Shops, streets and numbers are made up."""

from datetime import date
from decimal import Decimal

import pytest

from compiled_ai.library.addresses import issuer_address, issuer_address_choices
from compiled_ai.library.issuers import issue_date, issuer, issuer_choices
from compiled_ai.library.layout import Page
from compiled_ai.library.names import without_codes
from compiled_ai.library.places import place_of
from compiled_ai.library.totals import total_choices


def page_of(*rows: str) -> Page:
    """A scanned page: one box a row, or several where a row has `|`."""
    boxes: list[list[object]] = []
    for number, row in enumerate(rows):
        left = 20
        for part in row.split("|"):
            text = part.strip()
            boxes.append([left, 30 * number, left + 11 * len(text), 30 * number + 21, text])
            left += 11 * len(text) + 60
    return Page.from_boxes(boxes, order="dmy")


TAIL = ("TEL: 03-5550 1234", "GST NO: 001234567890", "TAX INVOICE")


# ---------------------------------------------------------------- who issued it


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (("NASI PADU VENTURES 715931-H", "PT 361 JALAN BIRU 12/3,"), "NASI PADU VENTURES"),
        (("#000002 KEDAI DUA (M) SDN BHD", "COMPANY NO(204182-X)"), "KEDAI DUA (M) SDN BHD"),
        (("AIK LAM HARDWARE", "ENTERPRISE (BUKIT", "INDAH) SDN BHD", "204182-X"), None),
        (("BINTANG GADGETS", "TRADING (682108-V)"), "BINTANG GADGETS TRADING"),
        (("SUMBER COMPANY", "COMPANY REG. NO. : 204182-V"), "SUMBER COMPANY"),
        (("** DUPLICATE **", "KILANG MEE LAI", "CO. REG NO : 798665-V"), "KILANG MEE LAI"),
        (("LEE AH CHAI", "SOON HONG MACHINERY ENTERPRISE", "(JM0204182-K)"), "SOON HONG MACHINERY ENTERPRISE"),
        (("SWAN ENTERORISE SDN BHD", "(1204182-V)"), "SWAN ENTERPRISE SDN BHD"),
        (("G0LDEN SPOON CAFE", "(001307026-W)"), "GOLDEN SPOON CAFE"),
    ],
)
def test_the_name_at_the_head_is_the_issuer_without_its_registration_number(
    rows: tuple[str, ...], name: str | None
) -> None:
    page = page_of(*rows, "12, JALAN BESAR 3/1,", "43000 KAJANG, SELANGOR", *TAIL)
    assert issuer(page) == (name or "AIK LAM HARDWARE ENTERPRISE (BUKIT INDAH) SDN BHD")


def test_a_customer_below_the_heading_is_not_the_issuer_even_with_a_legal_form() -> None:
    page = page_of("PERNIAGAAN HUI", "JM0204182-V", "NO.59 JALAN DUA 9/5", "81750 JOHOR BAHRU", *TAIL, "GO ENG SDN BHD")
    first, *others = issuer_choices(page)
    assert first.value == "PERNIAGAAN HUI"
    assert "GO ENG SDN BHD" in [choice.value for choice in others]
    assert first.confidence > max(choice.confidence for choice in others)


def test_the_owner_and_a_former_name_are_not_the_issuer() -> None:
    page = page_of(
        "SANTAI STATIONERY SHOP", "NO. 31, JALAN DUA", "40170 SHAH ALAM", "OWNED BY :", "SANTAI SDN BHD (1-X)"
    )
    assert issuer(page) == "SANTAI STATIONERY SHOP"
    page = page_of("BERITA RETAIL SB(204182-X) FKA LEMBU STORES SB", "12, JALAN BESAR,", "43000 KAJANG")
    assert issuer(page) == "BERITA RETAIL SB"


def test_a_registered_name_below_the_address_is_the_issuer_where_a_mere_brand_stands_above() -> None:
    page = page_of("OASIS CORNER", "LOT 2, JALAN SATU 1A/7A,", "47301 PETALING JAYA", "BERITA RETAIL SB(204182-X)")
    assert issuer(page) == "BERITA RETAIL SB"


def test_a_page_without_a_name_has_no_issuer() -> None:
    assert issuer_choices(page_of("TAX INVOICE", "DATE: 01/02/2018", "12.50")) == ()
    assert issuer(Page.from_boxes([])) is None


def test_the_place_of_a_name_over_two_lines_is_both_boxes() -> None:
    page = page_of(
        "WELCOME", "BINTANG GADGETS", "TRADING (682108-V)", "UNIT 3, PLAZA SATU", "88300 KOTA KINABALU, SABAH"
    )
    place = place_of(issuer(page))
    assert place is not None and place.boxes == (1, 2)


def test_brackets_without_digits_belong_to_a_name_and_registration_numbers_do_not() -> None:
    assert without_codes("TEH CORNER (SP) SDN BHD (139386 X)") == "TEH CORNER (SP) SDN BHD"
    assert without_codes("BUMBU EMAS TRADING CO. 280000-D") == "BUMBU EMAS TRADING CO."
    assert without_codes("99 SEPULUH MART S/B") == "99 SEPULUH MART S/B"


# ---------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("rows", "address"),
    [
        (
            ("CAR PARK OFFICE, BASEMANT 1,", "LEBUHRAYA DUA, PJU6A,", "47400 PETALING JAYA, SELANGOR"),
            "CAR PARK OFFICE, BASEMENT 1, LEBUHRAYA DUA, PJU6A, 47400 PETALING JAYA, SELANGOR",
        ),
        (
            ("LOT P.T. 20418, BATU 9", "JALAN TIGA, MUKIM TIGA", "42100 KLANG, SELANGOR", "2041-TMN SATU"),
            "LOT P.T. 20418, BATU 9 JALAN TIGA, MUKIM TIGA 42100 KLANG, SELANGOR 2041-TMN SATU",
        ),
        (
            ("5-7, JALAN DUA 7/1", "BANDAR UTAMA, 44300", "BATANG KALI"),
            "5-7, JALAN DUA 7/1 BANDAR UTAMA, 44300 BATANG KALI",
        ),
        (("NO 7, JALAN DUA", "TAMAN TIGA", "013-336 3999"), "NO 7, JALAN DUA TAMAN TIGA"),
        (("12 JALAN DUA,", "75200 MELAKA TEL:04-6627 4511"), "12 JALAN DUA, 75200 MELAKA"),
        (("12 JALAN DUA,", "81750 JOHOR BAHRU, JOHOR 07-387 3322"), "12 JALAN DUA, 81750 JOHOR BAHRU, JOHOR"),
        (("LOT PTD 204182", "JALAN DUA 10/10", "8175 MASAI, JOHOR", "PREPAY CHIT NUMBER", "57381"), None),
        (("NIPPON HOUSE, IOI MALL",), "NIPPON HOUSE, IOI MALL"),
        (("NO.12, JALAN DUA",), "NO.12, JALAN DUA"),
        (("N0.9 JALAN DUA", "4OO00 SHAH ALAM, SELANGQR"), "NO.9 JALAN DUA 40000 SHAH ALAM, SELANGOR"),
    ],
)
def test_the_address_goes_from_the_name_to_the_telephone_number(rows: tuple[str, ...], address: str | None) -> None:
    page = page_of("KEDAI SATU SDN BHD", "(1204182-V)", *rows, *TAIL, "PENCIL|1.20")
    assert issuer_address(page) == (address or "LOT PTD 204182 JALAN DUA 10/10 8175 MASAI, JOHOR")


def test_the_customers_address_comes_after_the_issuers() -> None:
    page = page_of(
        "KEDAI SATU SDN BHD",
        "NO 4, JALAN DUA",
        "TAMAN TIGA",
        *TAIL,
        "BILL TO :",
        "NO 22 JALAN AWAN 4",
        "43500 SEMENYIH",
    )
    first, second = issuer_address_choices(page)
    assert first.value == "NO 4, JALAN DUA TAMAN TIGA"
    assert second.value == "NO 22 JALAN AWAN 4 43500 SEMENYIH" and second.confidence < first.confidence


def test_the_issuers_name_is_no_part_of_its_address() -> None:
    page = page_of("RESTORAN JALAN KENARI 3", "12, JALAN KENARI 3,", "47100 PUCHONG", *TAIL)
    assert issuer(page) != issuer_address(page)
    assert str(issuer_address(page)).endswith("12, JALAN KENARI 3, 47100 PUCHONG")


def test_a_page_without_an_address_has_none() -> None:
    assert issuer_address_choices(page_of("KEDAI SATU SDN BHD", *TAIL, "PENCIL|1.20")) == ()
    assert issuer_address(Page.from_boxes([])) is None


# ---------------------------------------------------------------- what is to be paid


@pytest.mark.parametrize(
    ("rows", "amount"),
    [
        (("ITEM: 2|TOTAL WITH GST @ 6%|6.83", "QTY: 3|ROUNDING|0.02", "TOTAL SAVING: 0.00|TOTAL|6.85"), "6.85"),
        (("TOTAL SALES (INCLUSIVE GST) RM|37.44", "ROUNDING RM|37.45", "CREDIT RM|37.45", "CHANGE RM|.00"), "37.45"),
        (("TOTAL AMOUNT|1.50 RM", "ACCEPTED TOTAL|2.00 RM", "CHANGE|0.50 RM"), "1.50"),
        (("TOTAL (EXCLUDING GST):|4.72", "GST PAYABLE (6%):|0.28", "TOTAL (INCLUSIVE OF GST):|5.00"), "5.00"),
        (("TOTAL|42.39", "SERV. CHARGE|4.24", "GST|2.80", "TOTAL INCL GST|49.43", "ADJ|0.02", "TOTAL|49.45"), "49.45"),
        (("TOTAL 6% SUPPLIES (INC. GST):|25.44", "TOTAL 0% SUPPLIES:|7.61", "TOTAL PAYABLE:|33.05"), "33.05"),
        (("TOTAL INCL. GST@6%|21.50", "CASH|51.50", "CHANGE|30.00", "GST @6% INCLUDED IN TOTAL|1.22"), "21.50"),
        (("AMT PAID INCL GST : RM111.90", "PAID BY : CC*7185:RM111.90", "TOTAL SV : 10.56|TOTAL GV : 10.55"), "111.90"),
        (("SUBTOTAL|53.60", "CASH|100.00", "CHANGE|46.40", "TAXABLE AMOUNT|50.57"), "53.60"),
        (("GROSS AMT :|47.80", "SVR TAX :|2.87", "GST (6%) :|2.86", "NET AMT :|53.53"), "53.53"),
        (("T0TAL|12.50", "CASH|20.00", "CHANGE|7.50"), "12.50"),
        (("TOTAL SALES|20.00", "DISCOUNT|2.00", "GRAND TOTAL|18.00"), "18.00"),
        (("PENCIL|1.20", "ERASER|3.40"), "3.40"),
    ],
)  # fmt: skip
def test_the_total_is_what_is_paid_in_the_end(rows: tuple[str, ...], amount: str) -> None:
    assert page_of("KEDAI SATU SDN BHD", *rows).total() == Decimal(amount)


def test_each_amount_is_one_choice_and_a_confirmed_total_is_surer() -> None:
    page = page_of("TOTAL|12.50", "CASH|20.00", "CHANGE|7.50", "TOTAL|12.50", "TOTAL|11.79")
    first, *others = total_choices(page)
    assert first.value == Decimal("12.50") and [choice.value for choice in others] == [Decimal("11.79")]
    assert first.confidence > 0.9 > others[0].confidence
    assert total_choices(page_of("TOTAL|12.50", "TOTAL|11.79"))[0].confidence < first.confidence


def test_a_row_of_two_sums_gives_both_lines() -> None:
    page = page_of("TOTAL SAVING: 0.00|TOTAL|6.85", "TOTAL QTY: 1|30.21")
    assert [(line.role, line.amount) for line in page.totals()] == [
        ("discount", Decimal("0.00")),
        ("total", Decimal("6.85")),
        ("quantity", Decimal("30.21")),
    ]


def test_a_page_without_amounts_has_no_total() -> None:
    assert total_choices(page_of("KEDAI SATU SDN BHD", "TOTAL")) == ()


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("rows", "day"),
    [
        (("INVOICE NO: SP-18/06/04-2041820", "DATE|: 05/06/2018 18:17:54"), date(2018, 6, 5)),
        (("INVOICE NO: SP-18/06/04-2041820", "05/06/2018 18:17"), date(2018, 6, 5)),
        (("DUE 01/07/2018 12:00", "05-06-18"), date(2018, 6, 5)),
        (("VALID UNTIL 31/12/2019", "1016 K|05 JUN 2018|7:07PM"), date(2018, 6, 5)),
        (("09:23PM|559412|24-01-16",), date(2016, 1, 24)),
        (("TICKET 18/06/04-2041820",), None),
        (("KEDAI SATU",), None),
    ],
)
def test_the_day_of_issue_is_labelled_or_has_a_clock_beside_it(rows: tuple[str, ...], day: date | None) -> None:
    assert issue_date(page_of(*rows)) == day
