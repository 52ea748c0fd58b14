"""Algorithm 1: recordings replay to the same artifact, faults go back, and nothing is left of what fails."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from compiled_ai.canonical import parse_json
from compiled_ai.compiler import Compilation, CompileOptions, compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import BudgetExceeded, CompileFailed, ConfigError, KeyMissing, NotFound, Waiting
from compiled_ai.models import Budget, RecordedModel, ScriptedModel, read_transcript
from compiled_ai.runtime.keys import new_key

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECORDINGS = HERE / "order_note" / "recordings"
SPEC = HERE / "order_note.yaml"
GOOD = (
    "```python\nimport re\n\n\ndef read_note(note: str) -> ReadNote:\n    return ReadNote(None, 'question', None)\n```"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", store_url=f"sqlite:///{tmp_path / 'runs.db'}")


def _artifacts(settings: Settings) -> list[Path]:
    return list(settings.home.rglob("seal.json"))


def _scripted(monkeypatch: pytest.MonkeyPatch, *replies: str) -> None:
    monkeypatch.setattr("compiled_ai.compiler.open_model", lambda *_, **__: ScriptedModel(list(replies)))


def test_a_recording_that_needed_three_attempts_replays(settings: Settings) -> None:
    told: list[str] = []
    compiled = compile_spec(SPEC, settings, CompileOptions(model=f"recorded:{RECORDINGS}"), progress=told.append)
    assert [attempt.report.status for attempt in compiled.attempts] == ["failed", "failed", "passed"]
    assert compiled.origins == ("authored", "exchange")
    assert compiled.usage.origin == "estimated"
    assert [line.split(":")[0] for line in told] == ["attempt 1", "attempt 2", "attempt 3"]
    assert compiled.provisional is not None and "16 of 16 sealed cases right" in compiled.provisional


def test_no_recording_is_an_orphan(settings: Settings) -> None:
    model = RecordedModel(RECORDINGS)
    assert len(read_transcript(RECORDINGS).entries) == 3
    compile_spec(SPEC, settings, CompileOptions(model=f"recorded:{RECORDINGS}"))
    kept = parse_json(
        (_artifacts(settings)[0].parent / "evidence" / "transcript.jsonl").read_text("utf-8").splitlines()[-1]
    )
    assert kept["key"] == read_transcript(RECORDINGS).entries[-1].key
    assert model.name.startswith("recorded:")


def test_the_transcript_of_an_artifact_replays_to_the_same_artifact(settings: Settings, tmp_path: Path) -> None:
    first = compile_spec(SPEC, settings, CompileOptions(model=f"recorded:{RECORDINGS}"))
    other = Settings(home=tmp_path / "other", store_url=settings.store_url)
    again = compile_spec(SPEC, other, CompileOptions(model=f"recorded:{first.folder / 'evidence'}"))
    assert again.digest == first.digest


def test_a_changed_prompt_fails_with_the_command_that_records_it_again(settings: Settings, tmp_path: Path) -> None:
    changed = tmp_path / "order_note.yaml"
    changed.write_text(SPEC.read_text("utf-8").replace("five digits", "5 digits"), "utf-8")
    shutil.copytree(HERE / "order_note", tmp_path / "order_note")
    with pytest.raises(NotFound, match="--record"):
        compile_spec(changed, settings, CompileOptions(model=f"recorded:{RECORDINGS}"))
    assert _artifacts(settings) == []


def test_giving_up_reports_every_attempt_and_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _scripted(monkeypatch, "no code", GOOD.replace("import re", "import os"), "")
    with pytest.raises(CompileFailed, match="No candidate of 'order_note' passed in 3 attempts") as failed:
        compile_spec(SPEC, settings, CompileOptions(model="scripted:x", max_attempts=3))
    rules = [attempt["stages"][0]["findings"][0]["rule"] for attempt in failed.value.details]
    assert rules == ["reply.no_code", "reply.import", "reply.empty"]
    assert failed.value.exit_code == 1
    assert _artifacts(settings) == []
    assert not list(settings.home.rglob(".draft-*"))


def test_only_the_failing_function_is_asked_for_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = tmp_path / "two.yaml"
    spec.write_text(
        "metadata: {name: two}\ninputs: [{name: a, type: string}]\nlogic_requirements:\n"
        '  - {step: one, type: function, description: copy, inputs: [a], schema: {b: "string?"}}\n'
        '  - {step: two, type: function, description: copy, inputs: [a], schema: {c: "string?"}}\n',
        "utf-8",
    )
    good = '```python\ndef {0}(a: str) -> {1}:\n    """Copies."""\n    return {1}(a)\n```'
    model = ScriptedModel([good.format("one", "One"), "nothing", good.format("two", "Two")])
    monkeypatch.setattr("compiled_ai.compiler.open_model", lambda *_, **__: model)
    compiled = compile_spec(spec, settings, CompileOptions(model="scripted:x"))
    assert [attempt.asked for attempt in compiled.attempts] == [("one", "two"), ("two",)]
    assert compiled.provisional is not None


def test_exchange_writes_every_request_and_then_waits(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "exchange"
    with pytest.raises(Waiting) as waiting:
        compile_spec(SPEC, settings, CompileOptions(model=f"exchange:{folder}"))
    assert waiting.value.exit_code == 3
    assert len(list(folder.glob("*.request.md"))) == len(waiting.value.details) == 1
    assert _artifacts(settings) == []


def test_a_budget_stops_before_the_call_that_would_pass_it(settings: Settings) -> None:
    options = CompileOptions(model=f"recorded:{RECORDINGS}", budget=Budget(max_tokens=1500))
    with pytest.raises(BudgetExceeded, match="--max-tokens"):
        compile_spec(SPEC, settings, options)
    assert _artifacts(settings) == []


def test_without_a_model_the_step_is_named(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="write read_note, and no model is named"):
        compile_spec(SPEC, settings)


def test_a_pack_that_encrypts_needs_a_key_before_anything_is_asked(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COMPILED_AI_KEY", "COMPILED_AI_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    spec = tmp_path / "order_note.yaml"
    text = SPEC.read_text("utf-8").replace("metadata:", "metadata:\n  compliance: [HIPAA]", 1)
    spec.write_text(text, "utf-8")
    shutil.copytree(HERE / "order_note", tmp_path / "order_note")
    with pytest.raises(KeyMissing, match="keys new"):
        compile_spec(spec, settings, CompileOptions(model=f"exchange:{tmp_path / 'x'}"))
    assert not (tmp_path / "x").exists()


def test_no_golden_case_of_a_protected_workflow_stands_in_the_home_in_the_clear(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = "ZQ7MARKERPATIENT"
    monkeypatch.setenv("COMPILED_AI_KEY", new_key("test"))
    text = SPEC.read_text("utf-8").replace("metadata:", "metadata:\n  compliance: [HIPAA]", 1)
    spec = tmp_path / "spec" / "order_note.yaml"
    spec.parent.mkdir()
    spec.write_text(text, "utf-8")
    golden = (HERE / "order_note" / "golden.jsonl").read_text("utf-8").replace("Hello,", f"Hello {marker},")
    assert golden.count(marker) >= 3
    (spec.parent / "order_note").mkdir()
    (spec.parent / "order_note" / "golden.jsonl").write_text(golden, "utf-8")
    reply = read_transcript(RECORDINGS).entries[-1].reply
    _scripted(monkeypatch, reply)
    compiled = compile_spec(spec, settings, CompileOptions(model="scripted:x"))
    held = [path for path in settings.home.rglob("*") if path.is_file() and marker.encode() in path.read_bytes()]
    assert held == []
    assert (compiled.folder / "evidence" / "golden.jsonl.sealed").is_file()


def _compile_example(name: str, settings: Settings) -> Compilation:
    recordings = ROOT / "examples" / name / "recordings"
    return compile_spec(ROOT / "examples" / f"{name}.yaml", settings, CompileOptions(model=f"recorded:{recordings}"))


def test_the_invoice_example_replays_its_recording(settings: Settings) -> None:
    compiled = _compile_example("invoice_fields", settings)
    assert compiled.report.status == "passed"
    assert compiled.origins == ("exchange",)
    assert compiled.attempts[0].usage.input_tokens <= 4000


def test_the_same_inputs_give_the_same_artifact(settings: Settings, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "other", store_url=settings.store_url)
    assert _compile_example("invoice_fields", settings).digest == _compile_example("invoice_fields", other).digest


def _second_python() -> str | None:
    """Another minor version of Python in which this project is installed, if the machine has one."""
    named = os.environ.get("COMPILED_AI_TEST_PYTHON")
    return named if named and shutil.which(named) else None


@pytest.mark.skipif(_second_python() is None, reason="COMPILED_AI_TEST_PYTHON names no second Python with this project")
def test_recordings_replay_on_a_second_python(tmp_path: Path) -> None:
    python = _second_python()
    assert python is not None
    program = "from compiled_ai.cli import main; main()"
    done = subprocess.run(
        [python, "-c", program, "compile", str(SPEC), "--model", f"recorded:{RECORDINGS}", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COMPILED_AI_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attempts"] == 3
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert version.split(".")[:2] != list(platform.python_version_tuple()[:2])
