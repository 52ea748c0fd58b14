"""The reuse protocol: one artifact for each tool, judged on the benchmark's requests, which no model has seen.

    python bench/function_call/measure.py --data DATA/bfcl [--model recorded:DIR | exchange:DIR] [--show] [--json]

Each tool is compiled from its schema and a few made-up requests (`specs.py`); its artifact then answers every request
of the files that calls for it: right, wrong (by the leaderboard's rules, `checker.py`), or abstained (no call). It is
also asked what is meant for the other tools, and for none (`irrelevance.jsonl`): a call there is a false call.

From the same answers comes what a choice among all the tools would be: each different request is put to all artifacts
at once, and is chosen rightly if the right one gives the right call and every other abstains. The tools that
`multiple.jsonl` offers beside the right one are not compiled (but for one request), so that a choice among just these
cannot be measured.

The tools at even places of the list are those whose requests were read while the library was changed (`--show` prints
them); of the others only the counts were looked at. Both are counted apart.

The recordings that ship are genuine replies. Exit 3 if a tool has none (yet).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from checker import fault
from specs import specification
from tools import Case, Tool, chosen, irrelevant

from compiled_ai.artifact import load_artifact
from compiled_ai.compiler import Compilation, CompileOptions, compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import CompileFailed, NotFound, Waiting
from compiled_ai.runtime.loading import as_program
from compiled_ai.runtime.stepper import Done, Program
from compiled_ai.runtime.supplied import decide

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass
class Measured:
    """What one tool's artifact made of its requests, and of others."""

    tool: Tool
    looked_at: bool
    """Whether its requests were read while the library was changed."""
    tokens: int = 0
    """In and out, over all attempts; estimated where nobody measured."""
    attempts: int = 0
    failed: str = ""
    """Why there is no artifact; all its requests are abstained from then."""
    outcomes: list[tuple[Case, str, str]] = field(default_factory=list)
    """Case, `right`, `wrong` or `abstained`, and what is wrong."""
    asked_of_others: int = 0
    called_for_others: list[str] = field(default_factory=list)
    """Requests that are meant for another tool, and that it calls for."""
    asked_of_none: int = 0
    false_calls_of_none: int = 0

    def count(self, outcome: str) -> int:
        return sum(each == outcome for _, each, _ in self.outcomes)


def measure(tools: Sequence[Tool], foreign: Sequence[str], options: CompileOptions, home: Path) -> Iterator[Measured]:
    """Compiles and judges every tool; tools without a reply are left out and named on stderr."""
    settings = Settings(home, f"sqlite:///{home / 'runs.db'}")
    for place, tool in enumerate(tools):
        measured = Measured(tool, looked_at=place % 2 == 0)
        try:
            program = _program(tool, settings, options, measured)
        except (Waiting, NotFound) as missing:
            print(f"{tool.name} is not measured: {missing}", file=sys.stderr)
            continue
        _judge(measured, program)
        if program is not None:
            others = [case.request for other in tools if other.name != tool.name for case in other.cases]
            measured.asked_of_others, measured.asked_of_none = len(others), len(foreign)
            measured.called_for_others = [each for each in others if _call(program, tool, each) is not None]
            measured.false_calls_of_none = sum(_call(program, tool, request) is not None for request in foreign)
        yield measured


def _program(tool: Tool, settings: Settings, options: CompileOptions, measured: Measured) -> Program | None:
    spec = settings.home / "specs" / f"{tool.file_name}.yaml"
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(specification(tool), "utf-8")
    try:
        compiled: Compilation = compile_spec(spec, settings, options)
    except CompileFailed as failed:
        measured.failed = str(failed)
        return None
    measured.attempts = len(compiled.attempts)
    measured.tokens = compiled.usage.input_tokens + compiled.usage.output_tokens
    return as_program(load_artifact(compiled.folder, settings.artifacts))


def _judge(measured: Measured, program: Program | None) -> None:
    tool = measured.tool
    for case in tool.cases:
        call = None if program is None else _call(program, tool, case.request)
        wrong = None if call is None else fault(call, tool.schema, case.accepted)
        outcome = "abstained" if call is None else "wrong" if wrong else "right"
        measured.outcomes.append((case, outcome, wrong or ""))


def _call(program: Program, tool: Tool, request: str) -> Mapping[str, Any] | None:
    """Asks an artifact for its call; arguments that are null are left out, and numbers take the schema's type."""
    end = decide(program, {"request": request})
    if not isinstance(end, Done) or end.output["call"] is None:
        return None
    arguments = {
        name: _typed(value, tool.properties[name]) for name, value in end.output["call"].items() if value is not None
    }
    return {"name": tool.name, "arguments": arguments}


