"""Fingerprints of layouts: which labels and fixed words stand on a page, and how much two pages have in common.

A cell is a piece of a line between wide gaps, or the text of a box. Cells with digits are values; of the others the
letters count, up to a colon or a number sign. Two pages of one form share most of them, whatever the values.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["Layouts", "fingerprint", "likeness"]

_GAP = re.compile(r"[ \t]{2,}|\t")
_MOST_WORDS = 4
_MOST_CELLS = 2_000


def fingerprint(document: object) -> frozenset[int]:
    """Returns hashes of the labels and fixed words of a text, or of a list of boxes (typed or as JSON)."""
    found: set[int] = set()
    for number, cell in enumerate(_cells(document)):
        if number >= _MOST_CELLS:
            break
        label = re.split(r"[:#]", cell, maxsplit=1)[0]
        words = re.findall(r"[^\W\d_]+", label.casefold())
        if 0 < len(words) <= _MOST_WORDS and not re.search(r"\d", label) and len("".join(words)) >= 3:
            found.add(zlib.crc32(" ".join(words).encode("utf-8")))
    return frozenset(found)


def _cells(document: object) -> Iterator[str]:
    if isinstance(document, str):
        for line in document.splitlines():
            yield from _GAP.split(line.strip())
    elif isinstance(document, (list, tuple)):
        for part in document:
            text = getattr(part, "text", None)
            if isinstance(text, str):
                yield text
            elif isinstance(part, (list, tuple)) and part and isinstance(part[-1], str):
                yield part[-1]


def likeness(one: frozenset[int], other: frozenset[int]) -> float:
    """Returns the cosine of two fingerprints: 0 where they share nothing, 1 where they are the same."""
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts that an artifact was validated on."""

    known: tuple[frozenset[int], ...]
    least: Decimal
    """Likeness to the nearest known layout below which a document is unfamiliar."""

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Layouts:
        return cls(tuple(frozenset(map(int, each)) for each in described["known"]), Decimal(described["least"]))

    @classmethod
    def of(cls, prints: Sequence[frozenset[int]], groups: Sequence[str]) -> Layouts:
        """Learns layouts from the fingerprints of documents, given the group (vendor, form) of each.

        Words of one document alone are its values and are left out. `least` is set so that of the documents whose
        group has others, at most one in twenty would be unfamiliar if it were not there itself.
        """
        spread = Counter(word for each in prints for word in each)
        sizes = Counter(groups)
        common = [frozenset(word for word in each if spread[word] > 1) for each in prints]
        nearest = sorted(
            max(likeness(prints[i], common[j]) for j in range(len(prints)) if j != i)
            for i, group in enumerate(groups)
            if sizes[group] > 1
        )
        least = nearest[len(nearest) // 20] if nearest else 0.0
        kept = dict.fromkeys(each for each in common if each)
        return cls(tuple(kept), Decimal(repr(round(least, 3))))

    def to_json(self) -> dict[str, Any]:
        return {"least": str(self.least), "known": [sorted(each) for each in self.known]}

    def nearest(self, own: frozenset[int]) -> float:
        """Returns the likeness of a fingerprint to the nearest known layout."""
        return max((likeness(own, each) for each in self.known), default=0.0)

    def knows(self, own: frozenset[int]) -> bool:
        """Tells whether the layout with this fingerprint is familiar."""
        return self.nearest(own) >= self.least
