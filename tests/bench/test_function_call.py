"""The reuse protocol: its checker judges as the leaderboard does, its requests come from schemas alone."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from compiled_ai.spec.loader import load_spec

BENCH = Path(__file__).parents[2] / "bench" / "function_call"
DATA = Path(os.environ.get("COMPILED_AI_DATA", Path(__file__).parents[3] / "shared" / "data")) / "bfcl"
NAMES = ("checker", "tools", "specs", "measure")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the benchmark's files are not here (COMPILED_AI_DATA)")


@pytest.fixture(scope="module")
def bench() -> Iterator[Mapping[str, ModuleType]]:
    """The modules of the benchmark, which are scripts and not part of the package."""
    sys.path.insert(0, str(BENCH))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(BENCH))
        for name in NAMES:
            sys.modules.pop(name, None)


def tool(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    parameters = {"type": "dict", "properties": properties, "required": required}
    return {"name": "area", "description": "Calculate the area.", "parameters": parameters}


BASE = {"type": "integer", "description": "The base."}
RATE = {"type": "float", "description": "The rate."}
CITY = {"type": "string", "description": "The city."}
FLOATS = {"type": "array", "items": {"type": "float"}, "description": "Numbers."}
TEXTS = {"type": "array", "items": {"type": "string"}, "description": "Words."}
OBJECT = {"type": "dict", "description": "An object."}


@pytest.mark.parametrize(
    ("detail", "accepted", "value"),
    [
        (BASE, [10], 10),
        (RATE, [5, 0.05], 5),
        (RATE, [0.05], 0.05),
        (CITY, ["New York, NY", "NYC"], "new york ny"),
        (CITY, ["it's"], 'it"s'),
        (FLOATS, [[1.5, 2.0]], [1.5, 2.0]),
        (TEXTS, [["Milk", "oat flakes"]], ["milk", "Oat-Flakes"]),
        (OBJECT, [{"name": ["Ann"], "age": [3, ""]}], {"name": "ann"}),
    ],
)
def test_an_accepted_value_is_right(bench: Mapping[str, ModuleType], detail: Any, accepted: Any, value: Any) -> None:
    call = {"name": "area", "arguments": {"x": value}}
    assert bench["checker"].fault(call, tool({"x": detail}, ["x"]), {"area": {"x": accepted}}) is None


@pytest.mark.parametrize(
    ("detail", "accepted", "value", "why"),
    [
        (BASE, [10], 11, "argument 'x' is 11, accepted: [10]"),
        (BASE, [10], 10.0, "argument 'x' is a float, not a integer"),
        (BASE, [1], True, "argument 'x' is a bool, not a integer"),
        (CITY, ["Boston"], "Boston, MA", "argument 'x' is 'Boston, MA', accepted: ['Boston']"),
        (FLOATS, [[1.5, 2.0]], [2.0, 1.5], "argument 'x' is [2.0, 1.5], accepted: [[1.5, 2.0]]"),
        (TEXTS, [["a", "b"]], ["a"], "argument 'x' is ['a'], accepted: [['a', 'b']]"),
        (OBJECT, [{"name": ["Ann"]}], {"age": 3}, "argument 'x' is {'age': 3}, accepted: [{'name': ['Ann']}]"),
    ],
)
def test_another_value_is_wrong(
    bench: Mapping[str, ModuleType], detail: Any, accepted: Any, value: Any, why: str
) -> None:
    call = {"name": "area", "arguments": {"x": value}}
    assert bench["checker"].fault(call, tool({"x": detail}, ["x"]), {"area": {"x": accepted}}) == why


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({"name": "volume", "arguments": {"x": 1}}, "the tool is 'volume', not 'area'"),
        ({"name": "area", "arguments": {}}, "required argument 'x' is missing"),
        ({"name": "area", "arguments": {"x": 1, "z": 2}}, "argument 'z' is unexpected"),
        ({"name": "area", "arguments": {"x": 1}}, "argument 'y' may not be left out"),
    ],
)
def test_the_tool_and_its_arguments_must_be_the_expected_ones(
    bench: Mapping[str, ModuleType], call: Any, why: str
) -> None:
    accepted = {"area": {"x": [1], "y": [2]}}
    assert bench["checker"].fault(call, tool({"x": BASE, "y": BASE}, ["x"]), accepted) == why


def test_an_argument_may_be_left_out_where_the_file_says_so(bench: Mapping[str, ModuleType]) -> None:
    call = {"name": "area", "arguments": {"x": 1}}
    accepted = {"area": {"x": [1], "y": [2, ""]}}
    assert bench["checker"].fault(call, tool({"x": BASE, "y": BASE}, ["x"]), accepted) is None


@needs_data
def test_recorded_runs_score_as_published(bench: Mapping[str, ModuleType]) -> None:
    """The published shares of the recorded runs, in the order of the file's methods; 0.5 % for replies around JSON."""
    rows = {row["id"]: row for row in _lines("simple_python.jsonl")}
    right = dict.fromkeys(("direct_llm", "langchain", "autogen", "reference_code_factory"), 0)
    for run in _lines("recorded_baselines.jsonl"):
        row, call = rows[run["id"]], _call(run["output"])
        if call and bench["checker"].fault(call, row["function"][0], row["ground_truth"][0]) is None:
            right[run["method"]] += 1
    published = {"direct_llm": 0.985, "langchain": 0.935, "autogen": 0.978, "reference_code_factory": 0.835}
    assert {name: abs(right[name] / 400 - share) <= 0.005 for name, share in published.items()} == dict.fromkeys(
        published, True
    )


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def _call(output: str) -> dict[str, Any] | None:
    """The first JSON object of a reply, in one of the two shapes that the runs have."""
    start = (output or "").find("{")
    if start < 0:
        return None
    call: dict[str, Any] = json.JSONDecoder().raw_decode(output, start)[0]
    return call if "name" in call else {"name": next(iter(call)), "arguments": next(iter(call.values()))}


