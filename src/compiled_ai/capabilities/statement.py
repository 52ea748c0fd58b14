"""One SQL statement, as far as it must be understood before it is sent: what it reads, what it writes, what it binds.

A statement is text of the specification and never changes: values reach it as bound parameters (`:name`) only. What
looks as if something were to be written into the text (`{name}`, `%(name)s`, `?`) is a fault, as are a second
statement and words that run text as SQL. Tables are read off the tokens, with the names of `WITH` left out; the
database's own rights stand behind this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`[^`]*`|\[[A-Za-z_][^\]]*\])
    |(?P<cast>::)
    |(?P<bound>:[A-Za-z_]\w*)
    |(?P<placeholder>\$?\{\s*\w+\s*\}|%\(\w+\)s|%s(?!\w)|\$\d+|\?)
    |(?P<dollar>\$\w*\$)
    |(?P<word>[A-Za-z_][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<sign>\S)""",
    re.VERBOSE | re.DOTALL,
)
_INSIDE_TEXT = re.compile(r"\$?\{\s*\w+\s*\}|%\(\w+\)s|^'%s'$")
_READS = ("SELECT", "VALUES", "WITH")
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE")
_RUNS_TEXT = ("EXECUTE", "EXEC", "PREPARE", "COPY", "CALL", "DO", "ATTACH", "LOAD")
_NO_TARGET = ("FOR", "DO", "KEY")
_AFTER_A_TABLE = re.compile(
    "WHERE|ON|USING|SET|VALUES|GROUP|ORDER|LIMIT|HAVING|UNION|EXCEPT|INTERSECT|JOIN|LEFT|RIGHT|FULL|INNER|CROSS|"
    "NATURAL|RETURNING|WHEN|OFFSET|FETCH|FOR|WINDOW|SELECT|DEFAULT"
)
_AFTER_THE_COLUMNS = re.compile("FROM|INTO|WHERE|GROUP|HAVING|WINDOW|UNION|EXCEPT|INTERSECT|ORDER|LIMIT|OFFSET|FETCH")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement does. Names of tables are in lower case, with their schema where one is written."""

    parameters: tuple[str, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    changes: bool
    """It begins as a statement that writes, or has one inside."""
    columns: tuple[str, ...] | None
    """Names of the columns that it gives, in lower case; `None` where the text alone does not say all of them."""
    faults: tuple[str, ...]
    """What is wrong with it whatever is declared, one sentence each."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def upper(self) -> str:
        return self.text.upper() if self.kind == "word" else self.text if self.kind == "sign" else ""


