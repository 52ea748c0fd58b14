"""Compiled AI: a compiler for LLM workflows.

```python
import compiled_ai

compiled = compiled_ai.compile("examples/prior_auth_glp1.yaml")
artifact = compiled_ai.load_artifact(compiled.digest)
result = artifact.run({"patient_chart_summary": "..."}, model="anthropic:...")
```

The names below have the same meaning as on the command line (`make_plan` is `plan`, which names a module here).
Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compiled_ai.api import (
        Artifact,
        batch,
        check_golden,
        compile,
        explain,
        import_golden,
        load_artifact,
        load_spec,
        make_plan,
        read_document,
        run,
    )
    from compiled_ai.config import Settings, load_settings
    from compiled_ai.errors import CompiledAIError

__all__ = [
    "Artifact",
    "CompiledAIError",
    "Settings",
    "batch",
    "check_golden",
    "compile",
    "explain",
    "import_golden",
    "load_artifact",
    "load_settings",
    "load_spec",
    "make_plan",
    "read_document",
    "run",
]

_HOME = {"CompiledAIError": "errors", "Settings": "config", "load_settings": "config"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return __all__
