"""The example `claim_intake` with a database, a service and a desk that count what is done to them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from typing import Any

from compiled_ai.compiler import compile_spec
from compiled_ai.config import Settings
from compiled_ai.runtime.stepper import Program, load_program

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Place:
    """Where the workflow's surroundings are."""

    database: Path
    service: Any
    variables: dict[str, str]

    def kept(self) -> dict[str, int]:
        """How often each claim was kept."""
        opened = sqlite3.connect(self.database)
        try:
            return dict(opened.execute("SELECT claim_id, count(*) FROM claims GROUP BY claim_id").fetchall())
        finally:
            opened.close()


@contextmanager
def surroundings(folder: Path) -> Iterator[Place]:
    """Starts them; the variables that lead there are set in this process while the block runs."""
    spec = spec_from_file_location("claim_intake_surroundings", EXAMPLES / "claim_intake" / "surroundings.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    database = folder / "claims.db"
    module.make_database(database)
    with module.Service() as service:
        thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        variables: dict[str, str] = module.variables(database, service.server_address[1])
        os.environ.update(variables)
        try:
            yield Place(database, service, variables)
        finally:
            for name in variables:
                os.environ.pop(name, None)
            service.shutdown()
            thread.join()


def intake(folder: Path) -> tuple[Path, Program]:
    """Compiles the example; returns the folder of its identity, and the program."""
    done = compile_spec(EXAMPLES / "claim_intake.yaml", Settings(folder / "home", f"sqlite:///{folder / 'none.db'}"))
    return done.folder / "identity", load_program(done.folder / "identity", digest=done.digest)


def claim_of(number: int) -> dict[str, Any]:
    """A covered claim; every second one needs an examiner."""
    return {
        "claim_id": f"C-{number:04d}",
        "member_id": "M-100",
        "provider": "1093817465",
        "service_date": "2026-03-02",
        "billed": "6000" if number % 2 else "120.50",
    }
