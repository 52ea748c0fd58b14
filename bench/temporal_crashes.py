"""Kills workers and cuts connections: `python bench/temporal_crashes.py [--points 200] [--seed 1] [--json]`.

At each random point a worker process is killed (SIGKILL), or its connection to the server is cut, while runs with
effects and reviews are under way. Afterwards every run must have ended as it must, every item must have one result on
record, and the store must verify. Exit 1 if anything was lost. About three seconds a point.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "temporal"))

from crash_support import Crashes, crash
from temporal_support import engine

from compiled_ai.errors import CompiledAIError
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.temporal.connecting import dev_server


async def play(points: int, seed: int, folder: Path) -> Crashes:
    async with dev_server(KeyRing()) as client:
        address = client.config()["service_client"].config.target_host
        async with engine(address, folder, KeyRing(home=folder)) as found:
            return await crash(found, address, folder, points=points, seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kills workers and cuts connections on Temporal.")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(play(chosen.points, chosen.seed, Path(folder)))
    except CompiledAIError as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    told = asdict(found)
    if chosen.json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write("\n".join(f"{name:<10} {value}" for name, value in told.items()) + "\n")
    return 1 if found.lost else 0


if __name__ == "__main__":
    sys.exit(main())
