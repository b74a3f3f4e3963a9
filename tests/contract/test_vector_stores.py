"""What every vector store promises: the double, Qdrant over the embedded server, a real Qdrant.

The last runs where `CITEWELL_TEST_QDRANT_URL` names one.
"""

import math
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from qdrant_client import AsyncQdrantClient, models

from shared.errors import CitewellError, InvalidInput, VectorStoreUnavailable
from shared.vectors.base import (
    FieldKind,
    IndexMissing,
    Point,
    SparseVector,
    VectorQuery,
    VectorStore,
)
from shared.vectors.memory import MemoryVectorStore
from shared.vectors.qdrant import COUNTED_AT_ONCE, QdrantVectorStore
from tests.support.qdrant import QdrantTestSettings, start_qdrant

TENANT = "acme"
NO_TERMS = SparseVector((), ())


@pytest.fixture(scope="module")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_qdrant(tmp_path_factory.mktemp("qdrant")) as url:
        yield url


REAL = QdrantTestSettings().citewell_test_qdrant_url
STORES = ["memory", "embedded", *(["real"] if REAL else [])]


@pytest.fixture(scope="module", params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    if request.param == "embedded":
        embedded: str = request.getfixturevalue("embedded_url")
        return embedded
    return REAL


def build(url: str) -> VectorStore:
    return QdrantVectorStore(url) if url else MemoryVectorStore()


@pytest.fixture
async def store(url: str) -> AsyncIterator[VectorStore]:
    store = build(url)
    yield store
    await store.aclose()


@pytest.fixture
async def index(store: VectorStore) -> AsyncIterator[UUID]:
    index_id = uuid4()
    await store.create_index(index_id, dimensions=4)
    yield index_id
    await store.drop_index(index_id)


def point(
    *,
    dense: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
    terms: Mapping[int, float] | None = None,
    tenant: str = TENANT,
    version: UUID | None = None,
    **payload: Any,
) -> Point:
    terms = terms or {}
    return Point(
        id=uuid4(),
        dense=dense,
        sparse=SparseVector(tuple(terms), tuple(terms.values())),
        payload={
            "tenant_id": tenant,
            "document_id": str(uuid4()),
            "version_id": str(version or uuid4()),
            "filename": "a/b.pdf",
            "media_type": "application/pdf",
            "page": [1],
            "created_at": "2026-05-01T10:00:00+00:00",
            "attributes": {},
            **payload,
        },
    )


def near(*, depth: int = 10, **query: Any) -> VectorQuery:
    return VectorQuery(tenant_id=TENANT, depth=depth, dense=(1.0, 0.0, 0.0, 0.0), **query)


class TestSearch:
    async def test_the_nearest_come_first_with_their_cosine(
        self, store: VectorStore, index: UUID
    ) -> None:
        same = point(dense=(3.0, 0.0, 0.0, 0.0))
        slanted = point(dense=(1.0, 1.0, 0.0, 0.0))
        across = point(dense=(0.0, 0.0, 2.0, 0.0))
        await store.upsert(index, [across, slanted, same])
        found = await store.search(index, near())
        assert [one.chunk_id for one in found.dense] == [same.id, slanted.id, across.id]
        scores = [one.score for one in found.dense]
        assert scores == pytest.approx([1, math.sqrt(0.5), 0], abs=1e-5)
        assert found.sparse == ()

    async def test_a_candidate_names_its_version(self, store: VectorStore, index: UUID) -> None:
        version = uuid4()
        await store.upsert(index, [point(version=version)])
        [found] = (await store.search(index, near())).dense
        assert found.version_id == version

    async def test_a_rare_term_outranks_a_common_one(self, store: VectorStore, index: UUID) -> None:
        common = [point(terms={7: 1.0}) for _ in range(9)]
        rare = point(terms={9: 1.0})
        await store.upsert(index, [*common, rare])
        asked = SparseVector((7, 9), (1.0, 1.0))
        found = await store.search(index, VectorQuery(tenant_id=TENANT, depth=3, sparse=asked))
        assert found.sparse[0].chunk_id == rare.id
        # The idf of a term in n of N points is ln((N - n + 0.5) / (n + 0.5) + 1).
        assert found.sparse[0].score == pytest.approx(math.log(9.5 / 1.5 + 1), rel=1e-4)
        assert found.sparse[1].score == pytest.approx(math.log(1.5 / 9.5 + 1), rel=1e-4)
        assert found.dense == ()

    async def test_only_points_with_a_shared_term_are_found_by_terms(
        self, store: VectorStore, index: UUID
    ) -> None:
        await store.upsert(index, [point(terms={1: 1.0}), point(terms={2: 1.0}), point()])
        asked = SparseVector((2, 3), (1.0, 1.0))
        found = await store.search(index, VectorQuery(tenant_id=TENANT, depth=9, sparse=asked))
        assert len(found.sparse) == 1

    async def test_weights_of_both_sides_count(self, store: VectorStore, index: UUID) -> None:
        heavy, light = point(terms={5: 2.0}), point(terms={5: 0.5})
        await store.upsert(index, [light, heavy])
        asked = SparseVector((5,), (3.0,))
        found = await store.search(index, VectorQuery(tenant_id=TENANT, depth=9, sparse=asked))
        assert [one.chunk_id for one in found.sparse] == [heavy.id, light.id]
        assert found.sparse[0].score == pytest.approx(found.sparse[1].score * 4, rel=1e-4)

    async def test_both_vectors_are_answered_each_in_its_own_list(
        self, store: VectorStore, index: UUID
    ) -> None:
        one, other = point(terms={1: 1.0}), point(dense=(0.0, 1.0, 0.0, 0.0), terms={2: 1.0})
        await store.upsert(index, [one, other])
        found = await store.search(index, near(sparse=SparseVector((2,), (1.0,))))
        assert [c.chunk_id for c in found.dense] == [one.id, other.id]
        assert [c.chunk_id for c in found.sparse] == [other.id]

    async def test_no_more_than_the_depth_come_back(self, store: VectorStore, index: UUID) -> None:
        await store.upsert(index, [point(terms={1: 1.0}) for _ in range(5)])
        found = await store.search(index, near(depth=3, sparse=SparseVector((1,), (1.0,))))
        assert (len(found.dense), len(found.sparse)) == (3, 3)

    async def test_another_tenants_points_are_never_found(
        self, store: VectorStore, index: UUID
    ) -> None:
        mine, theirs = point(terms={1: 1.0}), point(terms={1: 1.0}, tenant="other")
        await store.upsert(index, [mine, theirs])
        wanted = {"any": [{"filename": "a/b.pdf"}, {"not": {"filename": "a/b.pdf"}}]}
        asked = near(sparse=SparseVector((1,), (1.0,)), filters=wanted)
        found = await store.search(index, asked)
        assert {c.chunk_id for c in (*found.dense, *found.sparse)} == {mine.id}

    async def test_excluded_versions_are_left_out(self, store: VectorStore, index: UUID) -> None:
        dead, live = uuid4(), uuid4()
        await store.upsert(index, [point(version=dead), point(version=live), point(version=dead)])
        found = await store.search(index, near(excluded_versions=[dead, uuid4()]))
        assert [one.version_id for one in found.dense] == [live]

    async def test_a_query_without_terms_finds_none_by_terms(
        self, store: VectorStore, index: UUID
    ) -> None:
        await store.upsert(index, [point(terms={1: 1.0})])
        found = await store.search(index, VectorQuery(tenant_id=TENANT, depth=9, sparse=NO_TERMS))
        assert (found.dense, found.sparse) == ((), ())

    async def test_an_empty_index_answers_with_nothing(
        self, store: VectorStore, index: UUID
    ) -> None:
        found = await store.search(index, near(sparse=SparseVector((1,), (1.0,))))
        assert (found.dense, found.sparse) == ((), ())

    async def test_an_index_that_was_not_made_is_not_available(self, store: VectorStore) -> None:
        with pytest.raises(IndexMissing) as missing:
            await store.search(uuid4(), near())
        assert isinstance(missing.value, VectorStoreUnavailable)
        assert missing.value.retryable


MARCH: dict[str, Any] = {
    "page": [3, 4],
    "created_at": "2026-03-01T00:00:00+00:00",
    "filename": "march.md",
}
MAY: dict[str, Any] = {
    "page": [7],
    "created_at": "2026-05-01T10:00:00+02:00",
    "media_type": "text/plain",
}
ANN: dict[str, Any] = {
    "author": "Ann",
    "year": 2020,
    "ratio": 0.5,
    "signed": True,
    "tags": ["red", "blue"],
    "due": "2026-04-01",
    "big": 2**53 + 1,
    "my key.v1": "x",
    "odd": {"a": 1},
}
BOB: dict[str, Any] = {
    "author": "Bob",
    "year": 2024.0,
    "ratio": 1,
    "signed": False,
    "tags": [],
    "gone": None,
    "odd": "x",
}
# Indexes make filters quick and change nothing else, whatever else a point holds there.
FIELDS: dict[str, FieldKind] = {
    "author": "keyword",
    "year": "number",
    "ratio": "number",
    "big": "number",
    "signed": "boolean",
    "tags": "keyword",
    "due": "time",
    "gone": "keyword",
    "my key.v1": "keyword",
    "odd": "keyword",
}

# Which of the points `ann`, `bob` and `bare` (without attributes) filters leave.
FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"ann", "bob", "bare"}),
    ({"author": "Ann"}, {"ann"}),
    ({"author": {"eq": "Bob"}}, {"bob"}),
    ({"author": {"ne": "Ann"}}, {"bob", "bare"}),
    ({"author": {"in": ["Ann", "Cid"]}}, {"ann"}),
    ({"author": {"nin": ["Ann", "Cid"]}}, {"bob", "bare"}),
    ({"author": "ann"}, set()),
    ({"year": 2020}, {"ann"}),
    ({"year": 2024}, {"bob"}),
    ({"year": {"gte": 2020, "lt": 2024}}, {"ann"}),
    ({"year": {"gt": 2020}}, {"bob"}),
    ({"year": {"lte": 2024}}, {"ann", "bob"}),
    ({"year": {"in": [2020, 2021]}}, {"ann"}),
    ({"year": {"nin": [2020]}}, {"bob", "bare"}),
    ({"year": "2020"}, set()),
    ({"ratio": 0.5}, {"ann"}),
    ({"ratio": {"lt": 0.75}}, {"ann"}),
    ({"ratio": 1.0}, {"bob"}),
    ({"big": 2**53 + 1}, {"ann"}),
    ({"big": 2**53}, set()),
    ({"signed": True}, {"ann"}),
    ({"signed": False}, {"bob"}),
    ({"signed": {"ne": True}}, {"bob", "bare"}),
    ({"signed": {"in": [True, False]}}, {"ann", "bob"}),
    ({"signed": 1}, set()),
    ({"tags": "blue"}, {"ann"}),
    ({"tags": {"in": ["green", "red"]}}, {"ann"}),
    ({"tags": {"nin": ["green", "red"]}}, {"bob", "bare"}),
    ({"author": {"in": ["Ann", 5]}}, {"ann"}),
    ({"due": {"gte": "2026-03-31", "lt": "2026-04-02T00:00:00Z"}}, {"ann"}),
    ({"due": {"gt": "2026-04-01"}}, set()),
    ({"author": {"exists": True}}, {"ann", "bob"}),
    ({"author": {"exists": False}}, {"bare"}),
    ({"gone": {"exists": False}}, {"ann", "bob", "bare"}),
    ({"tags": {"exists": True}}, {"ann"}),
    ({"my key.v1": "x"}, {"ann"}),
    ({"my key": {"exists": True}}, set()),
    ({"odd": {"exists": True}}, {"ann", "bob"}),
    ({"odd": "x"}, {"bob"}),
    ({"due": "2026-04-01"}, {"ann"}),
    ({"due": {"exists": False}}, {"bob", "bare"}),
    ({"author": "Ann", "year": 2024}, set()),
    ({"any": [{"author": "Ann"}, {"year": 2024}]}, {"ann", "bob"}),
    ({"all": [{"author": "Ann"}, {"year": {"lt": 2021}}]}, {"ann"}),
    ({"not": {"author": "Ann"}}, {"bob", "bare"}),
    ({"not": {"author": "Ann", "year": 2024}}, {"ann", "bob", "bare"}),
    ({"not": {"any": [{"author": "Ann"}, {"year": 2024}]}}, {"bare"}),
    ({"all": [{"not": {"author": "Ann"}}, {"any": [{"signed": False}]}]}, {"bob"}),
    ({"filename": "march.md"}, {"ann"}),
    ({"filename": {"ne": "march.md"}}, {"bob", "bare"}),
    ({"media_type": {"in": ["text/plain"]}}, {"bob"}),
    ({"page": 3}, {"ann"}),
    ({"page": {"gte": 4, "lte": 6}}, {"ann"}),
    ({"page": {"gt": 4, "lt": 7}}, set()),
    ({"page": {"in": [1, 7]}}, {"bob", "bare"}),
    ({"created_at": {"gte": "2026-05-01"}}, {"bob", "bare"}),
    ({"created_at": "2026-05-01T08:00:00Z"}, {"bob"}),
    ({"created_at": {"lt": "2026-05-01T09:00:00+01:00"}}, {"ann"}),
    ({"created_at": {"ne": "2026-03-01"}}, {"bob", "bare"}),
]
WRONG: list[dict[str, Any]] = [
    {"author": None},
    {"author": ["Ann"]},
    {"author": {"like": "A%"}},
    {"author": {}},
    {"author": {"gt": "Ann"}},
    {"author": {"in": "Ann"}},
    {"author": {"in": []}},
    {"author": {"exists": "yes"}},
    {"year": {"gte": True}},
    {"year": {"gte": 1, "lt": "2026-01-01"}},
    {"year": 2**63},
    {"year": math.inf},
    {"page": "3"},
    {"page": {"gte": "2026-01-01"}},
    {"filename": {"gte": "a"}},
    {"filename": 3},
    {"document_id": "not-a-uuid"},
    {"created_at": "yesterday"},
    {"created_at": {"gte": 2026}},
    {"any": {"author": "Ann"}},
    {"any": []},
    {"all": ["author"]},
    {"not": [{"author": "Ann"}]},
    {'a"b': 1},
    {"": 1},
    {"author": "\ud800"},
    {"author": {"in": ["x"] * 1000}},
]


