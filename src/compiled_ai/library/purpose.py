"""What a text is for: whether it asks that something be done, or asks about it, undoes it, or reports what was done.

`What is the area of a circle of radius 3?` asks for a calculation. `How do I calculate it?`, `What does this tool do?`,
`Cancel the flight` and `I booked a flight yesterday` ask for no call, whatever they name. The rules look at how a
clause begins; they rather refuse too much than too little, since a refused text gives no call.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from compiled_ai.library.wording import stem

_CLAUSE = r"(?:^|[.!?;:,\n]\s{0,3}|\b(?:and|then|but|so)\s)"
_PREFACE = (
    r"(?:(?:please|kindly|hi|hello|hey|okay|ok|well|now|first|also|yesterday|today|earlier|recently|once|help\sme\sto|help\sme"
    r"|(?:can|could|would|will)\syou|i(?:['\u2019]d|\swould)?\s(?:like|want|need)(?:\syou)?\sto|last\s\w{1,12}"
    r"|(?:this|on)\s(?:morning|afternoon|week|month|\w{3,6}day)),?\s){0,3}"
)
_PERSON = r"(?:i|we|you|he|she|they|one|people|someone|somebody|(?:my|our|his|her|their|your)\s\w{1,20})"
_TOOL = r"(?:tool|function|feature|command|calculator|service|app|api|assistant|bot)"
_IT = rf"(?:you|it|this|that|(?:the|this|that|your)\s(?:[\w.]{{1,40}}\s){{0,3}}?{_TOOL})"
_ABOUT = re.compile(
    rf"\bhow\s(?:to|(?:do|does|did|can|could|would|should)\s{_PERSON})\s(?!(?:get|go|travel)\s(?:to|from|there)\b)"
    r"|\bhow\s(?:do|does|did)\s[^?.!]{1,80}?\swork\b"
    r"|\bwhat\s(?:does|did)\s[^?.!]{1,80}?\s(?:do|mean|support|stand\sfor)\b"
    r"|\bwhat\s(?:do|can|could)\s[^?.!]{1,80}?\s(?:do|mean|support)\s{0,2}(?:$|[?.!,])"
    r"|\bwhat(?:\sis|\sare|['\u2019]s)\s(?:the\s)?(?:purpose|concept|formula)\b"
    r"|\b(?:what|which)\s(?:arguments?|parameters?|inputs?)\s(?:do|does|is|are|can|must|should)\b"
    rf"|\b(?:more|know|learn|me)\sabout\s{_IT}\b|\b(?:do|does|can)\s{_IT}\s(?:support|handle|accept|work)\b"
    rf"|{_CLAUSE}{_PREFACE}(?:why\s|(?:when\s|where\s)?(?:did|have|has|had|should)\s{_PERSON}\s)"
    rf"|\bwhat\s{_IT}\s(?:does|means|supports|is\sfor)\b",
    re.IGNORECASE,
)
"""What asks about something, or about what was done."""
_TOO = r"(?:explain|describe)\sand\s(?:calculate|compute|determine|evaluate|estimate|solve|convert)"
"""Says that a result is wanted beside words about it."""
_VERB = re.compile(rf"{_CLAUSE}{_PREFACE}(?P<verb>(?!\w{{1,10}}ed\b|{_TOO}\b)[^\W\d_]{{3,12}})\b", re.IGNORECASE)
_STOP = re.compile(
    rf"{_CLAUSE}{_PREFACE}(?P<verb>stop|quit|cease|halt|avoid|skip)\s"
    r"(?:(?:the|this|that|all|my|our)\s)?(?:\w{2,16}ing|\w{2,16}(?:tion|sion|ment)s?)\b",
    re.IGNORECASE,
)
_OTHER_WORDS = "explain describe define clarify elaborate teach cancel undo forget abort revert"
_OTHER_ACTS = frozenset(map(stem, _OTHER_WORDS.split()))
"""What somebody may want instead, unless the topic says that just this is wanted."""
_IRREGULAR = (
    "made|took|bought|sold|sent|paid|got|went|ran|drove|flew|wrote|found|gave|told|did|spent|built|chose|drew|left|met|kept"
    "|won|lost|rode|ate|drank|slept|held|brought|began|swam"
)
_WISHES = r"need|want|hop|wish|wonder|lik"
_ADVERBS = r"(?:(?:have|has|had|already|just|once|also|finally|never|only|then|recently|\w{2,12}ly)\s){0,3}"
_DID = rf"(?:(?!(?:{_WISHES})ed\b)\w{{2,16}}(?<!e)ed|{_IRREGULAR})\b"
_WAS_AT = r"(?:was|were|been)\s(?!(?:wonder|hop|look|try|plan|think|want|need|ask)\w{0,4}ing\b)\w{2,16}ing\b"
_THE = r"(?:the|this|that|these|those|an?|my|our|his|her|their|its|your)"
_NO_CLAUSE = r"(?!\b(?:that|which|who|whose|where|when|if|since|because|while|for\swhat)\b)"
_SUBJECT = rf"(?:{_THE}\s(?:{_NO_CLAUSE}(?:[^.?!;]|\.(?=\d))){{1,160}}?|(?:{_NO_CLAUSE}[^.?!;:,]){{1,80}}?)"
_JUDGED = (
    r"(?:wrong|right(?!.angle)|correct|incorrect|fine|good|great|bad|perfect|terrible|awful|(?:too|so|very)\s\w{2,12})"
)
_REPORT = re.compile(
    rf"^\s{{0,3}}{_PREFACE}(?:"
    rf"it\swas\s[^.?!;:,]{{1,40}}?\swho\s|{_PERSON}(?:['\u2019](?:ve|d|s))?\s{_ADVERBS}(?:{_DID}|{_WAS_AT})"
    rf"|(?:[^\W\d_]{{1,20}}(?:['\u2019]s)?\s){{1,3}}?{_ADVERBS}(?:{_DID}|{_WAS_AT})(?=\s{_THE}\s)"
    rf"|{_SUBJECT}\s(?:was|were|(?:has|have|had)\s(?:\w{{2,12}}\s)?been)\s{_ADVERBS}"
    rf"(?!(?:asked|requested|required)\b){_DID}"
    rf"|{_SUBJECT}\s(?:was|were|is|are|ha(?:s|ve)\sbeen|(?:came|turned|worked)\sout|looks?|seems?)"
    rf"\s{_ADVERBS}{_JUDGED}\b)",
    re.IGNORECASE,
)
"""Who did what, by whom something was done, or how it turned out."""
_THANKS = re.compile(
    r"^\s{0,3}(?:(?:hi|hello|hey|okay|ok|great|many),?\s){0,2}thanks?\s(?:you\s)?(?:(?:so|very)\smuch\s|a\slot\s)?for\s"
    r"(?:[^.?!;:\n]|\.(?=\d))+(?:[.?!;:\n]|$)",
    re.IGNORECASE,
)
_ASKING_WORDS = """
    what which who whom whose where when how calculate compute determine find get give show tell list search look
    please use convert check compare create generate estimate evaluate solve predict let
