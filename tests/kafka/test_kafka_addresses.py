"""Addresses of Kafka topics: what they may say, what is refused before anything connects."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from compiled_ai.errors import ConfigError, StoreFailed, UsageError
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.stream import kafka_address, run_stream
from compiled_ai.runtime.stream.kafka_address import read_address
from compiled_ai.runtime.stream.messages import open_sink, open_source

EXTRACT = Path(__file__).parents[1] / "runtime" / "fixtures" / "extract"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("kafka://host", "'' is no name of a Kafka topic. Write kafka://HOST:PORT/TOPIC."),
        ("kafka://host/a/b", "'a/b' is no name of a Kafka topic"),
        (
            "kafka://host/.",
            "'.' is no name of a Kafka topic. Write kafka://HOST:PORT/TOPIC. A name has 1 to 249 letters",
        ),
        ("kafka://host/..", "'..' is no name of a Kafka topic"),
        (f"kafka://host/{'a' * 250}", f"'{'a' * 60}...' is no name of a Kafka topic"),
        ("kafka://host/cl%20aims", "'cl%20aims' is no name of a Kafka topic"),
        ("kafka://host/claims#x", "The address of a Kafka topic has no '#'. Write kafka://HOST:PORT/TOPIC."),
        ("kafka://alice:ge#heim@host/claims", "The address of a Kafka topic has no '#'"),
        ("kafka://host/claims?group=a#", "The address of a Kafka topic has no '#'"),
        ("kafka:///claims", "'' is no broker. Write kafka://HOST:PORT/TOPIC."),
        ("kafka://one,/claims", "'' is no broker"),
        ("kafka://host:ninety/claims", "'host:ninety' is no broker"),
        ("kafka://[::1/claims", "The address of the Kafka topic cannot be read: Invalid IPv6 URL. Write kafka://"),
        ("kafka://host:0/claims", "'host:0' is no broker"),
        ("kafka://host/claims?grup=x", "'grup' is no option of a Kafka topic. Known: ca, certificate, group, sasl"),
        ("kafka://host/claims?group=", "'group' has no value. Write group=VALUE, or leave it out."),
        ("kafka://alice:geheim@host/claims", "The address holds a password, which process lists and histories show."),
        ("kafka://alice:ge/heim@host/claims", "The address holds a password"),
        ("kafka://alice:ge?heim@host/claims", "The address holds a password"),
        ("kafka://host/claims?sasl=PLAIN", "'sasl' needs a user. Write kafkas://USER@HOST:PORT/TOPIC."),
        ("kafka://host/claims?secret=x", "'secret' needs a user"),
        ("kafkas://alice@host/claims?sasl=GSSAPI", "sasl is 'GSSAPI'. Known: SCRAM-SHA-512, SCRAM-SHA-256, PLAIN."),
        ("kafka://alice@host/claims?sasl=PLAIN", "sasl 'PLAIN' would send the password in the clear. Use kafkas://"),
        ("kafka://host/claims?ca=x.pem", "'ca' needs TLS. Write kafkas:// in place of kafka://."),
        ("kafkas://host/claims?ca=none.pem", "ca 'none.pem' cannot be read"),
        ("kafkas://host/claims?certificate=none.pem", "certificate 'none.pem' cannot be read"),
        ("kafkas://alice@host/claims", "There is no secret 'kafka'. Set COMPILED_AI_SECRET_KAFKA (the secret, or key"),
    ],
)
def test_an_address_that_is_none_is_refused_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.delenv("COMPILED_AI_SECRET_KAFKA", raising=False)
    with pytest.raises(UsageError) as refused:
        open_source(address)
    assert said in str(refused.value)
    assert "heim" not in str(refused.value)


def test_the_longest_name_of_a_topic_is_one() -> None:
    assert read_address(f"kafka://host/{'a' * 249}", ()).topic == "a" * 249
    assert read_address("kafka://host/...", ()).topic == "..."


def test_a_source_has_no_key_and_a_sink_no_group() -> None:
    with pytest.raises(UsageError, match="'key' is no option"):
        open_source("kafka://host/claims?key=claim_id")
    with pytest.raises(UsageError, match="'group' is no option"):
        open_sink("kafka://host/claims?group=x")


def test_a_stream_is_named_after_cluster_topic_and_group_and_never_after_who_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPILED_AI_SECRET_TEAM", "geheim")
    source = open_source("kafkas://al%40ice@two:9093,one/claims?group=g&secret=team")
    assert source.name == "kafka one:9092,two:9093 claims g"
    assert open_source("kafka://[::1]:9093/claims").name == "kafka [::1]:9093 claims compiled-ai"
    assert open_source("kafka://one/claims").name == "kafka one:9092 claims compiled-ai"
    at = read_address("kafkas://al%40ice@two:9093,one/claims?secret=team", ())
    assert at.security["sasl_plain_username"] == "al@ice"
    assert at.security["sasl_plain_password"] == "geheim"
    assert (at.security["sasl_mechanism"], at.security["security_protocol"]) == ("SCRAM-SHA-512", "SASL_SSL")
    assert "geheim" not in repr(at)


def test_the_security_of_an_address_follows_from_its_scheme_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPILED_AI_SECRET_KAFKA", "geheim")
    found = {
        text: read_address(text, ()).security["security_protocol"]
        for text in ("kafka://h/t", "kafkas://h/t", "kafka://u@h/t", "kafkas://u@h/t?sasl=PLAIN")
    }
    assert list(found.values()) == ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    for opened in (open_source, open_sink):
        with pytest.raises(ConfigError, match=r"pip install 'compiled-ai\[kafka\]'"):
            opened("kafka://host/claims")


def test_a_stream_does_not_feed_on_the_topic_that_it_writes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'kafka one:9092,two:9092 claims' is input and output at once"):
        run_stream(
            load_program(EXTRACT), "kafka://one,two/claims", "kafka://two,one/claims", store=None, state=tmp_path
        )


@pytest.mark.parametrize("end", ["source", "sink"])
def test_brokers_that_are_away_at_the_start_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    monkeypatch.setattr(kafka_address, "_PATIENCE_SECONDS", 1.0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = f"kafka://127.0.0.1:{unused.getsockname()[1]}/claims"
        ends = {"source": str(tmp_path / "in.jsonl"), "sink": str(tmp_path / "out.jsonl"), end: away}
        (tmp_path / "in.jsonl").touch()
        with pytest.raises(
            StoreFailed, match=r"^kafka 127.0.0.1:\d+ claims: no broker answers \(.*Connect call failed.*\)\. See"
        ):
            run_stream(load_program(EXTRACT), ends["source"], ends["sink"], store=None, state=tmp_path, workers=1)
