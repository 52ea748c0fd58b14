"""Labels on a page: finding one in spite of case, punctuation, `#`/`No.`/`Number` and slips of OCR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache


def words(text: str) -> frozenset[str]:
    """Returns the words of a text as a set."""
    return frozenset(text.split())


_NUMBER = r"(?:#|no\b\.?|n[o0]\.|nr\.?|num(?:ber)?\b\.?|nbr\b\.?|\u2116)"
_WORDS = words(
    "account acct address adv advertiser age agency agreement agy alt amount attention attn balance bill billing "
    "birth branch buyer buying calendar cashier category class client code comments commission company "
    "contact contract counter currency customer cycle date day days deal delivery demo demographic "
    "department dept desc description destination detail discount division document due duration effective email "
    "employee end entered est estimate estimated executive expiration expires extension external fax "
    "field first flight gross group handling header id identifier info information instructions internal "
    "invoice issue issued "
    "item last length line location market member memo method middle modified month name nature net no "
    "notes nbr num number office order ordered original page paid party patient payable payment period "
    "person phone plan po policy position posted price primary print printed priority product project "
    "property provider purchase qty quantity rate receipt received ref reference region registration "
    "release rep report representative requested rev revision sales salesman salesperson schedule "
    "secondary section sent serial series service ship shipped shipping signature sort source special sponsor "
    "spots start statement station status stop subject subtotal supplier table tax tel telephone term "
    "terminal terms ticket time title total trans transaction type unit updated user vat vendor version "
    "week weekday year zip"
)
_DATES = ("date", "dates")
_TOKEN = re.compile(r"[^\W_]+|[#$%&]")
_WORD = re.compile(r"[^\W\d_]+")
_SMALL = words("of the and or to for in by a s per & as on at from")


@dataclass(frozen=True, slots=True)
class Found:
    """A label on a page: first and last character in the page's text, and 1.0 for an exact match."""

    start: int
    end: int
    quality: float


@lru_cache(maxsize=512)
def _pattern(label: str) -> re.Pattern[str] | None:
    tokens = _TOKEN.findall(label.lower())
    if not tokens:
        return None
    parts = [
        _NUMBER if index and _is_number_word(token) or token == "#" else re.escape(token)
        for index, token in enumerate(tokens)
    ]
    tail = ""
    if tokens[-1].isalpha() and parts[-1] != _NUMBER:
        parts[-1] = _singular(parts[-1])
        tail = r"s?(?![^\W\d_])"
    return re.compile(r"[\s.:/_\-]{0,3}".join(parts) + tail, re.IGNORECASE)


def _is_number_word(token: str) -> bool:
    return token in ("#", "no", "number", "num", "nbr")


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith("ss") else word


def bare_label(label: str, *, dated: bool = False) -> str | None:
    """Returns `contract` for `Contract #`, and if `dated`, `begin` for `Begin Date`: how a form may call them."""
    tokens = _TOKEN.findall(label.lower())
    spare = _DATES.__contains__ if dated else _is_number_word
    kept = [token for index, token in enumerate(tokens) if not (index and spare(token))]
    return " ".join(kept) if len(kept) < len(tokens) and kept != ["#"] else None


def find_label(text: str, label: str) -> list[Found]:
    """Returns where a label stands in a text; case, punctuation between its words and a plural do not matter.

    Where a label in the plural stands in the singular, its quality is a little less.
    """
    pattern = _pattern(label)
    if pattern is None:
        return []
    lowered = _lowered(text)
    head = _singular(_TOKEN.findall(label)[0].lower())
    plural = _singular(label.lower()) != label.lower()
    found: list[Found] = []
    at = lowered.find(head)
    while at >= 0:
        match = pattern.match(lowered, at)
        if match and "\n" not in match.group() and _begins(text, at):
            found.append(Found(at, match.end(), 0.88 if plural and lowered[match.end() - 1] != "s" else 1.0))
        at = lowered.find(head, at + len(head))
    return found


def _begins(text: str, at: int) -> bool:
    """Tells whether a word begins here; also where two were glued, as in `GroupAdvertiser`."""
    before = text[at - 1] if at else " "
    return not before.isalnum() or not text[at].isalnum() or (before.islower() and text[at].isupper())


def lowered(text: str) -> str:
    """The text in lower case, with every character where it was (a few letters have longer lower-case forms)."""
    plain = str(text).lower()
    return plain if len(plain) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in str(text))


