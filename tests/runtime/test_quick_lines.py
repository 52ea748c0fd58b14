"""Plain lines of JSONL are read and written in a quicker way; what comes of them is what a single run gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.canonical import DEEPEST, canonical_json, kind_of, parse_json
from compiled_ai.errors import InputError
from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import run
from compiled_ai.runtime.stepper import Program, load_program
from compiled_ai.runtime.store import RunStore

Programs = Callable[[str], Program]
INPUTS = ("claim_id", "age", "amount", "plan", "in_network")
PLAIN = '{"claim_id": "c-1", "age": 41, "amount": 812.50, "plan": "gold", "in_network": true}'
LINES = {
    "as declared": PLAIN,
    "another order": '{"in_network": false, "plan": "silver", "amount": 812.50, "age": 41, "claim_id": "c-1"}',
    "more columns": PLAIN[:-1] + ', "note": "n", "weight": 1.5}',
    "an object beside": PLAIN[:-1] + ', "note": {"a": [1, {"b": 2.50}]}}',
    "a name twice beside": PLAIN[:-1] + ', "note": 1, "note": 2}',
    "a name twice in an object beside": PLAIN[:-1] + ', "x": {"a": 1, "a": 2}}',
    "a name twice in a list beside": PLAIN[:-1] + ', "x": [[1], [{"a": 1, "a": 2}]]}',
    "a name twice": PLAIN[:-1] + ', "age": 3}',
    "an object in a column": PLAIN.replace("41", '{"years": 41}'),
    "an empty object in a column": PLAIN.replace("41", "{}"),
    "a list in a column": PLAIN.replace("41", "[41]"),
    "a whole amount": PLAIN.replace("812.50", "812"),
    "an amount as text": PLAIN.replace("812.50", '"812.50"'),
    "a short exponent": PLAIN.replace("812.50", "8.125e2"),
    "the largest exponent": PLAIN.replace("812.50", "1e400"),
    "an exponent out of range": PLAIN.replace("812.50", "1e401"),
    "an exponent out of range beside": PLAIN[:-1] + ', "note": 1e999999999}',
    "the smallest exponent": PLAIN.replace("812.50", "1e-400"),
    "an exponent below the range": PLAIN.replace("812.50", "1e-401"),
    "a zero with an exponent": PLAIN.replace("812.50", "0e999999"),
    "minus zero": PLAIN.replace("812.50", "-0.00"),
    "many digits": PLAIN.replace("812.50", "8." + "1" * 1200),
    "a whole number with a fraction": PLAIN.replace("41", "41.0"),
    "a number with a fraction": PLAIN.replace("41", "41.5"),
    "a number of many digits": PLAIN.replace("41", "4" * 5000),
    "true as a number": PLAIN.replace("41", "true"),
    "a number as true": PLAIN.replace("true", "1"),
    "not a number": PLAIN.replace("812.50", "NaN"),
    "a word that is not allowed": PLAIN.replace("gold", "tin"),
    "null": PLAIN.replace("41", "null"),
    "a column that is not there": '{"claim_id": "c-1", "age": 41, "plan": "gold", "in_network": true}',
    "escapes": PLAIN.replace("c-1", "\\u00e9\\n\\ud800%s"),
    "white space around": f"  {PLAIN}\t",
    "something behind": f"{PLAIN} x",
    "nothing in it": "{}",
    "no object": "[1, 2]",
    "cut off": PLAIN[:-9],
    "deep": PLAIN[:-1] + ', "note": ' + "[" * 100000 + "}",
}


def alone(program: Program, line: str, note: str | None) -> dict[str, Any]:
    """What becomes of a record that is run by itself; `note` is the column that is kept."""
    kept: dict[str, Any] = {} if note is None else {note: None}
    try:
        values = parse_json(line)
        if not isinstance(values, dict):
            raise InputError(f"The line is no JSON object but {kind_of(values)}.")
        kept = {name: values.get(name) for name in kept}
        result = run(program, {name: values[name] for name in INPUTS if name in values})
    except InputError as fault:
        return {"status": "failed", "output": None, "error": str(fault), **kept}
    return {"status": result.status, "output": result.output, **kept}


@pytest.mark.parametrize("note", [None, "note"], ids=["none kept", "one kept"])
def test_a_line_of_any_kind_comes_to_what_a_single_run_comes_to(
    program: Programs, tmp_path: Path, note: str | None
) -> None:
    triage = program("triage")
    (tmp_path / "in.jsonl").write_text("".join(f"{line}\n" for line in LINES.values()))
    run_batch(triage, tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0, keep=[] if note is None else [note])
    written = [parse_json(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    for (name, line), found in zip(LINES.items(), written, strict=True):
        found = {key: value for key, value in found.items() if key not in ("index", "run_id")}
        assert canonical_json(found) == canonical_json(alone(triage, line, note)), name


@pytest.mark.parametrize("workers", [0, 1])
def test_a_kept_column_that_is_too_deep_fails_its_record_alone(program: Programs, tmp_path: Path, workers: int) -> None:
    deep = PLAIN[:-1] + ', "note": ' + "[" * DEEPEST + "]" * DEEPEST + "}"
    (tmp_path / "in.jsonl").write_text(f"{PLAIN}\n{deep}\n{PLAIN}\n")
    run_batch(program("triage"), tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=workers, keep=["note"])
    first, second, third = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (first["status"], third["status"]) == ("completed", "completed")
    assert (second["status"], second["note"]) == ("failed", None)


def test_the_record_of_a_line_is_that_of_a_single_run(program: Programs, tmp_path: Path) -> None:
    """But for its id and its times: input, output and business keys, with the run's columns called otherwise."""
    triage = load_program({**program("triage").files, "program.json": referring(program("triage"))})
    given = {**json.loads(PLAIN), "amount": 812}
    renamed = {"claim": given["claim_id"], **{name: given[name] for name in INPUTS[1:]}}
    (tmp_path / "in.jsonl").write_text(json.dumps(renamed) + "\n")
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as store:
        run(triage, given, store=store)
        run_batch(
            triage,
            tmp_path / "in.jsonl",
            tmp_path / "out.jsonl",
            mapping={"claim_id": "claim"},
            workers=0,
            store=store,
        )
        found = store.find("c-1", key="claim_id")
        one, other = (store.load(each.run_id) for each in found)
        own = {"run_id": "", "started_at": "", "finished_at": ""}
        assert one.run_id != other.run_id
        assert one.model_copy(update=own) == other.model_copy(update=own)
        assert store.verify().status == "clean"


