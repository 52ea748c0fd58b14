"""Writes one specification for each tool, from its schema alone: what it reads, and a few requests made up for it.

    python bench/function_call/specs.py --data DATA/bfcl --out bench/function_call/specs

The made-up requests are drawn from patterns (`REQUESTS`) with values by type and name of an argument; no request of
the benchmark's files is used. One of them is always shown to the model, the others mostly judge its function.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools import Tool, chosen

PROSE = """\
Read a call of the tool {name} ({about})
from `request`, anybody's plain words, with one `fill` alone. Real requests are worded unlike the examples and unlike
the schema: think of what people would say. Topic: one or two groups of 4 to 8 words. Cues: the 3 to 8 likeliest of
each field, and words that imply its value, as an act, a state or a familiar thing does (hour=60). \
No value is guessed."""
MISFITS = (
    "Remind me on 14 May 2026 to pay 250 dollars for the 2 rooms.",
    "Book a table for two at eight in the evening.",
    "Translate 'good night' into Portuguese.",
    "Play the 3 newest songs of my list.",
)
REQUESTS = (
    "{about} with {listed}.",
    "I need something: {lower}. {stated}",
    "Given {listed}, please {lower}.",
)
_TEXTS = (
    (r"unit", ("feet", "meters")), (r"city|location|place|town|region|county|state", ("Lisbon", "Boston")),
    (r"country|nation", ("Portugal", "Chile")), (r"compan|brand|store|shop", ("Oakline", "Northwind")),
    (r"date", ("2026-03-14", "2027-10-02")), (r"_id$|^id$|number|code", ("QX7731", "AB9042")),
    (r"user", ("'mlind'", "'tomh'")), (r"artist|author|player|person|actor|name", ("Maja Lindqvist", "Tom Okafor")),
    (r"gas|material|medium", ("helium", "water")), (r"game|title|book|movie|song", ("'Iron Harbor'", "'Paper Moon'")),
    (r"diet", ("vegetarian", "gluten-free")), (r"recipe|dish|food", ("dessert", "soup")),
    (r"cuisine", ("Thai", "Greek")),
    (r"^key$", ("C", "G")), (r"scale", ("major", "minor")), (r"detail|level", ("basic", "full")),
    (r"compartment", ("nucleus", "membrane")), (r"species", ("mouse", "rabbit")),
    (r"genotype", ("AA", "aa")), (r"freq", ("monthly", "yearly")),
)  # fmt: skip


def specification(tool: Tool) -> str:
    """Returns the YAML text of one tool's specification."""
    fields = "\n".join(
        f"          {_quoted(name)}: {_type(name, detail, tool)}" for name, detail in tool.properties.items()
    )
    prose = "\n".join(f"      {line}" for line in PROSE.format(name=tool.name, about=_about(tool)).splitlines())
    cases = list(_cases(tool))
    return f"""\
metadata:
  name: {_quoted(tool.file_name)}
  data_basis: "synthetic"
inputs:
  request: text
modules: [calling]
steps:
  - step: read_call
    type: function
    description: |
{prose}
    schema:
      call:
        type: object
        optional: true
        fields:
{fields}
outputs: [call]
limits: {{function_lines: 24}}
accuracy:
  call: {{metric: exact, threshold: 0.5}}
examples:
{_written(cases[:1], "shown")}
golden:
{_written(cases[1:], "case")}
"""


def _about(tool: Tool) -> str:
    return " ".join(str(tool.schema["description"]).split()).rstrip(".")


def _task(tool: Tool) -> str:
    """What is asked for, without what it is asked with: `Calculate the area of a triangle`."""
    return re.split(
        r"\s*(?:\b(?:given|based on|using|from|by|with|according|for a|in a|of a specific)\b|[.,(])", _about(tool)
    )[0]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _type(name: str, detail: Mapping[str, Any], tool: Tool) -> str:
    parts = [f"type: {_kind(detail)}"]
    if "enum" in detail:
        parts.append(f"enum: [{', '.join(_quoted(str(each)) for each in detail['enum'])}]")
    if name not in tool.required:
        parts.append("optional: true")
    parts.append(f"description: {_quoted(' '.join(detail.get('description', '').split()))}")
    return f"{{{', '.join(parts)}}}"


def _kind(detail: Mapping[str, Any]) -> str:
    plain = {"integer": "integer", "float": "decimal", "boolean": "boolean", "string": "string"}
    if detail["type"] == "array":
        return f'"list[{plain[detail["items"]["type"]]}]"'
    return plain[detail["type"]]


