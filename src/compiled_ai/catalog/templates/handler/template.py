# ruff: noqa: F821 (the classes are written into the slots)
# mypy: ignore-errors
"""Template `handler`: one record in, one decision out, step after step."""

from __future__ import annotations

from compiled_ai.library.context import Context

# ---------------------------------------------------------------- typed models
# slot: models


# slot: steps


# ---------------------------------------------------------------- flow
async def run(ctx: Context, input: Input) -> Output:
    """Takes one input through the phases in order and returns the decision."""
    # slot: flow
