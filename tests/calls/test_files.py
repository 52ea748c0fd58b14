"""Module `files`: below the root, and nowhere else."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from call_steps import call_step, called, result_of

from compiled_ai.errors import ArtifactRefused, ConfigError

TEXT = result_of(text="text")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a.txt").write_text("Grüße", "utf-8")
    (tmp_path / "outside.txt").write_text("secret")
    monkeypatch.setenv("COMPILED_AI_CONNECTION_PAPERS", str(folder))
    return folder


def reading(path: str = "in/{name}.txt", result: Any = TEXT, **more: Any) -> Any:
    settings = {"connection": "papers", "operation": "read", "path": path, **more}
    return call_step("files", settings, {"paths": ["in/*.txt", "in/*.json"]}, result, name="string")


def writing(path: str = "in/{name}.txt", allow: Any = None, result: Any = None, **more: Any) -> Any:
    settings = {"connection": "papers", "operation": "write", "path": path, **more}
    allowed = {"paths": ["in/*.txt", "in/*.json", "new/*"], "write": True, **(allow or {})}
    return call_step("files", settings, allowed, result or result_of(bytes="integer"), name="string", content="json")


def test_a_text_is_read(root: Path) -> None:
    assert called(reading(), name="a").result == {"text": "Grüße"}


def test_json_is_read_exactly_and_cut_down_to_what_is_declared(root: Path) -> None:
    (root / "in" / "b.json").write_text('{"share": 0.10, "more": 1}')
    step = reading("in/{name}.json", result_of(share="decimal"), format="json")
    assert called(step, name="b").result == {"share": Decimal("0.10")}


def test_a_document_is_read_as_an_artifact_sees_it(root: Path) -> None:
    (root / "in" / "bill.txt").write_text("<!doctype html><table><tr><td>Total</td><td>12.50</td></tr></table>")
    read = called(reading(format="document"), name="bill").result
    assert read["text"].split() == ["Total", "12.50"]


def test_a_document_that_cannot_be_read_is_a_failed_call(root: Path) -> None:
    (root / "in" / "bill.txt").write_bytes(b"%PDF-1.7\nbroken")
    effect = called(reading(format="document"), name="bill")
    assert effect.state == "failed"
    assert effect.error == "The document cannot be read: it is damaged, encrypted, too large, or of no known format."


def test_a_document_cannot_be_written(root: Path) -> None:
    with pytest.raises(ArtifactRefused, match="A document is only read"):
        called(writing(format="document"), name="new", content="a")


def test_a_file_that_is_not_there_is_nothing_found(root: Path) -> None:
    assert called(reading(), name="none").result is None


@pytest.mark.parametrize("name", ["..", "../../outside", "a/../../outside", "/etc/passwd", "", ".", "a\x00b", "..\\x"])
def test_an_argument_cannot_leave_the_folder(root: Path, name: str) -> None:
    effect = called(reading(), name=name)
    assert effect.state == "failed"
    assert effect.error == "An argument cannot stand in the path: it is empty, or leads somewhere else."


def test_a_path_that_is_not_allowed_is_refused(root: Path) -> None:
    (root / "in" / "a.key").write_text("x")
    effect = called(reading("in/{name}"), name="a.key")
    assert (effect.state, effect.error) == ("failed", "The path is none of those that the connection allows.")


@pytest.mark.parametrize("link", ["in/link.txt", "in2"])
def test_a_symbolic_link_is_never_followed(root: Path, link: str) -> None:
    if link == "in2":
        os.rename(root / "in", root / "elsewhere")
        os.symlink(root / "elsewhere", root / "in")
        effect = called(reading(), name="a")
    else:
        os.symlink(root.parent / "outside.txt", root / link)
        effect = called(reading(), name="link")
    assert (effect.state, effect.result) == ("failed", None)
    assert "link" in str(effect.error)


def test_a_folder_that_becomes_a_link_while_it_is_read_leads_nowhere(root: Path) -> None:
    """The race that a check of the path alone would lose: the folder is swapped all the time."""
    outside = root.parent / "out"
    outside.mkdir()
    (outside / "a.txt").write_text("secret")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(root / "in", root / "kept")
            os.symlink(outside, root / "in")
            os.unlink(root / "in")
            os.rename(root / "kept", root / "in")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        read = [called(reading(), name="a") for _ in range(300)]
    finally:
        stop.set()
        thread.join()
    assert "secret" not in str([effect.result for effect in read])


def test_what_is_no_ordinary_file_or_too_long_or_no_text_is_refused(root: Path) -> None:
    os.mkfifo(root / "in" / "pipe.txt")
    (root / "in" / "folder.txt").mkdir()
    (root / "in" / "long.txt").write_text("x" * 101)
    (root / "in" / "bytes.txt").write_bytes(b"\xff\xfe")
    (root / "in" / "half.json").write_text('{"a": ')
    errors = [called(reading(max_bytes=100), name=name).error for name in ("pipe", "folder", "long", "bytes")]
    assert errors == [
        "The path names something that is no ordinary file.",
        "The path names something that is no ordinary file.",
        "The file is longer than 100 bytes ('max_bytes').",
        "The file is no UTF-8 text.",
    ]
    half = reading("in/{name}.json", result_of(a="integer"), format="json")
    assert called(half, name="half").error == "The file is no JSON."


def test_a_file_is_written_whole_and_again_with_the_same_result(root: Path) -> None:
    assert called(writing(), name="new", content="Grüße").result == {"bytes": 7}
    assert called(writing(), run_id="", name="new", content="Grüße").result == {"bytes": 7}
    assert (root / "in" / "new.txt").read_text("utf-8") == "Grüße"
    called(writing("in/{name}.json", format="json"), name="new", content={"b": Decimal("0.10"), "a": 1})
    assert (root / "in" / "new.json").read_text() == '{"a":1,"b":0.10}\n'
    assert sorted(path.name for path in (root / "in").iterdir()) == ["a.txt", "new.json", "new.txt"]


def test_a_write_that_fails_leaves_nothing_behind(root: Path) -> None:
    (root / "in" / "taken.txt").mkdir()
    effect = called(writing(), name="taken", content="x")
    assert (effect.state, effect.error) == ("failed", "The file cannot be written (EISDIR).")
    assert (
        called(writing(max_bytes=2), name="b", content="abc").error
        == "The content is longer than 2 bytes ('max_bytes')."
    )
    assert (
        called(writing("new/{name}"), name="b", content="x").error == "There is no folder for the file. Make it first."
    )
    assert sorted(path.name for path in (root / "in").iterdir()) == ["a.txt", "taken.txt"]


def test_a_link_is_replaced_and_not_written_through(root: Path) -> None:
    os.symlink(root.parent / "outside.txt", root / "in" / "link.txt")
    called(writing(), name="link", content="new")
    assert (root.parent / "outside.txt").read_text() == "secret"
    assert not (root / "in" / "link.txt").is_symlink()


def test_a_root_that_is_no_folder_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_PAPERS", str(root / "in" / "a.txt"))
    with pytest.raises(ConfigError, match="COMPILED_AI_CONNECTION_PAPERS names no folder that can be opened"):
        called(reading(), name="a")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (writing(allow={"write": False}), "does not allow writing. Declare 'allow.write: true'"),
        (writing(allow={"paths": []}), "needs 'allow.paths': the paths below its root"),
        (writing("../{name}"), "does not stay below its root. Write names with '/'"),
        (writing("/etc/{name}"), "does not stay below its root"),
        (reading("in/{nam}.txt"), "Nothing gives the argument 'nam'"),
        (reading(result=result_of(content="text")), "yields one field 'text' of type text"),
        (writing(result=result_of(length="integer")), "yields one field 'bytes' of type integer"),
    ],
)
def test_a_step_that_is_not_declared_is_refused(root: Path, step: Any, message: str) -> None:
    with pytest.raises(ArtifactRefused, match=message):
        called(step, name="a", content="x")
