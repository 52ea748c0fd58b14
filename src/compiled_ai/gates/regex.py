"""Does a regular expression backtrack catastrophically? Decided by analysis of its automaton, without running it.

A backtracking matcher takes exponential time exactly if some state of the pattern's automaton can be left and reached
again by two different paths that read the same word (`(a+)+`, `(a|a)*`, `(\\w+\\s?)*`), and what follows can fail.
The pattern is turned into its position automaton (Glushkov), whose edges count how often they can be taken, and
ambiguity is looked for in the product of the automaton with itself (Weideman et al., 2016; Allauzen et al., 2008).

Polynomial time is everywhere in harmless patterns (`\\s*:?\\s*`, `\\d+\\.?\\d*`), so of these only two kinds are
refused: neighbours of one and the same wide class (`.*.*=`, `\\w+\\w+$`; three of any class), a separator that is
optional between two demanded runs of the same class at the end of a whole-match (`\\d+E?\\d+$`), and a repeated
group for every character at the very beginning (`(\\s|\\S)*x`), which is tried anew at each place of the text.
"""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import Any

MAX_PATTERN = 4_000
"""Characters of a pattern."""
MAX_POSITIONS = 4_000
"""Positions of the automaton; larger patterns cannot be judged, and so are refused."""
MAX_LOOP = 300
"""Positions that can reach each other: pairs of these are compared."""
UNROLLED = 3
"""Bounded repeats are written out up to here; those that allow `LONG` or more turns count as endless."""
LONG = 12
_SAMPLES = tuple(chr(point) for point in range(32, 127)) + tuple("\t\n\réßЖ中٣\u00a0\u2028")
"""One character for each kind that patterns tell apart: classes are compared over these and the pattern's own."""

Chars = frozenset[str]


@dataclass(frozen=True)
class _Part:
    """A piece of the automaton. `open` says that it can be passed without demanding anything (no anchor inside)."""

    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    nullable: bool = True
    free: bool = True
    """It is empty for certain when passed over: no anchor, look-around or back-reference demands something."""
    doubled: bool = False
    """It can be passed over in two ways, as in `a(b?|c?)`."""


@dataclass
class _Automaton:
    alphabet: tuple[str, ...]
    flags: int
    chars: list[Chars] = field(default_factory=list)
    edges: dict[tuple[int, int], int] = field(default_factory=dict)
    inner: list[Any] = field(default_factory=list)
    """Bodies of look-arounds: judged on their own."""

    def position(self, chars: Chars) -> _Part:
        if len(self.chars) >= MAX_POSITIONS:
            raise _TooLarge
        self.chars.append(chars)
        here = (len(self.chars) - 1,)
        return _Part(here, here, nullable=False)

    def connect(self, sources: Iterable[int], targets: Iterable[int]) -> None:
        for edge in product(sources, tuple(targets)):
            self.edges[edge] = min(2, self.edges.get(edge, 0) + 1)


class _TooLarge(Exception):
    pass


@lru_cache(maxsize=2048)
def regex_problem(pattern: str, flags: int = 0, *, whole: bool = False) -> str | None:
    """Returns what is wrong with a pattern, in words, or `None` if it can be used on any text.

    Args:
        pattern: a regular expression in the syntax of `re`.
        flags: `re.IGNORECASE` and the like, as a number.
        whole: the whole text must match (`re.fullmatch`), so the end of the pattern can fail.
    """
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters; split it"
    try:
        tree = parser.parse(pattern, flags)
        return _judge(tree, tree.state.flags, pattern, whole)
    except (re.error, OverflowError, ValueError) as fault:
        return f"is not a valid pattern: {fault}"
    except (_TooLarge, RecursionError):
        return "is too large to be judged; split it"


def _judge(tree: Any, flags: int, pattern: str, whole: bool) -> str | None:
    automaton = _Automaton(tuple(dict.fromkeys((*_SAMPLES, *pattern, *_named(tree)))), flags)
    body = _sequence(tree, automaton)
    if _exponential(automaton, _safe_ends(body, whole)):
        return "takes exponential time on some texts: a repeated part can match the same characters in two ways"
    if _competing(tree, automaton, whole):
        return "takes quadratic time or worse: neighbouring repeats compete for the same characters"
    if _starts_anywhere(tree, automaton):
        return "takes quadratic time: it begins with a repeated group that takes every character, at every place"
    for inner in automaton.inner:
        problem = _judge(inner, flags, pattern, True)
        if problem:
            return problem
    return None


