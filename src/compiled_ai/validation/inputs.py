"""Inputs that follow from the types alone: edges first, then seeded chance, and mutations of shown documents.

The same types, seed and samples give the same inputs on every machine and Python version (only `Random.random` and
`Random.getrandbits` are used, whose streams are promised). A thousand take some 30 ms, and are cached by schema digest.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

from compiled_ai.canonical import canonical_json, digest_json, parse_json
from compiled_ai.errors import InputError
from compiled_ai.library.types import FieldType, Mismatch, type_to_json
from compiled_ai.sandbox import type_checker

GENERATOR = 1
"""Version of the generator: raised when the same seed would give other inputs."""

_HUGE = 50_000
_TEXTS = (
    "",
    " ",
    "a",
    "0",
    "-1",
    "null",
    "N/A",
    "true",
    "A" * 300,
    "line one\nline two\n\nline four",
    "carriage\r\nreturn\r\n",
    "tab\tseparated\tvalues",
    "Total: $1,234.50",
    "Total due 1.234,50 EUR",
    "(1,234.50)",
    "Date: 02/29/2024 and 2023-12-31",
    "31.12.1999",
    "Invoice No. 000123-A/7",
    "He said \"yes\"; she said 'no'",
    "{0} %s %(name)s ${x} \\d+ \\",
    "<b>bold</b> &amp; <script>",
    "a,b;c|d",
    "\u00e9\u00df\u0130\u0131 \u01c5 na\u00efve",
    "e\u0301 o\u0308",
    "\u0661\u0662\u0663 \u00b2 \u2460 \u2167",
    "\u05d0\u05d1\u05d2 \u0627\u0644\u0639",
    "\U0001f600\U0001f468\u200d\U0001f469",
    "\u65e5\u672c\u8a9e\u3000\u30c6\u30b9\u30c8",
    "zero\u200bwidth\u00a0space\ufeff",
    "nul\u0000bell\u0007escape\u001b",
    "$",
    "$.",
    "12/34/5678",
    "99999999999999999999.99",
    "1e309",
    "--5",
)
_PROSE = (
    "invoice total date amount due patient claim member id account number street main st. suite net 30 days tax "
    "subtotal qty unit price description paid balance approved denied yes no unknown the of and for to from per "
    "Acme Ltd. GmbH Smith 2024 01/15/2024 $99.95 1,000 12.5% #42 A-17 (none) - : / * TOTAL NAME ADDRESS"
)
_WORDS = _PROSE.split()
_SEPARATORS = (" ", " ", " ", " ", "\n", "  ", ": ", "\t", ", ")
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,-/:$\u00e9\u00fc\u4e2d"
_DATES = (
    "0001-01-01",
    "1899-12-31",
    "1900-02-28",
    "1970-01-01",
    "1999-12-31",
    "2000-02-29",
    "2023-12-31",
    "2024-01-01",
    "2024-02-29",
    "2024-03-31",
    "2024-11-03",
    "2038-01-19",
    "2100-03-01",
    "9999-12-31",
)
_TIMES = ("00:00:00", "00:00:01", "02:30:00", "11:59:59", "12:00:00", "23:59:59", "23:59:59.999999")
_DURATIONS = ("PT0S", "PT1S", "PT1H", "P1D", "-P1D", "P3DT4H5M6.5S", "P30D", "P365D", "P36500D", "-PT0.000001S")
_MONTHS = ("P0M", "P1M", "P11M", "P1Y", "P1Y6M", "-P2Y", "P120Y")
_INTEGERS = (0, 1, -1, 2, 7, 10, 99, 100, 1000, 2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**63, -(2**63), 10**18)
_DECIMAL_TEXTS = """
    0 1 -1 0.01 -0.01 0.005 0.1 2.675 9.99 10 30 99.995 100 1234.5 999999.99 -1234567.89 0.000000001
    12345678901234567890.12
