"""The code blocks of the library's reference run, and what is described to a model exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from compiled_ai.catalog import load_catalog

REFERENCE = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_code_blocks_of_the_reference_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(REFERENCE), "exec"), names)


@pytest.mark.parametrize("name", sorted(load_catalog().modules))
def test_every_name_that_a_prompt_imports_exists(name: str) -> None:
    module = load_catalog().modules[name]
    imports = re.findall(r"from (compiled_ai[\w.]+) import ([\w, ]+)", module.prompt)
    assert imports
    for path, wanted in imports:
        assert all(hasattr(import_module(path), one.strip()) for one in wanted.split(","))
