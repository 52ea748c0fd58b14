# ruff: noqa: F821 (the classes are written into the slots)
# mypy: ignore-errors
"""Template `stream`: records as they come, each at least once; what runs them keeps the order and their places."""

from __future__ import annotations

from compiled_ai.library.context import Context

# ---------------------------------------------------------------- typed models
# slot: models


# slot: steps


# ---------------------------------------------------------------- flow
async def run(ctx: Context, input: Input) -> Output:
    """Takes one message of a stream through the phases in order and returns the decision.

    It keeps nothing from one message to the next: a message that is delivered again is decided the same.
    """
    # slot: flow
