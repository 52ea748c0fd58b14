"""What comes of the answers of a committee's members."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from compiled_ai.library.committee import FieldRule, take_vote

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