def _cases(tool: Tool) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Made-up requests with the call that each asks for: one to show, six to judge."""
    dice = random.Random(tool.file_name)
    required, optional = list(tool.required), [name for name in tool.properties if name not in tool.required]
    misfits = dice.sample(MISFITS, 2)
    yield _case(tool, dice, required + optional, REQUESTS[0])
    yield _incomplete(tool, dice)
    yield misfits[0], None
    yield _case(tool, dice, required, REQUESTS[1])
    yield _case(tool, dice, required + optional, REQUESTS[2])
    yield misfits[1], None
    yield _incomplete(tool, dice)


def _incomplete(tool: Tool, dice: random.Random) -> tuple[str, None]:
    """A request that lacks a required argument."""
    some = list(tool.required)[:-1]
    return (_case(tool, dice, some, REQUESTS[0])[0] if some else f"{_task(tool)}, please."), None


def _case(tool: Tool, dice: random.Random, names: Sequence[str], pattern: str) -> tuple[str, Mapping[str, Any]]:
    said, call = [], {}
    for name in names:
        words, value = _value(name, tool.properties[name], dice)
        said.append((_words(name), words))
        call[name] = value
    listed = [f"{name} {words}" for name, words in said]
    about = _task(tool)
    request = pattern.format(
        about=about,
        lower=about[:1].lower() + about[1:],
        listed=f"{', '.join(listed[:-1])} and {listed[-1]}" if len(listed) > 1 else listed[0],
        stated=" ".join(f"The {name} is {words}." for name, words in said),
    )
    return request, {name: call.get(name) for name in tool.properties}


def _words(name: str) -> str:
    """How an argument is called in a request: `time_in_years` is `time in years`, `num2` is `second num`."""
    plain = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").lower()
    numbered = re.fullmatch(r"(.*?) ?([123])", plain)
    return f"{('first', 'second', 'third')[int(numbered[2]) - 1]} {numbered[1]}" if numbered else plain


def _value(name: str, detail: Mapping[str, Any], dice: random.Random) -> tuple[str, Any]:
    """Returns how a value is said, and the value."""
    kind = detail["type"]
    if kind == "array":
        return _list(name, detail, dice)
    if kind == "boolean":
        return "true", True
    if kind == "integer":
        number = dice.randrange(1990, 2024) if name in ("year", "season") else dice.randrange(2, 90)
        return str(number), number
    if kind == "float":
        return _float(name, detail, dice)
    if "enum" in detail:
        option = dice.choice(detail["enum"])
        return str(option), option
    named = re.findall(r"'([A-Za-z ]{2,20})'", detail.get("description", ""))
    bank = next((texts for pattern, texts in _TEXTS if re.search(pattern, name.lower())), ("amber", "coral"))
    bank = named or bank
    text = dice.choice(bank)
    return text, text.strip("'")


def _list(name: str, detail: Mapping[str, Any], dice: random.Random) -> tuple[str, Any]:
    if detail["items"]["type"] == "string":
        items = dice.sample(("milk", "oats", "apples", "rice", "honey"), 3)
        return f"{', '.join(items[:-1])} and {items[-1]}", items
    numbers = [dice.randrange(2, 90) for _ in range(2 if re.search(r"point|coord", name) else dice.choice((3, 4)))]
    return f"[{', '.join(map(str, numbers))}]", numbers


def _float(name: str, detail: Mapping[str, Any], dice: random.Random) -> tuple[str, Any]:
    words = f"{name} {detail.get('description', '')}".lower()
    if re.search(r"rate|yield|percent|interest", name.lower()) and not re.search(r"percent|%", words.split(" ", 1)[1]):
        percent = dice.randrange(2, 12)
        return f"{percent}%", float(Decimal(percent) / 100)
    number = dice.randrange(11, 99) / (100 if re.search(r"alpha|prob|allele", name.lower()) else 10)
    return str(number), number


def _written(cases: Sequence[tuple[str, Mapping[str, Any] | None]], name: str) -> str:
    return "\n".join(
        f"  - {{id: {name} {number}, group: {name} {number}, input: {{request: {_quoted(request)}}}, "
        f"expected: {json.dumps({'call': call}, ensure_ascii=False)}}}"
        for number, (request, call) in enumerate(cases, start=1)
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--data", type=Path, required=True, help="folder with simple_python.jsonl and multiple.jsonl"
    )
    arguments.add_argument("--out", type=Path, required=True, help="folder for the specifications")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for tool in chosen(options.data):
        (options.out / f"{tool.file_name}.yaml").write_text(specification(tool), "utf-8")


if __name__ == "__main__":
    main()
