"""The query API in a test's own process, and documents as ingestion leaves them."""

import hashlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import jwt
from pydantic import SecretStr
from sqlalchemy import func, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query_api.context import ProcessContext
from shared.database.engine import Database
from shared.database.tables import blobs, chunks, collections, documents, indexes, versions
from shared.embeddings.base import Embedder
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.spaces import FAKE
from shared.embeddings.sparse import document_terms
from shared.identity import chunk_id, new_id, text_sha256
from shared.settings import AuthSettings, DatabaseSettings, QdrantSettings, QuerySettings, Settings
from shared.settings_answers import AnswerSettings
from shared.settings_providers import AnthropicSettings, OpenAISettings
from shared.vectors.base import Point, VectorStore
from tests.support.apps import query_app
from tests.support.postgres import PATIENT_S

SECRET = "a secret of more than thirty-two characters"  # noqa: S105 - of a test's own service


def query_settings(
    database_url: str,
    qdrant_url: str,
    *,
    openai: OpenAISettings | None = None,
    anthropic: AnthropicSettings | None = None,
    query: QuerySettings | None = None,
    answers: AnswerSettings | None = None,
) -> Settings:
    """Settings of a query API that reads nothing from the environment."""
    return Settings(
        database=DatabaseSettings(url=database_url, pool_timeout_s=PATIENT_S),
        qdrant=QdrantSettings(url=qdrant_url, timeout_s=2),
        auth=AuthSettings(secret=SecretStr(SECRET)),
        openai=openai or OpenAISettings(api_key=None),
        anthropic=anthropic or AnthropicSettings(api_key=None),
        query=query or patient_query(),
        answers=answers or AnswerSettings(),
    )


def patient_query(**changes: Any) -> QuerySettings:
    """Query settings for a machine that several test runs share, but for what a test changes."""
    patient = {"embed_timeout_s": PATIENT_S, "store_timeout_s": PATIENT_S}
    return QuerySettings(**{**patient, **changes})


def token(tenant: str, *scopes: str) -> str:
    """Return a JWT of a tenant, good for an hour."""
    claims = {"tenant": tenant, "scopes": list(scopes or ("query",)), "aud": "citewell"}
    return jwt.encode(claims | {"exp": time.time() + 3600}, SECRET, algorithm="HS256")


