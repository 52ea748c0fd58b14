"""Layouts: a page of a form that no golden case has is noticed, and what happens then is as the specification says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.api import load_artifact
from compiled_ai.compiler import CompileOptions, compile_spec
from compiled_ai.config import Settings
from compiled_ai.errors import SpecError
from compiled_ai.library.fingerprints import Layouts, fingerprint, likeness
from compiled_ai.library.values import Box
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.local import RunResult

SPEC = """
metadata: {{name: "Bills", data_basis: "synthetic"}}
inputs: [{{name: "bill", type: "text"}}]
modules: ["re"]
logic_requirements:
  - step: "read_bill"
    type: "function"
    description: "total: what follows Total on its line."
    schema: {{total: "{total}"}}
accuracy: {{total: {{threshold: 0.5}}}}
limits: {{unfamiliar: {unfamiliar}}}
"""
FORM = "Invoice number   {0}\nCustomer   Delft Mills\nDue date   2026-01-0{1}\nTotal   {0}.50\nThank you for your order"
STRANGE = "Rechnung Nr. 5\nBetrag netto   7.00\nZahlbar bis   morgen\nTotal 12.50\nMit freundlichem Gruss"
REPLY = (
    "```python\nimport re\n\n\ndef read_bill(bill: str) -> ReadBill:\n"
    '    """Reads the total."""\n    found = re.search(r"Total *([0-9.]{1,12})", bill)\n'
    '    return ReadBill(found[1] if found else MISSING)\n```'
)


def _run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bill: str, unfamiliar: str, total: str = "string?"
) -> RunResult:
    spec = folder / "bills.yaml"
    spec.write_text(SPEC.format(unfamiliar=unfamiliar, total=total), "utf-8")
    cases: list[dict[str, Any]] = [
        {
            "id": f"b{i}",
            "group": f"g{i % 10}",
            "input": {"bill": FORM.format(100 + i, i % 9 + 1)},
            "expected": {"total": f"{100 + i}.50"},
        }
        for i in range(40)
    ]
    (folder / "bills").mkdir(exist_ok=True)
    (folder / "bills" / "golden.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    reply = REPLY.replace("MISSING", "None" if total == "string?" else '"-"')
    monkeypatch.setattr("compiled_ai.compiler.open_model", lambda *_, **__: ScriptedModel([reply]))
    settings = Settings(home=folder / "home", store_url=f"sqlite:///{folder / 'runs.db'}")
    compiled = compile_spec(spec, settings, CompileOptions(model="scripted:x", max_attempts=1))
    return load_artifact(str(compiled.folder), settings=settings).run({"bill": bill}, store=False)


def test_a_familiar_layout_is_read_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(tmp_path, monkeypatch, FORM.format(777, 3), "abstain")
    assert (result.output, result.abstained) == ({"total": "777.50"}, ())


def test_on_an_unfamiliar_layout_the_fields_are_null_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _run(tmp_path, monkeypatch, STRANGE, "abstain")
    assert result.output == {"total": None}
    assert [(each["step"], each["field"]) for each in result.abstained] == [("read_bill", "total")]
    assert result.abstained[0]["reason"].startswith("the layout is unfamiliar: likeness 0.")


def test_a_required_field_of_an_unfamiliar_layout_is_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _run(tmp_path, monkeypatch, STRANGE, "abstain", "string")
    assert result.status == "failed"
    assert "gave no valid result: the layout is unfamiliar" in str(result.error)


def test_an_unfamiliar_layout_goes_to_a_person_with_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _run(tmp_path, monkeypatch, STRANGE, "review")
    assert result.status == "review"
    assert result.reviews[0].payload["proposed"] == {"total": "12.50"}
    assert "the layout is unfamiliar" in result.reviews[0].payload["reason"]


def test_unless_it_is_asked_for_every_layout_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(tmp_path, monkeypatch, STRANGE, "accept").output == {"total": "12.50"}


def test_too_few_documents_teach_no_layout(tmp_path: Path) -> None:
    spec = tmp_path / "bills.yaml"
    spec.write_text(SPEC.format(unfamiliar="review", total="string?"), "utf-8")
    settings = Settings(home=tmp_path / "home", store_url=f"sqlite:///{tmp_path / 'runs.db'}")
    with pytest.raises(SpecError, match="limits.unfamiliar is 'review', and 0 golden cases hold a 'bill'; at least 5"):
        compile_spec(spec, settings, CompileOptions(model="scripted:x"))


def test_a_fingerprint_is_of_labels_and_not_of_values() -> None:
    one, other = fingerprint(FORM.format(100, 1)), fingerprint(FORM.format(999, 7))
    assert one == other
    assert likeness(one, fingerprint(STRANGE)) < 0.3


def test_boxes_have_the_fingerprint_of_their_texts() -> None:
    boxes = [Box(0, 0, 1, 1, "Grand Total:"), Box(0, 0, 1, 1, "12.50")]
    assert fingerprint(boxes) == fingerprint([[0, 0, 1, 1, "Grand Total:"]]) == fingerprint("Grand Total: 5")
    assert fingerprint(7) == frozenset()


def test_layouts_survive_json() -> None:
    prints = [fingerprint(FORM.format(i, 1)) for i in range(6)]
    layouts = Layouts.of(prints, ["a"] * 6)
    assert Layouts.from_json(layouts.to_json()) == layouts
    assert layouts.knows(prints[0])
