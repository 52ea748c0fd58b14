"""Where connections and secrets come from: the environment, or the keyring of the system. Never a specification.

| variable | holds |
|---|---|
| `COMPILED_AI_CONNECTION_<NAME>` | the address of a connection: a database's URL, a base address, a folder, a channel |
| `COMPILED_AI_SECRET_<NAME>` | its secret, where the address holds none: a password, a bearer token |

`<NAME>` is the connection's name in upper case. A value `keyring:ENTRY` is read from the keyring of the system, service
`compiled-ai`, user name ENTRY. Neither an address nor a secret is ever part of a message, a record or a log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from compiled_ai.errors import ConfigError

ADDRESS_VARIABLE = "COMPILED_AI_CONNECTION_"
SECRET_VARIABLE = "COMPILED_AI_SECRET_"
KEYRING_PREFIX = "keyring:"
KEYRING_SERVICE = "compiled-ai"


@dataclass(frozen=True, slots=True)
class Connection:
    name: str
    address: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)

    def refused(self, what: str, remedy: str) -> ConfigError:
        """An error of the connection's setting that names the variable, and not its value."""
        return ConfigError(f"{ADDRESS_VARIABLE}{self.name.upper()} {what}.", remedy=remedy)


def find_connection(name: str, environment: Mapping[str, str] | None = None) -> Connection:
    """Returns a connection by its name.

    Raises:
        ConfigError: its address is not set, or the keyring has no such entry.
    """
    env = os.environ if environment is None else environment
    variable = ADDRESS_VARIABLE + name.upper()
    address = env.get(variable)
    if not address:
        raise ConfigError(
            f"Connection {name!r} has no address.", remedy=f"Set {variable} (an address, or {KEYRING_PREFIX}ENTRY)."
        )
    secret_variable = SECRET_VARIABLE + name.upper()
    secret = env.get(secret_variable)
    return Connection(name, _value(address, variable), _value(secret, secret_variable) if secret else None)


def require_secret(name: str, environment: Mapping[str, str] | None = None) -> str:
    """Returns a secret that stands alone.

    Raises:
        ConfigError: It is not set, or the keyring has no such entry.
    """
    env = os.environ if environment is None else environment
    variable = SECRET_VARIABLE + name.upper()
    if not (written := env.get(variable)):
        raise ConfigError(
            f"There is no secret {name!r}.", remedy=f"Set {variable} (the secret, or {KEYRING_PREFIX}ENTRY)."
        )
    return _value(written, variable)


def _value(written: str, variable: str) -> str:
    if not written.startswith(KEYRING_PREFIX):
        return written
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as fault:
        raise ConfigError(
            f"{variable} names the keyring, and keyring is not installed.",
            remedy="pip install compiled-ai[keyring], or set the value itself.",
        ) from fault
    entry = written.removeprefix(KEYRING_PREFIX)
    try:
        found = keyring.get_password(KEYRING_SERVICE, entry)
    except KeyringError as fault:
        raise ConfigError(f"{variable} names the keyring, which cannot be read here.", remedy="Unlock it.") from fault
    if found is None:
        raise ConfigError(
            f"{variable} names entry {entry!r}, which the keyring does not hold.",
            remedy=f"keyring set {KEYRING_SERVICE} {entry}",
        )
    return found
