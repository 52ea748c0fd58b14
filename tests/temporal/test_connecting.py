"""Addresses, credentials and certificates, without a server: what a connection is made with."""

from __future__ import annotations

import asyncio
import re
import socket
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


PROFILES = """
[profile.default]
address = "laptop.example:7233"

[profile.cloud]
address = "cloud.example:7233"
namespace = "claims.a1b2c"
api_key = "secret"

[profile.cloud.tls]
server_name = "temporal.example"
client_cert_path = "CERT"
client_key_path = "KEY"
server_ca_cert_path = "CA"
"""


@pytest.fixture
def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of the `temporal` command, with two profiles."""
    text, file = PROFILES, tmp_path / "temporal.toml"
    for name in ("CERT", "KEY", "CA"):
        (tmp_path / f"{name}.pem").write_text(name)
        text = text.replace(f'"{name}"', f'"{tmp_path / name}.pem"')
    file.write_text(text)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    return tmp_path


def test_a_profile_brings_address_namespace_key_and_certificates(profiles: Path) -> None:
    namespace, config = made_with(Connection(profile="cloud"))
    assert (namespace, config.target_host, config.api_key) == ("claims.a1b2c", "cloud.example:7233", "secret")
    assert config.tls == TLSConfig(
        server_root_ca_cert=b"CA", client_cert=b"CERT", client_private_key=b"KEY", domain="temporal.example"
    )
    namespace, config = made_with(Connection(profile="cloud", address="near.example:7233", namespace="given"))
    assert (namespace, config.target_host, config.api_key) == ("given", "near.example:7233", "secret")


def test_the_environment_names_a_profile_and_goes_before_it(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made_with(Connection())[1].target_host == "laptop.example:7233"
    monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
    assert made_with(Connection())[1].target_host == "cloud.example:7233"
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "other")
    assert made_with(Connection())[0] == "other"


def test_certificates_come_from_the_environment_too(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(profiles / "CERT.pem"))
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(profiles / "KEY.pem"))
    assert made_with(Connection())[1].tls == TLSConfig(client_cert=b"CERT", client_private_key=b"KEY")


def test_a_profile_that_is_not_there_is_named(profiles: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(profile 'clod'\): .*[^.]\. Correct TEMPORAL_\* or the"):
        made_with(Connection(profile="clod"))


def test_a_certificate_that_is_not_there_is_told(profiles: Path) -> None:
    (profiles / "CERT.pem").unlink()
    with pytest.raises(ConfigError, match=r"Temporal's settings cannot be read \(profile 'cloud'\): .*CERT\.pem"):
        made_with(Connection(profile="cloud"))


def test_a_broken_profile_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[profile")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(broken))
    with pytest.raises(ConfigError, match="Temporal's settings cannot be read"):
        made_with(Connection())


WRAPPED = "Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError("
NOT_THERE = r"^No Temporal server answers at '%s'%s\. Give --address HOST:PORT or set TEMPORAL_ADDRESS; "


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(ConfigError, match=NOT_THERE % ("localhost:1", r" \(Connection refused\)")):
        asyncio.run(connect(Connection(address="localhost:1"), KeyRing()))


@pytest.mark.parametrize("address", ["localhost:99999", "a" * 70 + ".example:7233"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(ConfigError, match="No Temporal server answers at"):
        asyncio.run(connect(Connection(address=address), KeyRing()))


def test_the_sdk_is_not_asked_where_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("temporalio.client.Client.connect")
    for address in ("127.0.0.1:1", "[::1]:1", "there-is-no-such-host.invalid:7233"):
        with pytest.raises(ConfigError, match="No Temporal server answers at '.*' \\([A-Z].*\\)\\."):
            asyncio.run(connect(Connection(address=address), KeyRing()))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (WRAPPED + 'ConnectError("dns error", Custom { kind: Other, error: "no such name" })))', " (no such name)"),
        (
            WRAPPED + "Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }))",
            " (InvalidCertificate(UnknownIssuer))",
        ),
        (WRAPPED + "Elapsed(())))", ""),
        ("Request unauthorized.\nand more", " (Request unauthorized)"),
        ("", ""),
    ],
)
def test_what_the_sdk_says_of_a_server_is_told_without_its_classes(
    monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("temporalio.client.Client.connect", refuse)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ConfigError, match=NOT_THERE % (address, re.escape(told))):
            asyncio.run(connect(Connection(address=address), KeyRing()))


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
