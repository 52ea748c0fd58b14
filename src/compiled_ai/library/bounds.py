"""Numbers that are stated as a bound: `at most 300`, `over $5`, `10 or more`. They are no exact figure.

A bound is told by the words right in front of a number or right behind it and its unit. `over 5 years` and `over 12
instalments` are spans that something lasts, no bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from compiled_ai.library.cues import Cue
from compiled_ai.library.stated_units import stated_unit
from compiled_ai.library.units import dimension_of
from compiled_ai.library.wording import stem

Bound = Literal["upper", "lower", "start"]

_LESS = "less|fewer|lower|smaller|shorter|cheaper|lighter|younger|earlier|sooner|narrower|closer|nearer|slower"
_MORE = "more|greater|higher|larger|bigger|longer|taller|heavier|older|later|further|farther|wider|faster|better"
_MOST = r"at\s(?:the\s)?(?:very\s)?most"
_LEAST = r"at\s(?:the\s)?(?:very\s)?least"
_FILLED = r"[):\]]?\s(?:about\s|around\s|the\s|a\s|an\s)?[$€£¥₹]?\s?$"
"""What may stand between a bound and its number."""
_OF = r"\s(?:an?|the|any)\s(?:[^\W\d_]{1,20}\s){1,2}of\s[$€£¥₹]?$"
"""The same with a name between: `below a speed of 90`."""
_TOLD = rf"(?:\sor\sequal(?:\sto)?)?(?:{_FILLED}|{_OF}|\s[^\W\d_]{{1,20}}\s(?:of\s)?[$€£¥₹]?$)"
"""The same behind a comparison, which nothing but a number follows: `more than speed 90`."""
_NAMED = r"[.):\]]{0,2}\s(?:\w{1,20}[:)]?\s){0,2}?(?:of\s|is\s|=\s?|:\s?)?[$€£¥₹]?$"
"""The same behind an adjective: `maximum speed of 90`."""
_UPPER_IN_FRONT = re.compile(
    rf"\b(?:{_MOST}|up\sto(?:\sand\sincluding)?|(?:limited|capped|restricted)\s(?:to|at)"
    rf"|(?:{_LESS})(?:\sthan|(?=\sor\sequal\b))"
    rf"|(?:top(?:s|ping)?|max(?:es|ing)?)\sout\sat){_TOLD}|,\s{_MOST},\s$"
    rf"|\b(?:under|below|beneath|inside\sof){_OF}|\bwithin\s(?:an?|the|any)\s(?!radius\b)(?:\w{{1,20}}\s){{1,2}}of\s$"
    rf"|\b(?:under|below|beneath|within|inside\sof|nearly|almost|approaching|just\sshort\sof"
    rf"|(?:as|so)\s(?:much|many|long|far|high|low|little|few)\sas){_FILLED}"
    rf"|\b(?:max|maximum|maximal|maximally|(?<!lower\s)limit|upper\sbound|ceiling\sof|cap\sof){_NAMED}",
    re.IGNORECASE,
)
_LOWER_IN_FRONT = re.compile(
    rf"\b(?:{_LEAST}|exceed(?:s|ing|ed)?|in\sexcess\sof|(?:{_MORE})(?=\sor\sequal\b)|\w{{1,20}}\sthan){_TOLD}"
    rf"|,\s{_LEAST},\s$|\b(?:above|beyond){_OF}"
    rf"|\b(?:above|beyond|upwards?\sof|north\sof|(?:well|just|slightly|of|is|are|be)\sover){_FILLED}"
    rf"|\b(?:minimum|minimal|minimally|lower\s(?:bound|limit)){_NAMED}"
    rf"|(?<!\d)(?<!\d\s)\bmin[.):\]]{{0,2}}\s[$€£¥₹]?$",
    re.IGNORECASE,
)
_START_IN_FRONT = re.compile(
    rf"\b(?:(?:start|begin)(?:s|ning|ing)?\s(?:at|from|with)|any(?:where|thing)\sfrom)(?:{_FILLED}|{_OF})",
    re.IGNORECASE,
)
_OVER = re.compile(rf"\bover{_FILLED}", re.IGNORECASE)
_BARE = re.compile(r"\s?(?:$|[.,;:?!)])")
_BEHIND = (
    r"(?:\s?[^\s\d.,;:?!(\[]{{1,20}}){{0,2}}?(?:\s|\s?[,;(\[\u2013\u2014-]\s?)"
    r"(?:{own}\b|(?:{shared}|(?:(?:as|being|is)\s)?(?:an?\s|the\s)?{noun})\b"
    r"(?!:?\s(?!(?:and|but|or|with|at)\b)(?:[^\W\d_]{{1,20}}:?\s){{0,3}}?[$€£¥₹]?\d))"
)
"""A unit, perhaps a comma or a bracket, and a bound: one of numbers in front only, or not that of the next number."""
_UPPER_BEHIND = re.compile(
    _BEHIND.format(
        own=rf"(?:or\s(?:{_LESS}|under|below)|tops)",
        shared=rf"(?:and\s(?:under|below|{_LESS})|{_MOST})",
        noun=r"(?:max|maximum|(?:upper\s)?limit|upper\sbound|ceiling|most)",
    ),
    re.IGNORECASE,
)
_LOWER_BEHIND = re.compile(
    _BEHIND.format(
        own=rf"(?:or\s(?:{_MORE}|over|above|up|upwards|beyond)|upwards"
        r"|(?:up|plus)(?=\s?(?:$|[.,;:?!)\]]|(?:and|with|at)\b))"
        r"|(?<=[^\s\d]\s\()min(?=\.?\)))",
        shared=rf"(?:and\s(?:up|upwards|above|over|{_MORE})|{_LEAST})",
        noun=r"(?:minimum|lower\s(?:limit|bound)|least)",
    ),
    re.IGNORECASE,
)
_SEEN = 60
"""Characters that are looked at on either side."""
_WORDS: dict[Bound, str] = {
    "upper": "max maximum maximal most limit under below less within up cap budget ceiling upper threshold",
    "lower": "minimum minimal least above over more greater higher lower limit exceed beyond floor threshold",
    "start": "start begin initial first lower minimum minimal",
}
_STEMS = {bound: frozenset(map(stem, words.split())) for bound, words in _WORDS.items()}
"""Stems by which a field says that it wants a bound (not `min`, which is mostly minutes)."""


def bound_of(text: str, start: int, end: int) -> Bound | None:
    """Tells as which bound a number is stated that stands from `start` to `end`; `None` if as it is.

    `start` is where something begins (`starting at 300`): a first value to some fields, the least of many to others.
    """
    before, behind = text[max(0, start - _SEEN) : start], text[end : end + _SEEN]
    if _UPPER_IN_FRONT.search(before) or _UPPER_BEHIND.match(behind):
        return "upper"
    if _LOWER_IN_FRONT.search(before) or _LOWER_BEHIND.match(behind) or _is_over(before, behind):
        return "lower"
    return "start" if _START_IN_FRONT.search(before) else None


def _is_over(before: str, behind: str) -> bool:
    """Tells whether `over` is `more than`: in front of an amount, a measure other than time, or a bare number."""
    if not _OVER.search(before):
        return False
    unit = stated_unit(behind)
    measures = unit is not None and dimension_of(unit.unit) not in ("time", "calendar")
    return measures or before.rstrip()[-1:] in "$€£¥₹" or _BARE.match(behind) is not None


def wants_bound(cues: Iterable[Cue], bound: Bound) -> bool:
    """Tells whether a field's words say that it takes such a bound: `max price`, `at least`, `budget`."""
    return any(not _STEMS[bound].isdisjoint(cue) for cue in cues)
