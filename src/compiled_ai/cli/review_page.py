"""A review as whoever decides it reads it: what is asked, what is proposed, and how an answer is written."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from compiled_ai.canonical import canonical_json
from compiled_ai.cli.output import dumps

_WIDEST = 60
_WORDS = {
    "text": "text",
    "string": "short text",
    "integer": "whole number",
    "decimal": "number",
    "float": "number",
    "money": "amount",
    "boolean": "true or false",
    "date": "date (2026-01-31)",
    "time": "time (14:30:00)",
    "datetime": "date and time (2026-01-31T14:30:00Z)",
    "days_time_duration": "duration (P3DT4H)",
    "years_months_duration": "duration (P1Y6M)",
    "box": "box [x0, y0, x1, y1, text]",
    "json": "any JSON",
}


def review_page(shown: Mapping[str, Any]) -> str:
    """Returns the page of one review; `shown` is what `runtime.reviews.preview` gives."""
    item = f", item {shown['item']}" if shown["item"] else ""
    due = f", due {shown['deadline']}" if shown["deadline"] else ""
    lines = [
        f"review {shown['review_id']}  {shown['status']}",
        f"run {shown['run_id']} of {shown['workflow']}, artifact {shown['artifact'][:12]}, step {shown['step']}{item}",
        f"opened {shown['opened_at']}{due}",
        f"reason: {shown['reason']}",
    ]
    lines += [f"problem: {problem}" for problem in shown["problems"]]
    lines += ["proposed:", *_indented(_value(shown["proposed"]))] if shown["proposed"] is not None else []
    lines += ["nothing is proposed: correct it or reject it"] if shown["proposed"] is None else []
    lines += ["input:", *_indented(_value(shown["input"]))]
    lines += ["an answer has:", *_indented(_fields(shown["answer"]))]
    return "\n".join([*lines, *(_ways(shown) if shown["status"] == "open" else ())])


def brief(value: Any) -> str:
    """A proposed result in one short line: `outcome: DENY, limit: 3`."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping) and "withheld" not in value:
        text = ", ".join(f"{name}: {_scalar(part)}" for name, part in value.items())
    else:
        text = _scalar(value)
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."


def _ways(shown: Mapping[str, Any]) -> Iterator[str]:
    known = shown["proposed"] if isinstance(shown["proposed"], Mapping) else {}
    names = [field["name"] for field in shown["answer"].get("fields", ())]
    example = canonical_json({name: known.get(name) for name in names})
    yield "decide it, with --by WHO --reason WHY:"
    if shown["proposed"] is not None:
        yield f"  compiled-ai review decide {shown['review_id']} --approve"
    yield f"  compiled-ai review decide {shown['review_id']} --correct {shlex.quote(example)}"
    yield f"  compiled-ai review decide {shown['review_id']} --reject"


def _fields(kind: Mapping[str, Any]) -> Iterator[str]:
    """One line for each field of an object, with what may stand there; fields within fields are indented."""
    for field in kind.get("fields", ()):
        about = f"  ({field['description']})" if field.get("description") else ""
        yield f"{field['name']}: {_type(field['type'])}{about}"
        inner = field["type"].get("items", field["type"])
        yield from _indented(_fields(inner))


def _type(kind: Mapping[str, Any]) -> str:
    optional = ", or null" if kind.get("optional") else ""
    if kind.get("enum"):
        return f"one of {', '.join(kind['enum'])}{optional}"
    if kind["kind"] == "list":
        return f"a list, each {_type(kind['items'])}{optional}"
    if kind["kind"] == "object":
        return f"an object with{optional}"
    limits = {"minimum": "at least", "maximum": "at most", "pattern": "like", "max_length": "no longer than"}
    told = "".join(f", {words} {kind[key]}" for key, words in limits.items() if kind.get(key) is not None)
    return f"{_WORDS[kind['kind']]}{told}{optional}"


def _value(value: Any) -> Iterator[str]:
    """JSON as lines `name: value`; what lies within is indented."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _named(f"{name}:", part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _named("-", part)
    else:
        yield from _scalar(value).splitlines()


def _named(name: str, part: Any) -> Iterator[str]:
    if isinstance(part, (Mapping, list, tuple)) and part:
        yield name
        yield from _indented(_value(part))
    elif isinstance(part, str) and "\n" in part:
        yield name
        yield from _indented(iter(part.splitlines()))
    else:
        yield f"{name} {_scalar(part)}"


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
