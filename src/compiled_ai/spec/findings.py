"""What is wrong with a specification, collected while it is read, so that all of it is reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from compiled_ai.errors import SpecError
from compiled_ai.records import Finding
from compiled_ai.spec.model import Mark

_SHOWN = 60
_LISTED = 50


def quote(value: object) -> str:
    """Returns the `repr` of an offending value, cut to one short line."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"


class Findings:
    """Collects findings; `raise_any` turns them into one `SpecError` in the order of the file."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._settled: set[tuple[str | None, int | None, int | None]] = set()

    def settle(self) -> None:
        """From here on, nothing more is noted at a place where something is wrong already."""
        self._settled = {(one.file, one.line, one.column) for one in self._found}

    def add(self, rule: str, message: str, mark: Mark, *, step: str | None = None) -> None:
        """Notes an error; `rule` is the part of the id behind `spec.`."""
        self.extend(
            [
                Finding(
                    rule=f"spec.{rule}", message=message, file=mark.file, line=mark.line, column=mark.column, step=step
                )
            ]
        )

    def extend(self, findings: Iterable[Finding]) -> None:
        """Notes findings of another reader, unless the same is said of the same place."""
        for one in findings:
            place = (one.file, one.line, one.column)
            said = any(place == (old.file, old.line, old.column) and one.message == old.message for old in self._found)
            if not said and place not in self._settled:
                self._found.append(one)

    def promote(self, rule: str, why: str) -> None:
        """Makes errors of the warnings of one rule; `why` is put behind each message."""
        self._found = [
            one.model_copy(update={"severity": "error", "message": f"{one.message} {why}"})
            if one.rule == rule and one.severity == "warning"
            else one
            for one in self._found
        ]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The errors in the order of the file, then of files named in it."""
        wrong = [finding for finding in self._found if finding.severity == "error"]
        first = {finding.file: position for position, finding in reversed(list(enumerate(wrong)))}
        return tuple(sorted(wrong, key=lambda one: (first[one.file], one.line or 0, one.column or 0)))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self._found if finding.severity == "warning")

    def raise_any(self) -> None:
        """Raises `SpecError` if there is any error."""
        if self.errors:
            refuse(self.errors)


def refuse(findings: tuple[Finding, ...]) -> NoReturn:
    """Raises the `SpecError` that carries these findings and lists them in its message."""
    lines = [str(finding) for finding in findings[:_LISTED]]
    if len(findings) > _LISTED:
        lines.append(f"... and {len(findings) - _LISTED} more")
    raise SpecError("\n".join(lines), details=findings)
