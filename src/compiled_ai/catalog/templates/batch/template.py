# ruff: noqa: F821 (the classes are written into the slots)
# mypy: ignore-errors
"""Template `batch`: many records, each decided for itself; what runs them keeps the order and the checkpoints."""

from __future__ import annotations

from compiled_ai.library.context import Context

# ---------------------------------------------------------------- typed models
# slot: models


# slot: steps


# ---------------------------------------------------------------- flow
async def run(ctx: Context, input: Input) -> Output:
    """Takes one record of a batch through the phases in order and returns the decision.

    It keeps nothing from one record to the next: a batch that was cut off goes on behind its last checkpoint, and a
    record that is run again after it is decided the same.
    """
    # slot: flow
