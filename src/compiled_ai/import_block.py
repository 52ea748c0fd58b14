"""The import block of an assembled module: what its body uses, and what the candidates bring, sorted by module."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from compiled_ai.errors import CompileFailed
from compiled_ai.library import rules

_WIDTH = 120
_KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "collections.abc": ("Sequence", "Mapping"),
    "dataclasses": ("dataclass",),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "typing": ("Any",),
    "compiled_ai.library.committee": ("agreed",),
    "compiled_ai.library.context": ("Context",),
    "compiled_ai.library.values": ("Box", "YearsMonths", "number"),
}


def import_block(body: str, candidate_imports: Sequence[str]) -> str:
    """Returns the import block: what the body uses, and what the candidates import, sorted by module."""
    names = {name for node in ast.parse(body).body for name in _free_names(node)}
    wanted: dict[str, tuple[str, str | None]] = {}
    known = {**_KNOWN_NAMES, "compiled_ai.library.rules": tuple(rules.__all__)}
    for module, offered in known.items():
        for name in sorted(names.intersection(offered)):
            wanted[name] = (module, name)
    for statement in candidate_imports:
        for bound, target in _bound(statement):
            if wanted.setdefault(bound, target) != target and bound in names:
                raise CompileFailed(
                    f"The name {bound!r} is imported as two different things.",
                    remedy=f"Import {target[0]!r} under another name.",
                )
    return _sorted_imports(wanted)


def _free_names(node: ast.stmt) -> set[str]:
    """Returns the names that a top-level statement reads and does not bind itself."""
    read: set[str] = set()
    bound: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            (read if isinstance(inner.ctx, ast.Load) else bound).add(inner.id)
        elif isinstance(inner, ast.arg):
            bound.add(inner.arg)
    return read - bound


def _bound(statement: str) -> Iterator[tuple[str, tuple[str, str | None]]]:
    node = ast.parse(statement).body[0]
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, (alias.name, None)
            else:
                yield alias.name.split(".")[0], (alias.name, None)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, (node.module or "", alias.name)


def _sorted_imports(wanted: Mapping[str, tuple[str, str | None]]) -> str:
    plain: dict[bool, list[str]] = {True: [], False: []}
    grouped: dict[str, list[str]] = {}
    for bound, (module, name) in wanted.items():
        if name is None:
            own = bound != module.split(".")[0]
            plain[module.startswith("compiled_ai")].append(f"import {module}{f' as {bound}' if own else ''}")
        elif name == bound:
            grouped.setdefault(module, []).append(name)
        else:
            plain[module.startswith("compiled_ai")].append(f"from {module} import {name} as {bound}")
    for module, names in grouped.items():
        listed = ", ".join(sorted(names, key=_import_order))
        line = f"from {module} import {listed}"
        if len(line) > _WIDTH:
            line = f"from {module} import (\n    " + ",\n    ".join(sorted(names, key=_import_order)) + ",\n)"
        plain[module.startswith("compiled_ai")].append(line)
    blocks = ["\n".join(sorted(plain[own], key=lambda line: (line.startswith("from"), line))) for own in (False, True)]
    return "\n\n".join(block for block in blocks if block)


def _import_order(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return (kind, name)
