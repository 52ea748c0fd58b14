"""How long judging a candidate takes: the whole pipeline and each stage, warm and cold.

    python bench/validation.py [--runs 20] [--json]

Warm: one process, one warm sandbox, caches filled. Cold: a fresh process each time, with caches filled. Each with the
1,000 generated inputs and without them (then the golden inputs alone are tried). The candidate is a function of 40
lines that reads a letter; what a call costs is in the table. Stages overlap: their times add up to more than `all`.
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
from compiled_ai.records import StageResult
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


INPUTS = {"1,000 inputs": 1000, "no inputs": 0}


def warm(runs: int, folder: Path, inputs: int) -> dict[str, list[float]]:
    """Milliseconds of each stage and tool and of all, in one process."""
    plan, candidate = prepare(folder)
    times: dict[str, list[float]] = {}
    with Sandbox(limits_of(plan.spec), preload=PRELOAD) as box:
        for number in range(runs + 2):
            started = time.perf_counter()
            report = validate(candidate, plan, box=box, cache=folder / "cache", inputs=inputs)
            whole = (time.perf_counter() - started) * 1000
            if report.status != "passed":
                sys.exit(f"the candidate did not pass: {[str(finding) for finding in report.findings]}")
            if number >= 2:  # the first fills caches, the second starts what was late
                times.setdefault("all", []).append(whole)
                for stage in report.stages:
                    for part, spent in _stage_times(stage).items():
                        times.setdefault(part, []).append(spent)
    return times


def cold(runs: int, folder: Path, inputs: int) -> dict[str, list[float]]:
    """Milliseconds of a whole process that judges once, and of each tool in it."""
    times: dict[str, list[float]] = {}
    for _ in range(runs):
        started = time.perf_counter()
        command = [sys.executable, __file__, "--once", str(folder), "--inputs", str(inputs)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        times.setdefault("process", []).append((time.perf_counter() - started) * 1000)
        for name, spent in json.loads(told).items():
            times.setdefault(name, []).append(spent)
    return times


def once(folder: Path, inputs: int) -> dict[str, float]:
    """Judges once and returns the milliseconds."""
    plan, candidate = prepare(folder)
    started = time.perf_counter()
    report = validate(candidate, plan, cache=folder / "cache", inputs=inputs)
    times = {"all": (time.perf_counter() - started) * 1000}
    for stage in report.stages:
        times |= _stage_times(stage)
    return times


def _stage_times(stage: StageResult) -> dict[str, float]:
    tools = dict(stage.measures.get("milliseconds", {}))
    times = {stage.name: stage.milliseconds} | {f"{stage.name}.{tool}": float(spent) for tool, spent in tools.items()}
    function = stage.measures.get("read_letter")
    if function:
        times["execution.a call (us)"] = float(function["median_microseconds"])
    return times


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
    parser.add_argument("--inputs", type=int, default=1000, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options.once, options.inputs)))
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for words, inputs in INPUTS.items():
            found[f"warm, {words}"] = summary(warm(options.runs, folder, inputs))
            found[f"cold, {words}"] = summary(cold(max(3, options.runs // 4), folder, inputs))
    if options.json:
        print(json.dumps(found))
        return
    for state, rows in found.items():
        for row, figures in rows.items():
            print(f"{state:18} {row:26} P50 {figures['p50']:8.1f}   P90 {figures['p90']:8.1f} ms   n={figures['n']}")


if __name__ == "__main__":
    main()
