"""Qdrant as the vector store: one collection for each index, over one pooled HTTP client."""

import asyncio
import json
import math
import ssl
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import TypeVar, cast
from uuid import UUID

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from shared.errors import CitewellError, Conflict, VectorStoreUnavailable
from shared.vectors.base import (
    MOST_INDEXED,
    Candidate,
    Candidates,
    FieldKind,
    IndexMissing,
    Point,
    VectorQuery,
)
from shared.vectors.filters import parse_filters
from shared.vectors.qdrant_filters import attribute_key, qdrant_condition

DENSE, TERMS = "dense", "terms"
# A number is a float there: an integer index would cut the fractions of a filter's bounds.
SCHEMAS: Mapping[FieldKind, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.FLOAT,
    "boolean": models.PayloadSchemaType.BOOL,
    "time": models.PayloadSchemaType.DATETIME,
}
INDEXED: Mapping[str, FieldKind] = {
    "tenant_id": "keyword",
    "document_id": "keyword",
    "version_id": "keyword",
    "filename": "keyword",
    "media_type": "keyword",
    "page": "number",
    "created_at": "time",
}
MAX_REQUEST_BYTES = 4 * 1024 * 1024
# Vectors fetched by one request: at 3072 dimensions some 16 MB of JSON.
FETCHED_AT_ONCE = 256
COUNTED_AT_ONCE = 500

