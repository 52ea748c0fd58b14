"""Writes `golden.jsonl`: synthetic remittance advices. No payer, provider, patient or payment in them exists.

    python examples/eob_extraction/make_golden.py > examples/eob_extraction/golden.jsonl

Each payer prints its own headers in its own order; a tenth of the pages do not add up, in a line or in the total.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

PAYERS = (
    "Granite Mutual Health", "Bluff River Health Plan", "Cascade Benefit Trust", "Pine State Medical", "Aurelia Health",
    "Meridian Care Partners", "Lakeshore Employers Health", "First Harvest Insurance", "Cobalt Health Alliance",
    "Stonebridge Life & Health", "Red Mesa Community Plan", "Tidewater Health Cooperative", "Summit Trail Benefits",
    "Old Mill Health Fund", "Union Yards Welfare Trust", "Prairie Wind Health", "Silver Fern Health Plan",
    "Harborview Medical Plan", "North Fork Health Net", "Juniper Valley Assurance", "Great Basin Care", "Copper Hills Health",
)  # fmt: skip
PROVIDERS = ("Eastgate Family Practice", "Dr. M. Okafor PLLC", "Willow Street Orthopedics", "Canal Road Pediatrics")
PATIENTS = ("DOE, JANE", "ROE, RICHARD", "LINDQVIST, MAJA", "OBERT, SAM", "TRAN, KIM", "REYES, ANA", "NOVAK, PETR")
CODES = ("99213", "99214", "93000", "80053", "36415", "J1885", "97110", "G0439", "71046", "85025", "A4550", "90686")
REASONS = {
    "": "all lines and the total add up",
    "line done": "a line does not add up: billed - adjustments - patient share is not what was paid",
    "total": "the lines do not add up to the total",
    "silent": "no total is printed",
}
"""What is said about an advice, by what is wrong with it."""
REMARKS = ("CO-45: charge exceeds fee schedule.", "PR-2: coinsurance amount.", "N130: consult plan benefit documents.")


@dataclass(frozen=True)
class Style:
    """How one payer prints."""

    columns: tuple[tuple[str, str], ...]
    """Header and what stands below it: `billed`, `allowed`, `adjustment`, `other`, `deductible`, `coinsurance`, ..."""
    claim: str
    number: str
    day: str
    total: str
    date_format: str
    with_units: bool
    nothing: str
    brackets: bool
    """Negative amounts stand in brackets, else with a sign behind them."""


def style_of(dice: random.Random) -> Style:
    pick = dice.choice
    billed = (pick(("Billed", "Charges", "Charge", "Amount Billed", "Submitted")), "billed")
    paid = (pick(("Paid", "Payment", "Net Paid")), "paid")
    adjustments = pick(
        (
            ((pick(("Adjust", "Contractual", "Discount")), "adjustment"),),
            (("Contractual", "adjustment"), (pick(("Not Covered", "Disallowed")), "other")),
        )
    )
    patient = pick(
        (
            ((pick(("Pt Resp", "Patient")), "patient"),),
            (("Deduct", "deductible"), ("Coins", "coinsurance")),
            (("Deductible", "deductible"), ("Coinsurance", "coinsurance"), ("Copay", "copay")),
        )
    )
    allowed = (("Allowed", "allowed"),) if dice.random() < 0.5 else ()
    middle = [*allowed, *adjustments, *patient]
    if dice.random() < 0.3:
        middle = [*adjustments, *allowed, *patient]
    columns = (paid, billed, *middle) if dice.random() < 0.15 else (billed, *middle, paid)
    return Style(
        columns=columns,
        claim=pick(("Claim # {number}", "Claim No. {number}", "Claim: {number}")),
        number=pick(("Check Number", "Check #", "EFT Number", "Trace No.", "Check No.")),
        day=pick(("Payment Date", "Check Date", "Paid Date", "Date of Payment")),
        total=pick(("row", "row", "Check Amount", "Total Paid")),
        date_format=pick(("%m/%d/%Y", "%m/%d/%y", "%Y-%m-%d")),
        with_units=dice.random() < 0.7,
        nothing=pick(("0.00", "0.00", "-")),
        brackets=dice.random() < 0.6,
    )


def service(dice: random.Random, day: date) -> dict[str, Any]:
    """One service line; what the plan allows is shared between patient and plan."""
    billed = Decimal(dice.randrange(1500, 60000)) / 100
    allowed = (billed * Decimal(dice.randrange(40, 101)) / 100).quantize(Decimal("0.01"))
    other = Decimal(dice.randrange(0, 500)) / 100 if dice.random() < 0.2 else Decimal(0)
    other = min(other, allowed)
    deductible = min(allowed - other, Decimal(dice.choice((0, 0, 0, 2500, 6000))) / 100)
    coinsurance = ((allowed - other - deductible) * dice.choice((0, 10, 20)) / 100).quantize(Decimal("0.01"))
    copay = min(allowed - other - deductible - coinsurance, Decimal(dice.choice((0, 0, 20))))
    return {
        "day": day, "code": dice.choice(CODES), "units": dice.randrange(1, 4), "billed": billed, "allowed": allowed,
        "adjustment": billed - allowed, "other": other, "deductible": deductible, "coinsurance": coinsurance,
        "copay": copay, "patient": deductible + coinsurance + copay,
        "paid": allowed - other - deductible - coinsurance - copay,
    }  # fmt: skip


def fitted(line: dict[str, Any], style: Style) -> dict[str, Any]:
    """Moves what has no column of its own into the columns that there are, so that a line adds up."""
    kinds = {kind for _, kind in style.columns}
    line = dict(line)
    if "other" not in kinds:
        line["adjustment"] += line["other"]
    if "copay" not in kinds and "deductible" in kinds:
        line["coinsurance"] += line["copay"]
    return line


def amount(value: Decimal, style: Style) -> str:
    if value == 0:
        return style.nothing
    if value < 0:
        return f"({-value:,.2f})" if style.brackets else f"{-value:,.2f}-"
    return f"{value:,.2f}"


def of_kind(line: dict[str, Any], style: Style, kinds: tuple[str, ...]) -> Decimal:
    return sum((line[kind] for _, kind in style.columns if kind in kinds), Decimal(0))


def as_expected(line: dict[str, Any], style: Style, claim: str) -> dict[str, Any]:
    return {
        "claim_number": claim,
        "service_date": line["day"].isoformat(),
        "code": line["code"],
        "billed": f"{line['billed']:.2f}",
        "adjustments": f"{of_kind(line, style, ('adjustment', 'other')):.2f}",
        "patient_share": f"{of_kind(line, style, ('patient', 'deductible', 'coinsurance', 'copay')):.2f}",
        "paid": f"{line['paid']:.2f}",
    }


def printed(line: dict[str, Any], style: Style, dice: random.Random, widths: list[int]) -> str:
    day = line["day"].strftime(style.date_format)
    day = f"{day} - {day}" if dice.random() < 0.15 else day
    units = f"{line['units']:>5}" if style.with_units else ""
    cells = (f"{amount(line[kind], style):>{width}}" for (_, kind), width in zip(style.columns, widths, strict=True))
    return f"{day:<24}{line['code']:<8}{units}{''.join(cells)}"


def advice(payer: str, style: Style, dice: random.Random) -> tuple[str, dict[str, Any]]:
    paid_on = date(2026, 1, 5) + timedelta(days=dice.randrange(280))
    number = f"{dice.choice(('', 'E', '00'))}{dice.randrange(100_000, 99_999_999)}"
    wrong = dice.choices(("", "line", "total", "silent"), (82, 7, 6, 5))[0]
    widths = [max(12, len(header) + 3) for header, _ in style.columns]
    body: list[str] = []
    expected: list[dict[str, Any]] = []
    sums = dict.fromkeys((kind for _, kind in style.columns), Decimal(0))
    for _ in range(dice.randrange(1, 4)):
        claim = f"{dice.choice('CK2')}{dice.randrange(10_000_000, 99_999_999)}"
        body += [
            "",
            f"{style.claim.format(number=claim)}    Patient: {dice.choice(PATIENTS)}    Member ID {dice.randrange(10**8)}",
        ]
        for _ in range(dice.randrange(1, 5)):
            line = fitted(service(dice, paid_on - timedelta(days=dice.randrange(12, 60))), style)
            if wrong == "line":
                line["paid"] += Decimal("1.00")
                wrong = "line done"
            if dice.random() < 0.04:
                line = {key: -value if isinstance(value, Decimal) else value for key, value in line.items()}
            body.append(printed(line, style, dice, widths))
            expected.append(as_expected(line, style, claim))
            sums = {kind: total + line[kind] for kind, total in sums.items()}
    total = sums["paid"] + (Decimal("10.00") if wrong == "total" else 0)
    head, foot = _frame(payer, style, dice, paid_on, number, None if wrong == "silent" else total, widths, sums)
    verdict = "REVIEW" if wrong else "POST"
    return "\n".join([*head, *body, *foot]) + "\n", {
        "payer": payer,
        "check_number": number,
        "payment_date": paid_on.isoformat(),
        "total_paid": None if wrong == "silent" else f"{total:.2f}",
        "lines": expected,
        "outcome": verdict,
        "reason": REASONS[wrong],
    }


def _frame(
    payer: str, style: Style, dice: random.Random, paid_on: date, number: str, total: Decimal | None,
    widths: list[int], sums: dict[str, Decimal],
) -> tuple[list[str], list[str]]:  # fmt: skip
    units = f"{'Units':>5}" if style.with_units else ""
    headers = "".join(f"{header:>{width}}" for (header, _), width in zip(style.columns, widths, strict=True))
    labels = [
        f"{style.number}: {number}",
        f"{style.day}: {paid_on.strftime(style.date_format)}",
        f"Payee: {dice.choice(PROVIDERS)}",
    ]
    if style.total != "row" and total is not None:
        labels.append(f"{style.total}: " + (f"${total:,.2f}" if total >= 0 else f"(${-total:,.2f})"))
    dice.shuffle(labels)
    head = [payer, dice.choice(("REMITTANCE ADVICE", "Explanation of Payment", "Provider Remittance")), ""]
    head += [
        f"{labels[i]:<50}{labels[i + 1] if i + 1 < len(labels) else ''}".rstrip() for i in range(0, len(labels), 2)
    ]
    head += [f"Printed {(paid_on + timedelta(days=2)).strftime(style.date_format)}", ""]
    head.append(f"{'Service Date':<24}{'Code':<8}{units}{headers}")
    foot = [""]
    if style.total == "row" and total is not None:
        shown = {**sums, "paid": total}
        cells = (
            f"{amount(shown[kind], style):>{width}}" for (_, kind), width in zip(style.columns, widths, strict=True)
        )
        label = f"{'Totals':<32}{' ' * (5 if style.with_units else 0)}"
        foot.append(f"{label}{''.join(cells)}")
    return head, [*foot, "", *dice.sample(REMARKS, dice.randrange(1, 3))]


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(835)
    for index in range(88):
        payer = PAYERS[index % len(PAYERS)]
        style = style_of(random.Random(f"style of {payer}"))
        document, expected = advice(payer, style, dice)
        yield {"id": f"synthetic-{index:03}", "group": payer, "input": {"document": document}, "expected": expected}


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case))
