"""Commands for whoever must answer: runs on record, reviews, keys, gates, doctor."""

from __future__ import annotations

import dataclasses
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compiled_ai.cli.output import emit, jsonable, note, table
from compiled_ai.config import Settings, load_settings, make_home
from compiled_ai.errors import NotFound, UsageError, counted

if TYPE_CHECKING:
    from compiled_ai.records import Effect
    from compiled_ai.runtime.store import RunStore

Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="run id, or its beginning")]


_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("runs", "Runs on record.", ("list", "find", "show", "verify", "anchor", "purge")),
    ("review", "Decisions that wait for a person.", ("list", "show", "decide")),
    ("keys", "Master keys.", ("new", "rotate")),
    ("gate", "One gate alone.", ("code",)),
)


def register(app: typer.Typer) -> None:
    for group, about, names in _GROUPS:
        room = typer.Typer(help=about, no_args_is_help=True)
        for name in names:
            room.command(name)(globals()[f"{group}_{name}"])
        app.add_typer(room, name=group)
    app.command()(doctor)


@contextmanager
def open_store(settings: Settings, *, writes: bool) -> Iterator[RunStore]:
    """Opens the run store; a command that only reads does not make one."""
    from compiled_ai.runtime.store import RunStore

    if not writes and settings.store_url.startswith("sqlite:///"):
        place = Path(settings.store_url.removeprefix("sqlite:///"))
        if not place.exists():
            if not settings.home.exists():
                raise NotFound(
                    f"There is no home {str(settings.home)!r} yet, and no run store.",
                    remedy="Run something first, or correct COMPILED_AI_HOME.",
                )
            raise NotFound(f"There is no run store at {str(place)!r} yet.", remedy="Run something first.")
    if writes:
        note(f"home: {make_home(settings)}")
    if settings.store_url.startswith("sqlite:///"):
        Path(settings.store_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with RunStore.open(settings.store_url, home=settings.home, durability=settings.durability) as store:
        yield store


# ---------------------------------------------------------------------------------------------- runs


def runs_list(
    workflow: Annotated[str, typer.Option("--workflow")] = "",
    status: Annotated[str, typer.Option("--status", help="completed, review, failed or waiting")] = "",
    since: Annotated[str, typer.Option("--since", help="ISO date")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Lists runs, newest first.

    Example: compiled-ai runs list --status review
    """
    with open_store(load_settings(), writes=False) as store:
        wanted: Any = {"workflow": workflow or None, "status": _status(status), "since": since or None}
        found = store.list(**wanted, limit=limit)
        number = store.count(**wanted) if len(found) == limit else len(found)
    _emit_runs(found, as_json)
    if number > len(found):
        note(f"{len(found)} of {number} runs; --limit shows more")


def _status(text: str) -> Any:
    if text and text not in ("completed", "review", "failed", "waiting"):
        raise UsageError(f"--status is {text!r}.", remedy="Use completed, review, failed or waiting.")
    return text or None


def _emit_runs(found: Any, as_json: bool) -> None:
    rows = [dataclasses.asdict(each) for each in found]
    text = table(
        [(row["run_id"], row["workflow"], row["status"], row["started_at"], row["artifact"][:12]) for row in rows],
        header=("run", "workflow", "status", "started", "artifact"),
    )
    emit(rows, as_json=as_json, text=text if rows else "No runs.")


def runs_find(
    ref: Annotated[str, typer.Option("--ref", help="VALUE or FIELD=VALUE of metadata.reference")],
    as_json: Json = False,
) -> None:
    """Finds runs by a business key (kept only as keyed hashes).

    Example: compiled-ai runs find --ref claim_id=C-1042
    """
    key, separator, value = ref.partition("=")
    with open_store(load_settings(), writes=False) as store:
        found = store.find(value, key=key) if separator else store.find(ref)
    _emit_runs(found, as_json)


def runs_show(run: Run, as_json: Json = False) -> None:
    """Shows one run's record.

    Example: compiled-ai runs show 0197
    """
    with open_store(load_settings(), writes=False) as store:
        record, names = store.load(run), store.reference_names(run)
    shown = {**record.model_dump(mode="python"), "reference": names}
    lines = [f"{name}: {_shown(value)}" for name, value in shown.items() if name not in ("reference", "effects")]
    lines.append(f"reference: {_shown(names)}" + (" (found by value, kept only as keyed hashes)" if names else ""))
    effects = [f"  {each.step} {each.kind} {each.state}{_said(each)}" for each in record.effects]
    emit(shown, as_json=as_json, text="\n".join([*lines, "effects:", *(effects or ["  none"])]))


def _said(effect: Effect) -> str:
    return (f" {effect.origin}" if effect.origin else "") + (f": {effect.error}" if effect.error else "")


def _shown(value: Any) -> str:
    from compiled_ai.canonical import canonical_json

    return value if isinstance(value, str) else canonical_json(value)


def runs_verify(
    anchor: Annotated[Path | None, typer.Option("--anchor", help="file with earlier chain heads")] = None,
    as_json: Json = False,
) -> None:
    """Verifies every chain of the run store; exit 1 if something was altered.

    Example: compiled-ai runs verify --anchor anchors/2026-11-01.json
    """
    with open_store(load_settings(), writes=False) as store:
        report = store.verify(anchor)
    counts = (counted(report.runs, "run"), counted(report.events, "event"), counted(report.chains, "chain"))
    lines = [f"{report.status}: {', '.join(counts)}"]
    lines += [f"  {finding.kind}: {finding.message}" for finding in report.findings]
    lines += [f"  cannot see: {what}" for what in report.cannot_see]
    emit(report.as_json(), as_json=as_json, text="\n".join(lines))
    if report.status == "altered":
        raise typer.Exit(1)


def runs_anchor(
    file: Annotated[Path, typer.Argument(help="file to write; keep it where the store's writers cannot write")],
    as_json: Json = False,
) -> None:
    """Writes the heads of all chains, for a later `runs verify --anchor`.

    Example: compiled-ai runs anchor anchors/2026-11-01.json
    """
    with open_store(load_settings(), writes=False) as store:
        made = store.export_anchor(file)
    emit(
        {"file": str(file), "chains": len(made.heads), "events": made.events},
        as_json=as_json,
        text=f"Wrote {file}: {counted(len(made.heads), 'chain')}, {counted(made.events, 'event')}.",
    )


def runs_purge(
    run: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]")] = None,
    before: Annotated[str, typer.Option("--before", help="ISO date: all ended runs begun earlier")] = "",
    by: Annotated[str, typer.Option("--by", help="who purges (needed)")] = "",
    reason: Annotated[str, typer.Option("--reason", help="why (needed)")] = "",
    as_json: Json = False,
) -> None:
    """Destroys the keys and payloads of ended runs; that they happened stays in the chain.

    Example: compiled-ai runs purge --before 2020-01-01 --by ana --reason retention
    """
    if not run and not before:
        raise UsageError("Nothing is named to purge.", remedy="Name runs, or give --before DATE.")
    if not by.strip() or not reason.strip():
        raise UsageError("A purge destroys records.", remedy="Say who does it and why: --by WHO --reason WHY.")
    settings = load_settings()
    with open_store(settings, writes=True) as store:
        purged = store.purge(run or (), before=before or None, by=by, reason=reason)
    emit({"purged": list(purged)}, as_json=as_json, text=f"Purged {counted(len(purged), 'run')}.")


# ---------------------------------------------------------------------------------------------- reviews


def review_list(as_json: Json = False) -> None:
    """Lists the decisions that wait for a person.

    Example: compiled-ai review list
    """
    from compiled_ai.cli.review_page import brief

    with open_store(load_settings(), writes=False) as store:
        waiting = store.reviews()
    rows = [_review(each) for each in waiting]
    text = table(
        [
            (row["review_id"], row["workflow"], row["step"], row["opened_at"], brief(row["proposed"]), row["reason"])
            for row in rows
        ],
        header=("review", "workflow", "step", "opened", "proposed", "reason"),
    )
    emit(rows, as_json=as_json, text=text if rows else "Nothing waits for a person.")


def _review(review: Any) -> dict[str, Any]:
    shown = {each.name: getattr(review, each.name) for each in dataclasses.fields(review)}
    return {**shown, "problems": list(review.problems), "decision": jsonable(review.decision)}


ReviewId = Annotated[str, typer.Argument(metavar="REVIEW", help="review id, or its beginning")]


def review_show(review: ReviewId, as_json: Json = False) -> None:
    """Shows one review: what is proposed, why it waits, and the input that it is about.

    Example: compiled-ai review show 0197
    """
    from compiled_ai.cli.review_page import review_page
    from compiled_ai.cli.runs import program_source
    from compiled_ai.runtime.reviews import preview

    settings = load_settings()
    with open_store(settings, writes=False) as store:
        shown = preview(store.review(review), store, program_source(settings))
    emit(shown, as_json=as_json, text=review_page(shown))


def review_decide(
    review: ReviewId,
    by: Annotated[str, typer.Option("--by", help="who decides")],
    reason: Annotated[str, typer.Option("--reason", help="why")],
    approve: Annotated[bool, typer.Option("--approve", help="take the proposed result")] = False,
    correct: Annotated[str, typer.Option("--correct", help="JSON of the whole result instead")] = "",
    reject: Annotated[bool, typer.Option("--reject", help="end the run without a decision")] = False,
    model: Annotated[str, typer.Option("--model", help="serves bounded calls that come after")] = "",
    as_json: Json = False,
) -> None:
    """Decides a review and resumes its run on the artifact that it began on.

    Example: compiled-ai review decide 0197 --approve --by "Dr. Ito" --reason "criteria met"
    """
    from compiled_ai.canonical import read_json
    from compiled_ai.cli.runs import emit_result, program_source
    from compiled_ai.runtime.reviews import decide

    if [approve, bool(correct), reject].count(True) != 1:
        raise UsageError("A review needs exactly one decision.", remedy="Give --approve, --correct JSON or --reject.")
    settings = load_settings()
    with open_store(settings, writes=True) as store:
        result = decide(
            review,
            "approve" if approve else "reject" if reject else "correct",
            by=by,
            reason=reason,
            value=read_json(correct, "--correct") if correct else None,
            store=store,
            programs=program_source(settings),
            model=model or None,
        )
    emit_result(result, as_json=as_json, rejected=reject)


# ---------------------------------------------------------------------------------------------- keys, gates


def keys_new(name: Annotated[str, typer.Argument(help="name of the key; by default a name of its own")] = "") -> None:
    """Prints a fresh master key. Make one once, keep it in a safe place, and configure that same line in every shell.

    Without it what was encrypted under it is lost.

    Example: export COMPILED_AI_KEY="$(compiled-ai keys new main-2026)"
    """
    from compiled_ai.runtime.keys import new_key

    sys.stdout.write(new_key(name or f"key-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}") + "\n")


def keys_rotate(as_json: Json = False) -> None:
    """Wraps every run's key anew with the current master key (the first one configured).

    Example: COMPILED_AI_KEY="new:...,old:..." compiled-ai keys rotate
    """
    with open_store(load_settings(), writes=True) as store:
        count = store.rotate()
    emit({"rewrapped": count}, as_json=as_json, text=f"{counted(count, 'key')} wrapped anew.")


def gate_code(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Python files")],
    as_json: Json = False,
) -> None:
    """Judges code with the code gate alone; exit 1 if a file is refused.

    Example: compiled-ai gate code suspicious.py --json
    """
    from compiled_ai.gates.code import gate_files

    for file in files:
        if not file.is_file():
            raise NotFound(f"There is no file {str(file)!r}.", remedy="Name Python files.")
    judged = gate_files(files)
    lines = []
    for each in judged:
        lines.append(f"{each['file']}: {each['verdict']}")
        lines += [
            f"  {f.get('line') or '-'}: {f['rule']}: {f['message']} {f.get('cwe') or ''}".rstrip()
            for f in each["findings"]
        ]
    emit(judged, as_json=as_json, text="\n".join(lines))
    if any(each["verdict"] != "pass" for each in judged):
        raise typer.Exit(1)


# ---------------------------------------------------------------------------------------------- doctor


def doctor(as_json: Json = False) -> None:
    """Says what is configured, and what is wrong; exit 1 if something is wrong.

    Example: compiled-ai doctor
    """
    from compiled_ai.cli.examination import examine

    checks = examine(load_settings())
    text = "\n".join(f"{each['status']:<8} {each['what']:<18} {each['found']}{_remedy(each)}" for each in checks)
    emit(checks, as_json=as_json, text=text)
    if any(each["status"] == "wrong" for each in checks):
        raise typer.Exit(1)


def _remedy(check: dict[str, str]) -> str:
    return f"\n         -> {check['remedy']}" if check.get("remedy") else ""
