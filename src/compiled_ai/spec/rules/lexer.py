"""Words of a rule: names of several words are found in the scope, longest first; keywords in any case.

The lexer is contextual where a business name may look like a keyword: `contains` after a value is the operator,
before a bracket it is the function, and a field called `is` is a field wherever a value may begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lark import Token

from compiled_ai.spec.model import Mark
from compiled_ai.spec.rules.ast import Place
from compiled_ai.spec.rules.functions import FUNCTIONS, PROPERTIES

HARD = ("IF", "THEN", "ELSE", "AND", "OR", "NOT", "NULL", "TRUE", "FALSE")
SOFT = ("IN", "BETWEEN", "IS", "CONTAINS", "MATCHES", "BECAUSE")
RESERVED = ("for", "some", "every", "return", "satisfies", "function")
SYMBOLS = {
    "**": "POWER",
    "..": "DOTDOT",
    "<=": "COMPARE",
    ">=": "COMPARE",
    "!=": "COMPARE",
    "≤": "COMPARE",
    "≥": "COMPARE",
    "≠": "COMPARE",
    "<": "COMPARE",
    ">": "COMPARE",
    "=": "EQUAL",
    "+": "PLUS",
    "-": "MINUS",
    "−": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    ".": "DOT",
    ",": "COMMA",
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    "?": "QUESTION",
    "@": "AT",
}
FOREIGN = {
    "==": "Equality is written '='.",
    "<>": "Inequality is written '!='.",
    "&&": "Write AND.",
    "||": "Write OR.",
    "&": "Write AND.",
    "|": "Write OR.",
    "!": "Write NOT (or '!=').",
    "%": "Write the remainder as modulo(a, b), a percentage as a fraction: 0.2.",
    "{": "Contexts '{...}' are reserved for a later version.",
    "}": "Contexts '{...}' are reserved for a later version.",
    ";": "Statements stand on lines of their own.",
    "“": 'Text stands in straight quotes: "...".',
    "”": 'Text stands in straight quotes: "...".',
    "‘": 'Text stands in straight quotes: "...".',
    "’": 'Text stands in straight quotes: "...".',
    "`": 'Text stands in straight quotes: "...".',
    "^": "A power is written a ** b.",
    ":": "Write '=' to assign or compare.",
}
PLAIN = {"≤": "<=", "≥": ">=", "≠": "!=", "−": "-"}
OPERAND_ENDS = frozenset(
    {"NUMBER", "STRING", "DATE", "NAME", "TABLE", "WORD", "MEMBER", "RPAR", "RSQB", "NULL", "TRUE", "FALSE", "QUESTION"}
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}

_SPACE = re.compile(r"(?:\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/)+", re.DOTALL)
_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3}(?![\w]))?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?)?(?![\w-])", re.ASCII)
_WORD = re.compile(r"[^\W\d]\w*(?:-\w+)*")
_RANGE_END = re.compile(r"\[\s*(?:$|[,)\]]|(?:and|or|then|else|because)\b)", re.IGNORECASE)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*'")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


class Refused(Exception):
    """A text that is no rule: where, and what to do. Never leaves this room; it becomes a `Finding`."""

    def __init__(self, place: Place, message: str, rule: str = "rules.syntax") -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.rule = rule


def _alternatives(names: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for all names, longest first; words of a name may be apart by any white space."""
    parts = []
    for name in sorted(names, key=len, reverse=True):
        words = [r"\s*\.\s*".join(re.escape(piece) for piece in word.split(".")) for word in name.split()]
        parts.append(r"\s+".join(words) + (r"(?![\w])" if name[-1:].isalnum() or name[-1:] == "_" else ""))
    return re.compile("|".join(f"({part})" for part in parts)) if parts else None


@dataclass
class Names:
    """Names of a scope, by what they are."""

    fields: Sequence[str]
    tables: Sequence[str] = ()
    members: Sequence[str] = ()
    """Fields of objects and columns of tables, for what may follow a dot."""
    _fields: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learn(())

    def learn(self, more: Iterable[str]) -> None:
        """Adds names that the rule itself defines."""
        self.fields = (*self.fields, *more)
        self.ordered = sorted({*self.fields, *self.tables}, key=len, reverse=True)
        self.pattern = _alternatives(self.ordered)

    def match(self, text: str, position: int) -> tuple[str, int] | None:
        """Returns the longest name at `position` and where it ends."""
        found = self.pattern.match(text, position) if self.pattern else None
        if not found or not found.lastindex:
            return None
        return self.ordered[found.lastindex - 1], found.end()


_FUNCTION_NAMES = sorted(FUNCTIONS, key=len, reverse=True)
_FUNCTIONS = re.compile(
    "(" + "|".join(r"\s+".join(map(re.escape, name.split())) for name in _FUNCTION_NAMES) + r")(?=\s*\()"
)


