"""A provider on this machine: speaks the OpenAI and the Anthropic format, and every way of failing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from compiled_ai.models import Request

KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OLLAMA_BASE_URL")


@dataclass
class Provider:
    """A local server; `answers` (made by `answer` in the tests) are given in order, the last one for ever."""

    url: str
    answers: list[Any] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def next(self) -> Any:
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def openai_body(answer: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "local-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": answer.finish or "stop",
            }
        ],
    }
    if answer.usage:
        body["usage"] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return body


def anthropic_body(answer: Any) -> dict[str, Any]:
    return {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude-local",
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": {"length": "max_tokens"}.get(answer.finish or "", "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": 13, "output_tokens": 5},
    }


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            provider.asked.append({"path": self.path, **asked})
            provider.headers.append(dict(self.headers.items()))
            answer = provider.next()
            if answer.cut:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"id": ')
                self.close_connection = True
                return
            made = anthropic_body(answer) if self.path.startswith("/v1/messages") else openai_body(answer)
            failed = {"error": {"type": "test_error", "message": "no", "code": "test"}}
            body = answer.body or json.dumps(made if answer.status == 200 else failed).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pydantic_ai.models.ALLOW_MODEL_REQUESTS", True)
    provider = Provider(url="")
    server = Server(("127.0.0.1", 0), _handler(provider))
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask_for() -> Callable[..., Request]:
    def make(prompt: str = "Write it.", **more: Any) -> Request:
        return Request(**{"system": "Be brief.", "prompt": prompt, "purpose": "generate:step", **more})

    return make
