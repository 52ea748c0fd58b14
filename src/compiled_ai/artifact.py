"""Content-addressed artifacts: write, verify, list, label, trust.

```
HOME/artifacts/<workflow>/
    labels.json                     versions, the promoted digest, the history of promotions
    <digest>/
        seal.json                   digest of identity/, digest of evidence/, mark of the home that made it
        identity/                   all that can change a decision; its digest is the artifact's name
            workflow.py  program.json  specification.yaml  manifest.json  functions/  library/  tables/
        evidence/                   report, transcript, golden cases, plan, line map, times
```

The same inputs give the same identity on another machine; evidence may differ and is no part of the name.
"""

from __future__ import annotations

import ast
import hmac
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import canonical_json, digest, digest_json, parse_json
from compiled_ai.closure import library_closure, module_path
from compiled_ai.errors import ArtifactRefused, CompiledAIError, NotFound, UsageError, suggest

if TYPE_CHECKING:
    from compiled_ai.records import Finding

_SHORTEST_PREFIX = 6
_LIBRARY = "compiled_ai.library."
_PARTS = ("identity", "evidence")
_SIGNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Names of signers: they name files in `trusted_keys/`, and a seal comes from whoever made the artifact."""


@dataclass(frozen=True)
class SealedArtifact:
    """An artifact on disk whose digest, origin and code were verified by `load_artifact`."""

    folder: Path
    digest: str
    manifest: Mapping[str, Any]
    program: Mapping[str, Any]
    trusted_because: str
    """`compiled here`, `signed by NAME`, or `trusted by WHO: REASON`."""

    @property
    def workflow(self) -> str:
        return str(self.manifest["workflow"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    @property
    def identity(self) -> Path:
        return self.folder / "identity"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """What the compilation found: stages, attempts, tokens, accuracy, `provisional` and why."""
        return read_json(self.evidence / "report.json")

    @property
    def provisional(self) -> str | None:
        """Why the artifact is provisional, or `None`."""
        return self.report.get("provisional") or None

    def source(self) -> str:
        return (self.identity / "workflow.py").read_text("utf-8")

    def environment_differences(self) -> tuple[str, ...]:
        """Names each package, library module or interpreter that is not as it was when this was compiled."""
        then: Mapping[str, str] = self.manifest["environment"]
        now = environment(self.manifest["environment"])
        return tuple(
            f"{name}: {then[name]} then, {now.get(name, 'absent')} now" for name in then if now.get(name) != then[name]
        )


@dataclass(frozen=True)
class SealedFunction:
    """The model-written functions of one step, and what the code gate held them to."""

    members: Sequence[str]
    """Paths below `identity/`, in order of combination."""
    imports: frozenset[str] = frozenset()
    """Modules that they may import."""
    provided: frozenset[str] = frozenset()
    """Names that the assembled module defines around them."""
    combine: str = "single"

    def described(self) -> dict[str, Any]:
        return {
            "members": list(self.members),
            "imports": sorted(self.imports),
            "provided": sorted(self.provided),
            "combine": self.combine,
        }


@dataclass(frozen=True)
class Labels:
    """The names under which the versions of one workflow are known."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Version to digest: the newest compilation that carried that label."""
    compiled: Sequence[str] = ()
    """Digests in the order in which they were last sealed here."""
    promoted: str | None = None
    history: Sequence[Mapping[str, Any]] = ()
    """Promotions and rollbacks: `{"digest", "at", "by", "action", "reason"}`."""


# ---------------------------------------------------------------------------------------------- environment


def environment(names: Mapping[str, Any] | Sequence[str]) -> dict[str, str]:
    """Returns what is installed now for each name: `python`, `package:NAME`, `module:NAME`, `tzdata`."""
    return {name: _installed(name) for name in names}


def _installed(name: str) -> str:
    kind, _, rest = name.partition(":")
    if kind == "python":
        return ".".join(platform.python_version_tuple()[:2])
    if kind == "module":
        path = module_path(rest)
        return digest(path.read_bytes())[:16] if path else "absent"
    try:
        return metadata.version(rest or "tzdata")
    except metadata.PackageNotFoundError:
        return "absent"


# ---------------------------------------------------------------------------------------------- writing


