"""What compiled rules call at run time: FEEL's functions, and three-valued logic where a value may be null.

Numbers are `Decimal` under `library.values.NUMBERS`, which the caller enters. Functions take known values;
`unless_null` lifts one over nulls. A function whose result is `... | None` gives null where OMG DMN 1.5
(chapter 10.3.4) says that the answer is undefined: division by zero, an index out of range, a text that is no date.
Whatever leaves the range of the numbers raises `decimal.Overflow`: a run stops rather than go on with infinity.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    InvalidOperation,
)
from typing import Any, TypeVar

from compiled_ai.canonical import plain_number
from compiled_ai.library.lookups import (
    ReferenceTable,
    RowTable,
    any_of,
    any_value,
    known_but,
    none_of,
    null_or,
    one_of,
    span,
)
from compiled_ai.library.values import (
    NUMBERS,
    YearsMonths,
    format_days_time,
    number,
    parse_days_time,
    parse_years_months,
)

__all__ = [
    "ReferenceTable",
    "RowTable",
    "any_of",
    "any_value",
    "known_but",
    "none_of",
    "null_or",
    "one_of",
    "span",
    "absolute",
    "absolute_duration",
    "absolute_months",
    "add",
    "add_durations",
    "add_months",
    "all_true",
    "any_true",
    "append",
    "at_least",
    "at_most",
    "ceiling",
    "clock_between",
    "compiled_pattern",
    "concatenate",
    "contains",
    "count_of",
    "date_from_parts",
    "date_from_text",
    "date_part",
    "datetime_from_parts",
    "datetime_from_text",
    "day_of",
    "day_of_week",
    "day_of_year",
    "days_between",
    "days_time_from_text",
    "decimal_places",
    "deviation_of",
    "distinct_values",
    "divide",
    "divide_duration",
    "divide_months",
    "duration_days",
    "duration_hours",
    "duration_minutes",
    "duration_months",
    "duration_ratio",
    "duration_seconds",
    "duration_years",
    "ends_with",
    "every_true",
    "exponential",
    "flatten",
    "floor",
    "greater",
    "hour_of",
    "index_of",
    "insert_before",
    "is_even",
    "is_odd",
    "item_at",
    "join_text",
    "largest",
    "less",
    "list_contains",
    "logarithm",
    "lower_case",
    "matches",
    "mean_of",
    "median_of",
    "member_of",
    "midnight",
    "minute_of",
    "mode_of",
    "modulo",
    "month_of",
    "month_of_year",
    "month_ratio",
    "months_between",
    "multiply",
    "negate",
    "negate_duration",
    "negate_months",
    "negated",
    "number_from_text",
    "numbers",
    "offset_of",
    "part_of",
    "power_of",
    "product_of",
    "remove",
    "replace_text",
    "reverse",
    "round_down",
    "round_half_down",
    "round_half_up",
    "round_up",
    "same",
    "scale_duration",
    "scale_months",
    "second_of",
    "shift_date",
    "shift_datetime",
    "shift_months",
    "shift_time",
    "smallest",
    "some_true",
    "split_text",
    "square_root",
    "starts_with",
    "string_join",
    "string_length",
    "sublist",
    "substring",
    "substring_after",
    "substring_before",
    "subtract",
    "subtract_durations",
    "subtract_months",
    "sum_of",
    "time_between",
    "time_from_parts",
    "time_from_text",
    "time_part",
    "text_of",
    "to_text",
    "union_of",
    "unless_null",
    "unshift_date",
    "unshift_datetime",
    "unshift_months",
    "unshift_time",
    "upper_case",
    "week_of_year",
    "weekday_of",
    "whole",
    "year_of",
    "years_months_from_text",
]

T = TypeVar("T")
R = TypeVar("R")
Moment = TypeVar("Moment", date, datetime)

ONE = Decimal(1)
_WIDE = Context(prec=14_000, Emin=-20_000, Emax=20_000)
"""Holds every number of the pinned context written out, so that rounding never runs out of digits."""
MICROSECOND = timedelta(microseconds=1)

# ---------------------------------------------------------------- null


def unless_null(function: Callable[..., R], *values: object) -> R | None:
    """Returns `function(*values)`, or null when one of the values is null."""
    for value in values:
        if value is None:
            return None
    return function(*values)


def all_true(*parts: bool | None) -> bool | None:
    """FEEL's `and`: false if one part is false, else null if one is null, else true."""
    if False in parts:
        return False
    return None if None in parts else True


