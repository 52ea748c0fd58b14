"""The code gate: every rule with what it refuses and accepts, and three corpora."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiled_ai.gates import code
from compiled_ai.gates.code import ALL_PURE_MODULES, RULES, check_code, gate_files

HERE = Path(__file__).parent
WEAKNESSES = (22, 78, 89, 94, 327, 328, 330, 347, 377, 489, 502, 601, 611, 798, 918, 1333, 1336)


def snippets(folder: str) -> Iterator[tuple[str, str]]:
    """Reads a corpus: `=== id` before each snippet; `escaped` after the id means that it is written in escapes."""
    for path in sorted((HERE / folder).glob("*.txt")):
        for block in re.split(r"^=== ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            head, _, body = block.partition("\n")
            name, *options = head.split()
            yield name, body.encode("ascii").decode("unicode_escape") if "escaped" in options else body


ESCAPES = dict(snippets("escapes"))
VULNERABLE = dict(snippets("vulnerable"))
BENIGN = dict(snippets("benign"))


@pytest.mark.parametrize("name", ESCAPES)
def test_every_escape_is_refused_by_judgement_and_not_by_a_crash(name: str) -> None:
    found = check_code(ESCAPES[name], mode="file")
    assert found
    assert "code.crashed" not in {finding.rule for finding in found}


@pytest.mark.parametrize("name", ESCAPES)
def test_every_escape_is_refused_as_a_generated_function(name: str) -> None:
    assert check_code(ESCAPES[name], allowed_imports=ALL_PURE_MODULES, mode="function")


@pytest.mark.parametrize("name", VULNERABLE)
def test_every_vulnerable_snippet_is_refused(name: str) -> None:
    assert check_code(VULNERABLE[name], mode="file")


@pytest.mark.parametrize("name", BENIGN)
def test_no_business_function_is_refused(name: str) -> None:
    assert [str(finding) for finding in check_code(BENIGN[name], mode="file")] == []


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(ESCAPES) >= 200
    assert sum(len(re.findall(r"^\s*(?:async )?def ", body, re.MULTILINE)) for body in BENIGN.values()) >= 100
    for weakness in WEAKNESSES:
        assert sum(name.startswith(f"cwe_{weakness:03d}-") for name in VULNERABLE) >= 3


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.refuses], ids=lambda rule: rule.id)
def test_every_rule_refuses_its_snippet_and_accepts_the_other(rule: code.Rule) -> None:
    modes = ("file", "function")
    found = {finding.rule for mode in modes for finding in check_code(rule.refuses, mode=mode)}  # type: ignore[arg-type]
    assert rule.id in found
    assert check_code(rule.accepts, mode="file") == ()


def test_every_weakness_has_a_rule() -> None:
    named = {rule.cwe for rule in RULES.values()}
    assert {f"CWE-{weakness}" for weakness in WEAKNESSES} <= named
    assert all(rule.reason.endswith(".") for rule in RULES.values())


def test_a_finding_says_where_what_and_why() -> None:
    (finding,) = check_code("def f(x: str) -> object:\n    return eval(x)\n", mode="file")
    assert (finding.rule, finding.line, finding.column, finding.cwe) == ("code.dynamic", 2, 12, "CWE-94")
    assert finding.message == "Built-in 'eval' is not allowed here. Text must never become code."


def test_a_gate_that_crashes_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(code, "walk", broken)
    assert [finding.rule for finding in check_code("x = 1\n", mode="file")] == ["code.crashed"]
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    assert gate_files([file])[0]["verdict"] == "error"


@pytest.mark.parametrize(
    "source",
    [
        "-" * 100_000 + "1",
        "(" * 100_000,
        "a" + ".b" * 5_000,
        "1" + "+1" * 5_000,
        "x = " + "not " * 20_000 + "1",
        "f(" * 3_000 + ")" * 3_000,
        "if 1:\n" + " if 1:\n" * 300,
        "x" * 300_000,
        "x = " + "9" * 3_000 + "9" * 3_000,
        "a" + "[0]" * 1_300,
        "\ud800",
        "def f(x: " + '"' + "A[" * 500 + "int" + "]" * 500 + '"' + "): pass",
    ],
    ids=range(12),
)
def test_text_made_to_break_the_gate_is_refused(source: str) -> None:
    found = check_code(source, mode="file")
    assert found and found[0].rule != "code.crashed"


def test_a_generated_function_may_import_only_what_its_plan_allows() -> None:
    source = "import re\n\ndef f(text: str) -> bool:\n    return re.search('a', text) is not None\n"
    assert check_code(source, allowed_imports=frozenset({"re"}), mode="function") == ()
    (finding, *_) = check_code(source, allowed_imports=frozenset({"json"}), mode="function")
    assert (finding.rule, finding.line) == ("code.import", 1)
    assert "Allowed: json" in finding.message


def test_a_generated_function_stands_alone() -> None:
    two = "def f() -> int:\n    return 1\n\ndef g() -> int:\n    return 2\n"
    assert "found 'f', 'g'" in check_code(two, mode="function")[0].message
    assert [f.rule for f in check_code("LIMIT = 3\n\ndef f() -> int:\n    return LIMIT\n", mode="function")] == [
        "code.shape"
    ]


def test_a_generated_function_may_use_the_types_that_the_module_defines() -> None:
    source = "def f(rows: tuple[Row, ...]) -> Totals:\n    return Totals(count=len(rows))\n"
    assert check_code(source, mode="function") == ()


def test_names_that_the_module_provides_are_known_only_if_said() -> None:
    source = "def f(x: int) -> int:\n    return shared(x)\n"
    assert [finding.rule for finding in check_code(source, mode="function")] == ["code.unknown_name"]
    assert check_code(source, mode="function", provided=frozenset({"shared"})) == ()


def test_our_own_library_lends_what_it_defines_and_nothing_that_it_imported() -> None:
    allowed = frozenset({"compiled_ai.library.*"})
    fine = "from compiled_ai.library.values import number\n\ndef f(x: int) -> object:\n    return number(x)\n"
    assert check_code(fine, allowed_imports=allowed, mode="function") == ()
    for name in ("re", "Decimal", "_PLAIN"):
        assert check_code(fine.replace("number", name), allowed_imports=allowed, mode="function")


def test_a_module_of_our_library_that_lists_its_names_lends_just_these() -> None:
    allowed = frozenset({"compiled_ai.library.*"})
    head = "from compiled_ai.library.layout import Cell, Page"
    fine = f"{head}\n\ndef f(x: Cell) -> Page:\n    return Page.from_text(x.text)\n"
    assert check_code(fine, allowed_imports=allowed, mode="function") == ()
    for name in ("Find", "table"):
        assert check_code(fine.replace("Cell", name), allowed_imports=allowed, mode="function")


def test_files_are_judged_as_the_command_line_prints_it(tmp_path: Path) -> None:
    good, bad, odd = tmp_path / "good.py", tmp_path / "bad.py", tmp_path / "odd.py"
    good.write_text("def f(x: int) -> int:\n    return x\n")
    bad.write_text("import os\n")
    odd.write_bytes(b"# caf\xe9\n")
    judged = gate_files([good, bad, odd, tmp_path / "missing.py"])
    assert [each["verdict"] for each in judged] == ["pass", "refuse", "refuse", "error"]
    assert judged[0] == {"file": str(good), "verdict": "pass", "findings": []}
    assert set(judged[1]["findings"][0]) == {"rule", "line", "message", "cwe"}
    assert judged[1]["findings"][0]["cwe"] == "CWE-78"
    json.dumps(judged)


def test_a_program_block_may_print_since_it_never_runs_when_imported() -> None:
    guarded = 'def f() -> int:\n    return 1\n\n\nif __name__ == "__main__":\n    print(f())\n'
    assert check_code(guarded, mode="file") == ()
    assert check_code(guarded.replace("print(f())", "eval('f()')"), mode="file")
    assert check_code(guarded.replace("__main__", "__mp_main__"), mode="file")


def function(*lines: str, top: str = "") -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"{top}\n\n\ndef f(x: str) -> int:\n{body}\n"


@pytest.mark.parametrize(
    "error", ["Exception", "RuntimeError", "RecursionError", "MemoryError", "(KeyError, Exception)"]
)
def test_a_generated_function_does_not_catch_what_the_machine_lacks(error: str) -> None:
    source = function("try:", "    return len(x)", f"except {error}:", "    return 0")
    assert {finding.rule for finding in check_code(source, mode="function")} == {"code.swallow"}
    alias = function(f"wide = {error}", "try:", "    return len(x)", "except wide:", "    return 0")
    assert "code.swallow" in {finding.rule for finding in check_code(alias, mode="function")}


def test_a_generated_function_has_no_bare_except_even_if_it_raises_again() -> None:
    source = function("try:", "    return len(x)", "except:", "    if x:", "        return 0", "    raise KeyError(x)")
    assert [finding.rule for finding in check_code(source, mode="function")] == ["code.swallow"]


@pytest.mark.parametrize(
    "lines",
    [
        ("try:", "    return len(x)", "finally:", "    return 0"),
        ("for _ in x:", "    try:", "        len(x)", "    finally:", "        break", "return 0"),
        (
            "for _ in x:",
            "    try:",
            "        len(x)",
            "    finally:",
            "        if x:",
            "            continue",
            "return 0",
        ),
        *(
            (
                "for _ in x:",
                "    try:",
                "        len(x)",
                "    finally:",
                f"        {loop}:",
                "            len(x)",
                "        else:",
                f"            {left}",
                "return 0",
            )
            for loop in ("for each in x", "while len(x) < 3")
            for left in ("continue", "break")
        ),
    ],
)
@pytest.mark.parametrize("mode", ["file", "function"])
def test_no_finally_is_left_before_its_end(lines: tuple[str, ...], mode: code.Mode) -> None:
    found = check_code(function(*lines), mode=mode)
    assert [finding.message.split(";")[0] for finding in found] == ["Leaving a 'finally' drops whatever was raised"]


def test_a_loop_within_a_finally_may_be_left() -> None:
    lines = ("try:", "    return len(x)", "finally:", "    for each in x:", "        if each:", "            break")
    assert check_code(function(*lines), mode="function") == ()


def test_the_else_of_a_loop_within_another_may_leave_that_other() -> None:
    inner = ("        for each in row:", "            len(x)", "        else:", "            break")
    lines = ("try:", "    return len(x)", "finally:", "    for row in x:", *inner)
    assert check_code(function(*lines), mode="function") == ()


@pytest.mark.parametrize("top", ["from math import floor as len", "import math as len", "from math import pow"])
def test_an_import_of_a_generated_function_hides_no_builtin_of_those_beside_it(top: str) -> None:
    found = check_code(function("return 0", top=top), allowed_imports=frozenset({"math"}), mode="function")
    assert [finding.rule for finding in found] == ["code.import"]
    assert "hides a built-in; import it under another name" in found[0].message
