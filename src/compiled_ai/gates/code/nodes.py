"""Questions about nodes of a syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator


def target_names(target: ast.AST) -> set[str]:
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Attribute):
        return {target.attr} if isinstance(target.value, ast.Name) and target.value.id in ("self", "cls") else set()
    if isinstance(target, (ast.Tuple, ast.List)):
        return {name for part in target.elts for name in target_names(part)}
    return set()


def own_nodes(top: ast.AST) -> Iterator[ast.AST]:
    """Everything inside a statement except nested functions and classes."""
    waiting = list(ast.iter_child_nodes(top))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def leaves(statements: Iterable[ast.AST], *, in_loop: bool = False) -> bool:
    """Tells whether statements may be left by `return`, or by a `break` or `continue` of a loop around them.

    The `else` of a loop is not inside it: a `break` there leaves the next loop around.
    """
    for node in statements:
        if isinstance(node, ast.Return) or not in_loop and isinstance(node, (ast.Break, ast.Continue)):
            return True
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            left = leaves(node.body, in_loop=True) or leaves(node.orelse, in_loop=in_loop)
        else:
            inner = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda))
            left = not inner and leaves(ast.iter_child_nodes(node), in_loop=in_loop)
        if left:
            return True
    return False


def own_loop(top: ast.AST) -> Iterator[ast.AST]:
    """Everything inside a loop except nested loops (whose `break` is their own)."""
    waiting = list(ast.iter_child_nodes(top))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.While, ast.For, ast.AsyncFor)):
            waiting.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def is_script_guard(node: ast.AST) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare) or node.orelse:
        return False
    sides = [node.test.left, *node.test.comparators]
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    main = any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
    return named and main and len(sides) == 2 and isinstance(node.test.ops[0], ast.Eq)


def is_type_checking(node: ast.expr) -> bool:
    return last_name(node) == "TYPE_CHECKING"


def last_name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def called_name(call: ast.Call) -> str:
    return last_name(call.func)


def root_of(node: ast.AST) -> ast.AST:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def both(left: set[str] | None, right: set[str] | None) -> set[str] | None:
    return None if left is None or right is None else left | right


def mentions(node: ast.AST, words: tuple[str, ...]) -> bool:
    for part in ast.walk(node):
        text = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else None
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and len(part.value) < 100:
            text = part.value
        if text and any(word in text.lower() for word in words):
            return True
    return False


def number_of(node: ast.AST) -> int:
    """The value of a constant number or power, 0 if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.Mult, ast.LShift)):
        left, right = number_of(node.left), number_of(node.right)
        if isinstance(node.op, ast.Mult):
            return left * right
        size = left.bit_length() * right if isinstance(node.op, ast.Pow) else left.bit_length() + right
        if size > 4096:
            return 10**100
        return left**right if isinstance(node.op, ast.Pow) else left << right
    return 0


def text_parts(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def first_text(node: ast.AST) -> str:
    while isinstance(node, ast.BinOp):
        node = node.left
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def is_redirect_code(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant) and node.value in (301, 302, 303, 307, 308) and not isinstance(node.value, bool)
    )


def flags_of(call: ast.Call) -> int:
    names = {part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in ast.walk(call)}
    table = {"I": re.I, "IGNORECASE": re.I, "S": re.S, "DOTALL": re.S, "X": re.X, "VERBOSE": re.X, "M": re.M, "A": re.A}
    value = 0
    for name in names:
        value |= int(table.get(name, 0))
    return value


def addends(node: ast.AST) -> list[ast.AST]:
    """Returns the parts of a sum, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*addends(node.left), *addends(node.right)]
    return [node]


def can_change(default: ast.expr) -> bool:
    """Tells whether a default is a container that a call could change for the next one."""
    makers = ("list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict")
    if isinstance(default, ast.Call):
        return called_name(default) in makers
    return isinstance(default, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))
