"""Comparing texts that were written, scanned or typed differently."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compiled_ai.library.labels import find_label, fuzzy_positions
from compiled_ai.library.places import Located

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Match:
    """The choice nearest to a text, its position among the choices, and how alike they are (0 to 1)."""

    choice: str
    index: int
    likeness: float


def plain(text: str) -> str:
    """Returns a text for comparing: lower case, no accents, no punctuation, single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(_WORD.findall("".join(sign for sign in decomposed if not unicodedata.combining(sign))))


def likeness(first: str, second: str) -> float:
    """Tells from 0 to 1 how alike two texts are; case, accents, punctuation and the order of words do not matter."""
    from rapidfuzz import fuzz

    one, other = plain(first[:2000]), plain(second[:2000])
    if not one or not other:
        return float(one == other)
    return max(fuzz.ratio(one, other), fuzz.token_sort_ratio(one, other)) / 100


def is_like(first: str, second: str, *, at_least: float = 0.9) -> bool:
    """Tells whether two texts are probably the same but for slips."""
    return likeness(first, second) >= at_least


def best_match(text: str, choices: Iterable[str], *, at_least: float = 0.8) -> Match | None:
    """Returns the choice most like a text (the first of equals), or `None` if none is like it enough."""
    best: Match | None = None
    for index, choice in enumerate(choices):
        found = likeness(text, choice)
        if found >= at_least and (best is None or found > best.likeness):
            best = Match(choice, index, found)
    return best


def classify(text: str, keywords: Mapping[str, Sequence[str]], *, otherwise: str) -> str:
    """Returns the class whose keywords occur most often in a text as whole words, else `otherwise`.

    Of equals the first. Phrases of several words count with as many points as they have words.
    """
    words = f" {plain(text[:200000])} "
    points = {name: sum(_points(words, plain(phrase)) for phrase in phrases) for name, phrases in keywords.items()}
    best = max(points, key=lambda name: points[name], default=otherwise)
    return best if points.get(best, 0) > 0 else otherwise


def _points(words: str, phrase: str) -> int:
    return words.count(f" {phrase} ") * len(phrase.split()) if phrase else 0


def find_phrase(text: str, phrase: str) -> Located | None:
    """Returns the first place where a phrase stands in a text, slips of OCR forgiven, as it is written there."""
    from compiled_ai.library.layout import Page

    found = find_label(text, phrase) or fuzzy_positions(text, phrase)
    if not found:
        return None
    page = Page.from_text(text)
    cell = page.cell_at(found[0].start)
    return cell.text[found[0].start - cell.start : found[0].end - cell.start] if cell else None
