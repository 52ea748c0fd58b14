"""A worker process for the crash tests, to be killed: `python crash_worker.py ADDRESS QUEUE FOLDER IDENTITY DIGEST`.

Its model is the other side: it notes every question in a file before it answers. What the SDK waits for a lost worker
is made short, so that the tests need not wait so long.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "src")]

from temporal_support import CLEAR, WELL, fixture_program  # noqa: E402
from temporalio.worker import Worker  # noqa: E402

from compiled_ai.models import Request, ScriptedModel  # noqa: E402
from compiled_ai.runtime.keys import KeyRing  # noqa: E402
from compiled_ai.runtime.stepper import Program, load_program  # noqa: E402
from compiled_ai.runtime.store import RunStore  # noqa: E402
from compiled_ai.runtime.temporal import errands, worker  # noqa: E402
from compiled_ai.runtime.temporal.connecting import Connection, connect  # noqa: E402
from compiled_ai.runtime.temporal.worker import WorkerSettings, serving  # noqa: E402


def noted(asked: Path) -> Any:
    """Answers with the number in the note, after a while, and notes that it was asked."""

    def reply(request: Request) -> str:
        if "note-" not in request.prompt:
            return WELL
        note = request.prompt.split("note-")[1].split()[0]
        with asked.open("a", encoding="utf-8") as stream:
            stream.write(f"note-{note}\n")
        time.sleep(random.uniform(0, 0.05))
        return f'{{"amount": {note.rpartition("-")[2]}}}'

    return reply


async def main(address: str, queue: str, folder: Path, intake: Program) -> None:
    worker.Worker = partial(Worker, max_cached_workflows=0)  # type: ignore[misc,assignment]
    errands.HEARTBEAT = timedelta(seconds=1.5)
    client = await connect(Connection(address=address), KeyRing())
    model = ScriptedModel(noted(folder / "asked.txt"))
    with RunStore.open(folder / "runs.db", home=folder, keys=KeyRing(home=folder)) as store:
        programs = [fixture_program("lines"), fixture_program("glp1", **CLEAR), intake]
        async with serving(client, programs, store, WorkerSettings(queue=queue, model=model)):
            (folder / f"ready-{os.getpid()}").touch()
            await asyncio.Event().wait()


if __name__ == "__main__":
    program = load_program(Path(sys.argv[4]), digest=sys.argv[5])
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), program))
