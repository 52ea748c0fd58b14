"""Module `http` against a local service: what is sent, what is repeated, and where it never goes."""

from __future__ import annotations

import gzip
import ipaddress
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from call_steps import call_step, called, result_of

from compiled_ai.errors import ArtifactRefused, ConfigError, UsageError
from compiled_ai.runtime.calls.wire import is_allowed
from conftest import Service

FOUND = result_of(plan="string", limit="decimal")
LOCAL = {"hosts": ["127.0.0.1", "localhost"], "methods": ["GET", "POST", "PUT", "DELETE"], "addresses": ["127.0.0.0/8"]}
GET = {"connection": "api", "path": "/members/{id}", "query": {"day": "day"}, "timeout_seconds": 2}
NOT_PUBLIC = (
    "The host has an address that is neither public nor in 'allow.addresses'. "
    "Declare its network there, or correct the connection's address."
)
POST = {"connection": "api", "path": "/claims", "method": "POST", "timeout_seconds": 2}


@pytest.fixture(autouse=True)
def _connection(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", service.address)
    monkeypatch.setenv("COMPILED_AI_SECRET_API", "t0p-secret")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited between attempts, instead of waiting."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited


def getting(allow: Any = None, **more: Any) -> Any:
    return call_step("http", {**GET, **more}, {**LOCAL, **(allow or {})}, FOUND, id="string", day="date")


def posting(allow: Any = None, **more: Any) -> Any:
    return call_step("http", {**POST, **more}, {**LOCAL, **(allow or {})}, FOUND, amount="money")


def test_a_reply_is_cut_down_to_what_the_step_declares_and_read_exactly(service: Service) -> None:
    service.says((200, {}, b'{"plan": "GOLD", "limit": 0.10, "ssn": "never asked for"}'))
    effect = called(getting(), id="M 1/2", day="2026-03-02")
    assert (effect.state, str(effect.result["limit"]), set(effect.result)) == ("succeeded", "0.10", {"plan", "limit"})
    [(method, path, headers, body)] = service.asked
    assert (method, path, body) == ("GET", "/members/M%201%2F2?day=2026-03-02", b"")
    assert headers["Authorization"] == "Bearer t0p-secret"
    assert "t0p-secret" not in repr(effect)


def test_a_missing_value_is_left_out_of_the_query(service: Service) -> None:
    service.says({"plan": "GOLD"})
    called(getting(), id="M1", day=None)
    assert service.asked[0][1] == "/members/M1"


def test_a_body_holds_the_arguments_that_stand_nowhere_else_and_numbers_as_they_are(service: Service) -> None:
    service.says({"plan": "GOLD"})
    called(posting(), amount="12.50")
    assert json.loads(service.asked[0][3]) == {"amount": "12.50"}


def test_the_secret_can_stand_in_a_header_of_its_own(service: Service) -> None:
    service.says({"plan": "GOLD"})
    called(getting(secret_header="X-Api-Key"), id="M1", day="2026-03-02")
    assert (service.asked[0][2]["X-Api-Key"], "Authorization" in service.asked[0][2]) == ("t0p-secret", False)


@pytest.mark.parametrize("name", ["..", ".", "", "a\\b", "a\nb"])
def test_an_argument_cannot_lead_to_another_path(service: Service, name: str) -> None:
    effect = called(getting(), id=name, day="2026-03-02")
    assert (effect.state, service.asked) == ("failed", [])
    assert effect.error == "An argument cannot stand in the path: it is empty, or leads somewhere else."


def test_nothing_found_is_nothing_and_a_list_is_a_list_of_rows(service: Service) -> None:
    service.says((404, {}, b"{}"), (204, {}, b""), [{"plan": "A", "more": 1}, {"plan": "B"}])
    results = [called(getting(), id="M1", day="2026-03-02").result for _ in range(3)]
    assert results == [None, None, [{"plan": "A"}, {"plan": "B"}]]


@pytest.mark.parametrize("status", [400, 401, 409, 422])
def test_what_the_service_refuses_has_not_happened(service: Service, status: int) -> None:
    service.says((status, {}, b"SSN-1"))
    effect = called(posting(), amount="1")
    assert (effect.state, effect.error, len(service.asked)) == ("failed", f"The service answered {status}.", 1)


def test_a_lookup_is_repeated_and_the_service_says_when(service: Service, pauses: list[float]) -> None:
    service.says((503, {"Retry-After": "7"}, b""), (429, {"Retry-After": "3"}, b""), {"plan": "GOLD"})
    assert called(getting(), id="M1", day="2026-03-02").result == {"plan": "GOLD"}
    assert (len(service.asked), pauses) == (3, [7.0, 3.0])


def test_retry_after_can_be_a_date(service: Service, pauses: list[float]) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    service.says((503, {"Retry-After": later}, b""), {"plan": "GOLD"})
    called(getting(), id="M1", day="2026-03-02")
    assert 25 < pauses[0] <= 30


def test_a_service_that_asks_for_a_long_pause_has_failed(service: Service, pauses: list[float]) -> None:
    service.says((503, {"Retry-After": "3600"}, b""))
    effect = called(getting(), id="M1", day="2026-03-02")
    assert (effect.state, len(service.asked), pauses) == ("failed", 1, [])


def test_attempts_come_to_an_end(service: Service, pauses: list[float]) -> None:
    service.says((503, {}, b""))
    effect = called(getting(attempts=4), id="M1", day="2026-03-02")
    assert (effect.state, effect.error, len(service.asked)) == ("failed", "The service answered 503.", 4)


def test_a_post_without_a_key_is_sent_once_and_is_in_doubt_when_the_service_breaks_off(service: Service) -> None:
    service.says((0, {}, b""))
    effect = called(posting(), amount="1")
    assert (effect.state, len(service.asked)) == ("in_doubt", 1)
    assert effect.error == "The service broke off (RemoteProtocolError)."


def test_a_post_with_a_key_is_sent_again_under_the_same_key(service: Service, pauses: list[float]) -> None:
    service.says((0, {}, b""), (502, {}, b""), {"plan": "GOLD"})
    effect = called(posting(idempotency_key=True), amount="1")
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in service.asked}
    assert (effect.state, len(service.asked), len(keys)) == ("succeeded", 3, 1)
    called(posting(idempotency_key=True), item=1, amount="1")
    assert service.asked[-1][2]["Idempotency-Key"] not in keys


