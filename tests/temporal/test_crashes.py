"""Workers are killed and their connection is cut: nothing is lost, and nothing is done twice that must not be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crash_support import NOTES, crash
from temporal_support import Engine

Play = Callable[..., None]
POINTS = 4
"""`bench/temporal_crashes.py` does the same at 200."""


def test_runs_survive_killed_workers_and_cut_connections(scene: Play, server: str, tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        found = await crash(engine, server, tmp_path, points=POINTS, seed=7)
        assert found.lost == []
        assert found.kills + found.cuts == POINTS
        assert (found.completed, found.runs) == (3 * POINTS, 3 * POINTS)
        assert found.items == POINTS * NOTES
        assert found.asked >= found.items
        assert found.claims == POINTS

    scene(scenario, seconds=600)
