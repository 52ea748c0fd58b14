"""Every exception of Compiled AI, in one tree.

```
CompiledAIError                     code, remedy, exit_code
├── UsageError                      exit 2: the caller must change something
│   ├── SpecError                   located findings of a specification (all of them at once)
│   ├── InputError                  a run's input does not fit the declared inputs
│   ├── ConfigError                 a setting, a file or an environment variable
│   ├── KeyMissing                  a pack demands encryption and there is no key
│   └── NotFound                    no such artifact, run, review, file
├── WorkFailed                      exit 1: the request was fine, the work was not
│   ├── CompileFailed               no candidate passed within the budget (carries the report)
│   ├── StageUnavailable            a stage could not judge (tool missing, crashed, saw nothing)
│   ├── BudgetExceeded              the next model call would pass a stated limit
│   ├── ModelFailed                 the provider refused, broke off, or answered nonsense
│   ├── GateRefused                 a gate said no, or crashed (which is a no)
│   ├── SandboxFailed               the sandbox itself failed, not the code in it
│   ├── ArtifactRefused             altered, untrusted, or made for another interface
│   ├── RunFailed                   a run ended without a decision
│   │   └── StepFailed              one step of it gave no valid result (`details`: step, code, problems)
│   ├── CallFailed                  a module outside the workflow gave no result (`details`: happened, again_after)
│   ├── ReviewConflict              somebody decided this review first
│   └── StoreFailed                 the run store is broken, locked, or altered
│       └── RecordAltered           the record of one run does not agree with its chain
└── Waiting                         exit 3: a model reply or a person is awaited
```

Messages are one or two sentences: what was wrong with the value, then what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar


class CompiledAIError(Exception):
    """Base of all errors; survives pickling, since its arguments are its state."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "", details: Any = None) -> None:
        self.message = one_stop(message)
        super().__init__(self.message)
        self.remedy = remedy
        self.details = details
        """JSON-compatible facts for `--json`: findings, a report, paths."""

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.remedy, self.details))


def _rebuild(kind: type[CompiledAIError], message: str, remedy: str, details: Any) -> CompiledAIError:
    return kind(message, remedy=remedy, details=details)


class UsageError(CompiledAIError):
    code = "usage"
    exit_code = 2


class SpecError(UsageError):
    """A specification is wrong; `details` is the sequence of `Finding`, in the order of the file."""

    code = "spec"


class InputError(UsageError):
    """`details` is a list of `{"path", "message"}`, one for each fault of the input."""

    code = "input"


class ConfigError(UsageError):
    code = "config"


class KeyMissing(UsageError):
    code = "key_missing"


class NotFound(UsageError):
    code = "not_found"


class WorkFailed(CompiledAIError):
    code = "work_failed"


class CompileFailed(WorkFailed):
    code = "compile_failed"


class StageUnavailable(WorkFailed):
    code = "stage_unavailable"


class BudgetExceeded(WorkFailed):
    code = "budget_exceeded"


class ModelFailed(WorkFailed):
    code = "model_failed"


class GateRefused(WorkFailed):
    code = "gate_refused"


class SandboxFailed(WorkFailed):
    code = "sandbox_failed"


class ArtifactRefused(WorkFailed):
    code = "artifact_refused"


class RunFailed(WorkFailed):
    code = "run_failed"


class StepFailed(RunFailed):
    """`details` is `{"step", "code", "problems"}`; the stepper turns it into `Failed`."""

    code = "step_failed"


class CallFailed(WorkFailed):
    """A `call` step's module gave no result; the message quotes no value of the run."""

    code = "call_failed"

    @classmethod
    def surely(cls, message: str, *, again_after: float | None = None) -> CallFailed:
        """Nothing happened outside; `again_after` (seconds) if the other side says when to ask again."""
        return cls(message, details={"happened": "no", "again_after": again_after})

    @classmethod
    def perhaps(cls, message: str) -> CallFailed:
        """It is not known whether it happened."""
        return cls(message, details={"happened": "unknown", "again_after": None})

    @property
    def may_have_happened(self) -> bool:
        return not self.details or self.details.get("happened") != "no"


class ReviewConflict(WorkFailed):
    code = "review_conflict"


class StoreFailed(WorkFailed):
    code = "store_failed"


class RecordAltered(StoreFailed):
    code = "record_altered"


class Waiting(CompiledAIError):
    """Not a fault: `details` lists what is awaited (request files, or review ids)."""

    code = "waiting"
    exit_code = 3


def suggest(wrong: str, known: Iterable[str], *, show: int = 8) -> str:
    """Returns ` Did you mean 'x'? Known: a, b, c.` for the end of a message (empty if nothing is known)."""
    names: Sequence[str] = sorted(set(known))
    if not names:
        return ""
    near = get_close_matches(wrong, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(names[:show]) + (", ..." if len(names) > show else "")
    return f"{hint} Known: {listed}."


def counted(number: int, noun: str) -> str:
    """Returns `1 case`, `2 cases`: a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_TWO_STOPS = re.compile(r"(?<![.'\"/])\.\.(?=\s|$)")


def one_stop(text: str) -> str:
    """Takes the second full stop off a sentence that quotes another one, which had its own."""
    return _TWO_STOPS.sub(".", text)
