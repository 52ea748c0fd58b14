"""What `doctor` looks at: home, store, keys, sandbox, tools, reviews, chains, artifacts."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from compiled_ai.config import Settings
from compiled_ai.errors import CompiledAIError

Check = dict[str, str]

_TOOLS = ("ruff", "mypy", "bandit", "semgrep", "detect-secrets", "radon")


def examine(settings: Settings) -> list[Check]:
    """Returns one entry `{"what", "status": "ok" | "note" | "wrong", "found", "remedy"}` for each thing looked at."""
    looks: tuple[Callable[[Settings], Iterator[Check]], ...] = (
        _python,
        _home,
        _keys,
        _sandbox,
        _tools,
        _connections,
        _artifacts,
        _store,
        _temporal,
    )
    return [check for look in looks for check in _guarded(look, settings)]


def _guarded(look: Callable[[Settings], Iterator[Check]], settings: Settings) -> Iterator[Check]:
    try:
        yield from look(settings)
    except CompiledAIError as error:
        yield _check(look.__name__.strip("_"), "wrong", error.message, error.remedy)


def _check(what: str, status: str, found: str, remedy: str = "") -> Check:
    return {"what": what, "status": status, "found": found, "remedy": remedy}


def _python(_: Settings) -> Iterator[Check]:
    yield _check("python", "ok", f"{platform.python_version()}; compiled-ai {metadata.version('compiled-ai')}")


def _home(settings: Settings) -> Iterator[Check]:
    nearest = next((path for path in (settings.home, *settings.home.parents) if path.exists()), Path("/"))
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        yield _check("home", "wrong", f"{settings.home} cannot be written", "Set COMPILED_AI_HOME to another folder.")
    else:
        yield _check("home", "ok", f"{settings.home}{'' if settings.home.exists() else ' (made on first use)'}")


def _keys(settings: Settings) -> Iterator[Check]:
    from compiled_ai.runtime.keys import KeyRing

    ring = KeyRing.from_environment(home=settings.home)
    if ring.can_encrypt:
        yield _check("keys", "ok", f"current {ring.names[0]!r}; {len(ring.names)} known")
    else:
        remedy = 'Make one once and keep it: export COMPILED_AI_KEY="$(compiled-ai keys new)"'
        yield _check("keys", "note", "no master key: workflows under a pack that encrypts will refuse to run", remedy)


def _sandbox(_: Settings) -> Iterator[Check]:
    from compiled_ai.sandbox import sandbox_level, why_no_bubblewrap

    level = sandbox_level()
    if level == "bubblewrap":
        yield _check("sandbox", "ok", "bubblewrap with system-call filter and limits")
    else:
        yield _check(
            "sandbox", "note", f"{level}: {why_no_bubblewrap()}", "Install bubblewrap (Debian package bubblewrap)."
        )


def _tools(_: Settings) -> Iterator[Check]:
    for name in _TOOLS:
        try:
            yield _check(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield _check(
                name, "wrong", "not installed: its stage cannot judge, so nothing compiles", f"Install {name}."
            )


def _connections(_: Settings) -> Iterator[Check]:
    """The connections of call steps that have an address here, by name alone, and the packages that bring modules."""
    from compiled_ai.catalog.installed import providers
    from compiled_ai.runtime.calls.connections import ADDRESS_VARIABLE, find_connection

    found = sorted(name.removeprefix(ADDRESS_VARIABLE) for name in os.environ if name.startswith(ADDRESS_VARIABLE))
    for name in found:
        find_connection(name)
    yield _check("connections", "ok", ", ".join(found).lower() or "none")
    if brought := [f"{each.package} {each.version}" for each in providers()]:
        yield _check("modules", "ok", f"from {', '.join(brought)}")


def _artifacts(settings: Settings) -> Iterator[Check]:
    from compiled_ai.artifact import all_artifacts, altered_files

    folders = [folder for _, _, folder in all_artifacts(settings.artifacts)]
    altered = [folder.name[:12] for folder in folders if altered_files(folder)]
    if altered:
        yield _check("artifacts", "wrong", f"altered: {', '.join(altered)}", "Restore them, or compile again.")
    else:
        yield _check("artifacts", "ok", f"{len(folders)} whole")


def _store(settings: Settings) -> Iterator[Check]:
    from compiled_ai.runtime.store import RunStore

    url = settings.store_url
    if _no_store_yet(settings):
        yield _check("store", "ok", f"{_shown(url)} (made on first use); durability {settings.durability}")
        return
    with RunStore.open(url, home=settings.home, durability=settings.durability) as store:
        yield _check("store", "ok", f"{_shown(url)}; durability {settings.durability}; migrations applied")
        unclosed = [chain for chain in store.chains(unclosed_only=True) if not chain.own]
        yield _check(
            "chains",
            "note" if unclosed else "ok",
            f"{len(unclosed)} without a close",
            "A process died or still runs; `compiled-ai runs verify` examines them." if unclosed else "",
        )
        waiting: Any = store.reviews()
        yield _check(
            "reviews",
            "note" if waiting else "ok",
            f"{len(waiting)} wait for a person",
            "`compiled-ai review list` shows them." if waiting else "",
        )
        cut: Any = store.incomplete()
        yield _check("incomplete runs", "note" if cut else "ok", f"{len(cut)} with an effect in doubt or cut off")


def _no_store_yet(settings: Settings) -> bool:
    url = settings.store_url
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


def _temporal(settings: Settings) -> Iterator[Check]:
    """Whether workflows carry the open runs; looked at where the environment names a server."""
    if not os.environ.get("TEMPORAL_ADDRESS") or _no_store_yet(settings):
        return
    import asyncio

    from compiled_ai.cli.govern import open_store
    from compiled_ai.runtime.keys import KeyRing
    from compiled_ai.runtime.temporal import require_temporal

    require_temporal()
    from compiled_ai.runtime.temporal.connecting import Connection, connect
    from compiled_ai.runtime.temporal.forsaken import forsaken

    async def look() -> list[str]:
        client = await connect(Connection(), KeyRing.from_environment(home=settings.home))
        with open_store(settings, writes=False) as store:
            return await forsaken(client, store)

    left = asyncio.run(look())
    told = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
    if left:
        remedy = "Their workflows were terminated or lost: `compiled-ai resume RUN` gives a run a new one."
        yield _check("temporal", "wrong", f"{len(left)} open run(s) that no workflow carries: {told}", remedy)
    else:
        yield _check("temporal", "ok", "every open run is carried by its workflow")


def _shown(url: str) -> str:
    """Returns a store's address without a password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if "@" in rest else url
