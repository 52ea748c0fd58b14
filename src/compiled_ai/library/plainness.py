"""What makes a request too involved to be filled in from: told before it is read, so that no number is cut apart.

Numbers within a larger or another notation (`1 000`, `1,5`, `3/4`, `10^3`, `$5 k`, `10 pm`), ranges and sums, numbers
that count for something else (`route 66`, `in 2024`), words that take back or deny what is said. The rules look at
neighbouring characters and words; they rather refuse too much than too little, since a refused request gives no call.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from compiled_ai.library.cues import Cue, places_of
from compiled_ai.library.stated_units import parts_of, stated_unit
from compiled_ai.library.units import dimension_of, unit_of
from compiled_ai.library.wording import CURRENCY, Word

_BEFORE = re.compile(
    r"(?:\.|[\^/*+<>\u2260\u2264-\u227f\u2a7d\u2a7e\u00b1\u2044]\s?|[<>!]=\s?|&(?:[lg][te]|ne);=?\s?"
    r"|\d[_:'\u2019]|[\w)]\s?[-\u2010-\u2015\u2212]\s?"
    r"|[-\u2010-\u2015\u2212](?:\s|\s?[$€£¥₹]\s?)"
    r"|\b(?:half|halves|thirds?|quarters?|fifths?|eighths?|tenths?)\s(?:of\s)?(?:the\s|a\s)?[$€£¥₹]?"
    r"|\b(?:without|excluding|except|less(?!\sthan\b)|save)\s(?:\w{1,12}\s)?[$€£¥₹]?"
    r"|\b(?:twice|double|triple|minus|negative|plus)\s(?:(?:of|the|a)\s)?[$€£¥₹]?)$",
    re.IGNORECASE,
)
"""What may not stand in front of a number."""
_BEHIND = re.compile(
    r"\s?(?:\^|\*\*|\*\s?\d|[x\u00d7]\s?10\b|/\s?\d|[\u2044+\u00b1\"\u2033\u201d'\u2019\u2032]|[:_]\d|\.\d)"
    r"|\s?[%\w]{0,12}\s?[-\u2010-\u2015\u2212]\s?[$€£¥₹]?\d"
    r"|\s(?:squared|cubed)\b(?!\s[^\W\d_])|(?-i:[kMB])\b|\s?(?:bn|mn|mio|mil|mln|tn|lakhs?|crores?|grand)\b"
    r"|\s?(?:dozens?|hundreds?|thousands?|millions?|billions?|trillions?)\b"
    r"|\s(?:\w{1,20}\s)?and\s(?:an?|one|two|three)[\s-](?:half|halves|thirds?|quarters?|fifths?|eighths?)\b"
    r"|[^\W\d_]{1,12}\d\d|\s?[^\W\d_]{0,12}\s?(?:[<>\u2260\u2264-\u227f\u2a7d\u2a7e]|[!=]=|&(?:[lg][te]|ne);)"
    r"|[\s-](?:halves|thirds?|quarters?\sof|scores?|fifths?|eighths?|tenths?)\b"
    r"|\s?(?:[ap]\.?m\b|o['\u2019]?clock\b)"
    r"|\s(?:nautical|sea|statute|imperial|troy|fluid|lunar|solar|business|working|fiscal|long\ston|short\ston)s?\b"
    r"|\s(?:furlongs?|leagues?|fathoms?|parsecs?|cubits?|rods?|chains?|hands|hectomet\w{2,3})\b",
    re.IGNORECASE,
)
"""What may not stand behind one."""
_LETTER = re.compile(r"\s?[kmb]\b", re.IGNORECASE)
"""Behind an amount of money: `$5 k`."""
_INCHES = re.compile(
    r"in\b|\sin\b\.?(?=\s?(?:$|[.,;:?!)\d]|(?:by|x|and|or|to|at|with|for|in|wide|tall|long|high|deep|thick)\b))",
    re.IGNORECASE,
)
"""`in` as a unit, which is not read as one."""
_MIXED = re.compile(r"[-+\u2212]?[1-9]\d{0,2}\.\d{3}")
"""`1.000` is one to some and a thousand to others."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_YEARLY = frozenset(("year", "season"))
"""Stems of what is told by a year."""
_YEAR_WORDS = frozenset(("in", "since", "until", "till", "during"))
_NUMBERED_WORDS = """
    route highway road interstate motorway freeway street platform gate room floor exit flight chapter page apartment
    suite lane #
"""
_NUMBERED = frozenset(_NUMBERED_WORDS.split())
"""What is told by a number of its own."""
_DENIALS = frozenset(("not", "no", "never", "nor", "neither", "dont", "cannot"))
_TAKEN_BACK = re.compile(
    r"\b(?:instead|rather\sthan|wait|scratch\sthat|correction|i\smeant?|or\srather|unlike|anything\sbut)\b",
    re.IGNORECASE,
)
_FRACTION_SIGN = re.compile(r"[\u00bc-\u00be\u2150-\u215f\u2189]|\d[\u00b2\u00b3\u00b9\u2070-\u2079]")
_AMOUNT_OF_AMOUNT = re.compile(r"[$€£¥₹]\s?\d[\d.,]{0,18}\s\w{1,30}\sof\s[$€£¥₹]?\s?\d")
_JOINS = frozenset(("-", "\u2013", "\u2014", "\u2212", "+", "plus", "minus", "through", "till", "until"))
_JOINED_WITHIN = 3
_SEEN = 60
"""Characters that are looked at on either side of a number."""


