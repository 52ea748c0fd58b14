"""Inside the child: steps a whole run with the effects that come with the request, and never asks for more."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from typing import Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.library.context import EffectRequest
from compiled_ai.runtime.calls.double import undeclared_use
from compiled_ai.runtime.stepper import (
    Done,
    Failed,
    Program,
    Recorded,
    Stepping,
    advance,
    load_program,
)
from compiled_ai.runtime.supplied import APPROVED, Supplied, finish
from compiled_ai.sandbox.calls import describe, loading_seconds


def prepare(job: Mapping[str, Any]) -> Runs:
    """Makes what answers the job's requests."""
    return Runs(job)


def _failed(outcome: Failed) -> dict[str, Any]:
    return {"end": "failed", "error": outcome.error, "code": outcome.code, "step": outcome.step or ""}


def _request(request: EffectRequest) -> dict[str, Any]:
    return {
        "step": request.step,
        "kind": request.kind,
        "item": request.item,
        "attempt": request.attempt,
        "payload": dict(request.payload),
    }


class Runs:
    """One program, ready to be stepped."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._call_seconds = float(job["call_seconds"])
        self._run = self._advance if job["advance"] else self._replay
        self.ready: list[Any] = ["ready"]
        signal.setitimer(signal.ITIMER_PROF, loading_seconds(job))
        try:
            tables = {f"tables/{name}": text for name, text in job["tables"].items()}
            files = {"workflow.py": job["source"], "program.json": job["program"], **tables}
            self._program: Program = load_program(files, digest=job["name"])
        except MemoryError:
            self.ready = ["limit", "memory"]
        except BaseException as fault:
            self.ready = ["raised", 0, *describe(fault, "")]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def answer(self, index: int, request: bytes) -> str:
        """Runs one input; see `sandbox.box.Run` and `sandbox.box.Advance` for what comes and goes."""
        try:
            signal.setitimer(signal.ITIMER_PROF, self._call_seconds)
            given = parse_json(request)
            start = time.perf_counter_ns()
            end = self._run(given)
            micros = (time.perf_counter_ns() - start) // 1000
            return f'[{index},"value",{micros},false,{canonical_json(end)}]'
        except MemoryError:
            return f'[{index},"limit","memory"]'
        except BaseException as fault:
            return json.dumps([index, "raised", 0, *describe(fault, self._program.filename)])
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _advance(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """One step of an engine: replays up to the first effects that are not recorded, and says which these are."""
        effects = [Recorded(**effect) for effect in given["effects"]]
        outcome = advance(self._program, given["input"], effects)
        if isinstance(outcome, Done):
            return {"end": "done", "output": outcome.output, "evidence": dict(outcome.evidence)}
        if isinstance(outcome, Failed):
            return _failed(outcome)
        return {"end": "pending", "requests": [_request(request) for request in outcome.requests]}

    def _replay(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A whole golden case: answers every request from what the case supplies."""
        supplied = Supplied(given["effects"], given["reviews"], approve=given["approve"], refuse=undeclared_use)
        with Stepping(self._program, given["input"]) as stepping:
            end = finish(stepping, supplied)
            approved = sum(getattr(effect, "origin", None) == APPROVED for effect in stepping.effects)
        if isinstance(end, Done):
            return {"end": "done", "output": end.output, "approved": approved}
        if isinstance(end, Failed):
            return _failed(end)
        return {"end": "lacking", "step": end.step, "kind": end.kind, "problems": "; ".join(end.problems)}

    def measures(self) -> dict[str, Any]:
        return {}
