"""Writes an artifact as a plain Python package that needs this library no more.

```
DIR/
    README.md  requirements.txt  golden.jsonl
    <workflow>/
        __init__.py      decide(input) -> output
        __main__.py      python -m <workflow> INPUT.json    and    python -m <workflow> check
        workflow.py  program.json  tables/
        support/         the stepper and the pure modules, copied
```
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from compiled_ai.artifact import SealedArtifact
from compiled_ai.closure import library_closure
from compiled_ai.errors import UsageError

_ROOT = Path(__file__).parent
_CORE = ("canonical", "errors", "runtime.stepper", "runtime.supplied", "library.loading")

_INIT = '''"""{title}: {version}, exported from artifact {digest}."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from {package}.support.runtime.stepper import Failed, Program, load_program
from {package}.support.runtime.supplied import Lacking, Supplied
from {package}.support.runtime.supplied import decide as _decide

_PROGRAM: Program = load_program(Path(__file__).parent)


def decide(value: Any, *, effects: dict[str, Any] | None = None, reviews: dict[str, Any] | None = None) -> Any:
    """Returns the output (JSON) for an input (JSON); raises `ValueError` where there is no decision.

    `effects` and `reviews` give the results of bounded calls, module calls and reviews, by step.
    """
    end = _decide(_PROGRAM, value, Supplied(effects or {{}}, reviews or {{}}))
    if isinstance(end, Lacking):
        raise ValueError(f"step {{end.step!r}} needs a {{end.kind}} that was not supplied")
    if isinstance(end, Failed):
        raise ValueError(end.error)
    return end.output
'''

_MAIN = '''"""Decides one input, or checks every golden case: `python -m {package} INPUT.json [SUPPLIED.json] | check`.

SUPPLIED.json is `{{"effects": {{step: result}}, "reviews": {{step: decision}}}}`: what model calls and people answered.
"""

from __future__ import annotations

import sys
from pathlib import Path

from {package} import decide
from {package}.support.canonical import canonical_json, parse_json
from {package}.support.errors import CompiledAIError


