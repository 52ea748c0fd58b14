"""Where a batch reads from and what it leaves behind: Parquet, dead letters, checkpoints, the run store."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import ConfigError, KeyMissing, NotFound, StoreFailed, UsageError
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.batch import RecordLimits, run_batch
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.letters import read_letters
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.stream import run_stream

Programs = Callable[[str], Program]
FIXTURES = Path(__file__).parent / "fixtures"
MARKER = "Marker-7719"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def protected(name: str, **sinks: str) -> Program:
    """A fixture program under a pack with these sinks."""
    files = load_program(FIXTURES / name).files
    described = json.loads(files["program.json"])
    described["sinks"] = {
        "inputs": "clear", "effects": "clear", "outputs": "clear", "reviews": "clear", "error_texts": "clear", **sinks
    }  # fmt: skip
    return load_program({**files, "program.json": canonical_json(described)})


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (".", "The output .* is a folder. Name a file in it."),
        ("none/out.jsonl", "There is no folder .*none' for the output. Make it first."),
        ("out.csv", "The output is JSON lines, and .*out.csv' is named as another kind of file. Name it out.jsonl."),
    ],
)
def test_a_place_that_cannot_take_the_lines_is_refused_and_nothing_is_written(
    program: Programs, tmp_path: Path, target: str, said: str
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"document": "Total: 1"}\n', "utf-8")
    with pytest.raises(UsageError, match=said):
        run_batch(program("extract"), source, tmp_path / target)
    with pytest.raises(UsageError, match=said):
        run_stream(program("extract"), str(source), str(tmp_path / target), store=None, state=tmp_path, workers=1)
    assert list(tmp_path.iterdir()) == [source]


# ---------------------------------------------------------------------------------------------- Parquet


def test_parquet_is_read_some_rows_and_only_the_named_columns_at_a_time(program: Programs, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]

    count = 2500
    table = arrow.table(
        {
            "text": [f"Total: {number}.25" for number in range(count)],
            "limit": [float("nan") if number == 7 else 10.5 for number in range(count)],
            "blob": [b"\xff"] * count,
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    options: Any = {"mapping": {"document": "text"}, "workers": 0}
    result = run_batch(program("extract"), tmp_path / "in.parquet", tmp_path / "out.jsonl", **options)
    lines = read(tmp_path / "out.jsonl")
    assert (result.completed, result.failed) == (count - 1, 1)
    assert lines[2]["output"]["total"] == "2.25"
    assert "a value that JSON cannot hold" in lines[7]["error"]
    with pytest.raises(UsageError, match="has no column 'txt'"):
        run_batch(program("extract"), tmp_path / "in.parquet", tmp_path / "out2", mapping={"document": "txt"})


def test_what_is_no_parquet_or_cannot_be_read_without_the_extra_is_said(
    program: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with pytest.raises(NotFound, match=r"no file .*none\.parquet"):
        run_batch(program("extract"), tmp_path / "none.parquet", tmp_path / "out")
    (tmp_path / "in.parquet").write_text("nothing")
    with pytest.raises(UsageError, match="is no Parquet file"):
        run_batch(program("extract"), tmp_path / "in.parquet", tmp_path / "out")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'compiled-ai\[parquet\]'"):
        run_batch(program("extract"), tmp_path / "in.parquet", tmp_path / "out")


# ---------------------------------------------------------------------------------------------- dead letters


def poison(tmp_path: Path) -> Path:
    source = tmp_path / "in.jsonl"
    lines = [f'{{"document": "{MARKER}", "limit": "{MARKER}"}}', "{" + MARKER, '{"document": "Total: 1"}']
    source.write_text("\n".join(lines) + "\n")
    return source


def test_dead_letters_hold_the_record_and_the_reason(program: Programs, store: RunStore, tmp_path: Path) -> None:
    result = run_batch(program("extract"), poison(tmp_path), tmp_path / "out.jsonl", workers=1, store=store)
    assert result.dead_letters == tmp_path / "out.dead.jsonl"
    first, second = read_letters(result.dead_letters, KeyRing())
    assert first["record"] == {"document": MARKER, "limit": MARKER}
    assert "limit" in first["reason"]
    assert (second["index"], second["line"]) == (1, "{" + MARKER)
    assert "failed records and reasons" in result.text()
    (tmp_path / "in.jsonl").write_text('{"document": "Total: 1"}\n')
    run_batch(program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0)
    assert not (tmp_path / "out.dead.jsonl").exists()  # those of an earlier output do not stay beside the new one


@pytest.mark.parametrize("level", ["encrypted", "masked", "forbidden"])
def test_what_a_pack_protects_is_in_no_file_in_the_clear(tmp_path: Path, level: str) -> None:
    program = protected("extract", dead_letters=level, checkpoints=level, error_texts="masked", inputs="encrypted")
    ring = KeyRing.from_environment({"COMPILED_AI_KEY": new_key("k")}, home=tmp_path)
    with RunStore.open(tmp_path / "runs.db", keys=ring) as store:
        run_batch(program, poison(tmp_path), tmp_path / "out.jsonl", workers=1, store=store)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "in.jsonl":
            assert MARKER.encode() not in path.read_bytes(), path.name
    letters = list(read_letters(tmp_path / "out.dead.jsonl", ring))
    if level == "encrypted":
        assert letters[0]["record"]["document"] == MARKER
        with pytest.raises(KeyMissing, match="'k' is needed"):
            list(read_letters(tmp_path / "out.dead.jsonl", KeyRing()))
    else:
        assert letters[0]["withheld"] == level


def test_protected_dead_letters_need_a_key_before_anything_runs(tmp_path: Path) -> None:
    for level in ("encrypted", "masked"):
        with pytest.raises(KeyMissing, match="A dead letter must be encrypted"):
            run_batch(
                protected("extract", dead_letters=level), poison(tmp_path), tmp_path / "out", workers=0, keys=KeyRing()
            )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


class Cut(Exception):
    pass


def _cut_off(program: Program, tmp_path: Path, keys: KeyRing) -> dict[str, Any]:
    (tmp_path / "in.jsonl").write_text("".join(f'{{"document": "Total: {n}"}}\n' for n in range(1200)))
    options: dict[str, Any] = {
        "artifact": program, "source": tmp_path / "in.jsonl", "target": tmp_path / "out.jsonl", "workers": 0,
        "keys": keys,
    }  # fmt: skip

    def breaks(done: int, total: int | None) -> None:
        raise Cut

    time.sleep(0.15)
    with pytest.raises(Cut):
        run_batch(**options, progress=breaks, checkpoint_seconds=0)
    return options


def test_an_encrypted_checkpoint_is_sealed_and_gone_on_with(tmp_path: Path) -> None:
    ring = KeyRing.from_environment({"COMPILED_AI_KEY": new_key("k")})
    options = _cut_off(protected("extract", checkpoints="encrypted"), tmp_path, ring)
    text = (tmp_path / "out.jsonl.checkpoint").read_bytes()
    assert text.startswith(b"compiled-ai-sealed:1:k:") and b"sha256" not in text
    assert run_batch(**options, resume=True).lines == 1200


def test_where_checkpoints_are_forbidden_a_batch_begins_anew(tmp_path: Path) -> None:
    options = _cut_off(protected("extract", checkpoints="forbidden"), tmp_path, KeyRing())
    assert not (tmp_path / "out.jsonl.checkpoint").exists()
    with pytest.raises(UsageError, match="has no checkpoint beside it"):
        run_batch(**options, resume=True)
    assert run_batch(**options).lines == 1200


def test_what_is_no_dead_letter_is_located(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="of dead letters"):
        list(read_letters(tmp_path / "none", KeyRing()))
    (tmp_path / "letters").write_text('{"index": 1}\n[1]\n')
    with pytest.raises(UsageError, match="letters:2: this is no dead letter"):
        list(read_letters(tmp_path / "letters", KeyRing()))


# ---------------------------------------------------------------------------------------------- the store


def test_a_run_with_effects_is_on_record_before_the_first_of_them_starts(
    program: Programs, store: RunStore, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text('{"claim_id": "c1", "notes": ["a", "b"]}\n')
    seen: list[Any] = []

    def reply(request: Any) -> str:
        seen.append(store.incomplete())
        return '{"amount": 1}'

    model = ScriptedModel(reply)
    run_batch(program("lines"), tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0, model=model, store=store)
    line = read(tmp_path / "out.jsonl")[0]
    assert [one.run_id for one in seen[0]] == [line["run_id"]]
    assert seen[0][0].in_doubt, "the call was not intended before it started"
    assert store.load(line["run_id"]).output == line["output"]


def test_a_batch_that_goes_on_asks_no_model_again_for_what_is_on_record(
    program: Programs, store: RunStore, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text("".join(f'{{"claim_id": "c{n}", "notes": ["n"]}}\n' for n in range(6)))
    asked: list[Any] = []

    def reply(request: Any) -> str:
        asked.append(request)
        if len(asked) == 4:
            raise StoreFailed("as if the process had been killed here")
        return '{"amount": 1}'

    options: Any = {"workers": 0, "store": store}
    arguments = (program("lines"), tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(StoreFailed):
        run_batch(*arguments, model=ScriptedModel(reply), **options)
    second = ScriptedModel(['{"amount": 1}'] * 3)
    result = run_batch(*arguments, model=second, resume=True, **options)
    assert (result.completed, len(second.requests)) == (6, 3)
    assert len(store.list()) == 6


def test_workers_put_runs_that_wait_on_record(program: Programs, store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"claim_id": "c1", "notes": ["n"]}\n' * 3)
    box = f"exchange:{tmp_path / 'box'}"
    arguments = (program("lines"), tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    result = run_batch(*arguments, model=box, store=store, workers=1)
    assert result.waiting == 3
    assert {run.run_id for run in store.list(status="waiting")} == {
        line["run_id"] for line in read(tmp_path / "out.jsonl")
    }
    assert run_batch(*arguments, model=box, store=store, workers=1, resume=True).waiting == 3


def test_the_chain_of_a_worker_that_was_killed_is_closed(program: Programs, store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        '{"document": "Total: 1"}\n' * 9 + '{"document": "Total: 2 STUCK"}\n' + '{"document": "Total: 3"}\n' * 9
    )
    limits = RecordLimits(seconds=0.5, memory_mb=256)
    run_batch(program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=1, store=store, limits=limits)
    assert [line["status"] for line in read(tmp_path / "out.jsonl")].count("failed") == 1
    assert len(store.list()) == 18
    assert store.verify().status == "clean"


def test_the_quick_way_gives_what_the_stepper_gives(program: Programs) -> None:
    from compiled_ai.runtime.stepper import Done, Stepping

    triage = program("triage")
    assert triage.build_input is not None
    for age in (3, 41):
        for plan in ("gold", "silver", "tin"):
            for amount in (1, 812, 90000):
                given = {"claim_id": "c", "age": age, "amount": amount, "plan": plan, "in_network": age > 9}
                try:
                    outcome = Stepping(triage, given).advance()
                except UsageError:
                    outcome = None
                typed = triage.build_input(tuple(given.values()))
                quick = None if typed is None else triage.decide_alone(typed)
                assert (quick is not None) == isinstance(outcome, Done)
                if quick is not None and isinstance(outcome, Done):
                    assert quick == canonical_json(outcome.output)
                    assert triage.input_text(typed) == canonical_json(triage.encode_input(typed))


def test_the_quick_way_leaves_effects_to_the_stepper(program: Programs) -> None:
    lines = program("lines")
    assert lines.decide_alone(lines.decode_input({"claim_id": "c", "notes": ["n"]})) is None
