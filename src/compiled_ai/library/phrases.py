"""Names and phrases of a request: what is quoted or capitalised, or stands beside a word up to one that ends it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from compiled_ai.library.cues import Cue, places_of
from compiled_ai.library.places import Located
from compiled_ai.library.wording import Word, piece, stem

_QUOTED = re.compile(
    r"(?<!\w)(['\"`])(?=\S)(?P<plain>[^\"`\n]{1,200}?)\1(?!\w)|[\u2018\u201c](?P<curly>[^\u2019\u201d\n]{1,200})[\u2019\u201d]"
)
_ARTICLES = frozenset(
    ("the", "a", "an", "my", "our", "your", "his", "her", "their", "its", "this", "that", "some", "any")
)
_SKIPPED = _ARTICLES | frozenset(
    ("of", "is", "are", ":", "=", "(", "[", "'", '"', "`", "\u2018", "\u201c", "named", "called")
)
_INNER = frozenset(("of", "the", "de", "la", "le", "du", "des", "von", "van", "der", "den", "di", "da", "del"))
_OPENING_WORDS = """
    find get what which who whom whose where when how why calculate compute determine give show list search look
    can could please i book retrieve fetch tell is are do did provide identify predict convert check compare
    create analyze generate estimate evaluate solve order locate plan buy schedule update reserve in on at for to
    from with using use need want if hey hi hello let would should will run play send open add set pick choose
    suggest recommend help return discover explore simulate draw measure what's who's how's i'm i'd i've perform
    obtain read make take track translate summarize view review select sort filter turn switch register sign there
    given kindly my our we the a an
"""
_OPENING = frozenset(stem(word) for word in _OPENING_WORDS.split())
"""Stems of words that open a sentence with a capital without being a name."""
_STOPPING_WORDS = """
    in on at for from to with by near during between using via within around about over under after before until
    since per than as into and or but if that which who whom where when while because so is are was were be been
    has have had do does did can could will would should i you we they it me us please given having whose
    including starting ending considering
"""
_STOPS = frozenset(_STOPPING_WORDS.split())
_PRAISING_WORDS = """
    best top good closest nearest local latest recent current new highest lowest cheapest most popular famous
    great nearby upcoming available detailed rated different various more other all
