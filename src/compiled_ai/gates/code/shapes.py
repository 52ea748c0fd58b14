"""Statements, functions and classes: what may stand where, and what may be made."""

from __future__ import annotations

import ast
import re

from compiled_ai.gates.code import policy
from compiled_ai.gates.code.nodes import (
    called_name,
    can_change,
    is_script_guard,
    is_type_checking,
    last_name,
    own_loop,
    own_nodes,
)
from compiled_ai.gates.code.scopes import arguments
from compiled_ai.gates.code.weaknesses import Weaknesses

_DECORATORS = frozenset(
    [
        "property",
        "staticmethod",
        "classmethod",
        "dataclasses.dataclass",
        "functools.lru_cache",
        "functools.cache",
        "functools.cached_property",
        "functools.total_ordering",
        "functools.wraps",
        "functools.singledispatch",
        "functools.singledispatchmethod",
        "enum.unique",
        "enum.member",
        "enum.nonmember",
        "enum.property",
        "enum.verify",
        "typing.final",
        "typing.overload",
        "typing.override",
        "typing.runtime_checkable",
        "abc.abstractmethod",
        "abc.abstractproperty",
        "abc.abstractclassmethod",
        "abc.abstractstaticmethod",
        "contextlib.contextmanager",
        "contextlib.asynccontextmanager",
    ]
)