def _named(part: Any) -> set[str]:
    """Returns the characters that a parsed pattern names, also those written as escapes."""
    named: set[str] = set()
    waiting = [part]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple) and len(item) == 2 and item[0] in (codes.LITERAL, codes.NOT_LITERAL):
            named.add(chr(item[1]))
        elif isinstance(item, tuple) and len(item) == 2 and item[0] is codes.RANGE:
            named.update(map(chr, item[1]))
        elif isinstance(item, (tuple, list, parser.SubPattern)):
            waiting.extend(item)
    return named


def _safe_ends(body: _Part, whole: bool) -> frozenset[int]:
    """Positions after which the pattern may simply end: a match is found there, so nothing is tried again."""
    return frozenset() if whole or not body.free else frozenset(body.last)


def _sequence(items: Iterable[tuple[Any, Any]], automaton: _Automaton) -> _Part:
    whole = _Part()
    for code, argument in items:
        whole = _concatenate(whole, _item(code, argument, automaton), automaton)
    return whole


def _concatenate(left: _Part, right: _Part, automaton: _Automaton) -> _Part:
    automaton.connect(left.last, right.first)
    return _Part(
        first=left.first + right.first if left.nullable else left.first,
        last=left.last + right.last if right.nullable else right.last,
        nullable=left.nullable and right.nullable,
        free=right.free and (left.free or not right.nullable),
        doubled=left.doubled or right.doubled,
    )


def _item(code: Any, argument: Any, automaton: _Automaton) -> _Part:
    if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
        return automaton.position(_chars(code, argument, automaton))
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        low, high, body = argument
        return _repeat(low, high, body, automaton)
    if code is codes.SUBPATTERN:
        return _sequence(argument[3], automaton)
    if code is codes.ATOMIC_GROUP:
        return _sequence(argument, automaton)
    if code is codes.BRANCH:
        return _union([_sequence(branch, automaton) for branch in argument[1]])
    if code is codes.GROUPREF_EXISTS:
        branches = [_sequence(branch or (), automaton) for branch in argument[1:]]
        return replace(_union(branches), free=False)
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        automaton.inner.append(argument[1])
    return _Part(free=False)


def _union(parts: Sequence[_Part]) -> _Part:
    return _Part(
        first=tuple(position for part in parts for position in part.first),
        last=tuple(position for part in parts for position in part.last),
        nullable=any(part.nullable for part in parts),
        free=all(part.free for part in parts),
        doubled=any(part.doubled for part in parts) or sum(part.nullable for part in parts) > 1,
    )


def _repeat(low: int, high: Any, body: Any, automaton: _Automaton) -> _Part:
    endless = high is codes.MAXREPEAT or high >= LONG or (high > UNROLLED and _repeats_inside(body))
    if endless:
        copies = [_sequence(body, automaton) for _ in range(min(max(low, 1), UNROLLED))]
        empty_turns = low >= LONG and copies[-1].nullable  # which of the demanded turns are empty: `(a?){30}`
        for _ in range(2 if empty_turns or (copies[-1].doubled and not copies[-1].nullable) else 1):
            automaton.connect(copies[-1].last, copies[-1].first)
        required = min(low, len(copies))
    else:
        copies = [_sequence(body, automaton) for _ in range(min(high, UNROLLED))]
        required = min(low, len(copies))
    optional = _Part()
    for copy in reversed(copies[required:]):  # each only after the one before: `x{1,3}` is `x(x(x)?)?`
        optional = replace(_concatenate(copy, optional, automaton), nullable=True)
    whole = _Part()
    for copy in copies[:required]:
        whole = _concatenate(whole, copy, automaton)
    return _concatenate(whole, optional, automaton)


def _repeats_inside(body: Any) -> bool:
    """Does a part hold an endless repeat? `(.*?,){11}` is as bad as `(.*?,)*`, up to the eleventh power."""
    for code, argument in _flat(body):
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            if argument[1] is codes.MAXREPEAT or argument[1] >= LONG or _repeats_inside(argument[2]):
                return True
        elif code is codes.BRANCH and any(_repeats_inside(branch) for branch in argument[1]):
            return True
    return False