def _typed(value: Any, detail: Mapping[str, Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_typed(item, detail["items"]) for item in value]
    return float(Decimal(str(value))) if detail["type"] == "float" else value


def _choices(some: Sequence[Measured], everybody: Sequence[Measured]) -> Mapping[str, int]:
    """Counts what comes of the different requests of some tools if they are put to everybody's artifacts at once."""
    answers: dict[str, set[str]] = {}
    for each in some:
        for case, outcome, _ in each.outcomes:
            answers.setdefault(case.request, set()).add(outcome)
    called = {request for each in everybody for request in each.called_for_others}
    return Counter(_choice(outcomes, others_call=request in called) for request, outcomes in answers.items())


def _choice(outcomes: Collection[str], *, others_call: bool) -> str:
    if "right" in outcomes and "wrong" not in outcomes:
        return "several" if others_call else "right_alone"
    return "another" if others_call or "wrong" in outcomes else "nobody"


def _totals(measured: Sequence[Measured], everybody: Sequence[Measured]) -> dict[str, Any]:
    choices = _choices(measured, everybody)
    counts = Counter(outcome for each in measured for _, outcome, _ in each.outcomes)
    asked = sum(counts.values())
    made = [each.tokens for each in measured if not each.failed]
    return {
        "tools": len(measured),
        "without_artifact": sum(bool(each.failed) for each in measured),
        "requests": asked,
        "different_requests": len({case.request for each in measured for case, _, _ in each.outcomes}),
        **{name: counts[name] for name in ("right", "wrong", "abstained")},
        "right_share": round(counts["right"] / asked, 3) if asked else None,
        "wrong_share": round(counts["wrong"] / asked, 3) if asked else None,
        "tokens_median": median(made) if made else None,
        "tokens_most": max(made, default=None),
        "tokens_within_1500": sum(tokens <= 1500 for tokens in made),
        "attempts_most": max((each.attempts for each in measured), default=0),
        "choice": {name: choices[name] for name in ("right_alone", "several", "another", "nobody")},
        "false_calls": sum(len(each.called_for_others) for each in measured),
        "asked_of_others": sum(each.asked_of_others for each in measured),
        "false_calls_of_none": sum(each.false_calls_of_none for each in measured),
        "asked_of_none": sum(each.asked_of_none for each in measured),
    }


def _halves(measured: Sequence[Measured]) -> Mapping[str, Sequence[Measured]]:
    return {
        "all": measured,
        "looked at": [each for each in measured if each.looked_at],
        "only scored": [each for each in measured if not each.looked_at],
    }


def _print(measured: Sequence[Measured], *, show: bool) -> None:
    for name, some in _halves(measured).items():
        total = _totals(some, measured)
        choice = total["choice"]
        print(
            f"{name}: {total['tools']} tools ({total['without_artifact']} without an artifact), "
            f"{total['requests']} requests ({total['different_requests']} different)\n"
            f"  right {total['right']} ({total['right_share']}), wrong {total['wrong']} ({total['wrong_share']}), "
            f"abstained {total['abstained']}\n"
            f"  tokens a compile: median {total['tokens_median']}, most {total['tokens_most']} (estimated), "
            f"{total['tokens_within_1500']} within 1,500, at most {total['attempts_most']} attempts\n"
            f"  false calls: {total['false_calls']} of {total['asked_of_others']} requests for other tools, "
            f"{total['false_calls_of_none']} of {total['asked_of_none']} for none\n"
            f"  put to all {len(measured)} at once, {total['different_requests']} requests: the right one alone "
            f"{choice['right_alone']}, another too {choice['several']}, another instead {choice['another']}, "
            f"nobody {choice['nobody']}"
        )
    for each in measured if show else ():
        if each.looked_at:
            _print_tool(each)


def _print_tool(each: Measured) -> None:
    print(f"{each.tool.name}: {each.failed or f'{each.attempts} attempt(s), {each.tokens} tokens'}")
    for case, outcome, why in each.outcomes:
        print(f"  {outcome:9} {case.id}: {case.request} {why}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True, help="folder with the benchmark's files")
    arguments.add_argument("--model", default=f"recorded:{RECORDINGS}")
    arguments.add_argument("--record", type=Path, help="folder that keeps the replies")
    arguments.add_argument("--attempts", type=int, default=3)
    arguments.add_argument("--show", action="store_true", help="print the requests that were looked at")
    arguments.add_argument("--json", action="store_true")
    chosen_options = arguments.parse_args()
    tools = chosen(chosen_options.data)
    options = CompileOptions(
        model=chosen_options.model, record=chosen_options.record, max_attempts=chosen_options.attempts
    )
    with tempfile.TemporaryDirectory(prefix="function-call-") as home:
        measured = list(measure(tools, irrelevant(chosen_options.data), options, Path(home)))
    if chosen_options.json:
        print(json.dumps({name: _totals(some, measured) for name, some in _halves(measured).items()}))
    else:
        _print(measured, show=chosen_options.show)
    return 3 if len(measured) < len(tools) else 0


if __name__ == "__main__":
    sys.exit(main())
