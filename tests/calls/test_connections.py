"""Addresses and secrets: from the environment or the keyring, and into no message."""

from __future__ import annotations

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from compiled_ai.errors import ConfigError
from compiled_ai.runtime.calls.connections import find_connection, require_secret


class _Ring(KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def __init__(self, entries: dict[str, str] | None) -> None:
        self.entries = entries

    def get_password(self, service: str, username: str) -> str | None:
        if self.entries is None:
            raise KeyringLocked
        return self.entries.get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked


def test_a_connection_is_found_by_its_name_in_upper_case() -> None:
    found = find_connection("claims_db", {"COMPILED_AI_CONNECTION_CLAIMS_DB": "a", "COMPILED_AI_SECRET_CLAIMS_DB": "s"})
    assert (found.address, found.secret) == ("a", "s")
    assert "'a'" not in repr(found) and "'s'" not in repr(found)


def test_a_connection_without_an_address_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="'api' has no address. Set COMPILED_AI_CONNECTION_API"):
        find_connection("api", {})


def test_a_secret_can_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert require_secret("kafka", {"COMPILED_AI_SECRET_KAFKA": "s"}) == "s"
    monkeypatch.setattr(keyring, "get_password", _Ring({"compiled-ai/kafka": "from the ring"}).get_password)
    assert require_secret("kafka", {"COMPILED_AI_SECRET_KAFKA": "keyring:kafka"}) == "from the ring"
    with pytest.raises(ConfigError, match="There is no secret 'kafka'. Set COMPILED_AI_SECRET_KAFKA"):
        require_secret("kafka", {})


def test_a_value_can_stand_in_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_password", _Ring({"compiled-ai/token": "s3cret"}).get_password)
    env = {"COMPILED_AI_CONNECTION_API": "https://x", "COMPILED_AI_SECRET_API": "keyring:token"}
    assert find_connection("api", env).secret == "s3cret"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {},
            "names entry 'token', which the keyring does not hold. keyring set compiled-ai token",
        ),
        (None, "COMPILED_AI_SECRET_API names the keyring, which cannot be read here. Unlock it"),
    ],
)
def test_a_keyring_that_does_not_answer_is_said(
    monkeypatch: pytest.MonkeyPatch, entries: dict[str, str] | None, message: str
) -> None:
    monkeypatch.setattr(keyring, "get_password", _Ring(entries).get_password)
    with pytest.raises(ConfigError, match=message):
        find_connection("api", {"COMPILED_AI_CONNECTION_API": "x", "COMPILED_AI_SECRET_API": "keyring:token"})


def test_a_keyring_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    with pytest.raises(ConfigError, match="keyring is not installed. pip install compiled-ai\\[keyring\\]"):
        find_connection("api", {"COMPILED_AI_CONNECTION_API": "keyring:x"})
