"""Writes `golden.jsonl`: synthetic messages of web shops. No shop, customer or order in them exists.

    python examples/schema_mapping/make_golden.py > examples/schema_mapping/golden.jsonl

What is expected is drawn first, and the message is then written as one of 20 shops would: with absent parts, nulls,
other spellings, cancelled items, and more keys than anyone asked for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

FIRST = ("Maja", "Tom", "Ines", "Ravi", "Chloé", "Bo", "Salma", "Piet")
LAST = ("Lindqvist", "O'Hara", "Marchetti", "Novák", "van Dijk", "Okafor", "Tran", "Whitlock")
COMPANIES = ("Riverside School", "Hotel Marten", "Ashby Press")
STREETS = ("14 Quay Street", "208 Station Road", "Gartenweg 7", "Rue des Lilas 3")
SECOND = ("Apt 4B", "c/o Hansen", "2nd floor", "")
CITIES = (
    ("94107", "San Francisco", "US"),
    ("10115", "Berlin", "DE"),
    ("75011", "Paris", "FR"),
    ("01067", "Dresden", "DE"),
)
NOTES = ("Please ring twice.", "Leave it with the neighbour", "Happy birthday, Ines!")
SKUS = ("TEE-NAVY-M", "MUG-0042", "LAMP-7", "SOCK-3PK", "BAG-XL", "PEN-12")


def address(dice: random.Random, recipient: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns an address as the message writes it, and as the warehouse takes it."""
    line1, line2 = dice.choice(STREETS), dice.choice(SECOND)
    postcode, city, country = dice.choice(CITIES)
    sent: dict[str, Any] = {"line1": line1, "line2": line2, "zip": postcode, "city": city, "country_code": country}
    if not line2 and dice.random() < 0.5:
        sent["line2"] = None
    if dice.random() < 0.3:
        sent["country_code"] = country.lower()
    if country == "US" and dice.random() < 0.5:
        del sent["country_code"]
    if postcode[0] != "0" and dice.random() < 0.2:
        sent["zip"] = int(postcode)
    if recipient:
        sent["recipient"] = recipient
    street = f"{line1}, {line2}" if line2 else line1
    return sent, {"name": recipient, "street": street, "postcode": postcode, "city": city, "country": country}


def item(dice: random.Random, shop: random.Random) -> tuple[dict[str, Any], dict[str, Any] | None]:
    sku, cents, quantity = dice.choice(SKUS), dice.randrange(150, 40000), dice.randrange(1, 5)
    discounts = [dice.randrange(50, 150) for _ in range(dice.choice((0, 0, 1, 2)))]
    place = "variant" if shop.random() < 0.3 else "product"
    sent: dict[str, Any] = {
        place: {"sku": sku if dice.random() < 0.7 else sku.lower(), "title": sku.title()},
        "quantity": quantity,
        "price": {"amount": cents, "currency": "EUR"},
        "status": dice.choice(("open", "open", "paid")),
    }
    if discounts or dice.random() < 0.5:
        sent["discounts"] = [{"code": "WELCOME", "amount": cut} for cut in discounts]
    fate = dice.random()
    if fate < 0.08:
        sent["status"] = "cancelled"
    elif fate < 0.12:
        sent["quantity"] = 0
    elif fate < 0.15:
        sent["price"] = None
    elif fate < 0.18:
        del sent[place]
    if fate < 0.18:
        return sent, None
    return sent, {
        "sku": sku,
        "quantity": quantity,
        "unit_price": f"{cents / 100:.2f}",
        "discount": f"{sum(discounts) / 100:.2f}",
    }


def customer(dice: random.Random) -> tuple[dict[str, Any], str | None, str | None]:
    first, last = dice.choice(FIRST), dice.choice(LAST)
    mail = f"{first}.{last.split()[-1]}@example.org".replace("'", "")
    sent: dict[str, Any] = {"first_name": first, "last_name": last, "email": mail, "id": dice.randrange(10**6)}
    name: str | None = f"{first} {last}"
    if dice.random() < 0.2:
        name = dice.choice(COMPANIES)
        sent |= {"first_name": None, "last_name": None, "company": name}
    if dice.random() < 0.2:
        sent["email"] = f" {mail} "
    if dice.random() < 0.1:
        del sent["email"]
    return sent, name, mail.lower() if "email" in sent else None


