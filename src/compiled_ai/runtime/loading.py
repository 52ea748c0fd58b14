"""From an artifact on disk to a program in this process: verified once, executed once, kept by digest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from compiled_ai.runtime.stepper import Program, load_program

ProgramSource = Callable[[str], Program]
"""Gives the program of a digest (or another name of an artifact); raises `NotFound` or `ArtifactRefused`."""

_KEPT = 64


class ArtifactLike(Protocol):
    """What of a verified artifact the runtime needs (`artifact.SealedArtifact`)."""

    @property
    def digest(self) -> str: ...
    @property
    def identity(self) -> Path: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...


class _Programs:
    """The programs of this process, least recently used first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Program] = OrderedDict()
        self._lock = Lock()

    def get(self, artifact: ArtifactLike) -> Program:
        with self._lock:
            program = self._kept.get(artifact.digest)
            if program is None:
                program = self._kept[artifact.digest] = _load(artifact)
            self._kept.move_to_end(artifact.digest)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return program


def _load(artifact: ArtifactLike) -> Program:
    from compiled_ai.artifact import environment

    program = load_program(artifact.identity, digest=artifact.digest)
    program.environment = environment(artifact.manifest.get("environment", {}))
    return program


_programs = _Programs()


def as_program(artifact: Program | ArtifactLike) -> Program:
    """Returns the program of an artifact that was verified when it was loaded."""
    return artifact if isinstance(artifact, Program) else _programs.get(artifact)


def programs_of(artifacts: Path) -> ProgramSource:
    """Returns a source of programs from a home's folder of artifacts; each is verified when first asked for."""

    def find(name: str) -> Program:
        from compiled_ai.artifact import find_artifact, load_artifact

        return as_program(load_artifact(find_artifact(artifacts, name), artifacts))

    return find
