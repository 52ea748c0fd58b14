"""Master keys by name, and what is made from them.

A master key comes from the environment (`COMPILED_AI_KEY`, or a file named by `COMPILED_AI_KEYS_FILE`) and never
encrypts data itself: it wraps the keys of single runs, so that rotation re-wraps a few bytes and purging a run
destroys its key. Where no master key is configured, a local key in the home (`keys/local.key`, mode 0600, made on
first need) still keys the hash chains; it never stands in where encryption is demanded: that is `KeyMissing`.

| made from a master key | how |
|---|---|
| wrapping key | HKDF-SHA256, `wrap`; AES-256-GCM with a random nonce (at most 2**32 wraps for one key) |
| sealing key | HKDF-SHA256, `seal`; the same, for files such as transcripts and golden evidence |
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiled_ai.errors import ConfigError, KeyMissing, StoreFailed, suggest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_VARIABLE = "COMPILED_AI_KEY"
KEYS_FILE_VARIABLE = "COMPILED_AI_KEYS_FILE"
LOCAL = "local"
SEALED_PREFIX = "compiled-ai-sealed:1:"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_KEY_BYTES = 32
_NONCE_BYTES = 12
_REMEDY = (
    f"Make one with `compiled-ai keys new`, set {KEY_VARIABLE} to the line it prints, and keep a copy in a safe place."
)


@dataclass(frozen=True, slots=True)
class MasterKey:
    name: str
    secret: bytes = field(repr=False)

    def line(self) -> str:
        """Returns `name:base64`, the form of the variable and of a keys file."""
        return f"{self.name}:{base64.b64encode(self.secret).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key, encrypted by the master key of that name."""

    key_name: str
    data: bytes


def new_key(name: str) -> str:
    """Returns a fresh master key as `name:base64`, to be put into `COMPILED_AI_KEY` or a keys file."""
    return MasterKey(_checked_name(name, "The key's name"), secrets.token_bytes(_KEY_BYTES)).line()


def derive(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869, no salt, 32 bytes): an independent key for each purpose."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, purpose.encode("utf-8") + b"\x01", "sha256")


class KeyRing:
    """The master keys of this process; the first is current, the others still open what they wrapped."""

    def __init__(self, keys: Sequence[MasterKey] = (), *, home: Path | None = None) -> None:
        names = [key.name for key in keys]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"Two master keys are named {name!r}.", remedy="Give each key its own name.")
        self._keys = {key.name: key for key in keys}
        self._current = keys[0] if keys else None
        self._home = home
        self._ciphers: dict[tuple[str, str], AESGCM] = {}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, *, home: Path | None = None) -> KeyRing:
        """Reads the variables; `home` is where the local key lies (without it there is none).

        Raises `ConfigError` for a malformed key, and for a keys file that others may read.
        """
        env = os.environ if environment is None else environment
        text, file = env.get(KEY_VARIABLE), env.get(KEYS_FILE_VARIABLE)
        if text and file:
            raise ConfigError(f"{KEY_VARIABLE} and {KEYS_FILE_VARIABLE} are both set.", remedy="Unset one of them.")
        if file:
            return cls(_read_keys_file(Path(file)), home=home)
        lines = [line for line in (text or "").split(",") if line.strip()]
        return cls([_parse_key(line, KEY_VARIABLE) for line in lines], home=home)

    def __reduce__(self) -> tuple[Any, ...]:
        """For own processes only: what is pickled are the keys, without the ciphers made from them."""
        return (_keyring, (tuple(self._keys.values()), self._home))

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.names) or 'no master key'})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the configured master keys, the current one first."""
        return tuple(self._keys)

    @property
    def can_encrypt(self) -> bool:
        return self._current is not None

    def require(self, what: str) -> MasterKey:
        """Returns the current master key; `what` says in the error for what it is needed."""
        if self._current is None:
            raise KeyMissing(f"{what} must be encrypted and no master key is configured.", remedy=_REMEDY)
        return self._current

    def chain_key_name(self) -> str:
        """The name that `wrap_for_chain` would use now."""
        return self._current.name if self._current else LOCAL

    def wrap(self, secret: bytes, *, context: str) -> Wrapped:
        """Encrypts a key under the current master key, bound to `context` (unwrapping elsewhere fails)."""
        master = self.require("A run's record")
        return Wrapped(master.name, _encrypt(self._cipher(master, "wrap"), secret, context))

    def wrap_for_chain(self, secret: bytes, *, context: str) -> Wrapped:
        """As `wrap`, with the local key where no master key is configured (it is made on first need)."""
        master = self._current or self._local(create=True)
        return Wrapped(master.name, _encrypt(self._cipher(master, "wrap"), secret, context))

    def unwrap(self, wrapped: Wrapped, *, context: str) -> bytes:
        """Opens a wrapped key. Raises `KeyMissing` (no such key) or `StoreFailed` (not that key, or altered)."""
        master = self._find(wrapped.key_name)
        return _decrypt(self._cipher(master, "wrap"), wrapped.data, context, wrapped.key_name)

    def seal(self, data: bytes, *, context: str = "") -> bytes:
        """Encrypts a file or a line for another sink: `compiled-ai-sealed:1:NAME:BASE64`, one line of ASCII."""
        master = self.require("This data")
        sealed = _encrypt(self._cipher(master, "seal"), data, context)
        return f"{SEALED_PREFIX}{master.name}:".encode("ascii") + base64.b64encode(sealed)

    def open(self, sealed: bytes, *, context: str = "") -> bytes:
        """Opens what `seal` made, with the same `context`."""
        prefix = SEALED_PREFIX.encode("ascii")
        name, colon, body = sealed.strip().removeprefix(prefix).partition(b":")
        if not sealed.startswith(prefix) or not colon:
            raise StoreFailed("This is not sealed data.", remedy=f"Sealed data begins with {SEALED_PREFIX!r}.")
        master = self._find(name.decode("ascii", "replace"))
        try:
            data = base64.b64decode(body, validate=True)
        except ValueError as fault:
            raise StoreFailed("The sealed data is damaged.", remedy="Restore it from a copy.") from fault
        return _decrypt(self._cipher(master, "seal"), data, context, master.name)

    def _find(self, name: str) -> MasterKey:
        if name in self._keys:
            return self._keys[name]
        if name == LOCAL:
            return self._local(create=False)
        raise KeyMissing(
            f"The master key {name!r} is needed and not configured.{suggest(name, self._keys)}",
            remedy=f"Add its line to {KEY_VARIABLE} (after the current key) or to the keys file.",
        )

    def _local(self, *, create: bool) -> MasterKey:
        if self._home is None:
            raise KeyMissing("There is no master key, and no home in which a local key could lie.", remedy=_REMEDY)
        path = self._home / "keys" / "local.key"
        if not path.exists():
            if not create:
                raise KeyMissing(
                    f"The local chain key {str(path)!r} is gone.", remedy="Restore the file; nothing can replace it."
                )
            _create_local_key(path)
        return _read_keys_file(path, allow_local=True)[0]

    def _cipher(self, master: MasterKey, purpose: str) -> AESGCM:
        found = self._ciphers.get((master.name, purpose))
        if found is None:
            found = cipher(derive(master.secret, purpose))
            self._ciphers[master.name, purpose] = found
        return found


def _keyring(keys: Sequence[MasterKey], home: Path | None) -> KeyRing:
    return KeyRing(keys, home=home)


def cipher(key: bytes) -> AESGCM:
    """AES-256-GCM under a key of 32 bytes (imports `cryptography` on first need)."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _encrypt(aes: AESGCM, data: bytes, context: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + aes.encrypt(nonce, data, context.encode("utf-8"))