def seal(
    artifacts: Path,
    *,
    workflow: str,
    version: str,
    identity: Mapping[str, str],
    evidence: Mapping[str, str | bytes],
    functions: Mapping[str, SealedFunction],
) -> Path:
    """Writes an artifact and labels it; returns its folder.

    Everything is written under a temporary name and renamed once it is complete, so that a crash at any
    instant leaves either no artifact or a whole one.

    Args:
        artifacts: the home's folder of artifacts.
        workflow: slug of the workflow.
        version: label of this version.
        identity: relative path to text; must hold `workflow.py` and `program.json`.
        evidence: relative path to content.
        functions: step to its model-written functions.
    """
    files = {**identity, **_library_copies(identity["workflow.py"])}
    needed = library_closure(identity["workflow.py"])
    packages = [f"package:{name}" for name in needed.packages]
    names = ["python", *(f"module:{name}" for name in needed.library), *packages, "tzdata"]
    manifest = {
        "workflow": workflow,
        "version": version,
        "interface": parse_json(identity["program.json"])["interface"],
        "environment": environment(names),
        "functions": {step: function.described() for step, function in functions.items()},
    }
    files["manifest.json"] = canonical_json(manifest) + "\n"
    with locked(artifacts / workflow):
        return _write_sealed(artifacts, workflow, version, files, evidence)


def _library_copies(source: str) -> dict[str, str]:
    copies = {}
    for name in library_closure(source).library:
        path = module_path(name)
        if path is not None and name.startswith(_LIBRARY):
            copies[f"library/{path.relative_to(Path(__file__).parent / 'library').as_posix()}"] = path.read_text(
                "utf-8"
            )
    return copies


def _write_sealed(
    artifacts: Path, workflow: str, version: str, identity: Mapping[str, str], evidence: Mapping[str, str | bytes]
) -> Path:
    parent = artifacts / workflow
    for stale in (*parent.glob(".draft-*"), *parent.glob(".old-*")):  # of a process that died: we hold the lock
        shutil.rmtree(stale, ignore_errors=True)
    draft = parent / f".draft-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        for file, content in identity.items():
            _write(draft / "identity" / file, content)
        for file, data in evidence.items():
            _write(draft / "evidence" / file, data)
        name = folder_digest(draft / "identity")
        sealed: dict[str, Any] = {
            "identity": name,
            "evidence": folder_digest(draft / "evidence"),
            "files": {f"{part}/{file}": hash_ for part in _PARTS for file, hash_ in _listing(draft / part).items()},
            "home": "",
        }
        sealed["home"] = _home_mark(artifacts, _sealed_text(sealed), create=True)
        _write(draft / "seal.json", canonical_json(sealed) + "\n")
        target = parent / name
        _swap(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _add_label(parent, version, target.name)
    return target


def _add_label(parent: Path, version: str, identity: str) -> None:
    labels = read_labels(parent)
    compiled = [*(name for name in labels.compiled if name != identity), identity]
    _write_labels(parent, Labels({**labels.versions, version: identity}, compiled, labels.promoted, labels.history))


def _swap(draft: Path, target: Path) -> None:
    if target.exists():  # the same identity again: the newer evidence takes the place of the older
        old = target.with_name(f".old-{secrets.token_hex(4)}")
        target.rename(old)
        draft.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        draft.rename(target)


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())


def folder_digest(folder: Path) -> str:
    """Returns the digest over relative names and contents of all files below a folder."""
    return digest_json(_listing(folder))


