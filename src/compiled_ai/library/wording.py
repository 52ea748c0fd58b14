"""The words and numbers of a request, each with its place: what `asking` reads arguments from.

A number is one word however it is written: `1,500`, `-2.5e-3`, `$2 million`, `twenty-five`, `5%`, `2 pi`. Numbers
within dates, times and codes (`CA123456`, `2022/AL2562`) are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import lru_cache

from compiled_ai.library.dates import find_dates
from compiled_ai.library.places import Located, Place, Span
from compiled_ai.library.values import NUMBERS

MOST_CHARACTERS = 2000
"""Of a request; what stands behind is not read."""

_TOKEN = re.compile(
    r"(?P<time>\d{1,2}:\d{2}(?::\d{2})?(?!\d))"
    r"|(?P<pi>(?:(?<![\w)])[-\u2212])?(?:(?<![\w./])(?P<times>\d{1,9}(?:\.\d{1,9})?)\s?\*?\s?)?(?:pi|\u03c0)(?!\w)"
    r"(?:\s?/\s?(?P<parts>[1-9]\d{0,8})(?![\w.]))?)"
    r"|(?P<by>(?<=\d)[xX\u00d7](?=\d))"
    r"|(?P<code>[A-Za-z]{1,12}[/_-]?\d[\w/]{0,40}|\d{1,12}[/_-]?[A-Z]{1,6}[-_/]?\d[\w/-]{0,40}"
    r"|\d{1,12}/[A-Z][\w/-]{0,40})"
    r"|(?P<number>(?:(?<![\w)])[-\u2212+])?(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,18})(?:\.\d{1,18})?(?:[eE][-+]?\d{1,3}(?!\w))?)"
    r"|(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)?)"
    r"|(?P<sign>[^\s\w]|_)"
)
_SMALL_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = {word: value for value, word in enumerate(_SMALL_WORDS.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TENS_WORDS.split(), start=2)}
_POWERS = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_PI = Decimal("3.141592653589793238462643383279503")
_LETTERS = {"k": 10**3, "m": 10**6, "bn": 10**9, "b": 10**9}
"""Powers that are glued to an amount of money: `$5k`."""
_VOWELS = frozenset("aeiouy")
_DOUBLED = frozenset("bdgmnprt")
"""Consonants that are doubled before an ending: `dropped`, `running`."""
CURRENCY = frozenset("$€£¥₹")


@dataclass(frozen=True, slots=True)
class Word:
    """A word, a number, or a sign."""

    text: str
    stem: str
    """Lower case, without the usual endings; the sign itself."""
    start: int
    end: int
    number: Decimal | None = None
    percent: bool = False
    spelled: bool = False
    """Written in letters: `two` may count things (`two charges of 5 and 7`) instead of being a value."""
    opaque: bool = False
    """A date, a time or a code: one piece that is no word."""

    @property
    def is_capital(self) -> bool:
        return self.text[:1].isupper() or self.opaque and any(map(str.isupper, self.text))


def place_at(text: str, start: int, end: int) -> Place:
    """Returns the place of some characters of a request."""
    line_start = text.rfind("\n", 0, start) + 1
    return Place((Span(start, end, text.count("\n", 0, start) + 1, start - line_start + 1),))


def piece(text: str, start: int, end: int) -> Located:
    """Cuts a piece out of a request; it knows its place."""
    return Located(text[start:end], place_at(text, start, end))


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Returns what the forms of a word have in common: `bas` of `bases` and `base`, `drop` of `dropped`."""
    plain = word.casefold().removesuffix("'s").removesuffix("\u2019s")
    if len(plain) > 4 and plain.endswith("ies"):
        return plain[:-3] + "y"
    if len(plain) > 3 and plain.endswith("s") and not plain.endswith(("ss", "us", "is")):
        plain = plain[:-1]
    for ending in ("ing", "ed"):
        rest = plain.removesuffix(ending)
        if len(plain) > len(rest) > 2 and not _VOWELS.isdisjoint(rest) and not plain.endswith("eed"):
            plain = rest[:-1] if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] in _DOUBLED else rest
            break
    return plain[:-1] if len(plain) > 3 and plain.endswith("e") else plain


def words_of(text: str) -> tuple[Word, ...]:
    """Cuts a request into words; number words and magnitudes are put together."""
    return tuple(_merged(list(_cut(text[:MOST_CHARACTERS]))))


