"""What generated code sees when it is loaded."""

from __future__ import annotations

import sys

import pytest

from compiled_ai.library.fence import Reflection
from compiled_ai.library.loading import SAFE_NAMES, is_allowed, load_module, unload


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import sys",
        "import subprocess",
        "import compiled_ai.errors",
        "from compiled_ai import sandbox",
        "from json import codecs",
        "from re import _parser",
        "from json import decoder",
        "from collections import abc as a\na._sys",
        "import re as r\nfrom re import _compiler",
        "from operator import attrgetter",
        "from typing import get_type_hints",
        "from string import Formatter",
        "from dataclasses import make_dataclass",
        "from compiled_ai.library.types import re",
        "from compiled_ai.library.loading import load_module",
        "from compiled_ai.library.fence import refuse_reflection",
        "from . import x",
        "from time import sleep",
        "__import__('os')",
        "import json\njson.codecs",
        "import re\nre.enum",
        "import datetime\ndatetime.sys",
        "import compiled_ai.library.values\ncompiled_ai.errors",
        "open('/etc/passwd')",
        "eval('1')",
        "exec('1')",
        "compile('1', 'x', 'eval')",
        "getattr(1, 'real')",
        "globals()",
        "vars()",
        "input()",
        "breakpoint()",
        "print('x')",
        "type('X', (), {})",
        "class M(type): pass",
    ],
)
def test_what_reaches_out_is_not_there(source: str) -> None:
    before = set(sys.modules)
    with pytest.raises((ImportError, NameError, AttributeError, TypeError)):
        load_module(source, "probe")
    assert not [name for name in set(sys.modules) - before if name.startswith("probe")]


def test_a_module_that_is_no_python_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        load_module("def f(:", "probe")


def test_an_import_beyond_the_list_is_refused_by_name() -> None:
    with pytest.raises(ImportError, match="import of 'json' is not allowed here"):
        load_module("import json", "probe", {"re"})


def test_dataclasses_under_postponed_annotations_work() -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar
import collections.abc

@dataclass(frozen=True, slots=True, order=True)
class A:
    x: Decimal
    kind: ClassVar[str] = "a"
    rest: tuple[int, ...] = ()

def f():
    return A(Decimal("1.5")), replace(A(Decimal(1)), rest=(1,)), isinstance([], collections.abc.Sequence)
"""
    module = load_module(source, "probe")
    first, second, sequence = module.f()
    assert (str(first.x), second.rest, sequence) == ("1.5", (1,), True)
    assert first > second and len({first, second}) == 2
    unload(module)
    assert module.f()[0] == first


def test_what_c_code_imports_on_first_use_works_and_gives_nothing() -> None:
    source = """
from datetime import date, datetime
import re
def f():
    return date.today(), datetime.strptime("2024-02-29", "%Y-%m-%d"), re.sub("(a)", r"<\\\\1>", "a")
def g():
    return __import__("time", None, None, [])
"""
    module = load_module(source, "probe", fenced=False)
    assert module.f()[1].day == 29
    assert not [name for name in vars(module.g()) if not name.startswith("__")]


def test_two_modules_of_one_name_do_not_meet() -> None:
    first, second = load_module("x = 1", "same"), load_module("x = 2", "same")
    assert (first.x, second.x) == (1, 2)
    assert first.__name__ != second.__name__
    assert first.__file__ == second.__file__ == "<same>"
    unload(first)
    unload(second)


def test_one_module_cannot_change_what_the_next_imports() -> None:
    load_module("import json\njson.loads = None", "spoiler")
    assert load_module("import json\nx = json.loads('[1]')", "probe").x == [1]


def test_a_star_admits_submodules() -> None:
    assert is_allowed("compiled_ai.library.values", {"compiled_ai.library.*"})
    assert is_allowed("compiled_ai.library", {"compiled_ai.library.*"})
    assert not is_allowed("compiled_ai.libraryx", {"compiled_ai.library.*"})
    assert not is_allowed("compiled_ai", {"compiled_ai.library.*"})


def test_safe_names_are_what_the_gate_may_let_pass() -> None:
    assert {"len", "sorted", "ValueError", "isinstance", "type"} <= SAFE_NAMES
    assert not {"open", "eval", "getattr", "__import__", "globals", "print"} & SAFE_NAMES


@pytest.mark.parametrize(
    "source",
    [
        "x = ().__class__",
        "def f(g): return g.gi_frame",
        "def f(s, x): return s.format(x)",
        "def f(x): return '{0.__class__}'.format(x)",
        "def f(x): return '{0[a]}'.format(x)",
        "def f(x): return '{:{y.z}}'.format(x, y=x)",
        "def f(x): return x.format_map({})",
        "x = __builtins__",
        "def f(x):\n    match x:\n        case object(__class__=c): return c",
        "class A:\n    def __getattr__(self, name): return name",
        "class A(metaclass=type): pass",
        "class A(**{}): pass",
        "def f(e): return e.__traceback__.tb_frame",
    ],
)
def test_reflection_is_refused(source: str) -> None:
    with pytest.raises(Reflection, match="reaches behind an object"):
        load_module(source, "probe")


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return '{:,.2f} {name}'.format(x, name=x)",
        "def f(x): return type(x).__name__",
        "class A:\n    format: str\ndef f(a): return a.format",
        "class E(ValueError):\n    def __init__(self, x):\n        super().__init__(x)",
        "class A:\n    __slots__ = ('x',)\n    def __eq__(self, other): return True",
        "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\ny = P(1)._replace(x=2)",
        "from enum import Enum\nclass C(Enum):\n    A = 'a'",
        "from typing import TypedDict\nclass T(TypedDict, total=False):\n    x: int",
    ],
)
def test_plain_code_is_not_refused(source: str) -> None:
    unload(load_module(source, "probe"))
