"""Plan to prompt, reply to candidate: the model is asked for one function, and one function is what is taken.

Policy for a reply: one fenced (or bare) piece of Python with import lines from the allowed list and exactly one
top-level function of the planned name and signature. Helpers may be nested; a repeated definition of a given class
is dropped; anything else at top level is refused. Prose around the fence is ignored, whatever it claims.
"""

from __future__ import annotations

import ast
import io
import re
import shlex
import tokenize
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiled_ai.canonical import canonical_json
from compiled_ai.models import Request, estimate_tokens
from compiled_ai.plan import CompilePlan, FunctionPlan
from compiled_ai.records import Finding, Usage
from compiled_ai.showing import ShownCase

__all__ = [
    "Candidate",
    "Refused",
    "build_request",
    "estimate_tokens",
    "estimated_usage",
    "extract_candidate",
]

REPLY_TOKENS = 4096
"""Most tokens of a reply: a function of 50 lines takes about 900, and some models think aloud first."""
TOKENS_PER_LINE = 11
_MOST_FINDINGS = 12
_MOST_MESSAGE = 400
_MOST_REPLY = 100_000
WEAKEST = "accuracy.weakest"
"""Rule of the finding that sends a good candidate back for its weakest field."""


# ---------------------------------------------------------------- asking


def build_request(
    plan: CompilePlan,
    function: FunctionPlan,
    feedback: Sequence[Finding] = (),
    previous: str | None = None,
    sample: int = 0,
    candidate: int = 0,
) -> Request:
    """Returns the request for one function.

    Args:
        plan: The plan it belongs to.
        function: The function.
        feedback: What was wrong with the last attempt; only rule, line and message are told.
        previous: Source of the last attempt, if one could be taken from its reply.
        sample: Number of the reply; count it up to ask the same question again.
        candidate: Which of several independent candidates: from the second on, each is told another approach, sees
            the modules in another order and, where there are enough, other cases, so that they err differently.
    """
    texts = plan.prompt.texts
    return Request(
        system=texts["system"],
        prompt="\n\n".join(part for part in _prompt_parts(plan, function, feedback, previous, candidate) if part),
        purpose=f"generate:{function.step.name}",
        sample=sample,
        max_tokens=REPLY_TOKENS,
        command=f"compile {shlex.quote(plan.spec.file)}",
    )


def _prompt_parts(
    plan: CompilePlan, function: FunctionPlan, feedback: Sequence[Finding], previous: str | None, candidate: int
) -> Iterator[str]:
    step = function.step
    yield f"# Task: {step.name}\n\n{(step.prose or step.description).strip()}"
    yield "\n".join(f"{pack.name}: {' '.join(pack.prompt.split())}" for pack in plan.packs)
    yield f"# Given\n\n```python\n{function.given}\n\n{function.signature}\n```\n{_inputs(function)}"
    yield f"At most {function.most_lines} lines. Imports allowed: {_imports(function)}.\n{_required(function)}".rstrip()
    turn = candidate % len(function.modules) if function.modules else 0
    yield "\n".join(module.prompt.strip() for module in (*function.modules[turn:], *function.modules[:turn]))
    yield _approach(plan, candidate)
    yield _examples(function.cases(candidate))
    if feedback:
        yield _feedback(plan, feedback, previous)


def _approach(plan: CompilePlan, candidate: int) -> str:
    """Returns the approach that a candidate is told; the first one is told none."""
    approaches = plan.prompt.texts["approaches"].splitlines()
    return approaches[(candidate - 1) % len(approaches)] if candidate else ""


def _inputs(function: FunctionPlan) -> str:
    """States what a parameter's type does not."""
    lines: list[str] = []
    for each in function.parameters:
        kind = each.type
        if kind.enum:
            lines.append(f"{each.identifier} is one of {', '.join(map(repr, kind.enum))}.")
        if kind.kind == "list" and kind.items is not None and kind.items.kind == "box" or kind.kind == "box":
            lines.append(f"{each.identifier}: Box is a tuple (x0, y0, x1, y1, text), y downwards.")
    return "\n".join(lines)


