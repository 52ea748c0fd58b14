"""Names of organisations and persons: legal forms, registration numbers, comparing, slips of OCR, parts of a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from compiled_ai.library.labels import lowered, words
from compiled_ai.library.places import Located, Place, place_of

_FORMS = (
    r"sdn\.?\s?,?\s?bhd|s/b|berhad|bhd|pte\.?\s?ltd|pty\.?\s?ltd|pvt\.?\s?ltd|private limited|p\.?l\.?l\.?c|"
    r"l\.?l\.?c|l\.?l\.?p|limited|ltd|plt|"
    r"incorporated|inc|corporation|corp|company|co|gmbh|ag|kg|ohg|ug|e\.?v|s\.?a\.?r\.?l|s\.?a\.?s|s\.?a|s\.?p\.?a|"
    r"s\.?r\.?l|b\.?v|n\.?v|a/s|aps|oy|oyj|ab|asa|sp\.? z o\.?o|s\.?r\.?o|a\.?s|k\.?k|trading|enterprise|enterprises"
)
_FORM = re.compile(rf"(?<![^\W_])(?:{_FORMS})(?![^\W_])\.?", re.IGNORECASE)
_STRICT = re.compile(
    r"(?<![^\W_])(?:s[do0][nh]\W{0,3}[b8][hn][d0]|s/b|berhad|bhd|pte\.?\s?ltd|pty\.?\s?ltd|ltd|llc|l\.l\.c\.?|"
    r"llp|inc|incorporated|corp|corporation|"
    r"gmbh|s\.?a\.?r\.?l|s\.r\.l|b\.v|n\.v|plc|plt|limited|enterprise|enterprises|trading|"
    r"(?<=\w )co(?=\.?\s*$)|(?<=\w )company(?=\.?\s*(?:\(|$))|(?<=\w )sb(?=\s*(?:\(|$)))(?![^\W_])"
)
_CODE = re.compile(r"\s*[(\[{][^()\[\]{}]{0,30}\d[^()\[\]{}]{0,30}[)\]}]?\s*[.,;:]*\s*$")
_BARE_CODE = re.compile(r"\s+\(?\s?(?:[A-Z]{1,3}\s?)?\d{4,12}\s?-\s?[A-Z0-9]\s?\)?\W*$")
_DIGIT = re.compile(r"\d")
_BRACKETS = re.compile(r"\([^()\d]*\)")
_MORE = re.compile(r"[^\W\d_]{2,}|\d")
_LEADING_CODE = re.compile(r"^\W*#?\d{4,}\W+(?=[^\W\d_]{2})|^\W*[*=#]+\s*(?=[^\W\d_])")
_TWO_WORDS = re.compile(r"(?<![^\W_])(\w{2,4})\W{1,3}(\w{2,4})(?=\W*$|\W*\()")
_REGISTRATION = re.compile(
    r"\W*(?:(?:no|roc|ssm|brn)?\W{0,3}[A-Z]{0,3}\d{4,12}(?:\s?-?\s?[A-Z]|\s?-\s?\d|(?<=\d{9}))\W*$|"
    r"(?:co|company|roc|reg|registration|ssm|brn|business)\b.{0,20}\d)",
    re.IGNORECASE,
)
_COMMON = sorted(
    words(
        "ENTERPRISE ENTERPRISES TRADING HOLDINGS MARKETING RESTAURANT RESTAURANTS RESTORAN HARDWARE STATIONERY "
        "SUPERMARKET MINIMARKET INDUSTRIES INTERNATIONAL SYARIKAT PERNIAGAAN CORPORATION SERVICES MALAYSIA "
        "KELANTAN SARAWAK SELANGOR TERENGGANU PUTRAJAYA PETALING SINGAPORE PERSIARAN KAWASAN PERINDUSTRIAN SEKSYEN "
        "BASEMENT COMPLEX KOMPLEKS"
    )
)
"""Words of seven letters or more that names and addresses have in common."""
_DIGIT_IN_WORD = re.compile(r"(?<=[^\W\d_])0(?=[^\W\d_]{2})|(?<=\bN)0(?=\W{1,2}\d)")
_NUMBER = re.compile(r"(?<![^\W_])(?=(?:[OI]{0,2}\d){3})[\dOI]{5}(?![^\W_])|(?<=\d)[OI](?=\d)")
_AS_DIGITS = str.maketrans("OI", "01")
_WORD = re.compile(r"[^\W\d_]{7,}")


def without_codes(name: str) -> Located:
    """Removes codes from the end of a name: `Gardenia Bakeries (KL) Sdn Bhd (139386 X)` loses the last brackets.

    A registration number without brackets (`Bumbu Emas Trading 280000-D`) goes too, brackets without digits stay.
    """
    plain = str(name)
    if not _DIGIT.search(plain[-80:]):
        return Located(name, place_of(name)).strip(" ,;:-")
    while match := _CODE.search(plain[-80:]) or _BARE_CODE.search(plain[-80:]):
        plain = plain[: max(0, len(plain) - 80) + match.start()]
    return Located(name, place_of(name))[: len(plain)].strip(" ,;:-")


def without_leading_code(name: Located) -> Located:
    """Removes a number and ornaments from the beginning of a name: `#000002 HARBOUR STATIONERY SDN BHD`."""
    match = _LEADING_CODE.match(name)
    return name[match.end() :] if match else name


def has_legal_form(name: str) -> bool:
    """Tells whether a text names a legal form: Sdn Bhd, Ltd, Inc, GmbH, LLC, ..."""
    return first_form(name) is not None


def organisation_key(name: str) -> str:
    """Returns a key under which spellings of one organisation fall together: no case, punctuation or legal form."""
    stripped = _FORM.sub(" ", without_codes(name).casefold().replace("&", " and "))
    return " ".join(re.findall(r"[^\W_]+", stripped)) or " ".join(re.findall(r"[^\W_]+", name.casefold()))


def is_registration(line: str) -> bool:
    """Tells whether a line is the registration number of a company: `(481500-M)`, `CO. REG NO : 798665-V`."""
    return bool(_REGISTRATION.match(str(line)[:80]))


def first_form(line: str) -> re.Match[str] | None:
    """The first legal form of a line."""
    return _STRICT.search(lowered(line[:200]))


def last_form(line: str) -> re.Match[str] | None:
    """The legal form of a name, to its end: of `ABC Trading Sdn Bhd`, `Enterprise (M) Sdn Bhd` the last word."""
    last = None
    text = str(line)[:200]
    for found in _STRICT.finditer(lowered(text)):
        between = _BRACKETS.sub("", text[last.end() : found.start()]) if last is not None else ""
        if _MORE.search(between):
            break
        last = found
    return last or _blurred_form(text)


def _blurred_form(line: str) -> re.Match[str] | None:
    """`Sdn Bhd` at the end of a name with up to two slips of OCR."""
    from rapidfuzz.distance import Levenshtein

    match = _TWO_WORDS.search(line[-60:])
    if not match or not 5 <= len(squashed := (match.group(1) + match.group(2)).lower()) <= 7:
        return None
    return _TWO_WORDS.search(line) if Levenshtein.distance(squashed, "sdnbhd", score_cutoff=2) <= 2 else None


def repaired(text: Located) -> Located:
    """Undoes slips of OCR in words that names and addresses have in common, and in numbers: `ENTERORISE`, `4OO00`.

    A word of seven letters or more may have one wrong, missing or added letter; words beside them stay as printed.
    """
    plain = str(text)
    if "0" in plain:
        plain = _DIGIT_IN_WORD.sub("O", plain)
    if "O" in plain or "I" in plain:
        plain = _NUMBER.sub(lambda match: match.group().translate(_AS_DIGITS), plain)
    plain = _WORD.sub(lambda match: _common(match.group()), plain)
    return text if plain == text else Located(plain, place_of(text))


@lru_cache(maxsize=1024)
def _common(word: str) -> str:
    from rapidfuzz.distance import Levenshtein

    upper = word.upper()
    near = [known for known in _COMMON if Levenshtein.distance(upper, known, score_cutoff=1) <= 1]
    if len(near) != 1 or upper in (near[0], near[0] + "S", near[0].removesuffix("S")):
        return word
    return near[0] if word.isupper() else near[0].capitalize() if word[0].isupper() else near[0].lower()


def join_lines(parts: list[Located]) -> Located:
    """Joins the lines of a name or an address by single spaces, with their places."""
    text = " ".join([str(part).strip() for part in parts])
    if len(parts) == 1:
        return parts[0] if text == parts[0] else Located(text, parts[0].place)
    spans = tuple(span for part in parts if (place := part.place) for span in place.spans)
    return Located(text, Place(spans) if spans else None)


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