@dataclass(frozen=True)
class Filled:
    """An index with three points, and their names."""

    store: VectorStore
    index: UUID
    points: Mapping[str, Point]

    async def left(self, filters: Mapping[str, Any]) -> set[str]:
        names = {one.id: name for name, one in self.points.items()}
        found = await self.store.search(self.index, near(filters=filters))
        return {names[one.chunk_id] for one in found.dense}


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["plain", "indexed before", "indexed after"]
)
async def filled(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Filled]:
    points = {
        "ann": point(**MARCH, attributes=ANN),
        "bob": point(**MAY, attributes=BOB),
        "bare": point(),
    }
    store, index_id = build(url), uuid4()
    await store.create_index(index_id, dimensions=4)
    if request.param == "indexed before":
        await store.index_fields(index_id, FIELDS)
    await store.upsert(index_id, list(points.values()))
    if request.param == "indexed after":
        for _ in range(2):
            await store.index_fields(index_id, FIELDS)
    yield Filled(store, index_id, points)
    await store.drop_index(index_id)
    await store.aclose()


@pytest.mark.asyncio(loop_scope="module")
class TestFilters:
    @pytest.mark.parametrize(("filters", "left"), FILTERS, ids=[str(f) for f, _ in FILTERS])
    async def test_filters_leave_what_matches(
        self, filled: Filled, filters: dict[str, Any], left: set[str]
    ) -> None:
        assert await filled.left(filters) == left

    async def test_a_document_is_found_by_its_id_in_any_form(self, filled: Filled) -> None:
        document = UUID(filled.points["bob"].payload["document_id"])
        for form in (str(document), document.hex.upper()):
            assert await filled.left({"document_id": form}) == {"bob"}

    @pytest.mark.parametrize("filters", WRONG, ids=lambda filters: ascii(filters)[:60])
    async def test_wrong_filters_are_refused(self, filled: Filled, filters: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput) as refused:
            await filled.left(filters)
        assert refused.value.detail.startswith("filters: ")

    async def test_filters_nested_without_end_are_refused(self, filled: Filled) -> None:
        filters: dict[str, Any] = {"author": "Ann"}
        for _ in range(200):
            filters = {"not": filters}
        with pytest.raises(InvalidInput):
            await filled.left(filters)


