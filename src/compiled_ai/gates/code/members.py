"""Members of modules that are harmless only in one form, and attributes that are refused on anything."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from compiled_ai.gates.code import policy
from compiled_ai.gates.code.nodes import flags_of
from compiled_ai.gates.code.values import Values
from compiled_ai.gates.regex import regex_problem

_PATTERN_CALLS = frozenset(
    f"re.{name}" for name in ["compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"]
)


class Members(Values):
    """Members of modules that are harmless only in one form, and attributes that are refused on anything."""

    def _attribute_name(self, name: str, node: ast.AST, *, called: bool) -> None:
        if name in policy.DENIED_ATTRIBUTES and name not in ():
            self.fault(policy.DENIED_ATTRIBUTES[name], f"attribute {name!r} is not allowed", node)
        elif name in policy.EFFECT_ATTRIBUTES and name not in self.declared and (called or not self._is_data(name)):
            self.fault(
                policy.EFFECT_ATTRIBUTES[name], f"{name!r} has effects outside; a step of its own does that", node
            )

    def _is_data(self, name: str) -> bool:
        """Names that are as likely a field as a method: refused only when called."""
        return name in ("system", "redirect", "touch", "fork", "symlink", "spawn")

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
        flags = flags_of(call)
        texts = self.patterns(pattern, self.scope)
        if texts is None and self.outside(pattern, self.scope):
            folded = self.embedded(pattern, self.scope)
            if folded is None:
                self.fault(
                    "code.regex", "a pattern from outside can take minutes; write it here, or use re.escape", node
                )
                return
            texts = {folded}
        for text in sorted(texts or ()):
            problem = regex_problem(text, flags, whole=origin == "re.fullmatch")
            if problem:
                self.fault("code.regex", f"pattern {text[:60]!r} {problem}", node)
                return  # one text that the pattern may be is enough

    def _literal_names(self, origin: str, node: ast.expr) -> None:
        """`attrgetter("amount")` and `methodcaller("strip")`: constant, plain names, called on the spot."""
        call = self.parents.get(node)
        texts = (
            call.args[:1]
            if isinstance(call, ast.Call) and origin.endswith("methodcaller")
            else getattr(call, "args", [])
        )
        fine = isinstance(call, ast.Call) and call.func is node and call.args and not call.keywords
        if not fine or not all(isinstance(text, ast.Constant) and isinstance(text.value, str) for text in texts):
            self.fault("code.reflection", f"{origin} must be called with constant names", node)
            return
        for text in texts:
            for part in str(getattr(text, "value", "")).split("."):
                if not part.isidentifier() or part.startswith("_") or part in ("format", "format_map"):
                    self.fault("code.reflection", f"{origin} must not reach {part!r}", node)
                else:
                    self._attribute_name(part, node, called=True)

    def _constant_template(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if self._in_annotation(node):
            return
        if (
            not isinstance(call, ast.Call)
            or call.func is not node
            or not call.args
            or self.choices(call.args[0], frozenset()) is None
        ):
            self.fault("code.template", "a template must be a constant of this file", node)

    def _constant_algorithm(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        index = 2 if origin == "hmac.new" else 2 if origin == "hmac.digest" else 0
        given: ast.expr | None = None
        if isinstance(call, ast.Call) and call.func is node:
            given = (
                call.args[index]
                if len(call.args) > index
                else next(
                    (k.value for k in call.keywords if k.arg in ("digestmod", "digest", "name", "hash_name")), None
                )
            )
        if given is not None and self.origin(given) and str(self.origin(given)).startswith("hashlib."):
            return
        if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
            self.fault("code.hash", f"{origin} must name its algorithm as a constant", node)
        elif given.value.lower().replace("-", "") in ("md5", "sha1", "md4", "ripemd160", "sha"):
            self.fault("code.hash", f"{given.value!r} can be forged; use sha256", node)

    def _password_hash(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if (
            isinstance(call, ast.Call)
            and call.func is node
            and any(
                self._about(argument, ("password", "passwd", "pwd", "passphrase", "pin_code")) for argument in call.args
            )
        ):
            self.fault(
                "code.hash",
                "a bare hash of a password can be guessed; passwords do not belong into a decision",
                node,
            )

    def _iterations(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if isinstance(call, ast.Call) and call.func is node:
            self._constant_algorithm(origin, node)
            count = (
                call.args[3]
                if len(call.args) > 3
                else next((k.value for k in call.keywords if k.arg == "iterations"), None)
            )
            if isinstance(count, ast.Constant) and isinstance(count.value, int) and count.value < 100_000:
                self.fault("code.hash", "so few iterations can be tried out; at least 100,000", node)
            salt = call.args[2] if len(call.args) > 2 else None
            if isinstance(salt, ast.Constant):
                self.fault("code.hash", "a constant salt protects nobody", node)

    def _wraps(self, origin: str, node: ast.expr) -> None:
        call = self.parents.get(node)
        if not (isinstance(call, ast.Call) and call.func is node and len(call.args) == 1 and not call.keywords):
            self.fault("code.reflection", "functools.wraps takes the wrapped function and nothing else", node)


_CONSTANT_CALLS: Mapping[str, Callable[[Members, str, ast.expr], None]] = {
    "operator.attrgetter": Members._literal_names,
    "operator.methodcaller": Members._literal_names,
    "string.Template": Members._constant_template,
    "hashlib.new": Members._constant_algorithm,
    "hmac.new": Members._constant_algorithm,
    "hmac.HMAC": Members._constant_algorithm,
    "hmac.digest": Members._constant_algorithm,
    "hashlib.pbkdf2_hmac": Members._iterations,
    "functools.wraps": Members._wraps,
    **{
        f"hashlib.{name}": Members._password_hash
        for name in policy.MODULES["hashlib"]
        if name.startswith(("sha", "blake"))
    },
}
