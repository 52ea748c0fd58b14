"""HTTP connections to addresses that were looked at: resolved once, checked, and connected to by number.

A name that answers with a public address when it is checked and with a private one when it is used (DNS rebinding)
gains nothing, since the number that was checked is the one that is connected to; the certificate is still held against
the name. All waiting of a request ends at one deadline, however slowly the other side drips.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import httpcore
import httpx

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_deadline: ContextVar[float] = ContextVar("deadline")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """A host has an address that is neither public nor declared."""


def is_allowed(address: Address, declared: Sequence[Network]) -> bool:
    """True for a public address and for one in a declared network, whatever it is wrapped in."""
    inner = _unwrapped(address)
    if any(inner.version == network.version and inner in network for network in declared):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside of an IPv6 one that leads to it (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inside is None and address in _NAT64:
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inside or address


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """Every read, write and connect of this thread within the block ends by then."""
    token = _deadline.set(monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def _left(timeout: float | None, fault: type[Exception]) -> float:
    left = _deadline.get() - monotonic()
    if left <= 0:
        raise fault("the deadline has passed")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A stream whose waiting ends at the deadline of the request that uses it."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, declared: Sequence[Network]) -> None:
        self._declared = declared
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        fault: Exception = httpcore.ConnectError("the host has no address")
        for number in self._checked(host, port):
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(self._sockets.connect_tcp(number, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                fault = failed
        raise fault

    def _checked(self, host: str, port: int) -> list[str]:
        """The addresses of a host in the order of the resolver; one that is refused refuses them all."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as failed:
            raise httpcore.ConnectError("the host has no address") from failed
        numbers = list(dict.fromkeys(str(each[4][0]) for each in found))
        for number in numbers:
            if not is_allowed(ipaddress.ip_address(number.partition("%")[0]), self._declared):
                raise AddressRefused
        return numbers


class CheckedTransport(httpx.BaseTransport):
    """Carries requests of `httpx` over connections that were checked; no proxy, no redirect, no cookie."""

    def __init__(self, declared: Sequence[Network], *, encrypted: bool = True) -> None:
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: a connection in the clear needs no authorities
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context() if encrypted else bare,
            max_connections=20,
            keepalive_expiry=15.0,
            network_backend=_Backend(declared),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        answered = self._pool.handle_request(asked)
        return httpx.Response(
            answered.status,
            headers=answered.headers,
            stream=_Body(answered),
            extensions=answered.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answered: httpcore.Response) -> None:
        self._answered = answered

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answered.iter_stream()

    def close(self) -> None:
        self._answered.close()
