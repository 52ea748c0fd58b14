"""A file under way: it is called NAME.part until it is whole, and can be cut back to a place that was synced."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from time import monotonic, sleep

from compiled_ai.errors import UsageError
from compiled_ai.runtime.batch.sources import Mark

_BLOCK = 1 << 20
_PATIENCE_SECONDS = 15.0
"""Workers of a batch that was killed end what they have in hand; so long is waited for them."""


class Journal:
    """Written at its end only.

    `keep` locks the file for as long as it is open. Without it, its lock is only waited for: workers `hold` it, so
    that the next batch begins when the last worker of a batch that was killed has ended.
    """

    def __init__(self, target: Path, *, keep: bool, private: bool = False) -> None:
        self.target = target
        self.part = part_of(target)
        self._digest = hashlib.sha256()
        self.bytes = 0
        mode = 0o600 if private else 0o666
        self._file = os.fdopen(os.open(self.part, os.O_RDWR | os.O_CREAT, mode), "r+b", buffering=_BLOCK)
        try:
            lock(self._file.fileno(), self.part, keep=keep)
            if not self._has_its_name():  # whoever had the lock has given it its name, or has removed it
                raise just_finished(target)
        except BaseException:
            self._file.close()
            raise

    def _has_its_name(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.part.stat())
        except FileNotFoundError:
            return False

    def cut(self, place: Mark) -> None:
        """Goes on after a place; raises `UsageError` if what lies before it is not what was synced there."""
        while self.bytes < place.bytes and (block := self._file.read(min(_BLOCK, place.bytes - self.bytes))):
            self._digest.update(block)
            self.bytes += len(block)
        if (self.bytes, self._digest.hexdigest()) != (place.bytes, place.sha256):
            self.discard_empty()
            raise UsageError(
                f"{str(self.part)!r} was damaged or altered: its first {place.bytes} bytes are not those that the "
                "checkpoint names.",
                remedy="Restore it; or delete it and the .checkpoint file beside it, to begin anew.",
            )
        self._file.seek(place.bytes)
        self._file.truncate()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    def place(self) -> Mark:
        """Its end now."""
        return Mark(0, self.bytes, self._digest.hexdigest())

    def sync(self) -> None:
        """Brings all of it to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        self.close()
        self.part.unlink(missing_ok=True)

    def discard_empty(self) -> None:
        """For whoever is refused: a file that holds nothing is not left behind."""
        if os.fstat(self._file.fileno()).st_size == 0:
            self.discard()


def just_finished(target: Path) -> UsageError:
    """What is said to whoever waited for the lock of a batch that then ended."""
    return UsageError(
        f"The batch to {str(target)!r} has just been finished by another process.",
        remedy="Look at its output; give the command again if there is more to do.",
    )


def part_of(target: Path) -> Path:
    """The name that a file has until it is whole."""
    return target.with_name(f"{target.name}.part")


def letters_of(target: Path) -> Path:
    """Where the dead letters of an output lie."""
    return target.with_name(f"{target.stem}.dead.jsonl")


def publish(target: Path, *, wanted: bool) -> None:
    """Gives a whole file its name, or removes it (and what has the name) if it is not wanted; may be done twice."""
    part = part_of(target)
    if wanted:
        with contextlib.suppress(FileNotFoundError):
            part.replace(target)
    else:
        part.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
    sync_folder(target.parent)


def same_file(one: Path, other: Path) -> bool:
    """True if two names are of one file, whether it is there or not."""
    try:
        return one.samefile(other)
    except OSError:
        return one.resolve() == other.resolve()


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(descriptor: int, path: Path, *, keep: bool) -> None:
    """Takes a file for this process (or sees that nobody has it); `UsageError` if another batch keeps it."""
    try:
        import fcntl
    except ImportError:
        return  # not every system can lock so
    end = monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not keep:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            return
        except BlockingIOError:
            if monotonic() > end:
                raise UsageError(
                    f"{str(path)!r} is being written by another batch.", remedy="Wait for it, or end its process."
                ) from None
            sleep(0.05)


def wait_until_free(path: Path) -> None:
    """Returns when no batch keeps a file, or when there is none; `UsageError` if one keeps it for long."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        lock(file.fileno(), path, keep=False)


def hold(path: Path) -> int | None:
    """Keeps a file locked as long as this process lives: for a worker, whose batch may be killed."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return descriptor
    except (ImportError, OSError):
        return None
