"""Writes `golden.jsonl`: synthetic e-mails. No person, shop or order in them exists; domains and numbers are reserved ones.

    python examples/email_fields/make_golden.py > examples/email_fields/golden.jsonl

A group is a sender with one way of writing (names, dates, order numbers, quoting); sentences are drawn from the group's own
share, so that no wording stands in two groups more than a few times.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

GIVEN = ("Maja", "Tom", "Ines", "Ravi", "Chloe", "Bo", "Salma", "Piet", "Dana", "Luis", "Priya", "Casey")
FAMILY = ("Lindqvist", "O'Hara", "Marchetti", "Novak", "van Dijk", "Okafor", "Tran", "Whitlock", "Reyes", "Holm")
DOMAINS = ("example.com", "mail.example.org", "example.net")
ASKING = (
    "Could you deliver it {day} instead?", "Please bring it {day}, we are away before.", "We would need it {day}.",
    "Would {bare} be possible?", "Can the driver come {day}?", "Kindly move the delivery to {bare}.",
    "{bare} suits us best.", "Is it possible to have it delivered {day}?", "I am at home again {day}.",
    "Any chance to get it {day}?", "Let us say {bare}, in the morning if you can.", "Delivery {day} would be perfect.",
)  # fmt: skip
SILENT = (
    "Where is it? Nobody tells me anything.", "One plate arrived broken, what now?", "Please cancel it.",
    "I would like a receipt.", "Can I still change the colour to green?", "The parcel was left in the rain.",
)  # fmt: skip
PAST = ("I ordered it on {day}.", "It was paid on {day}.", "We bought it on {day} in your shop.", "")
NAMING = (
    "It is about {order}.", "My order is {order}.", "I write because of {order}.", "Regarding {order}:", "We placed {order}.",
    "The number is {order}.",
)  # fmt: skip
SUBJECTS = ("Delivery", "Question", "My order", "Re: Your order", "Change of date", "Parcel")
CLOSING = ("Regards,", "Thanks,", "Best wishes", "Kind regards", "Many thanks in advance,")


@dataclass(frozen=True)
class Manner:
    """How one sender writes."""

    given: str
    family: str
    from_form: str
    day_form: str
    order_form: str
    phone_form: str
    quoting: str
    asking: tuple[str, ...]
    where: str


def manner_of(index: int) -> Manner:
    dice = random.Random(f"manner {index}")
    return Manner(
        given=dice.choice(GIVEN),
        family=dice.choice(FAMILY),
        from_form=dice.choice(("{g} {f} <{a}>", '"{f}, {g}" <{a}>', "{a}", '"{g} {f}" <{a}>', "{f}, {g} <{a}>")),
        day_form=dice.choice(
            (
                "{d} {month}",
                "{month} {d}",
                "{month} {d}{th}",
                "{d:02}.{m:02}.{y}",
                "{y}-{m:02}-{d:02}",
                "{d} {month} {y}",
            )
        ),
        order_form=dice.choice(("WB-{n}", "wb {n}", "WB{n}", "order no. {n}", "order #{n}", "order WB-{n}")),
        phone_form=dice.choice(
            ("", "(212) 736-{n}", "+1 415 555 {n}", "+44 20 7946 {n}", "Tel. 303-555-{n}", "mobile: +49 30 2345 {n}")
        ),
        quoting=dice.choice(("", ">", "wrote", "original", "from")),
        asking=tuple(dice.sample(ASKING, 3)),
        where=dice.choice(("subject", "body", "body", "both")),
    )


def day_text(day: date, form: str) -> str:
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(day.day, "th")
    return form.format(th=ending, d=day.day, m=day.month, y=day.year, month=f"{day:%B}")


def phone(form: str, dice: random.Random) -> tuple[str, str | None]:
    if not form:
        return "", None
    typed = form.format(n=dice.randrange(1000, 9999))
    digits = "".join(letter for letter in typed if letter.isdigit() or letter == "+")
    return typed, digits if digits.startswith("+") else f"+1{digits}"


def quoted(manner: Manner, dice: random.Random, sent: datetime) -> list[str]:
    """What the shop wrote before: another order, another day, another telephone number."""
    other = [
        f"Your order WB-{dice.randrange(100_000, 999_999)} is on its way.",
        f"We deliver it on {sent + timedelta(days=1):%d %B %Y}.",
        "Call us: (800) 555-0199",
    ]
    before = sent - timedelta(days=2)
    match manner.quoting:
        case ">":
            return ["", *(f"> {line}" for line in other)]
        case "wrote":
            return [
                "",
                f"On {before:%d %b %Y} at 09:14, Webshop <service@shop.example> wrote:",
                *(f"> {line}" for line in other),
            ]
        case "original":
            return [
                "",
                "-----Original Message-----",
                "From: service@shop.example",
                f"Sent: {before:%d %B %Y}",
                "",
                *other,
            ]
        case "from":
            return ["", "From: Webshop <service@shop.example>", f"Date: {before:%d %B %Y}", "", *other]
    return []


def body(manner: Manner, dice: random.Random, sent: datetime, order: str | None, wanted: date | None) -> list[str]:
    lines = [dice.choice(("Hello,", "Dear shop,", "Hi there,", "Good evening,")), ""]
    named = manner.order_form.format(n=order)
    if order and manner.where in ("body", "both"):
        lines.append(dice.choice(NAMING).format(order=named))
    past = dice.choice(PAST)
    if past:
        lines.append(past.format(day=day_text(sent.date() - timedelta(days=dice.randrange(5, 40)), manner.day_form)))
    if wanted:
        text = day_text(wanted, manner.day_form)
        lines.append(dice.choice(manner.asking).format(day=f"on {text}", bare=text))
    else:
        lines.append(dice.choice(SILENT))
    return lines


def email(manner: Manner, dice: random.Random) -> tuple[str, dict[str, Any]]:
    sent = datetime(2026, 1, 12, 8, 30) + timedelta(days=dice.randrange(340), minutes=dice.randrange(600))
    order = None if dice.random() < 0.1 else f"{dice.randrange(100_000, 999_999)}"
    wanted = None if dice.random() < 0.25 else sent.date() + timedelta(days=dice.choice((1, 3, 4, 5, 7, 9, 12, 20)))
    address = f"{manner.given}.{manner.family}@{dice.choice(DOMAINS)}".replace(" ", "").replace("'", "")
    typed, number = phone(manner.phone_form, dice)
    subject = dice.choice(SUBJECTS)
    if order and manner.where in ("subject", "both"):
        subject += f" {manner.order_form.format(n=order)}"
    head = [
        f"From: {manner.from_form.format(g=manner.given, f=manner.family, a=address)}",
        "To: service@shop.example",
        f"Date: {sent:%a, %d %b %Y %H:%M:%S} +0000",
        f"Subject: {subject}",
        "",
    ]
    foot = ["", dice.choice(CLOSING), f"{manner.given} {manner.family}", *([typed] if typed else [])]
    text = "\n".join([*head, *body(manner, dice, sent, order, wanted), *foot, *quoted(manner, dice, sent)]) + "\n"
    return text, {
        "sender_name": None if manner.from_form == "{a}" else f"{manner.given} {manner.family}",
        "sender_address": address.lower(),
        "sent_on": sent.date().isoformat(),
        "order_number": f"WB-{order}" if order else None,
        "wanted_day": wanted.isoformat() if wanted else None,
        "phone": number,
        **verdict(order, wanted, sent.date()),
    }


def verdict(order: str | None, wanted: date | None, sent: date) -> dict[str, str]:
    """The rule, written a second time, so that it is checked against it."""
    if order is None:
        return {"outcome": "ASK_FOR_ORDER", "reason": "no order is named"}
    if wanted is None:
        return {"outcome": "PERSON", "reason": "no day is named"}
    if wanted < sent + timedelta(days=2):
        return {"outcome": "PERSON", "reason": "the day is too near"}
    if wanted.isoweekday() == 7:
        return {"outcome": "PERSON", "reason": "nothing is delivered on a Sunday"}
    return {"outcome": "RESCHEDULE", "reason": f"delivery on {wanted}"}


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(822)
    for index in range(96):
        group = index % 32
        text, expected = email(manner_of(group), dice)
        yield {
            "id": f"synthetic-{index:03}",
            "group": f"sender {group}",
            "input": {"email": text},
            "expected": expected,
        }


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case))
