"""What the model is told and lent, as files: templates, modules, compliance packs, prompts.

`load_catalog()` reads them all into frozen records and one digest, which a plan and an artifact name. Packages that
are installed may add effect modules and templates (`catalog.installed`); they are read and pinned in the same way.
A file that is wrong in any way is a `ConfigError` that says where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator

from compiled_ai.canonical import digest, digest_json
from compiled_ai.catalog.installed import Provider, providers
from compiled_ai.errors import ConfigError, suggest
from compiled_ai.records import Record

Sink = Literal[
    "inputs",
    "effects",
    "outputs",
    "reviews",
    "dead_letters",
    "caches",
    "checkpoints",
    "golden_cases",
    "prompts",
    "error_texts",
    "temporal",
    "logs",
]
SINKS: tuple[Sink, ...] = Sink.__args__  # type: ignore[attr-defined]
Protection = Literal["clear", "encrypted", "masked", "forbidden"]
PROTECTIONS: tuple[Protection, ...] = ("clear", "encrypted", "masked", "forbidden")
"""From the weakest to the strictest: packs together take the strictest of each sink."""

SLOTS = ("models", "steps", "flow")
R = TypeVar("R", bound=Record)


class Template(Record):
    """A Python file with slots, and when it is chosen."""

    name: str
    title: str
    description: str
    chosen_when: str
    words: tuple[str, ...] = ()
    """Words of a specification's description that choose it."""
    source: str
    digest: str


class Lending(Record):
    """When a pure module is lent: any one of these holds. Nothing stated: always."""

    inputs: tuple[str, ...] = ()
    """Kinds of a parameter (`text`, `box`)."""
    results: tuple[str, ...] = ()
    """Kinds of a result field (`date`, `money`)."""
    words: tuple[str, ...] = ()
    """Words in the step's prose or field names."""


class PureModule(Record):
    """A module of `compiled_ai.library` that generated code may import."""

    name: str
    """By which a specification's `modules` names it."""
    import_path: str
    prompt: str
    """What the model is told: two or three lines."""
    lend: Lending = Lending()
    reason: str
    """Why it was lent, for the plan: ends the sentence `lent because ...`."""


class Setting(Record):
    type: Literal["string", "integer", "boolean", "object", "list"]
    required: bool
    description: str
    allowed: tuple[str, ...] = ()