_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class Shapes(Weaknesses):
    """Statements, functions and classes: what may stand where, and what may be made."""

    def _module_shape(self) -> None:
        if self.mode == "function":
            self._function_shape()
            return
        for statement in self.tree.body:
            if not self._defines(statement):
                self.fault(
                    "code.import_time",
                    "this statement runs when the file is imported; put it into a function",
                    statement,
                )

    def _function_shape(self) -> None:
        defined = [node for node in self.tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        if len(defined) != 1:
            names = ", ".join(repr(node.name) for node in defined) or "none"
            self.fault("code.shape", f"exactly one top-level function is wanted, found {names}", self.tree)
        for node in self.tree.body:
            stands = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom))
            if not stands and not (isinstance(node, ast.Expr) and node.value in self.documents):
                self.fault("code.shape", "only imports may stand beside the function; move this inside it", node)
        for function in defined:
            if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in own_nodes(function)):
                self.fault("code.shape", "the function must return its value, not yield", function)
            for decorator in function.decorator_list:
                self.fault("code.decorator", "the function must not be decorated", decorator)

    def _defines(self, node: ast.stmt) -> bool:
        if isinstance(
            node,
            (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass, ast.Assert),
        ):
            return True
        if isinstance(node, ast.Try):
            return _falls_back(node) and all(map(self._defines, _statements(node)))
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Assign):
            return all(isinstance(target, (ast.Name, ast.Tuple)) for target in node.targets)
        if isinstance(node, ast.AnnAssign):
            return isinstance(node.target, ast.Name)
        if isinstance(node, ast.If):
            guard = is_script_guard(node) or is_type_checking(node.test)
            return guard and not node.orelse
        return False

    def _while(self, node: ast.While) -> None:
        if self._can_change(node):
            return
        leaves = any(isinstance(part, (ast.Return, ast.Raise)) for part in own_nodes(node))
        breaks = any(isinstance(part, ast.Break) for part in own_loop(node))
        yields = any(isinstance(part, (ast.Yield, ast.Await)) for part in own_nodes(node))
        if not (leaves or breaks or yields):
            self.fault("code.endless", "this loop has no way out", node)

    def _can_change(self, loop: ast.While) -> bool:
        """Tells whether the condition of a loop may come out differently on another turn."""
        names = {part.id for part in ast.walk(loop.test) if isinstance(part, ast.Name)}
        if any(isinstance(part, (ast.Call, ast.Attribute, ast.Subscript, ast.Await)) for part in ast.walk(loop.test)):
            return True
        compares = [part for part in ast.walk(loop.test) if isinstance(part, ast.Compare)]
        ordered = bool(compares) and all(isinstance(op, _ORDERS) for part in compares for op in part.ops)
        for part in (each for statement in loop.body for each in ast.walk(statement)):
            if isinstance(part, ast.Name) and part.id in names and (not ordered or not isinstance(part.ctx, ast.Load)):
                return True
            if isinstance(part, (ast.FunctionDef, ast.Lambda)) or (isinstance(part, ast.Call) and self._is_inner(part)):
                return bool(names)
        return False

    def _is_inner(self, call: ast.Call) -> bool:
        """A call of a nested function may bind the names of the loop anew (`nonlocal`)."""
        holder = self.scope.find(call.func.id) if isinstance(call.func, ast.Name) else None
        return holder is not None and holder.kind == "function"

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        if isinstance(node.iter, ast.Call):
            endless = self.origin(node.iter.func) in ("itertools.count", "itertools.cycle")
            leaves = any(isinstance(part, (ast.Return, ast.Raise, ast.Yield)) for part in own_nodes(node))
            if endless and not leaves and not any(isinstance(part, ast.Break) for part in own_loop(node)):
                self.fault("code.endless", "this loop has no way out", node)
        if isinstance(node.iter, ast.Name):
            grown = [
                part
                for part in own_nodes(node)
                if isinstance(part, ast.Call)
                and isinstance(part.func, ast.Attribute)
                and part.func.attr in ("append", "extend", "insert")
                and isinstance(part.func.value, ast.Name)
                and part.func.value.id == node.iter.id
            ]
            leaves = any(isinstance(part, (ast.Return, ast.Raise, ast.Break, ast.If)) for part in own_nodes(node))
            if grown and not leaves:
                self.fault("code.endless", "the list grows while it is walked", grown[0])

    def _handler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            return
        looping: ast.AST = node
        in_while = False
        while looping in self.parents:
            looping = self.parents[looping]
            in_while = in_while or isinstance(looping, ast.While)
        if self.mode == "function" or in_while:
            self.fault(
                "code.swallow", "a bare 'except:' swallows the signals that stop this code; name the error", node
            )

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._defined_name(node)
        for decorator in node.decorator_list:
            self._decorator(decorator)
        for argument in arguments(node.args):
            self._argument(argument)
        for default in (*node.args.defaults, *(value for value in node.args.kw_defaults if value)):
            if self.mode == "function" and can_change(default):
                self.fault("code.state", "a default that can change is shared by all calls; use None", default)
            self._kept_value(default, default)
        self._default_secrets(node.args)
        if re.match(r"_*(en|de)(crypt|cipher)", node.name, re.I):
            self.fault(
                "code.crypto", "a home-made cipher protects nothing; cryptography has no place in a decision", node
            )
        self._annotation(node.returns)
        self._recursion(node)
        self._token_parts(node)
        self._unused_signature(node)
        if self.scope.kind == "class":
            self._method(node)
        elif node.name.startswith("__") and node.name.endswith("__"):
            self.fault("code.dunder", f"function name {node.name!r} is not allowed", node)

    def _defined_name(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if self.scope.kind == "module" and (
            node.name in policy.DYNAMIC_BUILTINS or node.name in policy.WITHHELD_ERRORS
        ):
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
        own = list(own_nodes(node))
        if any(isinstance(part, branches) for part in own) or self.scope.kind == "class":
            return
        if any(
            isinstance(part, ast.Call) and called_name(part) == node.name and isinstance(part.func, ast.Name)
            for part in own
        ):
            self.fault("code.endless", f"{node.name!r} calls itself without an end", node)

    def _token_parts(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A token that is split at its dots and decoded, without its signature being looked at."""
        calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
        splits = any(
            called_name(call) in ("split", "rsplit", "partition", "rpartition")
            and call.args
            and isinstance(call.args[0], ast.Constant)
            and call.args[0].value in (".", b".")
            for call in calls
        )
        decodes = any(called_name(call) in ("urlsafe_b64decode", "b64decode", "standard_b64decode") for call in calls)
        verified = "compare_digest" in self.calls or "verify" in self.calls
        if splits and decodes and not verified:
            self.fault("code.signature", "the parts of a token are decoded and its signature is not verified", node)

    def _unused_signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        named = [
            a
            for a in arguments(node.args)
            if a.arg in ("signature", "sig", "mac", "hmac", "hmac_signature", "x_signature")
        ]
        used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if re.search(r"verif|check|valid|auth|webhook|handle|decode|token", node.name, re.I):
            for argument in named:
                if argument.arg not in used and len(node.body) > 0:
                    self.fault("code.signature", f"{argument.arg!r} is taken and never verified", argument)

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        name = node.name
        if name.startswith("__") and name.endswith("__") and name not in policy.SPECIAL_METHODS:
            self.fault("code.class", f"special method {name!r} changes what other code does", node)
        if (
            name.startswith("_")
            and name.endswith("_")
            and not name.startswith("__")
            and name not in policy.SPECIAL_METHODS
        ):
            self.fault("code.class", f"special method {name!r} is not allowed", node)
        if name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__") and len(node.args.args) > 1:
            other = node.args.args[1].arg
            if not any(isinstance(part, ast.Name) and part.id == other for part in ast.walk(node)):
                self.fault("code.class", f"{name!r} does not look at what it is compared with", node)

    def _decorator(self, node: ast.expr) -> None:
        func = node.func if isinstance(node, ast.Call) else node
        origin = self.origin(func)
        if isinstance(func, ast.Name) and (func.id in _DECORATORS or func.id in self.functions):
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
            elif (
                isinstance(part, ast.Call)
                and not self._in_literal(part)
                or isinstance(
                    part,
                    (
                        ast.Lambda,
                        ast.ListComp,
                        ast.GeneratorExp,
                        ast.NamedExpr,
                        ast.Await,
                        ast.Yield,
                        ast.IfExp,
                        ast.JoinedStr,
                        ast.SetComp,
                        ast.DictComp,
                        ast.YieldFrom,
                    ),
                )
            ):
                self.fault("code.annotation", "an annotation must name types only", part)

    def _text_annotation(self, node: ast.Constant) -> None:
        try:
            parsed = ast.parse(str(node.value).strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.fault("code.annotation", f"annotation {node.value!r} is no type", node)
            return
        allowed = (ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant,
                   ast.Tuple,
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
            fine = keyword.arg in ("total", "frozen", "boundary") and isinstance(
                keyword.value, (ast.Constant, ast.Name, ast.Attribute)
            )
            meta = keyword.arg == "metaclass" and self.origin(keyword.value) == "abc.ABCMeta"
            if not fine and not meta:
                self.fault("code.class", f"class keyword {keyword.arg!r} changes how the class is made", keyword.value)
        for base in node.bases:
            self._base(base)
        for decorator in node.decorator_list:
            self._decorator(decorator)
        for statement in node.body:
            if not self._class_statement(statement):
                self.fault(
                    "code.import_time", "this statement runs when the class is made; put it into a method", statement
                )

    def _class_statement(self, node: ast.stmt) -> bool:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)):
            return True
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        return isinstance(node, (ast.Assign, ast.AnnAssign)) and all(
            isinstance(t, (ast.Name, ast.Tuple)) for t in targets
        )

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

    def _with_item(self, node: ast.withitem) -> None:
        fine = self.mode == "file" or (
            isinstance(node.context_expr, ast.Call)
            and self.origin(node.context_expr.func) in ("decimal.localcontext", "contextlib.suppress")
        )
        if not fine:
            self.fault("code.syntax", "'with' is not part of the allowed language here", node.context_expr)

    def _subscript(self, node: ast.Subscript) -> None:
        self._stored_item(node)
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            text = node.slice.value
            if text.startswith("__") and text.endswith("__"):
                self.fault("code.dunder", f"key {text!r} names an attribute that leads to the interpreter", node)


def _falls_back(node: ast.Try) -> bool:
    """`try: from typing import X` with another definition of X where the import fails."""
    imports = all(isinstance(each, (ast.Import, ast.ImportFrom)) for each in node.body)
    caught = {last_name(handler.type) if handler.type else "" for handler in node.handlers}
    return imports and caught <= {"ImportError", "ModuleNotFoundError"} and not node.finalbody


def _statements(node: ast.Try) -> list[ast.stmt]:
    return [*node.body, *node.orelse, *(each for handler in node.handlers for each in handler.body)]
