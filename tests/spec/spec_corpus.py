"""Reads the corpora beside this file: specifications, each with what is said about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    """`structure`: the JSON schema refuses it too; `other`: it does not; `structure-yaml`: JSON cannot say it."""
    text: str
    findings: tuple[str, ...]
    """`line:column: message`, in order."""


def good_cases() -> list[Case]:
    return [Case(head, "", body, ()) for head, body in _blocks("good_specifications.txt")]


def wrong_cases() -> list[Case]:
    cases: list[Case] = []
    for head, block in _blocks("wrong_specifications.txt"):
        name, _, kind = head.partition(" | ")
        body, _, expected = block.rpartition("---\n")
        cases.append(Case(name, kind, body, tuple(expected.splitlines())))
    return cases


def _blocks(file: str) -> list[tuple[str, str]]:
    text = (HERE / file).read_text("utf-8")
    parts = re.split(r"^=== ", text, flags=re.MULTILINE)[1:]
    return [(head, body) for part in parts for head, _, body in [part.partition("\n")]]
