"""A batch in portions: cut, done apart in any order and again, joined; the output is that of a batch in one piece."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import NotFound, RunFailed, UsageError
from compiled_ai.runtime.batch import Batch, portions, run_batch
from compiled_ai.runtime.batch.portions import Portions, order, parts_of
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore

Programs = Callable[[str], Program]
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def triage(monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(portions, "PORTION_RECORDS", 4)
    return load_program(FIXTURES / "triage")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


@contextmanager
def prepared(program: Program, source: Path | str, target: Path, store: RunStore | None = None) -> Iterator[Batch]:
    with ExitStack() as opened:
        yield Batch.prepare(program, source, target, {"claim_id": "id"}, ["id"], store, None, opened)


def claims(path: Path, count: int = 11) -> Path:
    rows = [
        {"id": f"c-{number}", "age": number + 12, "amount": "12.50", "plan": "gold", "in_network": True}
        for number in range(count)
    ]
    rows[3]["age"] = "young"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(path: Path, separator: str = "\n") -> Path:
    """The same as CSV, with a name that has a line break in it."""
    rows = [f'"c\n{number}",{number + 12},12.50,gold,true' for number in range(11)]
    path.write_bytes(("\ufeffid,age,amount,plan,in_network" + separator + separator.join(rows) + separator).encode())
    return path


def lines_of(path: Path, naming: str) -> list[dict[str, Any]]:
    """The lines of an output or of dead letters, without what differs between two batches."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for line in found:
        if line["run_id"] is not None:
            line["run_id"] = line["run_id"].removeprefix(naming)
    return found


def in_portions(program: Program, source: Path | str, target: Path, store: RunStore | None = None) -> str:
    """Cuts, does the portions from the last to the first, each twice, and joins."""
    with prepared(program, source, target, store) as batch:
        naming = order(batch)
    with prepared(program, source, target, store) as batch:
        count = len(Portions(batch, naming).cut())
    for number in reversed(range(count)):
        for _ in range(2):
            with prepared(program, source, target, store) as batch:
                Portions(batch, naming).do(number)
    for _ in range(2):
        with prepared(program, source, target, store) as batch:
            Portions(batch, naming).join()
    return naming


def whole(program: Program, source: Path | str, target: Path) -> None:
    run_batch(program, source, target, mapping={"claim_id": "id"}, keep=["id"], workers=0)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "carriage returns"])
def test_the_output_is_that_of_a_batch_in_one_piece(
    kind: str, triage: Program, store: RunStore, tmp_path: Path
) -> None:
    source = claims(tmp_path / "in.jsonl") if kind == "jsonl" else table(tmp_path / "in.csv")
    if kind == "carriage returns":
        source.write_bytes(source.read_bytes().replace(b"\n", b"\r"))
    naming = in_portions(triage, source, tmp_path / "apart.jsonl", store)
    whole(triage, source, tmp_path / "whole.jsonl")
    apart, once = (lines_of(tmp_path / f"{name}.jsonl", naming) for name in ("apart", "whole"))
    other = str(once[0]["run_id"])[:-8]
    assert apart == lines_of(tmp_path / "whole.jsonl", other)
    assert [line["index"] for line in apart] == list(range(11))
    assert len(store.stored([f"{naming}{line['index']:08x}" for line in apart])) == (10 if kind == "jsonl" else 11)
    failed = (tmp_path / "apart.dead.jsonl").exists()
    assert failed == (kind == "jsonl") == (tmp_path / "whole.dead.jsonl").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("apart")) == (
        ["apart.dead.jsonl", "apart.jsonl"] if failed else ["apart.jsonl"]
    )


