"""Stage 1: may this code be run at all? The policy first, then Bandit, Semgrep and detect-secrets.

Only what a model wrote is judged: rules and flow are ours. All tools look, even when the policy refuses, so that
everything that is wrong goes back at once; only a text that does not parse is shown to none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from compiled_ai.assemble import Assembled, FunctionPlace
from compiled_ai.gates.code import check_code
from compiled_ai.records import Finding, StageResult
from compiled_ai.validation import scanners
from compiled_ai.validation.judging import Judging, own, text_of

if TYPE_CHECKING:
    from compiled_ai.plan import CompilePlan

SCANNERS: Mapping[str, Callable[[str], list[Finding]]] = {
    "bandit": scanners.bandit,
    "semgrep": scanners.semgrep,
    "detect_secrets": scanners.secrets,
}

_APART = frozenset({"semgrep"})
"""Scanners that wait for a process of their own: the others look meanwhile."""


def security(
    candidate: Assembled,
    plan: CompilePlan,
    *,
    tools: Mapping[str, Callable[[str], list[Finding]]] = SCANNERS,
    meanwhile: Callable[[], None] = lambda: None,
) -> StageResult:
    """Judges every model-written function of an assembled module.

    Args:
        candidate: the assembled module.
        plan: what each function may import.
        tools: scanners after the policy, by name; each takes a text and returns findings or raises.
        meanwhile: what may be done while the slowest scanner looks, if nothing was found by then; it must not run
            the candidate, and what it finds counts only if this stage is passed.

    Returns:
        `failed` with the findings of all tools, each in the function's own lines; `error` if a tool could not look.
    """
    judging = Judging("security", measures={"functions": len(candidate.functions)})
    allowed = {function.step.name: function.allowed_imports for function in plan.functions}
    texts: dict[str, _Text] = {}
    for key, place in candidate.functions.items():
        texts[key] = _Text(place)
        judging.run("policy", lambda text=texts[key]: _policy(text, allowed[text.step]))  # type: ignore[misc]
    if any(finding.rule in _UNREADABLE for finding in judging.findings):
        return judging.result()
    if texts:
        joined = _Joined(texts)
        jobs = {name: partial(_scan, tool, joined) for name, tool in tools.items()}
        waits = [judging.begin(name, jobs[name]) for name in tools if name in _APART]
        try:
            for name in tools:
                if name not in _APART:
                    judging.run(name, jobs[name])
            if not judging.findings and not judging.broken:
                meanwhile()
        finally:
            for wait in waits:
                wait()
    return judging.result()


def _scan(tool: Callable[[str], list[Finding]], joined: _Joined) -> list[Finding]:
    return joined.place(tool(joined.text))


_UNREADABLE = frozenset({"code.unparsable", "code.size", "code.crashed", "code.unicode", "code.encoding"})


class _Text:
    """One function and its imports."""

    def __init__(self, place: FunctionPlace) -> None:
        self.step = place.step
        self.text = text_of(place)
        self.above = len(place.imports)


def _policy(text: _Text, allowed: frozenset[str]) -> list[Finding]:
    found = check_code(text.text, allowed_imports=allowed, mode="function")
    return own(found, text.step, text.above)


class _Joined:
    """All functions in one text, so that each tool starts once."""

    def __init__(self, texts: Mapping[str, _Text]) -> None:
        parts: list[str] = []
        self._spans: list[tuple[int, int, _Text]] = []
        line = 1
        for text in texts.values():
            length = text.text.count("\n")
            self._spans.append((line, line + length - 1, text))
            parts.append(text.text)
            line += length
        self.text = "".join(parts)

    def place(self, findings: list[Finding]) -> list[Finding]:
        placed: list[Finding] = []
        for first, last, text in self._spans:
            inside = [finding for finding in findings if finding.line is None or first <= finding.line <= last]
            placed += own(inside, text.step, first - 1 + text.above)
        return placed
