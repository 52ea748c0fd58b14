"""The Python API: the words of the command line, as functions, for scripts and notebooks.

```python
compiled = compile("examples/invoice_fields.yaml", model="recorded:examples/invoice_fields/recordings")
artifact = load_artifact(compiled.digest)
result = artifact.run({"document": text})           # or: await artifact.run_async({...})
summary = artifact.batch("documents.jsonl", "fields.jsonl", mapping={"document": "text"}, keep=["id"])
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiled_ai.config import Settings, load_settings, make_home

if TYPE_CHECKING:
    from compiled_ai.artifact import SealedArtifact
    from compiled_ai.compiler import Compilation, CompileOptions
    from compiled_ai.golden_check import GoldenReport
    from compiled_ai.golden_import import Imported, ImportOptions
    from compiled_ai.models import Model
    from compiled_ai.plan import CompilePlan
    from compiled_ai.reading import ReadLimits, ReadText
    from compiled_ai.runtime.batch import BatchResult
    from compiled_ai.runtime.explain import Explanation
    from compiled_ai.runtime.local import RunResult
    from compiled_ai.spec.model import WorkflowSpec


class Artifact:
    """A verified artifact, ready to run."""

    def __init__(self, sealed: SealedArtifact, settings: Settings) -> None:
        self.sealed = sealed
        self.settings = settings

    @property
    def digest(self) -> str:
        """SHA-256 of its identity: its name."""
        return self.sealed.digest

    @property
    def workflow(self) -> str:
        return self.sealed.workflow

    @property
    def version(self) -> str:
        return self.sealed.version

    @property
    def provisional(self) -> str | None:
        """Why the artifact is provisional, or `None`."""
        return self.sealed.provisional

    @property
    def source(self) -> str:
        """Text of the assembled module."""
        return self.sealed.source()

    def run(
        self, given: Mapping[str, Any], *, model: str | Model | None = None, store: bool = True, once: bool = False
    ) -> RunResult:
        """Runs one input.

        Args:
            given: input field name to JSON (or typed) value.
            model: who serves bounded calls; by default the model that the artifact pins.
            store: keep the run in the run store of these settings.
            once: return the existing run of the same reference and artifact.

        Raises:
            InputError: the input does not fit.
            Waiting: an exchange has no reply yet.
        """
        from compiled_ai.runtime.local import run as run_local

        if not store:
            return run_local(self.sealed, given, model=model)
        with _open_store(self.settings) as opened:
            return run_local(self.sealed, given, store=opened, model=model, once=once)

    def batch(
        self,
        source: str | Path,
        target: str | Path,
        *,
        mapping: Mapping[str, str] | None = None,
        keep: Sequence[str] = (),
        store: bool = True,
        **options: Any,
    ) -> BatchResult:
        """Runs every record of a file or a query, and writes a line for each, in order (`batch`).

        Args:
            source: JSONL, CSV (`.csv`), Parquet (`.parquet`), or `sql:CONNECTION:SELECT ...`.
            target: JSONL, `{"index", "run_id", "status", "output", ...kept columns}`; whole when it has this name.
            mapping: input field to column, where they are not called the same.
            keep: columns that the output repeats.
            store: keep the runs in the run store of these settings.
            options: `workers`, `model`, `resume`, `strict`, `max_errors`, `limits`, `progress` as
                `compiled_ai.runtime.batch.run_batch` says. A script that has workers calls this under
                `if __name__ == "__main__":`.

        Raises:
            UsageError: a column or an input is not there, or what is resumed was changed. Nothing has run.
            RunFailed: more than `max_errors` lines failed.
        """
        from contextlib import nullcontext

        from compiled_ai.runtime.batch import run_batch
        from compiled_ai.runtime.loading import programs_of

        given = source if str(source).startswith("sql:") else Path(source)
        with _open_store(self.settings) if store else nullcontext() as opened:
            return run_batch(
                self.sealed,
                given,
                Path(target),
                mapping=mapping,
                keep=keep,
                store=opened,
                programs=programs_of(self.settings.artifacts),
                **options,
            )

    async def run_async(self, given: Mapping[str, Any], **options: Any) -> RunResult:
        """As `run`, in a thread, so that a model call does not hold up the event loop."""
        from asyncio import to_thread

        return await to_thread(self.run, given, **options)

    def __repr__(self) -> str:
        state = "provisional" if self.provisional else "validated"
        return f"Artifact({self.workflow}@{self.version}, {self.digest[:12]}, {state})"

    def _repr_html_(self) -> str:
        """What a notebook shows: what it is, its stages, its code."""
        from html import escape

        stages = "".join(
            f"<tr><td>{escape(stage['name'])}</td><td>{escape(stage['status'])}</td>"
            f"<td>{float(stage['milliseconds']):.1f} ms</td></tr>"
            for stage in self.sealed.report.get("stages", ())
        )
        note = f"<p>provisional: {escape(self.provisional)}</p>" if self.provisional else ""
        return (
            f"<h4>{escape(self.workflow)} {escape(self.version)}</h4><code>{self.digest}</code>{note}"
            f"<table>{stages}</table><pre>{escape(self.source)}</pre>"
        )


def _open_store(settings: Settings) -> Any:
    from compiled_ai.runtime.store import RunStore

    make_home(settings)
    if settings.store_url.startswith("sqlite:///"):
        Path(settings.store_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return RunStore.open(settings.store_url, home=settings.home, durability=settings.durability)


def load_spec(path: str | Path) -> WorkflowSpec:
    """Reads a specification; raises `SpecError` with every fault of the file."""
    from compiled_ai.spec.loader import load_spec as load

    return load(path)


def make_plan(path: str | Path) -> CompilePlan:
    """Reads and plans a specification; calls nothing."""
    from compiled_ai.catalog import load_catalog
    from compiled_ai.plan import make_plan as planned
    from compiled_ai.plan import read_spec

    catalog = load_catalog()
    return planned(read_spec(path, catalog), catalog)


def compile(
    path: str | Path,
    *,
    model: str | None = None,
    settings: Settings | None = None,
    options: CompileOptions | None = None,
) -> Compilation:
    """Compiles a specification into a sealed artifact of this home.

    Args:
        path: the specification.
        model: `recorded:DIR`, `exchange:DIR` or a pydantic-ai name; not needed where no function is to be written.
        settings: by default read from the environment.
        options: budgets, attempts, recording; its model gives way to `model`.

    Raises:
        SpecError, Waiting, CompileFailed, StageUnavailable: as `compiled_ai.errors` says.
    """
    from dataclasses import replace

    from compiled_ai.compiler import CompileOptions, compile_spec

    chosen = options or CompileOptions()
    return compile_spec(
        Path(path), settings or load_settings(), chosen if model is None else replace(chosen, model=model)
    )


def load_artifact(name: str, *, settings: Settings | None = None) -> Artifact:
    """Verifies and loads an artifact by workflow, `workflow@version`, digest prefix or folder.

    Raises `NotFound`, or `ArtifactRefused` for one that was altered or that nobody vouches for.
    """
    from compiled_ai.artifact import find_artifact
    from compiled_ai.artifact import load_artifact as load

    chosen = settings or load_settings()
    return Artifact(load(find_artifact(chosen.artifacts, str(name)), chosen.artifacts), chosen)


def run(name: str, given: Mapping[str, Any], **options: Any) -> RunResult:
    """Runs one input on an artifact by name: `load_artifact(name).run(given, ...)`."""
    return load_artifact(name).run(given, **options)


def batch(name: str, source: str | Path, target: str | Path, **options: Any) -> BatchResult:
    """Runs many records on an artifact by name: `load_artifact(name).batch(source, target, ...)`."""
    return load_artifact(name).batch(source, target, **options)


def explain(run_id: str, *, settings: Settings | None = None) -> Explanation:
    """Replays a stored run and explains its decision down to the line."""
    from compiled_ai.runtime.explain import explain as explain_run

    chosen = settings or load_settings()
    with _open_store(chosen) as store:
        return explain_run(run_id, store=store, artifacts=lambda name: load_artifact(name, settings=chosen).sealed)


def read_document(
    path: str | Path, *, root: str | Path | None = None, limits: ReadLimits | None = None, languages: str = "eng"
) -> ReadText:
    """Reads a PDF, HTML, DOCX, XLSX, image or text file as an artifact will see it: `.text`, `.boxes`, `.warnings`."""
    from compiled_ai.reading import read_document as read

    return read(path, root=root, limits=limits, languages=languages)


def import_golden(folder: str | Path, labels: str | Path, options: ImportOptions) -> Imported:
    """Makes golden cases of the documents of a folder and a sheet of labels (`golden import`)."""
    from compiled_ai.golden_import import import_golden as imported

    return imported(Path(folder), Path(labels), options)


def check_golden(path: str | Path, *, artifacts: Sequence[Artifact] = ()) -> GoldenReport:
    """Lists what looks wrong in golden cases (`golden check`); with candidates, their agreement against labels."""
    from compiled_ai.golden_check import check_golden as checked

    return checked(Path(path), artifacts=[each.sealed for each in artifacts])
