"""The vector store in this process's memory: the double for tests and for trying things out.

It computes what Qdrant computes, idf and filters included, by looking at every point.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nlargest
from typing import Any, assert_never
from uuid import UUID

from shared.errors import CitewellError
from shared.vectors.base import (
    Candidate,
    Candidates,
    FieldKind,
    IndexMissing,
    Point,
    SparseVector,
    VectorQuery,
)
from shared.vectors.filters import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Equals,
    Field,
    NoneOf,
    OneOf,
    Present,
    parse_filters,
    parse_time,
)


@dataclass(slots=True)
class _Index:
    dimensions: int
    points: dict[UUID, Point] = field(default_factory=dict)


class MemoryVectorStore:
    """Keeps points in dictionaries; they are gone when the process ends."""

    def __init__(self) -> None:
        """Begin without any index."""
        self._indexes: dict[UUID, _Index] = {}

    async def create_index(self, index_id: UUID, *, dimensions: int) -> None:
        """Make an index; idempotent."""
        self._indexes.setdefault(index_id, _Index(dimensions))

    async def index_fields(self, index_id: UUID, fields: Mapping[str, FieldKind]) -> None:
        """Do nothing: every point is looked at."""

    async def drop_index(self, index_id: UUID) -> None:
        """Remove an index; idempotent."""
        self._indexes.pop(index_id, None)

    async def upsert(self, index_id: UUID, points: Sequence[Point]) -> None:
        """Write points; the same id overwrites."""
        if not points:
            return
        index = self._index(index_id)
        if any(len(point.dense) != index.dimensions for point in points):
            raise CitewellError(f"Vectors of this index have {index.dimensions} dimensions.")
        index.points.update({point.id: _normalised(point) for point in points})

    async def search(self, index_id: UUID, query: VectorQuery) -> Candidates:
        """Score every point that the tenant, the filters and the exclusions leave."""
        wanted, points = parse_filters(query.filters), self._index(index_id).points
        excluded = {str(version) for version in query.excluded_versions}
        left = [
            point
            for point in points.values()
            if point.payload["tenant_id"] == query.tenant_id
            and point.payload["version_id"] not in excluded
            and matches(wanted, point.payload)
        ]
        dense = _dense_scores(left, query.dense) if query.dense is not None else []
        sparse = _sparse_scores(left, query.sparse, points.values()) if query.sparse else []
        return Candidates(_best(dense, query.depth), _best(sparse, query.depth))

    async def dense_vectors(
        self, index_id: UUID, ids: Sequence[UUID]
    ) -> dict[UUID, Sequence[float]]:
        """Return the dense vectors that are there."""
        points = self._points(index_id)
        return {id_: points[id_].dense for id_ in ids if id_ in points}

    async def delete_versions(self, index_id: UUID, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; idempotent."""
        points, dead = self._points(index_id), {str(version) for version in version_ids}
        for id_ in [id_ for id_, point in points.items() if point.payload["version_id"] in dead]:
            del points[id_]

    async def count(self, index_id: UUID) -> int:
        """Count points; 0 for no index."""
        return len(self._points(index_id))

    async def count_versions(
        self, index_id: UUID, version_ids: Collection[UUID]
    ) -> Mapping[UUID, int]:
        """Count the points of each of these versions; one without any is left out."""
        points = self._points(index_id).values()
        counts = Counter(UUID(point.payload["version_id"]) for point in points)
        return {version: counts[version] for version in version_ids if counts[version]}

    async def versions(self, index_id: UUID, *, tenant_id: str, limit: int) -> Mapping[UUID, int]:
        """Return up to `limit` versions of a tenant with the number of their points."""
        counts = Counter(
            UUID(point.payload["version_id"])
            for point in self._points(index_id).values()
            if point.payload["tenant_id"] == tenant_id
        )
        return dict(counts.most_common(limit))

    async def ping(self) -> None:
        """Return: memory always answers."""

    async def aclose(self) -> None:
        """Do nothing; what is in memory stays there."""

    def _index(self, index_id: UUID) -> _Index:
        if index_id not in self._indexes:
            raise IndexMissing(f"There is no index {index_id} in the store yet.")
        return self._indexes[index_id]

    def _points(self, index_id: UUID) -> dict[UUID, Point]:
        return self._indexes[index_id].points if index_id in self._indexes else {}


def matches(condition: Condition, payload: Mapping[str, Any]) -> bool:
    """Tell whether a payload meets a condition, as Qdrant would."""
    match condition:
        case AllOf(parts):
            return all(matches(part, payload) for part in parts)
        case AnyOf(parts):
            return any(matches(part, payload) for part in parts)
        case NoneOf(parts):
            return not any(matches(part, payload) for part in parts)
        case _:
            return any(_meets(value, condition) for value in _values(condition.field, payload))


def _meets(value: object, condition: Equals | OneOf | Between | Present) -> bool:
    match condition:
        case Equals(_, wanted):
            return type(value) is type(wanted) and value == wanted
        case OneOf(_, wanted):
            return isinstance(value, str) and value in wanted
        case Between():
            return _within(condition, value)
        case Present():
            return True
        case _:
            assert_never(condition)


def _values(where: Field, payload: Mapping[str, Any]) -> list[Any]:
    found: Any = payload
    for name in where.path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _within(bounds: Between, value: object) -> bool:
    limits = (bounds.gt, bounds.gte, bounds.lt, bounds.lte)
    if any(isinstance(limit, datetime) for limit in limits):
        moment = parse_time(value) if isinstance(value, str) else None
        return moment is not None and _ordered(moment, limits)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return _ordered(float(value), limits)


def _ordered(value: Any, limits: tuple[Any, Any, Any, Any]) -> bool:
    gt, gte, lt, lte = limits
    return (
        (gt is None or value > gt)
        and (gte is None or value >= gte)
        and (lt is None or value < lt)
        and (lte is None or value <= lte)
    )


def _normalised(point: Point) -> Point:
    length = math.hypot(*point.dense) or 1.0
    dense = [value / length for value in point.dense]
    return Point(id=point.id, dense=dense, sparse=point.sparse, payload=dict(point.payload))


def _dense_scores(points: Iterable[Point], asked: Sequence[float]) -> list[tuple[float, Point]]:
    length = math.hypot(*asked) or 1.0
    return [
        (sum(a * b for a, b in zip(point.dense, asked, strict=True)) / length, point)
        for point in points
    ]


def _sparse_scores(
    points: Iterable[Point], asked: SparseVector, corpus: Iterable[Point]
) -> list[tuple[float, Point]]:
    """Weight each shared term by its idf over the whole index, whoever owns the points."""
    held = [point.sparse.indices for point in corpus if point.sparse.indices]
    frequency = Counter(term for indices in held for term in indices)
    weights = {
        term: weight * _idf(frequency[term], len(held))
        for term, weight in zip(asked.indices, asked.values, strict=True)
    }
    scored = []
    for point in points:
        terms = zip(point.sparse.indices, point.sparse.values, strict=True)
        shared = [weights[term] * value for term, value in terms if term in weights]
        if shared:
            scored.append((sum(shared), point))
    return scored


def _idf(frequency: int, size: int) -> float:
    # Qdrant's formula, which is that of BM25.
    return math.log((size - frequency + 0.5) / (frequency + 0.5) + 1)


def _best(scored: Iterable[tuple[float, Point]], depth: int) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(point.id, UUID(point.payload["version_id"]), score)
        for score, point in nlargest(depth, scored, key=lambda pair: pair[0])
    )
