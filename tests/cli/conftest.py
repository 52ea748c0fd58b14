"""Homes and a local provider for the tests of the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_support import Home, Provider, environment


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, environment(tmp_path))


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One home for the tests of a module that only read, or that only add runs."""
    from compiled_ai.runtime.keys import new_key

    folder = tmp_path_factory.mktemp("shared")
    return Home(folder, {**environment(folder), "COMPILED_AI_KEY": new_key("test")})


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider("", lambda prompt: "{}", [])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = json.dumps(asked["messages"], ensure_ascii=False)
            found.asked.append(prompt)
            message = {"role": "assistant", "content": found.reply(prompt)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            told = {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": "local",
                "choices": [choice],
                "usage": usage,
            }
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
