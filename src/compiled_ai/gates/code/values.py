"""What an expression can be: constant texts of this file, or something from outside."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from compiled_ai.gates.code.nodes import addends, both, called_name, mentions
from compiled_ai.gates.code.scopes import Parameter, Scope, inside
from compiled_ai.gates.code.state import State


class Values(State):
    """What an expression can be: constant texts of this file, or something from outside."""

    def choices(self, node: ast.AST, seen: frozenset[tuple[int, str]], scope: Scope | None = None) -> set[str] | None:
        """Returns every constant text that an expression can be, or `None` if that is not known."""
        scope = scope or self.scope
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        if isinstance(node, ast.IfExp):
            return both(self.choices(node.body, seen, scope), self.choices(node.orelse, seen, scope))
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return self._union(node.elts, seen, scope)
        if isinstance(node, ast.Dict):
            return self._union([part for part in (*node.keys, *node.values) if part], seen, scope)
        if isinstance(node, ast.BoolOp):
            return self._union(node.values, seen, scope)
        if isinstance(node, ast.Subscript):
            return self.choices(node.value, seen, scope)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.choices(node.left, seen, scope), self.choices(node.right, seen, scope)
            if left is None or right is None or len(left) * len(right) > 64:
                return None
            return {one + two for one in left for two in right}
        if isinstance(node, ast.Call):
            return self._call_choices(node, seen, scope)
        if isinstance(node, ast.Name):
            return self._name_choices(node.id, seen, scope)
        if isinstance(node, (ast.Lambda, ast.Compare)):
            return set()
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            return self._member_choices(node.attr, seen)
        return None

    def _member_choices(self, attribute: str, seen: frozenset[tuple[int, str]]) -> set[str] | None:
        """Texts of a class constant, `self.TEMPLATE`."""
        for node, scope in self.scopes.items():
            if isinstance(node, ast.ClassDef) and attribute in scope.values:
                stored = any(
                    isinstance(part, ast.Attribute) and part.attr == attribute and isinstance(part.ctx, ast.Store)
                    for part in ast.walk(self.tree)
                )
                return None if stored else self._name_choices(attribute, seen, scope)
        return None

    def _call_choices(self, node: ast.Call, seen: frozenset[tuple[int, str]], scope: Scope) -> set[str] | None:
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr in ("get", "items", "values", "strip", "copy", "keys", "pop"):
            own = self.choices(func.value, seen, scope)
            extra = self._union(node.args[1:], seen, scope) if func.attr in ("get", "pop") else set()
            return both(own, extra)
        name = called_name(node)
        if isinstance(func, ast.Name) and scope.find(name) is None:
            if name in (
                "enumerate",
                "sorted",
                "list",
                "tuple",
                "reversed",
                "set",
                "frozenset",
                "iter",
                "next",
                "zip",
                "dict",
            ):
                return self._union(node.args, seen, scope)
            if name in ("range", "len", "int", "float"):
                return set()
        if called_name(node) == "dedent" and self.origin(func) == "textwrap.dedent" and node.args:
            return self.choices(node.args[0], seen, scope)
        return None

    def _union(self, nodes: Iterable[ast.AST], seen: frozenset[tuple[int, str]], scope: Scope) -> set[str] | None:
        found: set[str] = set()
        for node in nodes:
            texts = self.choices(node, seen, scope)
            if texts is None:
                if isinstance(node, (ast.Call, ast.Attribute)) and self._is_number(node):
                    continue
                return None
            found |= texts
        return found

    def _is_number(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and self.origin(node.func) in (
            "decimal.Decimal",
            "datetime.date",
            "datetime.timedelta",
        )

    def _name_choices(self, name: str, seen: frozenset[tuple[int, str]], scope: Scope) -> set[str] | None:
        holder = scope.find(name)
        if holder is None or (id(holder), name) in seen or len(seen) > 30:
            return set() if holder is not None and (id(holder), name) in seen else None
        seen = seen | {(id(holder), name)}
        found: set[str] = set()
        for value in holder.values[name]:
            texts: set[str] | None
            if isinstance(value, Parameter):
                texts = self._parameter_choices(value, seen)
            elif isinstance(value, ast.expr):
                texts = self.choices(value, seen, holder)
            else:
                texts = None
            if texts is None:
                return None
            found |= texts
        return found

    def _parameter_choices(self, parameter: Parameter, seen: frozenset[tuple[int, str]]) -> set[str] | None:
        passed = self.passed(parameter)
        inner = self.parents.get(parameter.function)
        public = isinstance(inner, (ast.Module, ast.ClassDef)) and not self._is_private(parameter.function)
        if passed is None or public:  # others may call it with other texts
            return None
        found: set[str] = set()
        for value, scope in passed:
            texts = self.choices(value, seen, scope)
            if texts is None:
                return None
            found |= texts
        return found

    def _is_private(self, function: ast.AST) -> bool:
        return isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and function.name.startswith("_")

    def passed(self, parameter: Parameter) -> list[tuple[ast.expr, Scope]] | None:
        """Returns what callers in this file give for a parameter; `None` if it can also come from outside."""
        function = parameter.function
        if isinstance(function, ast.Lambda):
            return None
        owner = self.parents.get(function)
        calls, skipped = self._calls_of(function, owner)
        if not calls:
            return None
        found: list[tuple[ast.expr, Scope]] = []
        for call in calls:
            if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
                return None
            named = next((keyword.value for keyword in call.keywords if keyword.arg == parameter.name), None)
            if named is None and 0 <= parameter.position - skipped < len(call.args):
                named = call.args[parameter.position - skipped]
            if named is None:
                named = parameter.default
            if named is not None:
                found.append((named, self._scope_of(call)))
        return found

    def _calls_of(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.AST | None
    ) -> tuple[list[ast.Call], int]:
        """Returns the calls of a function, and how many parameters Python fills in; no calls if others may call it."""
        name = function.name
        if isinstance(owner, ast.ClassDef) and name != "__init__":
            static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
            methods = [call for call in self.calls.get(name, ()) if isinstance(call.func, ast.Attribute)]
            return methods, 0 if static else 1
        named = owner.name if isinstance(owner, ast.ClassDef) else name
        above = [(use, self.parents[use]) for use in self.uses.get(named, ()) if not self._in_annotation(use)]
        calls = [call for use, call in above if isinstance(call, ast.Call) and call.func is use]
        return (calls if len(calls) == len(above) else []), int(named != name)

    def embedded(self, node: ast.AST, scope: Scope) -> str | None:
        """Folds a pattern in which values stand between constant parts; `None` if the constants say too little.

        A label between `\\b` and `\\s*:` is data in a pattern; a text between `^` and `$` is a pattern from outside.
        """
        if isinstance(node, ast.Name):
            holder = scope.find(node.id)
            values = holder.values[node.id] if holder else []
            known = holder and len(values) == 1 and isinstance(values[0], (ast.JoinedStr, ast.BinOp))
            return self.embedded(values[0], holder) if known and holder and isinstance(values[0], ast.AST) else None
        parts = node.values if isinstance(node, ast.JoinedStr) else addends(node)
        texts = [self._fold(part, scope, 0) for part in parts]
        given = [part for part, text in zip(parts, texts, strict=True) if text is None]
        constant = "".join(text for text in texts if text is not None)
        says = re.search(r"\\[swdSWD]|\[[^\]]+\]|\w{3}", constant)
        if (
            len(parts) < 2
            or not says
            or any(mentions(part, ("pattern", "regex", "expr", "user", "input")) for part in given)
        ):
            return None
        return "".join("q" if text is None else text for text in texts)

    def outside(self, node: ast.AST, scope: Scope, seen: frozenset[tuple[int, str]] = frozenset()) -> bool:
        """Tells whether a value may come from outside of this file (from an argument that others pass)."""
        if isinstance(node, (ast.Constant, ast.Lambda)):
            return False
        if isinstance(node, ast.Name):
            return self._name_outside(node.id, scope, seen)
        if isinstance(node, ast.Subscript):
            return self.outside(node.value, scope, seen)
        if isinstance(node, ast.Call):
            return self._call_outside(node, scope, seen)
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                return self._own_member_outside(node.attr, seen)
            return self.outside(node.value, scope, seen)
        if node in self.scopes:
            return any(
                self.outside(part, self.scopes[node], seen) for part in inside(node) if isinstance(part, ast.expr)
            )
        return any(
            self.outside(child, scope, seen)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.expr, ast.keyword))
        )

    def _name_outside(self, name: str, scope: Scope, seen: frozenset[tuple[int, str]]) -> bool:
        holder = scope.find(name)
        if holder is None or (id(holder), name) in seen:
            return False
        seen = seen | {(id(holder), name)}
        for value in holder.values[name]:
            if isinstance(value, Parameter):
                passed = self.passed(value)
                if passed is None or any(self.outside(given, where, seen) for given, where in passed):
                    return True
            elif isinstance(value, ast.expr) and self.outside(value, holder, seen):
                return True
        return False

    def _call_outside(self, node: ast.Call, scope: Scope, seen: frozenset[tuple[int, str]]) -> bool:
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(self.origin(part) == "re.escape" for part in (node.func, *parts)):
            return False
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
            return self.outside(node.func.value, scope, seen) or any(
                self.outside(part, scope, seen) for part in parts[1:]
            )
        receiver = isinstance(node.func, ast.Attribute) and self.outside(node.func.value, scope, seen)
        return receiver or any(self.outside(part, scope, seen) for part in parts)

    def _own_member_outside(self, attribute: str, seen: frozenset[tuple[int, str]]) -> bool:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and node.attr == attribute and isinstance(node.ctx, ast.Store):
                above = self.parents.get(node)
                value = getattr(above, "value", None)
                if value is not None and self.outside(value, self._scope_of(node), seen):
                    return True
            if isinstance(node, ast.ClassDef) and attribute in self.scopes[node].values:
                fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and item.value is None]
                if any(isinstance(item.target, ast.Name) and item.target.id == attribute for item in fields):
                    built = self.calls.get(node.name, [])
                    if not built or any(
                        self.outside(arg, self._scope_of(call), seen) for call in built for arg in call.args
                    ):
                        return True
        return False

    def patterns(self, node: ast.AST, scope: Scope) -> set[str] | None:
        """Like `choices`, and also joined texts in which the unknown parts are escaped."""
        texts = self.choices(node, frozenset(), scope)
        if texts is not None:
            return texts
        folded = self._fold(node, scope, 0)
        return None if folded is None else {folded}

    def _fold(self, node: ast.AST, scope: Scope, depth: int) -> str | None:
        if depth > 12:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._fold(node.left, scope, depth + 1), self._fold(node.right, scope, depth + 1)
            return None if left is None or right is None else left + right
        if isinstance(node, ast.JoinedStr):
            parts = [self._fold(part, scope, depth + 1) for part in node.values]
            return None if None in parts else "".join(part for part in parts if part is not None)
        if isinstance(node, ast.FormattedValue):
            return self._fold(node.value, scope, depth + 1)
        if isinstance(node, ast.Call) and self.origin(node.func) == "re.escape":
            return "q"
        if isinstance(node, ast.Name):
            holder = scope.find(node.id)
            values = holder.values[node.id] if holder else []
            if holder and len(values) == 1 and isinstance(values[0], ast.expr):
                return self._fold(values[0], holder, depth + 1)
        return None

    def _about(self, node: ast.AST, words: tuple[str, ...], depth: int = 0) -> bool:
        """Tells whether an expression, or what its names were assigned, mentions one of the words."""
        if mentions(node, words):
            return True
        if depth > 3:
            return False
        for part in ast.walk(node):
            holder = self.scope.find(part.id) if isinstance(part, ast.Name) else None
            for value in holder.values[part.id] if holder and isinstance(part, ast.Name) else ():
                if isinstance(value, ast.expr) and self._about(value, words, depth + 1):
                    return True
        return False
