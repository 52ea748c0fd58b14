"""The walk over a parsed file: every node must be of a kind, and every name and attribute on a list, that is allowed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import compiled_ai
from compiled_ai.gates.code import policy
from compiled_ai.gates.code.scopes import Function, Imported, Parameter, Scope, arguments, build, inside, outside
from compiled_ai.gates.code.text import Fault, is_credential, words_to_a_reader
from compiled_ai.gates.regex import regex_problem

Mode = Literal["function", "file"]
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
_FILE_ONLY = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.ClassDef)
_WORDS: Mapping[type[ast.AST], str] = {
    ast.Global: "global",
    ast.AsyncFunctionDef: "async def",
    ast.ClassDef: "class",
    ast.Await: "await",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
}
_DECORATORS = frozenset(
    """property staticmethod classmethod dataclasses.dataclass functools.lru_cache functools.cache
    functools.cached_property functools.total_ordering functools.wraps functools.singledispatch
    functools.singledispatchmethod enum.unique enum.member enum.nonmember enum.property enum.verify typing.final
    typing.overload typing.override typing.runtime_checkable abc.abstractmethod abc.abstractproperty
    abc.abstractclassmethod abc.abstractstaticmethod contextlib.contextmanager contextlib.asynccontextmanager""".split()
)
_PATTERN_CALLS = frozenset(f"re.{name}" for name in "compile match search fullmatch sub subn split findall finditer".split())
_SQL = re.compile(
    r"\b(SELECT\b[\s\S]*\bFROM\b|INSERT\s+(OR\s+\w+\s+)?INTO\b|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\b|(DROP|ALTER|TRUNCATE|CREATE)\s+"
    r"(TABLE|DATABASE|USER|VIEW|INDEX)\b|MERGE\s+INTO\b|REPLACE\s+INTO\b|UNION\s+(ALL\s+)?SELECT\b|WHERE\s+\S+\s*(=|LIKE|IN|<|>)"
    r"|ORDER\s+BY\s|GRANT\s+\w+\s+(ON|TO)\b|\bEXEC(UTE)?\s+(IMMEDIATE|sp_\w+))"
)
_SQL_LOWER = re.compile(
    r"^\s*(select\s+(\*|[\w.,\s()*]+?)\s+from\s+\S+\s*(where|limit|order|group|join|;|$)|insert\s+into\s+\S+\s*(\(|values|select)"
    r"|update\s+\S+\s+set\s+\S+\s*=|delete\s+from\s+\S+(\s+where|\s*;|\s*$)|drop\s+table\b)",
    re.IGNORECASE,
)
_FIELDS = re.compile(r"\{[^{}]*(?:\.|\[)[^{}]*\}")
_REDIRECT_TEXT = re.compile(
    r"(HTTP/\d[^\n]*\n|\r\n)\s*location:\s*$|^HTTP/\d[\s\S]*\nlocation:\s*$|http-equiv=[\"']?refresh[^>]*$|window\.location", re.IGNORECASE
)
_COMMAND = re.compile(
    r"\s*(sudo\s+)?(rm|ping|curl|wget|nslookup|traceroute|whois|dig|tar|unzip|bash|sh -c|powershell|chmod|chown|nc|ssh|scp|rsync|"
    r"ffmpeg|kill|killall|useradd|mysqldump|pg_dump|openssl|cat /|ls -|ls /|find /|grep -|git clone|docker run|python3? -c)"
    r"(\s+(-\S*|/\S*|[\w./-]+))*\s*[-/'\"=:@]?\s*$"
)
_GENERATOR_NUMBERS = frozenset({1103515245, 6364136223846793005, 1664525, 214013, 48271, 16807, 25214903917})
"""Multipliers of linear congruential generators: home-made random numbers."""
_HIDDEN = re.compile(
    r"__(class|globals|builtins|subclasses|import|mro|bases?|dict|code|getattribute|getattr|reduce|reduce_ex|closure|loader|"
    r"spec|func|self|module|kwdefaults|wrapped|traceback|context|cause|subclasshook|init_subclass|build_class|setstate)__"
)


class _Walk:
    def __init__(self, tree: ast.Module, mode: Mode, allowed: frozenset[str], provided: frozenset[str]) -> None:
        self.tree = tree
        self.mode = mode
        self.allowed = allowed
        self.provided = provided
        self.scopes = build(tree)
        self.found: list[Fault] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self.script: ast.If | None = None
        """The block under `if __name__ == "__main__"`, while it is walked."""
        self.calls: dict[str, list[ast.Call]] = {}
        self.declared: set[str] = set()
        """Attributes that classes of this file define: methods, fields, `self.x = ...`."""
        self.functions: dict[str, list[ast.AST]] = {}
        self.documents: set[ast.AST] = set()
        self.imported_modules: set[str] = set()
        for node in ast.walk(tree):
            self._index(node)
        self.uses_patterns = any(module.partition(".")[0] == "re" for module in self.imported_modules)
        self.scope = self.scopes[tree]
        self.module = self.scope

    # ------------------------------------------------------------------ preparation
    def _index(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            self.calls.setdefault(name, []).append(node)
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
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.declared.add(part.name)
            elif isinstance(part, (ast.AnnAssign, ast.Assign)):
                for target in [part.target] if isinstance(part, ast.AnnAssign) else part.targets:
                    self.declared.update(_target_names(target))

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

    def faults(self) -> list[Fault]:
        self._module_shape()
        for statement in self.tree.body:
            self.script = statement if _is_script_guard(statement) and self.mode == "file" else None
            self.visit(statement)
        return self.found

    # ------------------------------------------------------------------ shape of the whole
    def _module_shape(self) -> None:
        if self.mode == "function":
            self._function_shape()
            return
        for statement in self.tree.body:
            if not self._defines(statement):
                self.fault(
                    "code.import_time", "this statement runs when the file is imported; put it into a function", statement
                )

    def _function_shape(self) -> None:
        defined = [node for node in self.tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        if len(defined) != 1:
            names = ", ".join(repr(node.name) for node in defined) or "none"
            self.fault("code.shape", f"exactly one top-level function is wanted, found {names}", self.tree)
        for node in self.tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)):
                if not (isinstance(node, ast.Expr) and node.value in self.documents):
                    self.fault("code.shape", "only imports may stand beside the function; move this inside it", node)
        for function in defined:
            if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in _own(function)):
                self.fault("code.shape", "the function must return its value, not yield", function)
            for decorator in function.decorator_list:
                self.fault("code.decorator", "the function must not be decorated", decorator)

    def _defines(self, node: ast.stmt) -> bool:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)):
            return True
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Assign):
            return all(isinstance(target, (ast.Name, ast.Tuple)) for target in node.targets)
        if isinstance(node, ast.AnnAssign):
            return isinstance(node.target, ast.Name)
        if isinstance(node, ast.If):
            guard = _is_script_guard(node) or _is_type_checking(node.test)
            return guard and not node.orelse
        return False

    # ------------------------------------------------------------------ the walk
    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, _COMMON) and not (self.mode == "file" and isinstance(node, _FILE_ONLY)):
            if not (self.script and isinstance(node, _FILE_ONLY)):
                word = _WORDS.get(type(node), type(node).__name__)
                self.fault("code.syntax", f"{word!r} is not part of the allowed language here", node)
                if isinstance(node, ast.Global):
                    return
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

    # ------------------------------------------------------------------ names
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

    def _local(self, node: ast.Name, holder: Scope) -> None:
        """A name that the file binds: it must not stand for a module, nor sometimes for a built-in."""
        dangerous = node.id in policy.DYNAMIC_BUILTINS or node.id in policy.WITHHELD_ERRORS
        above = self.parents.get(node)
        if dangerous and (holder.kind in ("module", "class") or (isinstance(above, ast.Call) and above.func is node)):
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
            at_top = self.scope.kind == "module" and name in ("__all__", "__version__", "__author__")
            if not in_class and not at_top:
                self.fault("code.dunder", f"name {name!r} must not be bound", node)
        if name in policy.DYNAMIC_BUILTINS or name in policy.WITHHELD_ERRORS:
            if self.scope.kind == "module" or (self.scope.kind == "class" and name not in ("id", "type", "input", "hash", "open", "print", "license", "dir", "vars", "help", "exit", "format")):
                self.fault("code.reflection", f"{name!r} hides a built-in; choose another name", node)

    def _guarded(self, node: ast.Name) -> bool:
        """Checks the forms in which `type`, `getattr`, `hasattr` and `hash` are harmless."""
        call = self.parents.get(node)
        if node.id == "type":
            if isinstance(call, ast.Call) and call.func is node:
                return len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Starred)
            if isinstance(call, ast.Subscript) and call.value is node:
                return True
            in_check = isinstance(call, ast.Call) and _called(call) in ("isinstance", "issubclass")
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
        self._attribute_name(name.value, call.args[1], called=False)
        return True

    def _inside_method(self, name: str) -> bool:
        scope: Scope | None = self.scope
        while scope is not None:
            if isinstance(scope.node, ast.FunctionDef) and scope.node.name == name:
                return scope.parent is not None and scope.parent.kind == "class"
            scope = scope.parent
        return False

    # ------------------------------------------------------------------ modules and their members
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
        if len(values) == 1 and isinstance(values[0], (ast.Name, ast.Attribute)) and self._plainly_assigned(node.id, values[0]):
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
        return self._members(origin) is not None and origin not in _CLASSES_LIKE_MODULES

    def _members(self, module: str) -> frozenset[str] | None:
        """Returns what may be taken from a module, or `None` if it is not an allowed module."""
        if self.script and module in policy.SCRIPT_MODULES:
            return policy.SCRIPT_MODULES[module] | policy.MODULES.get(module, frozenset())
        permitted = self.mode == "file" or module == "__future__" or _listed(module, self.allowed)
        if module in policy.MODULES:
            members = policy.MODULES[module] - (_WITHHELD.get(module, frozenset()) if self.mode == "function" else frozenset())
            return members if permitted else None
        if module in policy.AWAITED_MODULES and self.mode == "file":
            return policy.AWAITED_MODULES[module]
        if not _listed(module, self.allowed):
            return None
        if module.split(".")[0] == "compiled_ai":
            return library_members(module)
        return frozenset({"*"}) if module in self.allowed or module in self.imported_modules else None

    def _is_package(self, module: str) -> bool:
        return any(known.startswith(module + ".") for known in (*policy.MODULES, *self.allowed))

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
            elif not _in(alias.name, members):
                self._refuse_member(whole, node)

    def _imported_name(self, name: str, node: ast.AST) -> None:
        self._bound_name(name, node)
        values = self.scope.values.get(name, [])
        if self.mode == "function" and self.scope.kind != "module":
            self.fault("code.import", "imports belong above the function", node)
        if any(not isinstance(value, Imported) for value in values) and self.scope.kind != "function":
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

    def _member_use(self, origin: str, node: ast.expr) -> None:
        """Rules for members that are harmless only in one form."""
        if origin in _CONSTANT_CALLS:
            _CONSTANT_CALLS[origin](self, origin, node)
        if origin == "asyncio.gather" and not self.script:
            call = self.parents.get(node)
            if not (isinstance(call, ast.Call) and call.func is node and isinstance(self.parents.get(call), ast.Await)):
                self.fault("code.effect", "asyncio.gather must be awaited on the spot", node)
        if origin in _PATTERN_CALLS:
            self._pattern_use(origin, node)

    # ------------------------------------------------------------------ attributes
    def _attribute(self, node: ast.Attribute) -> None:
        base = self.origin(node.value)
        members = self._members(base) if base and base not in _CLASSES_LIKE_MODULES else None
        if base and members is not None:
            whole = f"{base}.{node.attr}"
            if _in(node.attr, members) or self._members(whole) is not None:
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
        if base and member_rule(f"{base}.{node.attr}") and not self._is_own(node.value):
            self.fault(str(member_rule(f"{base}.{node.attr}")), f"{base}.{node.attr} is not allowed", node)
        call = self.parents.get(node)
        called = isinstance(call, ast.Call) and call.func is node
        if node.attr == "format":
            self._format_receiver(node)
        if node.attr.startswith("_"):
            self._underscore(node)
        else:
            self._attribute_name(node.attr, node, called=called)
        if called and node.attr in policy.CLOCK_METHODS | policy.LOCAL_TIME_METHODS:
            self._clock(node, base)
        elif base in _DATE_CLASSES and node.attr in policy.CLOCK_METHODS:
            self.fault("code.nondeterminism", f"{node.attr!r} reads the clock; take the time as an argument", node)
        if not isinstance(node.ctx, ast.Load):
            self._attribute_store(node)

    def _is_package_path(self, base: str) -> bool:
        return any(known == base or known.startswith(base + ".") for known in (*policy.MODULES, *self.allowed)) and (
            base not in policy.MODULES
        )

    def _is_own(self, node: ast.AST) -> bool:
        return self.origin(node) is None

    def _attribute_name(self, name: str, node: ast.AST, *, called: bool) -> None:
        if name in policy.DENIED_ATTRIBUTES and name not in ():
            self.fault(policy.DENIED_ATTRIBUTES[name], f"attribute {name!r} is not allowed", node)
        elif name in policy.EFFECT_ATTRIBUTES and name not in self.declared and (called or not self._is_data(name)):
            self.fault(policy.EFFECT_ATTRIBUTES[name], f"{name!r} has effects outside; a step of its own does that", node)

    def _is_data(self, name: str) -> bool:
        """Names that are as likely a field as a method: refused only when called."""
        return name in ("system", "redirect", "touch", "fork", "records", "symlink", "randint", "execute", "recv", "spawn")

    def _underscore(self, node: ast.Attribute) -> None:
        name = node.attr
        if name in policy.ATTRIBUTES_WITH_UNDERSCORES:
            return
        above = self.parents.get(node)
        if name == "__class__" and isinstance(above, ast.Attribute) and above.attr in ("__name__", "__qualname__"):
            return
        if name.startswith("__") and name.endswith("__"):
            on_super = isinstance(node.value, ast.Call) and _called(node.value) == "super" and not node.value.args
            if on_super and name in policy.SUPER_METHODS and isinstance(above, ast.Call) and above.func is node:
                return
            if self._sets_frozen_field(node):
                return
            if isinstance(node.value, ast.Name) and name in ("__init__",) and self._is_class(node.value.id):
                return
            self.fault("code.dunder", f"attribute {name!r} is not allowed", node)
        elif name not in self.declared or self.mode == "function":
            self.fault("code.private", f"private attribute {name!r} is not defined by a class of this text", node)

    def _is_class(self, name: str) -> bool:
        return any(isinstance(node, ast.ClassDef) for node in self.functions.get(name, ()))

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
        if node.attr in policy.LOCAL_TIME_METHODS:
            zoned = len(call.args) + len(call.keywords) >= 2
            if not zoned or node.attr == "utcfromtimestamp":
                self.fault("code.nondeterminism", f"{node.attr!r} without a time zone differs between machines", node)
        elif node.attr not in self.declared:
            self.fault("code.nondeterminism", f"{node.attr!r} reads the clock; take the time as an argument", node)

    def _attribute_store(self, node: ast.Attribute) -> None:
        root = _root(node)
        if isinstance(root, ast.Name):
            holder = self.scope.find(root.id)
            if holder is None or holder.kind == "module":
                self.fault("code.state", f"{root.id!r} is shared by all runs; build a new value instead", node)
        else:
            self.fault("code.state", "an attribute of a passing value must not be set", node)
        if self.mode == "function":
            self.fault("code.state", "arguments and results are not to be changed; build a new value", node)
        if node.attr.startswith("__") and node.attr.endswith("__"):
            self.fault("code.class", f"{node.attr!r} must not be set", node)

    # ------------------------------------------------------------------ calls
    def _call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, (ast.Name, ast.Attribute, ast.Subscript)):
            self._mutation(node.func)
        for keyword in node.keywords:
            self._keyword(keyword, node)
        if _called(node) in ("super",) and (node.args or node.keywords):
            self.fault("code.reflection", "super() takes no arguments here", node)
        if _called(node) == "iter" and len(node.args) == 2:
            self.fault("code.endless", "iter with a sentinel may never end", node)
        self._huge_call(node)
        self._codec(node)
        self._fetch(node)
        self._headers(node)
        self._joined_call(node)
        self._handed_in(node)

    def _joined_call(self, node: ast.Call) -> None:
        """`" ".join([...])` and `"...".replace(...)` put SQL together as well."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("join", "replace", "format_map"):
            return
        texts = _text_parts(node)
        dynamic = any(isinstance(part, (ast.Name, ast.Subscript, ast.JoinedStr)) for part in ast.walk(node))
        if dynamic and is_sql(" ".join(texts)):
            self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)

    def _handed_in(self, node: ast.Call) -> None:
        """`urlopen(...)`, `redirect(...)`: an effect is one too if it came as an argument."""
        if not isinstance(node.func, ast.Name) or not node.args or isinstance(node.args[0], ast.Constant):
            return
        name = node.func.id
        holder = self.scope.find(name)
        rule = "code.template" if name == "Template" else policy.EFFECT_ATTRIBUTES.get(name)
        if rule and holder is not None and any(isinstance(value, Parameter) for value in holder.values[name]):
            self.fault(rule, f"{name!r} has effects outside; a step of its own does that", node)

    def _mutation(self, func: ast.Attribute) -> None:
        if func.attr not in policy.MUTATORS:
            return
        root = _root(func)
        if not isinstance(root, ast.Name) or self.script:
            return
        holder = self.scope.find(root.id)
        if holder is not None and holder.kind == "module" and self.scope.kind != "module" and self._is_container(holder, root.id):
            self.fault("code.state", f"{root.id!r} is shared by all runs and must not be changed", func)

    def _is_container(self, holder: Scope, name: str) -> bool:
        return not all(isinstance(value, Imported) for value in holder.values[name])

    def _keyword(self, keyword: ast.keyword, call: ast.Call) -> None:
        value = keyword.value
        constant = value.value if isinstance(value, ast.Constant) else ...
        if keyword.arg and keyword.arg.startswith("__"):
            self.fault("code.dunder", f"keyword {keyword.arg!r} is not allowed", value)
        if keyword.arg == "algorithms" and any(
            isinstance(part, ast.Constant) and str(part.value).lower() == "none" for part in ast.walk(value)
        ):
            self.fault("code.signature", "algorithm 'none' signs nothing", value)
        if keyword.arg in ("debug", "DEBUG") and constant is True and not self.functions.get(_called(call)):
            self.fault("code.debug", "debug=True opens a console to visitors; delete it", value)
        if keyword.arg == "shell" and constant is True:
            self.fault("code.command", "shell=True hands the text to a shell", value)
        if keyword.arg in ("verify", "verify_signature", "verify_exp") and constant is False:
            self.fault("code.signature", f"{keyword.arg}=False believes what is not verified", value)
        if keyword.arg == "autoescape" and constant is False:
            self.fault("code.template", "autoescape=False lets data become markup", value)
        if keyword.arg:
            self._secret(keyword.arg, value, value)

    def _huge_call(self, node: ast.Call) -> None:
        name = _called(node)
        numbers = [argument.value for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, int)]
        if name in ("ljust", "rjust", "center", "zfill", "bytes", "bytearray", "repeat", "pow", "factorial", "range", "expandtabs"):
            limit = 10_000 if name in ("factorial", "pow") else 50_000_000
            if any(number > limit for number in numbers) and not (name == "pow" and len(node.args) == 3):
                self.fault("code.endless", f"{name} with such a number fills the memory or never ends", node)
        if name in ("list", "tuple", "set", "sum", "max", "min", "sorted", "dict", "frozenset", "all", "any", "deque", "join"):
            for argument in node.args:
                if isinstance(argument, ast.Call) and self.origin(argument.func) in ("itertools.count", "itertools.cycle"):
                    self.fault("code.endless", "an endless iterator is used up here", node)
                if (
                    isinstance(argument, ast.Call)
                    and self.origin(argument.func) == "itertools.repeat"
                    and len(argument.args) + len(argument.keywords) == 1
                ):
                    self.fault("code.endless", "an endless iterator is used up here", node)

    def _codec(self, node: ast.Call) -> None:
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("encode", "decode"):
            return
        codec = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "encoding"), None)
        if isinstance(codec, ast.Constant) and isinstance(codec.value, str):
            if codec.value.lower().replace("-", "_").replace(" ", "_") in policy.STRANGE_CODECS:
                self.fault("code.dynamic", f"codec {codec.value!r} hides text; use utf-8", node)
        elif codec is not None and self.mode == "function":
            self.fault("code.dynamic", "the codec must be a constant", node)

    def _fetch(self, node: ast.Call) -> None:
        """`session.get(url)`: a client that came as an argument is an effect all the same."""
        func = node.func
        if not isinstance(func, ast.Attribute) or func.attr not in ("get", "post", "put", "patch", "delete", "head", "request", "fetch", "open", "GET", "stream"):
            return
        receiver = func.value.id if isinstance(func.value, ast.Name) else getattr(func.value, "attr", "")
        if func.attr == "open" and "open" not in self.declared:
            self.fault("code.files", "opening a file is an effect; take its text as an argument", node)
            return
        words = set(re.split(r"_|(?<=[a-z])(?=[A-Z])", receiver.lower()))
        if not words & {"requests", "session", "http", "httpx", "client", "urllib3", "pool", "fetcher", "api", "aiohttp", "async"}:
            return
        target = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "url"), None)
        words_of_places = ("url", "uri", "endpoint", "webhook", "href", "host", "link", "http", "target", "address")
        if isinstance(target, ast.Constant):
            words_of_places = ("http:", "https:")
        if target is not None and _mentions(target, words_of_places):
            self.fault("code.network", "fetching an address is an effect; take the response as an argument", node)

    def _headers(self, node: ast.Call) -> None:
        """A redirect that is written as plain values: `Response(302, location=url)`."""
        for keyword in node.keywords:
            if keyword.arg in ("status", "status_code", "code") and _is_redirect_code(keyword.value):
                names = {other.arg for other in node.keywords}
                if names & {"location", "Location", "url", "headers"}:
                    self.fault("code.redirect", "a redirect whose address comes from data", node)

    # ------------------------------------------------------------------ text: format, patterns, secrets, SQL
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

    def choices(self, node: ast.AST, seen: frozenset[tuple[int, str]], scope: Scope | None = None) -> set[str] | None:
        """Returns every constant text that an expression can be, or `None` if that is not known."""
        scope = scope or self.scope
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        if isinstance(node, ast.IfExp):
            return _both(self.choices(node.body, seen, scope), self.choices(node.orelse, seen, scope))
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
            return _both(own, extra)
        name = _called(node)
        if isinstance(func, ast.Name) and scope.find(name) is None:
            if name in ("enumerate", "sorted", "list", "tuple", "reversed", "set", "frozenset", "iter", "next", "zip", "dict"):
                return self._union(node.args, seen, scope)
            if name in ("range", "len", "int", "float"):
                return set()
        if isinstance(func, ast.Attribute) and func.attr == "dedent" and node.args:
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
        return isinstance(node, ast.Call) and self.origin(node.func) in ("decimal.Decimal", "datetime.date", "datetime.timedelta")

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
        if passed is None:
            return None
        found: set[str] = set()
        for value, scope in passed:
            texts = self.choices(value, seen, scope)
            if texts is None:
                return None
            found |= texts
        return found

    def passed(self, parameter: Parameter) -> list[tuple[ast.expr, Scope]] | None:
        """Returns what callers in this file give for a parameter; `None` if it can also come from outside."""
        function = parameter.function
        if isinstance(function, ast.Lambda):
            return None
        uses = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name) and node.id == function.name]
        calls = [self.parents[use] for use in uses if isinstance(use.ctx, ast.Load)]
        if not calls or not all(isinstance(call, ast.Call) and _called(call) == function.name for call in calls):
            return None
        found: list[tuple[ast.expr, Scope]] = []
        for call in calls:
            assert isinstance(call, ast.Call)
            if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
                return None
            named = next((keyword.value for keyword in call.keywords if keyword.arg == parameter.name), None)
            if named is None and parameter.position < len(call.args):
                named = call.args[parameter.position]
            if named is None:
                named = parameter.default
            if named is not None:
                found.append((named, self._scope_of(call)))
        return found

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
            return any(self.outside(part, self.scopes[node], seen) for part in inside(node) if isinstance(part, ast.expr))
        return any(
            self.outside(child, scope, seen) for child in ast.iter_child_nodes(node) if isinstance(child, (ast.expr, ast.keyword))
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
            return self.outside(node.func.value, scope, seen) or any(self.outside(part, scope, seen) for part in parts[1:])
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
                    if not built or any(self.outside(arg, self._scope_of(call), seen) for call in built for arg in call.args):
                        return True
        return False

    def _pattern_use(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if not isinstance(call, ast.Call):
            self.fault("code.regex", f"{origin} must be called on the spot, so that its pattern can be judged", node)
            return
        if call.func is not node:
            if any(self.outside(part, self.scope) for part in call.args if part is not node):
                self.fault("code.regex", "a pattern from outside can take minutes; write the pattern here", node)
            return
        pattern = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "pattern"), None)
        if pattern is None or isinstance(pattern, ast.Starred):
            self.fault("code.regex", "the pattern must be the first argument, written out", node)
            return
        flags = _flags(call)
        texts = self.patterns(pattern, self.scope)
        if texts is None:
            if self.outside(pattern, self.scope):
                self.fault("code.regex", "a pattern from outside can take minutes; write it here, or use re.escape", node)
            return
        for text in texts:
            problem = regex_problem(text, flags, whole=origin == "re.fullmatch")
            if problem:
                self.fault("code.regex", f"pattern {text[:60]!r} {problem}", node)

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

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, (str, bytes)):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            self._text(text, node)
        elif isinstance(node.value, int) and node.value in _GENERATOR_NUMBERS:
            self.fault("code.random", "a home-made random generator can be foreseen", node)
        elif isinstance(node.value, int) and abs(node.value) > 10**400:
            self.fault("code.endless", "a number of more than 400 digits", node)

    def _text(self, text: str, node: ast.Constant) -> None:
        for fault in words_to_a_reader(text, node.lineno, node.col_offset + 1):
            self.found.append(fault)
        if is_credential(text):
            self.fault("code.secret", "a key, token or password stands in the code; a connection's secret comes from outside", node)
        if node in self.documents:
            return
        if re.match(r"(/var)?/tmp/|[cC]:[/\\\\](temp|windows[/\\\\]temp)[/\\\\]", text):
            self.fault("code.temporary", "a path in a folder that everybody may write to", node)
        if _HIDDEN.search(text):
            self.fault("code.dunder", f"text {text[:40]!r} names an attribute that leads to the interpreter", node)
        if _FIELDS.search(text) and format_problem(text) and ("_" in text or "[" in text):
            problem = format_problem(text)
            if problem and "underscore" in problem:
                self.fault("code.format", f"text {text[:40]!r} {problem}", node)
        if self.uses_patterns and _looks_like_pattern(text):
            problem = regex_problem(text)
            if problem and "exponential" in problem:
                self.fault("code.regex", f"pattern {text[:60]!r} {problem}", node)

    def _assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", None)
            if name is None and isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                name = str(target.slice.value)
            if name is None or node.value is None:
                continue
            self._secret(name, node.value, node)
            debug = isinstance(node.value, ast.Constant) and node.value.value is True
            if debug and (name == "DEBUG" or (name == "debug" and isinstance(target, ast.Attribute))):
                self.fault("code.debug", "a debugging switch is left on; delete it", node)
        for target in targets:
            if isinstance(target, ast.Subscript):
                self._subscript_store(target)

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Subscript):
            self._subscript_store(node.target)
        texts = _text_parts(node.value)
        if texts and is_sql(" ".join(texts)) and isinstance(node.value, (ast.JoinedStr, ast.BinOp)):
            self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)

    def _subscript_store(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Constant) and node.slice.value == "Location" and "header" in _last_name(node.value).lower():
            self.fault("code.redirect", "a redirect whose address comes from data", node)
        root = _root(node)
        if isinstance(root, ast.Name) and not self.script:
            holder = self.scope.find(root.id)
            if holder is not None and holder.kind == "module":
                self.fault("code.state", f"{root.id!r} is shared by all runs and must not be changed", node)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self._subscript_store(target)

    def _secret(self, name: str, value: ast.expr, node: ast.AST) -> None:
        if isinstance(value, ast.Constant) and isinstance(value.value, (str, bytes)) and looks_secret(name, value.value):
            self.fault("code.secret", f"{name!r} is written into the code; a connection's secret comes from outside", node)

    def _compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for side in sides:
            name = side.id if isinstance(side, ast.Name) else getattr(side, "attr", None)
            if isinstance(side, ast.Subscript) and isinstance(side.slice, ast.Constant):
                name = str(side.slice.value)
            for other in sides:
                if name and other is not side and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
                    self._secret(name, other, node)
                    self._known_password(name, other, node)
        self._compares_signature(sides, node)

    def _known_password(self, name: str, other: ast.expr, node: ast.AST) -> None:
        """`password == "password"`, `USERS.get(user) == password`: what is compared with stands in the code."""
        if name.lower().rpartition("_")[2] not in ("password", "passwd", "pwd", "passphrase", "pw"):
            return
        texts = self.choices(other, frozenset())
        if texts and any(texts):
            self.fault("code.secret", f"{name!r} is compared with a text of this file", node)

    def _compares_signature(self, sides: list[ast.expr], node: ast.Compare) -> None:
        digests = [side for side in sides if isinstance(side, ast.Call) and _called(side) in ("hexdigest", "digest")]
        named = [side for side in sides if _mentions(side, ("signature", "hmac", "_sig", "_mac"))]
        if digests and named and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            self.fault("code.signature", "a signature is compared with ==; use hmac.compare_digest", node)

    def _dict(self, node: ast.Dict) -> None:
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        for key, value in zip(keys, node.values, strict=True):
            constant = value.value if isinstance(value, ast.Constant) else ...
            if isinstance(key, str):
                self._dict_secret(key, value)
            if key in ("verify_signature", "verify", "verify_exp", "verify_aud") and constant is False:
                self.fault("code.signature", f"{key!r} is switched off", value)
            if key == "alg" and isinstance(constant, str) and constant.lower() == "none":
                self.fault("code.signature", "algorithm 'none' signs nothing", value)
            if key == "DEBUG" and constant is True:
                self.fault("code.debug", "a debugging switch is left on; delete it", value)
            if key == "Location" and constant is ...:
                self.fault("code.redirect", "a redirect whose address comes from data", value)
        if any(_is_redirect_code(value) for value in node.values):
            inner = [pair for part in ast.walk(node) if isinstance(part, ast.Dict) for pair in zip(part.keys, part.values, strict=True)]
            for name, value in inner:
                text = name.value if isinstance(name, ast.Constant) else None
                if str(text).lower() in ("location", "redirect", "redirect_url", "url") and not isinstance(value, ast.Constant):
                    self.fault("code.redirect", "a redirect whose address comes from data", value)

    def _dict_secret(self, key: str, value: ast.expr) -> None:
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and " " not in value.value:
            if looks_secret(key, value.value) and not _is_word(value.value):
                self.fault("code.secret", f"{key!r} is written into the code; a connection's secret comes from outside", value)

    def _joined(self, node: ast.JoinedStr) -> None:
        texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        dynamic = any(isinstance(part, ast.FormattedValue) for part in node.values)
        if dynamic and is_sql(" ? ".join(map(str, texts))):
            self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)
        for part in node.values:
            spec = part.format_spec if isinstance(part, ast.FormattedValue) else None
            if isinstance(spec, ast.JoinedStr) and any(re.search(r"\d{6,}", text) for text in _text_parts(spec)):
                self.fault("code.endless", "a width that fills the memory", node)
        if dynamic and any(_REDIRECT_TEXT.search(str(text)) for text in texts):
            self.fault("code.redirect", "a redirect whose address comes from data", node)
        if dynamic and isinstance(node.values[0], ast.Constant) and _COMMAND.match(str(texts[0])):
            self.fault("code.command", "a shell command is put together from text", node)

    def _binary(self, node: ast.BinOp) -> None:
        above = self.parents.get(node)
        nested = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add) and isinstance(node.op, ast.Add)
        if isinstance(node.op, (ast.Add, ast.Mod)) and not nested:
            texts = _text_parts(node)
            constant = all(isinstance(part, (ast.Constant, ast.BinOp, ast.operator)) for part in ast.walk(node))
            if texts and not constant and is_sql(" ? ".join(texts)):
                self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)
            if texts and not constant and any(_REDIRECT_TEXT.search(text) for text in texts):
                self.fault("code.redirect", "a redirect whose address comes from data", node)
            if texts and not constant and _COMMAND.match(_first_text(node)):
                self.fault("code.command", "a shell command is put together from text", node)
        if isinstance(node.op, ast.BitXor) and any(
            isinstance(side, ast.Subscript) and "key" in _last_name(side.value).lower() for side in (node.left, node.right)
        ):
            self.fault("code.crypto", "a home-made cipher protects nothing", node)
        if isinstance(node.op, (ast.Pow, ast.LShift)) and isinstance(node.right, ast.Constant):
            if isinstance(node.right.value, int) and node.right.value > 100_000:
                self.fault("code.endless", "a power that fills the memory", node)
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.BinOp) and isinstance(node.right.op, ast.Pow):
            self.fault("code.endless", "a power of a power fills the memory", node)
        if isinstance(node.op, ast.Mod) and any(re.search(r"%[^%\w]*\d{6,}", text) for text in _text_parts(node.left)):
            self.fault("code.endless", "a width that fills the memory", node)
        if isinstance(node.op, ast.Mult):
            for left, right in ((node.left, node.right), (node.right, node.left)):
                sequence = isinstance(left, (ast.List, ast.Tuple, ast.JoinedStr)) or (
                    isinstance(left, ast.Constant) and isinstance(left.value, (str, bytes))
                )
                if sequence and _number(right) > 10_000_000:
                    self.fault("code.endless", "a repetition that fills the memory", node)

    # ------------------------------------------------------------------ statements
    def _while(self, node: ast.While) -> None:
        dynamic = any(isinstance(part, (ast.Name, ast.Call, ast.Attribute)) for part in ast.walk(node.test))
        if dynamic:
            return
        leaves = any(isinstance(part, (ast.Return, ast.Raise)) for part in _own(node))
        breaks = any(isinstance(part, ast.Break) for part in _own_loop(node))
        yields = any(isinstance(part, (ast.Yield, ast.Await)) for part in _own(node))
        if not (leaves or breaks or yields):
            self.fault("code.endless", "this loop has no way out", node)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        if isinstance(node.iter, ast.Call):
            endless = self.origin(node.iter.func) in ("itertools.count", "itertools.cycle")
            leaves = any(isinstance(part, (ast.Return, ast.Raise, ast.Yield)) for part in _own(node))
            if endless and not leaves and not any(isinstance(part, ast.Break) for part in _own_loop(node)):
                self.fault("code.endless", "this loop has no way out", node)
        if isinstance(node.iter, ast.Name):
            grown = [
                part
                for part in _own(node)
                if isinstance(part, ast.Call)
                and isinstance(part.func, ast.Attribute)
                and part.func.attr in ("append", "extend", "insert")
                and isinstance(part.func.value, ast.Name)
                and part.func.value.id == node.iter.id
            ]
            leaves = any(isinstance(part, (ast.Return, ast.Raise, ast.Break, ast.If)) for part in _own(node))
            if grown and not leaves:
                self.fault("code.endless", "the list grows while it is walked", grown[0])

    def _handler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            return
        raised = any(isinstance(part, ast.Raise) for part in node.body)
        looping: ast.AST = node
        in_while = False
        while looping in self.parents:
            looping = self.parents[looping]
            in_while = in_while or isinstance(looping, ast.While)
        if (self.mode == "function" and not raised) or in_while:
            self.fault("code.swallow", "a bare 'except:' swallows the signals that stop this code; name the error", node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._defined_name(node)
        for decorator in node.decorator_list:
            self._decorator(decorator)
        for argument in arguments(node.args):
            self._argument(argument)
        for default in (*node.args.defaults, *(value for value in node.args.kw_defaults if value)):
            if self.mode == "function" and isinstance(default, (ast.List, ast.Dict, ast.Set, ast.Call, ast.ListComp)):
                self.fault("code.state", "a default that can change is shared by all calls; use None", default)
        self._default_secrets(node.args)
        if re.match(r"_*(en|de)(crypt|cipher)", node.name, re.I):
            self.fault("code.crypto", "a home-made cipher protects nothing; cryptography has no place in a decision", node)
        self._annotation(node.returns)
        self._recursion(node)
        self._token_parts(node)
        self._unused_signature(node)
        if self.scope.kind == "class":
            self._method(node)
        elif node.name.startswith("__") and node.name.endswith("__"):
            self.fault("code.dunder", f"function name {node.name!r} is not allowed", node)

    def _defined_name(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if self.scope.kind == "module" and (node.name in policy.DYNAMIC_BUILTINS or node.name in policy.WITHHELD_ERRORS):
            self.fault("code.reflection", f"{node.name!r} hides a built-in; choose another name", node)

    def _argument(self, argument: ast.arg) -> None:
        if argument.arg.startswith("__") and argument.arg.endswith("__"):
            self.fault("code.dunder", f"parameter {argument.arg!r} is not allowed", argument)
        self._annotation(argument.annotation)

    def _default_secrets(self, args: ast.arguments) -> None:
        plain = [*args.posonlyargs, *args.args]
        pairs = list(zip(plain[len(plain) - len(args.defaults) :], args.defaults, strict=True))
        pairs += [(argument, value) for argument, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value]
        for argument, value in pairs:
            self._secret(argument.arg, value, value)

    def _recursion(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function that calls itself whatever happens."""
        branches = (ast.If, ast.IfExp, ast.Match, ast.Try, ast.BoolOp, ast.For, ast.While, ast.Compare, ast.ListComp,
                    ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.Lambda, ast.AsyncFor)  # fmt: skip
        own = list(_own(node))
        if any(isinstance(part, branches) for part in own) or self.scope.kind == "class":
            return
        if any(isinstance(part, ast.Call) and _called(part) == node.name and isinstance(part.func, ast.Name) for part in own):
            self.fault("code.endless", f"{node.name!r} calls itself without an end", node)

    def _token_parts(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A token that is split at its dots and decoded, without its signature being looked at."""
        calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
        splits = any(
            _called(call) in ("split", "rsplit", "partition", "rpartition")
            and call.args
            and isinstance(call.args[0], ast.Constant)
            and call.args[0].value in (".", b".")
            for call in calls
        )
        decodes = any(_called(call) in ("urlsafe_b64decode", "b64decode", "standard_b64decode") for call in calls)
        verified = any(_called(call) in ("compare_digest", "verify") for call in ast.walk(self.tree) if isinstance(call, ast.Call))
        if splits and decodes and not verified:
            self.fault("code.signature", "the parts of a token are decoded and its signature is not verified", node)

    def _unused_signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        named = [a for a in arguments(node.args) if a.arg in ("signature", "sig", "mac", "hmac", "hmac_signature", "x_signature")]
        used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if re.search(r"verif|check|valid|auth|webhook|handle|decode|token", node.name, re.I):
            for argument in named:
                if argument.arg not in used and len(node.body) > 0:
                    self.fault("code.signature", f"{argument.arg!r} is taken and never verified", argument)

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        name = node.name
        if name.startswith("__") and name.endswith("__") and name not in policy.SPECIAL_METHODS:
            self.fault("code.class", f"special method {name!r} changes what other code does", node)
        if name.startswith("_") and name.endswith("_") and not name.startswith("__") and name not in policy.SPECIAL_METHODS:
            self.fault("code.class", f"special method {name!r} is not allowed", node)
        if name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__") and len(node.args.args) > 1:
            other = node.args.args[1].arg
            if not any(isinstance(part, ast.Name) and part.id == other for part in ast.walk(node)):
                self.fault("code.class", f"{name!r} does not look at what it is compared with", node)

    def _decorator(self, node: ast.expr) -> None:
        func = node.func if isinstance(node, ast.Call) else node
        origin = self.origin(func)
        if isinstance(func, ast.Name) and (func.id in self.functions or func.id in _DECORATORS):
            if func.id in _DECORATORS or self.scope.find(func.id):
                return
        if isinstance(func, ast.Attribute) and func.attr in ("setter", "getter", "deleter", "register"):
            return
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in self.functions:
            return
        if origin is None or origin not in _DECORATORS:
            self.fault("code.decorator", "only known decorators and functions of this file may decorate", node)

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and not self._in_literal(part):
                self._text_annotation(part)
            elif isinstance(part, ast.Call) and not self._in_annotated(part):
                self.fault("code.annotation", "an annotation must name types only", part)
            elif isinstance(part, (ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.NamedExpr, ast.Await, ast.Yield, ast.IfExp,
                                   ast.JoinedStr, ast.SetComp, ast.DictComp, ast.YieldFrom)):  # fmt: skip
                self.fault("code.annotation", "an annotation must name types only", part)

    def _in_literal(self, node: ast.AST) -> bool:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.Subscript) and _last_name(node.value) in ("Literal", "Annotated"):
                return True
            if isinstance(node, ast.stmt):
                return False
        return False

    def _in_annotated(self, node: ast.AST) -> bool:
        return self._in_literal(node)

    def _text_annotation(self, node: ast.Constant) -> None:
        try:
            parsed = ast.parse(str(node.value).strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.fault("code.annotation", f"annotation {node.value!r} is no type", node)
            return
        allowed = (ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple,
                   ast.List, ast.Load)  # fmt: skip
        for part in ast.walk(parsed):
            dunder = getattr(part, "attr", getattr(part, "id", ""))
            if not isinstance(part, allowed) or str(dunder).startswith("_"):
                self.fault("code.annotation", f"annotation {node.value!r} does more than name a type", node)
                return

    def _annotated_assign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self._assign(node)

    def _class(self, node: ast.ClassDef) -> None:
        self._defined_name(node)
        if node.name.startswith("__") and node.name.endswith("__"):
            self.fault("code.dunder", f"class name {node.name!r} is not allowed", node)
        for keyword in node.keywords:
            fine = keyword.arg in ("total", "frozen", "boundary") and isinstance(keyword.value, (ast.Constant, ast.Name, ast.Attribute))
            meta = keyword.arg == "metaclass" and self.origin(keyword.value) == "abc.ABCMeta"
            if not fine and not meta:
                self.fault("code.class", f"class keyword {keyword.arg!r} changes how the class is made", keyword.value)
        for base in node.bases:
            self._base(base)
        for decorator in node.decorator_list:
            self._decorator(decorator)
        for statement in node.body:
            if not self._class_statement(statement):
                self.fault("code.import_time", "this statement runs when the class is made; put it into a method", statement)

    def _class_statement(self, node: ast.stmt) -> bool:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)):
            return True
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        return isinstance(node, (ast.Assign, ast.AnnAssign)) and all(isinstance(t, (ast.Name, ast.Tuple)) for t in targets)

    def _base(self, node: ast.expr) -> None:
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
            self.fault("code.class", "a base class must be named", node)
        if isinstance(node, ast.Call) and self.origin(node.func) not in (
            "collections.namedtuple", "typing.NamedTuple", "typing.TypedDict", "collections.abc.namedtuple",
        ):  # fmt: skip
            self.fault("code.class", "a base class must be named, not computed", node)
        if isinstance(node, ast.Name) and node.id in ("type", "property", "classmethod", "staticmethod", "super"):
            self.fault("code.class", f"{node.id!r} must not be a base class", node)
        if self.origin(node) in ("abc.ABCMeta", "enum.EnumMeta", "enum.EnumType", "string.Template"):
            self.fault("code.class", "a metaclass must not be a base class", node)

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

    def _with_item(self, node: ast.withitem) -> None:
        fine = self.mode == "file" or (
            isinstance(node.context_expr, ast.Call)
            and self.origin(node.context_expr.func) in ("decimal.localcontext", "contextlib.suppress")
        )
        if not fine:
            self.fault("code.syntax", "'with' is not part of the allowed language here", node.context_expr)

    def _await(self, node: ast.Await) -> None:
        return

    def _yield_names(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            self._bound_name(name, node)

    def _assert(self, node: ast.Assert) -> None:
        return

    def _starred_dict(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            text = node.slice.value
            if text.startswith("__") and text.endswith("__"):
                self.fault("code.dunder", f"key {text!r} names an attribute that leads to the interpreter", node)

    # ------------------------------------------------------------------ members with one harmless form
    def _literal_names(self, origin: str, node: ast.expr) -> None:
        """`attrgetter("amount")` and `methodcaller("strip")`: constant, plain names, called on the spot."""
        call = self.parents.get(node)
        texts = call.args[:1] if isinstance(call, ast.Call) and origin.endswith("methodcaller") else getattr(call, "args", [])
        fine = isinstance(call, ast.Call) and call.func is node and call.args and not call.keywords
        if not fine or not all(isinstance(text, ast.Constant) and isinstance(text.value, str) for text in texts):
            self.fault("code.reflection", f"{origin} must be called with constant names", node)
            return
        for text in texts:
            for part in str(text.value).split("."):  # type: ignore[attr-defined]
                if not part.isidentifier() or part.startswith("_") or part in ("format", "format_map"):
                    self.fault("code.reflection", f"{origin} must not reach {part!r}", node)
                else:
                    self._attribute_name(part, node, called=True)

    def _constant_template(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if self._in_annotation(node):
            return
        if not isinstance(call, ast.Call) or call.func is not node or not call.args or self.choices(call.args[0], frozenset()) is None:
            self.fault("code.template", "a template must be a constant of this file", node)

    def _constant_algorithm(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        index = 2 if origin == "hmac.new" else 2 if origin == "hmac.digest" else 0
        given: ast.expr | None = None
        if isinstance(call, ast.Call) and call.func is node:
            given = call.args[index] if len(call.args) > index else next(
                (k.value for k in call.keywords if k.arg in ("digestmod", "digest", "name", "hash_name")), None
            )
        if given is not None and self.origin(given) and str(self.origin(given)).startswith("hashlib."):
            return
        if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
            self.fault("code.hash", f"{origin} must name its algorithm as a constant", node)
        elif given.value.lower().replace("-", "") in ("md5", "sha1", "md4", "ripemd160", "sha"):
            self.fault("code.hash", f"{given.value!r} can be forged; use sha256", node)

    def _password_hash(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if isinstance(call, ast.Call) and call.func is node:
            if any(self._about(argument, ("password", "passwd", "pwd", "passphrase", "pin_code")) for argument in call.args):
                self.fault("code.hash", "a bare hash of a password can be guessed; passwords do not belong into a decision", node)

    def _about(self, node: ast.AST, words: tuple[str, ...], depth: int = 0) -> bool:
        """Tells whether an expression, or what its names were assigned, mentions one of the words."""
        if _mentions(node, words):
            return True
        if depth > 3:
            return False
        for part in ast.walk(node):
            holder = self.scope.find(part.id) if isinstance(part, ast.Name) else None
            for value in holder.values[part.id] if holder and isinstance(part, ast.Name) else ():
                if isinstance(value, ast.expr) and self._about(value, words, depth + 1):
                    return True
        return False

    def _iterations(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if isinstance(call, ast.Call) and call.func is node:
            self._constant_algorithm(origin, node)
            count = call.args[3] if len(call.args) > 3 else next((k.value for k in call.keywords if k.arg == "iterations"), None)
            if isinstance(count, ast.Constant) and isinstance(count.value, int) and count.value < 100_000:
                self.fault("code.hash", "so few iterations can be tried out; at least 100,000", node)
            salt = call.args[2] if len(call.args) > 2 else None
            if isinstance(salt, ast.Constant):
                self.fault("code.hash", "a constant salt protects nobody", node)

    def _wraps(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if not (isinstance(call, ast.Call) and call.func is node and len(call.args) == 1 and not call.keywords):
            self.fault("code.reflection", "functools.wraps takes the wrapped function and nothing else", node)


_WITHHELD: Mapping[str, frozenset[str]] = {
    "collections": frozenset({"namedtuple"}),
    "functools": frozenset({"singledispatch", "singledispatchmethod", "lru_cache", "cache", "cached_property", "wraps"}),
    "operator": frozenset({"attrgetter", "methodcaller", "setitem", "delitem"}),
    "typing": frozenset({"NamedTuple"}),
    "string": frozenset({"Template"}),
}
"""What a file may use and a generated function may not (the loader does not give it either)."""

_CLASSES_LIKE_MODULES = frozenset({"datetime.datetime", "datetime.time"})
_DATE_CLASSES = frozenset({"datetime.datetime", "datetime.date"})
_CONSTANT_CALLS: dict[str, Callable[[_Walk, str, ast.expr], None]] = {
    "operator.attrgetter": _Walk._literal_names,
    "operator.methodcaller": _Walk._literal_names,
    "string.Template": _Walk._constant_template,
    "hashlib.new": _Walk._constant_algorithm,
    "hmac.new": _Walk._constant_algorithm,
    "hmac.HMAC": _Walk._constant_algorithm,
    "hmac.digest": _Walk._constant_algorithm,
    "hashlib.pbkdf2_hmac": _Walk._iterations,
    "functools.wraps": _Walk._wraps,
} | {f"hashlib.{name}": _Walk._password_hash for name in policy.MODULES["hashlib"] if name.startswith(("sha", "blake"))}

_CHECKS: dict[type[ast.AST], Callable[[_Walk, ast.AST], None]] = {
    ast.Name: _Walk._name,
    ast.Attribute: _Walk._attribute,
    ast.Call: _Walk._call,
    ast.Import: _Walk._import,
    ast.ImportFrom: _Walk._import_from,
    ast.Constant: _Walk._constant,
    ast.Assign: _Walk._assign,
    ast.AnnAssign: _Walk._annotated_assign,
    ast.AugAssign: _Walk._augmented,
    ast.Delete: _Walk._delete,
    ast.Compare: _Walk._compare,
    ast.Dict: _Walk._dict,
    ast.JoinedStr: _Walk._joined,
    ast.BinOp: _Walk._binary,
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
    ast.Subscript: _Walk._starred_dict,
    ast.Nonlocal: _Walk._yield_names,
}  # type: ignore[assignment]


def module_rule(module: str) -> str:
    """Returns the rule that answers for a module which is not allowed."""
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        rule = policy.MODULE_RULES.get(".".join(parts[:size]))
        if rule:
            return rule
    return "code.import"


_MEMBER_RULES: Mapping[str, str] = {
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


def member_rule(origin: str) -> str | None:
    return _MEMBER_RULES.get(origin)


@lru_cache(maxsize=64)
def library_members(module: str) -> frozenset[str] | None:
    """Returns the public names that a module of our own library defines itself, read from its source."""
    parts = module.split(".")[1:]
    base = Path(compiled_ai.__file__).parent.joinpath(*parts)
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if parts[:1] != ["library"] or parts[1:2] in (["loading"],) or not path.is_file():
        return None
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names.update(_target_names(target))
    return frozenset(name for name in names if not name.startswith("_"))


def _listed(module: str, allowed: frozenset[str]) -> bool:
    parts = module.split(".")
    return module in allowed or any(".".join((*parts[:size], "*")) in allowed for size in range(1, len(parts) + 1))


def _in(name: str, members: frozenset[str]) -> bool:
    return name in members or ("*" in members and not name.startswith("_"))


def _target_names(target: ast.AST) -> set[str]:
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Attribute):
        return {target.attr} if isinstance(target.value, ast.Name) and target.value.id in ("self", "cls") else set()
    if isinstance(target, (ast.Tuple, ast.List)):
        return {name for part in target.elts for name in _target_names(part)}
    return set()


def _own(top: ast.AST) -> Iterator[ast.AST]:
    """Everything inside a statement except nested functions and classes."""
    waiting = list(ast.iter_child_nodes(top))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def _own_loop(top: ast.AST) -> Iterator[ast.AST]:
    """Everything inside a loop except nested loops (whose `break` is their own)."""
    waiting = list(ast.iter_child_nodes(top))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.While, ast.For, ast.AsyncFor)):
            waiting.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def _is_script_guard(node: ast.AST) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare) or node.orelse:
        return False
    sides = [node.test.left, *node.test.comparators]
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    main = any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
    return named and main and len(sides) == 2 and isinstance(node.test.ops[0], ast.Eq)


def _is_type_checking(node: ast.expr) -> bool:
    return _last_name(node) == "TYPE_CHECKING"


def _last_name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _called(call: ast.Call) -> str:
    return _last_name(call.func)


def _root(node: ast.AST) -> ast.AST:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def _both(left: set[str] | None, right: set[str] | None) -> set[str] | None:
    return None if left is None or right is None else left | right


def _mentions(node: ast.AST, words: tuple[str, ...]) -> bool:
    for part in ast.walk(node):
        text = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else None
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and len(part.value) < 100:
            text = part.value
        if text and any(word in text.lower() for word in words):
            return True
    return False


def _number(node: ast.AST) -> int:
    """The value of a constant number or power, 0 if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.Mult, ast.LShift)):
        left, right = _number(node.left), _number(node.right)
        if isinstance(node.op, ast.Mult):
            return left * right
        size = left.bit_length() * right if isinstance(node.op, ast.Pow) else left.bit_length() + right
        if size > 4096:
            return 10**100
        return left**right if isinstance(node.op, ast.Pow) else left << right
    return 0


def _first_text(node: ast.AST) -> str:
    while isinstance(node, ast.BinOp):
        node = node.left
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _text_parts(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def is_sql(text: str) -> bool:
    return bool(_SQL.search(text) or _SQL_LOWER.search(text))


def _is_redirect_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (301, 302, 303, 307, 308) and not isinstance(node.value, bool)


def _flags(call: ast.Call) -> int:
    names = {part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in ast.walk(call)}
    table = {"I": re.I, "IGNORECASE": re.I, "S": re.S, "DOTALL": re.S, "X": re.X, "VERBOSE": re.X, "M": re.M, "A": re.A}
    value = 0
    for name in names:
        value |= int(table.get(name, 0))
    return value


def _looks_like_pattern(text: str) -> bool:
    return len(text) < 2_000 and any(char in text for char in "*+{") and any(char in text for char in "([")


def format_problem(text: str) -> str | None:
    """Returns why a format string is refused: a field that reaches a private or denied attribute."""
    from string import Formatter

    try:
        fields = [(name, spec) for _, name, spec, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return None
    for name, spec in fields:
        for part in re.split(r"[.\[\]]", name)[1:]:
            if part.startswith("_") or part in policy.DENIED_ATTRIBUTES:
                return f"reaches {part!r} (an underscore or a denied attribute)"
        widths = [int(number) for number in re.findall(r"\d{6,}", spec or "")]
        if widths:
            return "pads to a width that fills the memory"
        nested = format_problem(spec) if spec and "{" in spec else None
        if nested:
            return nested
    return None


_SECRET_WORDS = frozenset(
    """password passwd pwd passphrase passcode secret apikey api_key access_key secret_key private_key auth_key
    auth_token access_token refresh_token bearer_token api_token api_secret client_secret credential credentials
    encryption_key signing_key jwt_secret master_key db_pass password_hash secret_token session_key aes_key
    """.split()
)
_PLACEHOLDER = re.compile(r"^(|x+|\*+|\.+|-+|none|null|todo|tbd|n/?a|<.*>|\{.*\}|\$.*|%.*|env:.*)$", re.I)


def looks_secret(name: str, value: str | bytes) -> bool:
    """Tells whether a constant under this name is a password, key or token."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").replace("-", "_").split("_")
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    plain = "_".join(words)
    if _PLACEHOLDER.match(text) or len(text) < 3 or text.lower().replace("-", "_") in (plain, words[-1]):
        return False
    if isinstance(value, bytes) and words[-1] in ("key", "iv", "salt", "nonce") and len(value) >= 4:
        return True
    ends = {"_".join(words[-size:]) for size in (1, 2)}
    if ends & _SECRET_WORDS or any(word in ("password", "passwd") for word in words[-1:]):
        return not _is_prose(text)
    if words[-1] in ("token", "key", "auth", "pass", "pw", "pin", "salt") and len(text) >= 12:
        return bool(re.fullmatch(r"[A-Za-z0-9+/_=.:-]+", text)) and any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    return words[-1] in ("pass", "pw", "passwort") and len(text) >= 4 and not _is_prose(text)


def _is_prose(text: str) -> bool:
    """A message, a pattern or a label, and no secret."""
    if re.search(r"[\\^$\[\]()*?|]{2,}|\\[dws]", text):
        return True
    return " " in text and text.count(" ") >= 2


def _is_word(text: str) -> bool:
    """One plain word, as labels and field kinds are."""
    return bool(re.fullmatch(r"[A-Za-z]{3,14}", text)) and (text.islower() or text.isupper() or text.istitle())