def _chars(code: Any, argument: Any, automaton: _Automaton) -> Chars:
    flags = automaton.flags
    if code is codes.LITERAL:
        char = chr(argument)
        return frozenset({char, char.lower(), char.upper()}) if flags & re.IGNORECASE else frozenset({char})
    found = frozenset(char for char in automaton.alphabet if _matches(code, argument, char, flags))
    if flags & re.IGNORECASE:
        lowered = {char.lower() for char in found} | {char.upper() for char in found}
        found |= {char for char in automaton.alphabet if char in lowered}
    return found


def _matches(code: Any, argument: Any, char: str, flags: int) -> bool:
    if code is codes.LITERAL:
        return ord(char) == int(argument)
    if code is codes.NOT_LITERAL:
        return ord(char) != int(argument)
    if code is codes.ANY:
        return char != "\n" or bool(flags & re.DOTALL)
    if code is codes.RANGE:
        return bool(argument[0] <= ord(char) <= argument[1])
    if code is codes.CATEGORY:
        test: Callable[[str, bool], bool] = _CATEGORIES[argument]
        return test(char, bool(flags & re.ASCII))
    negated = bool(argument and argument[0][0] is codes.NEGATE)
    inside = any(_matches(kind, value, char, flags) for kind, value in argument if kind is not codes.NEGATE)
    return inside != negated


def _digit(char: str, ascii_only: bool) -> bool:
    return char.isdecimal() and (not ascii_only or char.isascii())


def _space(char: str, ascii_only: bool) -> bool:
    return char.isspace() and (not ascii_only or char.isascii())


def _word(char: str, ascii_only: bool) -> bool:
    return (char.isalnum() or char == "_") and (not ascii_only or char.isascii())


_CATEGORIES = {
    codes.CATEGORY_DIGIT: _digit,
    codes.CATEGORY_NOT_DIGIT: lambda char, ascii_only: not _digit(char, ascii_only),
    codes.CATEGORY_SPACE: _space,
    codes.CATEGORY_NOT_SPACE: lambda char, ascii_only: not _space(char, ascii_only),
    codes.CATEGORY_WORD: _word,
    codes.CATEGORY_NOT_WORD: lambda char, ascii_only: not _word(char, ascii_only),
}


def _exponential(automaton: _Automaton, ends: frozenset[int]) -> bool:
    """Tells whether two different paths lead from some position back to it over the same word, and may fail after."""
    follows: dict[int, list[int]] = {}
    for source, target in automaton.edges:
        follows.setdefault(source, []).append(target)
    for component in _components(follows):
        if component <= ends:
            continue
        if len(component) > MAX_LOOP:
            raise _TooLarge
        looping = {edge for edge in automaton.edges if edge[0] in component and edge[1] in component}
        if any(automaton.edges[edge] > 1 for edge in looping):
            return True
        if _ambiguous(component, looping, automaton.chars):
            return True
    return False


def _ambiguous(component: frozenset[int], edges: set[tuple[int, int]], chars: Sequence[Chars]) -> bool:
    inner: dict[int, list[int]] = {}
    for source, target in edges:
        inner.setdefault(source, []).append(target)
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    waiting = [(position, position) for position in component]
    while waiting:
        pair = waiting.pop()
        if pair in pairs:
            continue
        pairs[pair] = [
            (left, right)
            for left, right in product(inner.get(pair[0], ()), inner.get(pair[1], ()))
            if left == right or chars[left] & chars[right]
        ]
        waiting.extend(pairs[pair])
    return any(
        any(left == right for left, right in found) and any(left != right for left, right in found)
        for found in _components(pairs)
    )


