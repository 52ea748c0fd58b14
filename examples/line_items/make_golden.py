"""Writes `golden.jsonl`: synthetic invoices of suppliers. No company, article or purchase in them exists.

    python examples/line_items/make_golden.py > examples/line_items/golden.jsonl

Each supplier prints its own headers in its own order; descriptions of some rows go on in a second line, and an eighth
of the invoices do not add up.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SUPPLIERS = (
    "Ferrowell Fasteners Ltd", "Brightwater Catering", "Oakline Joinery", "Pixel & Paper Print Shop", "Nordhaven Cables",
    "Greenspan Nursery", "Cartwright Lab Supply", "Bellweather Linen Hire", "Kestrel Cycle Parts", "Morrow Office Depot",
    "Saltmarsh Paints", "Quillon Textiles", "Tamar Valley Produce", "Hexagon Tooling", "Lumen Electrical Wholesale",
    "Drayton Packaging", "Copperfield Coffee Roasters", "Vesper Audio Hire", "Anvil & Son Ironmongers", "Rushmere Garden Stone",
)  # fmt: skip
GOODS = (
    "Oak shelf, long", "Hex bolt M8 x 40", "Copy paper A4 80 g", "Arabica beans, dark roast", "Bed linen set 140/200",
    "Cable drum 3 x 1.5 mm", "Pipette tips 200 ul", "Chain 11-speed", "Wall paint, matt white", "Lavender, 2 l pot",
    "Paving slab 40 x 40", "LED panel 60 x 60", "Cardboard box, double wall", "Microphone stand", "Door hinge, brass",
    "Poster A1 full colour", "Cotton twill, navy", "Carrots, washed", "Drill bit set HSS", "Waiter service, per hour",
)  # fmt: skip
SECOND_LINES = (
    "with brackets",
    "pack of 10",
    "as quoted",
    "incl. delivery",
    "colour: grey",
    "order no. 4411",
    "left-handed",
)
REASONS = {
    "": "the rows add up to the subtotal",
    "row": "quantity times price is not the amount of a row",
    "subtotal": "the rows do not add up to the subtotal",
    "silent": "no subtotal is printed",
}
"""What is said about an invoice, by what is wrong with it."""
STREETS = ("14 Quay Street", "Unit 3, Mill Lane", "208 Station Road", "7 Tanner's Yard")
CUSTOMERS = ("Ashby Community Centre", "Hotel Marten", "Riverside School", "J. Whitlock")


@dataclass(frozen=True)
class Style:
    """How one supplier prints: columns from left to right as (header, kind, width)."""

    columns: tuple[tuple[str, str, int], ...]
    subtotal: str
    total: str
    symbol: str
    row_symbol: bool
    wraps: float


def style_of(dice: random.Random) -> Style:
    pick = dice.choice
    goods = (pick(("Description", "Item", "Article", "Product", "Details")), "description", 34)
    quantity = (pick(("Qty", "Quantity", "Units", "Pcs")), "quantity", 10)
    price = (pick(("Unit Price", "Price", "Rate", "Each")), "unit_price", 14)
    amount = (pick(("Amount", "Total", "Line Total", "Net")), "amount", 14)
    front: list[tuple[str, str, int]] = [("Pos", "position", 6)] if dice.random() < 0.4 else []
    front += [("Art. No.", "code", 12)] if dice.random() < 0.3 else []
    tax = [("VAT %", "tax", 8)] if dice.random() < 0.3 else []
    order = pick(
        ((goods, quantity, price), (goods, quantity, price), (quantity, goods, price), (goods, price, quantity))
    )
    return Style(
        columns=(*front, *order, *tax, amount),
        subtotal=pick(("Subtotal", "Net total", "Total net", "Goods total")),
        total=pick(("Total due", "Invoice total", "Grand total", "Amount payable")),
        symbol=pick(("$", "£", "€", "")),
        row_symbol=dice.random() < 0.3,
        wraps=pick((0.0, 0.2, 0.4)),
    )


def money(value: Decimal, symbol: str) -> str:
    return f"{symbol}{value:,.2f}"


def rows(dice: random.Random, style: Style) -> Iterator[dict[str, Any]]:
    for position in range(1, dice.randrange(2, 10)):
        quantity = Decimal(
            dice.choice((1, 2, dice.randrange(1, 9), dice.randrange(1, 60), f"{dice.randrange(1, 20)}.5"))
        )
        price = Decimal(dice.randrange(45, 30000)) / 100
        yield {
            "position": str(position), "code": f"{dice.choice('ABX')}-{dice.randrange(100, 9999)}",
            "description": dice.choice(GOODS), "second": dice.choice(SECOND_LINES) if dice.random() < style.wraps else "",
            "quantity": quantity, "unit_price": price, "tax": dice.choice(("20", "5", "0")),
            "amount": (quantity * price).quantize(Decimal("0.01")),
        }  # fmt: skip


def cell(row: dict[str, Any], kind: str, width: int, style: Style) -> str:
    value = row[kind]
    if kind in ("unit_price", "amount"):
        value = money(value, style.symbol if style.row_symbol else "")
    return f"{value:<{width}}" if kind in ("description", "position", "code") else f"{value!s:>{width - 2}}  "


def table(goods: Sequence[dict[str, Any]], style: Style) -> Iterator[str]:
    yield "".join(
        f"{header:<{width}}" if kind in ("description", "position", "code") else f"{header:>{width - 2}}  "
        for header, kind, width in style.columns
    ).rstrip()
    left = sum(width for _, kind, width in style.columns[: [kind for _, kind, _ in style.columns].index("description")])
    for row in goods:
        yield "".join(cell(row, kind, width, style) for _, kind, width in style.columns).rstrip()
        if row["second"]:
            yield " " * left + row["second"]


def invoice(supplier: str, style: Style, dice: random.Random) -> tuple[str, dict[str, Any]]:
    goods = list(rows(dice, style))
    wrong = dice.choices(("", "row", "subtotal", "silent"), (84, 6, 6, 4))[0]
    if wrong == "row":
        goods[-1]["amount"] += Decimal("1.50")
    subtotal = sum((row["amount"] for row in goods), Decimal(0)) + (Decimal(9) if wrong == "subtotal" else 0)
    tax = (subtotal / 5).quantize(Decimal("0.01"))
    width = sum(width for _, _, width in style.columns)
    sums = [] if wrong == "silent" else [(style.subtotal, subtotal)]
    sums += [("Shipping", Decimal("12.50"))] if dice.random() < 0.3 else []
    sums += [("VAT 20 %", tax), (style.total, subtotal + tax)]
    page = [
        f"{supplier:<50}INVOICE",
        f"{dice.choice(STREETS):<50}No. {dice.randrange(1000, 99999)}",
        f"{'':<50}Date: {dice.randrange(1, 29):02}/{dice.randrange(1, 13):02}/2026",
        "",
        f"Bill to: {dice.choice(CUSTOMERS)}",
        "",
        *table(goods, style),
        "",
        *(f"{label:>{width - 16}}{money(value, style.symbol):>14}" for label, value in sums),
        "",
        dice.choice(("Payable within 30 days.", "Thank you for your order.", "Goods remain our property until paid.")),
    ]
    expected = [
        {
            "description": f"{row['description']} {row['second']}".strip(),
            "quantity": float(row["quantity"]) if row["quantity"] % 1 else int(row["quantity"]),
            "unit_price": f"{row['unit_price']:.2f}",
            "amount": f"{row['amount']:.2f}",
        }
        for row in goods
    ]
    return "\n".join(page) + "\n", {
        "items": expected,
        "subtotal": None if wrong == "silent" else f"{subtotal:.2f}",
        "outcome": "CHECK" if wrong else "MATCH",
        "reason": REASONS[wrong],
    }


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(4711)
    for index in range(80):
        supplier = SUPPLIERS[index % len(SUPPLIERS)]
        style = style_of(random.Random(f"style of {supplier}"))
        document, expected = invoice(supplier, style, dice)
        yield {"id": f"synthetic-{index:03}", "group": supplier, "input": {"document": document}, "expected": expected}


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case, ensure_ascii=False))
