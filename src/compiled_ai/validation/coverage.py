"""Which branches of a function ran. The candidate's own process says so: informative, never a verdict."""

from __future__ import annotations

import dis
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True)
class Coverage:
    taken: int
    possible: int
    missing: tuple[tuple[int, int], ...]
    """Branches never taken, as (from line, to line) of the module."""

    @property
    def share(self) -> float | None:
        """`None` where the function has no branch (never 0)."""
        return round(self.taken / self.possible, 4) if self.possible else None


def branch_coverage(source: str, function: str, arcs: Collection[tuple[int, int]]) -> Coverage:
    """Compares the branches of a module's function with the line arcs that were seen.

    Args:
        source: text of the module.
        function: name of the function; what is nested in it counts.
        arcs: (line, following line), as traced.
    """
    possible = {arc for code in _codes(compile(source, "<module>", "exec"), function) for arc in _branches(code)}
    missing = sorted(possible - set(arcs))
    return Coverage(len(possible) - len(missing), len(possible), tuple(missing))


def _codes(module: CodeType, function: str) -> Iterator[CodeType]:
    for constant in module.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == function:
            yield from _nested(constant)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _branches(code: CodeType) -> Iterator[tuple[int, int]]:
    """Line arcs of the conditional jumps that lead to two different lines."""
    instructions = list(dis.get_instructions(code))
    lines = {each.offset: each.positions.lineno for each in instructions if each.positions and each.positions.lineno}
    for place, each in enumerate(instructions[:-1]):
        if not ("JUMP" in each.opname and "_IF_" in each.opname) and each.opname != "FOR_ITER":
            continue
        here = lines.get(each.offset)
        for offset in (instructions[place + 1].offset, each.argval):
            there = lines.get(offset)
            if here is not None and there is not None and there != here:
                yield here, there
