"""A corpus of made-up texts and vectors, written to a running stack as ingestion leaves it."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import insert, text

from shared.database.chunks import Chunks
from shared.database.engine import Database
from shared.database.tables import blobs, chunks, documents, versions
from shared.embeddings.sparse import ANALYSER, document_terms
from shared.identity import chunk_id, new_id, text_sha256
from shared.models import EmbeddingSpace
from shared.vectors.base import Point, VectorStore

# Chunks of one document; each is of a percentile, to filter by.
A_DOCUMENT = 100
ATTRIBUTE = "percent"
WORDS = 20_000
TARGET = text("SELECT tenant_id, id, active_index FROM collections WHERE name = :name")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the corpus goes."""

    tenant_id: str
    collection_id: UUID
    index_id: UUID


class Prose:
    """Texts of made-up words, few of which are frequent, as in any language."""

    def __init__(self, seed: int) -> None:
        """Make the vocabulary, which is the same for every seed."""
        self._dice, always = random.Random(seed), random.Random(0)  # noqa: S311
        syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
        self._words = ["".join(always.choices(syllables, k=3)) for _ in range(WORDS)]
        self._weights = np.cumsum([1 / (rank + 10) for rank in range(WORDS)]).tolist()

    def words(self, count: int) -> str:
        """Return so many words."""
        return " ".join(self._dice.choices(self._words, cum_weights=self._weights, k=count))


async def target_of(database: Database, collection: str) -> Target:
    """Find a collection; of whichever tenant has it."""
    async with database.worker() as connection:
        row = (await connection.execute(TARGET, {"name": collection})).one()
    return Target(*row)


async def fill(
    database: Database, store: VectorStore, target: Target, space: EmbeddingSpace, count: int
) -> None:
    """Write `count` chunks with vectors of no meaning, all live."""
    await store.create_index(target.index_id, dimensions=space.dimensions)
    await store.index_fields(target.index_id, {ATTRIBUTE: "number"})
    async with database.worker() as connection:
        await Chunks(connection).index_is_ready(target.index_id, analyser=ANALYSER)
    prose, dice = Prose(1), np.random.default_rng(1)
    for number in range(max(1, count // A_DOCUMENT)):
        texts = [f"{prose.words(100).capitalize()}." for _ in range(min(count, A_DOCUMENT))]
        vectors = dice.standard_normal((len(texts), space.dimensions))
        await _document(database, store, target, (number, texts, vectors))


async def _document(
    database: Database,
    store: VectorStore,
    target: Target,
    made: tuple[int, Sequence[str], np.ndarray],
) -> None:
    number, texts, vectors = made
    document_id, version_id, attributes = new_id(), new_id(), {ATTRIBUTE: number % 100}
    rows = list(_chunk_rows(target, document_id, version_id, texts))
    payload = {
        "tenant_id": target.tenant_id,
        "document_id": str(document_id),
        "version_id": str(version_id),
        "filename": f"{number}.txt",
        "media_type": "text/plain",
        "created_at": "2026-01-01T00:00:00+00:00",
        "attributes": attributes,
        "page": [1],
    }
    points = [
        Point(row["id"], vector.tolist(), document_terms(row["text"]), payload)
        for row, vector in zip(rows, vectors, strict=True)
    ]
    await store.upsert(target.index_id, points)
    owner, blob_id = {"tenant_id": target.tenant_id}, new_id()
    digest = hashlib.sha256(blob_id.bytes).digest()
    async with database.worker() as connection:
        await connection.execute(insert(blobs).values(id=blob_id, sha256=digest, size=1, **owner))
        await connection.execute(
            insert(documents).values(
                id=document_id,
                collection_id=target.collection_id,
                name=payload["filename"],
                attributes=attributes,
                newest_version=1,
                live_version=1,
                **owner,
            )
        )
        await connection.execute(
            insert(versions).values(
                id=version_id, document_id=document_id, number=1, blob_id=blob_id, **owner
            )
        )
        await connection.execute(insert(chunks), rows)


def _chunk_rows(
    target: Target, document_id: UUID, version_id: UUID, texts: Sequence[str]
) -> Iterator[Row]:
    for ordinal, words in enumerate(texts):
        yield {
            "id": chunk_id(target.index_id, version_id, ordinal),
            "tenant_id": target.tenant_id,
            "index_id": target.index_id,
            "document_id": document_id,
            "version_id": version_id,
            "ordinal": ordinal,
            "text": words,
            "tokens": 250,
            "page_start": 1,
            "page_end": 1,
            "section": [],
            "text_sha256": text_sha256(words),
        }
