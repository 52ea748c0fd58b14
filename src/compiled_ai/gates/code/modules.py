"""Which members a module lends, and which rule answers for the others."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import compiled_ai
from compiled_ai.gates.code import policy
from compiled_ai.gates.code.nodes import target_names

WITHHELD: Mapping[str, frozenset[str]] = {
    "collections": frozenset({"namedtuple"}),
    "functools": frozenset(
        {"singledispatch", "singledispatchmethod", "lru_cache", "cache", "cached_property", "wraps"}
    ),
    "operator": frozenset({"attrgetter", "methodcaller", "setitem", "delitem"}),
    "typing": frozenset({"NamedTuple"}),
    "string": frozenset({"Template"}),
}
"""What a file may use and a generated function may not (the loader does not give it either)."""

CLASSES_LIKE_MODULES = frozenset({"datetime.datetime", "datetime.time"})

MEMBER_RULES: Mapping[str, str] = {
    "hashlib.md5": "code.hash",
    "hashlib.sha1": "code.hash",
    "uuid.uuid1": "code.random",
    "uuid.uuid4": "code.random",
    "uuid.uuid3": "code.hash",
    "json.load": "code.files",
    "json.dump": "code.files",
    "io.open": "code.files",
    "tomllib.load": "code.files",
    "decimal.getcontext": "code.state",
    "decimal.setcontext": "code.state",
    "dataclasses.make_dataclass": "code.dynamic",
    "typing.get_type_hints": "code.dynamic",
    "typing.ForwardRef": "code.dynamic",
    "types.FunctionType": "code.dynamic",
    "types.CodeType": "code.dynamic",
    "types.new_class": "code.dynamic",
    "string.Formatter": "code.format",
    "string.Template": "code.template",
    "operator.attrgetter": "code.reflection",
    "operator.methodcaller": "code.reflection",
    "zoneinfo.reset_tzpath": "code.state",
    "ast.parse": "code.dynamic",
    "os.path.expanduser": "code.files",
    "os.system": "code.command",
    "os.popen": "code.command",
    "os.urandom": "code.random",
    "html.parser": "code.import",
}


def module_rule(module: str) -> str:
    """Returns the rule that answers for a module which is not allowed."""
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        rule = policy.MODULE_RULES.get(".".join(parts[:size]))
        if rule:
            return rule
    return "code.import"


def member_rule(origin: str) -> str | None:
    return MEMBER_RULES.get(origin)


@lru_cache(maxsize=64)
def library_members(module: str) -> frozenset[str] | None:
    """Returns the names that a module of our own library lends: its `__all__`, else what it defines itself."""
    parts = module.split(".")[1:]
    base = Path(compiled_ai.__file__).parent.joinpath(*parts)
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if parts[:1] != ["library"] or parts[1:2] in (["loading"],) or not path.is_file():
        return None
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        listed_names = _listed_names(node)
        if listed_names is not None:
            return listed_names
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names.update(target_names(target))
    return frozenset(name for name in names if not name.startswith("_"))


def _listed_names(node: ast.stmt) -> frozenset[str] | None:
    """The names of an `__all__ = [...]`; `None` for another statement."""
    if isinstance(node, ast.Assign) and [*map(ast.unparse, node.targets)] == ["__all__"]:
        return frozenset(ast.literal_eval(node.value))
    return None


def listed(module: str, allowed: frozenset[str]) -> bool:
    parts = module.split(".")
    return module in allowed or any(".".join((*parts[:size], "*")) in allowed for size in range(1, len(parts) + 1))


def is_member(name: str, members: frozenset[str]) -> bool:
    return name in members or ("*" in members and not name.startswith("_"))
