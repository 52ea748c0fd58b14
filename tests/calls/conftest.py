"""Services, databases and call steps to try."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
sys.path.insert(0, str(Path(__file__).parent))


from postgres_server import served

Answer = tuple[int, dict[str, str], bytes]


class Service(ThreadingHTTPServer):
    """A local service: what it answers is a function of the request, and it keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: Callable[[int], Answer] = lambda _: (200, {}, b"{}")
        """Number of the request (from 0) to status, headers and body."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, *answers: Any) -> None:
        """Answers these in turn, the last one for ever: JSON, or `(status, headers, body)`."""
        listed = [each if isinstance(each, tuple) else (200, {}, json.dumps(each).encode()) for each in answers]
        self.answers = lambda number: listed[min(number, len(listed) - 1)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, headers, content = self.server.answers(len(self.server.asked) - 1)
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    from compiled_ai.runtime.calls.http import forget_services

    with Service() as opened:
        thread = Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()
    forget_services()


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A SQLite database of two members, set as the connection `db`."""
    from compiled_ai.runtime.calls.database import forget_engines

    file = tmp_path / "members.db"
    with sqlite3.connect(file) as database:
        database.executescript(
            "CREATE TABLE members (id TEXT, plan TEXT, born TEXT, spent NUMERIC, active INTEGER, share REAL);"
            "INSERT INTO members VALUES ('M1', 'GOLD', '1980-02-29', 12.5, 1, 0.1);"
            "INSERT INTO members VALUES ('M2', 'SILVER', NULL, 7, 0, 1e300);"
            "CREATE TABLE log (note TEXT); CREATE TABLE secrets (word TEXT); INSERT INTO secrets VALUES ('xyzzy');"
        )
    database.close()
    monkeypatch.setenv("COMPILED_AI_CONNECTION_DB", f"sqlite:///{file}")
    yield file
    forget_engines()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    yield from served()