def _cut(text: str) -> Iterator[Word]:
    dates = [(found.start, found.end) for found in find_dates(text)]
    reached = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if start < reached:
            continue
        date_end = next((last for first, last in dates if first <= start < last), None)
        if date_end is not None:
            reached = date_end
            yield Word(text[start:date_end], "", start, date_end, opaque=True)
            continue
        kind = match.lastgroup or "sign"
        if kind == "number" and "," in match.group() and text.rfind("[", 0, start) > text.rfind("]", 0, start):
            yield from _items(match.group(), start)
            continue
        if match["pi"]:
            yield Word(match["pi"], match["pi"], start, end, number=_multiple_of_pi(match))
            continue
        if kind == "number" and text[start - 1 : start] == "^":
            kind = "code"
        yield _word(match.group(), kind, start, end)


def _items(text: str, start: int) -> Iterator[Word]:
    """Cuts `200,300,400` into numbers and commas: within brackets a comma parts items, not thousands."""
    for part in re.finditer(r"[^,]+|,", text):
        kind = "sign" if part.group() == "," else "number"
        yield _word(part.group(), kind, start + part.start(), start + part.end())


def _multiple_of_pi(match: re.Match[str]) -> Decimal:
    """Returns the number that `2 pi`, `-pi/2` or `3π` stands for, to 34 digits."""
    with localcontext(NUMBERS):
        number = Decimal(match["times"] or 1) * _PI / Decimal(match["parts"] or 1)
        return -number if match["pi"][0] in "-\u2212" else number


def _word(text: str, kind: str, start: int, end: int) -> Word:
    if kind == "number":
        plain = text.replace(",", "").replace("\u2212", "-")
        return Word(text, text, start, end, number=Decimal(plain))
    if kind in ("time", "code"):
        return Word(text, stem(text), start, end, opaque=True)
    return Word(text, stem(text) if kind == "word" else text, start, end)


def _merged(words: Sequence[Word]) -> Iterator[Word]:
    """Puts together what is one number: number words, magnitudes, percent signs, ordinals."""
    at = 0
    while at < len(words):
        word, following = words[at], at + 1
        if word.number is None and _opens_number(words, at):
            word, following = _spelled(words, at)
        if word.number is not None:
            word, following = _scaled(words, word, at, following)
        yield word
        at = following


def _opens_number(words: Sequence[Word], at: int) -> bool:
    """Tells whether number words begin at a position: `twenty`, `a hundred`."""
    text, after = words[at].text.lower(), words[at + 1].text.lower() if at + 1 < len(words) else ""
    return text in _UNITS or text in _TENS or text in ("a", "an") and after in _POWERS


def _spelled(words: Sequence[Word], at: int) -> tuple[Word, int]:
    """Reads number words from a position: `two hundred and fifty`, `twenty-five`; `three fifty` is two."""
    article = words[at].text.lower() in ("a", "an")
    total, part, end = 0, int(article), at + article
    while end < len(words):
        text = words[end].text.lower()
        if text in _UNITS or text in _TENS:
            if part % 100 and not (part % 100 in _TENS.values() and 0 < _UNITS.get(text, 0) < 10):
                break
            part += _UNITS.get(text, 0) or _TENS.get(text, 0)
        elif text == "hundred" and part:
            part *= 100
        elif text in _POWERS and part:
            total, part = total + part * _POWERS[text], 0
        elif not (text in ("-", "and") and end > at and _goes_on(words, end)):
            break
        end += 1
    first, last = words[at], words[end - 1]
    return replace(first, number=Decimal(total + part), end=last.end, spelled=True), end


def _goes_on(words: Sequence[Word], at: int) -> bool:
    """Tells whether `-` or `and` stands within a number: `twenty-five`, `hundred and five`, not `two and three`."""
    before, text = words[at - 1].text.lower(), words[at].text
    after = words[at + 1].text.lower() if at + 1 < len(words) else ""
    if text == "-":
        return before in _TENS and after in _UNITS
    return before == "hundred" and (after in _UNITS or after in _TENS)


def _scaled(words: Sequence[Word], word: Word, at: int, following: int) -> tuple[Word, int]:
    assert word.number is not None
    number, end, percent = word.number, word.end, False
    after = words[following] if following < len(words) else None
    money = at > 0 and words[at - 1].text in CURRENCY
    if after is not None and after.text.lower() in _POWERS:
        number, end, following = number * _POWERS[after.text.lower()], after.end, following + 1
    elif after is not None and money and after.start == end and after.text.lower() in _LETTERS:
        number, end, following = number * _LETTERS[after.text.lower()], after.end, following + 1
    elif after is not None and after.start == end and after.text in ("st", "nd", "rd", "th"):
        end, following = after.end, following + 1
    elif after is not None and (after.text == "%" or after.stem in ("percent", "percentag", "pct")):
        end, following, percent = after.end, following + 1, True
    return replace(word, number=number, end=end, percent=percent), following