class EffectModule(Record):
    """A module that `call` steps may name, the keys that it takes, and what its connections must declare."""

    name: str
    description: str
    client: str
    """Import path of the module with the client (`runtime.calls` says what is expected there)."""
    settings: Mapping[str, Setting]
    allow: Mapping[str, Setting] = Field(default_factory=dict)
    """The allow-list of a connection: the keys under `connections.NAME.allow`."""
    provider: str | None = None
    """The installed package that brings the module; none for a module that ships."""
    provider_digest: str | None = None
    """Over all files of the provider."""

    @property
    def connects(self) -> bool:
        return "connection" in self.settings

    def check_settings(self, settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Returns what is wrong with a call step's settings: each key, and one sentence (empty: nothing)."""
        return tuple(_faults_of(settings, self.settings, f"Module {self.name!r}", "setting"))

    def check_allow(self, allow: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Returns what is wrong with a connection's allow-list: each key, and one sentence (empty: nothing)."""
        return tuple(_faults_of(allow, self.allow, f"A connection of module {self.name!r}", "permission"))


_PYTHON: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool, "object": dict, "list": list}


def _faults_of(
    given: Mapping[str, Any], known: Mapping[str, Setting], who: str, what: str
) -> Iterator[tuple[str, str]]:
    for key in given:
        if key not in known:
            yield key, f"{who} has no {what} {key!r}.{suggest(key, known)}"
    for key, setting in known.items():
        if key not in given and setting.required:
            yield key, f"{who} needs the {what} {key!r}: {setting.description}"
        elif key in given:
            yield from ((key, each) for each in _setting_faults(what.capitalize(), key, setting, given[key]))


def _setting_faults(what: str, key: str, setting: Setting, value: Any) -> list[str]:
    expected = _PYTHON[setting.type]
    no_count = isinstance(value, int) and expected is int and (isinstance(value, bool) or value < 1)
    if not isinstance(value, expected) or no_count:
        kind = "integer from 1" if expected is int else setting.type
        return [f"{what} {key!r} is {value!r}; a value of type {kind} is needed."]
    if isinstance(value, list) and not all(isinstance(part, str) for part in value):
        return [f"{what} {key!r} is {value!r}; a list of texts is needed."]
    if setting.allowed and value not in setting.allowed:
        return [f"{what} {key!r} is {value!r}.{suggest(str(value), setting.allowed)}"]
    return []


class Control(Record):
    """One demand of a pack, where it comes from, and what enforces it here."""

    id: str
    title: str
    source: str
    enforced_by: str
    status: Literal["enforced", "not_yet"]


class Pack(Record):
    """A compliance pack: what the model is told, and what is enforced whatever the model does."""

    name: str
    title: str
    prompt: str
    requires_data_basis: bool
    """Golden cases are shown to a model only if the specification states `metadata.data_basis`."""
    missing_result: Literal["review", "fail"]
    """What a step without a valid result leads to, unless the specification says otherwise."""
    sinks: Mapping[Sink, Protection]
    controls: tuple[Control, ...]

    @field_validator("sinks")
    @classmethod
    def _complete(cls, sinks: Mapping[Sink, Protection]) -> Mapping[Sink, Protection]:
        if missing := [sink for sink in SINKS if sink not in sinks]:
            raise ValueError(f"every sink needs a word; missing: {', '.join(missing)}")
        return sinks


class Prompt(Record):
    """One version of the prompt files."""

    version: str
    texts: Mapping[str, str]
    """File name without ending to text."""
    digest: str


class Catalog(Record):
    templates: Mapping[str, Template]
    modules: Mapping[str, PureModule]
    standard: tuple[str, ...]
    """Modules of the standard library that generated code may import."""
    effects: Mapping[str, EffectModule]
    packs: Mapping[str, Pack]
    prompts: Mapping[str, Prompt]
    digest: str = Field(min_length=64, max_length=64)
    """Over all files: names and contents."""

    @property
    def prompt_version(self) -> str:
        """The newest version of the prompt files."""
        return max(self.prompts, key=lambda version: int(version[1:]))


def strictest(packs: tuple[Pack, ...]) -> dict[Sink, Protection]:
    """Returns the protection of every sink under several packs together; `clear` where none says more."""
    return {sink: max([pack.sinks[sink] for pack in packs], key=PROTECTIONS.index, default="clear") for sink in SINKS}


_HOME = Path(__file__).parent


@lru_cache(maxsize=4)
def load_catalog(folder: Path = _HOME) -> Catalog:
    """Reads the catalogue that ships, or another folder of the same shape.

    Raises:
        ConfigError: a file is missing, unreadable, or says what it may not.
    """
    read = _Reading(folder)
    brought = [_brought(read, provider) for provider in (providers() if folder == _HOME else ())]
    own = [_template(read, path) for path in read.files("templates/*/description.yaml")]
    effects = [read.record(path, EffectModule) for path in read.files("effects/*.yaml")]
    catalog = Catalog(
        templates=_named([*own, *(each for templates, _ in brought for each in templates)]),
        modules=_named(read.record(path, PureModule) for path in _module_files(read)),
        standard=_standard(read),
        effects=_named([*effects, *(each for _, modules in brought for each in modules)]),
        packs=_named(read.record(path, Pack) for path in read.files("compliance/*.yaml")),
        prompts={path.name: _prompt(read, path) for path in read.files("prompts/v*")},
        digest="0" * 64,
    )
    return catalog.model_copy(update={"digest": digest_json(read.digests)})


def _brought(read: _Reading, provider: Provider) -> tuple[list[Template], list[EffectModule]]:
    """Reads the templates and modules of an installed package; its files count in the catalogue's digest."""
    theirs = _Reading(provider.folder, remedy=f"Correct or remove the package {provider.package!r}.")
    pinned = {"provider": provider.package, "provider_digest": provider.digest}
    templates = [_template(theirs, path) for path in sorted(provider.folder.glob("templates/*/description.yaml"))]
    effects = [theirs.record(path, EffectModule, **pinned) for path in sorted(provider.folder.glob("effects/*.yaml"))]
    for module in effects:
        if not module.client.startswith(f"{provider.module}."):
            raise ConfigError(
                f"Module {module.name!r} of package {provider.package!r} names the client {module.client!r}, "
                "which is outside of that package.",
                remedy=f"Name a module below {provider.module!r}.",
            )
    read.digests[f"installed/{provider.package}"] = provider.digest
    return templates, effects


class _Reading:
    """Reads the files of one catalogue and keeps the digest of each."""

    def __init__(self, folder: Path, *, remedy: str = "Install it again.") -> None:
        self.folder = folder
        self.remedy = remedy
        self.digests: dict[str, str] = {}

    def files(self, pattern: str) -> list[Path]:
        found = sorted(path for path in self.folder.glob(pattern) if not path.name.startswith((".", "_")))
        if not found:
            raise ConfigError(f"The catalogue {str(self.folder)!r} has no {pattern!r}.", remedy="Install it again.")
        return found

    def text(self, path: Path) -> str:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"Cannot read {str(path)!r}: {fault}.", remedy=self.remedy) from fault
        self.digests[path.relative_to(self.folder).as_posix()] = digest(text)
        return text

    def mapping(self, path: Path) -> dict[str, Any]:
        import yaml

        try:
            content = yaml.safe_load(self.text(path))
        except yaml.YAMLError as fault:
            raise ConfigError(f"{str(path)!r} is not YAML: {fault}.", remedy="Correct the file.") from fault
        if not isinstance(content, dict):
            raise ConfigError(f"{str(path)!r} holds no mapping.", remedy="Correct the file.")
        return content

    def record(self, path: Path, kind: type[R], **more: Any) -> R:
        try:
            return kind.model_validate({**self.mapping(path), **more})
        except ValidationError as fault:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in fault.errors())
            raise ConfigError(f"{str(path)!r}: {faults}.", remedy="Correct the file.") from fault


