"""Loading generated code: one loader for the sandbox and for the run, so that both see the same language.

A generated module sees restricted builtins (nothing that opens, evaluates, or reaches attributes by name), and an
`import` that knows only the modules it was allowed. What an import gives is a *facade*: the public names of the
module and nothing that the module happens to have imported itself, so `json.codecs` does not exist.

This is the second fence. The first is the code gate, which refuses such code before it gets here; the third is the
sandbox. Since restricted builtins hold nobody who may write dunder names, the loader refuses these (`library.fence`).

`load_module(source, name, allowed_imports) -> module` is the one function of this file; both
`sandbox` (in its child) and `runtime.stepper` (`Program`) call it.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from compiled_ai.library.fence import refuse_reflection

ALWAYS = frozenset({"__future__"})
"""Imports that need no permission."""

ALLOWED_IMPORTS = frozenset(
    {
        "__future__",
        "bisect",
        "calendar",
        "collections",
        "collections.abc",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "statistics",
        "string",
        "textwrap",
        "typing",
        "unicodedata",
        "zoneinfo",
        "compiled_ai.library.*",
    }
)
"""The widest list that a plan may choose from: standard modules without effects, and our library."""

_WITHHELD: Mapping[str, frozenset[str]] = {
    "calendar": frozenset({"LocaleTextCalendar", "LocaleHTMLCalendar", "different_locale", "setfirstweekday"}),
    "dataclasses": frozenset({"make_dataclass"}),
    "enum": frozenset({"global_enum", "global_enum_repr", "global_flag_repr", "global_str"}),
    "functools": frozenset({"singledispatch", "singledispatchmethod", "update_wrapper", "wraps"}),
    "json": frozenset({"load", "dump"}),
    "operator": frozenset({"attrgetter", "methodcaller"}),
    "string": frozenset({"Formatter"}),
    "typing": frozenset({"get_type_hints", "ForwardRef", "evaluate_forward_ref"}),
    "zoneinfo": frozenset({"reset_tzpath"}),
}
"""Public names that turn text into code or into attribute access, per module."""

_OURS = frozenset(
    f"compiled_ai.library.{name}" for name in ("fence", "flat", "hearing", "loading", "recorded", "replaying", "steps")
)
"""Modules of the library that are not for generated code, whatever the list says."""

_SAFE = """
    abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float
    format frozenset hash hex int isinstance issubclass iter len list map max min next object oct ord pow property
    range repr reversed round set slice sorted staticmethod str sum super tuple zip
    True False None NotImplemented Ellipsis __debug__ __build_class__
"""

_LAZY = frozenset({"time", "_strptime", "re", "unicodedata", "zoneinfo._common", "numbers", "warnings", "_pydatetime"})
"""What the C code of allowed modules imports on first use, through the `__import__` of whoever calls it."""

_counter = itertools.count(1)


def load_module(
    source: str, name: str, allowed_imports: Iterable[str] = ALLOWED_IMPORTS, *, fenced: bool = True
) -> ModuleType:
    """Executes a module's source under restricted builtins and returns the module.

    Args:
        source: the text of the module.
        name: how it is called in tracebacks, `<name>`; in `sys.modules` it stands under this name and a number,
            because a dataclass under postponed annotations looks its module up there.
        allowed_imports: dotted names; `package.*` admits the package's submodules as well.
        fenced: refuse reflection. Without it only a sandbox holds the module.

    Raises `SyntaxError`, `ImportError` for an import that is not allowed, and whatever the module's body raises;
    then nothing stays registered.
    """
    module = ModuleType(f"{name}__{next(_counter)}")
    module.__dict__["__builtins__"] = safe_builtins(allowed_imports)
    module.__file__ = f"<{name}>"
    tree = ast.parse(source)
    if fenced:
        refuse_reflection(tree)
    code = compile(tree, f"<{name}>", "exec", dont_inherit=True)
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)  # nosec B102
    except BaseException:
        sys.modules.pop(module.__name__, None)
        raise
    return module


def unload(module: ModuleType) -> None:
    """Forgets a loaded module; its functions and classes keep working."""
    sys.modules.pop(module.__name__, None)


def safe_builtins(allowed_imports: Iterable[str] = ALLOWED_IMPORTS) -> dict[str, Any]:
    """Returns a fresh set of builtins for one module."""
    names = {name: getattr(builtins, name) for name in _SAFE.split()}
    names |= {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    return names | {"type": _type_of, "__import__": importer(allowed_imports), "__name__": "builtins"}


def _type_of(value: object, /) -> type:
    """`type` with one argument: it tells a type, and makes none."""
    return type(value)


def importer(allowed_imports: Iterable[str]) -> Callable[..., Any]:
    """Returns an `__import__` that gives facades of the allowed modules and refuses the rest."""
    allowed = frozenset(allowed_imports) | ALWAYS

    def guarded_import(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Iterable[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if type(fromlist) is list and not fromlist and (name in _LAZY or name in sys.modules):
            importlib.import_module(name)
            return ModuleType(name)  # C code takes the module from sys.modules, not from here
        if level or type(name) is not str or not is_allowed(name, allowed):
            raise ImportError(f"import of {name!r} is not allowed here", name=name)
        wanted = tuple(fromlist or ())
        if not wanted:
            return _chain(name, allowed)
        facade = _facade(importlib.import_module(name))
        for part in wanted:
            below = f"{name}.{part}"
            if part != "*" and not hasattr(facade, part) and is_allowed(below, allowed):
                facade.__dict__[part] = _facade(importlib.import_module(below))
        return facade

    return guarded_import


def is_allowed(name: str, allowed: Iterable[str]) -> bool:
    """Tells whether a dotted module name is admitted by a list with `package.*` entries."""
    listed = frozenset(allowed)
    if name in _OURS:
        return False
    if name in listed:
        return True
    parts = name.split(".")
    return any(".".join((*parts[:size], "*")) in listed for size in range(1, len(parts) + 1))


def _chain(name: str, allowed: frozenset[str]) -> ModuleType:
    """What `import a.b.c` binds: `a`, from which only what was allowed can be reached."""
    parts = name.split(".")
    below = _facade(importlib.import_module(name))
    for size in range(len(parts) - 1, 0, -1):
        package = ".".join(parts[:size])
        above = ModuleType(f"<public names of {package}>")
        if is_allowed(package, allowed):
            above.__dict__.update(_facade(importlib.import_module(package)).__dict__)
        above.__dict__[parts[size]] = below
        below = above
    return below


def _facade(module: ModuleType) -> ModuleType:
    """A fresh module with the public names of another, and without the modules that it imported."""
    listed = getattr(module, "__all__", None)
    names = listed if listed is not None else [name for name in vars(module) if not name.startswith("_")]
    withheld = _WITHHELD.get(module.__name__, frozenset())
    public = {
        name: value
        for name in names
        if name not in withheld and not isinstance(value := getattr(module, name), ModuleType)
    }
    # Not under its own name: `from json import codecs` falls back to `sys.modules[f"{module.__name__}.codecs"]`.
    facade = ModuleType(f"<public names of {module.__name__}>", module.__doc__)
    facade.__dict__.update(public, __all__=tuple(public))
    return facade


SAFE_NAMES = frozenset(safe_builtins(())) - {"__build_class__", "__import__", "__name__", "__debug__"}
"""Names that generated code may use without importing them (the code gate reads this list)."""

BUILTINS: Mapping[str, Any] = MappingProxyType(safe_builtins())
"""The restricted builtins with the widest imports, to look at."""