def any_true(*parts: bool | None) -> bool | None:
    """FEEL's `or`: true if one part is true, else null if one is null, else false."""
    if True in parts:
        return True
    return None if None in parts else False


def negated(part: bool | None) -> bool | None:
    """FEEL's `not`: null stays null."""
    return None if part is None else not part


# ---------------------------------------------------------------- comparison and arithmetic


def less(left: Any, right: Any) -> bool | None:
    """Whether `left < right`; null if one is null, or if the two have no order."""
    return _ordered(left, right, lambda: left < right)


def at_most(left: Any, right: Any) -> bool | None:
    """Whether `left <= right`; null as in `less`."""
    return _ordered(left, right, lambda: left <= right)


def greater(left: Any, right: Any) -> bool | None:
    """Whether `left > right`; null as in `less`."""
    return _ordered(left, right, lambda: left > right)


def at_least(left: Any, right: Any) -> bool | None:
    """Whether `left >= right`; null as in `less`."""
    return _ordered(left, right, lambda: left >= right)


def _ordered(left: Any, right: Any, compare: Callable[[], Any]) -> bool | None:
    if left is None or right is None or isinstance(left, bool) != isinstance(right, bool):
        return None
    try:
        return bool(compare())
    except TypeError:
        return None


def add(left: Decimal, right: Decimal) -> Decimal:
    return left + right


def subtract(left: Decimal, right: Decimal) -> Decimal:
    return left - right


def multiply(left: Decimal, right: Decimal) -> Decimal:
    return left * right


def negate(value: Decimal) -> Decimal:
    return -value


def divide(left: Decimal | int, right: Decimal | int) -> Decimal | None:
    """Null when the divisor is zero."""
    return None if right == 0 else NUMBERS.divide(Decimal(left), Decimal(right))


def power_of(base: Decimal | int, exponent: Decimal | int) -> Decimal | None:
    """Null where the power is no real number (`0 ** -1`, `(-8) ** 0.5`)."""
    try:
        result = NUMBERS.power(Decimal(base), Decimal(exponent))
    except (InvalidOperation, ZeroDivisionError):
        return None
    return result if result.is_finite() else None


def join_text(left: str, right: str) -> str:
    return left + right


# ---------------------------------------------------------------- dates, times, durations


