"""What can be judged before Python parses the text: size, encoding, characters, comments, words to a reader."""

from __future__ import annotations

import io
import re
import tokenize
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 200_000
MAX_LINES = 6_000
MAX_LINE = 4_000
MAX_BRACKETS = 60
MAX_OPERATORS = 60
"""Unary or binary operators in a row, without anything else between."""
MAX_TOKENS = 60_000


@dataclass(frozen=True)
class Fault:
    """One fault of a source text, before it becomes a `Finding`."""

    rule: str
    message: str
    line: int = 1
    column: int | None = None


def text_faults(source: str, *, strict: bool) -> list[Fault]:
    """Returns the faults of the text; if there are any of size or characters, it is not safe to parse it.

    Args:
        source: the text.
        strict: identifiers must be ASCII, and no comment may switch a check off (mode `function`).
    """
    return [*_sizes(source), *_characters(source), *_encoding(source)]


def _sizes(source: str) -> Iterator[Fault]:
    if len(source) > MAX_CHARACTERS:
        yield Fault("code.size", f"{len(source)} characters, at most {MAX_CHARACTERS} are allowed; split the file")
        return
    lines = source.split("\n")
    if len(lines) > MAX_LINES:
        yield Fault("code.size", f"{len(lines)} lines, at most {MAX_LINES} are allowed; split the file")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield Fault("code.size", f"a line of {len(line)} characters, at most {MAX_LINE} are allowed", number)


_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff\ue000-\uf8ff"
    "\u0085\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]|\r(?!\n)"
)
_EMOJI_STYLE = re.compile("(?<=[\u2000-\u3300\U0001f000-\U0001ffff])\ufe0f")


def _characters(source: str) -> Iterator[Fault]:
    if source.isascii() and not _INVISIBLE.search(source):
        return
    for number, line in enumerate(_EMOJI_STYLE.sub(" ", source.removeprefix("\ufeff")).split("\n"), 1):
        found = _INVISIBLE.search(line)
        if found and not (found.group() == "\r" and found.end() == len(line)):
            yield Fault(
                "code.unicode",
                f"invisible or control character U+{ord(found.group()[0]):04X}; write it as an escape if it is data",
                number,
                found.start() + 1,
            )


_DECLARED = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def _encoding(source: str) -> Iterator[Fault]:
    for number, line in enumerate(source.split("\n")[:2], 1):
        declared = _DECLARED.match(line)
        if declared and declared.group(1).lower().replace("_", "-") not in ("utf-8", "utf8", "ascii", "us-ascii"):
            yield Fault("code.encoding", f"encoding {declared.group(1)!r} is declared; save the file as UTF-8", number)


_NOSEC = re.compile(
    r"#\s*(nosec\b|nosemgrep\b|pragma:\s*(allow|white)list|noinspection\b|bandit:|skipcq|codeql\[|lgtm\b"
    r"|NOSONAR)",
    re.I,
)
_NOQA = re.compile(r"#\s*(noqa\b|type:\s*ignore|mypy:|ruff:|pylint:|pyright:|pragma:\s*no\s*cover|fmt:|isort:)", re.I)


def token_faults(source: str, *, strict: bool) -> list[Fault]:
    """Returns faults of nesting, identifiers and comments. Raises what `tokenize` raises."""
    faults: list[Fault] = []
    depth = operators = 0
    for count, token in enumerate(tokenize.generate_tokens(io.StringIO(source).readline)):
        line, column = token.start[0], token.start[1] + 1
        if token.type == tokenize.OP and token.string in "([{":
            depth += 1
        elif token.type == tokenize.OP and token.string in ")]}":
            depth -= 1
        operators = operators + 1 if token.string in _PREFIXES else 0
        if depth > MAX_BRACKETS or operators > MAX_OPERATORS or count > MAX_TOKENS:
            return [
                *faults,
                Fault("code.size", "nested too deeply, or too long, to be judged; split it up", line, column),
            ]
        if token.type == tokenize.COMMENT:
            faults += _comment(token.string, line, column, strict)
        elif token.type == tokenize.NAME and not token.string.isascii():
            faults += _identifier(token.string, line, column, strict)
    return faults


_PREFIXES = frozenset({"-", "+", "~", "not", "await", "lambda", ":", "*", "**", "yield", "if", "else", "("})


