"""Writes `routes.xlsx` (60 rows) and `providers.csv`. Both are synthetic: no such provider or desk exists.

    python examples/claim_routing/make_tables.py

The sheet is what a claims manager would keep: a row for each kind of claim, tier of the provider and band of the
billed amount. Afterwards it is edited by hand; nobody needs this script again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
from openpyxl.styles import Font  # type: ignore[import-untyped]

HERE = Path(__file__).parent
TIERS = ("A", "B", "null")
TIER_WORDS = {"A": "preferred provider", "B": "contracted provider", "null": "provider without a contract"}


@dataclass(frozen=True)
class Kind:
    """Upper bounds of the first three bands by tier, and who works on the claims."""

    code: str
    name: str
    bounds: dict[str, tuple[int, int, int]]
    desk: str
    expert: str


KINDS = (
    Kind("professional", "PRO", {"A": (1500, 10000, 50000), "B": (750, 7500, 40000), "null": (250, 2500, 20000)},
         "CLAIMS_DESK", "MEDICAL_REVIEW"),
    Kind("institutional", "INS", {"A": (5000, 50000, 250000), "B": (2500, 25000, 150000), "null": (500, 10000, 75000)},
         "HOSPITAL_DESK", "MEDICAL_REVIEW"),
    Kind("dental", "DEN", {"A": (400, 1500, 5000), "B": (300, 1200, 4000), "null": (100, 600, 2000)},
         "DENTAL_DESK", "DENTAL_CONSULTANT"),
    Kind("vision", "VIS", {"A": (300, 800, 2000), "B": (200, 600, 1500), "null": (75, 300, 1000)},
         "VISION_DESK", "MEDICAL_REVIEW"),
    Kind("pharmacy", "PHA", {"A": (600, 3000, 15000), "B": (400, 2000, 12000), "null": (150, 1000, 8000)},
         "PHARMACY_DESK", "CLINICAL_PHARMACIST"),
)  # fmt: skip


def rows() -> Iterator[tuple[str, str, str, str, str, int, str]]:
    for kind in KINDS:
        for tier in TIERS:
            low, middle, high = kind.bounds[tier]
            who = TIER_WORDS[tier]
            bands = (
                (f"<= {low}", "PAY_AUTOMATICALLY", 1, f"small {kind.code} claim of a {who}"),
                (f"({low}..{middle}]", kind.desk, 5, f"ordinary {kind.code} claim of a {who}"),
                (f"({middle}..{high}]", kind.expert, 10, f"large {kind.code} claim of a {who}"),
                (f"> {high}", "SPECIAL_INVESTIGATION" if tier == "null" else "SENIOR_EXAMINER", 15,
                 f"{kind.code} claim of a {who} above {high}"),
            )  # fmt: skip
            for number, (band, queue, days, reason) in enumerate(bands, 1):
                letter = "X" if tier == "null" else tier
                yield f"{kind.name}-{letter}{number}", kind.code, tier, band, queue, days, reason


def write_sheet(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Routes"
    sheet.append(["Row", "Kind of claim", "Tier", "Billed", "Queue", "Days", "Reason"])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for row in rows():
        sheet.append(row)
    for column, width in zip("ABCDEFG", (9, 16, 7, 18, 24, 7, 60), strict=True):
        sheet.column_dimensions[column].width = width
    sheet.freeze_panes = "A2"
    book.save(path)


def write_providers(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["provider_id", "name", "tier", "from", "to"])
        for number in range(1, 41):
            tier = "AB"[number % 2]
            identifier, name = f"{number * 137:05}", f"Synthetic Provider {number:02}"
            if number % 10 == 0:  # a contract that changed its tier in the middle of 2025
                writer.writerow([identifier, name, "B", "2024-01-01", "2025-06-30"])
                writer.writerow([identifier, name, "A", "2025-07-01", ""])
            elif number % 13 == 0:  # a contract that ended
                writer.writerow([identifier, name, tier, "2024-01-01", "2025-12-31"])
            else:
                writer.writerow([identifier, name, tier, "2024-01-01", ""])


if __name__ == "__main__":
    write_sheet(HERE / "routes.xlsx")
    write_providers(HERE / "providers.csv")
