"""Several candidates: the best on the selection cases is kept, its weakest field is sent back, or several vote."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.api import load_artifact
from compiled_ai.artifact import find_artifact
from compiled_ai.artifact import load_artifact as load_sealed
from compiled_ai.canonical import parse_json
from compiled_ai.compiler import Compilation, CompileOptions, compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import ArtifactRefused, BudgetExceeded, CompileFailed, Waiting
from compiled_ai.export import export_package
from compiled_ai.golden_history import count_read
from compiled_ai.models import Request, ScriptedModel
from compiled_ai.pools import split
from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.explain import explain
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.local import run
from compiled_ai.runtime.store import RunStore
from compiled_ai.scoring import score_file
from compiled_ai.spec.loader import load_spec

SPEC = """
metadata: {{name: "Slips", data_basis: "synthetic"}}
inputs: [{{name: "slip", type: "text"}}]
modules: ["re"]
logic_requirements:
  - step: "read slip"
    type: "function"
    description: "number: what follows No. on its line. town: what follows Town on its line. What is not there is null."
    schema: {{town: "string?", number: "{number}"}}
accuracy: {{number: {{threshold: 0}}, town: {{threshold: 0.5}}}}
limits: {limits}
"""
FORMS = ("No. {0}\nTown {1}", "No. {0}\nTown: {1}", "No {0}\nTown {1}", "Nr. {0}\nTown {1}")
TOWNS = ("Ashford", "Berne", "Cork", "Delft", "Eupen", "Frome", "Ghent", "Hull")


def _cases() -> list[dict[str, Any]]:
    cases = []
    for index in range(96):
        number, town, form = str(1000 + 7 * index), TOWNS[index % 8], FORMS[index % 4]
        slip = form.format(number, town)
        expected = {"number": number, "town": town}
        cases.append({"id": f"c{index}", "group": f"g{index}", "input": {"slip": slip}, "expected": expected})
    return cases


def reader(number: str, town: str = "Town:? *", more: int = 0) -> str:
    """A function that finds the number and the town by a pattern each, and has some lines more than it needs."""
    padding = "".join(f"    unused_{index} = {index}\n    del unused_{index}\n" for index in range(more))
    return (
        "```python\nimport re\n\n\ndef read_slip(slip: str) -> ReadSlip:\n"
        f'    """Reads a slip."""\n{padding}'
        f'    number = re.search(r"{number}(\\d{{1,9}})", slip)\n'
        f'    town = re.search(r"{town}(\\w{{1,40}})", slip)\n'
        "    return ReadSlip(town[1] if town else None, number[1] if number else None)\n```"
    )


ALL, NO_NR, NO_BARE, NO_DOT = "N[or][.]? ", "No[.]? ", "N[or][.] ", "N[or] "
WRONG_ON_NR, WRONG_TOO = "(?:No[.]? |Nr[.] \\d)", "(?:No[.]? |Nr[.] \\d\\d)"
"""Like `NO_NR`, but on that form each gives a wrong number of its own instead of none."""


class Desk:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.settings = Settings(home=folder / "home", store_url=f"sqlite:///{folder / 'runs.db'}")
        self.progress: list[str] = []
        self.model = ScriptedModel([])

    def compile(
        self,
        limits: str,
        replies: Sequence[str | Exception] | Callable[[Request], str],
        *,
        number: str = "string?",
        **options: Any,
    ) -> Compilation:
        path = self.folder / "slips.yaml"
        path.write_text(SPEC.format(limits=limits, number=number), "utf-8")
        golden = self.folder / "slips" / "golden.jsonl"
        golden.parent.mkdir(exist_ok=True)
        golden.write_text("".join(json.dumps(case) + "\n" for case in _cases()), "utf-8")
        self.model = ScriptedModel(replies)
        self._monkeypatch.setattr("compiled_ai.compiler.open_model", lambda *_, **__: self.model)
        return compile_spec(
            path, self.settings, CompileOptions(model="scripted:x", **options), progress=self.progress.append
        )

    def function(self, compiled: Compilation, name: str = "read slip") -> str:
        return (compiled.folder / "identity" / "functions" / f"{name}.py").read_text("utf-8")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


# ---------------------------------------------------------------- candidates


def test_of_several_candidates_the_best_on_the_selection_cases_is_kept(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 3}", [reader(NO_NR), reader(ALL), reader(NO_DOT)])
    assert "N[or][.]? " in desk.function(compiled)
    assert [each["kept"] for each in compiled.candidates] == [False, True, False]
    assert compiled.candidates[1]["mean"] == 1
    assert "candidate 2: 1 attempt(s), mean 1.000 on the selection cases" in compiled.page()
    assert compiled.describe()["attempts"] == 1
    assert parse_json((compiled.folder / "evidence" / "report.json").read_text("utf-8"))["candidates"][1]["kept"]


def test_of_equally_good_candidates_the_shorter_one_is_kept(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 2}", [reader(ALL, more=8), reader(ALL)])
    assert "unused_0" not in desk.function(compiled)


def test_only_the_chosen_candidate_meets_the_sealed_cases(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 3}", [reader(NO_NR), reader(ALL), reader(NO_DOT)])
    measures = next(stage.measures for stage in compiled.report.stages if stage.name == "accuracy")
    assert measures["reads"] == 1
    sealed = compiled.plan.pools.sealed
    assert count_read(desk.settings.artifacts / "slips", sealed, "another") == 2
    assert all("sealed" not in stage.measures for each in compiled.attempts for stage in each.report.stages)


def test_a_candidate_that_fails_is_asked_again_by_itself(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 2}", [reader(NO_NR), "no code", reader(ALL)])
    assert [(each.candidate, each.number) for each in compiled.attempts] == [(1, 1), (2, 1), (2, 2)]
    assert compiled.candidates[1] == {
        "candidate": 2, "attempts": 2, "passed": True, "mean": 1.0, "lines": 4, "kept": True,
    }  # fmt: skip
    assert desk.progress[0].startswith("attempt 1 of candidate 1: ")
    assert "reply.no_code" in desk.model.requests[2].prompt


def test_a_candidate_that_never_passes_does_not_spoil_the_others(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 2}", [reader(ALL), "no", "no"], max_attempts=2)
    assert [each["passed"] for each in compiled.candidates] == [True, False]
    assert "candidate 2: 2 attempt(s), did not pass" in compiled.page()


def test_where_no_candidate_passes_each_is_reported_and_nothing_is_left(desk: Desk) -> None:
    with pytest.raises(CompileFailed, match="attempt 2 of candidate 2: syntax failed") as failed:
        desk.compile("{candidates: 2}", ["no"] * 4, max_attempts=2)
    assert [each["candidate"] for each in failed.value.details] == [1, 2, 1, 2]
    assert not list(desk.settings.home.rglob("seal.json"))


def test_candidates_are_asked_differently_and_never_under_one_key(desk: Desk) -> None:
    desk.compile("{candidates: 6}", [reader(ALL)] * 6)
    first, *others = [request.prompt for request in desk.model.requests]
    assert "Approach: " not in first
    assert all("Approach: " in prompt for prompt in others)
    assert len({request.key for request in desk.model.requests}) == 6


def test_one_candidate_is_asked_as_ever(desk: Desk) -> None:
    desk.compile("{candidates: 1}", [reader(ALL)])
    alone = desk.model.requests[0]
    desk.compile("{candidates: 2}", [reader(ALL)] * 2)
    assert desk.model.requests[0].key == alone.key


def test_all_candidates_are_asked_before_anybody_waits(desk: Desk) -> None:
    waits = [Waiting("one", details=[{"reply": "a"}]), Waiting("two", details=[{"reply": "b"}])]
    with pytest.raises(Waiting, match="2 replies are awaited"):
        desk.compile("{candidates: 2}", waits)


def test_a_budget_that_ends_keeps_the_candidates_that_were_paid_for(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 3}", [reader(ALL), BudgetExceeded("x"), BudgetExceeded("x")])
    assert [each["passed"] for each in compiled.candidates] == [True, False, False]
    assert "the budget is used up: what has passed is what there is" in desk.progress
    with pytest.raises(BudgetExceeded):
        desk.compile("{candidates: 2}", [BudgetExceeded("x")])


# ---------------------------------------------------------------- the weakest field


def test_the_weakest_field_goes_back_with_counts_and_the_better_function_is_kept(desk: Desk) -> None:
    compiled = desk.compile("{target: 0.95}", [reader(NO_NR), reader(ALL)])
    assert "N[or][.]? " in desk.function(compiled)
    told = desk.model.requests[1].prompt.split("# Last attempt")[1]
    n = len(compiled.plan.pools.selection)
    right = sum("Nr. " not in case.input["slip"] for case in compiled.plan.pools.selection)
    assert "Your last attempt passes, and one thing can be better:" in told
    assert f"The weakest field is number: {right} of {n} selection cases are right, 0.95 is aimed at." in told
    assert not any(case.input["slip"] in told for case in compiled.plan.pools.selection)
    assert len(desk.model.requests) == 2


def test_a_repair_that_makes_it_worse_is_not_kept(desk: Desk) -> None:
    compiled = desk.compile("{target: 0.95}", [reader(NO_NR), "no", reader(NO_NR, "Town ")], max_attempts=3)
    assert "Town:?" in desk.function(compiled)
    assert compiled.rounds == 3


def test_without_a_target_what_passes_is_not_sent_back(desk: Desk) -> None:
    assert desk.compile("{}", [reader(NO_NR)]).rounds == 1


def test_a_budget_that_ends_during_repairs_keeps_what_passed(desk: Desk) -> None:
    desk.compile("{target: 0.95}", [reader(NO_NR), BudgetExceeded("x")])
    assert desk.progress[-1] == "the budget is used up: the weakest field stays as it is"


# ---------------------------------------------------------------- committees

DIFFERENT = [reader(WRONG_ON_NR), reader(NO_BARE), reader(ALL, "Town "), reader(ALL)]


def test_a_committee_of_the_candidates_that_err_apart_votes(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 4, committee: 3, confidence: 0.8}", DIFFERENT)
    assert sum(each["kept"] for each in compiled.candidates) == 3
    source = (compiled.folder / "identity" / "workflow.py").read_text("utf-8")
    assert "        agreed(read_slip_1, read_slip_2, read_slip_3),\n" in source
    assert "3 functions, written by a model and validated, that vote" in source
    assert "# votes of 3 that an answer needs, else it is null: town " in source
    assert sorted(path.name for path in (compiled.folder / "identity" / "functions").iterdir()) == [
        "read_slip_1.py",
        "read_slip_2.py",
        "read_slip_3.py",
    ]
    assert [stage.status for stage in compiled.report.stages] == ["passed"] * 4


def _doubtful() -> list[str]:
    """Three functions that agree on every form but `Nr.`, where none is right and each says something else."""
    return [reader(number) for number in (WRONG_ON_NR, WRONG_TOO, NO_NR)]


def _is_on_record(artifact: Any, told: list[dict[str, Any]], settings: Settings) -> None:
    """A run, and the line of a batch, keep on what they abstained and why; `explain` says it."""
    source, target = settings.home / "slips.jsonl", settings.home / "read.jsonl"
    source.write_text('{"slip": "Nr. 1234\\nTown Cork"}\n{"slip": "No. 1234\\nTown Cork"}\n', "utf-8")
    with RunStore.open(settings.store_url, home=settings.home) as store:
        run_batch(artifact.sealed, source, target, store=store)
        doubtful, sure = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
        assert doubtful["abstained"] == told and "abstained" not in sure
        assert store.load(doubtful["run_id"]).abstained == told
        assert store.load(sure["run_id"]).abstained is None
        explained = explain(doubtful["run_id"], store=store, artifacts=lambda _: artifact.sealed)
    assert explained.verdict == "reproduced"
    assert explained.to_json()["abstained"] == told
    assert f"; null, since {told[0]['reason']}" in explained.text()


def test_where_a_committee_disagrees_it_abstains_with_a_reason(desk: Desk) -> None:
    compiled = desk.compile("{committee: 3}", _doubtful())
    artifact = load_artifact(str(compiled.folder), settings=desk.settings)
    result = artifact.run({"slip": "Nr. 1234\nTown Cork"}, store=False)
    assert result.output == {"number": None, "town": "Cork"}
    told = result.to_json()["abstained"]
    assert [each["field"] for each in told] == ["number"]
    assert told[0]["reason"].startswith("1 of 3 functions agree on 'number', and as many on another value")
    _is_on_record(artifact, told, desk.settings)
    sure = artifact.run({"slip": "No. 1234\nTown Cork"}, store=False)
    assert sure.output == {"number": "1234", "town": "Cork"}
    assert "abstained" not in sure.to_json()


def test_a_null_on_which_all_functions_agree_has_a_reason_too(desk: Desk) -> None:
    compiled = desk.compile("{committee: 3}", _doubtful())
    artifact = load_artifact(str(compiled.folder), settings=desk.settings)
    result = artifact.run({"slip": "No number\nTown Cork"}, store=False)
    assert result.output == {"number": None, "town": "Cork"}
    [told] = result.to_json()["abstained"]
    assert (told["field"], told["reason"]) == ("number", "none of 3 functions gives 'number' a value")
    source, target = desk.settings.home / "slips.jsonl", desk.settings.home / "read.jsonl"
    source.write_text('{"slip": "No number\\nTown Cork"}\n', "utf-8")
    with RunStore.open(desk.settings.store_url, home=desk.settings.home) as store:
        run_batch(artifact.sealed, source, target, store=store)
        line = json.loads(target.read_text("utf-8"))
        assert line["abstained"] == store.load(line["run_id"]).abstained == [told]
        explained = explain(line["run_id"], store=store, artifacts=lambda _: artifact.sealed)
    assert (explained.verdict, explained.to_json()["abstained"]) == ("reproduced", [told])
    assert "number: 3 of 3 say null" in explained.text()


def test_a_required_field_without_agreement_is_a_missing_one(desk: Desk) -> None:
    strict = [each.replace("number[1] if number else None", 'number[1] if number else "?"') for each in _doubtful()]
    compiled = desk.compile("{committee: 3}", strict, number="string")
    artifact = load_artifact(str(compiled.folder), settings=desk.settings)
    result = artifact.run({"slip": "Nr. 1234\nTown Cork"}, store=False)
    assert result.status == "failed"
    assert "gave no valid result: 1 of 3 functions agree on 'number', and as many on another value" in str(result.error)


def test_explain_says_which_member_said_what(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 4, committee: 3, confidence: 0.8}", DIFFERENT)
    sealed = load_sealed(compiled.folder, desk.settings.artifacts)
    with RunStore.open(desk.settings.store_url, keys=KeyRing.from_environment(home=desk.settings.home)) as store:
        result = run(sealed, {"slip": "Nr. 77\nTown Cork"}, store=store)
        explained = explain(result.run_id, store=store, artifacts=lambda _: sealed)
    assert explained.verdict == "reproduced"
    assert {call["function"] for call in explained.calls} == {"read_slip_1", "read_slip_2", "read_slip_3"}
    votes = {vote["field"]: vote for vote in explained.to_json()["votes"][0]["votes"]}
    assert votes["town"]["votes"] == 3
    assert 'town: 3 of 3 say "Cork"' in explained.text()


def test_an_exported_committee_decides_as_the_artifact_does(desk: Desk, tmp_path: Path) -> None:
    import subprocess
    import sys

    compiled = desk.compile("{candidates: 4, committee: 3, confidence: 0.8}", DIFFERENT)
    sealed = load_sealed(compiled.folder, desk.settings.artifacts)
    export_package(sealed, tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-m", "slips", "check"], cwd=tmp_path / "out", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "96 of 96 golden cases identical" in done.stdout


def test_accuracy_and_coverage_of_a_committee_are_told_apart(desk: Desk, tmp_path: Path) -> None:
    compiled = desk.compile("{committee: 3}", _doubtful())
    sealed = load_sealed(find_artifact(desk.settings.artifacts, "slips"), desk.settings.artifacts)
    number = score_file(sealed, tmp_path / "slips" / "golden.jsonl").to_json()["fields"]["number"]
    assert (number["n"], number["answered"], number["answered_right"]) == (96, 72, 72)
    assert number["coverage"] == 0.75
    measures = next(stage.measures for stage in compiled.report.stages if stage.name == "accuracy")
    assert measures["score"]["fields"]["number"]["accuracy_of_answers"] == 1


def test_too_few_different_candidates_are_no_committee(desk: Desk) -> None:
    with pytest.raises(CompileFailed, match="A committee of 2 was asked for, and 1 different candidates passed"):
        desk.compile("{committee: 2}", [reader(ALL), reader(ALL)])


def test_every_member_passes_the_code_gate_at_load(desk: Desk) -> None:
    compiled = desk.compile("{candidates: 4, committee: 3, confidence: 0.8}", DIFFERENT)
    judged: list[str] = []

    def gate(text: str, _: Any) -> Sequence[Any]:
        judged.append(text)
        return ()

    load_sealed(compiled.folder, desk.settings.artifacts, gate=gate)
    assert len(judged) == 3
    member = compiled.folder / "identity" / "functions" / "read_slip_2.py"
    member.write_text(member.read_text("utf-8").replace("read_slip_2", "read_slip_9"), "utf-8")
    with pytest.raises(ArtifactRefused, match="altered"):
        load_sealed(compiled.folder, desk.settings.artifacts)


def test_the_same_replies_give_the_same_committee(desk: Desk) -> None:
    limits = "{candidates: 4, committee: 3, confidence: 0.8}"
    assert desk.compile(limits, DIFFERENT).digest == desk.compile(limits, DIFFERENT).digest


def test_the_selection_pool_is_large_enough_for_these_tests(tmp_path: Path, desk: Desk) -> None:
    desk.compile("{}", [reader(ALL)])
    pools = split(load_spec(tmp_path / "slips.yaml").golden)
    assert min(len(pools.selection), len(pools.sealed)) >= 24