def _components(graph: dict[Any, list[Any]]) -> list[frozenset[Any]]:
    """Returns the strongly connected components that contain a cycle (Tarjan, without recursion)."""
    order: dict[Any, int] = {}
    low: dict[Any, int] = {}
    on_stack: set[Any] = set()
    stack: list[Any] = []
    found: list[frozenset[Any]] = []
    for root in graph:
        if root in order:
            continue
        work = [(root, iter(graph.get(root, ())))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for child in rest:
                if child not in order:
                    order[child] = low[child] = len(order)
                    stack.append(child)
                    on_stack.add(child)
                    work.append((child, iter(graph.get(child, ()))))
                    break
                if child in on_stack:
                    low[node] = min(low[node], order[child])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    component = set()
                    while True:
                        top = stack.pop()
                        on_stack.discard(top)
                        component.add(top)
                        if top == node:
                            break
                    if len(component) > 1 or node in graph.get(node, ()):
                        found.append(frozenset(component))
    return found


@dataclass(frozen=True)
class _Run:
    """An endless repeat of one class of characters, in a sequence."""

    chars: Chars
    demanded: bool
    adjacent: bool
    """Nothing at all stands between it and the run before."""
    between: Chars
    """Characters of the optional things between it and the run before."""
    linked: bool
    """Everything between it and the run before can be empty."""


def _competing(tree: Any, automaton: _Automaton, whole: bool) -> bool:
    """Looks for neighbouring endless repeats of the same wide class, with something after them that can fail."""
    runs, after = _runs(tree, automaton), _demands_after(tree)
    wide = frozenset(automaton.alphabet)
    row = 1
    for before, run, demanded in zip(runs, runs[1:], after[1:], strict=False):
        row = row + 1 if run.adjacent and before.chars == run.chars else 1
        if row > 2 and (demanded or whole):
            return True
        shared = before.chars & run.chars
        if not run.linked or not shared or not (demanded or whole):
            continue
        if len(shared & wide) > _WIDE and before.chars == run.chars:
            return True
        if run.adjacent and before.chars == run.chars and not all(char.isspace() for char in shared):
            return True
        if before.demanded and run.demanded and run.between and not run.between & set(".,-/ '_"):
            return True
    return False


_WIDE = 40
"""More sample characters than this is a class like `.`, `\\w` or `\\S`."""


def _flat(tree: Any) -> list[tuple[Any, Any]]:
    """The items of a sequence with plain groups opened."""
    items: list[tuple[Any, Any]] = []
    for code, argument in tree:
        items.extend(_flat(argument[3]) if code is codes.SUBPATTERN else [(code, argument)])
    return items


def _is_run(code: Any, argument: Any) -> bool:
    return (
        code in (codes.MAX_REPEAT, codes.MIN_REPEAT)
        and (argument[1] is codes.MAXREPEAT or argument[1] >= 100)
        and _single(argument[2])
    )


_ONE_CHARACTER = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)


def _single(body: Any) -> bool:
    """Is it one character, or a choice of such (`.|\\n`)?"""
    items = _flat(body)
    if len(items) != 1:
        return False
    code, argument = items[0]
    return code in _ONE_CHARACTER or (code is codes.BRANCH and all(_single(branch) for branch in argument[1]))


def _characters(body: Any, automaton: _Automaton) -> Chars:
    """Characters that a body which is `_single` takes."""
    code, argument = _flat(body)[0]
    if code is codes.BRANCH:
        return frozenset[str]().union(*(_characters(branch, automaton) for branch in argument[1]))
    return _chars(code, argument, automaton)


def _starts_anywhere(tree: Any, automaton: _Automaton) -> bool:
    """`(\\s|\\S)*x`: tried at each place of the text, and each time a slow step for every character that is left."""
    items = _flat(tree)
    if len(items) < 2 or not _is_run(*items[0]) or items[0][1][1] is not codes.MAXREPEAT:
        return False
    body = items[0][1][2]
    grouped = body[0][0] in (codes.SUBPATTERN, codes.BRANCH)
    return grouped and _characters(body, automaton) >= set(automaton.alphabet) and _demands_after(tree)[0]


def _empty(code: Any, argument: Any) -> bool:
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return bool(argument[0] == 0)
    return code in (codes.AT, codes.ASSERT, codes.ASSERT_NOT)


def _runs(tree: Any, automaton: _Automaton) -> list[_Run]:
    runs: list[_Run] = []
    adjacent, linked, between = False, False, frozenset[str]()
    for code, argument in _flat(tree):
        if _is_run(code, argument):
            runs.append(_Run(_characters(argument[2], automaton), argument[0] > 0, adjacent, between, linked))
            adjacent, linked, between = True, True, frozenset()
        else:
            adjacent = False
            linked = linked and _empty(code, argument) and code is not codes.AT
            between |= _mentioned(code, argument, automaton)
    return runs


def _mentioned(code: Any, argument: Any, automaton: _Automaton) -> Chars:
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return frozenset().union(*(_mentioned(*item, automaton) for item in _flat(argument[2])))
    if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
        return _chars(code, argument, automaton)
    return frozenset()


def _demands_after(tree: Any) -> list[bool]:
    """For each run: does something after it demand characters or a place, so that the match can fail there?"""
    items = _flat(tree)
    return [
        any(not _empty(*later) or later[0] is codes.AT for later in items[index + 1 :])
        for index, item in enumerate(items)
        if _is_run(*item)
    ]
