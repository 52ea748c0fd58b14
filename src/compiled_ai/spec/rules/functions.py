"""The built-in functions, under FEEL's names: what they take, what they give, what implements them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from compiled_ai.spec.rules.ast import ANY, BOOLEAN, NUMBER, TEXT, ValueType


@dataclass(frozen=True)
class Signature:
    """One way to call a function.

    `parameters` are kinds; `?` after one means that it may be left out, `*` that it repeats, `|` separates kinds,
    `list` takes a list of anything. `result` is a kind, `item` (of the first list), `same` (as the first argument)
    or `list KIND`.
    """

    parameters: tuple[str, ...]
    result: str
    library: str
    """Name in `library.rules`."""
    nullable: bool = False
    """The answer can be null although every argument is known."""
    takes_null: bool = False
    """Arguments are passed on when they are null."""

    @property
    def least(self) -> int:
        return sum(1 for kind in self.parameters if not kind.endswith(("?", "*")))

    @property
    def most(self) -> int | None:
        return None if any(kind.endswith("*") for kind in self.parameters) else len(self.parameters)

    def kinds(self, position: int) -> frozenset[str]:
        """Returns the kinds that the argument at `position` may have."""
        text = self.parameters[min(position, len(self.parameters) - 1)]
        return frozenset(text.rstrip("?*").split("|"))

    def result_type(self, arguments: tuple[ValueType, ...]) -> ValueType:
        return replace(self._result(arguments), optional=self.nullable, declared=None)

    def _result(self, arguments: tuple[ValueType, ...]) -> ValueType:
        first = arguments[0] if arguments else ANY
        if self.result == "item":
            return first.items or ANY
        if self.result == "same":
            return replace(first, enum=None)
        if self.result.startswith("list "):
            kind = self.result.removeprefix("list ")
            return ValueType("list", items=ANY if kind == "any" else ValueType(kind))  # type: ignore[arg-type]
        return _PLAIN.get(self.result) or ValueType(self.result)  # type: ignore[arg-type]


_PLAIN = {"number": NUMBER, "text": TEXT, "boolean": BOOLEAN}


def _one(library: str, result: str, *parameters: str, nullable: bool = False, takes_null: bool = False) -> Signature:
    return Signature(parameters, result, library, nullable, takes_null)


def _rounding(library: str) -> tuple[Signature, ...]:
    return (_one(library, "number", "number", "number", nullable=True),)


FUNCTIONS: Mapping[str, tuple[Signature, ...]] = {
    # dates, times, durations
    "date": (
        _one("date_from_text", "date", "text", nullable=True),
        _one("date_part", "date", "datetime"),
        _one("date_from_parts", "date", "number", "number", "number", nullable=True),
    ),
    "time": (
        _one("time_from_text", "time", "text", nullable=True),
        _one("time_part", "time", "datetime"),
        _one("time_from_parts", "time", "number", "number", "number", nullable=True),
    ),
    "date and time": (
        _one("datetime_from_text", "datetime", "text", nullable=True),
        _one("datetime_from_parts", "datetime", "date", "time"),
        _one("midnight", "datetime", "date"),
    ),
    "years and months duration": (_one("months_between", "years_months_duration", "date|datetime", "date|datetime"),),
    "day of week": (_one("day_of_week", "text", "date|datetime"),),
    "day of year": (_one("day_of_year", "number", "date|datetime"),),
    "week of year": (_one("week_of_year", "number", "date|datetime"),),
    "month of year": (_one("month_of_year", "text", "date|datetime"),),
    # numbers
    "decimal": _rounding("decimal_places"),
    "floor": (_one("floor", "number", "number", "number?", nullable=True),),
    "ceiling": (_one("ceiling", "number", "number", "number?", nullable=True),),
    "round up": _rounding("round_up"),
    "round down": _rounding("round_down"),
    "round half up": _rounding("round_half_up"),
    "round half down": _rounding("round_half_down"),
    "abs": (
        _one("absolute", "number", "number"),
        _one("absolute_duration", "days_time_duration", "days_time_duration"),
        _one("absolute_months", "years_months_duration", "years_months_duration"),
    ),
    "modulo": (_one("modulo", "number", "number", "number", nullable=True),),
    "sqrt": (_one("square_root", "number", "number", nullable=True),),
    "log": (_one("logarithm", "number", "number", nullable=True),),
    "exp": (_one("exponential", "number", "number"),),
    "odd": (_one("is_odd", "boolean", "number", nullable=True),),
    "even": (_one("is_even", "boolean", "number", nullable=True),),
    "number": (_one("number_from_text", "number", "text", nullable=True),),
    # text
    "string": (
        _one(
            "to_text",
            "text",
            "text|number|boolean|date|time|datetime|days_time_duration|years_months_duration|list|any",
            nullable=True,
            takes_null=True,
        ),
    ),
    "string length": (_one("string_length", "number", "text"),),
    "substring": (_one("substring", "text", "text", "number", "number?", nullable=True),),
    "upper case": (_one("upper_case", "text", "text"),),
    "lower case": (_one("lower_case", "text", "text"),),
    "substring before": (_one("substring_before", "text", "text", "text"),),
    "substring after": (_one("substring_after", "text", "text", "text"),),
    "contains": (_one("contains", "boolean", "text", "text"),),
    "starts with": (_one("starts_with", "boolean", "text", "text"),),
    "ends with": (_one("ends_with", "boolean", "text", "text"),),
    "matches": (_one("matches", "boolean", "text", "text", "text?", nullable=True),),
    "replace": (_one("replace_text", "text", "text", "text", "text", "text?", nullable=True),),
    "split": (_one("split_text", "list text", "text", "text", nullable=True),),
    "string join": (_one("string_join", "text", "list", "text?"),),
    # lists
    "list contains": (_one("list_contains", "boolean", "list", "any", takes_null=True),),
    "count": (_one("count_of", "number", "list"),),
    "min": (_one("smallest", "item", "list", nullable=True),),
    "max": (_one("largest", "item", "list", nullable=True),),
    "sum": (_one("sum_of", "item", "list", nullable=True),),
    "product": (_one("product_of", "number", "list", nullable=True),),
    "mean": (_one("mean_of", "number", "list", nullable=True),),
    "median": (_one("median_of", "number", "list", nullable=True),),
    "stddev": (_one("deviation_of", "number", "list", nullable=True),),
    "mode": (_one("mode_of", "list number", "list", nullable=True),),
    "all": (_one("every_true", "boolean", "list", nullable=True),),
    "any": (_one("some_true", "boolean", "list", nullable=True),),
    "sublist": (_one("sublist", "same", "list", "number", "number?", nullable=True),),
    "append": (_one("append", "same", "list", "any*", takes_null=True),),
    "concatenate": (_one("concatenate", "same", "list", "list*"),),
    "insert before": (_one("insert_before", "same", "list", "number", "any", nullable=True, takes_null=True),),
    "remove": (_one("remove", "same", "list", "number", nullable=True),),
    "reverse": (_one("reverse", "same", "list"),),
    "index of": (_one("index_of", "list number", "list", "any", takes_null=True),),
    "union": (_one("union_of", "same", "list", "list*"),),
    "distinct values": (_one("distinct_values", "same", "list"),),
    "flatten": (_one("flatten", "list any", "list"),),
    # kept for the checker: `duration` is folded from a literal text
    "duration": (),
}
FOLDS = frozenset({"min", "max", "sum", "product", "mean", "median", "stddev", "mode", "all", "any", "count"})
"""Functions of a list that may also be called with its items: `max(a, b)`."""

ITEM_KINDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("product", "mean", "median", "stddev", "mode"), frozenset({"number"})),
    "sum": frozenset({"number", "days_time_duration", "years_months_duration"}),
    **dict.fromkeys(("all", "any"), frozenset({"boolean"})),
    **dict.fromkeys(
        ("min", "max"),
        frozenset({"number", "text", "date", "time", "datetime", "days_time_duration", "years_months_duration"}),
    ),
    "string join": frozenset({"text"}),
}
"""Kinds that the items of the list must have."""


@dataclass(frozen=True)
class Property:
    """`base.name` of a date, time or duration; `library` is the function of `library.rules` that gives it."""

    result: ValueType
    library: str


def _parts(*names: str, prefix: str = "", suffix: str = "") -> dict[str, Property]:
    return {name: Property(NUMBER, f"{prefix}{name}{suffix}") for name in names}


_DAY = _parts("year", "month", "day", "weekday", suffix="_of")
_OFFSET = Property(ValueType("days_time_duration", optional=True), "offset_of")
_CLOCK = {**_parts("hour", "minute", "second", suffix="_of"), "time offset": _OFFSET}
PROPERTIES: Mapping[str, Mapping[str, Property]] = {
    "date": _DAY,
    "time": _CLOCK,
    "datetime": {**_DAY, **_CLOCK},
    "days_time_duration": _parts("days", "hours", "minutes", "seconds", prefix="duration_"),
    "years_months_duration": _parts("years", "months", prefix="duration_"),
}


def fits(kind: ValueType, allowed: frozenset[str]) -> bool:
    """Whether a value of this type may be passed where these kinds are taken."""
    return kind.kind in allowed or kind.kind in ("any", "null") or "any" in allowed


def signature_of(function: str, arguments: Sequence[ValueType]) -> Signature | None:
    """Returns the first signature that takes these arguments."""
    count = len(arguments)
    for signature in FUNCTIONS[function]:
        counted = signature.least <= count and (signature.most is None or count <= signature.most)
        if counted and all(fits(kind, signature.kinds(place)) for place, kind in enumerate(arguments)):
            return signature
    return None
