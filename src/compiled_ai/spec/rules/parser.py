"""From the author's text to the tree of `ast.py`, names not yet checked."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from importlib import resources
from typing import Any, Literal

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.lexer import Lexer as LarkLexer
from lark.lexer import LexerState
from lark.tree import Meta

from compiled_ai.library.values import NUMBERS
from compiled_ai.spec.model import Mark
from compiled_ai.spec.rules.ast import (
    TEXT,
    Branch,
    Call,
    Candidate,
    Chain,
    Compare,
    Constant,
    Expression,
    Filter,
    If,
    In,
    IsNull,
    Line,
    ListOf,
    Logic,
    Logical,
    Lookup,
    Name,
    Negate,
    Not,
    Operation,
    Outcome,
    Path,
    Place,
    Range,
    Setting,
    Test,
    Words,
)
from compiled_ai.spec.rules.lexer import Lexer, Names, Refused

Start = Literal["logic", "condition", "value", "cell"]
MAX_TEXT = 200_000
"""Characters of one rule text."""
MAX_DEPTH = 60
"""Brackets within brackets."""
MAX_CONDITIONS = 30
"""IFs within IFs: deeper ones leave no room for the code of their lines."""
MAX_TERMS = 200
"""Operators in a row (`a + b - c`)."""


class _Tokens(LarkLexer):
    """Lark's view of our lexer: what is parsed is already a list of tokens."""

    __future_interface__ = 1

    def __init__(self, _: Any) -> None:
        pass

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:
        tokens: Any = lexer_state.text
        return iter(tokens)


@functools.cache
def _grammar() -> Lark:
    text = (resources.files(__package__ or "") / "grammar.lark").read_text("utf-8")
    return Lark(
        text,
        start=["logic", "condition", "value", "cell"],
        parser="lalr",
        lexer=_Tokens,
        propagate_positions=True,
        maybe_placeholders=False,
    )


def parse(text: str, start: Start, *, names: Names, mark: Mark, cell: bool = False) -> Any:
    """Returns the tree of a text; raises `Refused` for the first thing that is wrong.

    `logic` gives a `Logic`, `condition` and `value` an `Expression`, `cell` a tuple of `Test`.
    """
    here = Place(mark.line, mark.column)
    if len(text) > MAX_TEXT:
        raise Refused(here, f"The rule has {len(text)} characters, at most {MAX_TEXT} are read. Split it.")
    lexer = Lexer(text, names, mark, rule=start == "logic", cell=cell)
    tokens = list(lexer)
    _check_depth(tokens)
    if not tokens:
        raise Refused(here, "The rule is empty. Write for example: IF amount > 100 THEN REVIEW ELSE APPROVE")
    try:
        tree = _grammar().parse(tokens, start=start)
        return _Builder(text, here).transform(tree)
    except UnexpectedInput as fault:
        raise _unexpected(fault, tokens, lexer) from None
    except VisitError as fault:
        if isinstance(fault.orig_exc, Refused):
            raise fault.orig_exc from None
        raise


def _check_depth(tokens: Sequence[Token]) -> None:
    depth = conditions = 0
    for token in tokens:
        conditions += {"IF": 1, "ELSE": -1}.get(token.type, 0)
        if conditions > MAX_CONDITIONS:
            message = f"More than {MAX_CONDITIONS} IFs within each other. Join conditions with AND, or write a table."
            raise Refused(_place(token), message)
        depth += {"LPAR": 1, "LSQB": 1, "IF": 1, "RPAR": -1, "RSQB": -1, "ELSE": -1}.get(token.type, 0)
        if depth > MAX_DEPTH:
            raise Refused(_place(token), f"More than {MAX_DEPTH} levels deep. Name a part on a line of its own.")


_VALUE = frozenset({"NUMBER", "STRING", "NAME", "FUNCTION", "WORD", "LPAR"})
_SHOWN = {
    "THEN": "THEN",
    "ELSE": "ELSE",
    "AND": "AND",
    "RPAR": "')'",
    "RSQB": "']'",
    "COMMA": "','",
    "NULL": "NULL",
    "EQUAL": "'='",
    "STRING": "text in quotes",
    "DOTDOT": "'..'",
    "LPAR": "'('",
    "MEMBER": "the name of a field",
}


