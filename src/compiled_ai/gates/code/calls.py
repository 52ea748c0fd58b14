"""Calls: effects, switches, and what never ends."""

from __future__ import annotations

import ast
import re

from compiled_ai.gates.code import policy
from compiled_ai.gates.code.nodes import called_name, is_redirect_code, mentions, number_of, text_parts
from compiled_ai.gates.code.paths import Paths
from compiled_ai.gates.code.scopes import Parameter
from compiled_ai.gates.code.wording import is_sql


class Calls(Paths):
    """Calls: effects, switches, and what never ends."""

    def _call(self, node: ast.Call) -> None:
        self._mutation(node)
        for keyword in node.keywords:
            self._keyword(keyword, node)
        if called_name(node) in ("super",) and (node.args or node.keywords):
            self.fault("code.reflection", "super() takes no arguments here", node)
        if called_name(node) == "iter" and len(node.args) == 2:
            self.fault("code.endless", "iter with a sentinel may never end", node)
        self._huge_call(node)
        self._codec(node)
        self._fetch(node)
        self._headers(node)
        self._joined_call(node)
        self._path_call(node)
        self._handed_in(node)

    def _joined_call(self, node: ast.Call) -> None:
        """`" ".join([...])` and `"...".replace(...)` put SQL together as well."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("join", "replace", "format_map"):
            return
        texts = text_parts(node)
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

    def _keyword(self, keyword: ast.keyword, call: ast.Call) -> None:
        value = keyword.value
        constant = value.value if isinstance(value, ast.Constant) else ...
        if keyword.arg and keyword.arg.startswith("__"):
            self.fault("code.dunder", f"keyword {keyword.arg!r} is not allowed", value)
        if keyword.arg == "algorithms" and any(
            isinstance(part, ast.Constant) and str(part.value).lower() == "none" for part in ast.walk(value)
        ):
            self.fault("code.signature", "algorithm 'none' signs nothing", value)
        if keyword.arg in ("debug", "DEBUG") and constant is True and not self.functions.get(called_name(call)):
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
        name = called_name(node)
        numbers = [number_of(argument) for argument in node.args]
        if name in (
            "ljust",
            "rjust",
            "center",
            "zfill",
            "bytes",
            "bytearray",
            "repeat",
            "pow",
            "factorial",
            "range",
            "expandtabs",
        ):
            limit = 10_000 if name in ("factorial", "pow") else 50_000_000
            if any(number > limit for number in numbers) and not (name == "pow" and len(node.args) == 3):
                self.fault("code.endless", f"{name} with such a number fills the memory or never ends", node)
        if name in (
            "list",
            "tuple",
            "set",
            "sum",
            "max",
            "min",
            "sorted",
            "dict",
            "frozenset",
            "all",
            "any",
            "deque",
            "join",
        ):
            for argument in node.args:
                if isinstance(argument, ast.Call) and self.origin(argument.func) in (
                    "itertools.count",
                    "itertools.cycle",
                ):
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
        if not isinstance(func, ast.Attribute) or func.attr not in (
            "get",
            "post",
            "put",
            "patch",
            "delete",
            "head",
            "request",
            "fetch",
            "open",
            "GET",
            "stream",
        ):
            return
        receiver = func.value.id if isinstance(func.value, ast.Name) else getattr(func.value, "attr", "")
        if func.attr == "open" and "open" not in self.declared:
            self.fault("code.files", "opening a file is an effect; take its text as an argument", node)
            return
        words = set(re.split(r"_|(?<=[a-z])(?=[A-Z])", receiver.lower()))
        if not words & {
            "requests",
            "session",
            "http",
            "httpx",
            "client",
            "urllib3",
            "pool",
            "fetcher",
            "api",
            "aiohttp",
            "async",
        }:
            return
        target = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "url"), None)
        places: tuple[str, ...] = (
            "url",
            "uri",
            "endpoint",
            "webhook",
            "href",
            "host",
            "link",
            "http",
            "target",
            "address",
        )
        if isinstance(target, ast.Constant):
            places = ("http:", "https:")
        if target is not None and mentions(target, places):
            self.fault("code.network", "fetching an address is an effect; take the response as an argument", node)

    def _headers(self, node: ast.Call) -> None:
        """A redirect that is written as plain values: `Response(302, location=url)`."""
        for keyword in node.keywords:
            if keyword.arg in ("status", "status_code", "code") and is_redirect_code(keyword.value):
                names = {other.arg for other in node.keywords}
                if names & {"location", "Location", "url", "headers"}:
                    self.fault("code.redirect", "a redirect whose address comes from data", node)
