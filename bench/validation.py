"""How long judging a candidate takes: the whole pipeline and each stage, warm and cold.

    python bench/validation.py [--runs 20] [--json]

Warm: one process, one warm sandbox, caches filled. Cold: a fresh process each time, with caches filled. The candidate
is a function of 40 lines that reads a letter and costs some 20 microseconds a call.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiled_ai.assemble import Assembled, assemble
from compiled_ai.catalog import load_catalog
from compiled_ai.plan import CompilePlan, make_plan
from compiled_ai.pools import Pools
from compiled_ai.sandbox import Sandbox
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import GoldenCase
from compiled_ai.validation import PRELOAD, limits_of, validate

SPEC = """
metadata: {name: "Letters"}
inputs:
  - {name: "letter", type: "text"}
logic_requirements:
  - step: "read_letter"
    type: "function"
    description: "vendor follows From:, total follows Total:, day is the first ISO date, rush: 'rush' occurs."
    schema: {vendor: string?, total: money?, day: date?, rush: boolean}
"""
CANDIDATE = '''
import re
from datetime import date
from decimal import Decimal


def read_letter(letter: str) -> ReadLetter:
    """Reads what a letter says of itself.

    Each value stands behind its label on one line; what a letter does
    not state is None.
    """

    def behind(label: str) -> str | None:
        pattern = r"^" + label + r": *([^\\n]{1,80})$"
        found = re.search(pattern, letter, re.MULTILINE)
        if found is None:
            return None
        return found.group(1).strip() or None

    def amount(text: str | None) -> Decimal | None:
        if text is None:
            return None
        digits = text.replace("$", "").replace(",", "")
        if re.fullmatch(r"[0-9]{1,12}[.][0-9]{2}", digits) is None:
            return None
        return Decimal(digits)

    def first_day() -> date | None:
        found = re.search(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", letter)
        if found is None:
            return None
        try:
            return date(int(found.group(1)), int(found.group(2)), int(found.group(3)))
        except ValueError:
            return None

    return ReadLetter(
        behind("From"),
        amount(behind("Total")),
        first_day(),
        "rush" in letter.lower(),
    )
'''


def cases(name: str, count: int) -> Iterator[GoldenCase]:
    for number in range(count):
        vendor, day = f"Vendor {name} {number}", f"2024-03-{number % 28 + 1:02d}"
        letter = f"Dear all,\nFrom: {vendor}\nDate: {day}\nTotal: ${number + 100}.50\n" + "regards\n" * 30
        expected = {"vendor": vendor, "total": f"{number + 100}.50", "day": day, "rush": False}
        yield GoldenCase(id=f"{name}-{number}", input={"letter": letter}, expected=expected)


def prepare(folder: Path) -> tuple[CompilePlan, Assembled]:
    file = folder / "letters.yaml"
    file.write_text(SPEC, encoding="utf-8")
    plan = make_plan(load_spec(file), load_catalog())
    pools = Pools(*(tuple(cases(name, count)) for name, count in (("shown", 8), ("selection", 16), ("sealed", 16))))
    plan = replace(plan, pools=pools)
    return plan, assemble(plan.spec, plan.template.source, {"read_letter": CANDIDATE}, template_name=plan.template.name)


def warm(runs: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each stage and of all, in one process."""
    plan, candidate = prepare(folder)
    times: dict[str, list[float]] = {}
    with Sandbox(limits_of(plan.spec), preload=PRELOAD) as box:
        for number in range(runs + 2):
            started = time.perf_counter()
            report = validate(candidate, plan, box=box, cache=folder / "cache")
            whole = (time.perf_counter() - started) * 1000
            if report.status != "passed":
                sys.exit(f"the candidate did not pass: {[str(finding) for finding in report.findings]}")
            if number >= 2:  # the first fills caches, the second starts what was late
                times.setdefault("all", []).append(whole)
                for stage in report.stages:
                    times.setdefault(stage.name, []).append(stage.milliseconds)
                    for tool, spent in dict(stage.measures.get("milliseconds", {})).items():
                        times.setdefault(f"{stage.name}.{tool}", []).append(float(spent))
    return times


def cold(runs: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of a whole process that judges once."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, __file__, "--once", str(folder)], check=True)
        times.append((time.perf_counter() - started) * 1000)
    return {"process": times}


def summary(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"p50": _at(values, 0.5), "p90": _at(values, 0.9), "n": len(values)} for name, values in times.items()
    }


def _at(values: Sequence[float], share: float) -> float:
    if len(values) == 1:
        return round(values[0], 1)
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        plan, candidate = prepare(options.once)
        validate(candidate, plan, cache=options.once / "cache")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, Any] = {"warm": summary(warm(options.runs, folder))}
        found["cold"] = summary(cold(max(3, options.runs // 4), folder))
    if options.json:
        print(json.dumps(found))
        return
    for state, rows in found.items():
        for row, figures in rows.items():
            print(f"{state:5} {row:28} P50 {figures['p50']:8.1f} ms   P90 {figures['p90']:8.1f} ms   n={figures['n']}")


if __name__ == "__main__":
    main()