class Lexer:
    """Yields the tokens of one text; their line and column are those of the specification's file."""

    def __init__(self, text: str, names: Names, mark: Mark, *, rule: bool = False, cell: bool = False) -> None:
        self.text = text
        self.names = names
        self.mark = mark
        self.cell = cell
        """In a table's cell, `2026-01-31` is a date."""
        self.rule = rule
        """Whether assignments may occur (a rule), or only an expression."""
        self.position = 0
        self.depth = 0
        self.last: str | None = None
        self.denied = False
        """The last word is a NOT that follows a value, as in `x NOT IN`."""
        self.learned: set[str] = set()
        self.targets = False
        """Inside an outcome, where a comma may begin the next assignment."""
        known = {*names.members, *(name for kind in PROPERTIES.values() for name in kind)}
        self.members = sorted(known, key=len, reverse=True)
        self.member_pattern = _alternatives(self.members)

    def place(self, position: int) -> Place:
        before = self.text[:position]
        return Place(self.mark.line + before.count("\n"), self.mark.column + position - (before.rfind("\n") + 1))

    def refuse(self, position: int, message: str) -> Refused:
        return Refused(self.place(position), message)

    def __iter__(self) -> Iterator[Token]:
        while True:
            space = _SPACE.match(self.text, self.position)
            fresh = self.position == 0 or (space is not None and "\n" in space.group())
            self.position = space.end() if space else self.position
            if self.position >= len(self.text):
                return
            token = self._next(fresh)
            self.denied = token.type == "NOT" and self.last in OPERAND_ENDS
            self.last = token.type
            yield token

    def _token(self, kind: str, value: str, end: int) -> Token:
        start, place, last = self.position, self.place(self.position), self.place(end)
        self.position = end
        return Token(kind, value, start, place.line, place.column, last.line, last.column, end)

    def _next(self, fresh: bool) -> Token:
        text, at = self.text, self.position
        if text[at] in "\"'":
            return self._string()
        day = _DATE.match(text, at) if self.cell else None
        if day:
            return self._token("DATE", day.group(), day.end())
        number = _NUMBER.match(text, at)
        if number:
            return self._token("NUMBER", number.group(), number.end())
        if self.last == "DOT":
            return self._member()
        target = self._target(fresh)
        return target or self._named() or self._symbol()

    def _string(self) -> Token:
        found = _STRING.match(self.text, self.position)
        if not found:
            raise self.refuse(self.position, "Text without its closing quote. Close it on the same line.")
        inner = found.group()[1:-1]
        return self._token("STRING", _ESCAPE.sub(lambda part: self._escape(part.group(1)), inner), found.end())

    def _escape(self, code: str) -> str:
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise self.refuse(self.position, f"Unknown escape {chr(92) + code!s} in text. Write a backslash twice.")
        return ESCAPES[code]

    def _member(self) -> Token:
        known = self.member_pattern.match(self.text, self.position) if self.member_pattern else None
        if known and known.lastindex:
            return self._token("MEMBER", self.members[known.lastindex - 1], known.end())
        word = _WORD.match(self.text, self.position)
        if not word:
            raise self.refuse(self.position, "Expected the name of a field after the dot.")
        return self._token("MEMBER", word.group(), word.end())

    def _target(self, fresh: bool) -> Token | None:
        """The left side of an assignment: where a line begins, after THEN or ELSE, or after a comma of an outcome."""
        if not self.rule or self.depth:
            return None
        outcome = self.last in ("THEN", "ELSE") or (self.last == "COMMA" and self.targets)
        if not outcome and not (fresh and (self.last is None or self.last in OPERAND_ENDS)):
            return None
        found = re.compile(r"([^\W\d][\w-]*(?:[ \t]+[^\W\d][\w-]*)*)[ \t]*=(?!=)").match(self.text, self.position)
        if not found:
            return None
        name = " ".join(found.group(1).split())
        if name.split()[0].upper() in HARD or any(word.upper() in HARD for word in name.split()):
            return None
        if not outcome:
            if name in self.names.fields and name not in self.learned:
                return None
            self.learned.add(name)
            self.names.learn((name,))
            self.targets = False
        else:
            self.targets = True
        return self._token("TARGET", name, found.end(1))

    def _named(self) -> Token | None:
        text, at = self.text, self.position
        known = self.names.match(text, at)
        function = _FUNCTIONS.match(text, at)
        word = _WORD.match(text, at)
        upper = word.group().upper() if word else ""
        operand = self.denied or self.last in OPERAND_ENDS
        if known and (not function or known[1] - at > len(function.group(1))):
            single = bool(word) and known[1] == word.end() if word else False
            if not (single and (upper in HARD or (upper in SOFT and operand))):
                return self._token("TABLE" if known[0] in self.names.tables else "NAME", known[0], known[1])
        if function and not (operand and upper in SOFT):
            return self._token("FUNCTION", " ".join(function.group(1).split()), function.end(1))
        if not word:
            return None
        keyword = re.compile(r"[^\W\d]\w*").match(text, at)
        upper = keyword.group().upper() if keyword else upper
        if keyword and (upper in HARD or (upper in SOFT and (operand or upper == "BECAUSE"))):
            if upper in ("IF", "THEN", "ELSE", "BECAUSE"):
                self.targets = False
            return self._token(upper, keyword.group(), keyword.end())
        if word.group() in RESERVED and not operand:
            raise self.refuse(at, f"{word.group()!r} is reserved for a later version of the rule language.")
        return self._token("WORD", word.group(), word.end())

    def _open_end(self) -> Token | None:
        """`]1..5[`: FEEL's other brackets for ends that a range excludes."""
        symbol, operand = self.text[self.position], self.last in OPERAND_ENDS
        if symbol == "]" and not operand and self.last != "LSQB":
            self.depth += 1
            return self._token("LPAR", symbol, self.position + 1)
        if operand and _RANGE_END.match(self.text, self.position):
            self.depth -= 1
            return self._token("RPAR", symbol, self.position + 1)
        return None

    def _symbol(self) -> Token:
        bracket = self._open_end()
        if bracket is not None:
            return bracket
        for size in (2, 1):
            symbol = self.text[self.position : self.position + size]
            if symbol in FOREIGN:
                raise self.refuse(self.position, f"Unexpected {symbol!r}. {FOREIGN[symbol]}")
            if symbol in SYMBOLS:
                self.depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(symbol, 0)
                return self._token(SYMBOLS[symbol], PLAIN.get(symbol, symbol), self.position + size)
        raise self.refuse(self.position, f"Unexpected character {self.text[self.position]!r}.")
