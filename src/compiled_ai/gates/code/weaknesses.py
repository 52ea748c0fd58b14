"""Weaknesses that need no import: checks that can be got round, secrets and commands as plain values."""

from __future__ import annotations

import ast

from compiled_ai.gates.code.calls import Calls
from compiled_ai.gates.code.nodes import called_name, last_name, leaves, text_parts
from compiled_ai.gates.code.wording import COMMAND, is_sql

_SIGNATURES = frozenset({"signature", "sig", "mac", "hmac", "digest", "x_signature", "hmac_signature"})
_SHELLS = frozenset({"sh", "bash", "zsh", "cmd", "cmd.exe", "powershell", "/bin/sh", "/bin/bash", "/usr/bin/bash"})
_ADDRESS_HEADERS = frozenset({"location", "refresh"})


class Weaknesses(Calls):
    """Weaknesses that need no import."""

    def _call(self, node: ast.Call) -> None:
        super()._call(node)
        self._cleaned_path(node)
        self._sql_from_parts(node)
        self._beginning_of_signature(node)
        self._own_key(node)

    def _cleaned_path(self, node: ast.Call) -> None:
        """`name.replace("../", "")` leaves `../` of `....//`."""
        first = node.args[0] if called_name(node) == "replace" and node.args else None
        if isinstance(first, ast.Constant) and first.value in ("../", "..\\", "..", "/.."):
            self.fault("code.files", "cutting '../' out of a name leaves one; keep its last part only", node)

    def _sql_from_parts(self, node: ast.Call) -> None:
        """`" ".join(parts)`, `STATEMENT.replace("@name", name)`, `Template(STATEMENT)`: SQL out of pieces."""
        name = called_name(node)
        if name == "join" and node.args:
            texts, whole = self._words_of(node.args[0]), False
        elif name == "replace" and isinstance(node.func, ast.Attribute) and len(node.args) == 2:
            texts = sorted(self.choices(node.func.value, frozenset()) or ())
            whole = isinstance(node.args[1], ast.Constant)
        elif self.origin(node.func) == "string.Template" and node.args:
            texts, whole = sorted(self.choices(node.args[0], frozenset()) or ()), False
            whole = not any("$" in text for text in texts)
        else:
            return
        if not whole and is_sql(" ".join(texts)):
            self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)

    def _words_of(self, node: ast.expr) -> list[str]:
        """Constant texts of a list that is joined, or of the list that a name was bound to and grew from."""
        if isinstance(node, (ast.List, ast.Tuple)):
            constant = all(isinstance(each, ast.Constant) for each in node.elts)
            return [] if constant else text_parts(node)
        holder = self.scope.find(node.id) if isinstance(node, ast.Name) else None
        if holder is None or holder.kind == "module" or not isinstance(node, ast.Name):
            return []
        lists = [value for value in holder.values[node.id] if isinstance(value, ast.List)]
        return [word for each in lists for word in text_parts(each)]

    def _beginning_of_signature(self, node: ast.Call) -> None:
        """`expected.startswith(signature)`: the empty signature is the beginning of any."""
        if called_name(node) in ("startswith", "endswith") and node.args and last_name(node.args[0]) in _SIGNATURES:
            self.fault("code.signature", "part of a signature proves nothing; compare all of it", node)

    def _own_key(self, node: ast.Call) -> None:
        """`hmac.new(b"key", ...)`: whoever reads the code can sign."""
        key = node.args[0] if self.origin(node.func) in ("hmac.new", "hmac.digest", "hmac.HMAC") and node.args else None
        encoded = isinstance(key, ast.Call) and called_name(key) == "encode" and isinstance(key.func, ast.Attribute)
        value = key.func.value if encoded and isinstance(key, ast.Call) and isinstance(key.func, ast.Attribute) else key
        holder = self.scope.find(value.id) if isinstance(value, ast.Name) else None
        bound = holder.values[value.id] if holder is not None and isinstance(value, ast.Name) else [value]
        if any(isinstance(each, ast.Constant) and each.value for each in bound):
            self.fault("code.secret", "the key of a signature stands in the code; it comes from outside", node)

    def _items(self, node: ast.Tuple | ast.List) -> None:
        """`("Location", address)` is a header, `["sh", "-c", text]` a command."""
        if isinstance(node.ctx, ast.Load) and len(node.elts) >= 2:
            self._header(node.elts[0], node.elts[1], node)
            words = [each.value for each in node.elts[:2] if isinstance(each, ast.Constant)]
            given = not all(isinstance(each, ast.Constant) for each in node.elts)
            if given and len(words) == 2 and words[0] in _SHELLS and words[1] in ("-c", "/c", "-Command"):
                self.fault("code.command", "a shell command is put together from text", node)

    def _mapping(self, node: ast.Dict) -> None:
        self._dict(node)
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and str(name.value).lower() == "refresh":
                self._header(name, value, node)

    def _header(self, name: ast.expr, value: ast.expr, node: ast.AST) -> None:
        named = isinstance(name, ast.Constant) and str(name.value).lower() in _ADDRESS_HEADERS
        if named and not isinstance(value, ast.Constant) and self.outside(value, self.scope):
            self.fault("code.redirect", "a redirect whose address comes from data", node)

    def _attribute_use(self, node: ast.Attribute) -> None:
        self._attribute(node)
        if node.attr in ("ECB", "MODE_ECB"):
            self.fault("code.crypto", "ECB shows which blocks are equal; cryptography has no place in a decision", node)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        if leaves(node.finalbody):
            self.fault("code.swallow", "leaving a 'finally' drops whatever was raised; leave it at its end", node)
        self._unheard(node)

    def _unheard(self, node: ast.Try | ast.TryStar) -> None:
        """`try: verify(...)` whose failure is passed over in silence."""
        calls = [part for each in node.body for part in ast.walk(each) if isinstance(part, ast.Call)]
        verifies = any(called_name(call).lower().startswith(("verify", "check_signature")) for call in calls)
        silent = any(all(isinstance(each, ast.Pass) for each in handler.body) for handler in node.handlers)
        if verifies and silent:
            self.fault("code.signature", "a signature that does not verify is passed over in silence", node)

    def _operation(self, node: ast.BinOp) -> None:
        """`"pg_dump %s > %s" % (...)` is a command with places for data."""
        self._division(node)
        left = node.left
        if isinstance(node.op, ast.Mod) and isinstance(left, ast.Constant) and isinstance(left.value, str):
            before = left.value.partition("%")[0]
            if before != left.value and COMMAND.match(before) and any(sign in left.value for sign in "|>;&"):
                self.fault("code.command", "a shell command is put together from text", node)
