"""What constants say and where they are put: secrets, SQL, redirects, patterns, endless numbers."""

from __future__ import annotations

import ast
import re

from compiled_ai.gates.code.nodes import (
    called_name,
    first_text,
    is_redirect_code,
    last_name,
    mentions,
    number_of,
    text_parts,
)
from compiled_ai.gates.code.sharing import Sharing
from compiled_ai.gates.code.text import is_credential, words_to_a_reader
from compiled_ai.gates.code.wording import (
    COMMAND,
    FIELDS,
    HIDDEN,
    REDIRECT_TEXT,
    format_problem,
    is_sql,
    is_word,
    looks_like_pattern,
    looks_secret,
)
from compiled_ai.gates.regex import regex_problem

_GENERATOR_NUMBERS = frozenset({1103515245, 6364136223846793005, 1664525, 214013, 48271, 16807, 25214903917})
"""Multipliers of linear congruential generators: home-made random numbers."""


class Constants(Sharing):
    """What constants say and where they are put: secrets, SQL, redirects, patterns, endless numbers."""

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
            self.fault(
                "code.secret",
                "a key, token or password stands in the code; a connection's secret comes from outside",
                node,
            )
        if node in self.documents:
            return
        if re.match(r"(/var)?/tmp(/|$)|[cC]:[/\\\\](temp|windows[/\\\\]temp)[/\\\\]", text):
            self.fault("code.temporary", "a path in a folder that everybody may write to", node)
        if HIDDEN.search(text):
            self.fault("code.dunder", f"text {text[:40]!r} names an attribute that leads to the interpreter", node)
        if FIELDS.search(text) and format_problem(text) and ("_" in text or "[" in text):
            problem = format_problem(text)
            if problem and "underscore" in problem:
                self.fault("code.format", f"text {text[:40]!r} {problem}", node)
        if self.uses_patterns and looks_like_pattern(text):
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
            if isinstance(target, ast.Subscript):
                self._dict_secret(name, node.value)
            else:
                self._secret(name, node.value, node)
            debug = isinstance(node.value, ast.Constant) and node.value.value is True
            if debug and (name == "DEBUG" or (name == "debug" and isinstance(target, ast.Attribute))):
                self.fault("code.debug", "a debugging switch is left on; delete it", node)
        for target in targets:
            if isinstance(target, ast.Subscript):
                self._subscript_store(target)
        if self.scope.kind in ("module", "class"):
            self._kept_value(node.value, node)

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Subscript):
            self._subscript_store(node.target)
        self._grown(node)
        texts = text_parts(node.value)
        if texts and is_sql(" ".join(texts)) and isinstance(node.value, (ast.JoinedStr, ast.BinOp)):
            self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)

    def _subscript_store(self, node: ast.Subscript) -> None:
        if (
            isinstance(node.slice, ast.Constant)
            and node.slice.value == "Location"
            and "header" in last_name(node.value).lower()
        ):
            self.fault("code.redirect", "a redirect whose address comes from data", node)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self._subscript_store(target)

    def _secret(self, name: str, value: ast.expr, node: ast.AST) -> None:
        if (
            isinstance(value, ast.Constant)
            and isinstance(value.value, (str, bytes))
            and looks_secret(name, value.value)
        ):
            self.fault(
                "code.secret", f"{name!r} is written into the code; a connection's secret comes from outside", node
            )

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
        digests = [
            side for side in sides if isinstance(side, ast.Call) and called_name(side) in ("hexdigest", "digest")
        ]
        named = [side for side in sides if mentions(side, ("signature", "hmac", "_sig", "_mac"))]
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
        if any(is_redirect_code(value) for value in node.values):
            inner = [
                pair
                for part in ast.walk(node)
                if isinstance(part, ast.Dict)
                for pair in zip(part.keys, part.values, strict=True)
            ]
            for name, value in inner:
                text = name.value if isinstance(name, ast.Constant) else None
                if str(text).lower() in ("location", "redirect", "redirect_url", "url") and not isinstance(
                    value, ast.Constant
                ):
                    self.fault("code.redirect", "a redirect whose address comes from data", value)

    def _dict_secret(self, key: str, value: ast.expr) -> None:
        text = value.value if isinstance(value, ast.Constant) else None
        if isinstance(text, str) and " " not in text and looks_secret(key, text) and not is_word(text):
            self.fault("code.secret", f"{key!r} is written into the code; it must come from outside", value)

    def _joined(self, node: ast.JoinedStr) -> None:
        texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        dynamic = any(isinstance(part, ast.FormattedValue) for part in node.values)
        if dynamic and is_sql(" ? ".join(map(str, texts))):
            self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)
        for part in node.values:
            spec = part.format_spec if isinstance(part, ast.FormattedValue) else None
            if isinstance(spec, ast.JoinedStr) and any(re.search(r"\d{6,}", text) for text in text_parts(spec)):
                self.fault("code.endless", "a width that fills the memory", node)
        if dynamic and any(REDIRECT_TEXT.search(str(text)) for text in texts):
            self.fault("code.redirect", "a redirect whose address comes from data", node)
        if dynamic and isinstance(node.values[0], ast.Constant) and COMMAND.match(str(texts[0])):
            self.fault("code.command", "a shell command is put together from text", node)

    def _binary(self, node: ast.BinOp) -> None:
        above = self.parents.get(node)
        nested = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add) and isinstance(node.op, ast.Add)
        if isinstance(node.op, (ast.Add, ast.Mod)) and not nested:
            texts = text_parts(node)
            constant = all(isinstance(part, (ast.Constant, ast.BinOp, ast.operator)) for part in ast.walk(node))
            if texts and not constant and is_sql(" ? ".join(texts)):
                self.fault("code.sql", "SQL is put together from text; use a `call` step with named parameters", node)
            if texts and not constant and any(REDIRECT_TEXT.search(text) for text in texts):
                self.fault("code.redirect", "a redirect whose address comes from data", node)
            if texts and not constant and COMMAND.match(first_text(node)):
                self.fault("code.command", "a shell command is put together from text", node)
        if isinstance(node.op, ast.BitXor) and any(
            isinstance(side, ast.Subscript) and "key" in last_name(side.value).lower()
            for side in (node.left, node.right)
        ):
            self.fault("code.crypto", "a home-made cipher protects nothing", node)
        if isinstance(node.op, (ast.Pow, ast.LShift)) and number_of(node.right) > 100_000:
            self.fault("code.endless", "a power that fills the memory", node)
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.BinOp) and isinstance(node.right.op, ast.Pow):
            self.fault("code.endless", "a power of a power fills the memory", node)
        if isinstance(node.op, ast.Mod) and any(re.search(r"%[^%\w]*\d{6,}", text) for text in text_parts(node.left)):
            self.fault("code.endless", "a width that fills the memory", node)
        if isinstance(node.op, ast.Mult):
            for left, right in ((node.left, node.right), (node.right, node.left)):
                sequence = isinstance(left, (ast.List, ast.Tuple, ast.JoinedStr)) or (
                    isinstance(left, ast.Constant) and isinstance(left.value, (str, bytes))
                )
                if sequence and number_of(right) > 10_000_000:
                    self.fault("code.endless", "a repetition that fills the memory", node)
