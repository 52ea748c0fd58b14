"""What a source needs to run: library modules that it imports, directly or not, and outside packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Closure:
    library: tuple[str, ...]
    """Modules of `compiled_ai` that are needed, dotted and sorted."""
    outside: tuple[str, ...]
    """Top-level modules outside of `compiled_ai` and the standard library."""

    @property
    def packages(self) -> tuple[str, ...]:
        """The installed distributions that hold the outside modules."""
        if not self.outside:
            return ()
        known = metadata.packages_distributions()
        return tuple(sorted({name for module in self.outside for name in known.get(module, ())[:1]}))


def library_closure(source: str) -> Closure:
    """Returns everything that a source imports, imports inside functions included."""
    modules: dict[str, Path] = {}
    outside: set[str] = set()
    queue = [source]
    while queue:
        for name in _imported(queue.pop()):
            if not name.startswith("compiled_ai"):
                outside.add(name.split(".")[0])
                continue
            path = module_path(name)
            if path is not None and name not in modules:
                modules[name] = path
                queue.append(path.read_text("utf-8"))
    return Closure(tuple(sorted(modules)), tuple(sorted(outside - set(sys.stdlib_module_names) - {"__future__"})))


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_path(module: str) -> Path | None:
    """Returns the source file of one of our modules, or `None` if there is no such module."""
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