def _listing(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): digest(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


class locked:
    """Holds the lock of one workflow's folder, so that concurrent compilations do not corrupt each other."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock", timeout=60)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


# ---------------------------------------------------------------------------------------------- trust


def _home_key(artifacts: Path, *, create: bool) -> bytes | None:
    path = artifacts.parent / "keys" / "artifacts.key"
    if path.exists():
        return path.read_bytes()
    if not create:
        return None
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(32))
    try:
        os.link(draft, path)  # the first one wins
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_bytes()


def _sealed_text(sealed: Mapping[str, Any]) -> str:
    """What a mark, a signature or a person vouches for: what decides, and what was found about it."""
    return f"{sealed.get('identity')} {sealed.get('evidence')}"


def _home_mark(artifacts: Path, text: str, *, create: bool = False) -> str:
    key = _home_key(artifacts, create=create)
    return hmac.new(key, text.encode(), sha256).hexdigest() if key else ""


def trust(artifacts: Path, sealed: str, *, by: str, reason: str) -> None:
    """Accepts an artifact that was not compiled in this home, by hand and on record."""
    path = artifacts / "trusted.json"
    with locked(artifacts):
        known = read_json(path) if path.exists() else {}
        entry = {"by": by, "reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        replace_json(path, {**known, sealed: entry})


def adopt(artifacts: Path, folder: Path, *, by: str, reason: str) -> Path:
    """Takes over an artifact from elsewhere: checks that it is whole, copies it into the home, trusts it.

    Raises `ArtifactRefused` if it was altered since it was sealed.
    """
    differing = altered_files(folder)
    if differing:
        raise ArtifactRefused(
            f"The artifact in {folder.name!r} was altered: {', '.join(differing)}.", remedy="Ask for a whole copy."
        )
    manifest = read_json(folder / "identity" / "manifest.json")
    identity = str(read_json(folder / "seal.json")["identity"])
    parent = artifacts / str(manifest["workflow"])
    target = parent / identity
    with locked(parent):
        if not target.exists():
            draft = parent / f".draft-{os.getpid()}-{secrets.token_hex(4)}"
            shutil.copytree(folder, draft)
            draft.rename(target)
        _add_label(parent, str(manifest["version"]), identity)
    trust(artifacts, _sealed_text(read_json(target / "seal.json")), by=by, reason=reason)
    return target


def sign(folder: Path, private_key: Path, *, name: str) -> None:
    """Adds an Ed25519 signature of the identity to the seal; `private_key` is a PEM file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not _SIGNER.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a signer.", remedy="Use letters, digits, '-' and '_'.")
    key = load_pem_private_key(private_key.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{private_key.name!r} is no Ed25519 private key.", remedy="Make one in PEM form.")
    sealed = read_json(folder / "seal.json")
    signatures = {**sealed.get("signatures", {}), name: key.sign(_sealed_text(sealed).encode()).hex()}
    replace_json(folder / "seal.json", {**sealed, "signatures": signatures})


def _trusted_because(artifacts: Path, sealed: Mapping[str, Any]) -> str | None:
    mark = _home_mark(artifacts, _sealed_text(sealed))
    if mark and hmac.compare_digest(mark, str(sealed.get("home", ""))):
        return "compiled here"
    for name, signature in sealed.get("signatures", {}).items():
        if not _SIGNER.fullmatch(name):
            continue
        public_key = artifacts.parent / "trusted_keys" / f"{name}.pem"
        if _signature_holds(public_key, _sealed_text(sealed), signature):
            return f"signed by {name}"
    path = artifacts / "trusted.json"
    entry = (read_json(path) if path.exists() else {}).get(_sealed_text(sealed))
    return f"trusted by {entry['by']}: {entry['reason']}" if entry else None


def _signature_holds(public_key: Path, identity: str, signature: str) -> bool:
    if not public_key.is_file():
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public_key.read_bytes())
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(bytes.fromhex(signature), identity.encode())
            return True
    except (InvalidSignature, ValueError):
        pass
    return False


# ---------------------------------------------------------------------------------------------- reading

Gate = Callable[[str, Mapping[str, Any]], "Sequence[Finding]"]
"""Judges a function's text; the mapping has `imports` (allowed) and `provided` (names around the function)."""


def load_artifact(folder: Path, artifacts: Path, *, gate: Gate | None = None) -> SealedArtifact:
    """Verifies and loads one artifact.

    Args:
        folder: the artifact's folder.
        artifacts: the home's folder of artifacts, which says whom to trust.
        gate: the code gate, re-run on each model-written function; by default `gates.code`.

    Raises:
        ArtifactRefused: altered (says which file), untrusted, or of another interface.
    """
    sealed = _read_seal(folder)
    differing = altered_files(folder)
    if differing:
        raise ArtifactRefused(
            f"Artifact {sealed.get('identity', folder.name)[:12]!r} was altered: {', '.join(differing)}.",
            remedy="Restore it from a backup, or compile the specification again.",
            details={"altered": list(differing)},
        )
    reason = _trusted_because(artifacts, sealed)
    if reason is None:
        raise ArtifactRefused(
            f"Artifact {sealed['identity'][:12]!r} was not compiled in this home and nobody here vouches for it.",
            remedy=f"Read it, then: compiled-ai trust {folder} --by WHO --reason WHY.",
        )
    loaded = SealedArtifact(
        folder=folder,
        digest=sealed["identity"],
        manifest=read_json(folder / "identity" / "manifest.json"),
        program=read_json(folder / "identity" / "program.json"),
        trusted_because=reason,
    )
    _check_interface(loaded)
    _check_functions(loaded, gate or _code_gate)
    return loaded


def _read_seal(folder: Path) -> dict[str, Any]:
    """Reads a seal and checks its shape: it may come from anybody."""
    sealed = read_json(folder / "seal.json")
    texts = [sealed.get(name) for name in ("identity", "evidence", "home")]
    if not all(isinstance(text, str) and text.isascii() for text in texts) or not all(
        isinstance(sealed.get(name, {}), dict) for name in ("files", "signatures")
    ):
        raise ArtifactRefused(f"The seal of {folder.name[:12]!r} is not as it was written.")
    return sealed


def altered_files(folder: Path) -> tuple[str, ...]:
    """Names what is not as it was sealed: files changed, missing or added (empty: the artifact is whole)."""
    sealed = _read_seal(folder)
    then: Mapping[str, str] = sealed.get("files", {})
    now = {f"{part}/{name}": hash_ for part in _PARTS for name, hash_ in _listing(folder / part).items()}
    named = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    whole = all(folder_digest(folder / part) == sealed.get(part) for part in _PARTS)
    return tuple(named) or (() if whole else ("seal.json",))


def _check_interface(loaded: SealedArtifact) -> None:
    known = 1
    if loaded.manifest.get("interface") != known:
        raise ArtifactRefused(
            f"Artifact {loaded.digest[:12]!r} speaks interface {loaded.manifest.get('interface')!r}; this is {known}.",
            remedy="Compile the specification again with this version.",
        )


def _check_functions(loaded: SealedArtifact, gate: Gate) -> None:
    source = loaded.source()
    for step, entry in loaded.manifest["functions"].items():
        for member in entry["members"]:
            text = (loaded.identity / member).read_text("utf-8")
            if _function_text(text) not in source:
                raise ArtifactRefused(f"workflow.py does not hold the function of step {step!r}.")
            findings = [found for found in gate(text, entry) if found.severity == "error"]
            if findings:
                raise ArtifactRefused(
                    f"The code gate refuses the function of step {step!r}: {findings[0].message}",
                    remedy="Compile the specification again.",
                    details=[finding.model_dump(mode="json") for finding in findings],
                )


def _function_text(text: str) -> str:
    node = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    return "\n".join(line.rstrip() for line in lines)


def _code_gate(text: str, entry: Mapping[str, Any]) -> Sequence[Finding]:
    from compiled_ai.gates.code import check_code

    allowed = frozenset(entry["imports"])
    return check_code(text, allowed_imports=allowed, mode="function", provided=frozenset(entry["provided"]))


def find_artifact(artifacts: Path, name: str) -> Path:
    """Returns the folder that a name stands for.

    `name` is a folder, `workflow` (its promoted version, or the newest where none is promoted),
    `workflow@version`, or a digest prefix of at least six digits. Raises `NotFound`.
    """
    as_path = Path(name)
    if (as_path / "seal.json").is_file():
        return as_path.resolve()
    workflow, _, version = name.partition("@")
    parent = artifacts / workflow
    if workflow and "/" not in workflow and parent.is_dir():
        return parent / _labelled(parent, workflow, version)
    return _by_prefix(artifacts, name)


def _labelled(parent: Path, workflow: str, version: str) -> str:
    labels = read_labels(parent)
    if version:
        if version not in labels.versions:
            raise NotFound(f"{workflow!r} has no version {version!r}.{suggest(version, labels.versions)}")
        newest, promoted = labels.versions[version], labels.promoted
        if promoted and promoted != newest and _version_of(parent / promoted) == version:
            raise NotFound(
                f"{workflow}@{version} is two artifacts: {promoted[:12]} (promoted) and {newest[:12]} (newer).",
                remedy="Name the digest, and give each change of the specification a version of its own.",
            )
        if _version_of(parent / newest) != version:
            raise ArtifactRefused(
                f"The label {workflow}@{version} points at {newest[:12]}, which is another version.",
                remedy="labels.json was altered; name the digest instead.",
            )
        return newest
    chosen = labels.promoted or (labels.compiled[-1] if labels.compiled else None)
    if chosen is None:
        raise NotFound(f"{workflow!r} has no compiled artifact.", remedy="Compile its specification first.")
    return chosen


def _version_of(folder: Path) -> str:
    return str(read_json(folder / "identity" / "manifest.json")["version"])


def _by_prefix(artifacts: Path, prefix: str) -> Path:
    found = []
    if len(prefix) >= _SHORTEST_PREFIX:
        found = [seal.parent for seal in artifacts.glob("*/*/seal.json") if seal.parent.name.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"The digest prefix {prefix!r} is ambiguous: {len(found)} artifacts begin with it.")
    raise NotFound(
        f"No artifact {prefix!r} in {str(artifacts.parent)!r} (COMPILED_AI_HOME, or the nearest .compiled-ai upwards)."
        f"{suggest(prefix, known_workflows(artifacts))}",
        remedy="`compiled-ai list` shows what there is.",
    )


def all_artifacts(artifacts: Path) -> Iterator[tuple[str, Labels, Path]]:
    """Yields (workflow, labels, folder) of every sealed artifact, oldest first in each workflow."""
    for parent in sorted(artifacts.glob("*")) if artifacts.is_dir() else ():
        if not parent.is_dir():
            continue
        labels = read_labels(parent)
        for name in labels.compiled:
            if (parent / name / "seal.json").is_file():
                yield parent.name, labels, parent / name


# ---------------------------------------------------------------------------------------------- labels


def read_labels(parent: Path) -> Labels:
    path = parent / "labels.json"
    return _labels_of(read_json(path)) if path.exists() else Labels()


def _labels_of(kept: Mapping[str, Any]) -> Labels:
    shape: dict[str, type | tuple[type, ...]] = {
        "versions": dict,
        "compiled": list,
        "promoted": (str, NoneType),
        "history": list,
    }
    right = set(kept) == set(shape) and all(isinstance(kept[name], kind) for name, kind in shape.items())
    if not right or not all(isinstance(text, str) for text in (*kept["versions"].values(), *kept["compiled"])):
        raise ArtifactRefused("labels.json is not as it was written.", remedy="Restore it from a backup.")
    return Labels(**kept)


def _write_labels(parent: Path, labels: Labels) -> None:
    replace_json(parent / "labels.json", vars(labels))


def promote(artifacts: Path, loaded: SealedArtifact, *, by: str, accept_provisional: str | None = None) -> Labels:
    """Makes an artifact the one that its workflow's name stands for.

    Raises `UsageError` for a provisional artifact without `accept_provisional`, the stated reason.
    """
    if loaded.provisional and not accept_provisional:
        raise UsageError(
            f"{loaded.workflow}@{loaded.version} is provisional: {loaded.provisional}",
            remedy="Promote it with --accept-provisional REASON, or add golden cases and compile again.",
        )
    return _move(artifacts / loaded.workflow, loaded.digest, by=by, action="promote", reason=accept_provisional or "")


def rollback(artifacts: Path, workflow: str, *, by: str) -> Labels:
    """Returns to the version that was promoted before the present one."""
    parent = artifacts / workflow
    if not (parent / "labels.json").exists():
        raise NotFound(f"There is no workflow {workflow!r}.{suggest(workflow, known_workflows(artifacts))}")
    standing = _standing(read_labels(parent))
    if len(standing) < 2:
        raise UsageError(f"{workflow!r} has no earlier promotion to return to.", remedy="Promote a version instead.")
    return _move(parent, standing[-2], by=by, action="rollback", reason="")


def _standing(labels: Labels) -> list[str]:
    """Returns the digests that were promoted and not withdrawn since, the present one last."""
    standing: list[str] = []
    for entry in labels.history:
        if entry["action"] == "rollback":
            standing.pop()
        elif standing[-1:] != [entry["digest"]]:
            standing.append(entry["digest"])
    return standing


def known_workflows(artifacts: Path) -> list[str]:
    """Returns the names of the workflows that have an artifact here."""
    return sorted(path.parent.name for path in artifacts.glob("*/labels.json"))


def _move(parent: Path, chosen: str, *, by: str, action: str, reason: str) -> Labels:
    with locked(parent):
        labels = read_labels(parent)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"digest": chosen, "at": at, "by": by, "action": action, "reason": reason}
        moved = Labels(labels.versions, labels.compiled, chosen, [*labels.history, entry])
        _write_labels(parent, moved)
        return moved


def replace_json(path: Path, value: Any) -> None:
    """Writes canonical JSON under a temporary name and renames it."""
    text = canonical_json(value) + "\n"
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    _write(draft, text)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object; raises `ArtifactRefused` for anything else."""
    try:
        value = parse_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, CompiledAIError, json.JSONDecodeError) as fault:
        raise ArtifactRefused(f"{path.parent.name}/{path.name} cannot be read: {fault}.") from fault
    if not isinstance(value, dict):
        raise ArtifactRefused(f"{path.name} holds no object.")
    return value
