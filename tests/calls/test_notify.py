"""Module `notify` over a webhook: sent once, or in doubt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from call_steps import call_step, called, result_of

from compiled_ai.errors import ArtifactRefused, ConfigError, UsageError
from conftest import Service

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by a plugin of apprise
SENT = result_of(sent="boolean")
SAYS = {"connection": "desk", "subject": "Claim {claim}", "message": "{claim}: {why} {{sic}}", "timeout_seconds": 2}


@pytest.fixture(autouse=True)
def _connection(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_DESK", service.address.replace("http", "json") + "/hook?method=post")


def telling(allow: Any = None, **more: Any) -> Any:
    allowed = {"channels": ["json"], **(allow or {})}
    return call_step("notify", {**SAYS, **more}, allowed, SENT, claim="string", why="text")


def test_a_message_is_put_together_and_sent(service: Service) -> None:
    effect = called(telling(), claim="C-1", why="too late")
    assert (effect.state, effect.result) == ("succeeded", {"sent": True})
    [(_, path, headers, body)] = service.asked
    told = json.loads(body)
    assert (path, told["title"], told["message"]) == ("/hook", "Claim C-1", "C-1: too late {sic}")
    assert "Idempotency-Key" not in headers


def test_a_no_is_in_doubt_and_is_not_asked_again(service: Service) -> None:
    service.says((500, {}, b""))
    effect = called(telling(), claim="C-1", why="x")
    assert (effect.state, len(service.asked)) == ("in_doubt", 1)
    assert effect.error == "The channel 'desk' did not confirm the message."


def test_a_channel_that_deduplicates_gets_the_same_key_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiled_ai.runtime.calls.notify._PAUSES", (0.01, 0.01))
    service.says((500, {}, b""), (200, {}, b""))
    effect = called(telling({"deduplicates": True}), claim="C-1", why="x")
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in service.asked]
    assert (effect.state, len(keys), len(set(keys))) == ("succeeded", 2, 1)


def test_a_message_needs_a_run_on_record(service: Service) -> None:
    with pytest.raises(UsageError, match="must not happen twice; this run is on no record"):
        called(telling(), run_id="", claim="C-1", why="x")
    assert service.asked == []


def test_nothing_that_apprise_says_reaches_a_log(
    service: Service, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    service.says((500, {}, b"MARKER-in-reply"))
    with caplog.at_level("DEBUG"):
        called(telling(), claim="MARKER-1", why="MARKER-2")
    assert "MARKER" not in caplog.text + "".join(capfd.readouterr())


def test_a_message_that_is_too_long_is_not_sent(service: Service) -> None:
    effect = called(telling(), claim="C-1", why="x" * 100_001)
    assert (effect.state, effect.error) == ("failed", "The message is longer than 100000 characters.")
    assert service.asked == []


@pytest.mark.parametrize(
    ("address", "allow", "message"),
    [
        ("slack://a/b/c", {}, "is of a kind that 'allow.channels' does not list"),
        ("json", {}, "is no address of one channel"),
        ("json://", {}, "is no address of one channel"),
        ("mailto://u:pw@example.org", {"channels": ["mailto"], "deduplicates": True}, "cannot carry a key"),
    ],
)
def test_an_address_that_is_wrong_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, address: str, allow: Any, message: str
) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_DESK", address)
    with pytest.raises(ConfigError, match=message) as caught:
        called(telling(allow), claim="C-1", why="x")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "allow", "message"),
    [
        ({}, {"channels": []}, "needs 'allow.channels': the kinds of address"),
        ({"message": "{clam}"}, {}, "Nothing gives the argument 'clam'. Name it in 'parameters'. Did you mean 'claim'"),
        ({"message": "{"}, {}, "has a brace that names no argument"),
    ],
)
def test_a_message_that_is_not_declared_is_refused(settings: Any, allow: Any, message: str) -> None:
    with pytest.raises(ArtifactRefused, match=message):
        called(telling(allow, **settings), claim="C-1", why="x")
