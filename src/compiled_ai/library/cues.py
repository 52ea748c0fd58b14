"""Which number of a request belongs to which argument: told by the words (cues) that stand before or behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice, permutations

from compiled_ai.library.wording import Word, words_of

Cue = tuple[str, ...]
"""The stems of one word or of several words in a row."""

_LINKING = "of is are was were be equal = : being as at to the a an about with hav has valu number exactly around set"
_LINKS = frozenset((*_LINKING.split(), "amount", "approximately", "total", "(", "[", "-", "'", '"', "$", "€", "£"))
"""Stems that may stand between a cue and its number."""
_ENDS = frozenset(".?!;")
_LISTED = frozenset((",", "and", "&"))
_OTHER_CLAUSE = frozenset(("and", "or", "from", "to"))
_LEADING = "by to from at in for of over and between until with on within during up"
_PREPOSITIONS = frozenset(_LEADING.split())
"""Stems of words that name the number behind them, never the one in front."""
_LEAST = 4.0
"""A cue that is no nearer than this says nothing."""
_COUNTS = 3.0
"""Taken from the score of a number word, since it may count things (`two sides`)."""
_LEAST_COUNTING = 9.0
"""A number word is the value of a cue that stands right beside it, only."""
_APT = 5.0
"""A number with the unit that is wanted, without any cue."""
_REACH = 12
"""Words between a cue and its number, at most."""
_MOST_LIKELY = 3
"""Of the numbers that one name may have, so many are weighed against those of other names."""
_MOST_NUMBERS = 30
_LONG = 8
"""From so many letters on, a cue may be misspelt: by a letter that lacks, or is one too many.