def _comment(comment: str, line: int, column: int, strict: bool) -> Iterator[Fault]:
    if _NOSEC.match(comment) or (strict and _NOQA.match(comment)):
        yield Fault("code.suppression", f"comment {comment[:40]!r} switches a check off; delete it", line, column)
    yield from words_to_a_reader(comment, line, column)


_LATIN_LOOKALIKES = frozenset("асеорхуіјѕԁһԛԝҺАВЕКМНОРСТУХІЈЅαινορυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")


def _identifier(name: str, line: int, column: int, strict: bool) -> Iterator[Fault]:
    scripts = {unicodedata.name(char, "?").split()[0] for char in name if char.isalpha()}
    if strict:
        problem = "is not ASCII"
    elif unicodedata.normalize("NFKC", name) != name:
        problem = f"is read by Python as {unicodedata.normalize('NFKC', name)!r}"
    elif len(scripts) > 1:
        problem = f"mixes scripts ({', '.join(sorted(scripts))})"
    elif scripts != {"LATIN"} and all(char in _LATIN_LOOKALIKES for char in name if char.isalpha()):
        problem = "looks like another name in Latin letters"
    else:
        return
    yield Fault("code.unicode", f"identifier {name!r} {problem}; use plain letters", line, column)


_ADDRESSED = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"\b(ignor|disregard|forget|overrid|bypass|skip|circumvent)\w*\b[^.\n]{0,40}\b(instruction|prompt"
        r"|directive|guideline"
        r"|system message|polic(y|ies)|security (check|rule|scan|review|gate)|safety (check|rule)|(code"
        r"|ast) gate|validat"
        r"(ion|or)s?\b[^.\n]{0,20}\b(result|finding|stage|check))",
        r"\b(this|the|following|above|below)\s+(code|function|file|module|snippet|script|program|candidate"
        r"|submission)\b"
        r"[^.\n]{0,25}\b(is|are|was|were|has been|have been)\b[^.\n]{0,25}\b(safe|secure|trusted|harmless"
        r"|approved|verified|"
        r"audited|validated|vetted|reviewed|whitelisted|allowlisted|benign|pre-?approved|cleared"
        r"|certified)\b(?!\s+(for|with|when|if|against|on|under|from|to (call|use|reuse|pass))\b)",
        r"\b(approve|accept|pass|whitelist|allowlist|trust|clear)\s+(this|the)\s+(code|function|file|module"
        r"|snippet|script|"
        r"candidate|submission|program|change|patch|review)\b",
        r"\b(mark|rate|report|score|classify|label|flag|consider|treat|judge|grade|return)\s+(this|it|the"
        r"|everything)\b"
        r"[^.\n]{0,40}\b(safe|secure|passed|passing|approved|benign|correct|compliant|clean|trusted"
        r"|harmless|no (issues|findings))"
        r"\b",
        r"\b(do not|don't|never|must not|should not|no need to)\s+(flag|report|reject|refuse|scan"
        r"|analy[sz]e|inspect|review|"
        r"block|check|warn about|mention)\b[^.\n]{0,30}\b(this|it|code|function|file|line|vulnerab\w*|issue"
        r"|finding|section|"
        r"import|call)\b",
        r"\b(note|message|attention|instructions?|memo|hint|dear|hello|hi|hey|to)\b[\s:,]{0,4}(for|to|the"
        r"|any|all)?\s*"
        r"(the |any |all |future )?\b(ai|llms?|language models?|gpt\w*|claude|chatgpt|copilot|gemini"
        r"|assistants?|chatbots?|"
        r"(code |security |ai |automated )?(reviewers?|auditors?|scanners?|graders?|evaluators?|judges?"
        r"|validators?|gate))\b"
        r"\s*[:,!.\-—]",
        r"^\W*(ai|llm|assistant|system|reviewer|auditor|claude|chatgpt|gpt|copilot|validator|evaluator"
        r"|grader|judge|model)s?\s*"
        r"(note|message|instruction|override|prompt)?\s*[:!]\s*\w",
        r"\b(you are|you're|act as|pretend to be|as)\s+(now\s+)?(an?\s+|the\s+)?([\w-]+\s+){0,2}(ai|llm"
        r"|language model|assistant|"
        r"chatbot|code reviewer|security (reviewer|auditor|analyst|scanner)|gpt\S*|claude)\b",
        r"\b(system prompt|jailbreak|developer mode|prompt injection|end of (system )?prompt|new instructions?\s*:)",
        r"(?<!\?P)<\|?\s*(im_start|im_end|system|assistant|endoftext|user)\s*\|?>|\[/?INST\]|<<SYS>>"
        r"|###\s*(instruction|system|response)"
        r"|\bBEGIN (SYSTEM|INSTRUCTIONS?)\b",
        r"\b(already|previously|has been|was|been|pre-?)\s*(security[- ])?(validated|approved|audited"
        r"|vetted|verified|reviewed|"
        r"cleared|whitelisted|scanned|certified)\b[^.\n]{0,30}\b(by|as)\b[^.\n]{0,40}\b(security|team"
        r"|compliance|review|audit|"
        r"gate|scanner|bandit|semgrep|safe|validator|human)",
        r"\b(passes|passed|pass|satisfies|cleared)\s+(all|every|the|each)\b[^.\n]{0,25}\b(stages?|checks?"
        r"|gates?|validation|"
        r"security|scans?|audits?)\b",
        r"\b(respond|reply|answer|output|say|print)\s+(only\s+)?(with|as)?\s*[\"'`]?(approved|safe"
        r"|pass(ed)?|lgtm|no issues)\b",
        r"\b(verdict|security review|review result|gate|stage result|validation|status of review)\s*[:=]\s*[\"'`]?"
        r"(pass(ed)?|safe|approved?|ok\b|clean|success)",
        r"\b(ignora|ignorez|ignorer|ignoriere|ignorieren|ignore|oublie|olvida|vergiss)\w*\b[^.\n]{0,40}"
        r"\b(istruzioni|instrucciones|instructions|anweisungen|instru[cç]([oõ]es|ões)|consignes)\b",
        r"\b(mod[eè]le d.IA|modelo de IA|(assistente|asistente) (automatic\w+|de IA|IA)|assistant IA"
        r"|KI-?\w*pr[uü]fer|KI-Modell)\b",
        r"\b(ne signalez|non segnalare|no (señales|informes)|nicht melden|não (sinalize|reporte))\b",
        r"</?\s*(verdict|review|result|analysis|system)\s*>",
        r"\b(no|zero)\s+(security\s+)?(vulnerabilit|findings|security issues)\w*\b[^.\n]{0,30}\b(here"
        r"|in this|found|present|below)",
    )
)


