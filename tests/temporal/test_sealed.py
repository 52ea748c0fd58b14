"""What a server is shown of a run that a compliance pack protects: nothing that says anything."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from temporal_support import CHART, KEYS, SEALED, SICK, Engine, fixture_program, until
from temporalio.api.common.v1 import Payload

from compiled_ai.errors import KeyMissing, ModelFailed
from compiled_ai.models import ScriptedModel
from compiled_ai.runtime.keys import KeyRing, MasterKey
from compiled_ai.runtime.temporal.codec import ENCODING, SealingCodec
from compiled_ai.runtime.temporal.messages import RunEnd, Standing
from compiled_ai.runtime.temporal.submitting import wait_for
from compiled_ai.runtime.temporal.workflow import ArtifactWorkflow

Play = Callable[..., None]
MARKER = "Marguerite-4711"


def test_no_value_of_a_protected_run_is_readable_in_its_history(scene: Play, tmp_path: Path) -> None:
    program = fixture_program("glp1", **SEALED)

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([SICK])):
            start = await engine.submit(program, {"patient_chart_summary": f"{MARKER} has type 2 diabetes"})
            end = await wait_for(engine.client, start.run_id)
        assert isinstance(end, RunEnd)
        assert end.value["outcome"] == "APPROVE"
        shown = (await engine.history(start.run_id)).to_json()
        assert MARKER not in shown
        assert "APPROVE" not in shown
        raw = await engine.client.workflow_service.get_workflow_execution_history(_asked(engine, start.run_id))
        assert set(_encodings(MessageToDict(raw))) == {ENCODING.decode()}
        assert MARKER.encode() not in raw.SerializeToString()
        assert b"k" * 32 not in raw.SerializeToString()
        assert MARKER.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("runs.db*"))

    scene(scenario, keys=KEYS)


def _asked(engine: Engine, run_id: str) -> object:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

    return GetWorkflowExecutionHistoryRequest(
        namespace=engine.client.namespace, execution=WorkflowExecution(workflow_id=run_id)
    )


def _encodings(told: Any) -> list[str]:
    """The encoding of every payload of a history as JSON, but for search attributes, which carry a type."""
    if isinstance(told, list):
        return [found for each in told for found in _encodings(each)]
    if not isinstance(told, dict):
        return []
    metadata = told.get("metadata")
    if isinstance(metadata, dict) and "encoding" in metadata:
        return [] if "type" in metadata else [b64decode(metadata["encoding"]).decode()]
    return [found for key, each in told.items() if key != "userMetadata" for found in _encodings(each)]


def test_the_text_of_a_failure_is_sealed_and_says_no_value(scene: Play) -> None:
    program = fixture_program("glp1", **SEALED)
    fault = ModelFailed(f"the account of {MARKER} is closed", details={"caller": True})

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([fault] * 9)):
            start = await engine.submit(program, CHART)
            handle = engine.client.get_workflow_handle(start.run_id)

            async def failed() -> bool:
                return bool(await _failures(handle))

            await until(failed)
            failure = (await _failures(handle))[0]
            assert failure.message == "Encoded failure"
            assert MARKER not in str(failure)
            await engine.client.data_converter.payload_codec.decode_failure(failure)  # type: ignore[union-attr]
            assert b"protected by a compliance pack" in failure.encoded_attributes.data
            assert MARKER.encode() not in failure.SerializeToString()
            await handle.terminate()

    scene(scenario, keys=KEYS)


async def _failures(handle: object) -> list[object]:
    described = await handle.describe()  # type: ignore[attr-defined]
    pending = described.raw_description.pending_activities
    return [each.last_failure for each in pending if each.HasField("last_failure")]


def test_without_a_key_nothing_of_a_protected_run_is_sent(scene: Play) -> None:
    program = fixture_program("triage", sinks={"temporal": "encrypted", **dict.fromkeys(
        ("inputs", "effects", "outputs", "reviews", "error_texts"), "clear")})

    async def scenario(engine: Engine) -> None:
        with pytest.raises(KeyMissing, match="must be encrypted and no master key is configured"):
            await engine.submit(program, {"claim_id": "c", "age": 4, "amount": "1", "plan": "gold", "in_network": True})
        assert engine.store.list() == ()

    scene(scenario)


def test_a_worker_without_the_key_cannot_read_a_sealed_run_and_one_with_it_carries_it_on(
    scene: Play, server: str, tmp_path: Path
) -> None:
    from temporal_support import engine as opened

    program = fixture_program("glp1", sinks={})

    async def scenario(engine: Engine) -> None:
        start = await engine.submit(program, {"patient_chart_summary": f"{MARKER} has type 2 diabetes"})
        (tmp_path / "other").mkdir()
        async with opened(server, tmp_path / "other", KeyRing(home=tmp_path / "other")) as blind:
            blind.queue = engine.queue
            async with blind.serving(program, model=ScriptedModel([])):
                await asyncio.sleep(2)
            assert blind.store.list() == ()
        async with engine.serving(program, model=ScriptedModel([SICK])):
            end = await wait_for(engine.client, start.run_id)
        assert end.status == "completed"
        assert MARKER not in (await engine.history(start.run_id)).to_json()

    scene(scenario, keys=KEYS)


def test_what_an_earlier_key_sealed_is_read_and_what_is_new_is_sealed_with_the_current_one() -> None:
    old, new = MasterKey("old", b"o" * 32), MasterKey("new", b"n" * 32)
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')

    async def scenario() -> None:
        [sealed] = await SealingCodec(KeyRing([old])).encode([payload])
        assert await SealingCodec(KeyRing([new, old])).decode([sealed]) == [payload]
        with pytest.raises(KeyMissing, match="The master key 'old' is needed and not configured"):
            await SealingCodec(KeyRing([new])).decode([sealed])
        assert await SealingCodec(KeyRing()).encode([payload]) == [payload]
        assert await SealingCodec(KeyRing([new])).decode([payload]) == [payload]

    asyncio.run(scenario())


def test_the_question_to_a_person_is_sealed_too(scene: Play) -> None:
    program = fixture_program("glp1", **SEALED)
    unclear = SICK.replace("31", "1")

    async def scenario(engine: Engine) -> None:
        async with engine.serving(program, model=ScriptedModel([unclear, unclear])):
            start = await engine.submit(program, {"patient_chart_summary": f"{MARKER}, BMI 1"})
            standing = await wait_for(engine.client, start.run_id)
            assert isinstance(standing, Standing)
            handle = engine.client.get_workflow_handle_for(ArtifactWorkflow.run, start.run_id)
            assert MARKER not in str(await handle.query("__temporal_workflow_metadata"))
        assert MARKER not in (await engine.history(start.run_id)).to_json()

    scene(scenario, keys=KEYS)
