"""Golden cases in three pools, so that no figure is measured on what a model has seen.

| pool | share | used for |
|---|---|---|
| shown | a fifth | prompts, and feedback with expected and actual values |
| selection | two fifths | feedback (counts and field names only), choice among candidates, calibration |
| sealed | two fifths | judged once per compile, on the one chosen candidate |

Whole groups go into a pool by a hash of the group: the `group` that the case states, else its cluster of near
duplicates, since a vendor's next invoice is no test for code that was shown the last one.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compiled_ai.canonical import digest, digest_json
from compiled_ai.spec.model import GoldenCase

PoolName = Literal["shown", "selection", "sealed"]
_SHOWN_BELOW, _SELECTION_BELOW = 0.2, 0.6
_SIMILAR = (0.4, 0.6, 0.8)
"""Shares of common word triples from which two cases are near duplicates; the next one is tried where a single
cluster would hold more than half of all cases (then the cases are one form, and the form is no group)."""
_LEAST_TRIPLES = 8
"""Shorter texts are grouped only with their exact duplicates."""
_SKETCH = 24


@dataclass(frozen=True)
class Pools:
    """The same cases in the same order as given, in three pools."""

    shown: tuple[GoldenCase, ...] = ()
    selection: tuple[GoldenCase, ...] = ()
    sealed: tuple[GoldenCase, ...] = ()
    groups: int = 0
    """How many groups the golden cases fall into."""

    def of(self, case_id: str) -> PoolName | None:
        for name in ("shown", "selection", "sealed"):
            if any(case.id == case_id for case in getattr(self, name)):
                return name
        return None


def split(
    cases: Sequence[GoldenCase],
    examples: Sequence[GoldenCase] = (),
    *,
    ever_shown: Collection[str] = (),
) -> Pools:
    """Splits golden cases into pools; the same cases always fall the same way, whatever their order.

    Args:
        cases: The golden cases.
        examples: Cases written into the specification: always shown.
        ever_shown: Ids that an earlier compile has shown; their groups are never sealed again.
    """
    groups = group_keys([*examples, *cases])
    members = defaultdict(list)
    for case in cases:
        members[groups[case.id]].append(case.id)
    placed = {group: _pool_of(group) for group in members}
    _fill_empty(placed)
    revealed = {groups[case.id] for case in examples} | {groups[i] for i in ever_shown if i in groups}
    placed.update({group: "shown" for group in revealed & set(placed) if placed[group] == "sealed"})
    pools: dict[PoolName, list[GoldenCase]] = {"shown": list(examples), "selection": [], "sealed": []}
    known = {case.id for case in examples}
    for case in cases:
        if case.id not in known:
            pools[placed[groups[case.id]]].append(case)
    return Pools(tuple(pools["shown"]), tuple(pools["selection"]), tuple(pools["sealed"]), groups=len(members))


def _position(group: str) -> float:
    return int(digest(f"pool:{group}")[:13], 16) / 16.0**13


def _pool_of(group: str) -> PoolName:
    place = _position(group)
    return "shown" if place < _SHOWN_BELOW else "selection" if place < _SELECTION_BELOW else "sealed"


def _fill_empty(placed: dict[str, PoolName]) -> None:
    """Gives each pool at least one group where there are three or more: few cases must not leave one empty."""
    order: tuple[PoolName, ...] = ("sealed", "selection", "shown")
    for name in order[: len(placed)] if len(placed) >= 2 else ():
        if name not in placed.values():
            counts = {pool: sum(place == pool for place in placed.values()) for pool in order}
            fullest = max(order, key=lambda pool: counts[pool])
            if counts[fullest] > 1:
                moved = min((group for group, place in placed.items() if place == fullest), key=_position)
                placed[moved] = name


def group_keys(cases: Sequence[GoldenCase]) -> Mapping[str, str]:
    """Returns the group of each case id: as stated, else that of its near duplicates."""
    keys = {case.id: f"group:{case.group}" for case in cases if case.group is not None}
    rest = [case for case in cases if case.group is None]
    triples = {case.id: word_triples(case.input) for case in rest}
    texts = [case for case in rest if len(triples[case.id]) >= _LEAST_TRIPLES]
    for case in rest:
        keys[case.id] = f"input:{digest_json(case.input)}"
    for cluster in _clusters(sorted({case.id for case in texts}), triples):
        name = min(digest(case_id) for case_id in cluster)
        keys.update(dict.fromkeys(cluster, f"cluster:{name}"))
    return keys


def word_triples(value: Any) -> frozenset[int]:
    """Returns hashes of the triples of successive words (letters only) in all texts of a JSON value."""
    words = re.findall(r"[^\W\d_]{3,}", " ".join(_texts(value)).lower())
    triples = zip(words, words[1:], words[2:], strict=False)
    return frozenset(zlib.crc32(" ".join(triple).encode()) for triple in triples)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else []
    return [text for part in parts for text in _texts(part)]


def _clusters(ids: Sequence[str], triples: Mapping[str, frozenset[int]]) -> list[list[str]]:
    found: list[list[str]] = []
    for share in _SIMILAR:
        found = _linked(ids, triples, share)
        if all(len(cluster) * 2 <= max(len(ids), 2) for cluster in found):
            return found
    exact: dict[frozenset[int], list[str]] = defaultdict(list)
    for case_id in ids:
        exact[triples[case_id]].append(case_id)
    return list(exact.values())


def _linked(ids: Sequence[str], triples: Mapping[str, frozenset[int]], share: float) -> list[list[str]]:
    """Single linkage over pairs that share a hash of their sketch (the least hashes) and then enough triples."""
    parent = {case_id: case_id for case_id in ids}

    def root(case_id: str) -> str:
        while parent[case_id] != case_id:
            parent[case_id] = parent[parent[case_id]]
            case_id = parent[case_id]
        return case_id

    holders: dict[int, list[str]] = defaultdict(list)
    for case_id in ids:
        for value in sorted(triples[case_id])[:_SKETCH]:
            for other in holders[value]:
                if root(other) != root(case_id) and _overlap(triples[case_id], triples[other]) >= share:
                    parent[root(case_id)] = root(other)
            holders[value].append(case_id)
    clusters: dict[str, list[str]] = defaultdict(list)
    for case_id in ids:
        clusters[root(case_id)].append(case_id)
    return list(clusters.values())


def _overlap(one: frozenset[int], other: frozenset[int]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)
