# ruff: noqa: F821 (the classes are written into the slots)
# mypy: ignore-errors
"""Template `validator`: every result is checked, and a declared fallback stands in for one that does not pass."""

from __future__ import annotations

from compiled_ai.library.context import Context

# ---------------------------------------------------------------- typed models
# slot: models


# slot: steps


# ---------------------------------------------------------------- flow
async def run(ctx: Context, input: Input) -> Output:
    """Takes one input through the phases in order, with a fallback for a result that fails its check.

    The fallbacks are those that the specification declares, and the record of a run says where one was used.
    """
    # slot: flow
