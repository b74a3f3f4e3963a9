"""Ids: time-ordered for what is made once, derived for what may be made twice."""

import hashlib
import secrets
import time
from datetime import datetime
from uuid import UUID, uuid5

_CHUNKS = UUID("6f0f2f4e-6d0e-5f0e-9a0e-0c17e3e11a7e")


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, the rest random."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (7 << 76)
    value = (value & ~(0x3 << 62)) | (2 << 62)
    return UUID(int=value)


def first_id(moment: datetime) -> UUID:
    """Return the lowest id that could be made at a moment; Postgres keeps none before 1970."""
    milliseconds = min(max(0, round(moment.timestamp() * 1000)), 2**48 - 1)
    return UUID(int=milliseconds << 80)


def chunk_id(index_id: UUID, version_id: UUID, ordinal: int) -> UUID:
    """Return a chunk's id, which is its point's id: the same inputs always give the same id."""
    return uuid5(_CHUNKS, f"{index_id}/{version_id}/{ordinal}")


def text_sha256(text: str) -> bytes:
    """Return the 32-byte hash of the exact text that is embedded: the embedding cache's key."""
    return hashlib.sha256(text.encode()).digest()
