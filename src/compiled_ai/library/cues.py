"""Which number of a request belongs to which argument: told by the words (cues) that stand before or behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiled_ai.library.wording import Word, words_of

Cue = tuple[str, ...]
"""The stems of one word or of several words in a row."""

_LINKS = frozenset(
    "of is are was be be equal = : being as at to the a an about with having has valu number amount exactly around "
    "approximately total set ( [ - ".split()
) | frozenset(("'", '"'))
"""Stems that may stand between a cue and its number."""
_ENDS = frozenset(".?!;")
_LISTED = frozenset((",", "and", "&"))
_LEAST = 4.0
"""A cue that is no nearer than this says nothing."""
_MOST_LIKELY = 4
"""Of the numbers that one name may have, so many are weighed against those of other names."""


def cues_of(text: str | Sequence[str]) -> tuple[Cue, ...]:
    """Reads cues as they are written: `base, base length` is two cues."""
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(cue for part in parts if (cue := tuple(word.stem for word in words_of(part))))


def places_of(words: Sequence[Word], cue: Cue) -> Iterator[tuple[int, int]]:
    """Yields where a cue stands, as positions of its first word and of the one behind its last."""
    for start in range(len(words) - len(cue) + 1):
        if all(words[start + offset].stem == part for offset, part in enumerate(cue)):
            yield start, start + len(cue)


@dataclass(frozen=True)
class Numbers:
    """The numbers of a request, by position, and the rows that they stand in (`3, 4 and 5`)."""

    words: Sequence[Word]
    at: tuple[int, ...]
    row_start: Mapping[int, int]
    """Position of a number to that of the first number of its row."""

    @classmethod
    def of(cls, words: Sequence[Word]) -> Numbers:
        at = tuple(index for index, word in enumerate(words) if word.number is not None)
        starts: dict[int, int] = {}
        for before, here in zip((None, *at), at, strict=False):
            goes_on = before is not None and _is_row(words, before, here)
            starts[here] = starts[before] if goes_on and before is not None else here
        return cls(words, at, starts)

    def score(self, position: int, cues: Sequence[Cue]) -> float:
        """Says how surely one of the cues names the number at a position; 0 is not at all."""
        best = max((self._score(position, cue) for cue in cues), default=0.0)
        return best - 3.0 if self.words[position].spelled else best

    def _score(self, position: int, cue: Cue) -> float:
        if cue == ("%",):
            return 8.0 if self.words[position].percent else 0.0
        first = self.row_start[position]
        step = 0.3 * sum(first < other <= position for other in self.at)
        best = 0.0
        for start, end in places_of(self.words, cue):
            if end <= position:
                best = max(best, self._behind(cue, end, position))
                best = max(best, self._behind(cue, end, first) - step) if end <= first else best
            elif start > position:
                last = max(other for other in self.at if self.row_start[other] == first)
                best = max(best, self._in_front(position, start))
                best = max(best, self._in_front(last, start) - 0.3 - step) if start > last else best
        return best

    def _behind(self, cue: Cue, end: int, position: int) -> float:
        """The number stands behind the cue: `base of 10`."""
        gap = self.words[end:position]
        if any(word.stem in _ENDS for word in gap):
            return 0.0
        if (
            len(cue) == 1
            and len(cue[0]) == 1
            and cue[0].isalpha()
            and not (gap and gap[0].stem in ("=", ":", "is", "equal", "of"))
        ):
            return 0.0
        return 10.0 - self._distance(gap, linked=1.5)

    def _in_front(self, position: int, start: int) -> float:
        """The number stands in front of the cue: `10 years`, `10 m long`."""
        gap = self.words[position + 1 : start]
        if any(word.stem in _ENDS for word in gap):
            return 0.0
        apart = 4.0 * sum(word.stem in ("and", "or", "from", "to") for word in gap) + sum(
            word.stem == "," for word in gap
        )
        return 9.4 - self._distance(gap, linked=1.3) - apart

    def _distance(self, gap: Sequence[Word], *, linked: float) -> float:
        numbers = sum(word.number is not None for word in gap)
        others = sum(word.stem not in _LINKS and word.number is None for word in gap)
        return linked * others + 0.2 * len(gap) + 5.0 * numbers

    def assign(self, wanted: Mapping[str, Sequence[Cue]], optional: Mapping[str, Sequence[Cue]]) -> dict[str, int]:
        """Gives each name the position of its number: the best scores together; then what is left, if it fits exactly."""
        found = self._best({**wanted, **optional})
        missing = [name for name in wanted if name not in found]
        written = [position for position in self.at if not self.words[position].spelled] or self.at
        left = [position for position in written if position not in found.values()]
        if len(missing) == len(left) and (len(left) == 1 or not found):
            found.update(zip(missing, left, strict=True))
        return found

    def _best(self, names: Mapping[str, Sequence[Cue]]) -> dict[str, int]:
        """Chooses one-to-one pairs of names and numbers with the largest sum of scores."""
        order = sorted(
            names,
            key=lambda name: min((at for cue in names[name] for at, _ in places_of(self.words, cue)), default=10**6),
        )
        scores: dict[str, dict[int, float]] = {}
        for rank, name in enumerate(order):
            of_name = {at: self.score(at, names[name]) - 0.02 * (rank - index) ** 2 for index, at in enumerate(self.at)}
            likely = sorted((at for at in of_name if of_name[at] >= _LEAST), key=lambda at: -of_name[at])
            scores[name] = {at: of_name[at] for at in likely[:_MOST_LIKELY]}
        chosen: dict[frozenset[int], tuple[float, dict[str, int]]] = {frozenset(): (0.0, {})}
        for name in names:
            for used, (total, pairs) in list(chosen.items()):
                for at, score in scores[name].items():
                    if at not in used and total + score > chosen.get(used | {at}, (0.0, {}))[0]:
                        chosen[used | {at}] = (total + score, {**pairs, name: at})
        return max(chosen.values(), key=lambda each: each[0])[1]

    def rows(self) -> list[tuple[int, ...]]:
        """Returns the numbers that stand in a row together, at least two."""
        grouped: dict[int, list[int]] = {}
        for position in self.at:
            grouped.setdefault(self.row_start[position], []).append(position)
        return [tuple(row) for row in grouped.values() if len(row) > 1]


def _is_row(words: Sequence[Word], before: int, here: int) -> bool:
    """Tells whether only commas, `and`, or the same unit twice stand between two numbers."""
    gap = list(words[before + 1 : here])
    behind = words[here + 1] if here + 1 < len(words) else None
    if (
        gap
        and behind is not None
        and gap[0].stem.isalpha()
        and gap[0].stem == behind.stem
        and gap[0].stem not in _LISTED
    ):
        gap = gap[1:]
    return bool(gap) and all(word.stem in _LISTED for word in gap)
