"""Frames between the process that trusts nobody and the one that nobody trusts: four bytes of length, then JSON."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

HEAD = struct.Struct(">I")


def frame(text: str) -> bytes:
    """Returns one frame. Lone surrogates pass, since text may hold them."""
    data = text.encode("utf-8", "surrogatepass")
    return HEAD.pack(len(data)) + data


class Reader:
    """Takes bytes as they come and gives whole frames; a frame longer than `limit` is an `OverflowError`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        held = self._held
        held += data
        start = 0
        try:
            while len(held) - start >= HEAD.size:
                (length,) = HEAD.unpack_from(held, start)
                if length > self._limit:
                    raise OverflowError(f"a frame of {length} bytes, at most {self._limit} are allowed")
                end = start + HEAD.size + length
                if len(held) < end:
                    break
                body = bytes(held[start + HEAD.size : end])
                start = end
                yield body
        finally:
            del held[:start]


def write_all(descriptor: int, data: bytes) -> None:
    view: Any = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
