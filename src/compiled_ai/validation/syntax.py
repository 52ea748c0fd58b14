"""Stage 2: is it well-formed, typed and short? `ast`, `mypy --strict`, ruff with an explicit selection, radon.

The whole assembled module is checked, because types show only where the function meets the flow. Findings in a
function go back to its author, in its own lines. A fault outside of every function is not the candidate's: `error`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from compiled_ai.assemble import Assembled, FunctionPlace
from compiled_ai.errors import StageUnavailable
from compiled_ai.records import Finding, StageResult
from compiled_ai.validation import checkers
from compiled_ai.validation.judging import Judging

if TYPE_CHECKING:
    from compiled_ai.plan import CompilePlan, FunctionPlan


def syntax(candidate: Assembled, plan: CompilePlan, *, cache: Path | None = None) -> StageResult:
    """Judges an assembled module.

    Args:
        candidate: the assembled module.
        plan: the signature and the length that each function was asked to have.
        cache: folder for mypy's cache (warm: a few hundredths of a second; without it: about a second).
    """
    judging = Judging("syntax")
    judging.run("ast", lambda: _parse(candidate))
    if judging.findings or judging.broken:
        return judging.result()
    plans = {function.step.name: function for function in plan.functions}
    for place in candidate.functions.values():
        planned = plans[place.step]
        judging.run("signature", lambda place=place, planned=planned: _signature(place, planned))  # type: ignore[misc]
        judging.run("radon", lambda place=place, planned=planned: _size(place, planned))  # type: ignore[misc]
    judging.run("ruff", lambda: _located(candidate, checkers.ruff(candidate.source), strict=False))
    signed = not any(finding.rule == "syntax.signature" for finding in judging.findings)
    judging.run("mypy", lambda: _located(candidate, checkers.mypy(candidate.source, cache), strict=signed))
    judging.measures |= _measures(candidate)
    return judging.result()


def _parse(candidate: Assembled) -> Iterator[Finding]:
    for place in candidate.functions.values():
        try:
            ast.parse(place.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
            line, message = getattr(fault, "lineno", None), f"Not Python: {fault}."
            yield Finding(rule="syntax.ast", message=message, line=line, step=place.step, caught_by="ast")
            return
    try:
        ast.parse(candidate.source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise StageUnavailable(f"The assembled module does not parse: {fault}.") from fault


def _signature(place: FunctionPlace, plan: FunctionPlan) -> Iterator[Finding]:
    signature = plan.signature.replace(f"def {plan.name}(", f"def {place.name or plan.name}(", 1)
    wanted = ast.parse(f"{signature}\n    pass").body[0]
    found = next((node for node in ast.parse(place.source).body if isinstance(node, ast.FunctionDef)), None)
    assert isinstance(wanted, ast.FunctionDef)
    if found is None or _header(found) != _header(wanted):
        message = f"The signature must be, to the letter: {signature}"
        yield Finding(rule="syntax.signature", message=message, line=1, step=place.step, caught_by="ast")


def _header(node: ast.FunctionDef) -> str:
    returns = ast.unparse(node.returns) if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}) -> {returns}"


def _size(place: FunctionPlace, plan: FunctionPlan) -> list[Finding]:
    found = checkers.radon(place.source, plan.most_lines)
    return [finding.model_copy(update={"step": place.step}) for finding in found]


def _located(candidate: Assembled, findings: Iterable[Finding], *, strict: bool) -> list[Finding]:
    """Keeps what lies in a function; with `strict`, a fault elsewhere means that the module itself is wrong."""
    inside: list[Finding] = []
    elsewhere: list[Finding] = []
    for finding in findings:
        for place in candidate.functions.values():
            line = place.own_line(finding.line or 0)
            if line is not None:
                inside.append(finding.model_copy(update={"line": line, "step": place.step}))
                break
        else:
            elsewhere.append(finding)
    if elsewhere and strict and not inside:
        first = elsewhere[0]
        raise StageUnavailable(f"Line {first.line} of the assembled module, outside of every function: {first.message}")
    return inside


def _measures(candidate: Assembled) -> dict[str, object]:
    return {
        "functions": {
            key: {
                "lines": (lines := checkers.code_lines(place.source)),
                "complexity": checkers.complexity(place.source),
                "note": "short: fewer than 20 lines were enough" if lines < checkers.FEW_LINES else "",
            }
            for key, place in candidate.functions.items()
        }
    }
