"""Python names for the author's names: legible, ASCII, and never a name that the artifact uses itself."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable

from compiled_ai.library import rules as rule_functions

_WORKFLOW_NAMES = frozenset(
    (
        "Any",
        "Box",
        "Context",
        "Decimal",
        "Input",
        "Output",
        "Protocol",
        "YearsMonths",
        "annotations",
        "ctx",
        "dataclass",
        "date",
        "datetime",
        "decimal",
        "index",
        "item",
        "json",
        "math",
        "number",
        "operator",
        "problems",
        "re",
        "result",
        "run",
        "self",
        "time",
        "timedelta",
        "timezone",
        "typing",
        "value",
    )
)
"""What the assembled module imports or defines, and the names that its functions use for themselves."""
RULE_NAMES = frozenset(rule_functions.__all__)
"""What compiled rules call; no step and no parameter has such a name."""
_TAKEN = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins)) | _WORKFLOW_NAMES


def _ascii(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    return folded.encode("ascii", "ignore").decode("ascii")


def _words(name: str) -> list[str]:
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", _ascii(name))
    return re.findall(r"[A-Za-z0-9]+", text)


def snake_case(name: str, *, empty: str = "field") -> str:
    """Returns `member_id` for `Member ID` or `memberId`; `empty` stands in where no letter is ASCII."""
    text = "_".join(word.lower() for word in _words(name)) or empty
    return text if text[0].isalpha() else f"{empty}_{text}"


def camel_case(name: str, *, empty: str = "Step") -> str:
    """Returns `ExtractFactors` for `extract_factors`."""
    text = "".join(word[0].upper() + word[1:].lower() for word in _words(name)) or empty
    return text if text[0].isalpha() else f"{empty}{text}"


def slug(name: str) -> str:
    """Returns the folder, package and artifact name of a workflow: lower case, words joined by underscores."""
    joined = "_".join(word.lower() for word in re.findall(r"[A-Za-z0-9]+", _ascii(name))) or "workflow"
    return f"workflow_{joined}" if joined[0].isdigit() else joined


class Names:
    """One table of identifiers in which no two names share one.

    A name that Python or the artifact uses gets a `_` behind it, a second name with the same identifier a number.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._used = set(taken)

    def identifier(self, name: str, *, empty: str = "field", spare: str = "") -> str:
        """Returns the identifier of a name; `spare` is put behind it where something else has it."""
        wanted = snake_case(name, empty=empty)
        return self._claim(wanted + spare if wanted in self._used else wanted, "_")

    def class_name(self, name: str, *, empty: str = "Step") -> str:
        return self._claim(camel_case(name, empty=empty), "Step")

    def _claim(self, wanted: str, suffix: str) -> str:
        if wanted in _TAKEN:
            wanted += suffix
        free, number = wanted, 2
        while free in self._used:
            free, number = f"{wanted.rstrip('_')}_{number}" if suffix == "_" else f"{wanted}{number}", number + 1
        self._used.add(free)
        return free