def _required(function: FunctionPlan) -> str:
    if not function.required:
        return ""
    named = ", ".join(function.required)
    return (
        f"Required: {named}. Where the input does not determine one, raise ValueError naming the field, not the input."
    )


def _imports(function: FunctionPlan) -> str:
    return ", ".join(sorted(function.allowed_imports - {module.import_path for module in function.modules}))


def _examples(shown: Sequence[ShownCase]) -> str:
    if not shown:
        return ""
    narrowed = any("    " in text for case in shown for text in case.given.values())
    note = " (runs of spaces are shortened)" if narrowed else ""
    return f"# Examples{note}\n\n" + "\n\n".join(_example(case) for case in shown)


def _example(case: ShownCase) -> str:
    given = "\n".join(_fenced_value(name, text) for name, text in case.given.items())
    label = "the workflow's outputs" if case.whole else "result"
    return f"{given}\n{label}: {canonical_json(dict(case.expected))}"


def _fenced_value(name: str, text: str) -> str:
    """Fences a value; the fence's own signs within it are drawn apart, so that no document ends it."""
    text = text.replace("<<<", "<< <").replace(">>>", ">> >")
    return f"{name}: <<<\n{text}\n>>>" if "\n" in text else f"{name}: <<<{text}>>>"


def _feedback(plan: CompilePlan, feedback: Sequence[Finding], previous: str | None) -> str:
    texts = plan.prompt.texts
    code = f"\n\n```python\n{previous.rstrip()}\n```" if previous else ""
    whole = previous.splitlines() if previous else []
    own = _own_lines(previous) if previous else []
    told = [
        _told(finding, whole if finding.caught_by == "reply" else own)  # what refuses a reply counts all of its lines
        for finding in feedback[:_MOST_FINDINGS]
    ]
    more = len(feedback) - _MOST_FINDINGS
    if more > 0:
        told.append(f"- and {more} more of this kind")
    head = texts["weakest" if all(finding.rule == WEAKEST for finding in feedback) else "feedback"]
    return f"# Last attempt\n\n{head}{code}\n\n" + "\n".join(told) + f"\n\n{texts['again']}"


def _told(finding: Finding, lines: Sequence[str]) -> str:
    """Writes a finding as the model reads it: rule, line with its code, message; nothing of this machine."""
    place = ""
    if finding.line is not None:
        place = f"line {finding.line}"
        if 0 < finding.line <= len(lines) and lines[finding.line - 1].strip():
            place += f" `{lines[finding.line - 1].strip()[:80]}`"
        place += ": "
    message = _PATH.sub(r"\1...", " ".join(finding.message.split()))
    return f"- {place}{message[:_MOST_MESSAGE]} [{finding.rule}]"


_PATH = re.compile(r"(^|[\s'\"(])/(?:[\w.+-]+/)+[\w.+-]+")


def _own_lines(source: str) -> list[str]:
    """Returns the lines of the function alone, as findings count them."""
    try:
        node = next(each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef))
    except (SyntaxError, ValueError, StopIteration, RecursionError):
        return source.splitlines()
    return source.splitlines()[node.lineno - 1 : node.end_lineno]


def estimated_usage(plan: CompilePlan) -> Usage:
    """Returns about what one attempt at every function costs; a reply is taken to have 30 lines."""
    requests = [build_request(plan, function) for function in plan.functions]
    return Usage(
        input_tokens=sum(request.estimated_tokens for request in requests),
        output_tokens=sum(TOKENS_PER_LINE * min(30, function.most_lines) for function in plan.functions),
        requests=len(requests),
        origin="estimated" if requests else "none",
    )


# ---------------------------------------------------------------- taking


@dataclass(frozen=True)
class Candidate:
    """One function as a model wrote it: import lines, and the function."""

    step: str
    source: str
    """Imports (sorted), two blank lines, the function in the model's own words."""
    function: str
    """The function alone: line 1 is its `def`."""


@dataclass(frozen=True)
class Refused:
    """Why nothing was taken from a reply; goes back to the model."""

    findings: tuple[Finding, ...]
    source: str | None = None
    """What looked most like code, for the next prompt."""