def test_a_refusal_after_a_try_of_which_nothing_is_known_is_in_doubt(service: Service, pauses: list[float]) -> None:
    service.says((0, {}, b""), (409, {}, b""))
    assert called(posting(idempotency_key=True), amount="1").state == "in_doubt"


def test_a_service_that_is_not_there_has_done_nothing(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("COMPILED_AI_CONNECTION_API", f"http://127.0.0.1:{free.getsockname()[1]}")
        effect = called(posting(), amount="1")
    assert (effect.state, effect.error) == ("failed", "The service cannot be reached (ConnectError).")


def test_a_call_without_a_run_is_made_if_it_may_be_repeated_and_refused_otherwise(service: Service) -> None:
    service.says({"plan": "GOLD"})
    assert called(getting(), run_id="", id="M1", day="2026-03-02").state == "succeeded"
    with pytest.raises(UsageError, match="must not happen twice; this run is on no record"):
        called(posting(), run_id="", amount="1")
    with pytest.raises(UsageError, match="must not happen twice; this run is on no record"):
        called(posting(idempotency_key=True), run_id="", amount="1")
    assert len(service.asked) == 1


# ---------------------------------------------------------------- limits


def test_a_reply_that_is_too_long_is_not_read_to_its_end(service: Service) -> None:
    service.says({"plan": "x" * 5000})
    effect = called(getting(max_bytes=1000), id="M1", day="2026-03-02")
    assert (effect.state, effect.error) == ("failed", "The reply is longer than 1000 bytes ('max_bytes').")


def test_a_packed_reply_is_refused(service: Service) -> None:
    service.says((200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"plan": "GOLD"}')))
    assert called(getting(), id="M1", day="2026-03-02").error == "The reply is packed, which was not asked for."


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b'{"a": 1', b'{"limit": NaN}'])
def test_a_reply_that_is_no_json_is_a_failure(service: Service, body: bytes) -> None:
    service.says((200, {}, body))
    assert called(getting(), id="M1", day="2026-03-02").error == "The reply is no JSON."


