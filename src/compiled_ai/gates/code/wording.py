"""What a text says: SQL, a redirect, a command, a format string, a secret."""

from __future__ import annotations

import re

from compiled_ai.gates.code import policy

SQL = re.compile(
    r"\b(SELECT\b[\s\S]*\bFROM\b|INSERT\s+(OR\s+\w+\s+)?INTO\b|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\b|(DROP"
    r"|ALTER|TRUNCATE|CREATE)\s+"
    r"(TABLE|DATABASE|USER|VIEW|INDEX)\b|MERGE\s+INTO\b|REPLACE\s+INTO\b|UNION\s+(ALL\s+)?SELECT\b"
    r"|WHERE\s+\S+\s*(=|LIKE|IN|<|>)"
    r"|ORDER\s+BY\s|GRANT\s+\w+\s+(ON|TO)\b|\bEXEC(UTE)?\s+(IMMEDIATE|sp_\w+))"
)

SQL_LOWER = re.compile(
    r"^\s*(select\s+(\*|[\w.,\s()*]+?)\s+from\s+\S+\s*(where|limit|order|group|join|;|$)"
    r"|insert\s+into\s+\S+\s*(\(|values|select)"
    r"|update\s+\S+\s+set\s+\S+\s*=|delete\s+from\s+\S+(\s+where|\s*;|\s*$)|drop\s+table\b)",
    re.IGNORECASE,
)

REDIRECT_TEXT = re.compile(
    r"(HTTP/\d[^\n]*\n|\r\n)\s*location:\s*$|^HTTP/\d[\s\S]*\nlocation:\s*$|http-equiv=[\"']?refresh[^>]*$"
    r"|window\.location",
    re.IGNORECASE,
)

COMMAND = re.compile(
    r"\s*(sudo\s+)?(rm|ping|curl|wget|nslookup|traceroute|whois|dig|tar|unzip|bash|sh -c|powershell|chmod"
    r"|chown|nc|ssh|scp|rsync|"
    r"ffmpeg|kill|killall|useradd|mysqldump|pg_dump|openssl|cat /|ls -|ls /|find /|grep -|git clone"
    r"|docker run|python3? -c)"
    r"(\s+(-\S*|/\S*|[\w./-]+))*\s*[-/'\"=:@]?\s*$"
)

HIDDEN = re.compile(
    r"__(class|globals|builtins|subclasses|import|mro|bases?|dict|code|getattribute|getattr|reduce"
    r"|reduce_ex|closure|loader|"
    r"spec|func|self|module|kwdefaults|wrapped|traceback|context|cause|subclasshook|init_subclass"
    r"|build_class|setstate)__"
)

FIELDS = re.compile(r"\{[^{}]*(?:\.|\[)[^{}]*\}")

SECRET_WORDS = frozenset(
    [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "secret",
        "apikey",
        "api_key",
        "access_key",
        "secret_key",
        "private_key",
        "auth_key",
        "auth_token",
        "access_token",
        "refresh_token",
        "bearer_token",
        "api_token",
        "api_secret",
        "client_secret",
        "credential",
        "credentials",
        "encryption_key",
        "signing_key",
        "jwt_secret",
        "master_key",
        "db_pass",
        "password_hash",
        "secret_token",
        "session_key",
        "aes_key",
    ]
)

PLACEHOLDER = re.compile(r"^(|x+|\*+|\.+|-+|none|null|t(?:odo|bd)|n/?a|<.*>|\{.*\}|\$.*|%.*|env:.*)$", re.I)
"""What stands where a password would: no secret is written down."""


def is_sql(text: str) -> bool:
    return bool(SQL.search(text) or SQL_LOWER.search(text))


def format_problem(text: str) -> str | None:
    """Returns why a format string is refused: a field that reaches a private or denied attribute."""
    from string import Formatter

    try:
        fields = [(name, spec) for _, name, spec, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return None
    for name, spec in fields:
        for part in re.split(r"[.\[\]]", name)[1:]:
            if part.startswith("_") or part in policy.DENIED_ATTRIBUTES:
                return f"reaches {part!r} (an underscore or a denied attribute)"
        widths = [int(number) for number in re.findall(r"\d{6,}", spec or "")]
        if widths:
            return "pads to a width that fills the memory"
        nested = format_problem(spec) if spec and "{" in spec else None
        if nested:
            return nested
    return None


def looks_secret(name: str, value: str | bytes) -> bool:
    """Tells whether a constant under this name is a password, key or token."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").replace("-", "_").split("_")
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    plain = "_".join(words)
    if PLACEHOLDER.match(text) or len(text) < 3 or text.lower().replace("-", "_") in (plain, words[-1]):
        return False
    if isinstance(value, bytes) and words[-1] in ("key", "iv", "salt", "nonce") and len(value) >= 4:
        return True
    ends = {"_".join(words[-size:]) for size in (1, 2)}
    if ends & SECRET_WORDS or any(word in ("password", "passwd") for word in words[-1:]):
        return not is_prose(text)
    if words[-1] in ("token", "key", "auth", "pass", "pw", "pin", "salt") and len(text) >= 12:
        return (
            bool(re.fullmatch(r"[A-Za-z0-9+/_=.:-]+", text))
            and any(c.isdigit() for c in text)
            and any(c.isalpha() for c in text)
        )
    return words[-1] in ("pass", "pw", "passwort") and len(text) >= 4 and not is_prose(text)


def is_prose(text: str) -> bool:
    """A message, a pattern or a label, and no secret."""
    if re.search(r"[\\^$\[\]()*?|]{2,}|\\[dws]", text):
        return True
    return " " in text and text.count(" ") >= 2


_LABELS = frozenset(
    [
        "required",
        "missing",
        "invalid",
        "optional",
        "string",
        "str",
        "text",
        "password",
        "weak",
        "strong",
        "medium",
        "short",
        "long",
        "hidden",
        "masked",
        "redacted",
        "encrypted",
        "hashed",
        "empty",
        "expired",
        "reset",
        "changed",
        "wrong",
        "incorrect",
        "mismatch",
        "sensitive",
        "confidential",
        "credential",
        "input",
        "field",
        "varchar",
        "forbidden",
        "unknown",
        "numeric",
        "number",
        "word",
        "keyword",
        "name",
    ]
)


def is_word(text: str) -> bool:
    """What forms and tables say about a password: no password itself."""
    return text.lower() in _LABELS


def looks_like_pattern(text: str) -> bool:
    return len(text) < 2_000 and any(char in text for char in "*+{") and any(char in text for char in "([")
