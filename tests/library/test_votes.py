"""What comes of the answers of a committee's members."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from compiled_ai.library.committee import NO_ANSWER, FieldRule, take_vote

SURE = FieldRule("advertiser", confidence=(Decimal("0.9"), Decimal("0.95"), Decimal("0.99")))


@pytest.mark.parametrize(
    ("answers", "answer"),
    [
        (["a", "a", "b"], "a"),
        (["a", None, None], "a"),
        (["a", "b", None], None),
        (["a", "b", "c"], None),
        ([None, None, None], None),
    ],
)
def test_values_with_equally_many_votes_are_no_answer(answers: list[Any], answer: str | None) -> None:
    vote = take_vote(SURE, answers, Decimal("0.8"))
    assert (None if vote.abstains else vote.value) == answer


def test_a_field_that_no_function_gives_a_value_has_a_reason() -> None:
    vote = take_vote(SURE, [None, None, None], Decimal("0.8"))
    assert (vote.abstains, vote.reason) == (False, "none of 3 functions gives 'advertiser' a value")


def test_the_reason_names_the_contradiction() -> None:
    vote = take_vote(SURE, ["a", "b", None], Decimal("0.8"))
    assert vote.reason == "1 of 3 functions agree on 'advertiser', and as many on another value"


NEAR = FieldRule("total", "money", Decimal("0.5"), confidence=(Decimal("0.9"),) * 9)


@pytest.mark.parametrize(
    ("rule", "answers", "value", "votes"),
    [
        (NEAR, [1.0, 1.4, 1.8], None, 2),  # 1.0 and 1.4, or 1.4 and 1.8
        (NEAR, [1.0, 1.0, 1.4, 1.8], 1.0, 3),
        (NEAR, [1.0, 1.2, 1.4], 1.2, 3),
        (NEAR, [1.0, 1.4, None], 1.0, 2),
        (NEAR, [9, 10, 10.25, NO_ANSWER], 10, 2),
        (NEAR, [100, 9.75, 10], 9.75, 2),
        (NEAR, [1.0, 1.4, 1.8, 2.2], None, 2),
        (FieldRule("name", "text", confidence=NEAR.confidence), ["Oak, Inc.", "Oak Inc", "Oak Inc"], "Oak Inc", 3),
        (FieldRule("name", "text", confidence=NEAR.confidence), ["Oak Inc", "OAK", "oak", "Oak Inc"], None, 2),
    ],
)
def test_the_order_of_the_members_changes_nothing(rule: FieldRule, answers: list[Any], value: Any, votes: int) -> None:
    for order in permutations(answers):
        vote = take_vote(rule, order, Decimal("0.8"))
        assert (None if vote.abstains else vote.value, vote.votes) == (value, votes)


@pytest.mark.parametrize(
    ("confidence", "answer"), [(("0.9", "0.9", "0.9"), "a"), (("0.7", "0.9", "0.9"), None), ((), None)]
)
def test_one_value_against_nulls_stands_if_the_cases_say_so(confidence: tuple[str, ...], answer: str | None) -> None:
    rule = FieldRule("advertiser", confidence=tuple(map(Decimal, confidence)))
    vote = take_vote(rule, [None, "a", None], Decimal("0.8"))
    assert (vote.votes, None if vote.abstains else vote.value) == (1, answer)


def test_a_committee_without_any_answer_abstains() -> None:
    vote = take_vote(SURE, [NO_ANSWER, NO_ANSWER], Decimal("0.8"))
    assert vote.abstains and vote.votes == 0


def test_nulls_alone_are_null_without_doubt() -> None:
    vote = take_vote(SURE, [None, NO_ANSWER, None], Decimal("0.8"))
    assert (vote.value, vote.votes, vote.abstains) == (None, 2, False)