def test_a_service_that_drips_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Thread
    from time import monotonic, sleep

    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            for _ in range(100):
                try:
                    connection.sendall(b"d")
                except OSError:
                    return
                sleep(0.1)

    thread = Thread(target=drip, daemon=True)
    thread.start()
    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", f"http://127.0.0.1:{listener.getsockname()[1]}")
    started = monotonic()
    effect = called(getting(timeout_seconds=1, attempts=1), id="M1", day="2026-03-02")
    listener.close()
    thread.join()
    assert effect.error == "The service broke off (ReadTimeout)."
    assert monotonic() - started < 5


# ---------------------------------------------------------------- where it never goes


@pytest.mark.parametrize(
    "number",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_whatever_it_is_wrapped_in(number: str) -> None:
    assert not is_allowed(ipaddress.ip_address(number), ())


@pytest.mark.parametrize("number", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_a_public_address_is_allowed(number: str) -> None:
    assert is_allowed(ipaddress.ip_address(number), ())


def test_a_declared_network_is_allowed_and_no_other() -> None:
    declared = (ipaddress.ip_network("10.1.0.0/16"),)
    assert is_allowed(ipaddress.ip_address("10.1.2.3"), declared)
    assert is_allowed(ipaddress.ip_address("::ffff:10.1.2.3"), declared)
    assert not is_allowed(ipaddress.ip_address("10.2.0.1"), declared)


def test_a_host_with_a_private_address_is_refused_before_anything_is_sent(service: Service) -> None:
    effect = called(getting({"addresses": ["10.0.0.0/8"]}), id="M1", day="2026-03-02")
    assert (effect.state, service.asked) == ("failed", [])
    assert effect.error == NOT_PUBLIC


def test_a_name_is_resolved_once_and_the_number_that_was_checked_is_used(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the first answer of the resolver is fine, every later one leads inside."""
    service.says({"plan": "GOLD"})
    port = service.server_address[1]
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]]
    asked: list[str] = []

    def resolve(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return answers.pop() if answers else [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", f"http://localhost:{port}")
    monkeypatch.setattr("compiled_ai.runtime.calls.wire.socket.getaddrinfo", resolve_names(resolve))
    assert called(getting(), id="M1", day="2026-03-02").result == {"plan": "GOLD"}
    assert asked == ["localhost"]
    assert service.asked[0][2]["Host"] == f"localhost:{port}"


def resolve_names(resolve: Any) -> Any:
    """Only names go to the made-up resolver; numbers, which a socket asks for too, are what they are."""
    real = socket.getaddrinfo

    def chosen(host: Any, *rest: Any, **more: Any) -> Any:
        shown = host.decode() if isinstance(host, bytes) else str(host)
        return real(host, *rest, **more) if shown[:1].isdigit() else resolve(shown, *rest, **more)

    return chosen


def test_one_private_address_among_public_ones_refuses_the_host(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = service.server_address[1]
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port)),
    ]
    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", f"http://localhost:{port}")
    monkeypatch.setattr("compiled_ai.runtime.calls.wire.socket.getaddrinfo", resolve_names(lambda *_, **__: both))
    effect = called(getting({"addresses": ["127.0.0.0/8"]}), id="M1", day="2026-03-02")
    assert effect.error == NOT_PUBLIC


def certified(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a name that nobody else has signed, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize(("name", "trusted", "works"), [
    ("localhost", True, True), ("localhost", False, False), ("elsewhere.example", True, False),
])  # fmt: skip
def test_a_certificate_is_held_against_the_name_and_not_the_number(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, trusted: bool, works: bool
) -> None:
    certificate, key = certified(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    service.socket = context.wrap_socket(service.socket, server_side=True, do_handshake_on_connect=False)
    service.says({"plan": "GOLD"})
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", f"https://localhost:{service.server_address[1]}")
    effect = called(getting(attempts=1, timeout_seconds=5), id="M1", day="2026-03-02")
    assert (effect.state == "succeeded") == works, effect.error
    assert bool(service.asked) == works


@pytest.mark.parametrize("place", ["http://169.254.169.254/latest", "https://elsewhere.example/", "/other"])
def test_a_redirect_is_never_followed(service: Service, place: str) -> None:
    service.says((302, {"Location": place}, b""))
    effect = called(getting(), id="M1", day="2026-03-02")
    assert effect.error == "The service answered 302, a redirect, and none is followed. Name the last address."
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://example.org", "names a host that 'allow.hosts' does not list"),
        ("http://127.0.0.1.example.org", "names a host that 'allow.hosts' does not list"),
        ("127.0.0.1:9", "API has no scheme. Write https://HOST, or http://HOST for declared 'allow.addresses'"),
        ("localhost:9", "has no scheme"),
        ("user:pw@127.0.0.1", "has no scheme"),
        ("//127.0.0.1", "has no scheme"),
        ("http://user:pw@127.0.0.1", "holds more than a base address. Put the secret into the secret's own variable"),
        ("http://127.0.0.1/?key=1", "holds more than a base address"),
        ("ftp://127.0.0.1", "is no https address"),
        ("http://127.0.0.1:port", "cannot be read"),
    ],
)
def test_a_base_address_that_is_not_allowed_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_API", address)
    with pytest.raises(ConfigError, match=message) as caught:
        called(getting(), id="M1", day="2026-03-02")
    assert "pw" not in str(caught.value)


def test_a_secret_never_goes_over_a_connection_in_the_clear_to_an_undeclared_network() -> None:
    with pytest.raises(
        ConfigError, match="is no https address. Use https; http is for declared 'allow.addresses' alone"
    ):
        called(getting({"addresses": []}), id="M1", day="2026-03-02")


@pytest.mark.parametrize(
    ("settings", "allow", "message"),
    [
        ({}, {"hosts": []}, "needs 'allow.hosts': the hosts that the connection may reach"),
        ({"method": "PATCH"}, {}, "does not allow method 'PATCH'. Add it to 'allow.methods'"),
        ({"path": "members"}, {}, "The path is 'members'; it must begin with one '/'"),
        ({"path": "//evil.example"}, {}, "it must begin with one '/'"),
        ({"path": "/{id}/../admin"}, {}, "leads somewhere else by '.' or '..'"),
        ({"secret_header": "Host"}, {}, "Header 'Host' cannot carry a secret"),
        ({"path": "/a?b={id}"}, {}, "holds '\\?' or '#'. Put the query into 'query'"),
        ({"path": "/{idd}"}, {}, "Nothing gives the argument 'idd'. Name it in 'parameters'. Did you mean 'id'"),
        ({"query": {}}, {}, "nothing takes the argument 'day'. Name it in 'query'"),
        ({"path": "/{id}/{"}, {}, "has a brace that names no argument"),
        (
            {"headers": {"Authorization": "x"}},
            {},
            "is not for a specification to set. A secret comes from the environment",
        ),
        ({"headers": {"X-A": "a\nb"}}, {}, "Header 'X-A' is no plain text"),
    ],
)
def test_a_call_that_is_not_declared_is_refused_before_it_is_made(
    service: Service, settings: Any, allow: Any, message: str
) -> None:
    with pytest.raises(ArtifactRefused, match=message):
        called(getting(allow, **settings), id="M1", day="2026-03-02")
    assert service.asked == []