def test_rows_of_a_query_are_read_once_and_cut_as_a_file(
    triage: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sqlalchemy", reason="the extra `database` is not installed")
    database = tmp_path / "claims.db"
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("CREATE TABLE claims (id TEXT, age INTEGER, amount TEXT)")
        connection.executemany("INSERT INTO claims VALUES (?, ?, '1')", [(f"c-{n}", n + 12) for n in range(9)])
    connection.close()
    monkeypatch.setenv("COMPILED_AI_CONNECTION_CLAIMS", f"sqlite:///{database}")
    query = "sql:claims:SELECT id, age, amount, 'gold' AS plan, 0 = 0 AS in_network FROM claims ORDER BY id"
    naming = in_portions(triage, query, tmp_path / "out.jsonl")
    assert [line["id"] for line in lines_of(tmp_path / "out.jsonl", naming)] == [f"c-{n}" for n in range(9)]
    hidden = protected(checkpoints="encrypted")
    monkeypatch.setenv("COMPILED_AI_KEY", new_key("k"))
    with (
        prepared(hidden, query, tmp_path / "other.jsonl") as batch,
        pytest.raises(UsageError, match="would lie in the clear beside the output"),
    ):
        Portions(batch, order(batch)).cut()


def protected(**sinks: str) -> Program:
    files = load_program(FIXTURES / "triage").files
    described = {**json.loads(files["program.json"]), "sinks": sinks}
    return load_program({**files, "program.json": canonical_json(described)})


def test_a_portion_that_is_given_up_goes_on_after_its_checkpoint(
    triage: Program, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "PORTION_RECORDS", 5_000)
    monkeypatch.setattr(portions, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    source = claims(tmp_path / "in.jsonl", 2_000)
    with prepared(triage, source, tmp_path / "out.jsonl", store) as batch:
        going = Portions(batch, order(batch))
        going.cut()

        def given_up(done: int, _: int | None) -> None:
            if done >= 512:
                raise RunFailed("given up")

        with pytest.raises(RunFailed, match="given up"):
            going.do(0, given_up)
    with prepared(triage, source, tmp_path / "out.jsonl", store) as batch:
        batch.workers = 2  # also in processes the first record is not the first of the input
        heard: list[int] = []
        assert Portions(batch, going._naming).do(0, lambda done, _: heard.append(done)) == {
            "completed": 1_999,
            "failed": 1,
        }
        assert heard[0] > 512
        Portions(batch, going._naming).join()
    assert [line["index"] for line in lines_of(tmp_path / "out.jsonl", "")] == list(range(2_000))


def test_what_was_changed_or_is_missing_is_told(triage: Program, tmp_path: Path) -> None:
    source, target = claims(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with prepared(triage, source, target) as batch:
        going = Portions(batch, order(batch))
        going.cut()
        going.do(0)
        with pytest.raises(NotFound, match="Portion 1 of the batch is not done. Go on with --resume."):
            going.join()
        text = source.read_text()
        source.write_text(text.replace("c-5", "c-X"))
        with pytest.raises(UsageError, match="is not the one that the batch began with"):
            going.do(1)
        source.write_text(text)
    with prepared(triage, source, target) as batch:
        again = Portions(batch, going._naming)
        for number in (1, 2):
            again.do(number)
        part = parts_of(target) / "00000001.jsonl.part"
        part.write_bytes(part.read_bytes().replace(b"completed", b"Completed"))
        with pytest.raises(UsageError, match="was damaged or altered. Delete it and its .checkpoint"):
            again.join()
        part.unlink()
        part.with_name("00000001.jsonl.checkpoint").unlink()
        again.do(1)
        again.join()
    assert target.exists()


def test_a_batch_is_ordered_once_and_gone_on_with_by_name(triage: Program, tmp_path: Path) -> None:
    source, target = claims(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with prepared(triage, source, target) as batch:
        with pytest.raises(NotFound, match="There is no batch in portions to .* to go on with"):
            order(batch, resume=True)
        naming = order(batch)
        with pytest.raises(UsageError, match="was cut off, and what it did is still there"):
            order(batch)
        assert order(batch, resume=True) == naming
    with (
        prepared(triage, claims(tmp_path / "other.jsonl"), target) as other,
        pytest.raises(UsageError, match="The batch began with another input, --map or --keep"),
    ):
        order(other, resume=True)
    (tmp_path / "out.jsonl.checkpoint").unlink()
    parts_of(target).mkdir()
    with (
        prepared(triage, source, target) as batch,
        pytest.raises(UsageError, match="is left of another batch, and nothing says of which"),
    ):
        order(batch)
    with (
        prepared(protected(checkpoints="forbidden"), source, tmp_path / "new.jsonl") as batch,
        pytest.raises(UsageError, match="allows no checkpoints, and a batch in portions is made of them"),
    ):
        order(batch)


def test_a_batch_that_was_begun_on_one_machine_is_gone_on_with_there(triage: Program, tmp_path: Path) -> None:
    source, target = claims(tmp_path / "in.jsonl", 600), tmp_path / "out.jsonl"

    def breaks(done: int, _: int | None) -> None:
        if done >= 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(triage, source, target, mapping={"claim_id": "id"}, keep=["id"], workers=0, progress=breaks)
    with (
        prepared(triage, source, target) as batch,
        pytest.raises(UsageError, match="was begun on one machine"),
    ):
        order(batch, resume=True)
    summary = run_batch(triage, source, target, mapping={"claim_id": "id"}, keep=["id"], workers=2, resume=True)
    assert (summary.lines, summary.here) == (600, 88)


def test_where_a_pack_protects_checkpoints_the_index_is_sealed(
    triage: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPILED_AI_KEY", new_key("k"))
    source, target = claims(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with prepared(protected(checkpoints="encrypted"), source, target) as batch:
        going = Portions(batch, order(batch))
        spans = going.cut()
        assert b"sha256" not in (parts_of(target) / "index.jsonl").read_bytes()
        assert going.cut() == spans
        for number in range(len(spans)):
            going.do(number)
        going.join()
    assert len(target.read_text().splitlines()) == 11