"""
_ASKING = frozenset(map(stem, _ASKING_WORDS.split()))
"""How a clause begins that asks for something, beside the words of the topic."""
_ASKS = re.compile(
    r"\?|\b(?:please|(?:can|could|will|would)\syou|(?:i|we)\s(?:also\s|now\s)?(?:need|want|wish)|(?:would|['\u2019]d)\slike)\b",
    re.IGNORECASE,
)


def asks_for(text: str, topic: Collection[str]) -> bool:
    """Tells whether a text may ask for something of a topic to be done.

    Args:
        text: what somebody says.
        topic: words of what can be done, in groups parted by commas; what they name is never taken for another act.
    """
    text = text.lstrip()
    own = {stem(word) for group in topic for word in re.findall(r"[^\W\d_]+", group)}
    acts = {stem(match["verb"]) for match in _VERB.finditer(text)}
    stopped = {stem(match["verb"]) for match in _STOP.finditer(text)}
    if _ABOUT.search(text) or (acts & _OTHER_ACTS | stopped) - own:
        return False
    report = _REPORT.search(text)
    if report is None or _ASKS.search(text) or not acts.isdisjoint(_ASKING):
        return True
    return any(stem(match["verb"]) in own for match in _VERB.finditer(text, report.end()))


def without_thanks(text: str) -> str:
    """Blanks thanks for what was done before, at the beginning; the places of what follows stay."""
    return _THANKS.sub(lambda match: re.sub(r"\S", " ", match[0]), text)