@dataclass(frozen=True, slots=True)
class QueryApi:
    """A started query API."""

    http: httpx.AsyncClient
    context: ProcessContext

    async def post(self, path: str, tenant: str = "acme", **body: Any) -> httpx.Response:
        """Send a body as a tenant."""
        return await self.http.post(path, json=body, headers=bearer(tenant))

    async def search(self, query: str, tenant: str = "acme", **body: Any) -> dict[str, Any]:
        """Search, and expect that it works."""
        response = await self.post("/v1/search", tenant, query=query, **body)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def ask(self, question: str, tenant: str = "acme", **body: Any) -> dict[str, Any]:
        """Ask, and expect that it works."""
        response = await self.post("/v1/query", tenant, question=question, **body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


def bearer(tenant: str, *scopes: str) -> dict[str, str]:
    """Return the header that speaks for a tenant."""
    return {"Authorization": f"Bearer {token(tenant, *scopes)}"}


@asynccontextmanager
async def started_query_api(settings: Settings) -> AsyncIterator[QueryApi]:
    """Start the app as its server would, and stop it."""
    async with query_app(settings) as app:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://query") as http:
            yield QueryApi(http, app.state.context)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """The ids of a version as ingestion leaves it."""

    document_id: UUID
    version_id: UUID
    chunk_ids: list[UUID]


@dataclass(slots=True)
class Corpus:
    """Writes collections, versions and points, as ingestion would have."""

    database: Database
    vectors: VectorStore
    embedder: Embedder = field(default_factory=lambda: HashingEmbedder(FAKE))
    indexes: dict[tuple[str, str], tuple[UUID, UUID]] = field(default_factory=dict)

    async def collection(self, tenant: str = "acme", name: str = "default") -> UUID:
        """Make a collection with a ready index, once; return the index."""
        if (tenant, name) not in self.indexes:
            ids = self.indexes[tenant, name] = (new_id(), new_id())
            space = self.embedder.space
            await self.vectors.create_index(ids[1], dimensions=space.dimensions)
            async with self.database.worker() as connection:
                await _insert_collection(connection, tenant, name, ids, space.name)
        return self.indexes[tenant, name][1]

    async def add(
        self,
        *texts: str,
        tenant: str = "acme",
        collection: str = "default",
        filename: str = "a.txt",
        document_id: UUID | None = None,
        version: int = 1,
        live: bool = True,
        attributes: Mapping[str, Any] | None = None,
    ) -> StoredVersion:
        """Write a version with a chunk on a page of its own for each text."""
        index_id = await self.collection(tenant, collection)
        stored = StoredVersion(document_id or new_id(), new_id(), [])
        rows = [chunk_row(tenant, index_id, stored, at, text) for at, text in enumerate(texts)]
        stored.chunk_ids.extend(row["id"] for row in rows)
        async with self.database.worker() as connection:
            if document_id is None:
                await connection.execute(
                    insert(documents).values(
                        id=stored.document_id,
                        tenant_id=tenant,
                        collection_id=self.indexes[tenant, collection][0],
                        name=filename,
                        attributes=dict(attributes or {}),
                        newest_version=version,
                    )
                )
            await _insert_version(connection, tenant, stored, version)
            await connection.execute(insert(chunks), rows)
        payload = {
            "tenant_id": tenant,
            "filename": filename,
            "media_type": "text/plain",
            "created_at": "2026-01-01T00:00:00+00:00",
            "attributes": dict(attributes or {}),
        }
        await self._upsert(index_id, stored, texts, payload)
        if live:
            await self.go_live(stored, version)
        return stored

    async def go_live(self, stored: StoredVersion, version: int) -> None:
        """Let queries see this version."""
        await self._set(stored, live_version=version)

    async def delete(self, stored: StoredVersion) -> None:
        """Delete the document as the door does: its points go later."""
        await self._set(stored, live_version=None, deleted_at=func.now())

    async def _set(self, stored: StoredVersion, **values: Any) -> None:
        async with self.database.worker() as connection:
            await connection.execute(
                update(documents).where(documents.c.id == stored.document_id).values(**values)
            )

    async def _upsert(
        self, index_id: UUID, stored: StoredVersion, texts: Sequence[str], payload: dict[str, Any]
    ) -> None:
        embedded = await self.embedder.embed_documents(texts)
        ids = {"document_id": str(stored.document_id), "version_id": str(stored.version_id)}
        points = [
            Point(
                id=stored.chunk_ids[at],
                dense=embedded.vectors[at].tolist(),
                sparse=document_terms(text),
                payload=payload | ids | {"page": [at + 1]},
            )
            for at, text in enumerate(texts)
        ]
        await self.vectors.upsert(index_id, points)


async def _insert_collection(
    connection: AsyncConnection, tenant: str, name: str, ids: tuple[UUID, UUID], space: str
) -> None:
    await connection.execute(
        insert(collections).values(id=ids[0], tenant_id=tenant, name=name, active_index=ids[1])
    )
    await connection.execute(
        insert(indexes).values(
            id=ids[1],
            tenant_id=tenant,
            collection_id=ids[0],
            space=space,
            chunker="1",
            ready=True,
        )
    )


async def _insert_version(
    connection: AsyncConnection, tenant: str, stored: StoredVersion, version: int
) -> None:
    blob_id = new_id()
    digest = hashlib.sha256(blob_id.bytes).digest()
    await connection.execute(
        insert(blobs).values(id=blob_id, tenant_id=tenant, sha256=digest, size=1)
    )
    await connection.execute(
        insert(versions).values(
            id=stored.version_id,
            tenant_id=tenant,
            document_id=stored.document_id,
            number=version,
            blob_id=blob_id,
        )
    )


def chunk_row(
    tenant: str, index_id: UUID, stored: StoredVersion, ordinal: int, text: str
) -> dict[str, Any]:
    """Return the row of a chunk, on the page and in the section after its ordinal's."""
    return {
        "id": chunk_id(index_id, stored.version_id, ordinal),
        "tenant_id": tenant,
        "index_id": index_id,
        "document_id": stored.document_id,
        "version_id": stored.version_id,
        "ordinal": ordinal,
        "text": text,
        "tokens": len(text.split()),
        "page_start": ordinal + 1,
        "page_end": ordinal + 1,
        "section": [f"Section {ordinal + 1}"],
        "text_sha256": text_sha256(text),
    }
