"""A real Temporal server for the session; without one these tests skip and say why."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("temporalio", reason="the extra `temporal` is not installed")

from temporal_support import Scenario, play

from compiled_ai.errors import ConfigError
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.temporal.connecting import dev_server, find_server

Play = Callable[..., None]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a development server that lives as long as the session."""
    try:
        find_server()
    except ConfigError as fault:
        pytest.skip(str(fault))
    found: list[str] = []
    started, ended = threading.Event(), threading.Event()

    async def hold() -> None:
        async with dev_server(KeyRing()) as client:
            found.append(client.config()["service_client"].config.target_host)
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(hold()), daemon=True)
    thread.start()
    assert started.wait(60), "the development server did not start"
    yield found[0]
    ended.set()
    thread.join(30)


@pytest.fixture
def scene(server: str, tmp_path: Path) -> Play:
    """Runs a scenario against the server, with a store of its own."""

    def run(scenario: Scenario, **more: Any) -> None:
        play(server, tmp_path, scenario, **more)

    return run
