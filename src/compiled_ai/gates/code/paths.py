"""Paths as text: a name from outside that is joined to a folder can climb out of it (`../`)."""

from __future__ import annotations

import ast

from compiled_ai.gates.code.constants import Constants
from compiled_ai.gates.code.nodes import called_name
from compiled_ai.gates.code.scopes import Scope

PATH_JOINS = frozenset({"os.path.join", "posixpath.join", "ntpath.join"})
_PURE_PATHS = frozenset({"pathlib.PurePath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath"})
_LAST_PARTS = frozenset({"name", "stem", "suffix"})
_CLIMBS = "a name from outside can climb out of the folder; keep its last part only (`basename(name)`)"


class Paths(Constants):
    """Paths as text: what is joined to a folder must be written here, or be the last part of a path."""

    def _path_call(self, node: ast.Call) -> None:
        origin = self.origin(node.func)
        if origin in PATH_JOINS or origin in _PURE_PATHS:
            self._joined_to_folder(node.args[1:], node)
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath":
            self._joined_to_folder(node.args, node)

    def _member_use(self, origin: str, node: ast.expr) -> None:
        """`map(os.path.join, ...)`: what is joined cannot be seen."""
        super()._member_use(origin, node)
        above = self.parents.get(node)
        if origin in PATH_JOINS and not (isinstance(above, ast.Call) and above.func is node):
            self.fault("code.files", f"{origin} must be called on the spot, so that its parts can be judged", node)

    def _division(self, node: ast.BinOp) -> None:
        self._binary(node)
        self._path_division(node)

    def _path_division(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div) and self._is_path(node.left, self.scope):
            self._joined_to_folder([node.right], node)

    def _joined_to_folder(self, parts: list[ast.expr], node: ast.AST) -> None:
        if any(self.outside(part, self.scope) and not self._is_last_part(part) for part in parts):
            self.fault("code.files", _CLIMBS, node)

    def _is_last_part(self, part: ast.expr) -> bool:
        if isinstance(part, ast.Call):
            return called_name(part) == "basename"
        return isinstance(part, ast.Attribute) and part.attr in _LAST_PARTS and self._is_path(part.value, self.scope)

    def _is_path(self, node: ast.AST, scope: Scope, depth: int = 0) -> bool:
        if depth > 8:
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return self._is_path(node.left, scope, depth + 1)
        if isinstance(node, ast.Call):
            joined = isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath"
            return joined or self.origin(node.func) in _PURE_PATHS
        holder = scope.find(node.id) if isinstance(node, ast.Name) else None
        if holder is None or not isinstance(node, ast.Name):
            return isinstance(node, ast.Attribute) and node.attr in ("parent", "parents")
        return any(
            self._is_path(value, holder, depth + 1) for value in holder.values[node.id] if isinstance(value, ast.expr)
        )
