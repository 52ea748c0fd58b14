"""The Temporal engine: the same artifacts, unchanged, carried by a Temporal server and workers on many machines.

| module | owns |
|---|---|
| `messages` | what crosses the border between workflow, activities and clients |
| `carrying` | a round of a run on record: what the activities do, without Temporal |
| `workflow`, `errands` | the one workflow; what it has in common with that of batches |
| `rounds` | rounds in processes that can be killed |
| `batch_messages`, `batching`, `batch_workflow`, `batch_activities`, `batch_submitting` | batches, in the same order |
| `forsaken` | open runs that no workflow carries any more |
| `activities`, `worker` | the activities of an artifact; a process that serves artifacts |
| `calling` | an artifact as an ordinary activity of a person's own workflow |
| `codec`, `connecting` | sealed payloads; addresses, credentials, telemetry, a development server |
| `submitting` | starting runs, waiting for them, deciding |

Nothing else of this library knows `temporalio`, which comes with `pip install compiled-ai[temporal]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiled_ai.errors import ConfigError

if TYPE_CHECKING:
    from compiled_ai.runtime.temporal.calling import artifact_activity
    from compiled_ai.runtime.temporal.messages import Carried, Decision, RunEnd, RunStart
    from compiled_ai.runtime.temporal.workflow import ArtifactWorkflow

__all__ = ["ArtifactWorkflow", "Carried", "Decision", "RunEnd", "RunStart", "artifact_activity", "hand_over"]

_HOME = {"ArtifactWorkflow": "workflow", "artifact_activity": "calling"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    require_temporal()
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'messages')}"), name)


def require_temporal() -> None:
    """Raises `ConfigError` if the extra is not installed."""
    try:
        import temporalio  # noqa: F401
    except ImportError as fault:
        raise ConfigError(
            "The Temporal engine is not installed.", remedy="Run `pip install compiled-ai[temporal]`."
        ) from fault


def hand_over(run_id: str) -> bool:
    """Tells Temporal that a decision of this run is on record; says whether it was told.

    A run that could not be told looks for itself, after six hours at the latest.
    """
    import logging

    try:
        reason = _tell(run_id)
    except ConfigError as fault:
        reason = str(fault)
    if reason:
        logging.getLogger("compiled_ai").warning(
            "The decision is on record, but Temporal could not be told (%s): the run finds it by itself, after six "
            "hours at the latest. Set TEMPORAL_ADDRESS to tell it at once.",
            reason,
        )
    return not reason


def _tell(run_id: str) -> str:
    """Tells it in a thread of its own: whoever decides may be within an event loop. Returns why it was not told."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    require_temporal()
    from compiled_ai.runtime.temporal.submitting import tell_quickly

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(tell_quickly(run_id))).result()
