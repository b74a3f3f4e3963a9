"""Documents that change between a search of the vector store and the reading of their texts."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from services.query_api.retrieval.hits import Live
from services.query_api.retrieval.live import LiveSearch, Wanted
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.engine import Database
from shared.embeddings.sparse import query_terms
from shared.vectors.base import Candidates, VectorQuery, VectorStore
from tests.support.query_api import Corpus, StoredVersion

OLD = [f"Parental leave is {weeks} weeks." for weeks in (10, 11, 12)]
NEW = [f"Parental leave is {weeks} weeks." for weeks in (16, 17, 18)]


class Changing:
    """The vector store; what is to happen meanwhile does so after each search's answer."""

    def __init__(self, vectors: VectorStore, *meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._vectors = vectors
        self._meanwhile = list(meanwhile)
        self.searches = 0

    async def search(self, index_id: UUID, query: VectorQuery) -> Candidates:
        self.searches += 1
        found = await self._vectors.search(index_id, query)
        if self._meanwhile:
            await self._meanwhile.pop(0)()
        return found


async def find(
    database: Database, store: Changing, index_id: UUID, *, hits: int = 10, depth: int = 100
) -> Live:
    asked = VectorQuery(
        tenant_id="acme", depth=depth, sparse=query_terms("parental leave", {"en": 1})
    )
    search = LiveSearch(database=database, vectors=store)
    return await search.find(
        index_id, asked, wanted=Wanted(hits=hits, texts=hits), watch=Stopwatch()
    )


def shown(live: Live) -> set[str]:
    return {chunk.text for chunk in live.chunks.values()}


def new_version(corpus: Corpus, old: StoredVersion) -> Callable[[], Awaitable[object]]:
    return lambda: corpus.add(*NEW, document_id=old.document_id, version=2)


async def test_a_new_version_is_found_in_the_place_of_the_old(
    corpus: Corpus, database: Database, vectors: VectorStore
) -> None:
    old = await corpus.add(*OLD)
    store = Changing(vectors, new_version(corpus, old))
    live = await find(database, store, await corpus.collection())
    assert shown(live) == set(NEW)
    assert live.complete
    assert store.searches == 2


async def test_it_is_looked_for_though_others_are_enough(
    corpus: Corpus, database: Database, vectors: VectorStore
) -> None:
    old = await corpus.add(*OLD)
    for number in range(5):
        await corpus.add(
            "Of this long page only one word has to do with leave: it was left by everyone.",
            filename=f"other-{number}.txt",
        )
    store = Changing(vectors, new_version(corpus, old))
    live = await find(database, store, await corpus.collection(), hits=4)
    assert set(NEW) <= shown(live)


async def test_what_changes_in_every_round_is_told(
    corpus: Corpus, database: Database, vectors: VectorStore
) -> None:
    old = await corpus.add(*OLD)
    changes = [
        lambda number=number: corpus.add(*NEW, document_id=old.document_id, version=number)
        for number in (2, 3, 4)
    ]
    live = await find(database, Changing(vectors, *changes), await corpus.collection())
    assert not live.fused
    assert not live.complete


async def test_what_is_deleted_meanwhile_needs_no_other_look(
    corpus: Corpus, database: Database, vectors: VectorStore
) -> None:
    stored = await corpus.add(*OLD)
    store = Changing(vectors, lambda: corpus.delete(stored))
    live = await find(database, store, await corpus.collection())
    assert not live.fused
    assert live.complete
    assert store.searches == 1


async def test_a_new_version_that_says_something_else_needs_one_look(
    corpus: Corpus, database: Database, vectors: VectorStore
) -> None:
    old = await corpus.add(*OLD)
    await corpus.add("Bolts are tightened.", document_id=old.document_id, version=2)
    store = Changing(vectors)
    live = await find(database, store, await corpus.collection())
    assert not live.fused
    assert live.complete
    assert store.searches == 2


async def test_of_two_looks_the_later_version_stays(
    corpus: Corpus, database: Database, vectors: VectorStore
) -> None:
    old = await corpus.add(*OLD)
    index_id = await corpus.collection()
    before = await find(database, Changing(vectors), index_id)
    assert shown(before) == set(OLD)
    await new_version(corpus, old)()
    after = await find(database, Changing(vectors), index_id)
    assert shown(before.joined(after)) == set(NEW)
