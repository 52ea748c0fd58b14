"""Names of what a specification may ask for, off the files of the catalogue and of installed packages, unread."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml

from compiled_ai.catalog.installed import providers


@cache
def known_modules() -> tuple[str, ...]:
    """Returns the library's modules that the catalogue describes, and the pure part of the standard library."""
    folder = resources.files("compiled_ai") / "catalog" / "modules"
    files = {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}
    standard = yaml.safe_load(files.pop("standard").read_text("utf-8"))["standard"] if "standard" in files else []
    return (*sorted(files), *standard)


def installed_calls() -> tuple[str, ...]:
    """Returns the effect modules that installed packages bring."""
    return tuple(file.stem for each in providers() for file in sorted(each.folder.glob("effects/*.yaml")))


def installed_templates() -> tuple[str, ...]:
    """Returns the templates that installed packages bring."""
    files = [file for each in providers() for file in sorted(each.folder.glob("templates/*/template.py"))]
    return tuple(file.parent.name for file in files)
