"""Does an artifact notice a layout that it was not validated on?

    python bench/fingerprints.py DEV.jsonl [--text text] [--json]

Groups are those of the compiler (near duplicates by word triples): the files state no vendor. Each group is left out
in turn. Detected: a document of the group is unfamiliar to what the others teach. False alarm: a document is
unfamiliar although others of its group are known; the baseline is a fixed likeness of one half, measured in the
same run.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from compiled_ai.library.fingerprints import Layouts, fingerprint
from compiled_ai.pools import group_keys
from compiled_ai.spec.model import GoldenCase


def measure(prints: Sequence[frozenset[int]], groups: Sequence[str], fixed: Decimal | None = None) -> dict[str, int]:
    """Returns how many first documents of left-out groups are detected, and how many known ones raise an alarm."""
    sizes, seen = Counter(groups), set[str]()
    found = {"left_out": 0, "detected": 0, "known": 0, "false_alarms": 0}
    for index, group in enumerate(groups):
        others = [i for i in range(len(prints)) if i != index]
        if group not in seen:
            seen.add(group)
            rest = [i for i in others if groups[i] != group]
            found["left_out"] += 1
            found["detected"] += not _knows(prints, groups, rest, index, fixed)
        if sizes[group] > 1:
            found["known"] += 1
            found["false_alarms"] += not _knows(prints, groups, others, index, fixed)
    return found


def _knows(
    prints: Sequence[frozenset[int]], groups: Sequence[str], known: Sequence[int], index: int, fixed: Decimal | None
) -> bool:
    layouts = Layouts.of([prints[i] for i in known], [groups[i] for i in known])
    layouts = layouts if fixed is None else replace(layouts, least=fixed)
    return layouts.knows(prints[index])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--text", default="text", help="column that holds the document")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = [json.loads(line) for line in asked.file.read_text("utf-8").splitlines() if line.strip()]
    cases = [GoldenCase(str(index), {"text": row[asked.text]}, {}) for index, row in enumerate(rows)]
    keys = group_keys(cases)
    prints, groups = [fingerprint(row[asked.text]) for row in rows], [keys[case.id] for case in cases]
    result = {
        "groups": len(set(groups)),
        "learned": measure(prints, groups),
        "baseline_fixed_half": measure(prints, groups, Decimal("0.5")),
    }
    if asked.json:
        print(json.dumps(result))
        return
    print(f"{len(rows)} documents, {result['groups']} groups")
    for name in ("learned", "baseline_fixed_half"):
        each: Any = result[name]
        print(
            f"{name}: {each['detected']} of {each['left_out']} left-out groups detected, "
            f"{each['false_alarms']} false alarms on {each['known']} documents of known groups"
        )


if __name__ == "__main__":
    main()
