"""The run store: see the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import InputError, NotFound, StoreFailed
from compiled_ai.library.context import EffectRequest
from compiled_ai.records import Effect, ReviewDecision, RunRecord, RunStatus
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.store import anchors, purging, reviewing, verifying
from compiled_ai.runtime.store.anchors import Anchor
from compiled_ai.runtime.store.dialects import Duplicate, Durability, open_database
from compiled_ai.runtime.store.effecting import Incomplete, Intent, incomplete, intend, record_effect, unresolved
from compiled_ai.runtime.store.groups import CompletedRun, RunForm
from compiled_ai.runtime.store.payloads import CLEAR, Part, Protection
from compiled_ai.runtime.store.reviewing import Review
from compiled_ai.runtime.store.runs import (
    FINAL,
    SUMMARY_COLUMNS,
    Prepared,
    RunLike,
    RunSummary,
    extend,
    insert_many,
    open_run_row,
    prepare,
    reference_hash,
    run_row,
    stored_among,
    summary_of,
)
from compiled_ai.runtime.store.schema import NEWEST
from compiled_ai.runtime.store.session import Session
from compiled_ai.runtime.store.telling import record_of, told_of
from compiled_ai.runtime.store.times import micros_of, now_text, since_micros
from compiled_ai.runtime.store.verifying import ChainState, VerifyReport


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a store is and how it is opened. Pickled, it carries master keys: hand it to own processes only."""

    url: str
    keys: KeyRing = field(repr=False)
    durability: Durability
    busy_seconds: float

    def open(self) -> RunStore:
        return RunStore.open(self.url, keys=self.keys, durability=self.durability, busy_seconds=self.busy_seconds)


_STATUSES = ("completed", "review", "failed", "waiting")