@lru_cache(maxsize=256)
def read_statement(text: str) -> Statement:
    """Reads one statement; what is wrong with it is in `faults`."""
    tokens = [_Token(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]
    tokens = [token for token in tokens if token.kind != "comment"]
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    first = tokens[0].upper if tokens else ""
    reads, writes = _tables(tokens)
    inner = {token.upper for token in tokens} & {"INSERT", "DELETE", "MERGE"}
    return Statement(
        parameters=tuple(dict.fromkeys(token.text[1:] for token in tokens if token.kind == "bound")),
        reads=frozenset(reads),
        writes=frozenset(writes),
        changes=first in _WRITES or bool(writes) or bool(inner and first == "WITH"),
        columns=_columns(tokens),
        faults=tuple(_faults(tokens, first)),
    )


def escaped(text: str) -> str:
    """Returns the statement for SQLAlchemy's `text`: every colon that binds nothing (in a text, in a cast) escaped."""
    return _TOKEN.sub(lambda token: token[0] if token.lastgroup == "bound" else token[0].replace(":", "\\:"), text)


def _faults(tokens: Sequence[_Token], first: str) -> Iterator[str]:
    if first not in (*_READS, *_WRITES):
        yield f"The statement begins with {first!r}; it must be SELECT, VALUES, WITH, {', '.join(_WRITES)}."
    if any(token.text == ";" for token in tokens):
        yield "There is more than one statement. Write each as a step of its own."
    for token in tokens:
        if token.kind == "placeholder" or (token.kind == "text" and _INSIDE_TEXT.search(token.text)):
            shown = _INSIDE_TEXT.search(token.text) if token.kind == "text" else None
            what = shown.group() if shown else token.text
            yield f"The statement interpolates {what!r}. Bind the value: write ':name', and name it in 'parameters'."
        if token.kind == "dollar" or token.text.startswith("'") and token.kind == "sign":
            yield f"{token.text!r} begins a text that cannot be read. Use '...' with '' for a quote inside."
        if token.upper in _RUNS_TEXT and token is tokens[0]:
            yield f"{token.text!r} runs text as a program. Write the statement itself."
    if first in _WRITES and any(token.upper == "RETURNING" for token in tokens):
        yield "A statement that writes yields the number of rows, not their values. Read them in a step of its own."


def _tables(tokens: Sequence[_Token]) -> tuple[set[str], set[str]]:
    reads: set[str] = set()
    writes: set[str] = set()
    own = _common_names(tokens)
    selecting = [False]
    for index, token in enumerate(tokens):
        word, before = token.upper, tokens[index - 1].upper if index else ""
        if word == "(":
            selecting.append(False)
        elif word == ")" and len(selecting) > 1:
            selecting.pop()
        elif word in ("SELECT", "DELETE", "UPDATE", "MERGE"):
            selecting[-1] = True
        if word == "FROM" and selecting[-1] and before not in ("DISTINCT",):
            (writes if before == "DELETE" else reads).update(_list_after(tokens, index))
        elif word == "USING" and selecting[-1] and tokens[index + 1 : index + 2] and tokens[index + 1].upper != "(":
            reads.update(_list_after(tokens, index))
        elif word == "JOIN":
            reads.update(_list_after(tokens, index)[:1])
        elif word == "INTO" or (word == "UPDATE" and before not in _NO_TARGET and _names_follow(tokens, index)):
            writes.update(_list_after(tokens, index)[:1])
    return {name for name in reads if name not in own}, {name for name in writes if name not in own}


def _columns(tokens: Sequence[_Token]) -> tuple[str, ...] | None:
    """The names that the first `SELECT` outside of brackets gives; `None` for `*` and what only the database names."""
    items: list[list[_Token]] = []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and items and _AFTER_THE_COLUMNS.fullmatch(token.upper):
            break
        if depth == 0 and (token.text == "," if items else token.upper == "SELECT"):
            items.append([])
        elif items and token.upper not in ("DISTINCT", "ALL"):
            items[-1].append(token)
    names = [_column(item) for item in items]
    return None if not names or None in names else tuple(name for name in names if name is not None)


def _column(item: Sequence[_Token]) -> str | None:
    """The name of `name`, `table.name` and `... AS name`."""
    if not item or item[-1].kind not in ("word", "quoted"):
        return None
    plain = _dotted(item, 0)[1] == len(item) if item[0].kind in ("word", "quoted") else False
    return _name(item[-1]) if plain or (len(item) > 2 and item[-2].upper == "AS") else None


def _names_follow(tokens: Sequence[_Token], index: int) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1].kind in ("word", "quoted") and tokens[index + 1].upper != "SET"


def _common_names(tokens: Sequence[_Token]) -> set[str]:
    """Names that `WITH` defines: a word (and perhaps columns in brackets) before `AS (`."""
    if not any(token.upper == "WITH" for token in tokens):
        return set()
    names: set[str] = set()
    for index, token in enumerate(tokens):
        after = tokens[index + 1].upper if index + 1 < len(tokens) else ""
        if token.upper != "AS" or after not in ("(", "MATERIALIZED", "NOT"):
            continue
        place = index - 1
        if place > 0 and tokens[place].text == ")":
            while place > 0 and tokens[place].text != "(":
                place -= 1
            place -= 1
        if place >= 0 and tokens[place].kind in ("word", "quoted"):
            names.add(_name(tokens[place]))
    return names


def _list_after(tokens: Sequence[_Token], index: int) -> list[str]:
    """Names of the tables that follow a word, through commas; what stands in brackets is read by itself."""
    found: list[str] = []
    place = index + 1
    while place < len(tokens):
        while place < len(tokens) and tokens[place].upper in ("ONLY", "LATERAL", "TABLE"):
            place += 1
        if place < len(tokens) and tokens[place].text == "(":
            place = _behind(tokens, place)
        elif place < len(tokens) and tokens[place].kind in ("word", "quoted"):
            name, place = _dotted(tokens, place)
            found.append(name)
            if place < len(tokens) and tokens[place].text == "(":
                place = _behind(tokens, place)
        else:
            break
        while place < len(tokens) and tokens[place].kind in ("word", "quoted"):
            if _AFTER_A_TABLE.fullmatch(tokens[place].upper):
                return found
            place += 1
        if place >= len(tokens) or tokens[place].text != ",":
            break
        place += 1
    return found


def _dotted(tokens: Sequence[_Token], place: int) -> tuple[str, int]:
    parts = [_name(tokens[place])]
    place += 1
    while place + 1 < len(tokens) and tokens[place].text == "." and tokens[place + 1].kind in ("word", "quoted"):
        parts.append(_name(tokens[place + 1]))
        place += 2
    return ".".join(parts), place


def _behind(tokens: Sequence[_Token], place: int) -> int:
    """The place behind the bracket that closes the one at `place`."""
    depth = 0
    for index in range(place, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index + 1
    return len(tokens)


def _name(token: _Token) -> str:
    return (token.text[1:-1] if token.kind == "quoted" else token.text).lower()
