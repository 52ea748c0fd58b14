"""Module `files`: one file below a declared root, read or written, as text, JSON or (to read) as a document.

The path is walked one folder at a time, each opened relative to the one before and never through a symbolic link, so
that nothing can be put in the way between a check and its use. A file is written under a temporary name in its folder
and renamed.
"""

from __future__ import annotations

import fnmatch
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.capabilities import Declared
from compiled_ai.capabilities import repeats as repeats
from compiled_ai.capabilities.wording import filled, plain
from compiled_ai.errors import CallFailed, ConfigError, InputError
from compiled_ai.runtime.calls.connections import Connection

if TYPE_CHECKING:
    from compiled_ai.runtime.calls import Call

MAX_BYTES = 10_000_000
_NO_DOCUMENT = "The document cannot be read: it is damaged, encrypted, too large, or of no known format."
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC if hasattr(os, "O_DIRECTORY") else 0


def prepare(call: Call) -> None:
    """Refuses a path that an argument leads out of what is allowed."""
    _path(call)


def reach(declared: Declared, connection: Connection) -> None:
    """Raises `ConfigError` if the root folder cannot be opened."""
    with _opened_root(connection):
        pass


def perform(call: Call, connection: Connection) -> Any:
    """Returns `{"text": ...}`, the JSON of the file, or `{"bytes": n}` after writing; `None` if there is no file."""
    parts = _path(call)
    most = int(call.declared.says("max_bytes", MAX_BYTES))
    with _opened_root(connection) as root:
        if call.declared.says("operation", "read") == "write":
            return {"bytes": _write(root, parts, _content(call, most))}
        data = _read(root, parts, most)
    return None if data is None else _decoded(call, data)


def _path(call: Call) -> list[str]:
    path = filled(str(call.declared.settings["path"]), call.arguments, _part)
    if not any(_matches(path, str(pattern)) for pattern in call.declared.allow.get("paths", ())):
        raise CallFailed.surely("The path is none of those that the connection allows.")
    return path.split("/")


def _part(value: Any) -> str:
    text = plain(value)
    if text in ("", ".", "..") or any(letter in "/\\" or ord(letter) < 32 for letter in text):
        raise CallFailed.surely("An argument cannot stand in the path: it is empty, or leads somewhere else.")
    return text


def _matches(path: str, pattern: str) -> bool:
    """A `*` stands for a part of one name, never for a `/`."""
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(map(fnmatch.fnmatchcase, names, wanted))


# ---------------------------------------------------------------- below the root


@contextmanager
def _opened_root(connection: Connection) -> Iterator[int]:
    if os.open not in os.supports_dir_fd:
        message = "Module 'files' needs a system that opens files relative to a folder."
        raise ConfigError(message, remedy="Use Linux or macOS.")
    try:
        root = os.open(Path(connection.address).expanduser(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise connection.refused("names no folder that can be opened", "Name the root folder.") from None
    try:
        yield root
    finally:
        os.close(root)


@contextmanager
def _folder(root: int, names: list[str]) -> Iterator[int]:
    """The folder of these names below the root; a symbolic link on the way is refused."""
    opened = os.dup(root)
    try:
        for name in names:
            inner = os.open(name, _FOLDER, dir_fd=opened)
            os.close(opened)
            opened = inner
        yield opened
    except NotADirectoryError:
        raise CallFailed.surely("The path leads through something that is no folder, or through a link.") from None
    finally:
        os.close(opened)


def _read(root: int, parts: list[str], most: int) -> bytes | None:
    try:
        with _folder(root, parts[:-1]) as folder:
            file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise CallFailed.surely(f"The file cannot be opened, or is a link ({_code(fault)}).") from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise CallFailed.surely("The path names something that is no ordinary file.")
    with open(file, "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise CallFailed.surely(f"The file is longer than {most} bytes ('max_bytes').")
    return data


def _write(root: int, parts: list[str], data: bytes) -> int:
    draft = f".{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with _folder(root, parts[:-1]) as folder:
            try:
                with open(os.open(draft, flags, 0o600, dir_fd=folder), "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(draft, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(draft, dir_fd=folder)
                raise
    except FileNotFoundError:
        raise CallFailed.surely("There is no folder for the file. Make it first.") from None
    except OSError as fault:
        raise CallFailed.surely(f"The file cannot be written ({_code(fault)}).") from None
    return len(data)


def _code(fault: OSError) -> str:
    import errno

    return errno.errorcode.get(fault.errno or 0, "unknown")


# ---------------------------------------------------------------- content


def _content(call: Call, most: int) -> bytes:
    value = call.arguments["content"]
    as_json = call.declared.says("format", "text") == "json"
    data = (canonical_json(value) + "\n" if as_json else plain(value)).encode("utf-8")
    if len(data) > most:
        raise CallFailed.surely(f"The content is longer than {most} bytes ('max_bytes').")
    return data


def _decoded(call: Call, data: bytes) -> Any:
    form = call.declared.says("format", "text")
    if form == "document":
        return _document(_path(call)[-1], data)
    try:
        text = data.decode("utf-8-sig")
        return parse_json(text) if form == "json" else {"text": text}
    except (UnicodeDecodeError, InputError):
        raise CallFailed.surely(f"The file is no {'JSON' if form == 'json' else 'UTF-8 text'}.") from None


def _document(name: str, data: bytes) -> dict[str, Any]:
    """The text that an artifact sees of a PDF, HTML, DOCX, XLSX, image or plain file."""
    from compiled_ai.reading import read_document

    with TemporaryDirectory(prefix="compiled-ai-") as folder:  # only its owner may look into it
        copy = Path(folder) / name
        copy.write_bytes(data)
        try:
            read = read_document(copy, root=folder)
        except InputError:
            raise CallFailed.surely(_NO_DOCUMENT) from None
        except ConfigError as fault:
            raise CallFailed.surely(f"The document has no reader here. {fault.remedy or ''}".rstrip()) from None
    return {"text": read.text}
