"""Decisions per second of compiled decision tables, beside GoRules ZEN on the same tables.

    python bench/rules.py [--seconds 2] [--json]

Each decision validates its input (the library's decoder, from decoded JSON to typed values) and counts in exact
decimals. ZEN gets its decision prebuilt (`create_decision`) and the same rows, written as its own unary tests. Both
answer the same random inputs, and the answers are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import Any

from compiled_ai.library import rules as library
from compiled_ai.library.types import Field, FieldType, decoder
from compiled_ai.library.values import NUMBERS, number
from compiled_ai.spec.model import Mark, Parameter, RuleStep
from compiled_ai.spec.rules import Scope, emit_rule
from compiled_ai.spec.rules.ast import Place
from compiled_ai.spec.rules.tables import Grid, GridCell, TableText, parse_table

PLANS = ("GOLD", "SILVER", "BRONZE", "BASIC")
FIELDS = (
    Field("age", "age", FieldType("integer")),
    Field("plan", "plan", FieldType("string")),
    Field("amount", "amount", FieldType("decimal")),
)
MARK = Mark("bench.yaml", 1, 1)
Decide = Callable[[dict[str, Any]], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    low: int
    high: int
    plan: str
    amount: int
    outcome: str


def rows(count: int) -> list[Row]:
    """Age bands by plan by two amounts; the last row of each band takes the rest."""
    bands = max(1, count // (len(PLANS) * 2))
    made = [
        Row(band, band + 1, plan, amount, f"R{band}-{plan}-{amount}")
        for band in range(bands)
        for plan in PLANS
        for amount in (100, 0)
    ]
    return [*made, *(Row(bands + i, bands + i + 1, PLANS[0], 0, f"X{i}") for i in range(count - len(made)))]


def table_text(found: Sequence[Row]) -> TableText:
    header = tuple(GridCell(name, Place(1, 1)) for name in ("age", "plan", "amount", "outcome"))
    cells = tuple(
        tuple(
            GridCell(text, Place(line, 1)) for text in (f"[{r.low}..{r.high})", r.plan, f">= {r.amount}.05", r.outcome)
        )
        for line, r in enumerate(found, 2)
    )
    return TableText("decide", Grid("bench.yaml", header, cells), MARK, outputs={"outcome": ()}, hit_policy="FIRST")


def compiled(found: Sequence[Row]) -> tuple[Decide, Decide, str]:
    """Returns the decision with input validation, without, and its source."""
    scope = Scope({field.name: field.type for field in FIELDS})
    parsed = parse_table(table_text(found), scope=scope)
    if parsed.node is None:
        raise SystemExit("\n".join(str(finding) for finding in parsed.findings))
    parameters = tuple(Parameter(f"inputs.{key}", key, scope.fields[key]) for key in parsed.reads)
    step = RuleStep(
        name="decide",
        identifier="decide",
        class_name="Decide",
        mark=MARK,
        result=parsed.result,
        parameters=parameters,
        logic=parsed.node,
        source_text="",
        logic_mark=MARK,
    )
    source = emit_rule(step)
    made = dataclasses.make_dataclass("Decide", [(f.identifier, Any) for f in parsed.result], frozen=True, slots=True)
    given = dataclasses.make_dataclass("Input", [(f.identifier, Any) for f in FIELDS], frozen=True, slots=True)
    space: dict[str, Any] = {"Decimal": Decimal, "Decide": made}
    space.update({name: getattr(library, name) for name in library.__all__})
    exec(compile(source, "decide.py", "exec"), space)
    decide = space["decide"]
    decode = decoder(FieldType("object", fields=FIELDS, class_name="Input"), {"Input": given})

    def validated(values: dict[str, Any]) -> Any:
        read = decode(values)
        result = decide(number(read.age), read.plan, read.amount)
        return None if result is None else result.outcome

    def bare(values: dict[str, Any]) -> Any:
        result = decide(Decimal(values["age"]), values["plan"], values["amount"])
        return None if result is None else result.outcome

    return validated, bare, source


def zen_decision(found: Sequence[Row]) -> Decide:
    import zen

    content = {
        "nodes": [
            {"id": "in", "name": "in", "type": "inputNode", "position": {"x": 0, "y": 0}},
            {
                "id": "t",
                "name": "t",
                "type": "decisionTableNode",
                "position": {"x": 0, "y": 0},
                "content": {
                    "hitPolicy": "first",
                    "inputs": [
                        {"id": f"i{n}", "name": name, "field": name} for n, name in enumerate(("age", "plan", "amount"))
                    ],
                    "outputs": [{"id": "o", "name": "outcome", "field": "outcome"}],
                    "rules": [
                        {
                            "_id": f"r{index}",
                            "i0": f"[{row.low}..{row.high})",
                            "i1": f'"{row.plan}"',
                            "i2": f">= {row.amount}.05",
                            "o": f'"{row.outcome}"',
                        }
                        for index, row in enumerate(found)
                    ],
                },
            },
            {"id": "out", "name": "out", "type": "outputNode", "position": {"x": 0, "y": 0}},
        ],
        "edges": [
            {"id": "a", "type": "edge", "sourceId": "in", "targetId": "t"},
            {"id": "b", "type": "edge", "sourceId": "t", "targetId": "out"},
        ],
    }
    decision = zen.ZenEngine().create_decision(json.dumps(content))

    def decide(values: dict[str, Any]) -> Any:
        result = decision.evaluate(values)["result"]
        return result.get("outcome") if result else None

    return decide


def inputs(count: int, size: int) -> list[dict[str, Any]]:
    dice = random.Random(size)
    top = max(2, count // (len(PLANS) * 2))
    return [
        {"age": dice.randrange(top), "plan": dice.choice(PLANS), "amount": Decimal(dice.randrange(20000)) / 100}
        for _ in range(size)
    ]


def microseconds(decide: Decide, given: Sequence[dict[str, Any]], seconds: float) -> float:
    """Returns the median time of one decision over rounds of all inputs."""
    rounds: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < 3:
        start = time.perf_counter()
        for values in given:
            decide(values)
        rounds.append((time.perf_counter() - start) / len(given) * 1e6)
    return statistics.median(rounds)


def measure(count: int, seconds: float) -> dict[str, float]:
    found = rows(count)
    validated, bare, _ = compiled(found)
    exact = inputs(count, 200)
    plain = [{**values, "amount": float(values["amount"])} for values in exact]
    other = zen_decision(found)
    with localcontext(NUMBERS):
        wrong = [one for one, same in zip(exact, plain, strict=True) if validated(one) != other(same)]
        if wrong:
            raise SystemExit(f"ZEN and the compiled table disagree on {len(wrong)} inputs, for example {wrong[0]}.")
        ours = microseconds(validated, exact, seconds)
        without = microseconds(bare, exact, seconds)
    theirs = microseconds(other, plain, seconds)
    return {
        "rows": count,
        "compiled_us": ours,
        "compiled_without_validation_us": without,
        "zen_us": theirs,
        "times": theirs / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = [measure(count, options.seconds) for count in (20, 100, 500, 2000)]
    if options.json:
        json.dump(figures, sys.stdout)
        return
    print("rows  compiled  bare     ZEN        times")
    for one in figures:
        print(
            f"{one['rows']:>4}  {one['compiled_us']:>6.2f} us {one['compiled_without_validation_us']:>6.2f} us "
            f"{one['zen_us']:>8.1f} us {one['times']:>6.0f}x"
        )


if __name__ == "__main__":
    main()
