"""Module `http`: one request to a declared host, and its JSON reply.

A redirect is not followed: it would lead where nobody looked. A request that may be repeated (GET, PUT, DELETE, or one
that carries an idempotency key which the service honours) is sent again after a lost connection and after 429, 502, 503
and 504, no earlier than `Retry-After` says. Any other is sent once.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.capabilities import Declared
from compiled_ai.capabilities import repeats as repeats
from compiled_ai.capabilities.wording import filled, path_segment, places, plain
from compiled_ai.errors import CallFailed, ConfigError, InputError
from compiled_ai.runtime.calls.connections import Connection
from compiled_ai.runtime.calls.quiet import quiet

if TYPE_CHECKING:
    import httpx

    from compiled_ai.runtime.calls import Call

MAX_BYTES = 1_000_000
LONGEST_WAIT_SECONDS = 60.0
"""A service that asks for a longer pause has failed."""
_AGAIN = (429, 502, 503, 504)
_NOT_PUBLIC = (
    "The host has an address that is neither public nor in 'allow.addresses'. "
    "Declare its network there, or correct the connection's address."
)

_services: dict[tuple[str, str, tuple[str, ...]], _Service] = {}
_lock = Lock()


def prepare(call: Call) -> None:
    """Refuses an argument that would lead to another path."""
    filled(str(call.declared.settings["path"]), call.arguments, path_segment)


def reach(declared: Declared, connection: Connection) -> None:
    """Raises `ConfigError` if the base address is not allowed, or would carry a secret in the clear."""
    _service(connection, declared)


def perform(call: Call, connection: Connection) -> Any:
    """Returns the JSON of the reply; `None` for 404 to a GET and for a reply without content.

    Raises:
        ConfigError: the base address is not allowed, or would carry a secret in the clear.
        CallFailed: the service could not be reached, refused, or answered what is no JSON.
    """
    try:
        import stamina
    except ImportError as fault:
        raise ConfigError("Module 'http' needs httpx and stamina.", remedy="pip install compiled-ai[http]") from fault
    service = _service(connection, call.declared)
    request = _request(service, call, connection)
    attempts = int(call.declared.says("attempts", 3)) if repeats(call.declared) != "once" else 1
    unclear = False
    with quiet():
        for attempt in stamina.retry_context(on=_pause, attempts=attempts, timeout=None):
            with attempt:
                try:
                    return _send(service, request, call.declared)
                except _Again as again:
                    again.unclear = unclear = unclear or again.unclear
                    raise
                except CallFailed as fault:
                    raise (CallFailed.perhaps(fault.message) if unclear else fault) from None
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class _Service:
    """A base address and the connections to it. Requests go over the transport itself: a client would log them."""

    base: str
    transport: httpx.BaseTransport


class _Again(CallFailed):
    """A failure after which the same request may be sent again."""

    def __init__(self, message: str, *, unclear: bool, after: float | None = None) -> None:
        super().__init__(message, details={"happened": "unknown" if unclear else "no", "again_after": after})
        self.unclear = unclear

    @property
    def may_have_happened(self) -> bool:
        return self.unclear


def _pause(fault: Exception) -> bool | float:
    """Whether to send again, and the seconds that the service asks for."""
    if not isinstance(fault, _Again):
        return False
    after: float | None = fault.details["again_after"]
    return after if after is not None and after <= LONGEST_WAIT_SECONDS else after is None


# ---------------------------------------------------------------- a request and its reply


def _request(service: _Service, call: Call, connection: Connection) -> httpx.Request:
    declared = call.declared
    method = str(declared.says("method", "GET"))
    path = filled(str(declared.settings["path"]), call.arguments, path_segment)
    asked = {name: call.arguments[each] for name, each in declared.says("query", {}).items()}
    query = {name: plain(value) for name, value in asked.items() if value is not None}
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", **declared.says("headers", {})}
    if connection.secret is not None:
        header = declared.says("secret_header", None)
        headers[header or "Authorization"] = connection.secret if header else f"Bearer {connection.secret}"
    if declared.says("idempotency_key", False) and call.key:
        headers["Idempotency-Key"] = call.key
    content = None
    if method in ("POST", "PUT", "PATCH"):
        used = {*places(str(declared.settings["path"])), *declared.says("query", {}).values()}
        content = canonical_json({name: value for name, value in call.arguments.items() if name not in used})
        headers["Content-Type"] = "application/json"
    import httpx

    return httpx.Request(method, service.base + path, params=query or None, headers=headers, content=content)


def _send(service: _Service, request: httpx.Request, declared: Declared) -> Any:
    """Sends a request once; waiting for all of the reply ends after the step's time."""
    import httpcore

    from compiled_ai.runtime.calls.wire import AddressRefused, until

    most = int(declared.says("max_bytes", MAX_BYTES))
    try:
        with until(float(declared.says("timeout_seconds", 30))):
            response = service.transport.handle_request(request)
            try:
                return _reply(response, request.method, _body(response, most))
            finally:
                response.close()
    except AddressRefused:
        raise CallFailed.surely(_NOT_PUBLIC) from None
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as fault:
        raise _Again(f"The service cannot be reached ({type(fault).__name__}).", unclear=False) from None
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as fault:
        raise _Again(f"The service broke off ({type(fault).__name__}).", unclear=True) from None


