"""Many records, some of them poison."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.canonical import canonical_json, utf8_json
from compiled_ai.errors import ConfigError, NotFound, UsageError
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.batch import RecordLimits, run_batch
from compiled_ai.runtime.batch.sources import Mark, open_source
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.letters import LetterForm, read_letters
from compiled_ai.runtime.lines import Columns, convert_cell
from compiled_ai.runtime.reviews import decide
from compiled_ai.runtime.stepper import Program
from compiled_ai.runtime.store import RunStore

Programs = Callable[[str], Program]
SHORT = RecordLimits(seconds=0.5, memory_mb=256)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as opened:
        yield opened


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_poison_lines_are_reported_in_their_place_and_stop_nothing(program: Programs, tmp_path: Path) -> None:
    lines: list[Any] = [
        {"document": "Total: 1"},
        {"document": "Total: 2 ENDLESS"},
        {"document": "Total: 3 HUGE"},
        {"document": "Total: 4 STUCK"},
        {"document": "Total: 5 DEEP"},
        "{not json",
        "[1, 2]",
        "",
        {"document": 7},
        {},
        {"document": "Total: 11"},
    ]
    source = write(
        tmp_path / "in.jsonl",
        [line | {"id": index} if isinstance(line, dict) else line for index, line in enumerate(lines)],
    )
    result = run_batch(program("extract"), source, tmp_path / "out.jsonl", workers=2, limits=SHORT, keep=["id"])
    out = read(tmp_path / "out.jsonl")
    assert [line["index"] for line in out] == list(range(11))
    assert [line["status"] for line in out] == ["completed", *["failed"] * 9, "completed"]
    assert [line["id"] for line in out] == [0, 1, 2, 3, 4, None, None, None, 8, 9, 10]
    said = ["stopped after", "MemoryError", "stopped after", "RecursionError", "Not valid JSON", "no JSON object"]
    for line, words in zip(out[1:7], said, strict=True):
        assert words in line["error"]
    assert (result.completed, result.failed, result.exit_code) == (2, 9, 0)


def test_strict_turns_a_failed_line_into_a_failure_of_the_batch(program: Programs, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ["{bad", {"document": "Total: 1"}])
    result = run_batch(program("extract"), source, tmp_path / "out.jsonl", workers=0, strict=True)
    assert result.exit_code == 1
    assert len(read(tmp_path / "out.jsonl")) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_order_is_kept_and_every_line_is_answered(program: Programs, tmp_path: Path, workers: int) -> None:
    source = write(
        tmp_path / "in.jsonl", [{"document": f"Total: {number}.5", "limit": 150} for number in range(1, 301)]
    )
    run_batch(program("extract"), source, tmp_path / "out.jsonl", workers=workers)
    out = read(tmp_path / "out.jsonl")
    assert [line["output"]["total"] for line in out] == [f"{number}.5" for number in range(1, 301)]
    assert out[0].keys() == {"index", "run_id", "status", "output"}
    assert len({line["run_id"] for line in out}) == 300


def test_a_setting_that_no_line_can_do_without_stops_the_batch_and_leaves_no_file(
    program: Programs, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl", [{"claim_id": "c", "notes": ["x"]}])
    for workers in (0, 1):
        with pytest.raises(ConfigError, match="pins none"):
            run_batch(program("lines"), source, tmp_path / "out.jsonl", workers=workers)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mapping": {"documnt": "text"}}, "The artifact has no input 'documnt'. Did you mean 'document'?"),
        ({"mapping": {"document": "txt"}}, "The file has no column 'txt'. Did you mean 'text'?"),
        ({"keep": ["text2"], "mapping": {"document": "text"}}, "The file has no column 'text2'"),
        ({}, "The file has no column 'document'"),
        ({"keep": ["index"]}, "Column 'index' cannot be kept"),
        ({"workers": -1, "mapping": {"document": "text"}}, "-1 workers make no sense"),
    ],
)
def test_wrong_columns_are_refused_before_anything_runs(
    program: Programs, tmp_path: Path, options: Any, said: str
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,limit\nTotal: 1,\n")
    with pytest.raises(UsageError) as caught:
        run_batch(program("extract"), source, tmp_path / "out.jsonl", **options)
    assert said in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_file_that_is_not_there_is_named(program: Programs, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.jsonl"):
        run_batch(program("extract"), tmp_path / "nowhere.jsonl", tmp_path / "out.jsonl")


def test_a_csv_header_with_a_column_twice_is_refused(program: Programs, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("document,document\nx,y\n")
    with pytest.raises(UsageError, match="'document' occurs twice"):
        run_batch(program("extract"), source, tmp_path / "out.jsonl")


def test_csv_cells_are_read_by_type_and_columns_are_mapped_and_kept(program: Programs, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = ["\ufeffnumber,text,limit,unread", '7,"Total: 12.50\nnext line",12,z', "8,Total: 3,,z", "9,too few"]
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    options: Any = {"mapping": {"document": "text"}, "keep": ["number"], "workers": 0}
    run_batch(program("extract"), source, tmp_path / "out.jsonl", **options)
    first, second, third = read(tmp_path / "out.jsonl")
    assert (first["output"], first["number"]) == ({"total": "12.50", "verdict": "HOLD"}, "7")
    assert second["output"] == {"total": "3", "verdict": "PAY"}
    assert (third["status"], third["error"]) == ("failed", "The row has 2 cells, the header has 4.")


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        ("age", "41", 41),
        ("age", "4x", "4x"),
        ("in_network", "TRUE", True),
        ("in_network", "yes", "yes"),
        ("plan", "", None),
        ("claim_id", " c ", " c "),
    ],
)
def test_a_cell_that_does_not_read_stays_text(program: Programs, field: str, cell: str, value: Any) -> None:
    kind = next(part.type for part in program("triage").input_type.fields if part.name == field)
    assert convert_cell(cell, kind) == value
    assert type(convert_cell(cell, kind)) is type(value)


def test_a_line_that_is_not_utf_8_or_endless_fails_alone(program: Programs, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    with source.open("wb") as stream:
        stream.write(
            b'{"document": "Total: \xff"}\n{"document": "' + b"x" * (66 << 20) + b'"}\n{"document": "Total: 2"}\n'
        )
    run_batch(program("extract"), source, tmp_path / "out.jsonl", workers=0)
    out = read(tmp_path / "out.jsonl")
    assert [line["status"] for line in out] == ["failed", "failed", "completed"]
    assert "not UTF-8" in out[0]["error"] and "longer than 64 MB" in out[1]["error"]


def test_waiting_lines_are_filled_in_once_they_are_decided(program: Programs, store: RunStore, tmp_path: Path) -> None:
    glp1 = program("glp1")
    replies = {
        "sick": '{"has_t2d_diagnosis": true, "current_a1c": 8, "bmi": 31, "has_step_therapy_failure": false}',
        "silent": '{"has_t2d_diagnosis": null, "current_a1c": 8, "bmi": 31, "has_step_therapy_failure": false}',
    }
    model = ScriptedModel(lambda request: replies["silent" if "silent" in request.prompt else "sick"])
    charts = [
        {"patient_chart_summary": text, "n": index} for index, text in enumerate(["sick", "silent", "silent too"])
    ]
    source, target = write(tmp_path / "in.jsonl", charts), tmp_path / "out.jsonl"
    options: Any = {"workers": 0, "model": model, "store": store, "keep": ["n"]}
    first = run_batch(glp1, source, target, **options)
    assert (first.completed, first.waiting, first.exit_code) == (1, 2, 3)
    review = next(review for review in store.reviews() if review.run_id == read(target)[1]["run_id"])
    value = {"has_t2d_diagnosis": True, "current_a1c": 8, "bmi": 31, "has_step_therapy_failure": False}
    decide(review.review_id, "correct", by="A", reason="B", value=value, store=store, programs=lambda _: glp1)
    before = read(target)
    asked = len(model.requests)
    second = run_batch(glp1, source, target, resume=True, **options)
    after = read(target)
    assert [line["status"] for line in after] == ["completed", "completed", "review"]
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1]["n"] == 1
    assert len(model.requests) == asked
    assert (second.waiting, second.exit_code) == (1, 3)


def test_lines_that_await_a_reply_are_all_asked_first_and_run_again_on_resume(
    program: Programs, store: RunStore, tmp_path: Path
) -> None:
    lines = [{"claim_id": f"c{index}", "notes": [f"note {index}"]} for index in range(3)]
    source, target = write(tmp_path / "in.jsonl", lines), tmp_path / "out.jsonl"
    box = f"exchange:{tmp_path / 'box'}"
    first = run_batch(program("lines"), source, target, model=box, store=store, workers=0)
    assert (first.waiting, first.exit_code) == (3, 3)
    model = ScriptedModel(['{"amount": 1}'] * 3)
    second = run_batch(program("lines"), source, target, model=model, store=store, workers=0, resume=True)
    assert (second.completed, second.exit_code) == (3, 0)


def test_every_line_is_on_record_with_the_id_that_the_output_names(
    program: Programs, store: RunStore, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl", [{"document": f"Total: {number}"} for number in range(1, 21)])
    run_batch(program("extract"), source, tmp_path / "out.jsonl", workers=1, store=store)
    for line in read(tmp_path / "out.jsonl"):
        assert store.load(line["run_id"]).output == line["output"]
    assert store.verify().findings == ()


def test_progress_ends_at_the_whole(program: Programs, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    source = write(tmp_path / "in.jsonl", [{"document": "Total: 1"}] * 5)
    result = run_batch(
        program("extract"),
        source,
        tmp_path / "out.jsonl",
        workers=0,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (5, 5)
    assert result.rate is not None and result.to_json()["lines"] == 5


def test_an_empty_file_gives_an_empty_file(program: Programs, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [])
    result = run_batch(program("extract"), source, tmp_path / "out.jsonl", workers=0)
    assert (result.lines, result.rate) == (0, None)
    assert (tmp_path / "out.jsonl").read_text() == ""


def test_a_batch_does_not_write_over_what_it_reads(program: Programs, tmp_path: Path) -> None:
    source = write(tmp_path / "x.dead.jsonl", ["{bad"])
    for target in (source, tmp_path / "x.jsonl"):
        with pytest.raises(UsageError, match="is input and output at once"):
            run_batch(program("extract"), source, target, workers=0)
    assert source.read_text() == "{bad\n"


def test_a_byte_order_mark_belongs_to_no_record(program: Programs, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [f'{{"document": "Total: {number}"}}\n' for number in range(1, 4)]
    source.write_text("".join(lines), encoding="utf-8-sig")
    assert run_batch(program("extract"), source, out, workers=0).failed == 0
    assert run_batch(program("extract"), source, out, workers=0, resume=True).failed == 0
    reading = open_source(source)
    records = reading.read(Mark(), None)
    assert next(records) == lines[0].strip().encode()
    place = reading.mark()
    reading.close()
    assert place.bytes == len(lines[0]) + 3
    again = open_source(source)
    assert list(again.read(place, None)) == [line.strip().encode() for line in lines[1:]]
    again.close()
    source.write_text("".join([*lines[:2], "\ufeff" + lines[2]]))
    assert run_batch(program("extract"), source, out, workers=0).failed == 1  # within a file it is no mark


def test_what_is_written_is_json_in_utf_8_even_with_lone_surrogates(program: Programs, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [r'{"document": "Total: 1", "k": "\ud800"}', r'{"document": "\udc00"}'])
    out = tmp_path / "out.jsonl"
    result = run_batch(program("extract"), source, out, workers=0, keep=["k"])
    assert result.lines == len(read(out)) == 2
    first = read(out)[0]
    assert first["status"] == "failed" or first["k"] == "\ud800"
    whole = out.read_bytes()
    assert run_batch(program("extract"), source, out, workers=0, keep=["k"], resume=True).lines == 2
    assert out.read_bytes() == whole
    assert len(list(read_letters(tmp_path / "out.dead.jsonl", KeyRing()))) == result.failed


@pytest.mark.parametrize("sink", ["clear", "encrypted"])
def test_a_reason_with_lone_surrogates_is_read_again(tmp_path: Path, sink: str) -> None:
    keys = KeyRing([new_key("k")])
    letter = LetterForm(sink, keys).write(0, None, "no \ud800", None, Columns({}))
    (tmp_path / "letters").write_bytes(letter)
    assert [found["reason"] for found in read_letters(tmp_path / "letters", keys)] == [r"no \ud800"]


def test_lone_surrogates_are_escaped_in_bytes() -> None:
    text = "\ud800 \\ \udfff \N{GRINNING FACE}"
    assert json.loads(utf8_json(canonical_json([text])).decode("utf-8")) == [text]