"""
_DECIMALS = tuple(map(Decimal, _DECIMAL_TEXTS.split()))
_FLOATS = ("0", "1", "-1", "0.1", "0.30000000000000004", "1.5", "99.9", "-273.15", "1e15", "1e-12", "1.7e308", "5e-324")
_JSON: tuple[Any, ...] = (None, True, 0, -1, Decimal("1.5"), "", "text", [], {}, [1, "a", None], {"a": {"b": [1, 2]}})


@dataclass(frozen=True)
class Generated:
    """Lists of arguments, as JSON."""

    inputs: tuple[tuple[Any, ...], ...]
    cached: bool = False


def generate_inputs(
    types: Sequence[FieldType],
    *,
    count: int = 1000,
    seed: int = 0,
    samples: Sequence[Sequence[Any]] = (),
    cache: Path | None = None,
) -> Generated:
    """Returns `count` lists of arguments that fit the types.

    Args:
        types: of the arguments, by position.
        count: how many lists.
        seed: another seed gives other inputs.
        samples: lists of arguments that may be looked at (shown cases): their texts are mutated too.
        cache: folder in which the inputs of a schema are kept.

    Raises `InputError` if a declared pattern is so narrow that no matching text could be made.
    """
    described = [GENERATOR, count, seed, [type_to_json(kind) for kind in types], [list(sample) for sample in samples]]
    file = cache / f"{digest_json(described)}.json" if cache else None
    found = _read(file, len(types), count) if file else None
    if found is not None:
        return Generated(found, cached=True)
    made = _make(types, count, seed, samples)
    if file:
        _write(file, made)
    return Generated(made)


def _read(file: Path, width: int, count: int) -> tuple[tuple[Any, ...], ...] | None:
    """A cache that is not what we wrote is no cache."""
    try:
        held = parse_json(file.read_bytes())
    except (OSError, InputError):
        return None
    if (
        not isinstance(held, list)
        or len(held) != count
        or any(type(row) is not list or len(row) != width for row in held)
    ):
        return None
    return tuple(map(tuple, held))


def _write(file: Path, made: Sequence[Sequence[Any]]) -> None:
    """Whole or not at all; a cache that cannot be written costs time only."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as out:
            out.write(canonical_json([list(row) for row in made]))
        os.replace(name, file)


def _make(
    types: Sequence[FieldType], count: int, seed: int, samples: Sequence[Sequence[Any]]
) -> tuple[tuple[Any, ...], ...]:
    chance = Chance(seed)
    columns = [
        Column(kind, [sample[place] for sample in samples if len(sample) > place], chance)
        for place, kind in enumerate(types)
    ]
    longest = max((len(column.edges) for column in columns), default=0)
    made = []
    for index in range(count):
        chance.aware = bool(index % 2)
        made.append(tuple(column.value(index, index < longest) for column in columns))
    return tuple(made)