def _unexpected(fault: UnexpectedInput, tokens: Sequence[Token], lexer: Lexer) -> Refused:
    expected = set(getattr(fault, "accepts", None) or getattr(fault, "expected", None) or ())
    wanted = ["a value"] if expected >= _VALUE else []
    wanted += [shown for name, shown in _SHOWN.items() if name in expected and not (wanted and name in _VALUE)]
    if "PLUS" in expected:
        wanted.append("an operator")
    advice = f" Expected {_listed(wanted)}." if wanted else ""
    token = fault.token if isinstance(fault, UnexpectedToken) else None
    if token is None or token.type == "$END":
        end = tokens[-1]
        place = Place(end.end_line or 1, end.end_column or 1)
        return Refused(place, f"The text ends too early, after {_shown(lexer.text, end)!r}.{advice}")
    at = next((index for index, each in enumerate(tokens) if each is token), 0)
    after = f" after {_shown(lexer.text, tokens[at - 1])!r}" if at else ""
    if token.type == "COMMA" and at >= 2 and tokens[at - 2].type in ("THEN", "ELSE"):
        word = _shown(lexer.text, tokens[at - 1])
        advice = f" An outcome of several fields names each of them: outcome = {word}, ..."
    return Refused(_place(token), f"Unexpected {_shown(lexer.text, token)!r}{after}.{advice}")


def _shown(text: str, token: Token) -> str:
    return text[token.start_pos : token.end_pos]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _place(item: Token | Meta) -> Place:
    return Place(item.line or 1, item.column or 1)


def _nodes(children: Sequence[Any]) -> list[Any]:
    return [child for child in children if not isinstance(child, Token)]


def _yield_settings(value: Expression, because: Expression | None, words: str, place: Place) -> Outcome:
    return _outcome((Setting("outcome", value, place),), because, words, place)


def _outcome(settings: tuple[Setting, ...], because: Expression | None, words: str, place: Place) -> Outcome:
    reason = because or Constant(place=place, type=TEXT, value=words)
    return Outcome(settings, reason, place, because is not None)