@dataclass(frozen=True)
class Plainness:
    """A request, and what is looked for in it."""

    text: str
    words: Sequence[Word]
    cues: Collection[Cue]
    """The words by which numbers are found: the 5 of `room 5` is a number where `room` is one of them."""
    truths: Collection[Cue]
    """The words of truth values: they, and nothing else, may be denied (`not paired`)."""

    def holds(self) -> bool:
        """Tells whether the request is plain enough to be read."""
        if any(pattern.search(self.text) for pattern in (_TAKEN_BACK, _FRACTION_SIGN, _AMOUNT_OF_AMOUNT)):
            return False
        at = [index for index, word in enumerate(self.words) if word.number is not None]
        return (
            not self._denies()
            and all(self._stands_alone(index) and not self._is_name(index) for index in at)
            and not any(self._are_joined(one, other) for one, other in pairwise(at))
            and not (at and any(word.text.lower() == "or" for word in self.words[at[0] : at[-1]]))
        )

    def _denies(self) -> bool:
        """Tells whether anything but a truth value is denied."""
        may_be = {start for cue in self.truths for start, _ in places_of(self.words, cue)}
        return any(
            may_be.isdisjoint((index + 1, index + 2))
            for index, word in enumerate(self.words)
            if word.text.lower() in _DENIALS or word.text.lower().replace("\u2019", "'").endswith("n't")
        )

    def _stands_alone(self, at: int) -> bool:
        """Tells whether the characters around a number leave it whole."""
        word = self.words[at]
        before, behind = self.text[max(0, word.start - _SEEN) : word.start], self.text[word.end : word.end + _SEEN]
        part = at in self._parts
        if _BEFORE.search(before) or not part and (_BEHIND.match(behind) or _INCHES.match(behind)):
            return False
        listed = before.rfind("[") > before.rfind("]")
        if not listed and (re.search(r"\d,$", before) or re.match(r",\d", behind)) or _MIXED.fullmatch(word.text):
            return False
        money = at > 0 and self.words[at - 1].text in CURRENCY
        return not (money and (_LETTER.match(behind) or word.text[0] in "-\u2212"))

    @cached_property
    def _parts(self) -> frozenset[int]:
        return parts_of(self.text, self.words)

    def _is_name(self, at: int) -> bool:
        """Tells whether a number is a year, or the number of a road or a room."""
        word, before = self.words[at], self.words[at - 1].text.lower() if at else ""
        stems = {stem for cue in self.cues for stem in cue}
        if before in _NUMBERED:
            return before not in stems and self.words[at - 1].stem not in stems
        is_year = _YEAR.fullmatch(word.text) and before in _YEAR_WORDS and _YEARLY.isdisjoint(stems)
        return bool(is_year) and self._unit_behind(at) is None

    def _unit_behind(self, at: int) -> str | None:
        unit = stated_unit(self.text[self.words[at].end :])
        return unit.unit if unit else None

    def _are_joined(self, one: int, other: int) -> bool:
        """Tells whether two numbers are one quantity, a range or a sum together: `2 years and 6 months`."""
        gap = [word.text.lower() for word in self.words[one + 1 : other]]
        if other in self._parts:
            return False
        if not gap:
            return self.words[one].spelled == self.words[other].spelled
        if len(gap) <= _JOINED_WITHIN and not _JOINS.isdisjoint(gap):
            return True
        first, second = unit_of(gap[0]), self._unit_behind(other)
        if first is None or not {",", "and"}.issuperset(gap[1:]):
            return False
        return len(gap) == 1 or second != first and dimension_of(second or "") == dimension_of(first)
