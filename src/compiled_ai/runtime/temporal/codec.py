"""What a Temporal server is shown: pydantic records as JSON, sealed by whoever has a master key.

Who has a key seals every payload and every failure text; who has none cannot read a sealed one, and so cannot pass its
content on in the clear. A run under a compliance pack that asks for it is refused where there is no key. The key itself
never travels; the name of the master key does, within the sealed text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from compiled_ai.runtime.keys import KeyRing

ENCODING = b"binary/compiled-ai-sealed"
_CONTEXT = "temporal payload"


class SealingCodec(PayloadCodec):
    """Seals payloads with the current master key (AES-256-GCM), and opens what any configured key sealed."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seals each payload; without a master key they stay as they are."""
        if not self._keys.can_encrypt:
            return list(payloads)
        return [self._sealed(payload) for payload in payloads]

    def _sealed(self, payload: Payload) -> Payload:
        data = self._keys.seal(payload.SerializeToString(), context=_CONTEXT)
        return Payload(metadata={"encoding": ENCODING}, data=data)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Opens sealed payloads; raises `KeyMissing` where the key that sealed them is not configured."""
        return [self._opened(payload) for payload in payloads]

    def _opened(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        return Payload.FromString(self._keys.open(payload.data, context=_CONTEXT))


def data_converter(keys: KeyRing) -> DataConverter:
    """The converter for every client and worker; failure texts are sealed where there is a key."""
    converter = dataclasses.replace(pydantic_data_converter, payload_codec=SealingCodec(keys))
    if keys.can_encrypt:
        return dataclasses.replace(converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)
    return converter
