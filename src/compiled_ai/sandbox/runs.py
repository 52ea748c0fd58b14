"""Inside the child: steps a whole run with the effects that come with the request, and never asks for more."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from typing import Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.library.context import EffectRequest
from compiled_ai.runtime.stepper import (
    Done,
    Failed,
    Program,
    Recorded,
    Stepping,
    advance,
    answer,
    load_program,
)
from compiled_ai.sandbox.calls import describe


def prepare(job: Mapping[str, Any]) -> Runs:
    """Makes what answers the job's requests."""
    return Runs(job)


_APPROVAL = {"action": "approve", "by": "golden case", "reason": "the case says nothing of a review", "value": None}


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


def _lacking(request: EffectRequest) -> dict[str, Any]:
    problems = request.payload.get("problems") or []
    return {"end": "lacking", "step": request.step, "kind": request.kind, "problems": "; ".join(map(str, problems))}


class Runs:
    """One program, ready to be stepped."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._call_seconds: float = job["call_seconds"]
        self._run = self._advance if job["advance"] else self._replay
        self.ready: list[Any] = ["ready"]
        signal.setitimer(signal.ITIMER_PROF, self._call_seconds)
        try:
            files = {"workflow.py": job["source"], "program.json": job["program"]}
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
        approved = 0
        with Stepping(self._program, given["input"]) as stepping:
            while True:
                outcome = stepping.advance()
                if isinstance(outcome, Done):
                    return {"end": "done", "output": outcome.output, "approved": approved}
                if isinstance(outcome, Failed):
                    return _failed(outcome)
                for request in outcome.requests:
                    reply = self._reply(request, given)
                    if reply is None:
                        return _lacking(request)
                    approved += reply is _APPROVAL
                    stepping.record(answer(request, reply, origin="golden case"))

    def _reply(self, request: EffectRequest, given: Mapping[str, Any]) -> Any:
        """What the case says of this request; `None` where it says nothing (then nobody is asked)."""
        source = given["reviews"] if request.kind == "review" else given["effects"]
        if request.step not in source:
            plain = request.kind == "review" and not request.payload["problems"]
            return _APPROVAL if plain and given["approve"] else None
        result = source[request.step]
        info = self._program.steps.get(request.step)
        if info is None or not info.for_each:
            return result
        return result[request.item] if isinstance(result, list) and request.item < len(result) else None

    def measures(self) -> dict[str, Any]:
        return {}
