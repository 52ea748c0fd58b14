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

Bound = Literal["upper", "lower"]

_LESS = "less|fewer|lower|smaller|shorter|cheaper|lighter|younger|earlier|sooner|narrower|closer|nearer|slower"
_MORE = "more|greater|higher|larger|bigger|longer|taller|heavier|older|later|further|farther|wider|faster|better"
_FILLED = r"\s(?:about\s|around\s|the\s|a\s|an\s)?[$€£¥₹]?\s?$"
"""What may stand between a bound and its number."""
_NAMED = r"\.?\s(?:\w{1,20}\s){0,2}?(?:of\s|is\s|=\s?|:\s?)?[$€£¥₹]?$"
"""The same behind an adjective: `maximum speed of 90`."""
_UPPER_IN_FRONT = re.compile(
    rf"\b(?:at\s(?:the\s)?(?:very\s)?most|up\sto|under|below|beneath|within|inside\sof|nearly|almost|just\sshort\sof"
    rf"|(?:limited|capped|restricted)\s(?:to|at)|(?:as|so)\s(?:much|many|long|far|high|low|little|few)\sas"
    rf"|(?:{_LESS})\sthan){_FILLED}|\b(?:max|maximum|maximal|limit){_NAMED}",
    re.IGNORECASE,
)
_LOWER_IN_FRONT = re.compile(
    rf"\b(?:at\s(?:the\s)?(?:very\s)?least|above|beyond|upwards?\sof|north\sof|exceed(?:s|ing|ed)?|\w{{1,20}}\sthan"
    rf"|(?:well|just|slightly|of|is|are|be)\sover){_FILLED}|\b(?:minimum|minimal){_NAMED}",
    re.IGNORECASE,
)
_OVER = re.compile(rf"\bover{_FILLED}", re.IGNORECASE)
_BARE = re.compile(r"\s?(?:$|[.,;:?!)])")
_BEHIND = r"(?:\s?[^\s\d.,;:?!]{{1,20}}){{0,2}}?\s{}\b(?!\s(?:\w{{1,20}}\s){{0,3}}?\d)"
_UPPER_BEHIND = re.compile(
    _BEHIND.format(
        rf"(?:or\s(?:{_LESS}|under|below)|and\s(?:under|below|younger)|at\s(?:the\s)?(?:very\s)?most|max|maximum|tops|limit)"
    ),
    re.IGNORECASE,
)
_LOWER_BEHIND = re.compile(
    _BEHIND.format(
        rf"(?:or\s(?:{_MORE}|over|above|up|upwards|beyond)"
        r"|and\s(?:up|upwards|above|over|older)|at\s(?:the\s)?(?:very\s)?least|minimum|upwards)"
    ),
    re.IGNORECASE,
)
_SEEN = 60
"""Characters that are looked at on either side."""
_WORDS: dict[Bound, str] = {
    "upper": "max maximum maximal most limit under below less within up cap budget ceiling upper radius threshold",
    "lower": "minimum minimal least above over more greater higher lower limit exceed beyond floor threshold",
}
_STEMS = {bound: frozenset(map(stem, words.split())) for bound, words in _WORDS.items()}
"""Stems by which a field says that it wants a bound (not `min`, which is mostly minutes)."""


def bound_of(text: str, start: int, end: int) -> Bound | None:
    """Tells as which bound a number is stated that stands from `start` to `end`; `None` if as it is."""
    before, behind = text[max(0, start - _SEEN) : start], text[end : end + _SEEN]
    if _UPPER_IN_FRONT.search(before) or _UPPER_BEHIND.match(behind):
        return "upper"
    if _LOWER_IN_FRONT.search(before) or _LOWER_BEHIND.match(behind) or _is_over(before, behind):
        return "lower"
    return None


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
