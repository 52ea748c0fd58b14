"""Runs a stream in a process of its own: HOME SOURCE SINK [unacknowledged].

With the last word it kills itself as `kill -9` does when the first lines are in the sink and not acknowledged yet.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.stream import run_stream
from compiled_ai.runtime.stream.kafka_topics import KafkaSource

ARTIFACT = Path(__file__).parents[1] / "runtime" / "fixtures" / "extract"


async def die(source: KafkaSource, positions: Sequence[str]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, source: str, sink: str, *more: str) -> None:
    home = Path(folder)
    if more:
        KafkaSource.acknowledge = die  # type: ignore[method-assign]
    with RunStore.open(home / "runs.db", keys=KeyRing(home=home)) as store:
        found = run_stream(load_program(ARTIFACT), source, sink, store=store, state=home / "streams", workers=1)
    print(found.text(), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
