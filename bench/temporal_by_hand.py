"""A workflow as one would write it by hand: the baseline of `bench/temporal.py`.

A file of its own, since the SDK's sandbox imports the module of a workflow anew.
"""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from temporalio import activity, workflow


class ClaimIn(BaseModel):
    claim_id: str
    age: int
    amount: Decimal
    plan: Literal["gold", "silver"]
    in_network: bool


class DecisionOut(BaseModel):
    outcome: Literal["APPROVE", "DENY", "REFER"]
    reason: str


def decide_by_hand(claim: ClaimIn) -> DecisionOut:
    """The rule of the fixture, written by hand."""
    if claim.age < 18:
        return DecisionOut(outcome="REFER", reason="age < 18")
    if claim.plan == "gold" and claim.amount <= 5000:
        return DecisionOut(outcome="APPROVE", reason="gold, at most 5000")
    if claim.in_network and claim.amount <= Decimal("1000.50"):
        return DecisionOut(outcome="APPROVE", reason="in network, at most 1000.50")
    return DecisionOut(outcome="DENY", reason="no earlier condition applied")


@activity.defn
def triage(claim: ClaimIn) -> DecisionOut:
    return decide_by_hand(claim)


class Recorder:
    """What a careful author adds: each decision in a database, committed before it counts."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("CREATE TABLE decisions (id TEXT PRIMARY KEY, input TEXT, output TEXT)")
        self._lock = threading.Lock()

    @activity.defn(name="triage_recorded")
    def triage(self, claim: ClaimIn) -> DecisionOut:
        decision = decide_by_hand(claim)
        row = (activity.info().workflow_run_id, claim.model_dump_json(), decision.model_dump_json())
        with self._lock:
            self._database.execute("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?)", row)
        return decision


@workflow.defn
class ByHand:
    @workflow.run
    async def run(self, claim: ClaimIn) -> DecisionOut:
        return await workflow.execute_activity(triage, claim, start_to_close_timeout=timedelta(seconds=60))


@workflow.defn
class ByHandRecorded:
    @workflow.run
    async def run(self, claim: ClaimIn) -> DecisionOut:
        found: DecisionOut = await workflow.execute_activity(
            "triage_recorded", claim, result_type=DecisionOut, start_to_close_timeout=timedelta(seconds=60)
        )
        return found
