"""The chunks of one version on their way from the cutter to the database.

A table of a million rows has fifty thousand: they wait packed, and are unpacked some at a time.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from pydantic import TypeAdapter
from typing_extensions import override

from shared.database.chunks import NewChunk, Owner, TargetIndex
from shared.models import Chunk

# As many stay as they are; most files have fewer.
RUN = 500

_CHUNKS = TypeAdapter(list[Chunk])
_Held = list[Chunk] | bytes


class CutChunks(Collection[NewChunk]):
    """Holds chunks in the order they are added in, full runs of them compressed."""

    def __init__(self, owner: Owner) -> None:
        """Start empty."""
        self._owner = owner
        self._runs: list[tuple[TargetIndex, _Held]] = []
        self._count = 0

    def add(self, index: TargetIndex, chunks: Iterable[Chunk]) -> None:
        """Take the chunks of one index."""
        rest = iter(chunks)
        while run := list(islice(rest, RUN)):
            self._runs.append((index, _packed(run) if len(run) == RUN else run))
            self._count += len(run)

    @override
    def __len__(self) -> int:
        return self._count

    @override
    def __iter__(self) -> Iterator[NewChunk]:
        for index, held in self._runs:
            for one in _unpacked(held):
                yield NewChunk(self._owner, index, one)

    @override
    def __contains__(self, wanted: object) -> bool:
        return any(one == wanted for one in self)


def _packed(chunks: list[Chunk]) -> bytes:
    return zlib.compress(_CHUNKS.dump_json(chunks), level=1)


def _unpacked(held: _Held) -> list[Chunk]:
    return held if isinstance(held, list) else _CHUNKS.validate_json(zlib.decompress(held))
