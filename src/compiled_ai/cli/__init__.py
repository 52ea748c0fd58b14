"""The command line: `compiled-ai COMMAND`. Commands live beside this file, grouped by what they are about."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from compiled_ai.cli import artifacts, build, demo, golden, govern, many, runs, temporal
from compiled_ai.cli.output import fail, wants_json
from compiled_ai.errors import CompiledAIError, ConfigError

app = typer.Typer(
    name="compiled-ai",
    help="A compiler for LLM workflows: a model writes one narrow function, once; what runs is deterministic.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for room in (build, golden, artifacts, runs, many, govern, temporal, demo):
    room.register(app)


def main() -> None:
    """Runs the command line; every error of ours becomes one message and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what is on record must not crash the command that shows it
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
    except OSError as fault:
        where = f"{str(fault.filename)!r}: " if fault.filename else ""
        told = ConfigError(f"{where}{fault.strerror or fault}.", remedy="Name a place that exists and can be written.")
        fail(told, as_json=wants_json(sys.argv))
    except Exception as fault:  # a fault of ours is told in one line, with the way to its traceback
        if os.environ.get("COMPILED_AI_TRACEBACK"):
            raise
        unexpected = CompiledAIError(
            f"Unexpected {type(fault).__name__}; this is a fault of compiled-ai.",
            remedy="Set COMPILED_AI_TRACEBACK=1 and run it again for a report.",
        )
        fail(unexpected, as_json=wants_json(sys.argv))
