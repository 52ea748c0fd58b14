"""The walk over a parsed file: every node must be of an allowed kind, every name and attribute on a list."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from compiled_ai.gates.code.nodes import is_script_guard
from compiled_ai.gates.code.scopes import inside, outside
from compiled_ai.gates.code.shapes import Shapes
from compiled_ai.gates.code.state import Mode
from compiled_ai.gates.code.text import Fault

MAX_DEPTH = 150
"""Levels of nested nodes."""


def too_deep(tree: ast.Module) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def walk(tree: ast.Module, *, mode: Mode, allowed_imports: frozenset[str], provided: frozenset[str]) -> list[Fault]:
    """Returns every fault of a parsed file."""
    return _Walk(tree, mode, allowed_imports, provided).faults()


_COMMON = (
    ast.Module, ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If,
    ast.Raise, ast.Try, ast.Assert, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Delete, ast.Match, ast.match_case,
    ast.MatchValue, ast.MatchSingleton, ast.MatchSequence, ast.MatchMapping, ast.MatchClass, ast.MatchStar, ast.MatchAs,
    ast.MatchOr, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.alias, ast.ExceptHandler, ast.BoolOp, ast.NamedExpr,
    ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.Compare, ast.Call, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute,
    ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice, ast.comprehension, ast.arguments, ast.arg,
    ast.keyword, ast.Load, ast.Store, ast.Del, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.Yield,
    ast.YieldFrom, ast.With, ast.withitem,
)  # fmt: skip
_FILE_ONLY = (ast.TryStar, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.ClassDef)
_WORDS: Mapping[type[ast.AST], str] = {
    ast.Global: "global",
    ast.AsyncFunctionDef: "async def",
    ast.ClassDef: "class",
    ast.Await: "await",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
}


class _Walk(Shapes):
    """One pass over the tree; each node is shown to the check for its kind."""

    def faults(self) -> list[Fault]:
        self._module_shape()
        for statement in self.tree.body:
            guarded = self.mode == "file" and is_script_guard(statement)
            self.script = statement if guarded else None
            self.visit(statement)
        return self.found

    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, _COMMON + _FILE_ONLY if self.mode == "file" else _COMMON):
            word = _WORDS.get(type(node), type(node).__name__)
            self.fault("code.syntax", f"{word!r} is not part of the allowed language here", node)
        check = _CHECKS.get(type(node))
        if check is not None:
            check(self, node)
        if node in self.scopes and not isinstance(node, ast.Module):
            for part in outside(node):
                self.visit(part)
            above, self.scope = self.scope, self.scopes[node]
            for part in inside(node):
                self.visit(part)
            self.scope = above
            return
        for child in ast.iter_child_nodes(node):
            self.visit(child)


_CHECKS: Mapping[type[ast.AST], Callable[[_Walk, Any], None]] = {
    ast.Name: _Walk._name,
    ast.Attribute: _Walk._attribute_use,
    ast.Call: _Walk._call,
    ast.Import: _Walk._import,
    ast.ImportFrom: _Walk._import_from,
    ast.Constant: _Walk._constant,
    ast.Assign: _Walk._assign,
    ast.AnnAssign: _Walk._annotated_assign,
    ast.AugAssign: _Walk._augmented,
    ast.Delete: _Walk._delete,
    ast.Compare: _Walk._compare,
    ast.Dict: _Walk._mapping,
    ast.JoinedStr: _Walk._joined,
    ast.BinOp: _Walk._operation,
    ast.While: _Walk._while,
    ast.For: _Walk._for,
    ast.AsyncFor: _Walk._for,
    ast.ExceptHandler: _Walk._handler,
    ast.FunctionDef: _Walk._function,
    ast.AsyncFunctionDef: _Walk._function,
    ast.ClassDef: _Walk._class,
    ast.MatchClass: _Walk._match_class,
    ast.MatchAs: _Walk._capture,
    ast.MatchStar: _Walk._capture,
    ast.withitem: _Walk._with_item,
    ast.Subscript: _Walk._subscript,
    ast.Nonlocal: _Walk._yield_names,
    ast.Tuple: _Walk._items,
    ast.List: _Walk._items,
    ast.Try: _Walk._try,
    ast.TryStar: _Walk._try,
}