def _named(records: Any) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for record in records:
        if record.name in named:
            raise ConfigError(f"The catalogue names {record.name!r} twice.", remedy="Rename one of them.")
        named[record.name] = record
    return named


def _template(read: _Reading, path: Path) -> Template:
    source = read.text(path.with_name("template.py"))
    lines = [line.strip() for line in source.splitlines()]
    for slot in SLOTS:
        if lines.count(f"# slot: {slot}") != 1:
            raise ConfigError(
                f"{str(path.with_name('template.py'))!r} needs the line '# slot: {slot}' once.",
                remedy="Correct the file.",
            )
    return read.record(path, Template, source=source, digest=digest(source))


def _module_files(read: _Reading) -> list[Path]:
    return [path for path in read.files("modules/*.yaml") if path.name != "standard.yaml"]


def _standard(read: _Reading) -> tuple[str, ...]:
    path = read.folder / "modules" / "standard.yaml"
    names = read.mapping(path).get("standard")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{str(path)!r} needs 'standard', a list of module names.", remedy="Correct the file.")
    return tuple(names)


def _prompt(read: _Reading, folder: Path) -> Prompt:
    if not folder.name[1:].isdecimal():
        raise ConfigError(f"{str(folder)!r} is no version such as 'v1'.", remedy="Rename the folder.")
    texts = {path.stem: read.text(path).rstrip("\n") for path in sorted(folder.glob("*.md"))}
    return Prompt(version=folder.name, texts=texts, digest=digest_json(texts))
