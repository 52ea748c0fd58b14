"""The one door to language models: `open_model(name).ask(request)`.

| name | replies come from |
|---|---|
| `anthropic:...`, `openai:...`, `ollama:...`, any pydantic-ai name | the provider, live |
| `recorded:DIR` | a recording, by request key |
| `exchange:DIR` | files that a person or another tool writes |

All three write and read the same `transcript.jsonl`.
"""

from __future__ import annotations

from pathlib import Path

from compiled_ai.errors import ConfigError
from compiled_ai.models.budget import Budget, price_usd
from compiled_ai.models.exchange import ExchangeModel
from compiled_ai.models.recorded import RecordedModel, RecordingModel
from compiled_ai.models.request import FinishReason, Model, Reply, Request, Sealer, ask_all, merged
from compiled_ai.models.scripted import ScriptedModel
from compiled_ai.models.tokens import estimate_tokens
from compiled_ai.models.transcript import Entry, Transcript, orphans, read_transcript, write_transcript

__all__ = [
    "Budget",
    "Entry",
    "ExchangeModel",
    "FinishReason",
    "Model",
    "RecordedModel",
    "RecordingModel",
    "Reply",
    "Request",
    "ScriptedModel",
    "Sealer",
    "Transcript",
    "ask_all",
    "estimate_tokens",
    "merged",
    "open_model",
    "orphans",
    "price_usd",
    "read_transcript",
    "write_transcript",
]


def open_model(
    name: str, *, record: Path | None = None, budget: Budget | None = None, protect: Sealer | None = None
) -> Model:
    """Opens a model by name; nothing is asked yet.

    Args:
        name: See the module.
        record: Folder into whose transcript every reply is written.
        budget: Limits that hold over all calls made under it.
        protect: Encrypts transcripts at rest; exchange files are then deleted once their reply is read.

    Raises:
        ConfigError: unknown name, missing key (the variable is named), no known price for a limit in USD.
        NotFound: `recorded:DIR` has no transcript.
        KeyMissing: a transcript is encrypted and `protect` is not given.
    """
    model = _open(name, budget, protect)
    return model if record is None else RecordingModel(model, record, protect=protect)


def _open(name: str, budget: Budget | None, protect: Sealer | None) -> Model:
    kind, _, place = name.partition(":")
    if kind in ("recorded", "exchange") and not place:
        raise ConfigError(f"Model name {name!r} names no folder.", remedy=f"Write {kind}:DIR.")
    if kind == "recorded":
        return RecordedModel(Path(place), budget=budget, protect=protect)
    if kind == "exchange":
        return ExchangeModel(Path(place), budget=budget, protect=protect)
    from compiled_ai.models.live import LiveModel

    return LiveModel(name, budget=budget)
