"""Packages that bring effect modules or templates, by the entry point group `compiled_ai.catalog`.

An entry point's value names a Python package that is laid out as this catalogue is: `effects/*.yaml` and
`templates/NAME/`, beside its code. Nothing of it is imported to read its descriptions; its code is imported when a
step calls it, and only if its files are still those that the artifact was compiled with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from compiled_ai.canonical import digest, digest_json
from compiled_ai.errors import ConfigError

GROUP = "compiled_ai.catalog"


@dataclass(frozen=True, slots=True)
class Provider:
    package: str
    """Name of the distribution."""
    version: str
    module: str
    """Name of the Python package."""
    folder: Path
    digest: str
    """Over all its `.py` and `.yaml` files, by name and content."""


@lru_cache(maxsize=1)
def providers() -> tuple[Provider, ...]:
    """Returns the installed providers in the order of their names.

    Raises:
        ConfigError: an entry point names no package with files, or two distributions name the same one.
    """
    found: dict[str, Provider] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda each: each.name):
        provider = _provider(point)
        if found.setdefault(provider.module, provider).package != provider.package:
            raise ConfigError(
                f"Packages {found[provider.module].package!r} and {provider.package!r} both bring {provider.module!r}.",
                remedy="Remove one of them.",
            )
    return tuple(found.values())


def _provider(point: metadata.EntryPoint) -> Provider:
    package = point.dist.name if point.dist else point.name
    name = point.value.partition(":")[0].strip()
    if "." in name:
        raise ConfigError(
            f"Entry point {point.name!r} of package {package!r} is {point.value!r}, no package of the top level.",
            remedy=f"Name one, laid out as {GROUP} is.",
        )
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if len(places) != 1 or not Path(places[0]).is_dir():
        raise ConfigError(
            f"Entry point {point.name!r} of package {package!r} names {name!r}, which is no package with files.",
            remedy=f"Correct or remove the package {package!r}.",
        )
    folder = Path(places[0])
    version = point.dist.version if point.dist else "0"
    return Provider(package, version, name, folder, _digest_of(folder))


def _digest_of(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".yaml") and path.is_file())
    return digest_json({path.relative_to(folder).as_posix(): digest(path.read_bytes()) for path in files})
