"""What the workflow reaches, on this machine: a SQLite database of members, a clearing service, and a desk for messages.

    python surroundings.py FOLDER [PORT]

makes FOLDER/claims.db with made-up members (if it is not there), serves until it is stopped, and first prints the
variables that the workflow needs. The clearing service answers `GET /providers/NPI` and `POST /reservations`, which it
carries out once for each `Idempotency-Key`; the desk takes whatever is posted to `/messages`, as often as it comes.
`GET /counts` says how often each was done, for a claim at a time: it is what the crash test looks at.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

MEMBERS = (
    ("M-100", "GOLD", "2024-01-01", None, 20000, 1500),
    ("M-200", "SILVER", "2025-07-01", "2026-06-30", 6000, 5800),
    ("M-300", "GOLD", "2026-01-01", None, 20000, 0),
)
PROVIDERS = {
    "1093817465": {"contracted": True, "suspended": False, "name": "Hillside Clinic"},
    "1285736412": {"contracted": False, "suspended": False, "name": "Riverbank Practice"},
    "1457382910": {"contracted": True, "suspended": True, "name": "Old Mill Imaging"},
}
_TABLES = """
CREATE TABLE members (member_id TEXT PRIMARY KEY, plan TEXT, active_from TEXT, active_to TEXT,
                      yearly_limit NUMERIC, paid NUMERIC);
CREATE TABLE claims (claim_id TEXT, member_id TEXT, billed NUMERIC, outcome TEXT);
"""


def make_database(file: Path) -> None:
    """Makes the database; `claims` has no key on purpose, so that a claim kept twice would be seen."""
    with sqlite3.connect(file) as database:
        database.executescript(_TABLES)
        database.executemany("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?)", MEMBERS)
    database.close()


class Service(ThreadingHTTPServer):
    """The clearing service and the desk; counts what it does."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.lock = Lock()
        self.reservations: dict[str, str] = {}
        """Idempotency key to the number of the reservation."""
        self.reserved: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()

    def counts(self) -> dict[str, dict[str, int]]:
        with self.lock:
            return {"reserved": dict(self.reserved), "messages": dict(self.messages)}

    def reserve(self, key: str, claim: str) -> str:
        with self.lock:
            if key not in self.reservations:
                self.reserved[claim] += 1
                self.reservations[key] = f"R-{len(self.reservations) + 1:04d}"
            return self.reservations[key]

    def take_message(self, title: str) -> None:
        with self.lock:
            self.messages[title.removeprefix("Claim ")] += 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that was killed in the middle of a request."""


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        kind, _, name = self.path.partition("?")[0].strip("/").partition("/")
        if kind == "counts":
            return self._answer(200, self.server.counts())
        found = PROVIDERS.get(name) if kind == "providers" else None
        return self._answer(200, found) if found else self._answer(404, {"error": "not known"})

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/reservations":
            key = self.headers.get("Idempotency-Key")
            if not key:
                return self._answer(400, {"error": "an Idempotency-Key is needed"})
            return self._answer(201, {"reservation": self.server.reserve(key, given["claim"])})
        if self.path.startswith("/messages"):
            self.server.take_message(given["title"])
            return self._answer(200, {})
        return self._answer(404, {"error": "not known"})

    def _answer(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Says nothing: claims are nobody's business on a terminal."""


def variables(file: Path, port: int) -> dict[str, str]:
    """The variables of the workflow's connections."""
    return {
        "COMPILED_AI_CONNECTION_CLAIMS_DB": f"sqlite:///{file}",
        "COMPILED_AI_CONNECTION_CLEARING": f"http://127.0.0.1:{port}",
        "COMPILED_AI_CONNECTION_DESK": f"json://127.0.0.1:{port}/messages",
    }


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    file = Path(sys.argv[1]).resolve() / "claims.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        make_database(file)
    with Service(int(sys.argv[2]) if len(sys.argv) == 3 else 0) as service:
        for name, value in variables(file, service.server_address[1]).items():
            print(f"export {name}={value}", flush=True)
        try:
            service.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
