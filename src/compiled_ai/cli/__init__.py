"""The command line: `compiled-ai COMMAND`. Commands live beside this file, grouped by what they are about."""

from __future__ import annotations

import sys

import typer

from compiled_ai.cli import artifacts, build, demo, golden, govern, runs
from compiled_ai.cli.output import fail, wants_json
from compiled_ai.errors import CompiledAIError

app = typer.Typer(
    name="compiled-ai",
    help="A compiler for LLM workflows: a model writes one narrow function, once; what runs is deterministic.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for room in (build, golden, artifacts, runs, govern, demo):
    room.register(app)


def main() -> None:
    """Runs the command line; every error of ours becomes one message and its exit code."""
    try:
        app()
    except CompiledAIError as error:
        fail(error, as_json=wants_json(sys.argv))
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Nothing half-written remains.\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