class TestPoints:
    async def test_the_same_id_overwrites(self, store: VectorStore, index: UUID) -> None:
        first = point(dense=(1.0, 0.0, 0.0, 0.0), terms={1: 1.0})
        again = Point(first.id, (0.0, 1.0, 0.0, 0.0), NO_TERMS, first.payload)
        await store.upsert(index, [first])
        await store.upsert(index, [again])
        assert await store.count(index) == 1
        found = await store.search(index, near(sparse=SparseVector((1,), (1.0,))))
        assert found.dense[0].score == pytest.approx(0, abs=1e-6)
        assert found.sparse == ()

    async def test_dense_vectors_come_back_of_unit_length(
        self, store: VectorStore, index: UUID
    ) -> None:
        there = point(dense=(3.0, 4.0, 0.0, 0.0))
        await store.upsert(index, [there])
        vectors = await store.dense_vectors(index, [there.id, uuid4()])
        assert list(vectors) == [there.id]
        assert list(vectors[there.id]) == pytest.approx([0.6, 0.8, 0, 0], abs=1e-6)

    async def test_vectors_of_no_index_are_no_vectors(self, store: VectorStore) -> None:
        assert await store.dense_vectors(uuid4(), [uuid4()]) == {}

    async def test_many_large_points_are_written_and_read(self, store: VectorStore) -> None:
        index_id, size = uuid4(), 1536
        await store.create_index(index_id, dimensions=size)
        chance = random.Random(1)
        points = [point(dense=[chance.gauss() for _ in range(size)]) for _ in range(300)]
        await store.upsert(index_id, points)
        assert await store.count(index_id) == 300
        vectors = await store.dense_vectors(index_id, [one.id for one in points])
        assert len(vectors) == 300
        await store.drop_index(index_id)

    async def test_vectors_of_another_size_are_refused(
        self, store: VectorStore, index: UUID
    ) -> None:
        with pytest.raises(CitewellError) as refused:
            await store.upsert(index, [point(dense=(1.0, 2.0))])
        assert not isinstance(refused.value, VectorStoreUnavailable)
        assert await store.count(index) == 0

    async def test_no_points_are_no_work(self, store: VectorStore, index: UUID) -> None:
        await store.upsert(index, [])
        await store.delete_versions(index, [])
        assert await store.dense_vectors(index, []) == {}

    async def test_points_of_no_index_are_refused(self, store: VectorStore) -> None:
        with pytest.raises(IndexMissing):
            await store.upsert(uuid4(), [point()])


