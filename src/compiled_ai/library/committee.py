"""Several functions for one step, written independently: what they agree on, how sure that is, when to abstain.

Each member answers alone. Per field the answer with most votes stands, if the confidence that the selection cases
gave to that many votes is at least what the specification asks; otherwise the field is null, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any, TypeVar, TypeVarTuple, cast

from compiled_ai.canonical import canonical_json
from compiled_ai.library.agreement import MetricName, agreement, number_of

__all__ = ["Committee", "FieldRule", "Rules", "Vote", "agreed", "take_vote"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NO_ANSWER: Any = object()
"""A member raised, or gave nothing; it stands beside every other answer and agrees with none."""


@dataclass(frozen=True, slots=True)
class Committee:
    """The functions that stand for one; the context of a run calls each and takes the vote."""

    members: tuple[Callable[..., Any], ...]


def agreed(*members: Callable[[*Ts], T | None]) -> Callable[[*Ts], T | None]:
    """Combines functions of one signature into a step's function: `ctx.result` takes their vote, field by field."""
    return cast(Callable[[*Ts], T | None], Committee(members))


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How the votes on one field are counted."""

    field: str
    metric: MetricName = "exact"
    """When two answers are the same one."""
    tolerance: Decimal | None = None
    confidence: tuple[Decimal, ...] = ()
    """Share of right answers that as many equal votes as the position says (1, 2, ...) had among the selection
    cases; empty where no case tells, and then most of the members must agree."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a committee decides."""

    least: Decimal
    """Confidence that an answer needs."""
    fields: tuple[FieldRule, ...]

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Rules:
        fields = [
            FieldRule(name, each["metric"], each.get("tolerance"), tuple(map(Decimal, each["confidence"])))
            for name, each in described["fields"].items()
        ]
        return cls(Decimal(described["least"]), tuple(fields))


@dataclass(frozen=True, slots=True)
class Vote:
    """What the members said of one field, and what came of it."""

    field: str
    answers: tuple[Any, ...]
    """JSON of each member's answer, in order; `NO_ANSWER` where it has none."""
    winner: int
    """A member that gave the answer with most votes: the middle one of those that agree."""
    votes: int
    """How many gave it."""
    confidence: Decimal | None
    """Of that many votes; `None` where no case tells."""
    needs: Decimal
    tied: bool = False
    """True if as many members gave another value."""

    @property
    def value(self) -> Any:
        """JSON of the answer with most votes."""
        return self.answers[self.winner]

    @property
    def abstains(self) -> bool:
        """True if the answer is a value and not sure enough."""
        if self.value is None:
            return False
        if self.tied:
            return True
        if self.confidence is None:
            return 2 * self.votes <= len(self.answers)
        return self.confidence < self.needs

    @property
    def reason(self) -> str:
        """Why the field is null, without any value."""
        if self.value is None:
            return f"none of {len(self.answers)} functions gives {self.field!r} a value"
        how = f"{self.votes} of {len(self.answers)} functions agree on {self.field!r}"
        if self.tied:
            return f"{how}, and as many on another value"
        if self.confidence is None:
            return f"{how}, and no golden case says how sure that is"
        return f"{how}; that is right in {self.confidence} of such cases, {self.needs} is asked"

    def to_json(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "answers": [{} if answer is NO_ANSWER else {"value": answer} for answer in self.answers],
            "votes": self.votes,
            "of": len(self.answers),
            "confidence": None if self.confidence is None else str(self.confidence),
            "abstains": self.abstains,
            "reason": self.reason if self.abstains else None,
        }


def take_vote(rule: FieldRule, answers: Sequence[Any], least: Decimal) -> Vote:
    """Counts the votes on one field, whatever the order of the members.

    Answers count together where each agrees with each: of 1.0, 1.4 and 1.8 with a tolerance of 0.5, two at most. The
    largest such group stands, with its middle answer (of two the lower one), so that what most of it say to the letter
    is what is said. Two largest groups are no answer, even if they share a member.

    Null is no vote against a value: a member that is in doubt leaves it to the others. Whether as many votes as a value
    then has are enough, be it one, is what its confidence says, to which cases with nothing to be found belong. Where
    no case tells, more than half of all members must have given it.

    Args:
        rule: when two answers are the same, and what so many votes are worth.
        answers: one for each member, JSON or `NO_ANSWER`; at least one is an answer.
        least: confidence that an answer needs.
    """
    ordered = sorted(range(len(answers)), key=lambda index: _place(answers[index]))
    given = [index for index in ordered if answers[index] is not None and answers[index] is not NO_ANSWER]
    nulls = [index for index in ordered if answers[index] is None]
    group, *others = _largest_groups(rule, answers, given) or [tuple(nulls)]
    votes = len(group)
    winner = group[(votes - 1) // 2] if group else 0
    confidence = rule.confidence[votes - 1] if 0 < votes <= len(rule.confidence) else None
    return Vote(rule.field, tuple(answers), winner, votes, confidence, least, tied=bool(others))


def _largest_groups(rule: FieldRule, answers: Sequence[Any], given: Sequence[int]) -> list[tuple[int, ...]]:
    """Returns the largest sets of answers in which each agrees with each (a committee has 9 members at most)."""
    pairs = {pair for pair in combinations(given, 2) if _same(rule, *(answers[index] for index in pair))}
    for size in range(len(given), 0, -1):
        groups = [group for group in combinations(given, size) if pairs.issuperset(combinations(group, 2))]
        if groups:
            return groups
    return []


def _place(answer: Any) -> tuple[Decimal, str]:
    """Where an answer stands among others: numbers by value, anything else by its JSON."""
    if answer is NO_ANSWER:
        return Decimal(0), ""
    return number_of(answer) or Decimal(0), canonical_json(answer)


def _same(rule: FieldRule, one: Any, other: Any) -> bool:
    return agreement(rule.metric, one, other, rule.tolerance) == 1
