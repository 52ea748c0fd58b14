"""Commands run within the test's own process: what a person types, without the seconds that imports take each time."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from unittest.mock import patch

from cli_support import Home, Ran

from compiled_ai.cli import main


@dataclass
class Desk(Home):
    """A working directory with a home below it; calling it runs one command here."""

    def __call__(self, *arguments: str, stdin: str | None = None, **variables: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        before, code = os.getcwd(), 0
        with (
            patch.dict(os.environ, {**self.environment, **variables}, clear=True),
            patch.object(sys, "argv", ["compiled-ai", *arguments]),
            patch.object(sys, "stdin", io.StringIO(stdin or "")),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            os.chdir(self.folder)
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            finally:
                os.chdir(before)
        return Ran(code, out.getvalue(), err.getvalue())
