"""The loader's own look at a module, without the code gate: no reflection.

Restricted builtins and guarded imports hold only code that cannot walk from an object to its class, from there to all
classes, and from one of these to a module. All such walks go over names with two underscores, over frames, or over
format strings that name attributes; none of them may stand in a module that is loaded into our own process.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from string import Formatter

_FRAME_NAMES = """
    gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await cr_origin ag_frame ag_code ag_await tb_frame tb_next
    tb_lasti tb_lineno f_back f_builtins f_code f_globals f_locals f_trace f_generator f_lineno mro
"""
_METHOD_NAMES = """
    __init__ __post_init__ __repr__ __str__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__ __len__
    __iter__ __next__ __contains__ __getitem__ __call__ __enter__ __exit__ __add__ __sub__ __mul__ __truediv__
    __floordiv__ __mod__ __neg__ __abs__ __int__ __float__ __index__ __format__ __reversed__
"""
_FRAMES = frozenset(_FRAME_NAMES.split())
_FORMATTING = frozenset({"format", "format_map", "vformat"})
_NAMES = frozenset({"__name__", "__slots__", "__match_args__", "__all__"})
_METHODS = frozenset(_METHOD_NAMES.split())


class Reflection(ImportError):
    """A module reaches for what lies behind its objects."""


def refuse_reflection(tree: ast.AST) -> None:
    """Raises `Reflection` for the first place (in the order of the tree) where a module reaches behind its objects."""
    fields = frozenset(_fields(tree))
    for node in ast.walk(tree):
        for name in _reached(node, fields):
            line = getattr(node, "lineno", 0)
            raise Reflection(f"line {line}: {name!r} reaches behind an object, which is not allowed here")


def _fields(tree: ast.AST) -> Iterator[str]:
    """Names of declared fields: a document may well have a `format`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            targets = [line.target for line in node.body if isinstance(line, ast.AnnAssign)]
            yield from (target.id for target in targets if isinstance(target, ast.Name) and not _is_dunder(target.id))


def _reached(node: ast.AST, fields: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        if node.attr not in fields and _is_reflective(node):
            yield node.attr
    elif isinstance(node, ast.Name) and _is_dunder(node.id) and node.id not in _NAMES:
        yield node.id
    elif isinstance(node, ast.MatchClass):
        yield from (name for name in node.kwd_attrs if _is_dunder(name) or name in _FRAMES)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_dunder(node.name):
        if node.name not in _METHODS:
            yield node.name
    elif isinstance(node, ast.ClassDef) and node.keywords:
        yield from (keyword.arg or "**" for keyword in node.keywords if keyword.arg in (None, "metaclass"))


def _is_reflective(node: ast.Attribute) -> bool:
    if _is_dunder(node.attr):
        return not _is_harmless(node)
    return node.attr in _FRAMES or (node.attr in _FORMATTING and not _is_plain(node.value))


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_harmless(node: ast.Attribute) -> bool:
    """`type(x).__name__`, and `super().__init__`."""
    called = node.value.func if isinstance(node.value, ast.Call) else None
    by_super = isinstance(called, ast.Name) and called.id == "super"
    return node.attr == "__name__" or (by_super and node.attr in ("__init__", "__post_init__"))


def _is_plain(value: ast.AST) -> bool:
    """Tells whether a format string stands there and names no attribute and no item."""
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return False
    try:
        return all(_plain_field(field, spec) for _, field, spec, _ in Formatter().parse(value.value))
    except ValueError:
        return False


def _plain_field(field: str | None, spec: str | None) -> bool:
    return not set(".[") & set(field or "") and "{" not in (spec or "")
