"""What compiles have done with the golden cases of a workflow: which were shown, how often the sealed ones were read.

Once shown, a case is never sealed again; a sealed figure is printed with the number of candidates that were
judged on the same sealed cases, since each look at them wears them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from compiled_ai.artifact import locked, read_json, replace_json
from compiled_ai.canonical import digest, digest_json
from compiled_ai.spec.model import GoldenCase

_FILE = "golden_history.json"


def ever_shown(folder: Path) -> frozenset[str]:
    """Returns the ids of the cases that an earlier compile has shown to a model; `folder` is the workflow's."""
    return frozenset(_read(folder).get("shown", ()))


def remember_shown(folder: Path, ids: Iterable[str]) -> None:
    """Writes down that these cases were shown."""
    _update(folder, lambda history: {**history, "shown": sorted({*history.get("shown", ()), *ids})})


def count_read(folder: Path, sealed: Iterable[GoldenCase], candidate: str) -> int:
    """Writes down that a candidate is judged on the sealed cases; returns how many candidates have been, with it."""
    pool = digest_json([[case.id, dict(case.input), dict(case.expected)] for case in sealed])[:16]
    name = digest(candidate)[:16]

    def add(history: Mapping[str, Any]) -> dict[str, Any]:
        reads = history.get("reads", {})
        return {**history, "reads": {**reads, pool: sorted({*reads.get(pool, ()), name})}}

    return len(_update(folder, add)["reads"][pool])


def _read(folder: Path) -> Mapping[str, Any]:
    return read_json(folder / _FILE) if (folder / _FILE).exists() else {}


def _update(folder: Path, change: Any) -> Mapping[str, Any]:
    with locked(folder):
        history: Mapping[str, Any] = change(_read(folder))
        replace_json(folder / _FILE, history)
        return history