class TestVersions:
    async def test_points_are_counted_by_version(self, store: VectorStore, index: UUID) -> None:
        first, second = uuid4(), uuid4()
        await store.upsert(index, [point(version=v) for v in (first, second, second)])
        assert await store.count(index) == 3
        assert await store.count_versions(index, [first, second, uuid4()]) == {first: 1, second: 2}
        assert await store.count_versions(index, []) == {}

    async def test_a_tenants_versions_are_listed_with_their_points(
        self, store: VectorStore, index: UUID
    ) -> None:
        few, many = uuid4(), uuid4()
        theirs = point(tenant="rival")
        await store.upsert(index, [theirs, *(point(version=v) for v in (few, many, many))])
        assert await store.versions(index, tenant_id=TENANT, limit=9) == {few: 1, many: 2}
        assert await store.versions(index, tenant_id=TENANT, limit=1) == {many: 2}
        assert await store.versions(index, tenant_id="nobody", limit=9) == {}

    async def test_many_versions_are_counted_each(self, store: VectorStore, index: UUID) -> None:
        versions = [uuid4() for _ in range(COUNTED_AT_ONCE + 7)]
        await store.upsert(index, [point(version=version) for version in versions])
        assert await store.count_versions(index, versions) == dict.fromkeys(versions, 1)

    async def test_deleted_versions_are_gone_and_others_are_not(
        self, store: VectorStore, index: UUID
    ) -> None:
        dead, dying, live = uuid4(), uuid4(), uuid4()
        await store.upsert(index, [point(version=v) for v in (dead, dying, live, dead)])
        for _ in range(2):
            await store.delete_versions(index, [dead, dying, uuid4()])
        assert await store.count(index) == 1
        [left] = (await store.search(index, near())).dense
        assert left.version_id == live

    async def test_a_deleted_version_can_be_written_again(
        self, store: VectorStore, index: UUID
    ) -> None:
        version = uuid4()
        written = point(version=version)
        await store.upsert(index, [written])
        await store.delete_versions(index, [version])
        await store.upsert(index, [written])
        assert await store.count_versions(index, [version]) == {version: 1}

    async def test_deleting_from_no_index_is_no_error(self, store: VectorStore) -> None:
        await store.delete_versions(uuid4(), [uuid4()])


