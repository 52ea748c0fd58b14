"""What the user writes: YAML to `WorkflowSpec`, with every fault located and explained.

`load_spec(path)` and `load_spec_text(text)` are the way in (`spec/loader.py`); `model.py` is what they return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compiled_ai.spec.loader import load_spec, load_spec_text

__all__ = ["load_spec", "load_spec_text"]


def __getattr__(name: str) -> Any:
    """Imports the loader, with its parsers, only when something is loaded."""
    if name in __all__:
        from compiled_ai.spec import loader

        return getattr(loader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