def _decrypt(aes: AESGCM, data: bytes, context: str, key_name: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return aes.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode("utf-8"))
    except (InvalidTag, ValueError) as fault:
        raise StoreFailed(
            f"The key named {key_name!r} does not open this: it is another key of that name, or the data was altered.",
            remedy="Configure the key that was current when it was written.",
        ) from fault


def encrypt_with(aes: AESGCM, data: bytes, *, context: str) -> bytes:
    """Encrypts under a run's own key."""
    return _encrypt(aes, data, context)


def decrypt_with(aes: AESGCM, data: bytes, *, context: str) -> bytes:
    """Opens what `encrypt_with` made; `StoreFailed` if it was altered or moved."""
    return _decrypt(aes, data, context, "of this run")


def _checked_name(name: str, what: str) -> str:
    if not _NAME.fullmatch(name) or name == LOCAL:
        raise ConfigError(
            f"{what} is {name!r}.", remedy=f"Use 1 to 64 letters, digits, '_', '.', '-'; {LOCAL!r} is reserved."
        )
    return name


def _parse_key(line: str, where: str, *, allow_local: bool = False) -> MasterKey:
    """Never repeats the line in an error: it may be a secret."""
    name, colon, text = line.strip().partition(":")
    if not colon:
        raise ConfigError(f"A key in {where} is not of the form name:base64.", remedy=_REMEDY)
    if not (allow_local and name == LOCAL):
        _checked_name(name, f"A key's name in {where}")
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError as fault:
        raise ConfigError(f"The key {name!r} in {where} is not base64.", remedy=_REMEDY) from fault
    if len(secret) != _KEY_BYTES:
        raise ConfigError(f"The key {name!r} in {where} has {len(secret)} bytes, not {_KEY_BYTES}.", remedy=_REMEDY)
    return MasterKey(name, secret)


def _read_keys_file(path: Path, *, allow_local: bool = False) -> list[MasterKey]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().decode("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"The keys file {str(path)!r} cannot be read: {fault}.", remedy="Check the path.") from fault
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"The keys file {str(path)!r} may be read by others (mode {stat.S_IMODE(mode):o}).",
            remedy=f"Run `chmod 600 {path}`; if others may have read it, make a new key and rotate.",
        )
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ConfigError(f"The keys file {str(path)!r} holds no key.", remedy=_REMEDY)
    return [_parse_key(line, repr(str(path)), allow_local=allow_local) for line in lines]


def _create_local_key(path: Path) -> None:
    """Writes it aside and links it into place: whoever comes second reads the first one's key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f".local.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(MasterKey(LOCAL, secrets.token_bytes(_KEY_BYTES)).line() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()


class TextSealer:
    """Seals the lines of transcripts with the master key: the `Sealer` that `models` asks for."""

    def __init__(self, keys: KeyRing, *, context: str = "transcript") -> None:
        self._keys, self._context = keys, context

    def seal(self, text: str) -> str:
        return base64.b64encode(self._keys.seal(text.encode("utf-8"), context=self._context)).decode("ascii")

    def unseal(self, text: str) -> str:
        return self._keys.open(base64.b64decode(text), context=self._context).decode("utf-8")
