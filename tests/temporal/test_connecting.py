"""Addresses, credentials and certificates, without a server: what a connection is made with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.service import TLSConfig

from compiled_ai.errors import ConfigError
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.temporal.connecting import Connection, connect, dev_server, telemetry


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no profile of this machine counts."""
    import os

    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))


def made_with(connection: Connection) -> Any:
    """The client and its settings, without connecting."""

    async def make() -> Any:
        client = await connect(connection, KeyRing(), lazy=True)
        return client.namespace, client.service_client.config

    return asyncio.run(make())


def test_without_anything_the_defaults_of_temporal_hold() -> None:
    namespace, config = made_with(Connection())
    assert (namespace, config.target_host, config.tls) == ("default", "localhost:7233", None)


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "from.example:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "from-environment")
    namespace, config = made_with(Connection())
    assert (namespace, config.target_host) == ("from-environment", "from.example:7233")
    namespace, config = made_with(Connection(address="given.example:7233", namespace="given"))
    assert (namespace, config.target_host) == ("given", "given.example:7233")


def test_an_api_key_switches_tls_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "secret")
    _, config = made_with(Connection())
    assert config.api_key == "secret"
    assert config.tls
    _, config = made_with(Connection(api_key="other"))
    assert (config.api_key, config.tls) == ("other", True)


def test_certificates_are_read_for_mutual_tls(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    for name, file in files.items():
        file.write_text(name)
    _, config = made_with(
        Connection(
            tls_ca=files["ca"], tls_cert=files["cert"], tls_key=files["key"], tls_server_name="temporal.example"
        )
    )
    assert config.tls == TLSConfig(
        server_root_ca_cert=b"ca", client_cert=b"cert", client_private_key=b"key", domain="temporal.example"
    )


def test_a_broken_profile_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[profile")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(broken))
    with pytest.raises(ConfigError, match="Temporal's settings cannot be read"):
        made_with(Connection())


def test_metrics_go_to_one_place() -> None:
    assert telemetry() is None
    with pytest.raises(ConfigError, match="Metrics go to one place. Give prometheus or otlp."):
        telemetry(prometheus="127.0.0.1:0", otlp="http://localhost:4317")
    with pytest.raises(ConfigError, match="Metrics cannot be set up at 'nowhere'"):
        telemetry(prometheus="nowhere")


def test_a_development_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "temporal"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    async def start() -> None:
        async with dev_server(KeyRing(), binary=broken, patience_seconds=1):
            pass

    with pytest.raises(ConfigError, match="The development server did not start"):
        asyncio.run(start())
