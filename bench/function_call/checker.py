"""Judges a call by the rules of the Berkeley Function Calling Leaderboard (its AST checker for Python, v4).

A call is `{"name": ..., "arguments": {...}}`, what is accepted is the file's `ground_truth`: for each argument a list
of values, where "" means that it may be left out. The rules, as the leaderboard's `ast_checker.py` states them:

- the tool is the expected one, every required argument is there, and none that is not accepted;
- an argument has the type of the schema (an `int` will do for a `float`, not the other way round), or that of the
  accepted values, where these are of another type;
- texts are equal without case, spaces and the signs `,./-_*^`, single quotes counting as double ones; lists item by
  item in order; objects key by key; everything else exactly;
- an argument that is left out is accepted to be left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_NESTED = ("array", "tuple")


def fault(call: Mapping[str, Any], tool: Mapping[str, Any], accepted: Mapping[str, Any]) -> str | None:
    """Returns what is wrong with a call, or `None` if it is right.

    Args:
        call: `name` and `arguments`.
        tool: the schema of the expected tool.
        accepted: the file's ground truth: tool name to the accepted values of each argument.
    """
    (expected, values), *_ = accepted.items()
    if call["name"] != expected:
        return f"the tool is {call['name']!r}, not {expected!r}"
    arguments: Mapping[str, Any] = call["arguments"]
    details = tool["parameters"]["properties"]
    for name in tool["parameters"]["required"]:
        if name not in arguments:
            return f"required argument {name!r} is missing"
    for name, value in arguments.items():
        if name not in details or name not in values:
            return f"argument {name!r} is unexpected"
        wrong = _argument_fault(name, value, details[name], values[name])
        if wrong:
            return wrong
    left_out = [name for name in values if name not in arguments and "" not in values[name]]
    return f"argument {left_out[0]!r} may not be left out" if left_out else None


def _argument_fault(name: str, value: Any, detail: Mapping[str, Any], accepted: Sequence[Any]) -> str | None:
    kind = _TYPES[detail["type"]]
    nested = _TYPES[detail["items"]["type"]] if detail["type"] in _NESTED else None
    if kind is float and type(value) is int:
        value = float(value)
    if not _is_typed(value, accepted, kind, nested):
        return f"argument {name!r} is a {type(value).__name__}, not a {detail['type']}"
    if not _is_accepted(value, accepted, kind, nested):
        return f"argument {name!r} is {value!r}, accepted: {accepted!r}"
    return None


def _type_of_answers(accepted: Sequence[Any]) -> type | None:
    return next((type(answer) for answer in accepted if answer != ""), None)


def _is_typed(value: Any, accepted: Sequence[Any], kind: type, nested: type | None) -> bool:
    if type(value) is kind:
        return nested is None or any(_items_typed(value, answer, nested) for answer in accepted)
    return type(value) is _type_of_answers(accepted)


def _items_typed(value: Sequence[Any], answer: Any, nested: type) -> bool:
    return not isinstance(answer, list) or all(_is_typed(item, answer, nested, None) for item in value)


def _is_accepted(value: Any, accepted: Sequence[Any], kind: type, nested: type | None) -> bool:
    if _type_of_answers(accepted) in (kind, None):
        if kind is dict:
            return any(_object_matches(value, answer) for answer in accepted if isinstance(answer, dict))
        if kind is list and nested is dict:
            return any(_objects_match(value, answer) for answer in accepted if isinstance(answer, list))
        if kind is str:
            return plain(value) in [plain(answer) for answer in accepted]
        if kind is list:
            return _plain_list(value) in [_plain_list(answer) for answer in accepted if isinstance(answer, list)]
    return value in accepted


def plain(value: Any) -> Any:
    """Returns a text without what is not compared; anything else as it is."""
    if not isinstance(value, str):
        return value
    return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')


def _plain_list(values: Sequence[Any]) -> list[Any]:
    return [plain(value) for value in values]


def _objects_match(value: Sequence[Any], answer: Sequence[Any]) -> bool:
    return len(value) == len(answer) and all(map(_object_matches, value, answer))


def _object_matches(value: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """The answer lists the accepted values of each key."""
    for key, item in value.items():
        if key not in answer:
            return False
        shown = _plain_list(item) if isinstance(item, list) else plain(item)
        allowed = [_plain_list(each) if isinstance(each, list) else plain(each) for each in answer[key]]
        if shown not in allowed:
            return False
    return all(key in value or "" in answer[key] for key in answer)
