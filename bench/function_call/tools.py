"""Which tools are compiled, and the requests that judge them.

The rule: a tool is a function schema, to the letter. Of the tools that are the right one for a request of
`simple_python.jsonl` or `multiple.jsonl`, those whose arguments are texts, numbers, truth values or lists of these, and
whose required arguments can be told by their form (numbers, truth values, enumerations, lists of numbers); the 36 that
most requests call for, of equals by the SHA-256 of the schema. Tools that require free text (names, places, topics) are
not among them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOW_MANY = 36
FILES = ("simple_python.jsonl", "multiple.jsonl")
_PLAIN = frozenset(("string", "integer", "float", "boolean"))
_NUMBERS = frozenset(("integer", "float"))


@dataclass(frozen=True)
class Case:
    """One request of the file, never shown to a model."""

    id: str
    request: str
    accepted: Mapping[str, Any]


@dataclass(frozen=True)
class Tool:
    """One tool with the requests that it is the right one for."""

    schema: Mapping[str, Any]
    cases: tuple[Case, ...]

    @property
    def name(self) -> str:
        return str(self.schema["name"])

    @property
    def properties(self) -> Mapping[str, Any]:
        return dict(self.schema["parameters"]["properties"])

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.schema["parameters"].get("required", ()))

    @property
    def file_name(self) -> str:
        """A name of its own: tools of one name may have several schemas."""
        return f"{self.name.replace('.', '_').lower()}_{_digest(self.schema)[:6]}"


def chosen(folder: Path) -> tuple[Tool, ...]:
    """Returns the tools that the rule chooses, in its order."""
    grouped: dict[str, list[tuple[Mapping[str, Any], Case]]] = {}
    for schema, case in _requests(folder):
        grouped.setdefault(_digest(schema), []).append((schema, case))
    ordered = sorted(grouped.items(), key=lambda each: (-len(each[1]), each[0]))
    fitting = [members for _, members in ordered if _fits(members[0][0])]
    return tuple(Tool(members[0][0], tuple(case for _, case in members)) for members in fitting[:HOW_MANY])


def _requests(folder: Path) -> Iterator[tuple[Mapping[str, Any], Case]]:
    for name in FILES:
        for line in (folder / name).read_text("utf-8").splitlines():
            row = json.loads(line)
            (accepted,) = row["ground_truth"]
            (wanted,) = accepted
            schema = next(each for each in row["function"] if each["name"] == wanted)
            yield schema, Case(row["id"], row["question"][0][0]["content"], accepted)


def irrelevant(folder: Path) -> tuple[str, ...]:
    """Returns the requests of `irrelevance.jsonl`, which their own tools do not fit."""
    lines = (folder / "irrelevance.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line)["question"][0][0]["content"] for line in lines)


def _digest(schema: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()


def _fits(schema: Mapping[str, Any]) -> bool:
    details = schema["parameters"]["properties"]
    required = [details[name] for name in schema["parameters"].get("required", ())]
    return bool(details) and all(map(_is_plain, details.values())) and all(map(_is_formal, required))


def _is_plain(detail: Mapping[str, Any]) -> bool:
    return detail["type"] in _PLAIN or (detail["type"] == "array" and detail.get("items", {}).get("type") in _PLAIN)


def _is_formal(detail: Mapping[str, Any]) -> bool:
    if detail["type"] == "array":
        return detail["items"]["type"] in _NUMBERS
    return detail["type"] != "string" or "enum" in detail