Never by another letter in its place: `contrast` is no `contract`.
"""
_SAME = 3
"""So many letters at the beginning are always as they should be."""
_MOST_PLACES = 60
_TIMES = frozenset(("by", "x", "\u00d7", "*"))
_MOST_WAYS = 720
"""Orders of rows that are weighed: all of six rows."""


@lru_cache(maxsize=4096)
def cues_of(text: str) -> tuple[Cue, ...]:
    """Reads cues as they are written: `base, base length` is two cues."""
    return tuple(cue for part in text.split(",") if (cue := tuple(word.stem for word in words_of(part))))


def places_of(words: Sequence[Word], cue: Cue) -> Iterator[tuple[int, int]]:
    """Yields where a cue stands, as positions of its first word and of the one behind its last."""
    for start in range(len(words) - len(cue) + 1):
        if all(_is_word(words[start + offset].stem, part) for offset, part in enumerate(cue)):
            yield start, start + len(cue)


def _is_word(stem: str, wanted: str) -> bool:
    """Tells whether a word is the wanted one; a long word may lack a letter, or have one too many."""
    if stem == wanted:
        return True
    shorter, longer = sorted((stem, wanted), key=len)
    near = len(shorter) >= _LONG and len(longer) == len(shorter) + 1 and stem[:_SAME] == wanted[:_SAME]
    return near and any(longer[:at] + longer[at + 1 :] == shorter for at in range(_SAME, len(longer)))


@dataclass(frozen=True)
class Numbers:
    """The numbers of a request, by position among its words."""

    words: Sequence[Word]

    @cached_property
    def at(self) -> tuple[int, ...]:
        return tuple(index for index, word in enumerate(self.words) if word.number is not None)[:_MOST_NUMBERS]

    @cached_property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Numbers that stand in a row together: `3, 4 and 5`; one that stands alone is a row, too."""
        rows: list[list[int]] = []
        for position in self.at:
            if rows and self._goes_on(rows[-1][-1], position):
                rows[-1].append(position)
            else:
                rows.append([position])
        return tuple(map(tuple, rows))

    @cached_property
    def _row_of(self) -> Mapping[int, tuple[int, ...]]:
        return {position: row for row in self.rows for position in row}

    def _goes_on(self, before: int, here: int) -> bool:
        """Tells whether only commas, `and`, or the same unit twice stand between two numbers."""
        gap = list(self.words[before + 1 : here])
        unit = self.words[here + 1].stem if here + 1 < len(self.words) else ""
        if gap and unit.isalpha() and gap[0].stem == unit and unit not in _LISTED:
            gap = gap[1:]
        return bool(gap) and all(word.stem in _LISTED for word in gap)

    def _places(self, cue: Cue) -> tuple[tuple[int, int], ...]:
        if cue not in self._known:
            self._known[cue] = tuple(places_of(self.words, cue))[:_MOST_PLACES]
        return self._known[cue]

    @cached_property
    def _known(self) -> dict[Cue, tuple[tuple[int, int], ...]]:
        return {}

    def score(self, position: int, cues: Sequence[Cue]) -> float:
        """Says how surely one of the cues names the number at a position: 10 is beside it, 0 is not at all."""
        best = max((self._score(position, cue) for cue in cues), default=0.0)
        if self.words[position].spelled:
            return best - _COUNTS if best >= _LEAST_COUNTING else 0.0
        return best

    def _score(self, position: int, cue: Cue) -> float:
        if cue == ("%",):
            return 8.0 if self.words[position].percent else 0.0
        row = self._row_of[position]
        later = 0.3 * row.index(position)
        best = 0.0
        for start, end in self._places(cue):
            if end < row[0] - _REACH or start > row[-1] + _REACH + 1:
                continue
            if end <= position:
                best = max(best, self._behind(cue, end, position))
                best = max(best, self._behind(cue, end, row[0]) - later) if end <= row[0] else best
            elif start > position and not _PREPOSITIONS.issuperset(cue):
                best = max(best, self._in_front(position, start))
                best = max(best, self._in_front(row[-1], start) - 0.3 - later) if start > row[-1] else best
        return best

    def _behind(self, cue: Cue, end: int, position: int) -> float:
        """The number stands behind the cue: `base of 10`. A letter must be linked to it: `a = 3`."""
        gap = self.words[end:position]
        letter = len(cue) == 1 and len(cue[0]) == 1 and cue[0].isalpha()
        if letter and not (gap and gap[0].stem in ("=", ":", "is", "equal", "of")):
            return 0.0
        return 10.0 - self._distance(gap, 1.5)

    def _in_front(self, position: int, start: int) -> float:
        """The number stands in front of the cue: `10 years`, `10 m long`."""
        gap = self.words[position + 1 : start]
        apart = sum(4.0 for word in gap if word.stem in _OTHER_CLAUSE) + sum(1.0 for word in gap if word.stem == ",")
        return 9.4 - self._distance(gap, 1.3) - apart

    def _distance(self, gap: Sequence[Word], for_word: float) -> float:
        if len(gap) > _REACH or any(word.stem in _ENDS for word in gap):
            return 10.0
        numbers = sum(word.number is not None for word in gap)
        others = sum(word.number is None and word.stem not in _LINKS for word in gap)
        return for_word * others + 0.2 * len(gap) + 5.0 * numbers

    def assign(
        self,
        wanted: Mapping[str, Sequence[Cue]],
        optional: Mapping[str, Sequence[Cue]],
        barred: Mapping[str, Collection[int]] | None = None,
        apt: Mapping[str, Collection[int]] | None = None,
        *,
        rest: bool = True,
    ) -> dict[str, int]:
        """Gives each name the position of its number: the best scores together; then what is left, if it fits.

        `barred` says which positions a name cannot have, `apt` which have its unit. With `rest`, numbers that no cue
        names go to the names that lack one, in order, if there are equally many and only their order could part them.
        """
        barred = barred or {}
        found = self._best({**wanted, **optional}, barred, apt or {})
        if rest:
            found.update(self._left([name for name in wanted if name not in found], found, wanted, barred))
        return found

    def _left(
        self,
        missing: Collection[str],
        found: Mapping[str, int],
        wanted: Collection[str],
        barred: Mapping[str, Collection[int]],
    ) -> dict[str, int]:
        """Gives what no cue names to the names that lack a number."""
        written = [position for position in self.at if not self.words[position].spelled] or self.at
        left = [
            position
            for position in written
            if position not in found.values() and not all(position in barred.get(name, ()) for name in missing)
        ]
        pairs = dict(zip(missing, left, strict=False))
        together = len(left) == 1 or found.keys().isdisjoint(wanted) or self._are_alike(left)
        fitting = not any(position in barred.get(name, ()) for name, position in pairs.items())
        return pairs if len(missing) == len(left) and together and fitting else {}

    def _are_alike(self, positions: Sequence[int]) -> bool:
        """Tells whether numbers have the same unit, or stand in a row or as measures do: `30 by 12`, `3 x 4`."""
        pairs = list(zip(positions, positions[1:], strict=False))
        units = {self.words[at + 1].stem if at + 1 < len(self.words) else "" for at in positions}
        if pairs and len(units) == 1 and max(units).isalpha() and units.isdisjoint(_OTHER_CLAUSE):
            return True
        return bool(pairs) and all(self._goes_on(one, other) or self._is_measure(one, other) for one, other in pairs)

    def _is_measure(self, before: int, here: int) -> bool:
        gap = [word.stem for word in self.words[before + 1 : here]]
        return bool(gap) and gap[-1] in _TIMES and len(gap) <= 2

    def rows_by_name(
        self, names: Mapping[str, Sequence[Cue]], rows: Sequence[tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Gives each name a row, of equally many: the best scores of first numbers together, of equals in order."""

        def total(order: Iterable[tuple[int, ...]]) -> float:
            return sum(self.score(row[0], cues) for row, cues in zip(order, names.values(), strict=True))

        ways = islice(permutations(rows), _MOST_WAYS)
        return dict(zip(names, max(ways, key=total), strict=True))

    def _best(
        self,
        names: Mapping[str, Sequence[Cue]],
        barred: Mapping[str, Collection[int]],
        apt: Mapping[str, Collection[int]],
    ) -> dict[str, int]:
        """Chooses one-to-one pairs of names and numbers with the largest sum of scores."""
        first = {
            name: min((at for cue in cues for at, _ in places_of(self.words, cue)), default=10**6)
            for name, cues in names.items()
        }
        order = sorted(names, key=lambda name: first[name])
        chosen: dict[frozenset[int], tuple[float, dict[str, int]]] = {frozenset(): (0.0, {})}
        for name, cues in names.items():
            scores = self._likely(cues, order.index(name), barred.get(name, ()), apt.get(name, ()))
            for used, (total, pairs) in list(chosen.items()):
                for at, score in scores.items():
                    if at not in used and total + score > chosen.get(used | {at}, (0.0, {}))[0]:
                        chosen[used | {at}] = (total + score, {**pairs, name: at})
        return max(chosen.values(), key=lambda each: each[0])[1]

    def _likely(
        self, cues: Sequence[Cue], rank: int, barred: Collection[int], apt: Collection[int]
    ) -> dict[int, float]:
        """Returns the numbers that cues may name; of equals, those that stand in the order of the cues."""
        scores = {
            at: max(self.score(at, cues), _APT if at in apt else 0.0) - 0.02 * (rank - index) ** 2
            for index, at in enumerate(self.at)
        }
        likely = sorted((at for at in scores if scores[at] >= _LEAST and at not in barred), key=lambda at: -scores[at])
        return {at: scores[at] for at in likely[:_MOST_LIKELY]}