def _body(response: httpx.Response, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise CallFailed.perhaps("The reply is packed, which was not asked for.")
    parts, length = [], 0
    for part in response.iter_raw():
        length += len(part)
        if length > most:
            raise CallFailed.perhaps(f"The reply is longer than {most} bytes ('max_bytes').")
        parts.append(part)
    return b"".join(parts)


def _reply(response: httpx.Response, method: str, body: bytes) -> Any:
    status = response.status_code
    if status in _AGAIN:
        after = _seconds(response.headers.get("retry-after"))
        raise _Again(f"The service answered {status}.", unclear=status in (502, 504), after=after)
    if status == 404 and method == "GET":
        return None
    if 300 <= status < 400:
        message = f"The service answered {status}, a redirect, and none is followed. Name the last address."
        raise CallFailed.surely(message)
    if not 200 <= status < 300:
        failed = CallFailed.perhaps if status >= 500 else CallFailed.surely
        raise failed(f"The service answered {status}.")
    if not body.strip():
        return None
    try:
        return parse_json(body.decode("utf-8"))
    except (InputError, UnicodeDecodeError):
        raise CallFailed.perhaps("The reply is no JSON.") from None


def _seconds(written: str | None) -> float | None:
    """Seconds of a `Retry-After` header, which is a number or a date (RFC 9110, 10.2.3)."""
    if written is None:
        return None
    if written.strip().isdigit():
        return float(written)
    try:
        return max(0.0, (parsedate_to_datetime(written) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


# ---------------------------------------------------------------- services


def _service(connection: Connection, declared: Declared) -> _Service:
    """The service of a connection, made once per process, base address and declared networks."""
    networks = tuple(str(each) for each in declared.allow.get("addresses", ()))
    key = (connection.name, connection.address, networks)
    with _lock:
        if key not in _services:
            _services[key] = _open(connection, declared.allow, networks)
        return _services[key]


def _open(connection: Connection, allow: Mapping[str, Any], networks: tuple[str, ...]) -> _Service:
    try:
        import httpx

        from compiled_ai.runtime.calls.wire import CheckedTransport
    except ImportError as fault:
        raise ConfigError("Module 'http' needs httpx and stamina.", remedy="pip install compiled-ai[http]") from fault
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", connection.address):
        raise connection.refused("has no scheme", "Write https://HOST, or http://HOST for declared 'allow.addresses'.")
    try:
        url = httpx.URL(connection.address)
        declared = [ipaddress.ip_network(each) for each in networks]
    except (httpx.InvalidURL, ValueError):
        raise connection.refused("or 'allow.addresses' cannot be read", "Write https://HOST and 127.0.0.0/8.") from None
    if url.userinfo or url.query or url.fragment:
        raise connection.refused("holds more than a base address", "Put the secret into the secret's own variable.")
    if url.host.lower() not in [str(host).lower() for host in allow.get("hosts", ())]:
        raise connection.refused("names a host that 'allow.hosts' does not list", "Correct one of them.")
    if url.scheme != "https" and not (url.scheme == "http" and declared):
        raise connection.refused("is no https address", "Use https; http is for declared 'allow.addresses' alone.")
    return _Service(str(url).rstrip("/"), CheckedTransport(declared, encrypted=url.scheme == "https"))


_inherited: list[_Service] = []
"""Connections of the parent process, kept so that nothing of them is ever closed here."""


def _leave_inherited() -> None:
    """A forked process must not use, or end, its parent's connections."""
    global _lock
    _lock = Lock()
    _inherited.extend(_services.values())
    _services.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_inherited)


def forget_services() -> None:
    """Closes every connection of this process."""
    with _lock:
        for service in _services.values():
            service.transport.close()
        _services.clear()
