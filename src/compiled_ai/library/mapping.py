"""JSON to JSON: reading nested values by paths, and building another shape from them.

A path is `customer.address.city`, `lines[0].amount`, or with `[*]` for every item: `lines[*].amount`.
A key with a dot or bracket is quoted: `"order.id".value`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_STEP = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|([^.\[\]"]+)|\[(\*|-?\d{1,9})\])')
Rule = str | tuple[str, Callable[[Any], Any]] | Callable[[Any], Any]


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int | None, ...]:
    """The steps of a path: keys, positions, and `None` for `[*]`."""
    steps: list[str | int | None] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if not match or match.end() == at:
            raise ValueError(f"{path!r} is no path; write it like 'customer.lines[0].amount'.")
        quoted, key, position = match.groups()
        if position is not None:
            steps.append(None if position == "*" else int(position))
        else:
            steps.append(key if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    return tuple(steps)


def find(value: Any, path: str) -> tuple[Any, ...]:
    """Returns every value at a path, in order; empty if there is none."""
    found: list[Any] = [value]
    for step in _steps(path):
        found = [part for item in found for part in _enter(item, step)]
    return tuple(found)


def _enter(item: Any, step: str | int | None) -> Sequence[Any]:
    if isinstance(step, str):
        return (item[step],) if isinstance(item, Mapping) and step in item else ()
    if not isinstance(item, (list, tuple)):
        return tuple(item.values()) if step is None and isinstance(item, Mapping) else ()
    if step is None:
        return item
    return (item[step],) if -len(item) <= step < len(item) else ()


def get(value: Any, *paths: str, default: Any = None) -> Any:
    """Returns the first value that is there and not null at one of the paths, else `default`."""
    for path in paths:
        for found in find(value, path):
            if found is not None:
                return found
    return default


def put(value: Any, path: str, item: Any) -> Any:
    """Returns a copy of a JSON value with `item` at a path; objects and lists on the way are made."""
    return _put(value, _steps(path), item, path)


def _put(value: Any, steps: tuple[str | int | None, ...], item: Any, path: str) -> Any:
    if not steps:
        return item
    step = steps[0]
    if isinstance(step, str):
        if value is not None and not isinstance(value, Mapping):
            raise ValueError(f"{path!r} leads through {value!r}, which has no keys.")
        fields = dict(value or {})
        fields[step] = _put(fields.get(step), steps[1:], item, path)
        return fields
    if step is None or not 0 <= step <= len(value or ()):
        raise ValueError(f"{path!r} cannot be written to; name an existing position, or the one after the last.")
    items = list(value or ())
    inner = items[step] if step < len(items) else None
    items[step : step + 1] = [_put(inner, steps[1:], item, path)]
    return items


def reshape(source: Any, rules: Mapping[str, Rule], *, keep_missing: bool = False) -> dict[str, Any]:
    """Builds an object from another: each rule gives a target path its value.

    Args:
        source: Any JSON value.
        rules: `{"buyer.name": "customer.fullName", "total": ("sum", Decimal), "lines": lambda source: [...]}`: a path,
            a path and a function for its value, or a function of the whole source. A path with `[*]` gives a list.
        keep_missing: Write null where the source has nothing; otherwise the target is left out.
    """
    built: Any = {}
    for target, rule in rules.items():
        value = _apply(source, rule)
        if value is not None or keep_missing:
            built = put(built, target, value)
    result: dict[str, Any] = built
    return result


def _apply(source: Any, rule: Rule) -> Any:
    if callable(rule):
        return rule(source)
    path, change = (rule, None) if isinstance(rule, str) else rule
    if "[*]" in path:
        values = list(find(source, path))
        return [change(value) for value in values] if change else values
    value = get(source, path)
    return change(value) if change and value is not None else value


def flatten(value: Any) -> dict[str, Any]:
    """Returns every leaf of a JSON value by its path: `{"a": {"b": [1]}}` is `{"a.b[0]": 1}`."""
    leaves: dict[str, Any] = {}
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, Mapping) and item:
            stack += [(f"{path}.{_key(key)}".lstrip("."), part) for key, part in reversed(list(item.items()))]
        elif isinstance(item, (list, tuple)) and item:
            stack += [(f"{path}[{index}]", part) for index, part in reversed(list(enumerate(item)))]
        else:
            leaves[path] = item
    return leaves


def _key(key: str) -> str:
    if re.fullmatch(r'[^.\[\]"]+', key):
        return key
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
