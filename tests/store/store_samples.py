"""Records, places and processes that the tests of the store share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiled_ai.records import Effect, RunRecord
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.store import Protection, RunStore, new_run_id, now_text

SOURCE = Path(__file__).parents[2] / "src"
ALL_ENCRYPTED = Protection("encrypted", "encrypted", "encrypted", "encrypted", "encrypted")


@dataclass(frozen=True)
class Place:
    """Where a store is, and a way to its tables that the store knows nothing of."""

    url: str
    home: Path
    keys: KeyRing
    execute: Callable[..., list[Any]]

    def open(self, **more: Any) -> RunStore:
        return RunStore.open(self.url, **{"keys": self.keys, **more})


def run_record(**changes: Any) -> RunRecord:
    """A small run that completed."""
    started = now_text()
    fields: dict[str, Any] = {
        "run_id": new_run_id(),
        "artifact": "a" * 64,
        "workflow": "prior_auth",
        "input": {"claim_id": "C-1", "bmi": 31.5, "diabetic": False},
        "status": "completed",
        "output": {"outcome": "APPROVE", "reason": "bmi >= 30"},
        "started_at": started,
        "finished_at": started,
        "environment": {"python": "3.11", "interface": "1"},
        "reference": {"claim_id": "C-1"},
    }
    return RunRecord(**{**fields, **changes})


def waiting_record(**changes: Any) -> RunRecord:
    """A run that has just begun."""
    return run_record(**{"status": "waiting", "output": None, "finished_at": None, **changes})


def call_effect(**changes: Any) -> Effect:
    fields: dict[str, Any] = {
        "step": "find_member",
        "kind": "call",
        "request": {"arguments": {"id": "M7"}},
        "result": {"plan": "gold"},
        "origin": "database",
        "milliseconds": 2.5,
    }
    return Effect(**{**fields, **changes})


def in_another_process(code: str, *arguments: str, key_line: str) -> subprocess.Popen[str]:
    """Starts Python on `code`; `sys.argv[1:]` are the arguments."""
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}", "COMPILED_AI_KEY": key_line}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