def extract_candidate(reply_text: str, function: FunctionPlan, *, truncated: bool = False) -> Candidate | Refused:
    """Takes the one function from a reply, or says what is wrong with it.

    Args:
        reply_text: The reply, as it came.
        function: What was asked for.
        truncated: True if the model was cut off (`reply.truncated`): nothing is taken then.
    """
    if len(reply_text) > _MOST_REPLY:
        return _refuse(
            function, "reply.size", f"The reply has {len(reply_text)} characters; one function is asked for."
        )
    if truncated:
        return _refuse(function, "reply.truncated", "The reply was cut off before its end; write a shorter function.")
    text = reply_text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if not text.strip():
        return _refuse(function, "reply.empty", "The reply is empty.")
    pieces = _pieces(text, function.name)
    if not pieces:
        return _refuse(function, "reply.no_code", f"The reply holds no Python function named {function.name!r}.")
    if len({piece.strip() for piece in pieces}) > 1:
        return _refuse(
            function, "reply.several", f"The reply holds {len(pieces)} versions of {function.name!r}; send one."
        )
    return _judge(pieces[0].strip("\n") + "\n", function)


def _refuse(
    function: FunctionPlan, rule: str, message: str, line: int | None = None, source: str | None = None
) -> Refused:
    return Refused((_finding(function, rule, message, line),), source)


def _finding(function: FunctionPlan, rule: str, message: str, line: int | None = None) -> Finding:
    return Finding(rule=rule, message=message, line=line, step=function.step.name, caught_by="reply")


def _pieces(text: str, name: str) -> list[str]:
    """Returns the pieces of code that define the function; else all pieces that look like code."""
    blocks = [block for block in _fenced(text, depth=3) if block.strip()]
    if not blocks:
        bare = _bare(text)
        return [bare] if bare else []
    defining = [block for block in blocks if re.search(rf"^(?:async )?def {re.escape(name)}\b", block, re.MULTILINE)]
    return defining or [block for block in blocks if re.search(r"^(?:async )?def \w", block, re.MULTILINE)]


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)")


def _fenced(text: str, depth: int) -> list[str]:
    """Returns the contents of Markdown's fenced blocks; a block of Markdown is opened in turn."""
    blocks: list[str] = []
    fence, language = "", ""
    inside: list[str] = []
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line.rstrip())
        if not fence:
            if match:
                fence, language, inside = match[1], match[2].strip().lower(), []
        elif match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip():
            blocks += _opened(inside, language, depth)
            fence = ""
        else:
            inside.append(line)
    return blocks + (_opened(inside, language, depth) if fence else [])


def _opened(lines: Sequence[str], language: str, depth: int) -> list[str]:
    text = "\n".join(lines)
    if depth > 0 and (language in ("markdown", "md") or any(_FENCE.fullmatch(line.rstrip()) for line in lines)):
        return _fenced(text, depth - 1) or [text]
    return [text]


def _bare(text: str) -> str:
    """Returns the code of a reply without fences: from its first import or function to the end of the function."""
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if re.match(r"(?:async )?def \w|import \w|from [\w.]+ import |@", line)]
    if not starts or not any(re.match(r"(?:async )?def ", lines[i]) for i in starts):
        return ""
    code = lines[starts[0] :]
    last_def = max(i for i, line in enumerate(code) if re.match(r"(?:async )?def ", line))
    for end in range(last_def + 1, len(code)):
        if code[end].strip() and not re.match(r"[\s)\]}#]", code[end]) and _parses("\n".join(code[:end])):
            return "\n".join(code[:end])
    return "\n".join(code)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


# ---------------------------------------------------------------- judging


def _judge(source: str, function: FunctionPlan) -> Candidate | Refused:
    odd = _odd_character(source)
    if odd is not None:
        return _odd_refusal(function, source, odd)
    try:
        tree = ast.parse(source)
    except SyntaxError as fault:
        cut = _UNFINISHED.search(fault.msg)
        rule, why = (
            ("reply.truncated", "The code ends before it is complete") if cut else ("reply.syntax", "Syntax error")
        )
        return _refuse(function, rule, f"{why}: {fault.msg}.", fault.lineno, source)
    except (ValueError, RecursionError, MemoryError):
        return _refuse(function, "reply.syntax", "The code cannot be parsed (nested too deeply, or a null byte).")
    findings = [*_top_level(tree, function), *_name_characters(source, function)]
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function.name]
    if len(wanted) == 1:
        findings += _signature(wanted[0], function)
    if findings:
        return Refused(tuple(findings), source)
    return _candidate(tree, wanted[0], source, function)