def heading(dice: random.Random, shop: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    number, order_id = dice.randrange(1000, 99999), dice.randrange(10**8, 10**9)
    placed = datetime(2026, 1, 2) + timedelta(minutes=dice.randrange(480_000))
    zone = shop.choice(("Z", "+02:00", "-05:00"))
    sent: dict[str, Any] = {"id": order_id, "created_at": f"{placed.isoformat()}{zone}", "channel": "web"}
    expected: dict[str, Any] = {"order_number": str(order_id), "placed_on": placed.date().isoformat(), "note": None}
    if shop.random() < 0.8:
        sent["number"] = f"#{number}" if shop.random() < 0.5 else number
        expected["order_number"] = str(number)
    if dice.random() < 0.06:
        sent = {key: value for key, value in sent.items() if key not in ("id", "number")}
        expected["order_number"] = None
    if dice.random() < 0.5:
        note = dice.choice((*NOTES, ""))
        sent["note"] = f" {note}\n" if dice.random() < 0.4 else note
        expected["note"] = note or None
    return sent, expected


def shipping(dice: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the parts `shipping` and `billing` of a message, and what is expected of them."""
    sent, taken = address(dice, dice.choice((None, "Reception", f"{dice.choice(FIRST)} {dice.choice(LAST)}")))
    costs = [dice.randrange(300, 2000) for _ in range(dice.choice((0, 1, 1, 2)))]
    parts: dict[str, Any] = {"shipping": {"address": sent, "lines": [{"price": {"amount": cost}} for cost in costs]}}
    parts["billing"] = {"address": address(dice, "Accounting")[0]}
    where = dice.random()
    if where < 0.3:
        parts["billing"]["address"] = sent
        parts["shipping"]["address"] = None
        if where < 0.15:
            del parts["shipping"]["address"]
    if not costs and dice.random() < 0.5:
        del parts["shipping"]["lines"]
    expected: dict[str, Any] | None = taken
    if where > 0.94:
        parts["billing"] = None
        del parts["shipping"]["address"]
        expected = None
    return parts, {"ship_to": expected, "shipping_cost": f"{sum(costs) / 100:.2f}"}


def message(shop: random.Random, dice: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    head, expected = heading(dice, random.Random(shop.random()))
    buyer, name, mail = customer(dice)
    parts, sending = shipping(dice)
    style = shop.random()
    items = [item(dice, random.Random(style)) for _ in range(dice.randrange(1, 5))]
    sent: dict[str, Any] = {"event": "order.created", "order": head, "customer": buyer, **parts}
    sent["items"] = [one for one, _ in items]
    gift = dice.choice((None, "no", "yes", "TRUE"))
    if gift:
        sent["attributes"] = [{"name": "source", "value": "ad"}, {"name": "gift", "value": gift}]
    lines = [taken for _, taken in items if taken is not None]
    expected |= {
        "customer_name": name,
        "customer_email": mail,
        **sending,
        "lines": lines,
        "gift": gift in ("yes", "TRUE"),
    }
    return sent, {**expected, **verdict(expected)}


def verdict(expected: dict[str, Any]) -> dict[str, str]:
    """The rule, written a second time, so that it is checked against it."""
    if expected["order_number"] is None:
        return {"outcome": "REJECT", "reason": "the order has no number"}
    if expected["ship_to"] is None:
        return {"outcome": "HOLD", "reason": "there is no address to send it to"}
    if not expected["lines"]:
        return {"outcome": "REJECT", "reason": "nothing is left to send"}
    return {"outcome": "ACCEPT", "reason": f"{len(expected['lines'])} lines to pick"}


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(2026)
    for index in range(90):
        shop = f"shop {index % 20}"
        order, expected = message(random.Random(shop), dice)
        yield {"id": f"synthetic-{index:03}", "group": shop, "input": {"order": order}, "expected": expected}


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case, ensure_ascii=False))
