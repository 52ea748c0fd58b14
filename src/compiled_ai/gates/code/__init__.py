"""The code gate: deny by default, decided on the syntax tree, without running anything.

`check_code` judges what a model wrote (`mode="function"`: one plain function after its imports) and code from anyone's
hands (`mode="file"`: functions, classes, constants, pure standard modules). What it cannot judge it refuses.
"""

from __future__ import annotations

import ast
import tokenize
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from compiled_ai.gates.code.policy import ALL_PURE_MODULES
from compiled_ai.gates.code.rules import RULES, Rule
from compiled_ai.gates.code.state import Mode
from compiled_ai.gates.code.text import Fault, text_faults, token_faults
from compiled_ai.gates.code.walk import too_deep, walk
from compiled_ai.records import Finding, Verdict

__all__ = ["ALL_PURE_MODULES", "RULES", "Mode", "Rule", "check_code", "gate_files"]


def check_code(
    source: str,
    *,
    allowed_imports: frozenset[str] = frozenset(),
    mode: Mode,
    provided: frozenset[str] = frozenset(),
) -> tuple[Finding, ...]:
    """Judges a text and returns what is wrong with it, in the order of its lines; nothing means that it may pass.

    Args:
        source: the text of a function or file.
        allowed_imports: dotted modules; `package.*` admits submodules. In a file they come in addition to the pure
            part of the standard library; in a function they are all there is.
        mode: whose code it is (see the module).
        provided: names that the assembled module defines around a function.

    Never raises: a fault of the gate itself is a finding of rule `code.crashed`.
    """
    try:
        faults = _faults(source, mode, allowed_imports, provided)
    except Exception as fault:  # the one place where everything is caught: a gate that crashes refuses
        faults = [Fault("code.crashed", f"the gate could not judge this text ({type(fault).__name__}); it is refused")]
    unique = sorted(set(faults), key=lambda fault: (fault.line, fault.column or 0, fault.rule, fault.message))
    return tuple(_finding(fault) for fault in unique)


def _faults(source: str, mode: Mode, allowed: frozenset[str], provided: frozenset[str]) -> list[Fault]:
    strict = mode == "function"
    faults = text_faults(source, strict=strict)
    if faults:
        return faults
    source = source.removeprefix("\ufeff")
    try:
        faults = token_faults(source, strict=strict)
        if any(fault.rule == "code.size" for fault in faults):
            return faults
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, tokenize.TokenError) as fault:
        return [*faults, _unparsable(fault)]
    except (RecursionError, MemoryError, ValueError) as fault:
        return [*faults, Fault("code.size", f"cannot be parsed safely ({type(fault).__name__}); simplify it")]
    if too_deep(tree):
        return [*faults, Fault("code.size", "nested too deeply to be judged; split it up")]
    return faults + walk(tree, mode=mode, allowed_imports=allowed, provided=provided)


def _unparsable(fault: Exception) -> Fault:
    line = getattr(fault, "lineno", None) or (fault.args[1][0] if len(fault.args) > 1 and fault.args[1] else 1)
    message = getattr(fault, "msg", None) or str(fault.args[0])
    return Fault("code.unparsable", f"is not Python: {message}", max(1, int(line or 1)))


def _finding(fault: Fault) -> Finding:
    rule = RULES[fault.rule]
    return Finding(
        rule=fault.rule,
        message=f"{fault.message[:1].upper()}{fault.message[1:]}. {rule.reason}",
        line=fault.line,
        column=fault.column,
        cwe=rule.cwe,
        caught_by="policy",
    )


def gate_files(paths: Iterable[Path | str], *, allowed_imports: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Judges files as `gate code FILE...` prints it: one object for each, verdict `pass`, `refuse` or `error`.

    A file that cannot be read, or a gate that crashes, is `error`: not passed either.
    """
    return [_gate_file(Path(path), allowed_imports) for path in paths]


def _gate_file(path: Path, allowed: frozenset[str]) -> dict[str, Any]:
    try:
        source = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return _report(path, "refuse", [_finding(Fault("code.encoding", "is not UTF-8 text; save the file as UTF-8"))])
    except OSError as fault:
        reason = Fault("code.crashed", f"cannot be read: {fault.strerror or fault}")
        return _report(path, "error", [_finding(reason)])
    findings = check_code(source, allowed_imports=allowed, mode="file")
    crashed = any(finding.rule == "code.crashed" for finding in findings)
    return _report(path, "error" if crashed else "refuse" if findings else "pass", findings)


def _report(path: Path, verdict: Verdict, findings: Iterable[Finding]) -> dict[str, Any]:
    listed = [
        {"rule": finding.rule, "line": finding.line, "message": finding.message, "cwe": finding.cwe}
        for finding in findings
    ]
    return {"file": str(path), "verdict": verdict, "findings": listed}