def _candidate(tree: ast.Module, node: ast.FunctionDef, source: str, function: FunctionPlan) -> Candidate:
    lines = source.split("\n")[node.lineno - 1 : node.end_lineno]
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    imports = sorted({ast.unparse(each) for each in tree.body if _is_import(each)} - {_FUTURE})
    head = "\n".join(imports)
    return Candidate(function.step.name, f"{head}\n\n\n{text}" if head else text, text)


_FUTURE = "from __future__ import annotations"


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _odd_character(source: str) -> int | None:
    """Returns the position of the first invisible, bidirectional or control character."""
    for position, character in enumerate(source):
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return position
    return None


def _odd_refusal(function: FunctionPlan, source: str, position: int) -> Refused:
    line = source.count("\n", 0, position) + 1
    return _refuse(
        function,
        "reply.characters",
        f"Character U+{ord(source[position]):04X} is invisible or turns the text around; write it as an escape.",
        line,
    )


_UNFINISHED = re.compile(r"never closed|unterminated|expected an indented block|unexpected EOF")


def _top_level(tree: ast.Module, function: FunctionPlan) -> Iterator[Finding]:
    given = {node.name: node for node in ast.parse(function.given).body if isinstance(node, ast.ClassDef)}
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    named = [node for node in functions if node.name == function.name]
    if not named:
        names = ", ".join(repr(node.name) for node in functions) or "none"
        yield _finding(function, "reply.name", f"The function must be named {function.name!r}; there is {names}.")
    if len(functions) > 1:
        yield _finding(
            function,
            "reply.several",
            f"{len(functions)} top-level functions; exactly one is asked for. Nest helpers inside it.",
            functions[1].lineno,
        )
    for node in named:
        if isinstance(node, ast.AsyncFunctionDef) or node.decorator_list:
            yield _finding(function, "reply.signature", "Plain `def` without decorators is asked for.", node.lineno)
    for each in tree.body:
        if isinstance(each, (ast.Import, ast.ImportFrom)):
            yield from _import_findings(each, function)
        elif not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _harmless(each, given):
            yield _finding(
                function,
                "reply.top_level",
                "Only imports and the function may stand at top level; move this into the function or leave it out.",
                each.lineno,
            )


def _harmless(node: ast.stmt, given: dict[str, ast.ClassDef]) -> bool:
    """A docstring of the file, or a given class repeated as it was given."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.ClassDef) and node.name in given and ast.dump(node) == ast.dump(given[node.name])


def _import_findings(node: ast.Import | ast.ImportFrom, function: FunctionPlan) -> Iterator[Finding]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    else:
        modules = [node.module or "."] if not node.level else ["." * node.level + (node.module or "")]
        if any(alias.name == "*" for alias in node.names):
            yield _finding(function, "reply.import", "Import names one by one, not '*'.", node.lineno)
    for module in modules:
        if module not in function.allowed_imports and module != "__future__":
            allowed = ", ".join(sorted(function.allowed_imports))
            yield _finding(function, "reply.import", f"Import of {module!r}; allowed: {allowed}.", node.lineno)


def _signature(node: ast.FunctionDef, function: FunctionPlan) -> Iterator[Finding]:
    wanted = ast.parse(f"{function.signature} ...").body[0]
    assert isinstance(wanted, ast.FunctionDef) and wanted.returns is not None
    returns = ast.dump(node.returns) if node.returns is not None else ""
    if ast.dump(node.args) != ast.dump(wanted.args) or returns != ast.dump(wanted.returns):
        yield _finding(
            function, "reply.signature", f"The signature must be, to the letter: {function.signature}", node.lineno
        )


def _name_characters(source: str, function: FunctionPlan) -> Iterator[Finding]:
    """Names outside of ASCII can look like others, and Python folds them: none is needed."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not token.string.isascii():
            yield _finding(function, "reply.characters", "Names are written in ASCII letters.", token.start[0])
            return