def _last_day(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def shift_months(moment: Moment, duration: YearsMonths) -> Moment | None:
    """Adds years and months; a day that the month does not have becomes its last day. Null outside years 1 to 9999."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + duration.months, 12)
    if not 1 <= year <= 9999:
        return None
    return moment.replace(year=year, month=month + 1, day=min(moment.day, _last_day(year, month + 1)))


def unshift_months(moment: Moment, duration: YearsMonths) -> Moment | None:
    return shift_months(moment, YearsMonths(-duration.months))


def shift_date(moment: date, duration: timedelta) -> date | None:
    """Adds a days-time duration to a date as to its midnight; the result is a date. Null out of range."""
    try:
        return (datetime.combine(moment, time()) + duration).date()
    except OverflowError:
        return None


def unshift_date(moment: date, duration: timedelta) -> date | None:
    return shift_date(moment, -duration)


def shift_datetime(moment: datetime, duration: timedelta) -> datetime | None:
    try:
        return moment + duration
    except OverflowError:
        return None


def unshift_datetime(moment: datetime, duration: timedelta) -> datetime | None:
    return shift_datetime(moment, -duration)


def shift_time(moment: time, duration: timedelta) -> time:
    """Adds to a time of day, round the clock."""
    start = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)
    total = (start + timedelta(seconds=duration.seconds, microseconds=duration.microseconds)) % timedelta(days=1)
    return (datetime.min + total).time().replace(tzinfo=moment.tzinfo)


def unshift_time(moment: time, duration: timedelta) -> time:
    return shift_time(moment, timedelta(seconds=-duration.seconds, microseconds=-duration.microseconds))


def days_between(left: date, right: date) -> timedelta:
    """`left - right` of two dates."""
    return left - right


def time_between(left: datetime, right: datetime) -> timedelta | None:
    """`left - right`; null where only one of them has an offset."""
    return None if (left.tzinfo is None) != (right.tzinfo is None) else left - right


def clock_between(left: time, right: time) -> timedelta | None:
    day = date(2000, 1, 1)
    return time_between(datetime.combine(day, left), datetime.combine(day, right))


def add_months(left: YearsMonths, right: YearsMonths) -> YearsMonths:
    return YearsMonths(left.months + right.months)


def subtract_months(left: YearsMonths, right: YearsMonths) -> YearsMonths:
    return YearsMonths(left.months - right.months)


def negate_months(value: YearsMonths) -> YearsMonths:
    return YearsMonths(-value.months)


def scale_months(value: YearsMonths, factor: Decimal) -> YearsMonths:
    """Whole months, rounded towards zero."""
    return YearsMonths(int(value.months * Decimal(factor)))


def divide_months(value: YearsMonths, divisor: Decimal) -> YearsMonths | None:
    return None if divisor == 0 else YearsMonths(int(Decimal(value.months) / Decimal(divisor)))


def month_ratio(left: YearsMonths, right: YearsMonths) -> Decimal | None:
    return divide(Decimal(left.months), Decimal(right.months))


def add_durations(left: timedelta, right: timedelta) -> timedelta | None:
    return _duration(lambda: left + right)


def subtract_durations(left: timedelta, right: timedelta) -> timedelta | None:
    return _duration(lambda: left - right)


def negate_duration(value: timedelta) -> timedelta | None:
    return _duration(lambda: -value)


def scale_duration(value: timedelta, factor: Decimal) -> timedelta | None:
    """To the microsecond, half to even."""
    return _duration(lambda: _microseconds(value) * Decimal(factor))


def divide_duration(value: timedelta, divisor: Decimal) -> timedelta | None:
    return None if divisor == 0 else _duration(lambda: _microseconds(value) / Decimal(divisor))


def duration_ratio(left: timedelta, right: timedelta) -> Decimal | None:
    return divide(_microseconds(left), _microseconds(right))


def _microseconds(value: timedelta) -> Decimal:
    return Decimal(value // MICROSECOND)


def _duration(compute: Callable[[], timedelta | Decimal]) -> timedelta | None:
    try:
        result = compute()
        if isinstance(result, Decimal):
            return timedelta(microseconds=int(result.to_integral_value(ROUND_HALF_EVEN)))
        return result
    except OverflowError:
        return None


def date_from_text(text: str) -> date | None:
    """`YYYY-MM-DD`, or null."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    return _or_null(date.fromisoformat, text)


def date_from_parts(year: Decimal, month: Decimal, day: Decimal) -> date | None:
    if not all(_whole(part) and abs(part) < 10**6 for part in (year, month, day)):
        return None
    return _or_null(date, int(year), int(month), int(day))


def date_part(moment: datetime) -> date:
    return moment.date()


def time_from_text(text: str) -> time | None:
    """`HH:MM:SS` with an optional fraction and offset, or null."""
    if not re.fullmatch(r"\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", text, re.ASCII):
        return None
    return _or_null(time.fromisoformat, text)


def time_from_parts(hour: Decimal, minute: Decimal, second: Decimal) -> time | None:
    if not all(_whole(part) and abs(part) < 10**6 for part in (hour, minute, second)):
        return None
    return _or_null(time, int(hour), int(minute), int(second))


def time_part(moment: datetime) -> time:
    return moment.timetz()


def datetime_from_text(text: str) -> datetime | None:
    """`YYYY-MM-DDTHH:MM:SS` with an optional fraction and offset, or a date (its midnight), or null."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?", text, re.ASCII):
        return None
    return _or_null(datetime.fromisoformat, text)


def datetime_from_parts(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def days_time_from_text(text: str) -> timedelta | None:
    return _or_null(parse_days_time, text)


def years_months_from_text(text: str) -> YearsMonths | None:
    return _or_null(parse_years_months, text)


def months_between(start: date, end: date) -> YearsMonths:
    """Whole months from `start` to `end`, negative if `end` is earlier."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        months -= 1
    elif months < 0 and end.day > start.day:
        months += 1
    return YearsMonths(months)


def _or_null(make: Callable[..., R], *parts: object) -> R | None:
    try:
        return make(*parts)
    except (ValueError, OverflowError):
        return None


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def day_of_week(moment: date) -> str:
    """The English name of the day."""
    return DAYS[moment.weekday()]


def month_of_year(moment: date) -> str:
    return MONTHS[moment.month - 1]


def day_of_year(moment: date) -> Decimal:
    return Decimal(moment.timetuple().tm_yday)


def week_of_year(moment: date) -> Decimal:
    """The ISO 8601 week."""
    return Decimal(moment.isocalendar().week)


def year_of(moment: date) -> Decimal:
    return Decimal(moment.year)


def month_of(moment: date) -> Decimal:
    return Decimal(moment.month)


def day_of(moment: date) -> Decimal:
    return Decimal(moment.day)


def hour_of(moment: datetime | time) -> Decimal:
    return Decimal(moment.hour)


def minute_of(moment: datetime | time) -> Decimal:
    return Decimal(moment.minute)


def second_of(moment: datetime | time) -> Decimal:
    """With its fraction."""
    return Decimal(moment.second) + Decimal(moment.microsecond) / 1_000_000


def weekday_of(moment: date) -> Decimal:
    """1 for Monday to 7 for Sunday."""
    return Decimal(moment.isoweekday())


def duration_days(value: timedelta) -> Decimal:
    """Whole days, towards zero."""
    return Decimal(_parts(value)[0])


def duration_hours(value: timedelta) -> Decimal:
    return Decimal(_parts(value)[1])


def duration_minutes(value: timedelta) -> Decimal:
    return Decimal(_parts(value)[2])


def duration_seconds(value: timedelta) -> Decimal:
    """Seconds of the minute, with their fraction."""
    sign = -1 if value < timedelta(0) else 1
    size = abs(value)
    return sign * (Decimal(size.seconds % 60) + Decimal(size.microseconds) / 1_000_000)


def _parts(value: timedelta) -> tuple[int, int, int]:
    sign = -1 if value < timedelta(0) else 1
    size = abs(value)
    return (sign * size.days, sign * (size.seconds // 3600), sign * (size.seconds // 60 % 60))


def duration_years(value: YearsMonths) -> Decimal:
    """Whole years, towards zero."""
    return Decimal(abs(value.months) // 12 * (-1 if value.months < 0 else 1))


def duration_months(value: YearsMonths) -> Decimal:
    """Months beyond the whole years."""
    return Decimal(abs(value.months) % 12 * (-1 if value.months < 0 else 1))


def offset_of(moment: datetime | time) -> timedelta | None:
    return moment.utcoffset()


# ---------------------------------------------------------------- numbers


def whole(value: Decimal) -> int:
    """The integer that a number is; raises `ValueError` if it has a fraction."""
    if value != value.to_integral_value():
        raise ValueError(f"{plain_number(value)} is no integer. Round it in the rule: round half up(..., 0).")
    return int(value)


def numbers(values: Iterable[int | float | Decimal | None]) -> tuple[Any, ...]:
    """The exact decimals of a list of numbers."""
    return tuple(number(value) for value in values)


def _whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


def _rounded(value: Decimal, scale: Decimal, how: str) -> Decimal | None:
    if not _whole(scale) or not -6_111 <= scale <= 6_176:
        return None
    return NUMBERS.plus(value.quantize(ONE.scaleb(-int(scale)), how, _WIDE))


def decimal_places(value: Decimal, scale: Decimal) -> Decimal | None:
    """FEEL's `decimal(n, scale)`: half to even."""
    return _rounded(value, scale, ROUND_HALF_EVEN)


def floor(value: Decimal, scale: Decimal = Decimal(0)) -> Decimal | None:
    return _rounded(value, scale, ROUND_FLOOR)


def ceiling(value: Decimal, scale: Decimal = Decimal(0)) -> Decimal | None:
    return _rounded(value, scale, ROUND_CEILING)


def round_up(value: Decimal, scale: Decimal) -> Decimal | None:
    """Away from zero."""
    return _rounded(value, scale, ROUND_UP)


def round_down(value: Decimal, scale: Decimal) -> Decimal | None:
    """Towards zero."""
    return _rounded(value, scale, ROUND_DOWN)


def round_half_up(value: Decimal, scale: Decimal) -> Decimal | None:
    return _rounded(value, scale, ROUND_HALF_UP)


def round_half_down(value: Decimal, scale: Decimal) -> Decimal | None:
    return _rounded(value, scale, ROUND_HALF_DOWN)


def absolute(value: Decimal) -> Decimal:
    return abs(value)


def absolute_duration(value: timedelta) -> timedelta:
    return abs(value)


def absolute_months(value: YearsMonths) -> YearsMonths:
    return YearsMonths(abs(value.months))


def modulo(dividend: Decimal, divisor: Decimal) -> Decimal | None:
    """The remainder with the sign of the divisor; null for a zero divisor."""
    if divisor == 0:
        return None
    try:
        rest = NUMBERS.remainder(dividend, divisor)
    except InvalidOperation:
        return None
    return rest + divisor if rest and (rest < 0) != (divisor < 0) else rest


def square_root(value: Decimal) -> Decimal | None:
    return None if value < 0 else NUMBERS.sqrt(value)


def logarithm(value: Decimal) -> Decimal | None:
    return None if value <= 0 else NUMBERS.ln(value)


def exponential(value: Decimal) -> Decimal:
    return NUMBERS.exp(value)


def is_odd(value: Decimal) -> bool | None:
    return None if not _whole(value) else abs(int(value)) % 2 == 1


def is_even(value: Decimal) -> bool | None:
    return None if not _whole(value) else int(value) % 2 == 0


_NUMBER = re.compile(r"-?(\d{1,400}(\.\d{1,400})?|\.\d{1,400})", re.ASCII)


def number_from_text(text: str) -> Decimal | None:
    """A plain decimal number, or null."""
    return NUMBERS.create_decimal(text) if _NUMBER.fullmatch(text) else None


# ---------------------------------------------------------------- text


def to_text(value: Any) -> str | None:
    """FEEL's `string(x)`; null stays null."""
    return None if value is None else text_of(value)


def text_of(value: Any) -> str:
    """FEEL's `string(x)`: plain numbers, ISO 8601 dates and durations, `true` and `false`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Decimal, int, float)):
        return plain_number(number(value))
    if isinstance(value, timedelta):
        return format_days_time(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, tuple):
        return "[" + ", ".join(_quoted(item) for item in value) + "]"
    return str(value)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else to_text(value) or "null"


def part_of(value: Any, attribute: str) -> Any:
    """A field of an object; null if the object is."""
    return None if value is None else getattr(value, attribute)


def string_length(text: str) -> Decimal:
    """Characters (code points)."""
    return Decimal(len(text))


def substring(text: str, start: Decimal, length: Decimal | None = None) -> str | None:
    """From `start`, counted from 1, from the end if negative; null if there is no such place."""
    if not _whole(start) or start == 0 or abs(start) > len(text):
        return None
    first = int(start) - 1 if start > 0 else len(text) + int(start)
    if length is None:
        return text[first:]
    return None if not _whole(length) or length < 1 else text[first : first + int(length)]


def upper_case(text: str) -> str:
    return text.upper()


def lower_case(text: str) -> str:
    return text.lower()


def substring_before(text: str, match: str) -> str:
    """What stands before the first `match`; empty if there is none."""
    return text[: text.find(match)] if match in text else ""


def substring_after(text: str, match: str) -> str:
    return text[text.find(match) + len(match) :] if match in text else ""


def contains(text: str, match: str) -> bool:
    return match in text


def starts_with(text: str, match: str) -> bool:
    return text.startswith(match)


def ends_with(text: str, match: str) -> bool:
    return text.endswith(match)


_FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE, "x": re.VERBOSE}


def compiled_pattern(text: str, flags: str = "") -> re.Pattern[str] | None:
    """Compiles a pattern (cached by `re`); null if it is none, or a flag is unknown."""
    bits = 0
    for flag in flags:
        if flag not in _FLAGS:
            return None
        bits |= _FLAGS[flag]
    try:
        return re.compile(text, bits)
    except (re.error, OverflowError):
        return None


def matches(text: str, match: str, flags: str = "") -> bool | None:
    """Whether the pattern occurs in the text (anchor it with `^` and `$`)."""
    compiled = compiled_pattern(match, flags)
    return None if compiled is None else compiled.search(text) is not None


def replace_text(text: str, match: str, replacement: str, flags: str = "") -> str | None:
    """Replaces each occurrence of a pattern; `$1` is its first group. Null if the pattern matches the empty text."""
    compiled = compiled_pattern(match, flags)
    if compiled is None or compiled.search("") is not None:
        return None
    template = re.sub(r"\$(\d)", r"\\g<\1>", replacement.replace("\\", "\\\\"))
    try:
        return compiled.sub(template, text)
    except (re.error, IndexError):
        return None


def split_text(text: str, delimiter: str) -> tuple[str, ...] | None:
    """Parts between occurrences of a pattern."""
    compiled = compiled_pattern(delimiter)
    if compiled is None or compiled.search("") is not None:
        return None
    ends = [(found.start(), found.end()) for found in compiled.finditer(text)]
    starts = [0, *(end for _, end in ends)]
    return tuple(text[a:b] for a, b in zip(starts, [*(start for start, _ in ends), len(text)], strict=True))


def string_join(values: Sequence[str | None], delimiter: str = "") -> str:
    """Joins what is not null."""
    return delimiter.join(value for value in values if value is not None)


# ---------------------------------------------------------------- lists


def list_contains(values: Sequence[Any], item: Any) -> bool:
    return any(same(value, item) for value in values)


def same(left: Any, right: Any) -> bool:
    """FEEL's equality: never between kinds, null only equals null."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def count_of(values: Sequence[Any]) -> Decimal:
    return Decimal(len(values))


def smallest(values: Sequence[Any]) -> Any:
    """Null for an empty list, and for one that holds a null."""
    return _extreme(min, values)


def largest(values: Sequence[Any]) -> Any:
    return _extreme(max, values)


def _extreme(choose: Callable[[Sequence[Any]], Any], values: Sequence[Any]) -> Any:
    try:
        return None if not values or None in values else choose(values)
    except TypeError:
        return None


def sum_of(values: Sequence[Any]) -> Any:
    """Null for an empty list, and for one that holds a null."""
    if not values or None in values:
        return None
    result = values[0]
    for value in values[1:]:
        result = result + value
    return result


def product_of(values: Sequence[Any]) -> Decimal | None:
    if not values or None in values:
        return None
    result = ONE
    for value in values:
        result = result * value
    return result


def mean_of(values: Sequence[Any]) -> Decimal | None:
    found = sum_of(values)
    return None if found is None else divide(found, Decimal(len(values)))


def median_of(values: Sequence[Any]) -> Decimal | None:
    if not values or None in values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] + 0 if len(ordered) % 2 else divide(ordered[middle - 1] + ordered[middle], 2)


def deviation_of(values: Sequence[Any]) -> Decimal | None:
    """The sample standard deviation; null for fewer than two numbers."""
    average = mean_of(values)
    if average is None or len(values) < 2:
        return None
    return NUMBERS.sqrt(sum(((value - average) ** 2 for value in values), Decimal(0)) / (len(values) - 1))


def every_true(values: Sequence[bool | None]) -> bool | None:
    return all_true(*values)


def some_true(values: Sequence[bool | None]) -> bool | None:
    return any_true(*values)


def item_at(values: Sequence[T], position: Decimal) -> T | None:
    """Counted from 1, from the end if negative; null if there is no such item."""
    if not _whole(position) or position == 0 or abs(position) > len(values):
        return None
    return values[int(position) - 1 if position > 0 else int(position)]


def sublist(values: Sequence[T], start: Decimal, length: Decimal | None = None) -> tuple[T, ...] | None:
    if not _whole(start) or start == 0 or abs(start) > len(values):
        return None
    first = int(start) - 1 if start > 0 else len(values) + int(start)
    if length is None:
        return tuple(values[first:])
    if not _whole(length) or length < 1 or first + length > len(values):
        return None
    return tuple(values[first : first + int(length)])


def append(values: Sequence[Any], *items: Any) -> tuple[Any, ...]:
    return (*values, *items)


def concatenate(*lists: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(item for values in lists for item in values)


def insert_before(values: Sequence[Any], position: Decimal, item: Any) -> tuple[Any, ...] | None:
    if not _whole(position) or position == 0 or abs(position) > len(values):
        return None
    index = int(position) - 1 if position > 0 else len(values) + int(position)
    return (*values[:index], item, *values[index:])


def remove(values: Sequence[T], position: Decimal) -> tuple[T, ...] | None:
    if not _whole(position) or position == 0 or abs(position) > len(values):
        return None
    index = int(position) - 1 if position > 0 else len(values) + int(position)
    return (*values[:index], *values[index + 1 :])


def reverse(values: Sequence[T]) -> tuple[T, ...]:
    return tuple(reversed(values))


def index_of(values: Sequence[Any], item: Any) -> tuple[Decimal, ...]:
    """All positions of an item, counted from 1."""
    return tuple(Decimal(place) for place, value in enumerate(values, 1) if same(value, item))


def distinct_values(values: Sequence[T]) -> tuple[T, ...]:
    """Each value once, in order of first appearance."""
    kept: list[T] = []
    for value in values:
        if not list_contains(kept, value):
            kept.append(value)
    return tuple(kept)


def union_of(*lists: Sequence[Any]) -> tuple[Any, ...]:
    return distinct_values(concatenate(*lists))


def flatten(values: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for value in values:
        found.extend(flatten(value) if isinstance(value, tuple) else [value])
    return tuple(found)


def mode_of(values: Sequence[Any]) -> tuple[Any, ...] | None:
    """The most frequent numbers, smallest first; null for a list that holds a null."""
    if None in values:
        return None
    most = max((values.count(value) for value in values), default=0)
    return tuple(sorted({value for value in values if values.count(value) == most}))


def member_of(item: Any, values: Sequence[Any] | None) -> bool | None:
    """Whether a list holds an item (which may be null); null if there is no list."""
    return None if values is None else list_contains(values, item)