def test_plain_runs_of_a_compiled_artifact_share_their_event(program: Programs, tmp_path: Path) -> None:
    """A compiled artifact names each sink; where all are clear that is as good as none."""
    triage = program("triage")
    sinks = dict.fromkeys(("inputs", "effects", "outputs", "reviews", "error_texts"), "clear")
    named = load_program({**triage.files, "program.json": canonical_json({**triage.described, "sinks": sinks})})
    (tmp_path / "in.jsonl").write_text(f"{PLAIN}\n" * 5)
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as store:
        run_batch(named, tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0, store=store)
        report = store.verify()
        assert (report.status, report.runs, report.events) == ("clean", 5, 2)
        assert len(store.purge([run.run_id for run in store.list()])) == 5


def test_places_of_what_was_read_stand_in_the_record_of_a_line(program: Programs, tmp_path: Path) -> None:
    """Also where the step need not have any."""
    extract = program("extract")
    steps = [{**step, "evidence": False} for step in extract.described["steps"]]
    unasked = load_program({**extract.files, "program.json": canonical_json({**extract.described, "steps": steps})})
    (tmp_path / "in.jsonl").write_text('{"document": "Total: 12"}\n')
    with RunStore.open(tmp_path / "runs.db", keys=KeyRing(home=tmp_path)) as store:
        alone = run(unasked, {"document": "Total: 12"}, store=store).run_id
        run_batch(unasked, tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0, store=store)
        batched = json.loads((tmp_path / "out.jsonl").read_text())["run_id"]
        assert store.load(alone).evidence is not None
        assert store.load(batched).evidence == store.load(alone).evidence


def referring(program: Program) -> str:
    return canonical_json({**program.described, "reference": ["claim_id"]})


@pytest.mark.parametrize("mapped", [False, True], ids=["kept", "mapped"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_kept_or_mapped_column_that_no_line_has_is_told(
    program: Programs, tmp_path: Path, workers: int, mapped: bool
) -> None:
    records = [{"document": "Total: 1", "id": 4}, {"document": "Total: 2", "page": 1}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    result = run_batch(
        program("extract"),
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        workers=workers,
        mapping={"document": "text"} if mapped else {},
        keep=["id", "identifier", "page"],
    )
    absent, shown = (["identifier", "text"], "'identifier' or 'text'") if mapped else (["identifier"], "'identifier'")
    failed = f"every record failed; the reasons are in {str(tmp_path / 'out.dead.jsonl')!r} (--strict: exit code 1)"
    assert result.to_json()["absent_columns"] == list(result.absent) == absent
    assert result.warnings[0] == f"no record has a column {shown} (--keep, --map). Known: document, id."
    assert result.warnings[1:] == ((failed,) if mapped else ())
    assert result.exit_code == 0
    whole = run_batch(
        program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0, keep=["identifier"], resume=True
    )
    assert whole.absent == ()
    assert (result.was_whole, whole.was_whole) == (False, True)
    assert whole.text().startswith("nothing was left to do; 2 lines: ") and "left to do" not in result.text()
    with (tmp_path / "in.jsonl").open("a") as more:
        more.write('{"document": "Total: 3"}\n')
    longer = run_batch(program("extract"), tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=0, resume=True)
    assert (longer.lines, longer.was_whole) == (3, False)


@pytest.mark.parametrize("inner", ["[{}]", '{{"a":{}}}'], ids=["lists", "objects"])
def test_the_deepest_json_that_is_read_can_be_written(inner: str) -> None:
    """Whoever calls, and on every Python: the limit is the project's own."""
    deepest = reduce(lambda text, _: inner.format(text), range(DEEPEST - 1), "[]")
    assert canonical_json(parse_json(deepest)) == deepest
    with pytest.raises(InputError, match="more than 200 levels"):
        parse_json(inner.format(deepest))
