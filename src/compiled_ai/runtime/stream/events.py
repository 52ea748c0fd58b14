"""Server-sent events (WHATWG HTML, section 9.2): reconnects with `Last-Event-ID`, and ends at 204."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from compiled_ai.errors import ConfigError, UsageError
from compiled_ai.runtime.stream.messages import Message

_SECONDS_BETWEEN_TRIES = 1.0
_MOST_TRIES = 10
"""In a row without an event."""


class ServerSentEvents:
    """Events of a server; a position is the event's id. An event without one is never delivered again."""

    keeps_place = True

    def __init__(self, address: str) -> None:
        try:
            import httpx
            import httpx_sse
        except ImportError as fault:
            raise ConfigError(
                "Reading server-sent events needs httpx and httpx-sse, which are not installed.",
                remedy="Run `pip install 'compiled-ai[sse]'`.",
            ) from fault
        self._http, self._sse, self._address = httpx, httpx_sse, address
        parts = urlsplit(address)
        self.name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self.place = self.name

    async def messages(self, after: str | None) -> AsyncIterator[Message]:
        last, tries, wait = after or "", 0, _SECONDS_BETWEEN_TRIES
        async with self._http.AsyncClient(timeout=self._http.Timeout(30.0, read=None)) as client:
            while tries < _MOST_TRIES:
                session, number = secrets.token_hex(8), 0
                headers = {"Last-Event-ID": last} if last else {}
                try:
                    async with self._sse.aconnect_sse(client, "GET", self._address, headers=headers) as events:
                        if self._is_over(events.response):
                            return
                        async for event in events.aiter_sse():
                            tries, number = 0, number + 1
                            last = event.id or last
                            wait = event.retry / 1000 if event.retry else wait
                            if event.data:
                                yield Message(event.id or f"{session}:{number}", event.data.encode())
                except (self._http.TransportError, self._sse.SSEError):
                    pass  # broken off: it is opened again where it was
                tries += 1
                await asyncio.sleep(wait)
        raise UsageError(f"{self.name} gave no event in {_MOST_TRIES} tries.", remedy="See whether the server runs.")

    def _is_over(self, response: Any) -> bool:
        """204 ends a stream; another answer than 200 is a mistake of the address or the rights."""
        if response.status_code not in (200, 204):
            raise UsageError(f"{self.name} answers {response.status_code}.", remedy="Correct the address.")
        return bool(response.status_code == 204)

    def stop(self) -> bool:
        return False

    async def acknowledge(self, positions: Sequence[str]) -> None:
        """The position is kept by the stream, and named when it is opened again."""

    async def close(self) -> None:
        """It is closed with its reading."""
