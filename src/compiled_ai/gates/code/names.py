"""Names, imports and attributes: on a list, or refused."""

from __future__ import annotations

import ast
import builtins

from compiled_ai.gates.code import policy
from compiled_ai.gates.code.members import Members
from compiled_ai.gates.code.modules import CLASSES_LIKE_MODULES, is_member, member_rule, module_rule
from compiled_ai.gates.code.nodes import called_name, root_of
from compiled_ai.gates.code.scopes import Imported, Scope
from compiled_ai.gates.code.wording import format_problem, is_sql

_DATE_CLASSES = frozenset({"datetime.datetime", "datetime.date"})

_FIELD_NAMES = frozenset(
    ["id", "type", "input", "hash", "open", "print", "license", "dir", "vars", "help", "exit", "format"]
)
"""Built-ins whose names are ordinary names of fields."""


class Names(Members):
    """Names, imports and attributes: on a list, or refused."""

    def _name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._bound_name(node.id, node)
            return
        holder = self.scope.find(node.id)
        if holder is not None:
            self._local(node, holder)
            return
        if node.id in policy.MODULE_NAMES or (self.script and node.id in policy.SCRIPT_BUILTINS):
            return
        if self.mode == "function" and node.id in policy.WIDE_ERRORS:
            self.fault("code.swallow", f"{node.id!r} is too wide to be raised or caught; name the error you mean", node)
        if node.id in policy.BUILTINS:
            return
        if node.id in policy.GUARDED_CALLS and self._guarded(node):
            return
        if node.id in policy.DYNAMIC_BUILTINS:
            self.fault(policy.DYNAMIC_BUILTINS[node.id], f"built-in {node.id!r} is not allowed here", node)
        elif node.id in policy.WITHHELD_ERRORS:
            self.fault("code.swallow", f"{node.id!r} must neither be raised nor caught; name the error you mean", node)
        elif node.id.startswith("__"):
            self.fault("code.dunder", f"name {node.id!r} is not allowed", node)
        elif not self._is_provided(node):
            self.fault("code.unknown_name", f"name {node.id!r} is not defined in this text", node)

    def _is_provided(self, node: ast.Name) -> bool:
        if node.id in self.provided:
            return True
        return self.mode == "function" and (
            node.id[:1].isupper() or node.id in ("date", "time", "datetime", "timedelta") or self._in_annotation(node)
        )

    def _local(self, node: ast.Name, holder: Scope) -> None:
        """A name that the file binds: it must not stand for a module, nor sometimes for a built-in."""
        dangerous = node.id in policy.DYNAMIC_BUILTINS or node.id in policy.WITHHELD_ERRORS
        above = self.parents.get(node)
        shared = holder.kind in ("module", "class") and node.id not in policy.ORDINARY_NAMES
        if dangerous and (shared or (isinstance(above, ast.Call) and above.func is node)):
            self.fault(
                policy.DYNAMIC_BUILTINS.get(node.id, "code.swallow"), f"{node.id!r} hides a built-in; rename it", node
            )
        origin = self.origin(node)
        if origin is None:
            return
        if self._is_module(origin) and not (isinstance(above, ast.Attribute) and above.value is node):
            self.fault("code.reflection", f"module {origin!r} is used as a value; name what you need of it", node)
        elif not self._is_module(origin):
            self._member_use(origin, node)

    def _bound_name(self, name: str, node: ast.AST) -> None:
        if name.startswith("__") and name.endswith("__"):
            in_class = self.scope.kind == "class" and name in policy.CLASS_NAMES
            in_class = in_class or (self.scope.kind == "class" and self._is_other_name(name))
            at_top = self.scope.kind == "module" and name in ("__all__", "__version__", "__author__")
            if not in_class and not at_top:
                self.fault("code.dunder", f"name {name!r} must not be bound", node)
        dangerous = name in policy.DYNAMIC_BUILTINS or name in policy.WITHHELD_ERRORS
        ordinary = (self.scope.kind == "class" and name in _FIELD_NAMES) or name in policy.ORDINARY_NAMES
        if dangerous and self.scope.kind in ("module", "class") and not ordinary:
            self.fault("code.reflection", f"{name!r} hides a built-in; choose another name", node)

    def _is_other_name(self, name: str) -> bool:
        """`__rmul__ = __mul__`: an operator under another name."""
        values = self.scope.values.get(name, [])
        return name in policy.OPERATORS and all(
            isinstance(value, ast.Name) and value.id in policy.OPERATORS for value in values
        )

    def _guarded(self, node: ast.Name) -> bool:
        """Checks the forms in which `type`, `getattr`, `hasattr` and `hash` are harmless."""
        call = self.parents.get(node)
        if node.id == "type":
            if isinstance(call, ast.Call) and call.func is node:
                return len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Starred)
            if isinstance(call, ast.Subscript) and call.value is node:
                return True
            in_check = isinstance(call, ast.Call) and called_name(call) in ("isinstance", "issubclass")
            return in_check or self._in_annotation(node) or isinstance(call, ast.MatchClass)
        if not isinstance(call, ast.Call) or call.func is not node or call.keywords:
            return False
        if node.id == "hash":
            return self._inside_method("__hash__")
        if not 2 <= len(call.args) <= 3 or any(isinstance(argument, ast.Starred) for argument in call.args):
            return False
        name = call.args[1]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            return False
        if name.value == "__name__":
            return True
        if name.value.startswith("_") and name.value not in self.declared:
            return False
        self._attribute_name(name.value, call.args[1], called=True)
        return name.value not in ("format", "format_map")

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if self._members(alias.name) is None:
                self._refuse_import(alias.name, node)
            self._imported_name(alias.asname or alias.name.partition(".")[0], node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            self.fault("code.import", "relative imports are not allowed; a generated module stands alone", node)
            return
        members = self._members(module)
        for alias in node.names:
            self._imported_name(alias.asname or alias.name, node)
            whole = f"{module}.{alias.name}"
            if alias.name == "*":
                self.fault("code.import", f"'from {module} import *' hides what is imported; name it", node)
            elif self._members(whole) is not None:
                continue
            elif members is None:
                self._refuse_import(module, node, alias.name)
            elif not is_member(alias.name, members):
                self._refuse_member(whole, node)

    def _imported_name(self, name: str, node: ast.AST) -> None:
        self._bound_name(name, node)
        values = self.scope.values.get(name, [])
        if self.mode == "function" and self.scope.kind != "module":
            self.fault("code.import", "imports belong above the function", node)
        if self.mode == "function" and hasattr(builtins, name):  # the import is hoisted: whoever stands beside sees it
            self.fault("code.import", f"{name!r} hides a built-in; import it under another name", node)
        bound_again = any(not isinstance(value, Imported) for value in values) and self.scope.kind != "function"
        if bound_again and not isinstance(self.parents.get(node), ast.Try):
            self.fault("code.import", f"{name!r} is imported and bound again; use two names", node)

    def _refuse_import(self, module: str, node: ast.AST, member: str = "") -> None:
        rule = member_rule(f"{module}.{member}") or module_rule(module)
        top = module.partition(".")[0]
        listed = ", ".join(sorted(self.allowed)) if self.mode == "function" else "the pure part of the standard library"
        remedy = policy.REMEDIES.get(top, f"Allowed: {listed or 'nothing'}")
        self.fault(rule, f"import of {module!r} is not allowed. {remedy}", node)

    def _refuse_member(self, origin: str, node: ast.AST) -> None:
        module, _, name = origin.rpartition(".")
        if self.script and name in policy.SCRIPT_MODULES.get(module, ()):
            return
        rule = member_rule(origin) or "code.import"
        self.fault(rule, f"{name!r} of module {module!r} is not allowed", node)

    def _attribute(self, node: ast.Attribute) -> None:
        base = self.origin(node.value)
        members = self._members(base) if base and base not in CLASSES_LIKE_MODULES else None
        if base and members is not None:
            whole = f"{base}.{node.attr}"
            if is_member(node.attr, members) or self._members(whole) is not None:
                if self._is_module(whole) and not isinstance(self.parents.get(node), ast.Attribute):
                    self.fault("code.reflection", f"module {whole!r} is used as a value", node)
                elif not self._is_module(whole):
                    self._member_use(whole, node)
            elif not self._is_package(whole) or node.attr.startswith("_"):
                self._refuse_member(whole, node)
            if not isinstance(node.ctx, ast.Load):
                self.fault("code.state", f"a value of module {base!r} must not be changed", node)
            return
        if base and self._is_package(base) and self._is_package_path(base):
            return
        if base and member_rule(f"{base}.{node.attr}"):
            self.fault(str(member_rule(f"{base}.{node.attr}")), f"{base}.{node.attr} is not allowed", node)
        call = self.parents.get(node)
        called = isinstance(call, ast.Call) and call.func is node
        if node.attr == "format":
            self._format_receiver(node)
        if node.attr.startswith("_"):
            self._underscore(node)
        else:
            self._attribute_name(node.attr, node, called=called)
        if called and node.attr in policy.CLOCK_METHODS | policy.LOCAL_TIME_METHODS | {"astimezone"}:
            self._clock(node, base)
        elif base in _DATE_CLASSES and node.attr in policy.CLOCK_METHODS:
            self.fault("code.nondeterminism", f"{node.attr!r} reads the clock; take the time as an argument", node)
        if not isinstance(node.ctx, ast.Load):
            self._attribute_store(node)

    def _is_package_path(self, base: str) -> bool:
        return any(known == base or known.startswith(base + ".") for known in (*policy.MODULES, *self.allowed)) and (
            base not in policy.MODULES
        )

    def _underscore(self, node: ast.Attribute) -> None:
        name = node.attr
        if name in policy.ATTRIBUTES_WITH_UNDERSCORES or (self.mode == "file" and name in policy.ITEM_METHODS):
            return
        above = self.parents.get(node)
        if name == "__class__" and isinstance(above, ast.Attribute) and above.attr in ("__name__", "__qualname__"):
            return
        if name.startswith("__") and name.endswith("__"):
            on_super = isinstance(node.value, ast.Call) and called_name(node.value) == "super" and not node.value.args
            if on_super and name in policy.SUPER_METHODS and isinstance(above, ast.Call) and above.func is node:
                return
            if self._sets_frozen_field(node):
                return
            if isinstance(node.value, ast.Name) and name in ("__init__",) and self._is_class(node.value.id):
                return
            self.fault("code.dunder", f"attribute {name!r} is not allowed", node)
        elif name not in self.declared or self.mode == "function":
            self.fault("code.private", f"private attribute {name!r} is not defined by a class of this text", node)

    def _sets_frozen_field(self, node: ast.Attribute) -> bool:
        """`object.__setattr__(self, "name", value)` while a frozen dataclass is built."""
        call = self.parents.get(node)
        return (
            node.attr == "__setattr__"
            and isinstance(node.value, ast.Name)
            and node.value.id == "object"
            and isinstance(call, ast.Call)
            and len(call.args) == 3
            and isinstance(call.args[0], ast.Name)
            and call.args[0].id == "self"
            and isinstance(call.args[1], ast.Constant)
            and isinstance(call.args[1].value, str)
            and not call.args[1].value.startswith("__")
            and (self._inside_method("__post_init__") or self._inside_method("__init__"))
        )

    def _clock(self, node: ast.Attribute, base: str | None) -> None:
        call = self.parents[node]
        if not isinstance(call, ast.Call):
            return
        if isinstance(node.value, ast.Name) and node.value.id == "ctx":
            return
        if node.attr == "astimezone":
            if not call.args and not call.keywords:
                self.fault("code.nondeterminism", "'astimezone' without a zone takes that of the machine", node)
        elif node.attr in policy.LOCAL_TIME_METHODS:
            zoned = len(call.args) + len(call.keywords) >= 2
            if not zoned or node.attr == "utcfromtimestamp":
                self.fault("code.nondeterminism", f"{node.attr!r} without a time zone differs between machines", node)
        elif node.attr not in self.declared:
            self.fault("code.nondeterminism", f"{node.attr!r} reads the clock; take the time as an argument", node)

    def _attribute_store(self, node: ast.Attribute) -> None:
        root = root_of(node)
        if isinstance(root, ast.Name):
            holder = self.scope.find(root.id)
            if holder is None or holder.kind == "module" or root.id == "cls":
                self.fault("code.state", f"{root.id!r} is shared by all runs; build a new value instead", node)
        else:
            self.fault("code.state", "an attribute of a passing value must not be set", node)
        if self.mode == "function" and not self._is_own_context(root):
            self.fault("code.state", "arguments and results are not to be changed; build a new value", node)
        if node.attr.startswith("__") and node.attr.endswith("__"):
            self.fault("code.class", f"{node.attr!r} must not be set", node)

    def _is_own_context(self, root: ast.AST) -> bool:
        """`with localcontext() as context: context.prec = 50` changes nothing that outlives the block."""
        holder = self.scope.find(root.id) if isinstance(root, ast.Name) else None
        values = holder.values[root.id] if holder and isinstance(root, ast.Name) else []
        return bool(values) and all(
            isinstance(value, ast.Call) and self.origin(value.func) == "decimal.localcontext" for value in values
        )

    def _format_receiver(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") and "format" in self.declared:
            return
        if self._is_field_only(node):
            return
        texts = self.choices(node.value, frozenset())
        if texts is None:
            self.fault("code.format", "str.format on a text that is not a constant of this file; use an f-string", node)
            return
        for text in texts:
            problem = format_problem(text)
            if problem:
                self.fault("code.format", f"format string {text[:40]!r} {problem}", node)
            if is_sql(text) and "{" in text:
                self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)

    def _is_field_only(self, node: ast.Attribute) -> bool:
        """`invoice.format` as a field: read, not called, and not on a text."""
        above = self.parents.get(node)
        plain = isinstance(above, (ast.Compare, ast.FormattedValue, ast.Dict, ast.Return, ast.keyword, ast.Match))
        return plain and "format" in self.declared

    def _match_class(self, node: ast.MatchClass) -> None:
        for attribute in node.kwd_attrs:
            if attribute.startswith("_") and attribute not in self.declared:
                self.fault("code.dunder", f"pattern attribute {attribute!r} is not allowed", node)
            else:
                self._attribute_name(attribute, node, called=False)
                if attribute == "format" and "format" not in self.declared:
                    self.fault("code.format", "a pattern must not take a method", node)

    def _capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._bound_name(node.name, node)

    def _yield_names(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            self._bound_name(name, node)
