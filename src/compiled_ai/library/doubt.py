"""Doubt about a value that was read: null is better than a value for which the page itself gives little ground.

Several functions that read by the same labels agree on what they misread, so that their votes do not show it. What
does show it is how well the value stands beside its label, and whether the page states it again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from compiled_ai.library.readers import Kind

if TYPE_CHECKING:
    from compiled_ai.library.layout import Candidate, Page, Value

__all__ = ["sure"]

V = TypeVar("V")
_MOST_SIGNS = 60
"""Letters and digits by which a text is looked for (a limit for hostile pages)."""


def sure(
    page: Page,
    value: V | None,
    *labels: str,
    kind: Kind | re.Pattern[str] = "text",
    least: float = 0.8,
    times: int = 1,
) -> V | None:
    """Returns a value that was read from a page, or `None` where it is in doubt.

    Args:
        page: the page that it was read from.
        value: what a reader of the page gave, such as `page.labelled`; a name may go on in further lines.
        labels: all labels beside or below which it may stand, in any order.
        kind: what kind of value it was read as.
        least: 0 to 1; how well it must stand beside one of the labels at least. About 1 is right beside its exact
            label; it falls with distance, other words between, slips of OCR in the label and signs of another kind.
        times: how often it must be printed on the page at least, by whatever label.
    """
    found = [one for one in page.candidates(*labels, kind=kind) if _is(one.value, value)] if value is not None else []
    best: Candidate | None = max(found, key=lambda one: one.score, default=None)
    if best is None or best.score < 100 * least or (times > 1 and _times(page, best.value, kind) < times):
        return None
    return value


def _is(read: Value, value: object) -> bool:
    """Tells whether a value is the one that was read, or (text) goes on behind it in the next line."""
    return read == value or (isinstance(read, str) and isinstance(value, str) and value.startswith(str(read)))


def _times(page: Page, value: Value, kind: Kind | re.Pattern[str]) -> int:
    """Counts how often a value is printed; of a text, in whole words, whatever its case, spaces and punctuation."""
    if not isinstance(value, str):
        return sum(other == value for other in page.find_all(kind))
    signs = re.findall(r"\w", value)
    printed = r"[^\w\n]*".join(map(re.escape, signs[:_MOST_SIGNS]))
    end = "" if len(signs) > _MOST_SIGNS else r"(?!\w)"
    return len(re.findall(rf"(?<!\w){printed}{end}", page.text, re.IGNORECASE))
