"""Kills streams over Kafka, and the broker, at random: `python bench/killed_kafka.py [--points 30] [--records 20000]`.

Two processes of one group read a topic of four partitions, share a run store and write to another topic, while records
keep coming. At each point one of them, or the broker, gets SIGKILL, or one of them SIGTERM, and is started again. At
the end everything is compared with what nobody's death would have left: every record has a line, with its own decision;
all lines of a position name one run; the store has one run for each record; the first lines of a partition are in its
order; and all offsets are committed. Lines that are there twice are counted, as at-least-once allows them.

Needs a broker as the tests do: `COMPILED_AI_KAFKA_HOME`, or the cache of `.ci/run`.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.stepper import load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.stream import run_stream

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "kafka"))

ARTIFACT = Path(__file__).parent.parent / "tests" / "runtime" / "fixtures" / "extract"
PARTITIONS = 4
READERS = ("one", "two")
MOST_SECONDS_BETWEEN = 6.0
SECONDS_TO_THE_END = 180.0


def read_here(home: Path, reader: str, source: str, sink: str) -> None:
    """What a killed process runs."""
    with RunStore.open(home / "runs.db", keys=KeyRing(home=home)) as store:
        run_stream(load_program(ARTIFACT), source, sink, store=store, state=home / reader, workers=1)


class Scene:
    """A broker, two topics, two readers, and a writer that goes on until all records are written."""

    def __init__(self, home: Path, records: int) -> None:
        from kafka_support import Broker

        (home / "broker").mkdir()
        self.home, self.records = home, records
        self.broker = Broker(home / "broker")
        self.broker.start()
        self.source, self.sink = self.broker.topic(PARTITIONS), self.broker.topic()
        self._processes = {reader: self._begin(reader) for reader in READERS}
        self._writing = threading.Thread(target=self._write)
        self._writing.start()

    def _begin(self, reader: str) -> subprocess.Popen[bytes]:
        place = f"kafka://{self.broker.plain}"
        command = [sys.executable, __file__, "--read", str(self.home), reader]
        log = (self.home / f"{reader}.log").open("ab")
        return subprocess.Popen([*command, f"{place}/{self.source}", f"{place}/{self.sink}"], stderr=log)

    def _write(self) -> None:
        """Each partition's records in a row; while the broker is away the client waits."""
        step = 100
        for start in range(0, self.records, step):
            values = [f'{{"document": "Total: {number + 1}"}}'.encode() for number in range(start, start + step)]
            partition = (start // step) % PARTITIONS
            while True:
                try:
                    self.broker.write(self.source, values, partition, acks="all", enable_idempotence=True)
                    break
                except Exception as fault:  # it could not even connect: nothing was written
                    if "bootstrap" not in str(fault):
                        raise
                    time.sleep(0.5)
            time.sleep(0.2)

    def strike(self, drawn: random.Random) -> str:
        """Ends one of them, and starts it again."""
        victim = drawn.choice([*READERS, *READERS, "broker"])
        if victim == "broker":
            self.broker.kill()
            time.sleep(drawn.uniform(0, 3))
            self.broker.start()
            self._restart_who_gave_up()
            return "broker killed"
        how = drawn.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        process = self._processes[victim]
        process.send_signal(how)
        process.wait(120)
        self._processes[victim] = self._begin(victim)
        return f"{how.name} to a reader"

    def _restart_who_gave_up(self) -> None:
        """A reader that began while the broker was away says so and ends."""
        for reader, process in self._processes.items():
            if process.poll() is not None:
                told = (self.home / f"{reader}.log").read_text()
                assert "no broker answers" in told.splitlines()[-1], told[-2000:]
                self._processes[reader] = self._begin(reader)

    def end(self) -> None:
        self._writing.join()
        self._restart_who_gave_up()
        end = time.monotonic() + SECONDS_TO_THE_END
        while sum(self.broker.committed(self.source).values()) < self.records:
            assert time.monotonic() < end, f"not all is committed: {self.broker.committed(self.source)}"
            time.sleep(1)
        for reader, process in self._processes.items():
            process.send_signal(signal.SIGTERM)
            code = process.wait(120)
            assert code in (0, -signal.SIGTERM), (code, (self.home / f"{reader}.log").read_text()[-2000:])

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        self.broker.kill()

    def verify(self) -> int:
        """Returns how many lines are there once more."""
        lines = [json.loads(value) for _, value in self.broker.read(self.sink)]
        runs: dict[str, str] = {}
        last = dict.fromkeys(range(PARTITIONS), -1)
        totals = set()
        for line in lines:
            position = line["position"]
            if position not in runs:
                partition, offset = map(int, position.split(":"))
                assert offset == last[partition] + 1, f"{position} comes after {last[partition]}"
                last[partition] = offset
            assert runs.setdefault(position, line["run_id"]) == line["run_id"], position
            assert line["status"] == "completed", line
            totals.add(int(line["output"]["total"]))
        assert totals == set(range(1, self.records + 1)), "something was lost"
        with RunStore.open(self.home / "runs.db", keys=KeyRing(home=self.home)) as store:
            assert len(set(runs.values())) == len(runs) == self.records
            assert {each.run_id for each in store.list(limit=None)} == set(runs.values())
            assert store.verify().status in ("clean", "unclosed")
        return len(lines) - len(runs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--read", nargs=4, metavar=("HOME", "READER", "SOURCE", "SINK"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read_here(Path(given.read[0]), *given.read[1:])
        return
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    drawn, struck = random.Random(given.seed), []
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), given.records)
        try:
            for _ in range(given.points):
                time.sleep(drawn.uniform(0, MOST_SECONDS_BETWEEN))
                struck.append(scene.strike(drawn))
            scene.end()
            again = scene.verify()
        finally:
            scene.close()
    counts = ", ".join(f"{struck.count(kind)} x {kind}" for kind in sorted(set(struck)))
    print(f"{given.points} points ({counts}), {given.records} records: none lost, one run each, {again} lines twice")


if __name__ == "__main__":
    main()