@needs_data
def test_the_rule_chooses_at_least_thirty_tools_and_each_has_a_specification(
    bench: Mapping[str, ModuleType], tmp_path: Path
) -> None:
    chosen = bench["tools"].chosen(DATA)
    assert len({one.file_name for one in chosen}) == len(chosen) >= 30
    for one in chosen:
        file = tmp_path / f"{one.file_name}.yaml"
        text = bench["specs"].specification(one)
        file.write_text(text, "utf-8")
        assert load_spec(file).warnings == ()
        assert not any(case.request in text for case in one.cases)


@needs_data
def test_the_recorded_replies_give_calls(bench: Mapping[str, ModuleType], tmp_path: Path) -> None:
    """Three tools are compiled and judged here; the script judges all of them."""
    recordings = bench["measure"].RECORDINGS
    if not (recordings / "transcript.jsonl").exists():
        pytest.skip("no replies are recorded")
    options = bench["measure"].CompileOptions(model=f"recorded:{recordings}", max_attempts=3)
    tools = bench["tools"].chosen(DATA)[:3]
    measured = list(bench["measure"].measure(tools, ["How are you?"], options, tmp_path))
    assert len(measured) == 3 and not any(each.failed for each in measured)
    assert sum(each.count("right") for each in measured) > sum(each.count("wrong") for each in measured)
    assert not any(each.false_calls_of_none for each in measured)


def test_a_choice_is_right_where_the_right_tool_alone_answers(bench: Mapping[str, ModuleType]) -> None:
    measure, tools = bench["measure"], bench["tools"]

    def measured(name: str, outcomes: Mapping[str, str], called: list[str]) -> Any:
        cases = [(tools.Case(request, request, {}), outcome, "") for request, outcome in outcomes.items()]
        area = tools.Tool({**tool({"x": BASE}, ["x"]), "name": name}, ())
        return measure.Measured(area, looked_at=True, outcomes=cases, called_for_others=called)

    first = measured("first", {"a": "right", "b": "right", "c": "abstained", "d": "wrong"}, ["e"])
    second = measured("second", {"e": "abstained", "f": "abstained", "g": "right"}, ["b"])
    choices = measure._choices([first, second], [first, second])
    assert choices == {"right_alone": 2, "several": 1, "another": 2, "nobody": 2}
    assert measure._choices([first], [first, second]) == {"right_alone": 1, "several": 1, "nobody": 1, "another": 1}