@lru_cache(maxsize=4)
def _lowered(text: str) -> str:
    """A whole page in lower case: asked for by each label that is looked for."""
    return lowered(text)


@lru_cache(maxsize=4)
def _vocabulary(text: str) -> dict[str, list[int]]:
    """Where each distinct word of a text stands, counted in words."""
    places: dict[str, list[int]] = {}
    for index, word in enumerate(_FUZZY_WORD.findall(_lowered(text))):
        places.setdefault(word, []).append(index)
    return places


@lru_cache(maxsize=4)
def _spans(text: str) -> list[tuple[int, int]]:
    """First and last character of every word of a text: asked for only where some word is like a label's."""
    return [match.span() for match in _FUZZY_WORD.finditer(_lowered(text))]


@lru_cache(maxsize=256)
def _alike(text: str, word: str, least: int) -> frozenset[str]:
    """The (at most 60) words of a text that are most like a word."""
    from rapidfuzz import fuzz, process

    choices = list(_vocabulary(text))
    return frozenset(
        found for found, _, _ in process.extract(word, choices, scorer=fuzz.ratio, score_cutoff=least, limit=60)
    )


_SHORT = {
    "account": "acct|acc",
    "advertiser": "adv|advt|advtr|advtsr|advert|advertisr",
    "agency": "agy|agcy",
    "amount": "amt|amnt",
    "balance": "bal",
    "campaign": "camp|cmpgn",
    "confirmation": "conf|confirm",
    "contract": "contr|cntr|cntrct|cont",
    "customer": "cust|cstmr",
    "date": "dt",
    "document": "doc",
    "dates": "dts|dt",
    "estimate": "est",
    "flight": "flt|flgt",
    "gross": "grs",
    "invoice": "inv|invc",
    "order": "ord|ordr",
    "payment": "pmt|pymt",
    "period": "per|prd",
    "product": "prod",
    "schedule": "sched|sch",
    "sponsor": "spons|spnsr",
    "statement": "stmt|stmnt",
    "total": "tot|ttl",
    "totals": "tots|tot|ttl",
}
"""How forms with little room shorten the words of their labels."""


@lru_cache(maxsize=512)
def _abbreviated(label: str) -> tuple[tuple[str, ...], re.Pattern[str]] | None:
    """The words by which an abbreviated label may begin, and its pattern; `None` where no word has a short form."""
    tokens = _TOKEN.findall(label.lower())
    if not any(token in _SHORT for token in tokens):
        return None
    forms = [
        _NUMBER
        if token == "#" or (index and _is_number_word(token))
        else rf"(?:{re.escape(token)}|(?:{_SHORT[token]})\b\.?)"
        if token in _SHORT
        else re.escape(token)
        for index, token in enumerate(tokens)
    ]
    return (tokens[0], *_SHORT.get(tokens[0], "").split("|")), re.compile(
        r"[\s.:/_\-]{0,3}".join(forms) + r"(?![^\W\d_])"
    )


def find_abbreviated(text: str, label: str) -> list[Found]:
    """Returns where a label stands with words cut short, such as `ADV` or `Ord #`."""
    short = _abbreviated(label)
    if short is None:
        return []
    lowered, places = _lowered(text), _vocabulary(text)
    found = [at for word in short[0] for at in places.get(word, ())[:2000]]
    matches = [short[1].match(lowered, _spans(text)[at][0]) for at in found]
    return [Found(match.start(), match.end(), 0.78) for match in matches if match and "\n" not in match.group()]


_SAME = {
    "amount": ("value",),
    "end": ("stop", "last", "to"),
    "start": ("first", "begin", "from"),
    "total": ("amount", "value"),
}
"""Words that mean the same in a label of two words or more."""
_WHOLE = words("campaign contract date dates flight invoice order schedule")


def find_same(text: str, label: str) -> list[Found]:
    """Returns where a label stands in other words: `Stop Date` for `End Date`, `Contract Amount` for `Contract Total`.

    Only beside a word for a whole document, since `Gross Amount` and `Amount $` head the columns of its lines.
    """
    tokens = label.lower().split()
    if len(tokens) != 2 or _WHOLE.isdisjoint(tokens):
        return []
    others = [" ".join((*tokens[:at], same, *tokens[at + 1 :])) for at in (0, 1) for same in _SAME.get(tokens[at], ())]
    stated = [other for other in others if other not in ("to date", "to dates")]
    return [replace(found, quality=0.8) for other in stated for found in find_label(text, other)]


