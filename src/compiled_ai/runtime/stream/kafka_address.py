"""Addresses of Kafka topics: `kafka://HOST:PORT[,HOST:PORT]/TOPIC`, and what a client needs to come there.

| part | is |
|---|---|
| `kafkas://` | TLS; `ca=FILE` in place of the system's authorities, `certificate=FILE` our own (PEM, with its key) |
| `USER@` | a login: `sasl=SCRAM-SHA-512` (the default), `SCRAM-SHA-256`, or `PLAIN` (only with TLS) |
| `secret=NAME` | the password is `COMPILED_AI_SECRET_<NAME>`, by default `COMPILED_AI_SECRET_KAFKA` |

A password is never part of an address, a name or a message.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from compiled_ai.errors import ConfigError, StoreFailed, UsageError
from compiled_ai.runtime.calls.connections import require_secret

SCHEMES = ("kafka://", "kafkas://")
_SECURITY = ("ca", "certificate", "sasl", "secret")
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SHOWN = 60
_USUAL_PORT = 9092
_FORM = "Write kafka://HOST:PORT/TOPIC."
_NAMES = "A name has 1 to 249 letters, digits, '.', '_' or '-', and is neither '.' nor '..'."
_PATIENCE_SECONDS = 8.0
_SECONDS_BETWEEN_TRIES = 0.5
_CONNECT_MILLISECONDS = 4000


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    hosts: tuple[tuple[str, int], ...]
    topic: str
    options: Mapping[str, str]
    """Those of a source or a sink, without those of security."""
    security: Mapping[str, Any] = field(repr=False)
    """Keyword arguments for every client of aiokafka."""

    @property
    def servers(self) -> list[str]:
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts]

    @property
    def place(self) -> str:
        """The topic and its cluster, without credentials; the same however the hosts are ordered."""
        return f"kafka {','.join(sorted(self.servers))} {self.topic}"

    def failed(self, fault: Exception) -> StoreFailed:
        return StoreFailed(
            f"{self.place} failed: {type(fault).__name__}.",
            remedy="See whether its brokers run, and what this user may do there.",
        )


def require_client() -> None:
    """Raises `ConfigError` if the extra is not installed."""
    try:
        import aiokafka  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as fault:
        raise ConfigError(
            "Kafka topics need aiokafka, which is not installed.", remedy="Run `pip install 'compiled-ai[kafka]'`."
        ) from fault


def read_address(text: str, known: Sequence[str]) -> KafkaAddress:
    """Reads an address whose options are `known` and those of security.

    Raises:
        UsageError: It is no address, or names an option that is not known.
        ConfigError: The password or a certificate is not there.
    """
    if "#" in text:  # which a URL ends at: what follows would be dropped in silence
        raise UsageError("The address of a Kafka topic has no '#'.", remedy=_FORM)
    try:
        parts = urlsplit(text)
    except ValueError as fault:
        raise UsageError(f"The address of the Kafka topic cannot be read: {fault}.", remedy=_FORM) from fault
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in user or any("@" in each for each in (parts.path, *options)):  # also one with / or ? in it
        raise UsageError(
            "The address holds a password, which process lists and histories show.",
            remedy="Put it into COMPILED_AI_SECRET_KAFKA.",
        )
    _check_options(options, known)
    topic = parts.path.removeprefix("/")
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        shown = topic if len(topic) <= _SHOWN else f"{topic[:_SHOWN]}..."
        raise UsageError(f"{shown!r} is no name of a Kafka topic.", remedy=f"{_FORM} {_NAMES}")
    return KafkaAddress(
        tuple(_host(each) for each in hosts.split(",")),
        topic,
        {name: value for name, value in options.items() if name in known},
        _login(user, options, tls=parts.scheme == "kafkas") | _tls(options, tls=parts.scheme == "kafkas"),
    )


def _check_options(options: Mapping[str, str], known: Sequence[str]) -> None:
    if unknown := sorted(set(options) - {*known, *_SECURITY}):
        listed = ", ".join(sorted((*known, *_SECURITY)))
        raise UsageError(f"{unknown[0]!r} is no option of a Kafka topic.", remedy=f"Known: {listed}.")
    if empty := sorted(name for name, value in options.items() if not value):
        raise UsageError(f"{empty[0]!r} has no value.", remedy=f"Write {empty[0]}=VALUE, or leave it out.")


def _host(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port == 0:
        raise UsageError(f"{text!r} is no broker.", remedy=_FORM)
    return host, port or _USUAL_PORT


def _login(user: str, options: Mapping[str, str], *, tls: bool) -> dict[str, Any]:
    if not user:
        if lone := [name for name in ("sasl", "secret") if name in options]:
            raise UsageError(f"{lone[0]!r} needs a user.", remedy="Write kafkas://USER@HOST:PORT/TOPIC.")
        return {"security_protocol": "SSL" if tls else "PLAINTEXT"}
    mechanism = options.get("sasl", _MECHANISMS[0])
    if mechanism not in _MECHANISMS:
        raise UsageError(f"sasl is {mechanism!r}.", remedy=f"Known: {', '.join(_MECHANISMS)}.")
    if mechanism == "PLAIN" and not tls:
        raise UsageError("sasl 'PLAIN' would send the password in the clear.", remedy="Use kafkas://, or SCRAM.")
    return {
        "security_protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": unquote(user),
        "sasl_plain_password": require_secret(options.get("secret", "kafka")),
    }


def _tls(options: Mapping[str, str], *, tls: bool) -> dict[str, Any]:
    if not tls:
        if lone := [name for name in ("ca", "certificate") if name in options]:
            raise UsageError(f"{lone[0]!r} needs TLS.", remedy="Write kafkas:// in place of kafka://.")
        return {}
    option = "ca"
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        option = "certificate"
        if "certificate" in options:
            context.load_cert_chain(options["certificate"])
    except (OSError, ValueError) as fault:  # an error of ssl is an OSError
        raise ConfigError(
            f"{option} {options[option]!r} cannot be read: {fault}.", remedy="Name a PEM file that is there."
        ) from fault
    return {"ssl_context": context}


# ---------------------------------------------------------------------------------------------- coming there


async def require_topic(at: KafkaAddress) -> None:
    """Asks a broker for the topic, for some seconds; asking makes none.

    Raises:
        StoreFailed: No broker answers.
        UsageError: The topic is not there, or the brokers do not let us in.
    """
    if at.topic not in await _topics(at):
        raise UsageError(
            f"There is no topic {at.topic!r} at {','.join(at.servers)}, or this user may not see it.",
            remedy="Make it first, with as many partitions as it shall have.",
        )


async def _topics(at: KafkaAddress) -> set[str]:
    from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        for host, port in at.hosts:
            try:
                return await _ask(at, host, port)
            except (OSError, TimeoutError, KafkaError) as found:
                _refuse_login(at, found)
                fault = found
        if time.monotonic() > end:
            raise StoreFailed(
                f"{at.place}: no broker answers ({str(fault) or type(fault).__name__}).",
                remedy="See whether they run, and whether the port takes kafka:// or kafkas://.",
            ) from fault
        await asyncio.sleep(_SECONDS_BETWEEN_TRIES)


async def _ask(at: KafkaAddress, host: str, port: int) -> set[str]:
    from aiokafka.conn import create_conn  # type: ignore[import-untyped]
    from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]

    connection = await create_conn(host, port, request_timeout_ms=_CONNECT_MILLISECONDS, **at.security)
    try:
        found = await connection.send(MetadataRequest(None))
    finally:
        connection.close()
    return {each["topic"] for each in found.to_object()["topics"]}


def _refuse_login(at: KafkaAddress, fault: Exception) -> None:
    """Raises `UsageError` for what no waiting mends: a login or a certificate."""
    from aiokafka import errors

    logins = (
        errors.AuthenticationFailedError,
        errors.IllegalSaslStateError,
        errors.SaslAuthenticationFailed,
        errors.UnsupportedSaslMechanismError,
    )
    told = f"{at.place} does not let us in: {fault or type(fault).__name__}."
    if isinstance(fault, logins):
        raise UsageError(told, remedy="Correct the user, the mechanism (sasl) or the secret.") from fault
    if isinstance(fault, ssl.SSLCertVerificationError):
        raise UsageError(told, remedy="Name who vouches for it: ca=FILE.") from fault


__all__ = ["SCHEMES", "KafkaAddress", "read_address", "require_client", "require_topic"]