@v_args(meta=True)
class _Builder(Transformer[Any, Any]):
    """Turns Lark's tree into ours, from the leaves up."""

    def __init__(self, text: str, here: Place) -> None:
        super().__init__()
        self.text = text
        self.here = here

    # -- rules

    def logic(self, meta: Meta, children: list[Any]) -> Logic:
        lines = tuple(child for child in children if isinstance(child, Line))
        body = next((child for child in children if not isinstance(child, Line)), None)
        if isinstance(body, Chain):
            body = _explained(body, ())
        return Logic(lines, body, (), self.here)

    def line(self, meta: Meta, children: list[Any]) -> Line:
        return Line(str(children[0]), children[2], _place(meta), self._between(meta.start_pos, meta.end_pos))

    def plain(self, meta: Meta, children: list[Any]) -> Outcome:
        because = children[1] if len(children) > 1 else None
        words = self._between(meta.start_pos, meta.end_pos)
        return _yield_settings(children[0], because, words, _place(meta))

    def chain(self, meta: Meta, children: list[Any]) -> Chain:
        first, condition, then, body = children[:4]
        other = children[4] if len(children) > 4 else None
        words = self._between(first.end_pos, then.start_pos)
        source = self._between(first.start_pos, other.start_pos if other is not None else meta.end_pos)
        branch = Branch(condition, _worded(body, words), _place(first), source)
        if other is None:
            return Chain((branch,))
        rest = children[5]
        if isinstance(rest, Chain):
            again = rest.branches[0]
            joined = Branch(again.condition, again.body, _place(other), f"ELSE {again.source}")
            return Chain((branch, joined, *rest.branches[1:]))
        last = Branch(None, rest, _place(other), self._between(other.start_pos, meta.end_pos))
        return Chain((branch, last))

    def bare(self, meta: Meta, children: list[Any]) -> Outcome:
        return _yield_settings(children[0], children[1] if len(children) > 1 else None, "", _place(meta))

    def several(self, meta: Meta, children: list[Any]) -> Outcome:
        return _outcome(children[0], children[1] if len(children) > 1 else None, "", _place(meta))

    def settings(self, meta: Meta, children: list[Any]) -> tuple[Setting, ...]:
        return tuple(_nodes(children))

    def setting(self, meta: Meta, children: list[Any]) -> Setting:
        return Setting(str(children[0]), children[2], _place(meta))

    def because(self, meta: Meta, children: list[Any]) -> Expression:
        reason: Expression = children[1]
        return reason

    def condition(self, meta: Meta, children: list[Any]) -> Expression:
        found: Expression = children[0]
        return found

    def _between(self, start: int | None, end: int | None) -> str:
        return " ".join(self.text[start:end].split())

    # -- expressions

    def conditional(self, meta: Meta, children: list[Any]) -> If:
        condition, then, otherwise = _nodes(children)
        return If(place=_place(meta), condition=condition, then=then, otherwise=otherwise)

    def disjunction(self, meta: Meta, children: list[Any]) -> Logical:
        return Logical(place=_place(meta), operator="or", parts=tuple(_nodes(children)))

    def conjunction(self, meta: Meta, children: list[Any]) -> Logical:
        return Logical(place=_place(meta), operator="and", parts=tuple(_nodes(children)))

    def not_(self, meta: Meta, children: list[Any]) -> Not:
        return Not(place=_place(meta), operand=children[1])

    def compare(self, meta: Meta, children: list[Any]) -> Compare:
        left, operator, right = children
        return Compare(place=_place(operator), operator=str(operator), left=left, right=right)  # type: ignore[arg-type]

    def between(self, meta: Meta, children: list[Any]) -> In:
        return self._between_test(meta, children, negated=False)

    def not_between(self, meta: Meta, children: list[Any]) -> In:
        return self._between_test(meta, children, negated=True)

    def _between_test(self, meta: Meta, children: list[Any], *, negated: bool) -> In:
        subject, low, high = _nodes(children)
        place = _place(next(child for child in children if isinstance(child, Token)))
        within = Range(place=low.place, low=low, high=high)
        return In(
            place=place, subject=subject, tests=(Test(place=place, how="within", operand=within),), negated=negated
        )

    def in_(self, meta: Meta, children: list[Any]) -> In:
        return self._in(children, negated=False)

    def not_in(self, meta: Meta, children: list[Any]) -> In:
        return self._in(children, negated=True)

    def _in(self, children: list[Any], *, negated: bool) -> In:
        subject, target = _nodes(children)
        place = _place(next(child for child in children if isinstance(child, Token)))
        tests = target if isinstance(target, tuple) else (Test(place=target.place, how="unknown", operand=target),)
        return In(place=place, subject=subject, tests=tests, negated=negated)

    def tests(self, meta: Meta, children: list[Any]) -> tuple[Test, ...]:
        return self.cell(meta, children)

    def cell(self, meta: Meta, children: list[Any]) -> tuple[Test, ...]:
        return tuple(
            node if isinstance(node, Test) else Test(place=node.place, how="unknown", operand=node)
            for node in _nodes(children)
        )

    def operator_test(self, meta: Meta, children: list[Any]) -> Test:
        return Test(place=_place(meta), how=str(children[0]), operand=children[1])  # type: ignore[arg-type]

    def between_test(self, meta: Meta, children: list[Any]) -> Test:
        low, high = _nodes(children)
        return Test(place=_place(meta), how="within", operand=Range(place=low.place, low=low, high=high))

    def is_null(self, meta: Meta, children: list[Any]) -> IsNull:
        return IsNull(place=_place(children[1]), operand=children[0])

    def is_not_null(self, meta: Meta, children: list[Any]) -> IsNull:
        return IsNull(place=_place(children[1]), operand=children[0], negated=True)

    def contains(self, meta: Meta, children: list[Any]) -> Expression:
        return self._infix("contains", children)

    def not_contains(self, meta: Meta, children: list[Any]) -> Expression:
        return Not(place=_place(children[1]), operand=self._infix("contains", children))

    def matches(self, meta: Meta, children: list[Any]) -> Expression:
        return self._infix("matches", children)

    def not_matches(self, meta: Meta, children: list[Any]) -> Expression:
        return Not(place=_place(children[1]), operand=self._infix("matches", children))

    def _infix(self, function: str, children: list[Any]) -> Call:
        place = _place(next(child for child in children if isinstance(child, Token)))
        return Call(place=place, function=function, arguments=tuple(_nodes(children)))

    def chain_left(self, meta: Meta, children: list[Any]) -> Expression:
        found: Expression = children[0]
        if len(children) // 2 > MAX_TERMS:
            message = f"More than {MAX_TERMS} operators in a row. Sum a list, or name parts on lines of their own."
            raise Refused(_place(children[2 * MAX_TERMS + 1]), message)
        for operator, right in zip(children[1::2], children[2::2], strict=True):
            found = Operation(place=_place(operator), operator=str(operator), left=found, right=right)  # type: ignore[arg-type]
        return found

    def negate(self, meta: Meta, children: list[Any]) -> Expression:
        operand = children[1]
        if isinstance(operand, Constant) and isinstance(operand.value, Decimal):
            return Constant(place=_place(meta), value=operand.value.copy_negate())
        return Negate(place=_place(meta), operand=operand)

    def paren(self, meta: Meta, children: list[Any]) -> Expression:
        value, *suffixes = [child for child in children if not isinstance(child, Token)]
        return self._suffixed(value, suffixes)

    def postfix_open(self, meta: Meta, children: list[Any]) -> Expression:
        return self._suffixed(children[0], children[1:])

    def _suffixed(self, base: Expression, suffixes: Sequence[Any]) -> Expression:
        for suffix in suffixes:
            if isinstance(suffix, Path):
                if isinstance(base, Lookup) and base.keys and not base.column:
                    base = Lookup(place=base.place, table=base.table, keys=base.keys, column=suffix.member)
                else:
                    base = Path(place=suffix.place, base=base, member=suffix.member)
            elif isinstance(base, Lookup) and not base.keys:
                base = Lookup(place=base.place, table=base.table, keys=suffix.items)
            elif len(suffix.items) == 1:
                base = Filter(place=suffix.place, base=base, condition=suffix.items[0])
            else:
                raise Refused(
                    suffix.place, "A list takes one position in brackets; only a table may take several keys."
                )
        return base

    def member(self, meta: Meta, children: list[Any]) -> Path:
        nothing = Constant(place=_place(meta), value=None)
        return Path(place=_place(children[1]), base=nothing, member=str(children[1]))

    def index(self, meta: Meta, children: list[Any]) -> ListOf:
        return ListOf(place=_place(meta), items=tuple(_nodes(children)))

    def number(self, meta: Meta, children: list[Any]) -> Constant:
        return Constant(place=_place(meta), value=NUMBERS.create_decimal(str(children[0])))

    def string(self, meta: Meta, children: list[Any]) -> Constant:
        return Constant(place=_place(meta), type=TEXT, value="".join(str(child) for child in children))

    def true(self, meta: Meta, children: list[Any]) -> Constant:
        return Constant(place=_place(meta), value=True)

    def false(self, meta: Meta, children: list[Any]) -> Constant:
        return Constant(place=_place(meta), value=False)

    def null(self, meta: Meta, children: list[Any]) -> Constant:
        return Constant(place=_place(meta), value=None)

    def name(self, meta: Meta, children: list[Any]) -> Name:
        return Name(place=_place(meta), key=str(children[0]))

    def table(self, meta: Meta, children: list[Any]) -> Lookup:
        return Lookup(place=_place(meta), table=str(children[0]), keys=())

    def words(self, meta: Meta, children: list[Any]) -> Words:
        return Words(place=_place(meta), text=" ".join(str(child) for child in children))

    def candidate(self, meta: Meta, children: list[Any]) -> Candidate:
        return Candidate(place=_place(meta))

    def at_literal(self, meta: Meta, children: list[Any]) -> Call:
        text = Constant(place=_place(children[1]), type=TEXT, value=str(children[1]))
        return Call(place=_place(meta), function="@", arguments=(text,))

    def date(self, meta: Meta, children: list[Any]) -> Call:
        return self.at_literal(meta, [None, children[0]])

    def call(self, meta: Meta, children: list[Any]) -> Call:
        return Call(place=_place(meta), function=str(children[0]), arguments=tuple(_nodes(children)))

    def items(self, meta: Meta, children: list[Any]) -> ListOf:
        return ListOf(place=_place(meta), items=tuple(_nodes(children)))

    def range(self, meta: Meta, children: list[Any]) -> Range:
        return self._range(meta, children, low_closed=False)

    def closed_range(self, meta: Meta, children: list[Any]) -> Range:
        return self._range(meta, children, low_closed=True)

    def _range(self, meta: Meta, children: list[Any], *, low_closed: bool) -> Range:
        low, high = _nodes(children)
        closed = children[-1].type == "RSQB"
        return Range(place=_place(meta), low=low, high=high, low_closed=low_closed, high_closed=closed)


