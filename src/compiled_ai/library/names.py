"""Names of persons in their parts, and the names of organisations (from `organisations` and `issuers`)."""

from __future__ import annotations

from dataclasses import dataclass

from compiled_ai.library.issuers import issuer, issuer_choices
from compiled_ai.library.labels import words
from compiled_ai.library.organisations import has_legal_form, organisation_key, without_codes

__all__ = [
    "Person",
    "has_legal_form",
    "issuer",
    "issuer_choices",
    "organisation_key",
    "parse_person",
    "without_codes",
]

_PARTICLES = words("van von de der den del della di da la le bin binti al el ibn dos das du st ter ten")
_TITLES = words("mr mrs ms miss dr prof sir madam mdm rev hon herr frau mme mlle sr sra m")
_SUFFIXES = words("jr sr ii iii iv md phd esq dds rn do np pa cpa mba")


@dataclass(frozen=True, slots=True)
class Person:
    """A person's name in its parts; empty where absent."""

    given: str
    middle: str
    family: str
    title: str = ""
    suffix: str = ""


def parse_person(name: str) -> Person:
    """Splits `Dr. Maria del Carmen van der Berg, MD` or `Berg, Maria` into given, middle and family name."""
    head, *rest = [part.strip() for part in name.split(",")]
    words = head.split()
    suffixes = [part for part in rest if _bare(part) in _SUFFIXES]
    others = [part for part in rest if part and _bare(part) not in _SUFFIXES]
    title = [words.pop(0)] if words and _bare(words[0]) in _TITLES and len(words) > 1 else []
    while len(words) > 1 and _bare(words[-1]) in _SUFFIXES:
        suffixes.insert(0, words.pop())
    if others:
        given = others[0].split()
        if given and _bare(given[0]) in _TITLES:
            title = [given.pop(0)]
        return Person(given[0] if given else "", " ".join(given[1:]), " ".join(words), *_joined(title, suffixes))
    start = max(0, len(words) - 1)
    while start > 1 and _bare(words[start - 1]) in _PARTICLES:
        start -= 1
    given = words[:start] or words
    family = words[start:] if start else []
    return Person(given[0] if given else "", " ".join(given[1:]), " ".join(family), *_joined(title, suffixes))


def _joined(title: list[str], suffixes: list[str]) -> tuple[str, str]:
    return " ".join(title), " ".join(suffixes)


def _bare(word: str) -> str:
    return word.replace(".", "").casefold()
