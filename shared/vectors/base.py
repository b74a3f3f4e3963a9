"""The vector store's port: points of an index in, scored candidates out.

One index is one collection of the store. The store never holds text and never decides what a
query may see; Postgres does (see `services.query_api.retrieval`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from shared.errors import VectorStoreUnavailable

# What an attribute's values are looked up as.
FieldKind = Literal["keyword", "number", "boolean", "time"]
# Attributes of one index that are quick to filter by; each costs memory and every write time.
MOST_INDEXED = 64


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term ids and weights, of equal length; ids are unsigned 32-bit and unique."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk in the store; `id` is the chunk's id.

    `payload` holds `tenant_id`, `document_id`, `version_id`, `filename`, `media_type`, `page`
    (list of ints), `created_at` (ISO 8601) and `attributes` (object), never text.
    """

    id: UUID
    dense: Sequence[float]
    sparse: SparseVector
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point a search brought back; `score` is cosine for dense, weighted dot for sparse."""

    chunk_id: UUID
    version_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one search brought back, best first; a mode not asked for is empty."""

    dense: tuple[Candidate, ...] = ()
    sparse: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """One search of one index; at least one of `dense` and `sparse` is given.

    `filters` is the wire form of filters, already validated
    (`{"year": {"gte": 2020}}`, `any`, `all`, `not`).
    """

    tenant_id: str
    depth: int
    dense: Sequence[float] | None = None
    sparse: SparseVector | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    excluded_versions: Sequence[UUID] = ()


class IndexMissing(VectorStoreUnavailable):
    """The index is not in the store yet, or not any more."""


class VectorStore(Protocol):
    """Holds the points of every index.

    Every method raises `VectorStoreUnavailable` when the store does not answer in time; `upsert`
    and `search` raise its kind `IndexMissing` where there is no such index.
    """

    async def create_index(self, index_id: UUID, *, dimensions: int) -> None:
        """Make the collection of an index, its payload indexes included; idempotent."""
        ...

    async def index_fields(self, index_id: UUID, fields: Mapping[str, FieldKind]) -> None:
        """Make filters by these attributes quick; idempotent.

        What is indexed already stays as it is; beyond `MOST_INDEXED` of an index, filters stay
        slow. They find the same in any case.
        """
        ...

    async def drop_index(self, index_id: UUID) -> None:
        """Remove an index with all its points; idempotent."""
        ...

    async def upsert(self, index_id: UUID, points: Sequence[Point]) -> None:
        """Write points and wait until they are durable; the same id overwrites."""
        ...

    async def search(self, index_id: UUID, query: VectorQuery) -> Candidates:
        """Return up to `depth` candidates for each given vector, in one request."""
        ...

    async def dense_vectors(
        self, index_id: UUID, ids: Sequence[UUID]
    ) -> dict[UUID, Sequence[float]]:
        """Return the dense vector of each id that is there; an absent point is left out."""
        ...

    async def delete_versions(self, index_id: UUID, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; idempotent."""
        ...

    async def count(self, index_id: UUID) -> int:
        """Count the points of an index exactly; 0 for no index."""
        ...

    async def count_versions(
        self, index_id: UUID, version_ids: Collection[UUID]
    ) -> Mapping[UUID, int]:
        """Count the points of each of these versions exactly; one without any is left out."""
        ...

    async def versions(self, index_id: UUID, *, tenant_id: str, limit: int) -> Mapping[UUID, int]:
        """Return up to `limit` versions of a tenant that have points, each with their exact number.

        Those with the most points first; none for no index.
        """
        ...

    async def ping(self) -> None:
        """Return when the store answers, else raise."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