class Chance:
    """Choices from a stream that is the same on every Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.aware = False
        """Date-times of one input all have an offset, or none has: the two do not compare."""

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def one_of(self, values: Sequence[Any]) -> Any:
        return values[self.below(len(values))]

    def happens(self, share: float) -> bool:
        return self._random.random() < share

    def shuffled(self, values: Sequence[Any]) -> list[Any]:
        result = list(values)
        for place in range(len(result) - 1, 0, -1):
            other = self.below(place + 1)
            result[place], result[other] = result[other], result[place]
        return result


class Column:
    """The values of one argument: each edge once, then anything."""

    def __init__(self, kind: FieldType, samples: Sequence[Any], chance: Chance) -> None:
        self._chance, self._kind = chance, kind
        self._documents = [sample for sample in samples if isinstance(sample, str) and kind.kind in ("text", "string")]
        self._fits = type_checker(kind)
        self._any = maker(kind, chance)
        candidates = ([None] if kind.optional else []) + edges(kind, chance)
        self.edges = [value for value in candidates if self._accepted(value)]

    def _accepted(self, value: Any) -> bool:
        try:
            self._fits(value)
        except Mismatch:
            return False
        return True

    def value(self, index: int, edging: bool) -> Any:
        if edging and index < len(self.edges):
            return self.edges[index]
        if self._documents and self._chance.happens(0.5):
            mutated = mutate(self._chance.one_of(self._documents), self._chance)
            if self._accepted(mutated):
                return mutated
        if self.edges and self._chance.happens(0.3):
            value = self._chance.one_of(self.edges)
            if not (isinstance(value, str) and len(value) >= _HUGE):  # few large texts: they cost the most
                return value
        return self._any()


def mutate(document: str, chance: Chance) -> str:
    """Returns a document cut off, with lines shuffled, lost or doubled, or with characters lost or changed."""
    lines = document.split("\n")
    way = chance.below(7)
    if way == 0:
        return document[: chance.below(len(document) + 1)]
    if way == 1:
        return document[chance.below(len(document) + 1) :]
    if way == 2:
        return "\n".join(chance.shuffled(lines))
    if way == 3:
        return "\n".join(line for line in lines if not chance.happens(0.2))
    if way == 4:
        return "\n".join(line for line in lines for _ in range(1 + chance.happens(0.1)))
    if way == 5:
        return re.sub(r"\d", lambda match: str(chance.below(10)) if chance.happens(0.3) else match[0], document)
    return re.sub(r"[\s:$.,/-]", lambda match: "" if chance.happens(0.2) else match[0], document)


def edges(kind: FieldType, chance: Chance) -> list[Any]:
    """Returns the values at which code breaks; the caller drops those that the type does not admit."""
    if kind.enum is not None:
        return list(kind.enum)
    if kind.kind in ("text", "string"):
        return _text_edges(kind)
    if kind.kind in _PLAIN_EDGES:
        return list(_PLAIN_EDGES[kind.kind])
    bounds = [bound for bound in (kind.minimum, kind.maximum) if bound is not None]
    if kind.kind == "integer":
        return [int(bound) + step for bound in bounds for step in (0, 1, -1)] + list(_INTEGERS)
    if kind.kind in ("decimal", "money", "float"):
        step = Decimal("0.01")
        numbers = [bound + move for bound in bounds for move in (Decimal(0), step, -step)]
        numbers += map(Decimal, _FLOATS) if kind.kind == "float" else _DECIMALS
        return [format(number, "f") for number in numbers] if kind.kind == "money" else numbers
    if kind.kind == "list":
        return _list_edges(kind, chance)
    return _object_edges(kind, chance) if kind.kind == "object" else []


_BOXES: tuple[Any, ...] = (
    [0, 0, 0, 0, ""],
    [Decimal("10.5"), 20, 110, 32, "Total: 5.00"],
    [-1, -1, 100000, 100000, "x"],
)
_PLAIN_EDGES: Mapping[str, Sequence[Any]] = {
    "boolean": (False, True),
    "date": _DATES,
    "time": _TIMES,
    "datetime": (),
    "days_time_duration": _DURATIONS,
    "years_months_duration": _MONTHS,
    "box": _BOXES,
    "json": _JSON,
}


def _text_edges(kind: FieldType) -> list[Any]:
    if kind.pattern is not None:
        return list(_TEXTS)
    limit = kind.max_length
    huge = ["x" * limit if limit is not None and limit < _HUGE else "word 12.50 " * (_HUGE // 11 + 1)]
    return [*_TEXTS, *huge, "\n" * 2000, "9" * 5000]


def _list_edges(kind: FieldType, chance: Chance) -> list[Any]:
    items = kind.items or FieldType("json")
    make = maker(items, chance)
    single = [[value] for value in edges(items, chance)[:20]]
    same = make()
    return [[], *single, [same, same], [make() for _ in range(min(kind.max_length or 100, 100))]]


def _object_edges(kind: FieldType, chance: Chance) -> list[Any]:
    """Each field at each of its edges, the others anything."""
    make = _makers(kind, chance)
    found = []
    for field in kind.fields:
        for value in ([None] if field.type.optional else []) + edges(field.type, chance)[:12]:
            found.append({**make(), field.name: value})
    return found[:120]


def maker(kind: FieldType, chance: Chance) -> Callable[[], Any]:
    """Returns a function that makes one value after the other."""
    make = _makers(kind, chance)
    if not kind.optional:
        return make
    return lambda: None if chance.happens(0.15) else make()


def _makers(kind: FieldType, chance: Chance) -> Callable[[], Any]:
    if kind.enum is not None:
        return lambda: chance.one_of(kind.enum or ("",))
    if kind.kind in ("text", "string"):
        return _text_maker(kind, chance)
    if kind.kind in ("integer", "decimal", "money", "float"):
        return lambda: _number(kind, chance)
    if kind.kind == "list":
        item = maker(kind.items or FieldType("json"), chance)
        return lambda: [item() for _ in range(min(chance.below(5) * (1 + chance.below(2)), kind.max_length or 99))]
    if kind.kind == "object":
        parts = [(field.name, maker(field.type, chance)) for field in kind.fields]
        return lambda: {name: part() for name, part in parts}
    if kind.kind == "boolean":
        return lambda: chance.happens(0.5)
    return lambda: _other(kind, chance)


def _other(kind: FieldType, chance: Chance) -> Any:
    if kind.kind == "date":
        return _day(chance)
    if kind.kind == "time":
        return _clock(chance)
    if kind.kind == "datetime":
        offset = chance.one_of(("+00:00", "-05:00", "+05:45")) if chance.aware else ""
        return f"{chance.one_of(_DATES[2:-1]) if chance.happens(0.2) else _day(chance)}T{_clock(chance)}{offset}"
    if kind.kind == "days_time_duration":
        return f"P{chance.below(400)}DT{chance.below(24)}H{chance.below(60)}M"
    if kind.kind == "years_months_duration":
        return f"P{chance.below(90)}Y{chance.below(12)}M"
    if kind.kind == "box":
        left, top = chance.below(600), chance.below(800)
        return [left, top, left + 1 + chance.below(200), top + 8 + chance.below(10), _prose(chance, 3)]
    return chance.one_of(_JSON)


def _day(chance: Chance) -> str:
    return f"{1930 + chance.below(120)}-{1 + chance.below(12):02d}-{1 + chance.below(28):02d}"


def _clock(chance: Chance) -> str:
    return f"{chance.below(24):02d}:{chance.below(60):02d}:{chance.below(60):02d}"


def _number(kind: FieldType, chance: Chance) -> Any:
    places = 0 if kind.kind == "integer" else chance.one_of((0, 1, 2, 2, 2, 4))
    low, high = kind.minimum, kind.maximum
    reach = Decimal(10) ** (1 + chance.below(7))
    low = low if low is not None else (min(high, Decimal(0)) - reach if high is not None else -reach / 4)
    high = high if high is not None else max(low, Decimal(0)) + reach
    share = Decimal(chance.below(10**9)) / 10**9
    with localcontext(Context(prec=max(28, abs(low.adjusted()) + 12, abs(high.adjusted()) + 12))):  # as wide as bounds
        number = min(max(round(low + (high - low) * share, places), low), high)
    if kind.kind == "integer":
        return int(number)
    return format(number, "f") if kind.kind == "money" else number


def _text_maker(kind: FieldType, chance: Chance) -> Callable[[], Any]:
    if kind.pattern is not None:
        return _pattern_maker(kind, chance)
    limit = kind.max_length if kind.max_length is not None else _HUGE

    def make() -> str:
        if chance.happens(0.25):
            return "".join(chance.one_of(_ALPHABET) for _ in range(chance.below(24)))[:limit]
        return _prose(chance, 1 + chance.below(40 if kind.kind == "text" else 6))[:limit]

    return make


def _prose(chance: Chance, words: int) -> str:
    return "".join(chance.one_of(_WORDS) + chance.one_of(_SEPARATORS) for _ in range(words)).strip()


def _pattern_maker(kind: FieldType, chance: Chance) -> Callable[[], Any]:
    from compiled_ai.validation.patterns import matching_text

    pattern = re.compile(kind.pattern or "")
    limit = kind.max_length

    def make() -> str:
        for _ in range(50):
            text = matching_text(kind.pattern or "", chance.below)
            if pattern.fullmatch(text) and (limit is None or len(text) <= limit):
                return text
        raise InputError(
            f"No text could be made that matches the pattern {kind.pattern!r}.",
            remedy="State the pattern with plain classes and repetitions, or check it in `validation` instead.",
        )

    return make
