"""Golden cases in pools: whole groups, for good."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import pytest

from compiled_ai.pools import Pools, group_keys, split
from compiled_ai.spec.model import GoldenCase

Case = Callable[..., GoldenCase]


def text(seed: int, words: int = 60) -> str:
    rng = random.Random(seed)
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(words))


def grouped(case: Case, groups: int, each: int = 3) -> list[GoldenCase]:
    return [case(number, group=f"vendor {number % groups}") for number in range(groups * each)]


def names(pools: Pools) -> dict[str, str]:
    return {each.id: pool for pool in ("shown", "selection", "sealed") for each in getattr(pools, pool)}


def test_no_group_is_in_two_pools(case: Case) -> None:
    placed = names(split(grouped(case, 40)))
    for vendor in range(40):
        assert len({placed[f"case-{vendor + 40 * turn}"] for turn in range(3)}) == 1


def test_the_pools_are_about_a_fifth_and_two_fifths_each(case: Case) -> None:
    pools = split(grouped(case, 500, each=1))
    assert 70 <= len(pools.shown) <= 130
    assert 160 <= len(pools.selection) <= 240
    assert 160 <= len(pools.sealed) <= 240
    assert pools.groups == 500


def test_the_order_of_the_file_does_not_matter(case: Case) -> None:
    cases = [case(number, text(number // 2)) for number in range(60)]
    mixed = random.Random(1).sample(cases, len(cases))
    assert names(split(cases)) == names(split(mixed))


def test_new_cases_do_not_move_the_old_ones(case: Case) -> None:
    before = names(split(grouped(case, 50)))
    after = names(split([*grouped(case, 50), *(case(1000 + n, group=f"new {n}") for n in range(50))]))
    assert {key: after[key] for key in before} == before


def test_near_duplicates_share_a_pool_although_their_numbers_differ(case: Case) -> None:
    cases = [
        case(number, f"Invoice {number} of 2020 {text(number % 20)} total {number * 7}.00") for number in range(60)
    ]
    placed = names(split(cases))
    for form in range(20):
        assert len({placed[f"case-{form + 20 * turn}"] for turn in range(3)}) == 1
    assert split(cases).groups == 20


def test_boxes_of_one_page_count_as_its_text(case: Case) -> None:
    def boxes(seed: int, shift: int) -> dict[str, object]:
        return {"lines": [[shift, y, 9, 9, word] for y, word in enumerate(text(seed).split())]}

    cases = [case(number, input=boxes(number % 10, number)) for number in range(30)]
    assert split(cases).groups == 10


def test_cases_of_one_single_form_are_not_one_group(case: Case) -> None:
    form = text(0, words=80)
    cases = [case(number, f"{form} {text(number + 1, words=30)}") for number in range(30)]
    pools = split(cases)
    assert pools.shown and pools.selection and pools.sealed


def test_short_inputs_are_grouped_only_with_their_exact_duplicates(case: Case) -> None:
    keys = group_keys([case(1, "gold plan"), case(2, "gold plan"), case(3, "gold plans")])
    assert keys["case-1"] == keys["case-2"] != keys["case-3"]


def test_examples_are_always_shown(case: Case) -> None:
    examples = [case(number, f"example {number}") for number in range(10)]
    assert [each.id for each in split([], examples).shown] == [each.id for each in examples]


def test_a_golden_case_that_is_an_example_too_is_never_sealed(case: Case) -> None:
    cases = grouped(case, 30)
    sealed = split(cases).sealed[0]
    again = split(cases, [sealed])
    assert again.of(sealed.id) == "shown"
    assert not [each for each in again.sealed if each.group == sealed.group]


def test_what_an_earlier_compile_has_shown_is_never_sealed(case: Case) -> None:
    cases = grouped(case, 30)
    sealed = split(cases).sealed[0]
    again = split(cases, ever_shown=[sealed.id, "gone since"])
    assert not [each for each in again.sealed if each.group == sealed.group]


@pytest.mark.parametrize("groups", range(3, 9))
def test_few_groups_leave_no_pool_empty(case: Case, groups: int) -> None:
    pools = split(grouped(case, groups, each=1))
    assert pools.shown and pools.selection and pools.sealed


def test_one_group_is_in_one_pool(case: Case) -> None:
    pools = split(grouped(case, 1, each=5))
    assert sorted(map(len, (pools.shown, pools.selection, pools.sealed))) == [0, 0, 5]


def test_no_cases_give_empty_pools() -> None:
    assert split([]) == Pools()
