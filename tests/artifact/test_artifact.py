"""Artifacts on disk: sealed whole, named by content, refused when altered or when nobody vouches for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.artifact import (
    SealedFunction,
    adopt,
    all_artifacts,
    altered_files,
    find_artifact,
    folder_digest,
    load_artifact,
    promote,
    read_labels,
    rollback,
    seal,
    sign,
)
from compiled_ai.canonical import canonical_json, digest, parse_json
from compiled_ai.closure import library_closure
from compiled_ai.errors import ArtifactRefused, NotFound, UsageError
from compiled_ai.export import export_package
from compiled_ai.records import Finding

WORKFLOW = '''"""Doubles a number."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from compiled_ai.library.context import Context
from compiled_ai.library.values import number


@dataclass(frozen=True, slots=True)
class Input:
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Double:
    twice: Decimal


@dataclass(frozen=True, slots=True)
class Output:
    twice: Decimal


def double(amount: Decimal) -> Double:
    return Double(number(amount) * FACTOR)


async def run(ctx: Context, input: Input) -> Output:
    double_result = await ctx.result("double", double, input.amount)
    return Output(double_result.twice)
'''


def _type(class_name: str, field: str) -> dict[str, Any]:
    fields = [{"name": field, "identifier": field, "type": {"kind": "decimal"}}]
    return {"kind": "object", "class_name": class_name, "fields": fields}


def _seal(
    artifacts: Path, *, factor: int = 2, version: str = "1.0.0", provisional: str | None = None, golden: bool = True
) -> Path:
    program = {
        "interface": 1,
        "workflow": "doubling",
        "name": "Doubling",
        "version": version,
        "template": "handler",
        "input": _type("Input", "amount"),
        "output": _type("Output", "twice"),
        "reference": [],
        "packs": [],
        "sinks": {},
        "steps": [
            {
                "name": "double",
                "kind": "function",
                "class_name": "Double",
                "result": _type("Double", "twice"),
                "for_each": False,
                "on_failure": "fail",
                "fallback": None,
                "line": 1,
                "packs": [],
            }
        ],
    }
    source = WORKFLOW.replace("FACTOR", str(factor))
    function = source[source.index("def double") : source.index("\n\n\nasync def run")] + "\n"
    case = {"id": "a", "input": {"amount": 4}, "expected": {"twice": 8}}
    return seal(
        artifacts,
        workflow="doubling",
        version=version,
        identity={
            "workflow.py": source,
            "program.json": canonical_json(program),
            "specification.yaml": "x: 1\n",
            "functions/double.py": function,
        },
        evidence={
            "report.json": canonical_json({"provisional": provisional}),
            **({"golden.jsonl": canonical_json(case) + "\n"} if golden else {}),
        },
        functions={"double": SealedFunction(["functions/double.py"])},
    )


def _accept(_: str, __: Any) -> Sequence[Finding]:
    return ()


def _load(folder: Path, artifacts: Path) -> Any:
    return load_artifact(folder, artifacts, gate=_accept)


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    return tmp_path / "home" / "artifacts"


@pytest.mark.parametrize("file", ["identity/workflow.py", "identity/program.json", "evidence/report.json"])
def test_an_altered_file_is_named_and_refused(artifacts: Path, file: str) -> None:
    folder = _seal(artifacts)
    (folder / file).write_text((folder / file).read_text("utf-8") + " ", "utf-8")
    assert altered_files(folder) == (file,)
    with pytest.raises(ArtifactRefused, match=f"was altered: {file}"):
        _load(folder, artifacts)


def test_an_added_and_a_missing_file_are_named(artifacts: Path) -> None:
    folder = _seal(artifacts)
    (folder / "identity" / "extra.py").write_text("", "utf-8")
    (folder / "identity" / "specification.yaml").unlink()
    assert altered_files(folder) == ("identity/extra.py", "identity/specification.yaml")


def test_a_rewritten_seal_does_not_make_an_altered_artifact_trusted(artifacts: Path) -> None:
    folder = _seal(artifacts)
    other = _seal(artifacts, factor=3)
    for name in ("seal.json", "identity/workflow.py", "identity/functions/double.py"):
        (folder / name).write_bytes((other / name).read_bytes())
    text = (folder / "seal.json").read_text("utf-8").replace(other.name, "0" * 64)
    (folder / "seal.json").write_text(text, "utf-8")
    with pytest.raises(ArtifactRefused):
        _load(folder, artifacts)


def test_an_artifact_from_another_home_is_refused_until_somebody_vouches_for_it(
    artifacts: Path, tmp_path: Path
) -> None:
    folder = _seal(artifacts)
    elsewhere = tmp_path / "other" / "artifacts"
    with pytest.raises(ArtifactRefused, match="nobody here vouches"):
        _load(folder, elsewhere)
    copy = adopt(elsewhere, folder, by="ana", reason="read it")
    assert _load(copy, elsewhere).trusted_because == "trusted by ana: read it"
    assert find_artifact(elsewhere, "doubling") == copy


def test_an_altered_artifact_cannot_be_adopted(artifacts: Path, tmp_path: Path) -> None:
    folder = _seal(artifacts)
    (folder / "identity" / "workflow.py").write_text("", "utf-8")
    with pytest.raises(ArtifactRefused, match="was altered"):
        adopt(tmp_path / "other" / "artifacts", folder, by="ana", reason="read it")


def test_a_signature_of_a_trusted_key_is_accepted_and_of_another_key_is_not(artifacts: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    folder, elsewhere = _seal(artifacts), tmp_path / "other" / "artifacts"
    secret, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem = tmp_path / "release.pem"
    pem.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    sign(folder, pem, name="release")
    trusted = elsewhere.parent / "trusted_keys" / "release.pem"
    trusted.parent.mkdir(parents=True)
    trusted.write_bytes(stranger.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ArtifactRefused, match="nobody here vouches"):
        _load(folder, elsewhere)
    trusted.write_bytes(secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert _load(folder, elsewhere).trusted_because == "signed by release"


def test_a_signer_cannot_bring_the_public_key_along(artifacts: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    folder, secret = _seal(artifacts), Ed25519PrivateKey.generate()
    pem, public = tmp_path / "mine.pem", folder / "mine.pem"
    pem.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(UsageError, match="no name of a signer"):
        sign(folder, pem, name=str(folder / "mine"))
    sign(folder, pem, name="mine")
    text = (folder / "seal.json").read_text("utf-8").replace('"mine"', canonical_json(str(folder / "mine")))
    (folder / "seal.json").write_text(text, "utf-8")
    with pytest.raises(ArtifactRefused, match="nobody here vouches"):
        _load(folder, tmp_path / "other" / "artifacts")


def test_evidence_cannot_be_rewritten_and_sealed_again(artifacts: Path) -> None:
    folder = _seal(artifacts, provisional="no sealed cases")
    (folder / "evidence" / "report.json").write_text('{"provisional":null}', "utf-8")
    sealed = parse_json((folder / "seal.json").read_text("utf-8"))
    sealed["evidence"] = folder_digest(folder / "evidence")
    sealed["files"]["evidence/report.json"] = digest((folder / "evidence" / "report.json").read_bytes())
    (folder / "seal.json").write_text(canonical_json(sealed), "utf-8")
    assert altered_files(folder) == ()
    with pytest.raises(ArtifactRefused, match="nobody here vouches"):
        _load(folder, artifacts)


def test_a_label_that_points_at_another_version_is_refused(artifacts: Path) -> None:
    first, _ = _seal(artifacts), _seal(artifacts, factor=3, version="1.1.0")
    labels = parse_json((first.parent / "labels.json").read_text("utf-8"))
    labels["versions"]["1.1.0"] = first.name
    (first.parent / "labels.json").write_text(canonical_json(labels), "utf-8")
    with pytest.raises(ArtifactRefused, match="which is another version"):
        find_artifact(artifacts, "doubling@1.1.0")


def test_a_version_that_names_a_promoted_and_a_newer_artifact_is_ambiguous(artifacts: Path) -> None:
    first = _seal(artifacts)
    promote(artifacts, _load(first, artifacts), by="ana")
    _seal(artifacts, factor=3)
    with pytest.raises(NotFound, match="is two artifacts"):
        find_artifact(artifacts, "doubling@1.0.0")


@pytest.mark.parametrize("text", ['{"x":1}', '{"compiled":5}', "[]", '{"versions":{"1.0.0":5}}'])
def test_labels_of_another_shape_are_refused(artifacts: Path, text: str) -> None:
    (_seal(artifacts).parent / "labels.json").write_text(text, "utf-8")
    with pytest.raises(ArtifactRefused, match=r"labels\.json"):
        find_artifact(artifacts, "doubling")


def test_two_rollbacks_go_back_two_promotions(artifacts: Path) -> None:
    versions = [_seal(artifacts, factor=factor, version=f"1.{factor}.0") for factor in (1, 2, 3)]
    for folder in versions:
        promote(artifacts, _load(folder, artifacts), by="ana")
    assert rollback(artifacts, "doubling", by="ana").promoted == versions[1].name
    assert rollback(artifacts, "doubling", by="ana").promoted == versions[0].name
    with pytest.raises(UsageError, match="no earlier promotion"):
        rollback(artifacts, "doubling", by="ana")
    with pytest.raises(NotFound, match="Did you mean 'doubling'"):
        rollback(artifacts, "doublin", by="ana")


def test_a_function_that_the_gate_refuses_is_not_loaded(artifacts: Path) -> None:
    folder = _seal(artifacts)
    found = Finding(rule="gate.import", message="import of 'os' is not allowed")
    with pytest.raises(ArtifactRefused, match="The code gate refuses the function of step 'double'"):
        load_artifact(folder, artifacts, gate=lambda _, __: (found,))


def test_names_versions_prefixes_and_folders_find_an_artifact(artifacts: Path) -> None:
    first, second = _seal(artifacts), _seal(artifacts, factor=3, version="1.1.0")
    assert find_artifact(artifacts, "doubling") == second
    assert find_artifact(artifacts, "doubling@1.0.0") == first
    assert find_artifact(artifacts, first.name[:8]) == first
    assert find_artifact(artifacts, str(first)) == first
    with pytest.raises(NotFound, match=r"Did you mean 'doubling'\?"):
        find_artifact(artifacts, "doublin")
    with pytest.raises(NotFound, match=r"has no version '1\.1'"):
        find_artifact(artifacts, "doubling@1.1")


def test_promotion_and_rollback_move_the_name_and_are_on_record(artifacts: Path) -> None:
    first, second = _seal(artifacts), _seal(artifacts, factor=3, version="1.1.0")
    promote(artifacts, _load(first, artifacts), by="ana")
    assert find_artifact(artifacts, "doubling") == first
    promote(artifacts, _load(second, artifacts), by="ana")
    assert find_artifact(artifacts, "doubling") == second
    rollback(artifacts, "doubling", by="bo")
    assert find_artifact(artifacts, "doubling") == first
    assert [entry["action"] for entry in read_labels(first.parent).history] == ["promote", "promote", "rollback"]


def test_a_provisional_artifact_is_promoted_only_with_a_reason(artifacts: Path) -> None:
    loaded = _load(_seal(artifacts, provisional="no sealed cases"), artifacts)
    with pytest.raises(UsageError, match="is provisional: no sealed cases"):
        promote(artifacts, loaded, by="ana")
    assert promote(artifacts, loaded, by="ana", accept_provisional="pilot").history[-1]["reason"] == "pilot"


def test_nothing_is_rolled_back_where_nothing_was_promoted_before(artifacts: Path) -> None:
    _seal(artifacts)
    with pytest.raises(UsageError, match="no earlier promotion"):
        rollback(artifacts, "doubling", by="ana")


def test_the_same_content_has_the_same_name_in_every_home(artifacts: Path, tmp_path: Path) -> None:
    assert _seal(artifacts).name == _seal(tmp_path / "second" / "artifacts").name
    assert _seal(artifacts).name != _seal(artifacts, factor=3).name


def test_concurrent_seals_leave_whole_artifacts(artifacts: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        folders = list(pool.map(_seal_factor, [(artifacts, factor % 3 + 1) for factor in range(12)]))
    assert len(set(folders)) == 3
    assert all(altered_files(folder) == () for folder in folders)
    assert {folder for _, _, folder in all_artifacts(artifacts)} == set(folders)
    assert not list(artifacts.glob("*/.draft-*"))


def _seal_factor(job: tuple[Path, int]) -> Path:
    return _seal(job[0], factor=job[1])


def test_a_failure_while_writing_leaves_nothing(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiled_ai.artifact._home_mark", _crash)
    with pytest.raises(OSError, match="disk full"):
        _seal(artifacts)
    assert [path.name for path in (artifacts / "doubling").iterdir() if path.name != ".lock"] == []


def _crash(*_: object, **__: object) -> str:
    raise OSError("disk full")


def test_the_closure_names_library_modules_and_outside_packages() -> None:
    needed = library_closure("from compiled_ai.library.values import number\nimport yaml\n")
    assert "compiled_ai.library.values" in needed.library
    assert needed.packages == ("PyYAML",)


def test_another_version_of_a_module_is_an_environment_difference(artifacts: Path) -> None:
    loaded = _load(_seal(artifacts), artifacts)
    assert loaded.environment_differences() == ()
    loaded.manifest["environment"]["module:compiled_ai.library.values"] = "0" * 16
    assert loaded.environment_differences()[0].startswith("module:compiled_ai.library.values: 0000")


def _checked(artifacts: Path, tmp_path: Path, *, golden: bool) -> subprocess.CompletedProcess[str]:
    """What `python -m PACKAGE check` of an export says, where this library is not installed."""
    package = export_package(_load(_seal(artifacts, golden=golden), artifacts), tmp_path / "out")
    script = (
        f"import sys, runpy; sys.path.insert(0, {str(tmp_path / 'out')!r});"
        f"sys.argv = ['doubling', 'check']; runpy.run_module({package.name!r}, run_name='__main__')"
    )
    command = [sys.executable, "-S", "-I", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)


def test_an_export_runs_every_golden_case_without_this_library(artifacts: Path, tmp_path: Path) -> None:
    ran = _checked(artifacts, tmp_path, golden=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, "1 of 1 golden cases identical"), ran.stderr
    assert "compiled_ai" not in "".join(path.read_text("utf-8") for path in (tmp_path / "out").rglob("workflow.py"))


def test_an_export_without_golden_cases_has_nothing_to_check(artifacts: Path, tmp_path: Path) -> None:
    ran = _checked(artifacts, tmp_path, golden=False)
    assert (ran.returncode, ran.stdout.strip()) == (
        0,
        "nothing to check: no golden case was exported (there was none, or a compliance pack protects them)",
    ), ran.stderr


def test_an_export_does_not_overwrite_a_folder(artifacts: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("", "utf-8")
    with pytest.raises(UsageError, match="exists and is not empty"):
        export_package(_load(_seal(artifacts), artifacts), tmp_path / "out")
