"""A broker for the session; without one these tests skip and say why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("aiokafka", reason="the extra `kafka` is not installed")

from kafka_support import Broker, NoBroker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    try:
        made = Broker(tmp_path_factory.mktemp("kafka"))
    except NoBroker as why:
        pytest.skip(str(why))
    made.start()
    yield made
    made.kill()
