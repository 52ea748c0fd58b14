"""Is it right? Exact arithmetic on JSON values, field by field, with confidence intervals. Never an opinion.

What each metric calls agreement is told in `library.agreement`. Beside accuracy over all cases stands accuracy over
what was answered: an answer is a value that is not null in a run that came to a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from compiled_ai.library.agreement import agreement as agree
from compiled_ai.spec.model import Metric

_Z = Decimal("1.959963984540054")
"""Two-sided 95 %."""
ABSENT = object()
"""The case does not say what this field should be."""


@dataclass(frozen=True)
class FieldScore:
    right: int
    n: int
    low: float
    """Lower bound of the 95 % Wilson interval of right / n."""
    high: float
    share: float | None = None
    """Mean agreement of lists of records, where a list that is nearly right counts nearly 1."""
    stated: int = 0
    """Cases whose label is a value and not null."""
    found: int = 0
    """Of these, the ones that got an answer (right or not)."""
    answered: int = 0
    """Cases that got an answer, whatever the label."""
    answered_right: int = 0

    @property
    def answered_rate(self) -> Fraction | None:
        """Exact share of right values among the answers; `None` where there is none."""
        return Fraction(self.answered_right, self.answered) if self.answered else None

    @property
    def coverage(self) -> Fraction | None:
        """Exact share of the stated labels that got an answer; `None` where no label states a value."""
        return Fraction(self.found, self.stated) if self.stated else None

    @property
    def rate(self) -> Fraction | None:
        """Exact share of right values; `None` where nothing was counted (never 0)."""
        return Fraction(self.right, self.n) if self.n else None

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"right": self.right, "n": self.n, "low": self.low, "high": self.high}
        told |= _coverage_json([self])
        return told if self.share is None else told | {"share": self.share}


@dataclass(frozen=True)
class Score:
    n: int
    """Cases."""
    fields: Mapping[str, FieldScore]

    @property
    def mean(self) -> Fraction | None:
        """Mean over the fields that were counted at all."""
        rates = [field.rate for field in self.fields.values() if field.rate is not None]
        return sum(rates, Fraction(0)) / len(rates) if rates else None

    @property
    def mean_of_answers(self) -> Fraction | None:
        """Mean over the fields that were answered at all, of the share of right answers."""
        rates = [rate for field in self.fields.values() if (rate := field.answered_rate) is not None]
        return sum(rates, Fraction(0)) / len(rates) if rates else None

    def as_json(self) -> dict[str, Any]:
        """`{"n", "fields": {name: {"right", "n", ...}}, "mean", "answers": {"answered", "answered_right", ...}}`."""
        fields = {name: field.as_json() for name, field in self.fields.items()}
        return {
            "n": self.n,
            "fields": fields,
            "mean": _rounded(self.mean),
            "answers": _coverage_json(self.fields.values()),
        }


def _coverage_json(fields: Iterable[FieldScore]) -> dict[str, Any]:
    """Accuracy against coverage, of one field or of all together."""
    taken = list(fields)
    stated, found, answered, right = (
        sum(getattr(field, name) for field in taken) for name in ("stated", "found", "answered", "answered_right")
    )
    return {
        "answered": answered,
        "answered_right": right,
        "accuracy_of_answers": _rounded(Fraction(right, answered)) if answered else None,
        "stated": stated,
        "coverage": _rounded(Fraction(found, stated)) if stated else None,
    }


def _rounded(share: Fraction | None) -> float | None:
    return None if share is None else round(float(share), 6)


def score_cases(
    pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    metrics: Mapping[str, Metric],
    *,
    null_is_label: bool = True,
) -> Score:
    """Scores pairs of (expected, actual).

    Args:
        pairs: expected may name some fields only, and only these are counted. Actual `None` (the run failed, or
            went to review) is wrong in every field.
        metrics: field name to metric; a field without one is compared exactly.
        null_is_label: an expected `null` demands `null`. Without it (labelled files, where an empty cell means that
            nobody wrote a label) it is not counted.
    """
    taken = list(pairs)
    names = dict.fromkeys([*metrics, *(name for expected, _ in taken for name in expected)])
    return Score(len(taken), {name: _score_field(name, taken, metrics.get(name), null_is_label) for name in names})


def _score_field(
    name: str,
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    metric: Metric | None,
    null_is_label: bool,
) -> FieldScore:
    shares: list[Fraction] = []
    stated = found = 0
    answers: list[bool] = []
    for expected, actual in pairs:
        label = expected.get(name, ABSENT)
        if label is ABSENT or (label is None and not null_is_label):
            continue
        got = ABSENT if actual is None else actual.get(name)
        shares.append(Fraction(0) if got is ABSENT else agreement(label, got, metric))
        answered = got is not ABSENT and got is not None
        stated += label is not None
        found += label is not None and answered
        answers += [shares[-1] == 1] if answered else []
    right = sum(share == 1 for share in shares)
    low, high = wilson_interval(right, len(shares))
    records = metric is not None and metric.metric == "records" and shares
    share = round(float(sum(shares) / len(shares)), 6) if records else None
    return FieldScore(right, len(shares), low, high, share, stated, found, len(answers), sum(answers))


def score_field(metric: Metric | None, expected: Any, actual: Any) -> bool:
    """Tells whether an answer is right under a metric (exact without one)."""
    return agreement(expected, actual, metric) == 1


def agreement(expected: Any, actual: Any, metric: Metric | None) -> Fraction:
    """Returns 1 or 0, and for lists of records what lies between; exact without a metric."""
    return agree(metric.metric if metric else "exact", expected, actual, metric.tolerance if metric else None)


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of a proportion (Wilson 1927); (0, 1) where nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    share, square = Decimal(right) / n, _Z * _Z
    middle = share + square / (2 * n)
    spread = _Z * (share * (1 - share) / n + square / (4 * n * n)).sqrt()
    whole = 1 + square / n
    low = Decimal(0) if right == 0 else (middle - spread) / whole
    high = Decimal(1) if right == n else (middle + spread) / whole
    return round(float(max(low, Decimal(0))), 4), round(float(min(high, Decimal(1))), 4)
