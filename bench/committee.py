"""What it costs to try a committee whose members were tried as candidates: `python bench/committee.py [--help]`.

Takes three recorded functions of `examples/invoice_committee` and tries each as a candidate (the execution stage of the
validation). Then it tries the committee of the three, once as a compile does, which remembers what has passed, and once
as if its members had never been seen. Prints the seconds of each, and the ratio of the two, measured in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from compiled_ai.assemble import Assembled, assemble
from compiled_ai.catalog import load_catalog
from compiled_ai.committee import open_vote
from compiled_ai.generate import extract_candidate
from compiled_ai.models.transcript import read_transcript
from compiled_ai.plan import CompilePlan, make_plan
from compiled_ai.sandbox import Sandbox
from compiled_ai.spec.loader import load_spec
from compiled_ai.validation import open_sandbox
from compiled_ai.validation.execution import Memory, execution

EXAMPLES = Path(__file__).parents[1] / "examples"
MEMBERS = 3


def sources(plan: CompilePlan) -> list[str]:
    """The first recorded functions, as a compile takes them from the replies."""
    (function,) = plan.functions
    replies = read_transcript(EXAMPLES / "invoice_committee" / "recordings").entries
    taken = [extract_candidate(entry.reply, function).source for entry in replies]
    return [source for source in taken if source is not None][:MEMBERS]


def assembled(plan: CompilePlan, functions: Sequence[str]) -> Assembled:
    (function,) = plan.functions
    name, several = function.step.name, len(functions) > 1
    return assemble(
        plan.spec,
        plan.template.source,
        {name: functions if several else functions[0]},
        reading=[name],
        committees={name: open_vote(function.step, plan.spec)} if several else None,
    )


def seconds(plan: CompilePlan, module: Assembled, box: Sandbox, inputs: int, memory: Memory) -> float:
    started = time.perf_counter()
    result = execution(module, plan.spec, plan.pools, box, count=inputs, memory=memory)
    if result.status != "passed":
        raise SystemExit(f"The execution stage says {result.status!r}: {[each.message for each in result.findings]}.")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000, help="generated inputs for each function")
    options = parser.parse_args()
    plan = make_plan(load_spec(EXAMPLES / "invoice_committee.yaml"), load_catalog())
    functions, memory = sources(plan), Memory()
    with open_sandbox(plan) as box:
        for number, source in enumerate(functions, 1):
            spent = seconds(plan, assembled(plan, [source]), box, options.inputs, memory)
            print(f"candidate {number}: {spent:.1f} s", flush=True)
        committee = assembled(plan, functions)
        known = seconds(plan, committee, box, options.inputs, memory)
        print(f"committee of {MEMBERS}, members known: {known:.1f} s", flush=True)
        unknown = seconds(plan, committee, box, options.inputs, {})
        print(f"committee of {MEMBERS}, members unknown: {unknown:.1f} s")
        print(f"ratio: {known / unknown:.2f} (n = {options.inputs} generated inputs for each function)")


if __name__ == "__main__":
    main()