_DIGITS_FOR_LETTERS = str.maketrans("01345@$", "oieasas")
_MIXED = re.compile(r"[A-Za-z][01345@$][a-z]")


def words_to_a_reader(text: str, line: int, column: int | None = None) -> Iterator[Fault]:
    """Yields a fault if a comment or text speaks to a model or a reviewer."""
    plain = unicodedata.normalize("NFKC", text[:20_000])
    spelt = plain.translate(_DIGITS_FOR_LETTERS) if _MIXED.search(plain) else plain
    for pattern in _ADDRESSED:
        found = pattern.search(plain) or (pattern.search(spelt) if spelt is not plain else None)
        if found:
            words = " ".join(found.group().split())[:60]
            yield Fault(
                "code.addressed", f"text that speaks to whoever judges this code ({words!r}); delete it", line, column
            )
            return


_CREDENTIALS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_\w{20,}",
        r"\bglpat-[\w-]{16,}",
        r"\b(sk|pk|rk)[_-](live|test|ant|proj)[_-][A-Za-z0-9_-]{8,}",
        r"\bsk-[A-Za-z0-9]{20,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{8,}",
        r"\bAIza[0-9A-Za-z_-]{30,}",
        r"\bya29\.[0-9A-Za-z_-]{16,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.",
        r"\b[a-z][a-z0-9+]{1,20}://[^\s:/@{}]{1,60}:[^\s/@{}]{1,80}@[\w.-]+",
        r"\b(?i:bearer|basic)\s+[A-Za-z0-9+/_=.-]{16,}",
        r"(?i)\b(password|passwd|pwd)\s*=\s*[^\s;'\"{}%&<>]{3,}\s*(;|$)",
        r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    )
)


def is_credential(text: str) -> bool:
    """Tells whether a text has the form of a known kind of key, token or address with a password."""
    return any(pattern.search(text) for pattern in _CREDENTIALS)
