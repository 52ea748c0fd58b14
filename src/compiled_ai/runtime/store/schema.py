"""The tables, as numbered migrations. A migration is never changed once released; a new one is appended.

`{blob}`, `{serial}`, `{key}`, `{id}` and `{clustered}` stand for what SQLite and PostgreSQL write differently.

| table | holds | may change |
|---|---|---|
| `events` | what happened: append-only, hashed, in its writer's and its run's chain | never |
| `payloads` | inputs, effects, outputs of an event, clear or sealed | deleted by purge |
| `payloads_of_groups` | the same of runs that one event tells (`groups`), all clear | deleted by purge |
| `runs`, `effects`, `reviews`, `business_keys` | where things stand; `verify` derives them anew | yes |
| `writers` | one row for each chain | closed once |
| `secrets` | the store's own secret, wrapped by a master key; a sample for each key's name | re-wrapped by rotation |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    # Few indexes: each costs a run some 10 us. A run's first event is found by `runs.first`, lists go by run id.
    Migration(
        1,
        (
            "CREATE TABLE secrets (name TEXT PRIMARY KEY, key_name TEXT NOT NULL, wrapped {blob} NOT NULL)",
            "CREATE TABLE writers (writer {id} PRIMARY KEY, host TEXT NOT NULL, process BIGINT NOT NULL, "
            "opened BIGINT NOT NULL, closed BIGINT)",
            "CREATE TABLE events (seq {serial}, writer {id} NOT NULL, position BIGINT NOT NULL, at BIGINT NOT NULL, "
            "run_id {id}, run_position BIGINT, kind TEXT NOT NULL, header TEXT NOT NULL, commitment {blob} NOT NULL, "
            "previous {blob} NOT NULL, run_previous {blob} NOT NULL, hash {blob} NOT NULL)",
            "CREATE UNIQUE INDEX events_of_run ON events (run_id, run_position) WHERE run_position > 0",
            "CREATE TABLE payloads (seq {key}, blind {blob} NOT NULL, clear {blob} NOT NULL, sealed {blob} NOT NULL)",
            "CREATE TABLE runs (run_id {id} PRIMARY KEY, workflow TEXT NOT NULL, artifact TEXT NOT NULL, "
            "status TEXT NOT NULL, started BIGINT NOT NULL, finished BIGINT, protection TEXT NOT NULL, "
            "first BIGINT NOT NULL, events BIGINT NOT NULL, head {blob} NOT NULL, key_name TEXT, wrapped {blob}, "
            "purged BIGINT){clustered}",
            "CREATE INDEX runs_not_completed ON runs (status, started) WHERE status <> 'completed'",
            "CREATE TABLE effects (run_id {id} NOT NULL, step TEXT NOT NULL, kind TEXT NOT NULL, item BIGINT NOT NULL, "
            "attempt BIGINT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (run_id, step, kind, item, attempt)){clustered}",
            "CREATE TABLE business_keys (hash {blob} NOT NULL, run_id {id} NOT NULL, name TEXT NOT NULL, "
            "PRIMARY KEY (hash, run_id, name)){clustered}",
            "CREATE TABLE reviews (review_id {id} PRIMARY KEY, run_id {id} NOT NULL, step TEXT NOT NULL, "
            "item BIGINT NOT NULL, attempt BIGINT NOT NULL, status TEXT NOT NULL, opened BIGINT NOT NULL, "
            "deadline BIGINT, decided BIGINT, UNIQUE (run_id, step, item, attempt))",
            "CREATE INDEX reviews_open ON reviews (status, opened)",
        ),
    ),
    Migration(
        2,
        (
            "CREATE TABLE payloads_of_groups (seq BIGINT NOT NULL, place BIGINT NOT NULL, blind {blob} NOT NULL, "
            "clear {blob} NOT NULL, PRIMARY KEY (seq, place)){clustered}",
            "ALTER TABLE runs ADD COLUMN place BIGINT",
        ),
    ),
)

NEWEST = MIGRATIONS[-1].version


def statements(migration: Migration, words: Mapping[str, str]) -> list[str]:
    return [statement.format_map(words) for statement in migration.statements]
