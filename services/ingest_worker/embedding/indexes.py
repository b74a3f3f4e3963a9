"""The vector store's indexes, made when the first chunk of each comes, and those of attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from services.ingest_worker.attributes import field_types
from shared.database.chunks import Chunks
from shared.database.embed_queue import QueuedChunk
from shared.database.engine import Database
from shared.embeddings.spaces import embedding_space
from shared.embeddings.sparse import ANALYSER
from shared.vectors.base import MOST_INDEXED, FieldKind, VectorStore
from shared.vectors.filters import parse_time

# An index may be emptied and made anew by a rebuild, of which its attributes' indexes know nothing.
ASKED_EVERY_S = 60.0

_KINDS: Mapping[str, FieldKind] = {"string": "keyword", "number": "number", "boolean": "boolean"}


@dataclass(slots=True)
class _Fields:
    """The attributes that were seen indexed, and since when that is remembered."""

    names: set[str] = field(default_factory=set)
    since: float = field(default_factory=monotonic)


class Indexes:
    """Makes what is missing before points are written; remembers what is there."""

    def __init__(
        self, *, database: Database, vectors: VectorStore, folders: Sequence[Path] = ()
    ) -> None:
        """Take the two stores, and the folders of models of the operator's own."""
        self._folders = folders
        self._database = database
        self._vectors = vectors
        self._ready: set[UUID] = set()
        self._fields: dict[UUID, _Fields] = {}

    async def make(self, batch: Sequence[QueuedChunk]) -> None:
        """Make the indexes of these chunks, of one space, and those of their attributes.

        Raises:
            VectorStoreUnavailable, DatabaseUnavailable: a store does not answer.
        """
        documents = {(chunk.index_id, chunk.document_id): chunk for chunk in batch}
        by_index: dict[UUID, dict[str, FieldKind]] = {}
        for chunk in documents.values():
            by_index.setdefault(chunk.index_id, {}).update(field_kinds(chunk.attributes))
        for index_id, kinds in by_index.items():
            await self._make(index_id, batch[0].space)
            await self._index(index_id, kinds)

    def forget(self) -> None:
        """Take nothing for granted any more: something failed."""
        self._ready.clear()
        self._fields.clear()

    async def _make(self, index_id: UUID, space: str) -> None:
        if index_id in self._ready:
            return
        known = embedding_space(space, self._folders)
        await self._vectors.create_index(index_id, dimensions=known.dimensions)
        async with self._database.worker() as connection:
            await Chunks(connection).index_is_ready(index_id, analyser=ANALYSER)
        self._ready.add(index_id)

    async def _index(self, index_id: UUID, kinds: Mapping[str, FieldKind]) -> None:
        known = self._fields.get(index_id)
        if known is None or monotonic() - known.since > ASKED_EVERY_S:
            known = self._fields[index_id] = _Fields()
        fresh = {name: kind for name, kind in kinds.items() if name not in known.names}
        # Senders may use more names than are worth remembering.
        if not fresh or len(known.names) >= MOST_INDEXED:
            return
        await self._vectors.index_fields(index_id, fresh)
        known.names.update(fresh)


def field_kinds(attributes: Mapping[str, Any]) -> dict[str, FieldKind]:
    """Return what each attribute is looked up as; one whose first value is a time, as times."""
    return {name: _kind(kind, attributes[name]) for name, kind in field_types(attributes).items()}


def _kind(kind: str, value: Any) -> FieldKind:
    first = value[0] if isinstance(value, list) else value
    is_time = isinstance(first, str) and parse_time(first) is not None
    return "time" if is_time else _KINDS[kind]
