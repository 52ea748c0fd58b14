"""Where things are and how they are set: one frozen object, read once from the environment.

| variable | means | default |
|---|---|---|
| `COMPILED_AI_HOME` | artifacts, run store, caches | nearest `.compiled-ai/` upwards, else one here |
| `COMPILED_AI_STORE` | run store: a path, `sqlite:///PATH` or `postgresql://...` | `HOME/runs.db` |
| `COMPILED_AI_DURABILITY` | `process` (safe against a process crash) or `power` (against power loss) | `process` |
| `COMPILED_AI_KEY`, `COMPILED_AI_KEYS_FILE` | master keys, `name:base64` | none |
| `COMPILED_AI_CONNECTION_<NAME>`, `COMPILED_AI_SECRET_<NAME>` | address and secret of a call step's connection | none |
| `COMPILED_AI_ACTOR` | who works here, for the audit trail | the login name |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from compiled_ai.errors import ConfigError

Durability = Literal["process", "power"]
HOME_FOLDER = ".compiled-ai"


@dataclass(frozen=True)
class Settings:
    home: Path
    store_url: str
    durability: Durability = "process"
    actor: str = "unknown"

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    @property
    def cache(self) -> Path:
        return self.home / "cache"


def load_settings(environment: Mapping[str, str] | None = None, *, working_directory: Path | None = None) -> Settings:
    """Reads the settings; raises `ConfigError` for a value that is not allowed. Creates nothing."""
    env = os.environ if environment is None else environment
    home = _home(env, (working_directory or Path.cwd()).resolve())
    durability = env.get("COMPILED_AI_DURABILITY", "process")
    if durability not in ("process", "power"):
        raise ConfigError(
            f"COMPILED_AI_DURABILITY is {durability!r}.", remedy="Set it to 'process' or 'power', or unset it."
        )
    return Settings(
        home=home,
        store_url=env.get("COMPILED_AI_STORE") or f"sqlite:///{home / 'runs.db'}",
        durability=cast(Durability, durability),
        actor=env.get("COMPILED_AI_ACTOR") or env.get("USER") or env.get("LOGNAME") or "unknown",
    )


def make_home(settings: Settings) -> Path:
    """Makes the home if it is not there; raises `ConfigError` naming it if it cannot be made or written."""
    home, remedy = settings.home, "Set COMPILED_AI_HOME to a folder that can be written."
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise ConfigError(f"The home {str(home)!r} cannot be made: {fault.strerror}.", remedy=remedy) from fault
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigError(f"The home {str(home)!r} cannot be written.", remedy=remedy)
    return home


def _home(env: Mapping[str, str], start: Path) -> Path:
    named = env.get("COMPILED_AI_HOME")
    if named:
        home = Path(named).expanduser()
        if home.exists() and not home.is_dir():
            raise ConfigError(f"COMPILED_AI_HOME is {named!r}, which is not a folder.", remedy="Name a folder.")
        return home.resolve()
    for folder in (start, *start.parents):
        if (folder / HOME_FOLDER).is_dir():
            return folder / HOME_FOLDER
    return start / HOME_FOLDER