class RunStore:
    """An open run store. Use it as a context manager: closing ends its chain, which `verify` wants to see."""

    def __init__(self, session: Session, address: StoreAddress) -> None:
        self._session = session
        self._address = address
        self._group: list[Prepared] | None = None
        self._group_size = 0

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        home: Path | None = None,
        keys: KeyRing | None = None,
        durability: Durability = "process",
        busy_seconds: float = 30.0,
    ) -> RunStore:
        """Opens (and if need be makes or migrates) the store at a path, `sqlite:///PATH` or `postgresql://...`.

        `keys` defaults to the environment's, with the local chain key in `home`. A store that waits for another
        process gives up after `busy_seconds` with `StoreFailed`.
        """
        ring = KeyRing.from_environment(home=home) if keys is None else keys
        database = open_database(url, durability=durability, busy_seconds=busy_seconds)
        try:
            return cls(Session(database, ring), StoreAddress(str(url), ring, durability, busy_seconds))
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends this handle's chain with a `closed` event, if it wrote anything; may be called twice."""
        self._session.close()

    @property
    def store_id(self) -> str:
        return self._session.store_id

    @property
    def place(self) -> str:
        """Path or address, without a password."""
        return self._session.database.place

    @property
    def schema_version(self) -> int:
        """The schema that the store has; opening it brought it there."""
        return NEWEST

    def require(self, protection: Protection) -> None:
        """Raises `KeyMissing` if runs so protected could not be stored: ask before the first effect."""
        if protection.encrypts:
            self._session.keys.require("A run's record")

    # ------------------------------------------------------------ writing runs

    def save(self, record: RunLike, protection: Protection = CLEAR, *, once: bool = False) -> str:
        """Stores a whole run in one transaction and returns its id.

        With `once` the id of an earlier run of the same reference and artifact is returned instead, and nothing
        is stored. Within a `group` it is stored with the group.
        """
        run = prepare(self._session, record, protection)
        if self._group is not None and not once:
            self._group.append(run)
            if len(self._group) >= self._group_size:
                self._flush()
            return record.run_id
        self._flush()
        return self._write(run, record.reference, once=once)

    def start(self, record: RunLike, protection: Protection = CLEAR, *, once: bool = False) -> str:
        """Stores a run that has not ended (`status` is `waiting` or `review`); as `save` otherwise.

        If the returned id is not the record's, an earlier run stands and this one must not be made.
        """
        if record.status in FINAL:
            raise InputError(
                f"A run that starts cannot be {record.status!r}.", remedy="Use status 'waiting', or save()."
            )
        self._flush()
        return self._write(prepare(self._session, record, protection), record.reference, once=once)

    def save_many(self, records: Sequence[RunLike], protection: Protection = CLEAR) -> None:
        """Stores many runs in one transaction: all of them, or none."""
        self._flush()
        self._write_all([prepare(self._session, record, protection) for record in records])

    def form(
        self, artifact: str, workflow: str, environment: Mapping[str, str], protection: Protection = CLEAR
    ) -> RunForm:
        """What makes many runs of an artifact ready to be written, for `save_prepared`."""
        return RunForm(self._session, artifact, workflow, environment, protection)

    def prepare(self, record: RunLike, protection: Protection = CLEAR) -> Prepared:
        """Makes a run ready to be written, for `save_prepared`."""
        return prepare(self._session, record, protection)

    def save_prepared(self, runs: Sequence[Prepared]) -> set[str]:
        """Stores, in one transaction, the runs that are not stored yet; returns the ids of those that were.

        For work that is done again after a crash under the same ids: the first record of a run counts.
        """
        self._flush()
        with self._session.writing() as database:
            present = stored_among(database, [run.run_id for run in runs])
            new = [run for run in runs if run.run_id not in present] if present else runs
            if new:
                insert_many(self._session, new)
        return present

    def save_completed(self, form: RunForm, runs: Sequence[CompletedRun]) -> set[str]:
        """As `save_prepared`, for runs of a plain form without business keys; they are stored in groups."""
        self._flush()
        groups = form.groups(runs)  # before other writers are kept waiting
        with self._session.writing() as database:
            present = stored_among(database, [run.run_id for run in runs])
            form.insert(form.groups([run for run in runs if run.run_id not in present]) if present else groups)
        return present

    def stored(self, run_ids: Sequence[str]) -> set[str]:
        """Returns which of these runs are stored."""
        self._flush()
        with self._session.reading() as database:
            return stored_among(database, run_ids)

    def has_any(self, beginning: str) -> bool:
        """Returns whether some run's id begins like this."""
        self._flush()
        sql = "SELECT 1 FROM runs WHERE run_id >= ? AND run_id < ? LIMIT 1"
        with self._session.reading() as database:
            return database.execute(sql, (beginning, beginning + "\U0010ffff")).fetchone() is not None

    @contextmanager
    def group(self, size: int = 500) -> Iterator[RunStore]:
        """Within it, `save` keeps runs back and stores `size` of them at a time; the rest at its end.

        A run that was kept back is lost if the process dies before its group is stored. Every other method
        stores what was kept back first.
        """
        if self._group is not None:
            raise StoreFailed("A group is open already.", remedy="Groups do not nest.")
        if size < 1:
            raise InputError(f"A group of {size!r} runs makes no sense.", remedy="Give 1 or more.")
        self._group, self._group_size = [], size
        try:
            yield self
        finally:
            try:
                self._flush()
            finally:
                self._group = None

    def _flush(self) -> None:
        if self._group:
            with self._session.lock:
                kept, self._group = self._group, []
                self._write_all(kept)

    def _write_all(self, runs: Sequence[Prepared]) -> None:
        if not runs:
            return
        try:
            with self._session.writing():
                insert_many(self._session, runs)
        except Duplicate as fault:
            ids = [run.run_id for run in runs]
            twice = next((run_id for run_id in ids if ids.count(run_id) > 1), "") or min(self.stored(ids), default="")
            raise _stored_already(twice) from fault

    def _write(self, run: Prepared, reference: Mapping[str, str], *, once: bool) -> str:
        with self._session.writing():
            if once:
                existing = self._once(reference, run.artifact)
                if existing is not None:
                    return existing
            self._insert(run)
        return run.run_id

    def _insert(self, run: Prepared) -> None:
        try:
            insert_many(self._session, [run])
        except Duplicate as fault:
            raise _stored_already(run.run_id) from fault

    def intend(self, run_id: str, request: EffectRequest) -> Intent:
        """Records that an effect is about to start, durably, before it does. Start it only if `state` is `new`."""
        self._flush()
        return intend(self._session, run_id, request)

    def effect(self, run_id: str, effect: Effect) -> Effect:
        """Records an effect's result and returns the one that counts: the first that was recorded for its key."""
        self._flush()
        return record_effect(self._session, run_id, effect)

    def finish(
        self,
        run_id: str,
        status: RunStatus,
        output: Any = None,
        error: str | None = None,
        evidence: Any = None,
        *,
        abstained: Any = None,
    ) -> None:
        """Ends a run (`completed`, `failed`), or says what it waits for (`review`, `waiting`)."""
        if status not in _STATUSES:
            raise InputError(f"{status!r} is not a status of a run.", remedy=f"Use one of {', '.join(_STATUSES)}.")
        self._flush()
        with self._session.writing() as database:
            row = open_run_row(database, run_id)
            finished_at = now_text() if status in FINAL else None
            row.status, row.finished = status, None if finished_at is None else micros_of(finished_at)
            parts: dict[Part, Any] = {}
            if output is not None:
                parts["outputs"] = output
            if evidence:
                parts["evidence"] = evidence
            if abstained:
                parts["abstained"] = abstained
            if error is not None:
                parts["error_texts"] = {"run": error}
            extend(self._session, row, "status", {"finished_at": finished_at, "status": status}, parts)

    # ------------------------------------------------------------ reading runs

    def load(self, run_id: str) -> RunRecord:
        """Reads a run by its id or the beginning of it, and checks its chain on the way.

        Business keys are not returned (only their hashes are stored), and effects without a result are left out.
        Raises `NotFound`, `RecordAltered`, or `KeyMissing` if the run is encrypted and its master key is not here.
        """
        self._flush()
        with self._session.reading() as database:
            row = run_row(database, self._full_id(run_id))
            return record_of(row, told_of(self._session, row))

    def reference_names(self, run_id: str) -> tuple[str, ...]:
        """Returns the names of a run's business keys (only keyed hashes of values are stored). Raises as `load`."""
        self._flush()
        with self._session.reading() as database:
            return tuple(told_of(self._session, run_row(database, self._full_id(run_id))).references)

    def resolve(self, run_id: str) -> str:
        """Returns the whole run id that begins like this; `NotFound` if there is none, or more than one."""
        self._flush()
        with self._session.lock:
            self._session.check_usable()
            return self._full_id(run_id)

    def _full_id(self, run_id: str) -> str:
        rows = self._session.database.execute(
            "SELECT run_id FROM runs WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT 4",
            (run_id, run_id + "\U0010ffff"),
        ).fetchall()
        found = [row[0] for row in rows]
        if run_id and (found[:1] == [run_id] or len(found) == 1):
            return str(found[0])
        if not found or not run_id:
            raise NotFound(f"There is no run {run_id!r}.", remedy="`compiled-ai runs list` shows the runs.")
        listed = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise NotFound(f"Several runs begin with {run_id!r}: {listed}.", remedy="Give more of the id.")

    def summary(self, run_id: str) -> RunSummary:
        """Returns a run's line in the list, without opening its record."""
        self._flush()
        with self._session.reading() as database:
            sql = f"SELECT {SUMMARY_COLUMNS} FROM runs WHERE run_id = ?"
            return summary_of(database.execute(sql, (self._full_id(run_id),)).fetchone())

    def list(
        self,
        *,
        workflow: str | None = None,
        artifact: str | None = None,
        status: RunStatus | None = None,
        since: str | date | datetime | None = None,
        limit: int | None = 100,
    ) -> tuple[RunSummary, ...]:
        """Returns runs, the newest first (by their ids, which begin with the time); `limit=None` returns all."""
        where, values = _conditions(workflow, artifact, status, since)
        sql = f"SELECT {SUMMARY_COLUMNS} FROM runs{where} ORDER BY run_id DESC"
        if limit is not None:
            sql, values = sql + " LIMIT ?", [*values, limit]
        self._flush()
        with self._session.reading() as database:
            return tuple(summary_of(row) for row in database.execute(sql, values))

    def count(
        self,
        *,
        workflow: str | None = None,
        artifact: str | None = None,
        status: RunStatus | None = None,
        since: str | date | datetime | None = None,
    ) -> int:
        """Returns how many runs `list` would return without a limit."""
        where, values = _conditions(workflow, artifact, status, since)
        self._flush()
        with self._session.reading() as database:
            return int(database.execute(f"SELECT COUNT(*) FROM runs{where}", values).fetchone()[0])

    def find(self, value: str, *, key: str | None = None, limit: int = 100) -> tuple[RunSummary, ...]:
        """Returns the runs with this business key (`key` names the input field; any if left out), newest first."""
        columns = ", ".join(f"r.{column}" for column in SUMMARY_COLUMNS.split(", "))
        sql = (
            f"SELECT DISTINCT {columns} FROM business_keys b JOIN runs r ON r.run_id = b.run_id WHERE b.hash = ?"
            + ("" if key is None else " AND b.name = ?")
            + " ORDER BY r.run_id DESC LIMIT ?"
        )
        self._flush()
        with self._session.reading() as database:
            found = reference_hash(self._session, value)
            values = (found, limit) if key is None else (found, key, limit)
            return tuple(summary_of(row) for row in database.execute(sql, values))

    def once(self, reference: Mapping[str, str], artifact: str) -> str | None:
        """Returns the first run of this artifact with exactly this reference, if there is one.

        To decide and to store in one step, use `save(..., once=True)` or `start(..., once=True)`.
        """
        self._flush()
        with self._session.reading():
            return self._find_once(reference, artifact)

    def _once(self, reference: Mapping[str, str], artifact: str) -> str | None:
        """As `once`, within a transaction: no other may store the same before it ends."""
        text = canonical_json([dict(reference), artifact])
        number = self._session.reference_mac.digest(text)
        self._session.database.lock(int.from_bytes(number[:8], "big", signed=True))
        return self._find_once(reference, artifact)

    def _find_once(self, reference: Mapping[str, str], artifact: str) -> str | None:
        if not reference:
            raise InputError(
                "A run without a business key cannot be found again.",
                remedy="Name the key's input fields under metadata.reference in the specification.",
            )
        database, candidates = self._session.database, None
        for name, value in reference.items():
            rows = database.execute(
                "SELECT b.run_id FROM business_keys b JOIN runs r ON r.run_id = b.run_id "
                "WHERE b.hash = ? AND b.name = ? AND r.artifact = ? ORDER BY r.started, r.run_id",
                (reference_hash(self._session, value), name, artifact),
            )
            found = {row[0]: None for row in rows}
            candidates = found if candidates is None else {run: None for run in candidates if run in found}
        return next(iter(candidates or ()), None)

    # ------------------------------------------------------------ after a crash

    def incomplete(self) -> tuple[Incomplete, ...]:
        """Lists runs that have not ended, with the effects that were intended and have no result."""
        self._flush()
        with self._session.reading() as database:
            return incomplete(database)

    def unresolved(self, run_id: str) -> tuple[Effect, ...]:
        """Returns a run's effects that are `intended` or `in_doubt`, with their requests."""
        self._flush()
        with self._session.reading() as database:
            return unresolved(self._session, run_row(database, self._full_id(run_id)))

    # ------------------------------------------------------------ reviews

    def open_review(
        self,
        run_id: str,
        *,
        step: str,
        proposed: Any,
        reason: str,
        problems: Sequence[str] = (),
        item: int = 0,
        attempt: int = 0,
        deadline: str | None = None,
    ) -> str:
        """Asks for a person's decision and returns the review's id; asking again for the same place returns the same.

        The run's status becomes `review`. `deadline` is ISO 8601 in UTC.
        """
        self._flush()
        asked = {"problems": [*problems], "proposed": proposed, "reason": reason}
        place = reviewing.Place(step=step, item=item, attempt=attempt)
        return reviewing.open_review(self._session, run_id, place, asked, deadline=deadline)

    def reviews(self, status: str | None = "open") -> tuple[Review, ...]:
        """Lists reviews that are `open` or `decided` (`None`: all), the nearest deadline first."""
        self._flush()
        return reviewing.reviews(self._session, status)

    def review(self, review_id: str) -> Review:
        """Reads one review by its id or the beginning of it."""
        self._flush()
        return reviewing.review(self._session, review_id)

    def decide(self, review_id: str, decision: ReviewDecision) -> Review:
        """Records a decision, and with it the review's effect in its run; `ReviewConflict` if there is one already.

        Whether a corrected value is valid is for the caller to check before.
        """
        self._flush()
        return reviewing.decide(self._session, review_id, decision)

    # ------------------------------------------------------------ several processes

    @property
    def address(self) -> StoreAddress:
        """What another process of this machine needs to open the same store; it carries the keys."""
        return self._address

    def close_chains_of(self, process: int) -> None:
        """Ends the chains of a process that is known to have died: it cannot end them itself."""
        self._session.close_chains_of(process)

    # ------------------------------------------------------------ keeping

    def purge(
        self,
        runs: Sequence[str] = (),
        *,
        before: str | date | datetime | None = None,
        by: str = "unknown",
        reason: str = "",
    ) -> tuple[str, ...]:
        """Destroys the keys and payloads of ended runs, by id or begun before a date; returns the ids.

        That each run happened, when, and under which artifact stays in the chain, which still verifies.
        A run that has not ended is refused by id and passed over by date.
        """
        self._flush()
        ids = [self.resolve(run) for run in runs]
        border = None if before is None else since_micros(before)
        return purging.purge(self._session, ids, border, by=by, reason=reason)

    def rotate(self) -> int:
        """Wraps every key anew with the current master key, and returns how many; afterwards the old one can go."""
        self._flush()
        return purging.rotate(self._session)

    def verify(self, anchor: Path | Mapping[str, Any] | None = None) -> VerifyReport:
        """Examines every event, payload and row, and says what it found and what it could not see."""
        self._flush()
        return verifying.verify(self._session, anchor)

    def export_anchor(self, file: Path) -> Anchor:
        """Writes the heads of all chains to a file. Keep it where nobody who can write to the store can."""
        self._flush()
        return anchors.export_anchor(self._session, file)

    def chains(self, *, unclosed_only: bool = False) -> tuple[ChainState, ...]:
        """Lists the chains: who wrote each, when it began, and whether it was closed."""
        self._flush()
        return verifying.chains(self._session, unclosed_only=unclosed_only)


def _conditions(
    workflow: str | None, artifact: str | None, status: RunStatus | None, since: str | date | datetime | None
) -> tuple[str, list[Any]]:
    """The WHERE clause for what is given, and its values."""
    if status is not None and status not in _STATUSES:
        raise InputError(f"{status!r} is not a status of a run.", remedy=f"Use one of {', '.join(_STATUSES)}.")
    border = None if since is None else since_micros(since)
    given = {"workflow = ?": workflow, "artifact = ?": artifact, "status = ?": status, "started >= ?": border}
    conditions = {condition: value for condition, value in given.items() if value is not None}
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", [*conditions.values()]


def _stored_already(run_id: str) -> StoreFailed:
    return StoreFailed(f"Run {run_id!r} is stored already.", remedy="Use a new id for every run (`new_run_id`).")