"""
_PRAISE = frozenset(_PRAISING_WORDS.split())
_PUNCTUATION = frozenset(",.;:?!()[]{}\"'`\u2018\u2019\u201c\u201d")


@dataclass(frozen=True)
class Phrases:
    """The words of a request, and what in it is quoted."""

    text: str
    words: Sequence[Word]
    quoted: tuple[tuple[int, int], ...]
    """First and last character of each quoted text, without the marks."""

    @classmethod
    def of(cls, text: str, words: Sequence[Word]) -> Phrases:
        spans = (match.span(match.lastgroup or 0) for match in _QUOTED.finditer(text))
        return cls(text, words, tuple(spans))

    def beside(self, after: Sequence[Cue], before: Sequence[Cue], *, places: bool = False) -> Located | None:
        """Returns the text that stands behind the first cue that has one, or in front of one."""
        for cue in after:
            for _, end in places_of(self.words, cue):
                found = self.from_position(end, places=places)
                if found:
                    return found
        for cue in before:
            for start, _ in places_of(self.words, cue):
                found = self.up_to_position(start)
                if found:
                    return found
        return None

    def from_position(self, at: int, *, places: bool = False) -> Located | None:
        """The quoted text, the name or the phrase that begins at a word."""
        at = self._skipped(at)
        if at >= len(self.words):
            return None
        quoted = self._quoted_at(self.words[at].start)
        if quoted is not None:
            return quoted
        end = self._name_end(at, places=places)
        if end > at:
            return self._slice(at, end)
        end = at
        while end < len(self.words) and not self._ends_phrase(self.words[end]):
            if self._name_end(end, places=places) > end:
                return self._slice(end, self._name_end(end, places=places))
            end += 1
        return None if places else self._slice(at, end)

    def single_word(self, at: int) -> Located | None:
        """The word at a position, if it is one that can be a unit or a kind."""
        word = self.words[at] if at < len(self.words) else None
        stands_alone = word is not None and word.text.isalpha() and not self._ends_phrase(word)
        return self._slice(at, at + 1) if stands_alone else None

    def up_to_position(self, end: int) -> Located | None:
        """The quoted text, the name or the phrase that ends in front of a word."""
        last = end
        while last > 0 and self.words[last - 1].text in ("'", '"', "`", "\u2019", "\u201d", "'s"):
            last -= 1
        quoted = next((span for span in self.quoted if last and span[0] <= self.words[last - 1].start < span[1]), None)
        if quoted is not None:
            return piece(self.text, *quoted).strip()
        start = last
        while (
            start > 0
            and not self._ends_phrase(self.words[start - 1])
            and self.words[start - 1].text.lower() not in _ARTICLES
        ):
            start -= 1
            if self._opens(start) or self.words[start].text == "of" and not self._is_name_word(start + 1):
                start += 1
                break
        while start < last and self.words[start].text.lower() in _PRAISE:
            start += 1
        return self._slice(start, last)

    def items(self, after: Sequence[Cue], before: Sequence[Cue]) -> tuple[Located, ...]:
        """The items of a list behind the first cue that has one, or in front of one."""
        for cue in after:
            for _, end in places_of(self.words, cue):
                found = self._items(self._skipped(end))
                if found:
                    return found
        for cue in before:
            for start, _ in places_of(self.words, cue):
                found = tuple(filter(None, (self.up_to_position(start),)))
                if found:
                    return found
        return self.quotations()

    def _items(self, at: int) -> tuple[Located, ...]:
        """Items from a word on, parted by commas and `and`, up to a word that ends a phrase."""
        found: list[Located] = []
        start = at
        while at <= len(self.words):
            word = self.words[at] if at < len(self.words) else None
            parted = word is not None and word.text.lower() in (",", "and", "&", "or")
            if word is None or parted or self._ends_phrase(word) and word.text not in ("'", '"', "["):
                item = self._slice(self._skipped(start), at)
                found += [item] if item else []
                start = at + 1
                if not parted:
                    break
            at += 1
        return tuple(found)

    def quotations(self) -> tuple[Located, ...]:
        return tuple(piece(self.text, start, end).strip() for start, end in self.quoted)

    def names(self) -> list[Located]:
        """Returns every capitalised name, in order; words that only open a sentence are none."""
        found: list[Located] = []
        at = 0
        while at < len(self.words):
            end = self._name_end(at)
            if end > at and self._quoted_at(self.words[at].start) is None:
                found += filter(None, [self._slice(at, end)])
            at = max(end, at + 1)
        return found

    def _skipped(self, at: int) -> int:
        """Leaves out articles, praise and marks in front of a phrase."""
        while at < len(self.words) and (self.words[at].text.lower() in _SKIPPED or self.words[at].text in _PRAISE):
            at += 1
        return at

    def _quoted_at(self, start: int) -> Located | None:
        return next(
            (piece(self.text, first, last).strip() for first, last in self.quoted if first <= start < last), None
        )

    def _name_end(self, at: int, *, places: bool = False) -> int:
        """Returns the position behind the name that begins at a word, or the word's own."""
        if not self._is_name_word(at):
            return at
        end = at + 1
        while end < len(self.words):
            if self._is_name_word(end) or self._is_inner(end) or self._belongs(end):
                end += 1
            elif places and self.words[end].text == "," and self._is_name_word(end + 1):
                end += 2
            else:
                break
        while end > at + 1 and not (
            self._is_name_word(end - 1) or self.words[end - 1].number is not None or self.words[end - 1].text == "."
        ):
            end -= 1
        return end

    def _is_name_word(self, at: int) -> bool:
        return at < len(self.words) and self.words[at].is_capital and not self._opens(at) and self.words[at].text != "I"

    def _opens(self, at: int) -> bool:
        """Tells whether a word opens a sentence and is one that mostly does."""
        return (at == 0 or self.words[at - 1].text in (".", "?", "!", "'", '"')) and self.words[at].stem in _OPENING

    def _is_inner(self, at: int) -> bool:
        """Tells whether a small word stands within a name: `Museum of Modern Art`, `Lord of the Rings`."""
        behind = at + 1 if at + 1 < len(self.words) and self.words[at + 1].text != "the" else at + 2
        return self.words[at].text in _INNER and self._is_name_word(behind)

    def _belongs(self, at: int) -> bool:
        """A number behind a name, a point behind an initial or a short form, a hyphen within."""
        word, before = self.words[at], self.words[at - 1]
        touching = word.start == before.end
        if word.text == "." and touching:
            return len(before.text) <= 3 and at + 1 < len(self.words) and before.is_capital
        if word.text in ("-", "\u2013") and touching:
            return at + 1 < len(self.words) and self.words[at + 1].start == word.end
        return touching and before.text in ("-", "\u2013") and word.number is None

    def _ends_phrase(self, word: Word) -> bool:
        return word.text.lower() in _STOPS or word.text in _PUNCTUATION or word.number is not None or word.opaque

    def _slice(self, start: int, end: int) -> Located | None:
        if start >= end:
            return None
        text = piece(self.text, self.words[start].start, self.words[end - 1].end).strip(" ,;:'\"")
        return text.removesuffix("'s").removesuffix("\u2019s") or None
