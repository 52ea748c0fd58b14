"""The catalogue that ships, and catalogues that are wrong."""

from __future__ import annotations

import ast
import importlib
import shutil
from pathlib import Path

import pytest

import compiled_ai.catalog
from compiled_ai.catalog import SINKS, load_catalog, strictest
from compiled_ai.errors import ConfigError

SHIPPED = Path(compiled_ai.catalog.__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED, tmp_path / "catalog", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return tmp_path / "catalog"


def test_the_five_packs_and_the_four_templates_are_there() -> None:
    catalog = load_catalog()
    assert set(catalog.packs) == {"HIPAA", "PCI_DSS", "SOC2", "CMS_Decision_Timeframes", "GDPR"}
    assert set(catalog.templates) >= {"handler", "validator", "batch", "stream"}
    assert set(catalog.effects) == {"database", "http", "notify", "files", "human"}


@pytest.mark.parametrize("name", sorted(load_catalog().packs))
def test_each_pack_says_a_word_for_every_sink_and_the_source_of_every_control(name: str) -> None:
    pack = load_catalog().packs[name]
    assert set(pack.sinks) == set(SINKS)
    assert pack.prompt.strip()
    assert pack.controls
    assert len({control.id for control in pack.controls}) == len(pack.controls)
    for control in pack.controls:
        assert control.source and control.title
        assert control.enforced_by.startswith("Nothing yet") == (control.status == "not_yet")


def test_hipaa_lets_no_sink_hold_readable_health_information() -> None:
    sinks = load_catalog().packs["HIPAA"].sinks
    assert "clear" not in sinks.values()
    assert sinks["logs"] == "forbidden"


def test_a_denial_is_reviewed_under_the_cms_pack() -> None:
    controls = {control.id: control.status for control in load_catalog().packs["CMS_Decision_Timeframes"].controls}
    assert controls["denial_review"] == "enforced"
    assert controls["standard_deadline"] == "not_yet"


def test_several_packs_together_take_the_strictest_word_of_each_sink() -> None:
    packs = load_catalog().packs
    both = strictest((packs["CMS_Decision_Timeframes"], packs["HIPAA"]))
    assert both == dict(packs["HIPAA"].sinks)
    assert set(strictest(()).values()) == {"clear"}


@pytest.mark.parametrize("name", sorted(load_catalog().templates))
def test_a_template_is_python(name: str) -> None:
    tree = ast.parse(load_catalog().templates[name].source)
    assert [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)] == ["run"]


@pytest.mark.parametrize("name", sorted(load_catalog().modules))
def test_what_the_model_is_told_of_a_module_exists(name: str) -> None:
    module = load_catalog().modules[name]
    for line in module.prompt.splitlines():
        if line.startswith("from "):
            imported = ast.parse(line.split("  #")[0]).body[0]
            assert isinstance(imported, ast.ImportFrom)
            assert imported.module == module.import_path
            source = importlib.import_module(module.import_path)
            assert [alias.name for alias in imported.names if not hasattr(source, alias.name)] == []
            break
    else:
        pytest.fail("the description shows no import")


@pytest.mark.parametrize("name", load_catalog().standard)
def test_every_module_of_the_standard_library_that_is_lent_can_be_loaded_by_an_artifact(name: str) -> None:
    from compiled_ai.library.loading import ALLOWED_IMPORTS

    assert name in ALLOWED_IMPORTS
    importlib.import_module(name)


def test_the_digest_changes_with_any_file(folder: Path) -> None:
    before = load_catalog().digest
    assert load_catalog(folder).digest == before
    load_catalog.cache_clear()
    (folder / "prompts/v1/system.md").write_text("Other.")
    assert load_catalog(folder).digest != before


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("compliance/HIPAA.yaml", "a: [", "is not YAML"),
        ("compliance/HIPAA.yaml", "- list", "holds no mapping"),
        ("compliance/HIPAA.yaml", "name: HIPAA", "Field required"),
        ("effects/http.yaml", "name: http\nunknown: 1", "unknown"),
        ("effects/http.yaml", "name: files\ndescription: d\nclient: x.y\nsettings: {}", "'files' twice"),
        ("modules/standard.yaml", "standard: re", "list of module names"),
        ("templates/handler/template.py", "x = 1\n", "needs the line '# slot: models' once"),
        ("templates/handler/template.py", b"\xff", "Cannot read"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(folder: Path, file: str, content: str | bytes, message: str) -> None:
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    load_catalog.cache_clear()
    with pytest.raises(ConfigError, match=message):
        load_catalog(folder)


def test_a_pack_that_forgets_a_sink_is_refused(folder: Path) -> None:
    file = folder / "compliance/HIPAA.yaml"
    file.write_text(file.read_text().replace("  temporal: encrypted\n", ""))
    load_catalog.cache_clear()
    with pytest.raises(ConfigError, match=r"HIPAA\.yaml.*missing: temporal"):
        load_catalog(folder)


def test_a_folder_that_is_missing_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "compliance")
    load_catalog.cache_clear()
    with pytest.raises(ConfigError, match="has no"):
        load_catalog(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"connection": "db"}, "needs the setting 'statement'"),
        ({"connection": "db", "statement": "x", "statment": "y"}, "no setting 'statment'. Did you mean 'statement'"),
        ({"connection": 7, "statement": "x"}, "'connection' is 7; a value of type string"),
        ({"connection": "db", "statement": "x", "timeout_seconds": True}, "type integer"),
    ],
)
def test_settings_of_a_call_are_checked(settings: dict[str, object], message: str) -> None:
    assert message in " ".join(wrong for _, wrong in load_catalog().effects["database"].check_settings(settings))


def test_settings_from_a_closed_set_are_checked() -> None:
    http = load_catalog().effects["http"]
    assert "Did you mean 'POST'" in http.check_settings({"connection": "c", "path": "/", "method": "POSTS"})[0][1]
    assert http.check_settings({"connection": "c", "path": "/", "method": "POST"}) == ()