# The longest a float is in JSON, its comma included; term ids are shorter.
_FLOAT_BYTES = 25
_TERM_BYTES = 11
_POINT_BYTES = 150  # id and field names
_REQUEST_BYTES = 1024
# Qdrant closes an idle connection after 5 s; one that is given up sooner is never found closed.
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=4)
# A key that is not taken is an operator's mistake; work waits until it is mended.
_PASSING = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_TENANT_SCHEMA = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
T = TypeVar("T")


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted: reading them takes longer than all else here."""
    return httpx.create_ssl_context()


class _Refused(CitewellError):
    """Qdrant calls the request itself wrong."""


class QdrantVectorStore:
    """Keeps points in Qdrant, or in anything that speaks its REST API."""

    def __init__(self, url: str, *, api_key: str | None = None, timeout_s: float = 10) -> None:
        """Take the REST URL; nothing connects before the first call.

        No call takes longer than `timeout_s`, connecting included.
        """
        self._timeout_s = timeout_s
        self._client = AsyncQdrantClient(
            url=url,
            # As a header: the client warns of a key over http, which is right in a cluster.
            headers={"api-key": api_key} if api_key else None,
            timeout=math.ceil(timeout_s),
            check_compatibility=False,  # it would ask the server from a thread, in a constructor
            limits=_LIMITS,
            verify=_trusted(),
        )

    async def create_index(self, index_id: UUID, *, dimensions: int) -> None:
        """Make the collection and its payload indexes, or whatever of them is missing."""
        name = _collection(index_id)
        dense = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
        terms = models.SparseVectorParams(modifier=models.Modifier.IDF)
        with suppress(Conflict):
            await self._ask(
                self._client.create_collection(
                    name, vectors_config={DENSE: dense}, sparse_vectors_config={TERMS: terms}
                )
            )
        for field, kind in INDEXED.items():
            await self._index_field(name, field, kind)

    async def index_fields(self, index_id: UUID, fields: Mapping[str, FieldKind]) -> None:
        """Index what is not; the server builds it beside other work.

        Raises:
            IndexMissing: the index was not made yet.
        """
        name = _collection(index_id)
        schema = (await self._ask(self._client.get_collection(name))).payload_schema
        # Qdrant writes paths without the quotes they do not need.
        there = {key.replace('"', "") for key in schema} - set(INDEXED)
        wanted = {attribute_key(one): kind for one, kind in fields.items()}
        fresh = [key for key in wanted if key.replace('"', "") not in there]
        for key in fresh[: max(0, MOST_INDEXED - len(there))]:
            kind = SCHEMAS[wanted[key]]
            await self._ask(self._client.create_payload_index(name, key, kind, wait=False))

    async def drop_index(self, index_id: UUID) -> None:
        """Remove the collection; idempotent."""
        with suppress(IndexMissing):
            await self._ask(self._client.delete_collection(_collection(index_id)))

    async def upsert(self, index_id: UUID, points: Sequence[Point]) -> None:
        """Write points in as many requests as keep each below `MAX_REQUEST_BYTES`."""
        for pack in packed(points):
            await self._ask(self._client.upsert(_collection(index_id), pack, wait=True))

    async def search(self, index_id: UUID, query: VectorQuery) -> Candidates:
        """Search with each given vector, all in one request.

        Raises:
            InvalidInput: the filters are wrong.
            IndexMissing: the index was not made yet.
        """
        requests = _requests(query)
        if not requests:
            return Candidates()
        batch = models.QueryRequestBatch(searches=list(requests.values()))
        # The client's own call copies each vector once more, to look for texts in their place.
        answer = await self._ask(
            self._client.http.search_api.query_batch_points(
                _collection(index_id), query_request_batch=batch
            )
        )
        read = _Ids()
        found = {
            name: tuple(_candidate(point, read) for point in one.points)
            for name, one in zip(requests, answer.result or (), strict=True)
        }
        return Candidates(dense=found.get(DENSE, ()), sparse=found.get(TERMS, ()))

    async def dense_vectors(
        self, index_id: UUID, ids: Sequence[UUID]
    ) -> dict[UUID, Sequence[float]]:
        """Return the dense vectors that are there; none where the index is not."""
        vectors: dict[UUID, Sequence[float]] = {}
        with suppress(IndexMissing):
            for start in range(0, len(ids), FETCHED_AT_ONCE):
                some = [str(id_) for id_ in ids[start : start + FETCHED_AT_ONCE]]
                records = await self._ask(
                    self._client.retrieve(
                        _collection(index_id), some, with_payload=False, with_vectors=[DENSE]
                    )
                )
                vectors.update(_dense_vectors(records))
        return vectors

    async def delete_versions(self, index_id: UUID, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; idempotent."""
        if not version_ids:
            return
        selected = models.FilterSelector(filter=models.Filter(must=[_of_versions(version_ids)]))
        with suppress(IndexMissing):
            await self._ask(self._client.delete(_collection(index_id), selected, wait=True))

    async def count(self, index_id: UUID) -> int:
        """Count points exactly; 0 for no index."""
        try:
            answer = await self._ask(self._client.count(_collection(index_id), exact=True))
        except IndexMissing:
            return 0
        return answer.count

    async def count_versions(
        self, index_id: UUID, version_ids: Collection[UUID]
    ) -> Mapping[UUID, int]:
        """Count the points of each of these versions exactly; one without any is left out."""
        counts: dict[UUID, int] = {}
        wanted = list(version_ids)
        with suppress(IndexMissing):
            for start in range(0, len(wanted), COUNTED_AT_ONCE):
                some = wanted[start : start + COUNTED_AT_ONCE]
                counts |= await self._count_each(index_id, _of_versions(some), limit=len(some))
        return counts

    async def versions(self, index_id: UUID, *, tenant_id: str, limit: int) -> Mapping[UUID, int]:
        """Return up to `limit` versions of a tenant with the number of their points, exactly."""
        try:
            return await self._count_each(index_id, _of_tenant(tenant_id), limit=limit)
        except IndexMissing:
            return {}

    async def ping(self) -> None:
        """Ask a small question, with the key, that costs the server nothing."""
        await self._ask(self._client.collection_exists("citewell_ping"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _index_field(self, name: str, field: str, kind: FieldKind) -> None:
        schema = _TENANT_SCHEMA if field == "tenant_id" else SCHEMAS[kind]
        await self._ask(self._client.create_payload_index(name, field, schema, wait=True))

    async def _count_each(
        self, index_id: UUID, those: models.FieldCondition, *, limit: int
    ) -> dict[UUID, int]:
        """Count points by version, with the most first."""
        name = _collection(index_id)

        async def count() -> models.FacetResponse:
            wanted = models.Filter(must=[those])
            return await self._ask(
                self._client.facet(name, "version_id", wanted, limit=limit, exact=True)
            )

        try:
            answer = await count()
        except _Refused:
            # Whoever made the collection was stopped before its fields were indexed.
            await self._index_field(name, "version_id", "keyword")
            answer = await count()
        return {UUID(str(hit.value)): hit.count for hit in answer.hits}

    async def _ask(self, call: Awaitable[T]) -> T:
        """Bound a call in time and turn the client's exceptions into ours."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call
        except TimeoutError as error:
            detail = f"Qdrant did not answer within {self._timeout_s:g} s."
            raise VectorStoreUnavailable(detail) from error
        except ResponseHandlingException as error:
            raise VectorStoreUnavailable(f"Qdrant does not answer: {error.source!r}.") from error
        except ValueError as error:
            raise VectorStoreUnavailable("What answers is not Qdrant.") from error
        except ResourceExhaustedResponse as error:
            detail = "Qdrant has too much to do."
            raise VectorStoreUnavailable(detail, retry_after_s=error.retry_after_s) from error
        except UnexpectedResponse as error:
            raise _refusal(error) from error


def _collection(index_id: UUID) -> str:
    return f"citewell_{index_id.hex}"


def _refusal(error: UnexpectedResponse) -> CitewellError:
    status = error.status_code or HTTPStatus.INTERNAL_SERVER_ERROR
    detail = f"Qdrant answered {status}: {_told(error)}"
    if status == HTTPStatus.NOT_FOUND:
        return IndexMissing(detail)
    if status == HTTPStatus.CONFLICT:
        return Conflict(detail)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return VectorStoreUnavailable(detail)
    return _Refused(detail)


def _told(error: UnexpectedResponse) -> str:
    try:
        return str(error.structured()["status"]["error"])
    except (ValueError, LookupError, TypeError):
        return error.content[:200].decode(errors="replace")


def packed(points: Sequence[Point]) -> Iterator[list[models.PointStruct]]:
    """Cut points into lists, each of which is sent in less than `MAX_REQUEST_BYTES`."""
    pack: list[models.PointStruct] = []
    size = _REQUEST_BYTES
    for point in points:
        more = _size(point)
        if pack and size + more > MAX_REQUEST_BYTES:
            yield pack
            pack, size = [], _REQUEST_BYTES
        pack.append(_point_struct(point))
        size += more
    if pack:
        yield pack


def _size(point: Point) -> int:
    """Return how long a point is in JSON at most."""
    terms = len(point.sparse.indices) * (_TERM_BYTES + _FLOAT_BYTES)
    payload = len(json.dumps(dict(point.payload)))
    return _POINT_BYTES + len(point.dense) * _FLOAT_BYTES + terms + payload


def _point_struct(point: Point) -> models.PointStruct:
    vectors: dict[str, models.Vector] = {DENSE: [float(value) for value in point.dense]}
    # A point without terms is left out of the sparse index, and of its idf.
    if point.sparse.indices:
        vectors[TERMS] = models.SparseVector(
            indices=list(point.sparse.indices), values=list(point.sparse.values)
        )
    return models.PointStruct(id=str(point.id), vector=vectors, payload=dict(point.payload))


def _requests(query: VectorQuery) -> dict[str, models.QueryRequest]:
    """Return a request for each vector given; one without any term finds nothing."""
    vectors: dict[str, list[float] | models.SparseVector] = {}
    if query.dense is not None:
        vectors[DENSE] = [float(value) for value in query.dense]
    if query.sparse is not None and query.sparse.indices:
        vectors[TERMS] = models.SparseVector(
            indices=list(query.sparse.indices), values=list(query.sparse.values)
        )
    wanted = _filter(query)
    return {
        mode: models.QueryRequest(
            query=vector,
            using=mode,
            filter=wanted,
            limit=query.depth,
            with_payload=["version_id"],
        )
        for mode, vector in vectors.items()
    }


def _filter(query: VectorQuery) -> models.Filter:
    wanted: list[models.Condition] = [_of_tenant(query.tenant_id)]
    if query.filters:
        wanted.append(qdrant_condition(parse_filters(query.filters)))
    unwanted: list[models.Condition] = []
    if query.excluded_versions:
        unwanted.append(_of_versions(query.excluded_versions))
    return models.Filter(must=wanted, must_not=unwanted or None)


def _of_tenant(tenant_id: str) -> models.FieldCondition:
    return models.FieldCondition(key="tenant_id", match=models.MatchValue(value=tenant_id))


def _of_versions(versions: Sequence[UUID]) -> models.FieldCondition:
    return models.FieldCondition(
        key="version_id", match=models.MatchAny(any=[str(version) for version in versions])
    )


class _Ids(dict[str, UUID]):
    """Ids read so far: both lists have many of the same, and versions have many chunks."""

    def __missing__(self, written: str) -> UUID:
        self[written] = read = UUID(written)
        return read


def _candidate(point: models.ScoredPoint, read: _Ids) -> Candidate:
    payload = point.payload or {}
    return Candidate(read[str(point.id)], read[payload["version_id"]], point.score)


def _dense_vectors(records: Iterable[models.Record]) -> Iterator[tuple[UUID, list[float]]]:
    for record in records:
        named = record.vector if isinstance(record.vector, dict) else {}
        dense = named.get(DENSE)
        if isinstance(dense, list):
            yield UUID(str(record.id)), cast("list[float]", dense)
