"""Module `notify`: one message over a channel of apprise (e-mail, Slack, Teams, a webhook, ...).

The outbox is the run store: the message is on record as `intended` before it is sent, under the key of its run and
step. Channels tell yes or no, and seldom why. A channel that drops a second message with the same
`Idempotency-Key` header is declared as `deduplicates: true`, and gets the message again after a no and after a crash;
on any other a no, or a crash before the answer was on record, makes the message `in_doubt`, for a person to look.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any

from compiled_ai.capabilities import Declared
from compiled_ai.capabilities import repeats as repeats
from compiled_ai.capabilities.wording import filled
from compiled_ai.errors import CallFailed, ConfigError
from compiled_ai.runtime.calls.connections import Connection
from compiled_ai.runtime.calls.quiet import quiet

if TYPE_CHECKING:
    from compiled_ai.runtime.calls import Call

LONGEST_MESSAGE = 100_000
_WEBHOOKS = ("json", "jsons", "xml", "xmls", "form", "forms")
_PAUSES = (0.2, 1.0)
"""Seconds between attempts on a channel that deduplicates."""


def prepare(call: Call) -> None:
    """Refuses a message that no channel would take."""
    if len(_wording(call, "message")) > LONGEST_MESSAGE:
        raise CallFailed.surely(f"The message is longer than {LONGEST_MESSAGE} characters.")


def reach(declared: Declared, connection: Connection) -> None:
    """Raises `ConfigError` if the address is none of a channel, or of a kind that is not allowed."""
    _channel(declared, "", connection)


def perform(call: Call, connection: Connection) -> Any:
    """Returns `{"sent": true}`.

    Raises:
        ConfigError: the address is none of a channel, or of a kind that is not allowed.
        CallFailed: the channel did not confirm the message.
    """
    channel = _channel(call.declared, call.key, connection)
    again = _PAUSES if call.declared.allow.get("deduplicates") else ()
    for pause in (*again, None):
        if _sent(channel, call):
            return {"sent": True}
        if pause is not None:
            sleep(pause)
    raise CallFailed.perhaps(f"The channel {connection.name!r} did not confirm the message.")


def _wording(call: Call, key: str) -> str:
    return filled(str(call.declared.says(key, "")), call.arguments)


def _sent(channel: Any, call: Call) -> bool:
    with quiet():
        title = " ".join(_wording(call, "subject").split())
        return bool(channel.notify(body=_wording(call, "message"), title=title, interpret_escapes=False))


def _channel(declared: Declared, key: str, connection: Connection) -> Any:
    """Opens the channel. Its kind is checked before apprise sees the address."""
    try:
        from apprise import Apprise, AppriseAsset, NotifyFormat
    except ImportError as fault:
        raise ConfigError("Module 'notify' needs apprise.", remedy="pip install compiled-ai[notify]") from fault
    kind = connection.address.partition("://")[0].lower()
    if kind not in [str(each).lower() for each in declared.allow.get("channels", ())]:
        raise connection.refused("is of a kind that 'allow.channels' does not list", "Correct one of them.")
    asset = AppriseAsset(async_mode=False, secure_logging=True)
    with quiet():
        channel = Apprise.instantiate(_address(declared, key, connection, kind), asset=asset)
    if channel is None or isinstance(channel, list):
        raise connection.refused("is no address of one channel", "Write it as apprise documents it.")
    channel.notify_format = NotifyFormat.TEXT
    return channel


def _address(declared: Declared, key: str, connection: Connection, kind: str) -> str:
    """The address with the time limit and, where the channel deduplicates, the key of the message."""
    more = [f"cto={int(declared.says('timeout_seconds', 30))}", f"rto={int(declared.says('timeout_seconds', 30))}"]
    if declared.allow.get("deduplicates"):
        if kind not in _WEBHOOKS:
            raise connection.refused("cannot carry a key", "Leave out 'deduplicates': only json, form and xml can.")
        more.append(f"%2BIdempotency-Key={key}")
    return connection.address + ("&" if "?" in connection.address else "?") + "&".join(more)