def check() -> int:
    """Runs the cases of `golden.jsonl` against the outputs of the artifact; returns the exit code."""
    lines = (Path(__file__).parent.parent / "golden.jsonl").read_text("utf-8").splitlines()
    cases = [parse_json(line) for line in lines if line.strip()]
    if not cases:
        print("nothing to check: no golden case was exported (there was none, or a compliance pack protects them)")
        return 0
    wrong = []
    for case in cases:
        try:
            output = decide(case["input"], effects=case.get("effects"), reviews=case.get("reviews"))
            end = canonical_json(output)
        except ValueError as fault:
            end = f"no decision: {{fault}}"
        if end != case["artifact_output"]:
            wrong.append(case["id"])
    print(f"{{len(cases) - len(wrong)}} of {{len(cases)}} golden cases identical")
    return 1 if wrong else 0


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    if sys.argv[1] == "check":
        return check()
    try:
        given = parse_json(Path(sys.argv[1]).read_text("utf-8"))
        supplied = parse_json(Path(sys.argv[2]).read_text("utf-8")) if len(sys.argv) == 3 else {{}}
        print(canonical_json(decide(given, effects=supplied.get("effects"), reviews=supplied.get("reviews"))))
    except (OSError, ValueError, CompiledAIError) as fault:
        print(f"error: {{fault}}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''

_README = """# {title} {version}

Exported from artifact `{digest}`. It needs Python {python} and what `requirements.txt` names.

    python -m {package} INPUT.json [SUPPLIED.json]
    python -m {package} check

An export calls no model and asks nobody: where the workflow has bounded calls or reviews, SUPPLIED.json gives
their results as `{{"effects": {{step: result}}, "reviews": {{step: decision}}}}`, a decision being an object with
`action`, `by`, `reason`, `value` and `at`. From Python: `{package}.decide(...)`.

`check` runs every golden case and compares it with what the artifact answered when this was exported; it exits 1
if one differs. Without cases it says so, and exits 0.
"""


def export_package(loaded: SealedArtifact, folder: Path) -> Path:
    """Writes the package below a new folder and returns its path.

    Raises `UsageError` if the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{str(folder)!r} exists and is not empty.", remedy="Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as scratch:
        draft = Path(scratch) / "export"
        _write_package(loaded, draft)
        if folder.exists():
            folder.rmdir()
        shutil.move(draft, folder)
    return folder / loaded.workflow


def _write_package(loaded: SealedArtifact, folder: Path) -> None:
    package = loaded.workflow
    source = loaded.source()
    words = {
        "package": package,
        "title": str(loaded.program["name"]).replace('"', "'"),
        "version": loaded.version,
        "digest": loaded.digest,
        "python": str(loaded.manifest["environment"]["python"]),
    }
    core = "\n".join(f"import compiled_ai.{name}" for name in _CORE)
    needed = library_closure(f"{source}\n{core}\n")
    _put(folder / package / "__init__.py", _INIT.format(**words))
    _put(folder / package / "__main__.py", _MAIN.format(**words))
    _put(folder / package / "workflow.py", _moved(source, package))
    _put(folder / package / "program.json", (loaded.identity / "program.json").read_text("utf-8"))
    for table in sorted((loaded.identity / "tables").glob("*.jsonl")):
        _put(folder / package / "tables" / table.name, table.read_text("utf-8"))
    for module in needed.library:
        _copy_module(module, folder / package / "support", package)
    for inner in (folder / package / "support").rglob("*"):
        if inner.is_dir() and not (inner / "__init__.py").exists():
            _put(inner / "__init__.py", "")
    if not (folder / package / "support" / "__init__.py").exists():
        _put(folder / package / "support" / "__init__.py", "")
    known = loaded.manifest["environment"]
    pinned = [f"{name}=={known.get(f'package:{name}', '')}".rstrip("=") for name in needed.packages]
    _put(folder / "requirements.txt", "".join(f"{line}\n" for line in sorted(pinned)))
    _put(folder / "README.md", _README.format(**words))
    _put(folder / "golden.jsonl", _golden_with_outputs(loaded))


def _copy_module(module: str, support: Path, package: str) -> None:
    relative = Path(*module.split(".")[1:])
    for path in (_ROOT / relative.with_suffix(".py"), _ROOT / relative / "__init__.py"):
        if path.is_file():
            target = support / path.relative_to(_ROOT)
            _put(target, _moved(path.read_text("utf-8"), package))


def _moved(source: str, package: str) -> str:
    return source.replace("compiled_ai.", f"{package}.support.")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _golden_with_outputs(loaded: SealedArtifact) -> str:
    """Returns the golden cases, each with what the artifact answers now, so that the export can be compared."""
    from compiled_ai.canonical import canonical_json, parse_json
    from compiled_ai.errors import InputError
    from compiled_ai.runtime.stepper import Done, load_program
    from compiled_ai.runtime.supplied import Supplied, decide

    path = loaded.evidence / "golden.jsonl"
    if not path.is_file():
        return ""
    program = load_program(loaded.identity, digest=loaded.digest)
    lines = []
    for line in path.read_text("utf-8").splitlines():
        case = parse_json(line)
        try:
            end = decide(program, case["input"], Supplied(case.get("effects", {}), case.get("reviews", {})))
            answer = canonical_json(end.output) if isinstance(end, Done) else f"no decision: {_why(end)}"
        except InputError as fault:
            answer = f"no decision: {fault}"
        lines.append(canonical_json({**case, "artifact_output": answer}))
    return "".join(f"{line}\n" for line in lines)


def _why(end: object) -> str:
    from compiled_ai.runtime.stepper import Failed
    from compiled_ai.runtime.supplied import Lacking

    if isinstance(end, Failed):
        return end.error
    if isinstance(end, Lacking):
        return f"step {end.step!r} needs a {end.kind} that was not supplied"
    return "unknown"
