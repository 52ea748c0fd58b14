"""A real broker of one node for the tests of Kafka topics, and what they do with it."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOME_VARIABLE = "COMPILED_AI_KAFKA_HOME"
PASSWORD = "opensesame"
_JAVA = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
_START_SECONDS = 120
_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=CONTROLLER://127.0.0.1:{controller},PLAINTEXT://127.0.0.1:{plain},\
LOGIN://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},LOGIN://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_alice="{password}";
listener.name.mutual.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={folder}/own.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
log.dirs={folder}/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=true
"""


class NoBroker(Exception):
    """Why there can be none on this machine."""


def find_jars() -> Path:
    """The folder with the broker's jars: given, or where `.ci/run` keeps them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get(HOME_VARIABLE) or cache / "compiled-ai" / "kafka-3.9.1")
    if shutil.which("java") is None:
        raise NoBroker("no java on this machine")
    if not any(folder.glob("kafka_*.jar")):
        raise NoBroker(f"no Kafka broker: {HOME_VARIABLE} names no folder with its jars (see .ci/run)")
    return folder


class Broker:
    """Starts on free ports; topics have names of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._jars = folder, find_jars()
        ports = _free_ports(4)
        self.plain, self.login, self.mutual = (f"127.0.0.1:{port}" for port in ports[1:])
        names = dict(zip(("controller", "plain", "login", "mutual"), ports, strict=True))
        _write_certificates(folder)
        self._settings = folder / "server.properties"
        self._settings.write_text(_SETTINGS.format(folder=folder, password=PASSWORD, **names))
        self._numbers = count(1)
        scram = f"SCRAM-SHA-512=[name=alice,password={PASSWORD}]"
        formatting = ("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "--add-scram", scram)
        subprocess.run([*self._java(*formatting), "-c", str(self._settings)], check=True, capture_output=True)

    def _java(self, *arguments: str) -> list[str]:
        return ["java", *_JAVA, "-cp", f"{self._jars}/*", *arguments]

    def start(self) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            command = self._java("kafka.Kafka", str(self._settings))
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        wait_for(self._answers, _START_SECONDS)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "broker.log").read_text()[-2000:]
        host, _, port = self.plain.partition(":")
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))):
                return False
        return bool(self._ask(_brokers))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    # ------------------------------------------------------------ topics

    def topic(self, partitions: int = 1, **settings: str) -> str:
        """Makes a topic; `settings` with `_` for `.`."""
        name = f"topic-{next(self._numbers)}"
        self.make(name, partitions, **settings)
        return name

    def make(self, name: str, partitions: int = 1, **settings: str) -> None:
        given = {key.replace("_", "."): value for key, value in settings.items()}
        self._ask(lambda admin: admin.create_topics([NewTopic(name, partitions, 1, topic_configs=given)]))

    def topics(self) -> list[str]:
        found: list[str] = self._ask(lambda admin: admin.list_topics())
        return found

    def delete(self, topic: str) -> None:
        self._ask(lambda admin: admin.delete_topics([topic]))

    def delete_before(self, topic: str, offset: int) -> None:
        """What retention does."""
        from aiokafka.admin import RecordsToDelete

        gone = {TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)}
        self._ask(lambda admin: admin.delete_records(gone))

    def committed(self, topic: str, group: str = "compiled-ai") -> dict[int, int]:
        try:
            found = self._ask(lambda admin: admin.list_consumer_group_offsets(group))
        except KafkaError:
            return {}  # the coordinator is not there yet
        return {each.partition: place.offset for each, place in found.items() if each.topic == topic}

    def _ask(self, question: Callable[[AIOKafkaAdminClient], Coroutine[Any, Any, Any]]) -> Any:
        async def asked() -> Any:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.plain)
            try:
                await admin.start()
                return await question(admin)
            finally:
                await admin.close()

        return asyncio.run(asked())

    def write(self, topic: str, values: Sequence[bytes | None], partition: int = 0, **options: Any) -> None:
        async def written() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.plain, **options)
            try:
                await producer.start()
                for value in values:
                    await producer.send(topic, value, b"key", partition=partition)
            finally:
                await producer.stop()

        asyncio.run(written())

    def transact(self, topic: str, values: Sequence[bytes], *, commits: bool) -> None:
        """Writes in a transaction, and takes it back if it does not commit."""

        async def transacted() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.plain, transactional_id=f"t-{topic}") as producer:
                await producer.begin_transaction()
                for value in values:
                    await producer.send_and_wait(topic, value)
                await (producer.commit_transaction() if commits else producer.abort_transaction())

        asyncio.run(transacted())

    def read(self, topic: str) -> list[tuple[bytes, bytes]]:
        """Key and value of everything that is there."""

        async def consumed() -> list[tuple[bytes, bytes]]:
            async with AIOKafkaConsumer(bootstrap_servers=self.plain, auto_offset_reset="earliest") as consumer:
                consumer.assign([TopicPartition(topic, 0)])
                ends = await consumer.end_offsets([TopicPartition(topic, 0)])
                found: list[tuple[bytes, bytes]] = []
                while await consumer.position(TopicPartition(topic, 0)) < ends[TopicPartition(topic, 0)]:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += [(record.key, record.value) for record in records]
                return found

        return asyncio.run(consumed())


async def _brokers(admin: AIOKafkaAdminClient) -> Any:
    return (await admin.describe_cluster())["brokers"]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    """Found together, so that they differ."""
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _write_certificates(folder: Path) -> None:
    """One that signs itself, for brokers and clients alike: `ca.pem`, and with its key `own.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(public)
    (folder / "own.pem").write_bytes(private + public)