def _worded(body: Outcome | Chain, words: str) -> Outcome | Chain:
    """Gives an outcome the author's words of its condition, unless it states its reason."""
    if isinstance(body, Chain) or body.stated:
        return body
    return Outcome(body.settings, Constant(place=body.place, type=TEXT, value=words), body.place)


OTHERWISE = "no earlier condition applied"


def _explained(chain: Chain, above: tuple[str, ...]) -> Chain:
    """Fills in the reasons of ELSE, and prefixes those of nested branches with the conditions around them."""
    return Chain(tuple(_explained_branch(branch, above) for branch in chain.branches))


def _explained_branch(branch: Branch, above: tuple[str, ...]) -> Branch:
    body = branch.body
    if isinstance(body, Chain):
        words = " ".join(branch.source.split())
        upper = words.upper()
        start = upper.find("IF ") + 3
        outer = words[start : upper.find(" THEN", start)] if branch.condition is not None else OTHERWISE
        return Branch(branch.condition, _explained(body, (*above, outer)), branch.place, branch.source)
    if body.stated:
        return branch
    own = str(body.reason.value) if isinstance(body.reason, Constant) and body.reason.value else OTHERWISE
    reason = Constant(place=body.place, type=TEXT, value="; ".join((*above, own)))
    return Branch(branch.condition, Outcome(body.settings, reason, body.place), branch.place, branch.source)
