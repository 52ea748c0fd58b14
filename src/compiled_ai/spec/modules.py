"""Names of the pure modules that a specification may ask for: the files of the catalogue, without reading it."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml


@cache
def known_modules() -> tuple[str, ...]:
    """Returns the library's modules that the catalogue describes, and the pure part of the standard library."""
    folder = resources.files("compiled_ai") / "catalog" / "modules"
    files = {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}
    standard = yaml.safe_load(files.pop("standard").read_text("utf-8"))["standard"] if "standard" in files else []
    return (*sorted(files), *standard)
