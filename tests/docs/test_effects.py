"""Every code block of docs/effects.md is planned or run, and its tables name what there is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from compiled_ai.assemble import assemble
from compiled_ai.catalog import load_catalog
from compiled_ai.plan import make_plan
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.spec.loader import load_spec_text

TEXT = (Path(__file__).parents[2] / "docs" / "effects.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def _program(text: str) -> Program:
    spec = load_spec_text(text, file="effects.yaml")
    plan = make_plan(spec, load_catalog())
    made = assemble(spec, plan.template.source, {}, brought=plan.brought)
    return load_program({"workflow.py": made.source, "program.json": json.dumps(made.program, default=str)})


@pytest.mark.parametrize("block", _blocks("yaml"), ids=[block.partition("\n")[0] for block in _blocks("yaml")])
def test_a_specification_of_the_page_is_planned_and_assembled(block: str) -> None:
    assert _program(block).steps


def test_the_python_of_the_page_runs() -> None:
    testing, client = _blocks("python")
    exec(compile(testing, "effects.md", "exec"), {"artifact": _program(_blocks("yaml")[0])})
    exec(compile(client, "effects.md", "exec"), {})


def test_the_entry_point_of_the_page_is_the_one_that_is_read() -> None:
    from compiled_ai.catalog.installed import GROUP

    assert list(tomllib.loads(_blocks("toml")[0])["project"]["entry-points"]) == [GROUP]


@pytest.mark.parametrize("name", load_catalog().effects)
def test_every_setting_and_permission_of_a_module_is_on_the_page_or_described_in_the_catalogue(name: str) -> None:
    module = load_catalog().effects[name]
    if module.provider is None:
        assert [key for key in module.allow if f"`{key}`" not in TEXT] == []
        assert f"## {name}" in TEXT
