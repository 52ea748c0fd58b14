"""What a walk knows: the tree, its scopes and parents, and where names come from."""

from __future__ import annotations

import ast
from typing import Literal

from compiled_ai.gates.code import policy
from compiled_ai.gates.code.modules import CLASSES_LIKE_MODULES, WITHHELD, library_members, listed
from compiled_ai.gates.code.nodes import last_name, target_names
from compiled_ai.gates.code.scopes import Imported, Scope, build, inside
from compiled_ai.gates.code.text import Fault

Mode = Literal["function", "file"]


class State:
    """What a walk knows: the tree, its scopes and parents, and where names come from."""

    def __init__(self, tree: ast.Module, mode: Mode, allowed: frozenset[str], provided: frozenset[str]) -> None:
        self.tree = tree
        self.mode = mode
        self.allowed = allowed
        self.provided = provided
        self.scopes = build(tree)
        self.found: list[Fault] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self.script: ast.stmt | None = None
        """The block under `if __name__ == "__main__"`, while it is walked."""
        self.calls: dict[str, list[ast.Call]] = {}
        self.declared: set[str] = set()
        """Attributes that classes of this file define: methods, fields, `self.x = ...`."""
        self.functions: dict[str, list[ast.AST]] = {}
        self.documents: set[ast.AST] = set()
        self.imported_modules: set[str] = set()
        self.uses: dict[str, list[ast.Name]] = {}
        """Where each name is read."""
        for node in ast.walk(tree):
            self._index(node)
        self.uses_patterns = any(module.partition(".")[0] == "re" for module in self.imported_modules)
        self.scope = self.scopes[tree]
        self.module = self.scope

    def _index(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            self.calls.setdefault(name, []).append(node)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            self.uses.setdefault(node.id, []).append(node)
        if isinstance(node, ast.Import):
            self.imported_modules.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            self.imported_modules.add(node.module or "")
        if isinstance(node, ast.ClassDef):
            self._index_class(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.functions.setdefault(node.name, []).append(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                self.documents.add(first.value)

    def _index_class(self, node: ast.ClassDef) -> None:
        for part in ast.walk(node):
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and part is not node:
                self.declared.add(part.name)
            elif isinstance(part, (ast.AnnAssign, ast.Assign)):
                for target in [part.target] if isinstance(part, ast.AnnAssign) else part.targets:
                    self.declared.update(target_names(target))

    def fault(self, rule: str, message: str, node: ast.AST) -> None:
        line = getattr(node, "lineno", None) or self._line_above(node)
        column = getattr(node, "col_offset", None)
        self.found.append(Fault(rule, message, line, None if column is None else column + 1))

    def _line_above(self, node: ast.AST) -> int:
        while node in self.parents:
            node = self.parents[node]
            if hasattr(node, "lineno"):
                return int(node.lineno)
        return 1

    def _scope_of(self, node: ast.AST) -> Scope:
        child = node
        while child in self.parents:
            above = self.parents[child]
            if above in self.scopes and child in inside(above):
                return self.scopes[above]
            if above in self.scopes and isinstance(above, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                return self.scopes[above]
            if isinstance(above, ast.Module):
                return self.module
            child = above
        return self.module

    def _in_annotation(self, node: ast.AST) -> bool:
        while node in self.parents:
            above = self.parents[node]
            if isinstance(above, (ast.arg, ast.AnnAssign)) and above.annotation is node:
                return True
            if isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef)) and above.returns is node:
                return True
            if isinstance(above, ast.stmt):
                return False
            node = above
        return False

    def _in_literal(self, node: ast.AST) -> bool:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.Subscript) and last_name(node.value) in ("Literal", "Annotated"):
                return True
            if isinstance(node, ast.stmt):
                return False
        return False

    def _inside_method(self, name: str) -> bool:
        scope: Scope | None = self.scope
        while scope is not None:
            if isinstance(scope.node, ast.FunctionDef) and scope.node.name == name:
                return scope.parent is not None and scope.parent.kind == "class"
            scope = scope.parent
        return False

    def _is_class(self, name: str) -> bool:
        return any(isinstance(node, ast.ClassDef) for node in self.functions.get(name, ()))

    def origin(self, node: ast.AST, depth: int = 0) -> str | None:
        """Returns the dotted origin of an expression that names a module or a member of one."""
        if depth > 8:
            return None
        if isinstance(node, ast.Attribute):
            base = self.origin(node.value, depth + 1)
            return f"{base}.{node.attr}" if base else None
        if not isinstance(node, ast.Name):
            return None
        holder = self.scope.find(node.id)
        if holder is None:
            return None
        for value in holder.values[node.id]:
            if isinstance(value, Imported):
                return value.origin
        values = holder.values[node.id]
        if (
            len(values) == 1
            and isinstance(values[0], (ast.Name, ast.Attribute))
            and self._plainly_assigned(node.id, values[0])
        ):
            above, self.scope = self.scope, holder
            try:
                return self.origin(values[0], depth + 1)
            finally:
                self.scope = above
        return None

    def _plainly_assigned(self, name: str, value: ast.AST) -> bool:
        above = self.parents.get(value)
        targets = above.targets if isinstance(above, ast.Assign) else [getattr(above, "target", None)]
        return isinstance(above, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and any(
            isinstance(target, ast.Name) and target.id == name for target in targets
        )

    def _is_module(self, origin: str) -> bool:
        return self._members(origin) is not None and origin not in CLASSES_LIKE_MODULES

    def _members(self, module: str) -> frozenset[str] | None:
        """Returns what may be taken from a module, or `None` if it is not an allowed module."""
        if self.script and module in policy.SCRIPT_MODULES:
            return policy.SCRIPT_MODULES[module] | policy.MODULES.get(module, frozenset())
        permitted = self.mode == "file" or module == "__future__" or listed(module, self.allowed)
        if module in policy.MODULES:
            members = policy.MODULES[module] - self._withheld(module)
            return members if permitted else None
        if module in policy.AWAITED_MODULES and self.mode == "file":
            return policy.AWAITED_MODULES[module]
        if not listed(module, self.allowed):
            return None
        if module.split(".")[0] == "compiled_ai":
            return library_members(module)
        return frozenset({"*"}) if module in self.allowed or module in self.imported_modules else None

    def _withheld(self, module: str) -> frozenset[str]:
        return WITHHELD.get(module, frozenset()) if self.mode == "function" else frozenset()

    def _is_package(self, module: str) -> bool:
        return any(known.startswith(module + ".") for known in (*policy.MODULES, *self.allowed))
