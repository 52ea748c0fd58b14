"""Who binds which name where: the scopes of one checked file, and what an expression can come from."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
ScopeKind = Literal["module", "class", "function", "comprehension"]


@dataclass(frozen=True)
class Parameter:
    """A name bound as a parameter: its value comes from the callers of `function`."""

    function: Function
    name: str
    position: int
    default: ast.expr | None


@dataclass(frozen=True)
class Imported:
    origin: str
    """Dotted name of the module, or of the member of a module."""


Value = ast.expr | Parameter | Imported | None
"""What a name may hold: an expression it was taken from (or an item of it), or nothing that matters (`None`)."""


@dataclass(eq=False)
class Scope:
    kind: ScopeKind
    node: ast.AST
    parent: Scope | None = None
    values: dict[str, list[Value]] = field(default_factory=dict)
    nonlocals: set[str] = field(default_factory=set)

    def bind(self, name: str, value: Value) -> None:
        self.values.setdefault(name, []).append(value)

    def find(self, name: str) -> Scope | None:
        """Returns the scope whose binding a read of `name` sees, as Python resolves names."""
        scope: Scope | None = self
        first = True
        while scope is not None:
            if name in scope.values and name not in scope.nonlocals and (first or scope.kind != "class"):
                return scope
            first = first and scope.kind == "comprehension"
            scope = scope.parent
        return None


def build(tree: ast.Module) -> dict[ast.AST, Scope]:
    """Returns the scope of each module, class, function, lambda and comprehension node."""
    scopes: dict[ast.AST, Scope] = {}
    waiting: list[tuple[ast.AST, Scope | None]] = [(tree, None)]
    while waiting:
        node, parent = waiting.pop()
        scope = Scope(_kind(node), node, parent)
        scopes[node] = scope
        _parameters(node, scope)
        for child in _own_nodes(node):
            if _opens_scope(child):
                waiting.append((child, scope))
            _bind(child, scope)
    return scopes


def reads_of(tree: ast.Module, name: str) -> Iterator[ast.Name]:
    """Yields where a name is read that the module itself binds, and no scope within."""
    for node, scope in build(tree).items():
        for child in _own_nodes(node):
            if isinstance(child, ast.Name) and child.id == name:
                holder = scope.find(name)
                if holder is not None and holder.kind == "module":
                    yield child


def _kind(node: ast.AST) -> ScopeKind:
    if isinstance(node, ast.Module):
        return "module"
    if isinstance(node, ast.ClassDef):
        return "class"
    return "function" if isinstance(node, Function) else "comprehension"


def _opens_scope(node: ast.AST) -> bool:
    return isinstance(node, (ast.ClassDef, *Function.__args__, *Comprehension.__args__))


def _own_nodes(top: ast.AST) -> Iterator[ast.AST]:
    """Walks what belongs to one scope; of a nested scope only its opening node."""
    waiting = list(inside(top))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(outside(node) if _opens_scope(node) else ast.iter_child_nodes(node))


def inside(node: ast.AST) -> list[ast.AST]:
    """Children that are evaluated in the scope that `node` opens."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
        return list(node.body)
    if isinstance(node, ast.Lambda):
        return [node.body]
    generators = node.generators  # type: ignore[attr-defined]
    parts: list[ast.AST] = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]  # type: ignore[attr-defined]
    for index, generator in enumerate(generators):
        parts += [generator.target, *generator.ifs] + ([generator.iter] if index else [])
    return parts


def outside(node: ast.AST) -> list[ast.AST]:
    """Children of a scope-opening node that are evaluated around it: decorators, defaults, bases, annotations."""
    if isinstance(node, Comprehension):
        return [node.generators[0].iter]
    parts: list[ast.AST] = []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        parts += node.decorator_list
    if isinstance(node, ast.ClassDef):
        parts += [*node.bases, *node.keywords]
    if isinstance(node, Function):
        parts += [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        parts += [argument.annotation for argument in arguments(node.args) if argument.annotation]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
        parts.append(node.returns)
    return parts


def arguments(args: ast.arguments) -> list[ast.arg]:
    return [
        *args.posonlyargs, *args.args, *([args.vararg] if args.vararg else []),
        *args.kwonlyargs, *([args.kwarg] if args.kwarg else []),
    ]  # fmt: skip


def _parameters(node: ast.AST, scope: Scope) -> None:
    if isinstance(node, Function):
        plain = [*node.args.posonlyargs, *node.args.args]
        defaults: Sequence[ast.expr | None] = [None] * (len(plain) - len(node.args.defaults)) + list(node.args.defaults)
        named = dict(zip((argument.arg for argument in plain), defaults, strict=True))
        named |= dict(zip((argument.arg for argument in node.args.kwonlyargs), node.args.kw_defaults, strict=True))
        for position, argument in enumerate(arguments(node.args)):
            scope.bind(argument.arg, Parameter(node, argument.arg, position, named.get(argument.arg)))
    if isinstance(node, Comprehension):
        for generator in node.generators:
            _bind_target(generator.target, generator.iter, scope)


def _bind(node: ast.AST, scope: Scope) -> None:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            _bind_target(target, node.value, scope)
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        _bind_target(node.target, node.value, scope)
    elif isinstance(node, ast.NamedExpr):
        holder = scope
        while holder.kind == "comprehension" and holder.parent:
            holder = holder.parent
        _bind_target(node.target, node.value, holder)
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        _bind_target(node.target, node.iter, scope)
    elif isinstance(node, ast.withitem) and node.optional_vars:
        _bind_target(node.optional_vars, node.context_expr, scope)
    elif isinstance(node, (ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        if node.name:
            scope.bind(node.name, None)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        _bind_import(node, scope)
    elif isinstance(node, ast.Match):
        for name in captures(node):
            scope.bind(name, node.subject)
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        scope.nonlocals.update(node.names)


def captures(node: ast.Match) -> Iterator[str]:
    for case in node.cases:
        for part in ast.walk(case.pattern):
            if isinstance(part, (ast.MatchAs, ast.MatchStar)) and part.name:
                yield part.name
            elif isinstance(part, ast.MatchMapping) and part.rest:
                yield part.rest


def _bind_target(target: ast.AST, value: ast.expr | None, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, value)
    elif isinstance(target, ast.Starred):
        _bind_target(target.value, value, scope)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            _bind_target(part, value, scope)


def _bind_import(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            scope.bind(alias.asname or alias.name, Imported(f"{node.module}.{alias.name}"))
        elif alias.asname:
            scope.bind(alias.asname, Imported(alias.name))
        else:
            scope.bind(alias.name.partition(".")[0], Imported(alias.name.partition(".")[0]))