_BETWEEN_WORDS = re.compile(r"[\W_]+")
_FUZZY_WORD = re.compile(r"[^\W_]{2,30}(?:[.~'`|][^\W\d_]{1,30}){0,2}|[^\W_][.~'`|][^\W\d_]{2,30}")
"""A word; a mark between its letters is a slip of OCR: `Adver~iser`, `F.ight`."""


def fuzzy_positions(text: str, label: str) -> list[Found]:
    """Returns where a label stands with slips of OCR: one wrong character in four or so, words glued or torn."""
    from rapidfuzz.distance import Levenshtein

    parts = re.findall(r"[^\W_]+", label.lower())
    target = "".join(parts)
    if len(target) < 5:
        return []
    anchors = _alike(text, parts[0], 74) | _torn(_vocabulary(text), parts[0])
    if len(parts) > 1:
        anchors |= _alike(text, target, 80)
    if not anchors:
        return []
    places, spans = _vocabulary(text), _spans(text)
    found: list[Found] = []
    for index in sorted(at for word in anchors for at in places[word])[:2000]:
        best = 0.0
        start, last = spans[index]
        for first, end in spans[index : index + len(parts) + 1]:
            if first - start > len(target) + 12 or "\n" in text[start:end]:
                break
            joined = _BETWEEN_WORDS.sub("", text[start:end]).lower()
            likeness = Levenshtein.normalized_similarity(joined, target, score_cutoff=0.78)
            if likeness > best:
                best, last = likeness, end
        if best >= 0.78:
            found.append(Found(start, last, best - 0.1))
    return found


def _torn(places: Mapping[str, object], word: str) -> frozenset[str]:
    """The words of a text that may be the first part of a word which OCR tore in two: `Adver tiser`."""
    return frozenset(word[:cut] for cut in range(2, len(word) - 1) if word[:cut] in places and word[cut:] in places)


@lru_cache(maxsize=4096)
def is_label(text: str) -> float:
    """Tells from 0 to 1 how much a short text looks like the label of a field rather than a value."""
    plain = text.strip()
    if not plain or len(plain) > 48:
        return 0.0
    if plain.endswith((":", "#")):
        return 1.0
    found = [word.lower() for word in _WORD.findall(plain)]
    content = [word for word in found if word not in _SMALL]
    if not content or len(found) > 6 or sum(map(str.isdigit, plain)) > 3:
        return 0.0
    known = [word for word in content if word in _WORDS or word.removesuffix("s") in _WORDS]
    share = len(known) / len(content)
    if share == 1:
        return 0.9
    return 0.6 if share >= 0.5 and content[-1] in _WORDS else 0.0


def is_smudged_label(text: str) -> bool:
    """Tells whether a short text may be a label with a slip of OCR in each word: `Salcs Officc`, `Codc`.

    Short words are alike by chance, so that one of up to four letters counts only by itself.
    """
    found = [_UNWORDLY.sub("", word) for word in text.split()]
    content = [word for word in found if word and word.lower() not in _SMALL and not word.isdigit()]
    least = 0 if len(content) == 1 else 5
    return 0 < len(content) <= 4 and all(
        word.lower() in _WORDS or (len(word) >= least and _slipped_word(word)) for word in content
    )


_UNWORDLY = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def _slipped_word(word: str) -> bool:
    """Tells whether a word is one of labels but for one letter, or too short to be a name by itself: `Rif`."""
    if len(word) < 4:
        return word.isascii() and word.isalpha() and not word.isupper()
    return word.isalpha() and not _shorter(word.lower()).isdisjoint(_shorter_words())


def _shorter(word: str) -> frozenset[str]:
    """A word, and all it becomes without one of its letters: two words one slip apart have one of these in common."""
    return frozenset((word, *(word[:at] + word[at + 1 :] for at in range(len(word)))))


@lru_cache(maxsize=1)
def _shorter_words() -> frozenset[str]:
    """The words of labels, and what the longer ones of them become without a letter."""
    return frozenset().union(*(_shorter(word) if len(word) >= 4 else {word} for word in _WORDS if len(word) >= 3))


def is_word(word: str, known: str) -> bool:
    """Tells whether a word is a known one of five letters or more, but for one slip of OCR."""
    if len(known) < 5 or abs(len(word) - len(known)) > 1:
        return False
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(word, known, score_cutoff=1) <= 1