class TestIndexes:
    async def test_making_one_again_keeps_its_points(self, store: VectorStore, index: UUID) -> None:
        await store.upsert(index, [point()])
        await store.create_index(index, dimensions=4)
        assert await store.count(index) == 1

    async def test_a_dropped_one_counts_nothing(self, store: VectorStore, index: UUID) -> None:
        await store.upsert(index, [point()])
        for _ in range(2):
            await store.drop_index(index)
        assert await store.count(index) == 0

    async def test_one_made_anew_is_empty(self, store: VectorStore, index: UUID) -> None:
        await store.upsert(index, [point()])
        await store.drop_index(index)
        await store.create_index(index, dimensions=4)
        assert await store.count(index) == 0

    async def test_each_has_points_of_its_own(self, store: VectorStore, index: UUID) -> None:
        other = uuid4()
        await store.create_index(other, dimensions=2)
        await store.upsert(index, [point()])
        assert (await store.count(index), await store.count(other)) == (1, 0)
        await store.drop_index(other)

    async def test_an_unknown_one_has_no_points(self, store: VectorStore) -> None:
        assert await store.count(uuid4()) == 0
        assert await store.count_versions(uuid4(), [uuid4()]) == {}
        assert await store.versions(uuid4(), tenant_id=TENANT, limit=3) == {}


async def test_one_half_made_by_a_process_that_was_stopped_is_counted(
    embedded_url: str,
) -> None:
    index_id, version = uuid4(), uuid4()
    store = QdrantVectorStore(embedded_url)
    client = AsyncQdrantClient(url=embedded_url, check_compatibility=False)
    await client.create_collection(
        f"citewell_{index_id.hex}",
        vectors_config={"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)},
        sparse_vectors_config={"terms": models.SparseVectorParams()},
    )
    await client.close()
    await store.upsert(index_id, [point(version=version)])
    assert await store.count_versions(index_id, [version, uuid4()]) == {version: 1}
    await store.drop_index(index_id)
    await store.aclose()


async def test_a_store_that_is_there_answers_a_ping(store: VectorStore) -> None:
    await store.ping()
