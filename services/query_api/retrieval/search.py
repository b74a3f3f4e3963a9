"""The search use case: a question in one collection, its live hits out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from services.query_api.rerank.reranker import Reranker
from services.query_api.retrieval.choosing import Chosen
from services.query_api.retrieval.hits import Degradation, Found, Live, Order, SearchQuery
from services.query_api.retrieval.live import MAX_ROUNDS, LiveSearch
from services.query_api.retrieval.neighbours import with_neighbours
from services.query_api.retrieval.ranking import fused_order, rank
from services.query_api.retrieval.reranking import reranked
from services.query_api.retrieval.results import ResultCache
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.engine import Database
from shared.database.live_chunks import ActiveIndex, LiveChunks
from shared.embeddings.base import Embedder
from shared.embeddings.spaces import searched_space
from shared.embeddings.sparse import ANALYSER, query_terms
from shared.errors import CitewellError, NotFound
from shared.models import EmbeddingSpace
from shared.vectors.base import SparseVector, VectorQuery
from shared.vectors.filters import parse_filters
from shared.vectors.guarded import Searcher

DEFAULT_COLLECTION = "default"

SEARCHES_DEGRADED = Counter(
    "citewell_searches_degraded", "Searches that had to do without something.", ("what",)
)

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.search")


class _Ranked(NamedTuple):
    """What there is, in what order, and what of it is shown."""

    live: Live
    order: Order
    chosen: Chosen


class Retriever:
    """Searches collections."""

    def __init__(
        self,
        *,
        database: Database,
        vectors: Searcher,
        embedder_of: Callable[[str], Embedder],
        results: ResultCache,
        reranker: Reranker,
        depth: int,
        space_of: Callable[[str], EmbeddingSpace] = searched_space,
    ) -> None:
        """Take the stores, ways to a space and its embedder, and the candidates of each list.

        Store, embedder and reranker give up by themselves in good time.
        """
        self._database = database
        self._live = LiveSearch(database=database, vectors=vectors)
        self._embedder_of = embedder_of
        self._results = results
        self._reranker = reranker
        self._depth = depth
        self._space_of = space_of

    async def search(self, query: SearchQuery) -> Found:
        """Return the live hits of a query, best first.

        Without its embedder a hybrid search goes on with words alone and says so.

        Raises:
            NotFound: the tenant has no such collection.
            InvalidInput: a filter is not valid.
            EmbeddingUnavailable: a dense search cannot be embedded.
            VectorStoreUnavailable, DatabaseUnavailable: a store does not answer.
        """
        watch = Stopwatch()
        # Told at once, and also where there is nothing to search in yet.
        parse_filters(query.filters)
        with watch.stage("collection"):
            index = await self._active_index(query)
        if index is not None:
            parse_filters(query.filters, index.fields)
        if index is None or not index.ready:
            return Found((), floor=0.0, timings=watch.milliseconds())
        # Neighbours are read for each answer, kept or not.
        hits = replace(query, neighbours=0)
        found = await self._results.of(
            hits, index, lambda: self.search_in(index, hits, watch), watch
        )
        return await with_neighbours(found, query, index.id, self._database, watch)

    async def search_in(self, index: ActiveIndex, query: SearchQuery, watch: Stopwatch) -> Found:
        """Search one index of a collection, whether or not it is the one that answers.

        Nothing is remembered, and no neighbours are read. Raises as `search` does.
        """
        with watch.stage("embed"):
            asked, degraded = await self._vectors_of(query, index)
        if asked is None:
            return Found((), floor=0.0, degraded=degraded, timings=watch.milliseconds())
        floor = self._space_of(index.space).floor
        ranked = await self._ranked(query, index, asked, watch)
        degraded = (*degraded, *_shortcomings(query, index, ranked))
        for what in degraded:
            SEARCHES_DEGRADED.labels(what).inc()
        return Found(ranked.chosen.hits, floor, degraded, watch.milliseconds())

    async def _ranked(
        self, query: SearchQuery, index: ActiveIndex, asked: VectorQuery, watch: Stopwatch
    ) -> _Ranked:
        """Find and rank; deeper, where so much was passed over that there are too few hits."""
        space = self._space_of(index.space)
        wanted = max(query.limit, self._reranker.candidates) if query.rerank else query.limit
        live, order, chosen = Live(), Order({}), Chosen(())
        for _ in range(MAX_ROUNDS):
            further = await self._live.find(index.id, asked, wanted=wanted, watch=watch)
            with watch.stage("rank"):
                live = live.joined(further) if live.chunks else further
                order = fused_order(live)
                chosen = rank(query, live, order, space)
            if not _is_short(query, live, chosen):
                break
            # Of a document that has its share nothing further is of use.
            full = sorted(chosen.full)
            asked = replace(asked, depth=asked.depth * 2, excluded_versions=full)
        if query.rerank:
            with watch.stage("rerank"):
                order = await reranked(self._reranker, query.text, live, order)
            chosen = rank(query, live, order, space)
        return _Ranked(live, order, chosen)

    async def _active_index(self, query: SearchQuery) -> ActiveIndex | None:
        index = await self._database.in_time(self._read_index(query))
        # Every tenant has `default` from the start; its row comes with the first upload.
        if index is None and query.collection != DEFAULT_COLLECTION:
            raise NotFound(f"There is no collection `{query.collection}`.")
        return index

    async def _read_index(self, query: SearchQuery) -> ActiveIndex | None:
        async with self._database.tenant(query.tenant_id) as connection:
            return await LiveChunks(connection).active_index(query.collection)

    async def _vectors_of(
        self, query: SearchQuery, index: ActiveIndex
    ) -> tuple[VectorQuery | None, tuple[Degradation, ...]]:
        sparse = _sparse(query, index)
        dense, degraded = await self._dense(query, index)
        if dense is None and sparse is None:
            return None, degraded
        asked = VectorQuery(
            tenant_id=query.tenant_id,
            depth=max(self._depth, query.limit),
            dense=dense,
            sparse=sparse,
            filters=query.filters,
        )
        return asked, degraded

    async def _dense(
        self, query: SearchQuery, index: ActiveIndex
    ) -> tuple[Sequence[float] | None, tuple[Degradation, ...]]:
        if query.mode == "sparse":
            return None, ()
        try:
            return await self._embed(query.text, index.space), ()
        except CitewellError as error:
            if query.mode == "dense":
                raise
            logger.warning("embedder_down", space=index.space, code=error.code, why=error.detail)
            return None, ("embedder",)

    async def _embed(self, text: str, space: str) -> Sequence[float]:
        vector = await self._embedder_of(space).embed_query(text)
        numbers: list[float] = vector.tolist()
        return numbers


def _is_short(query: SearchQuery, live: Live, chosen: Chosen) -> bool:
    """Tell whether hits that were passed over left fewer than asked for, and others may be there.

    Where some candidates were not relevant enough, those that lie deeper are not either.
    """
    passed_over = len(chosen.hits) < chosen.weighed == len(live.chunks)
    return passed_over and len(chosen.hits) < query.limit and not live.all


def _shortcomings(query: SearchQuery, index: ActiveIndex, ranked: _Ranked) -> Iterator[Degradation]:
    if query.mode != "dense" and index.analyser not in ("", ANALYSER):
        # Some of its words were cut otherwise than the question's: a rebuild makes them alike.
        yield "analyser"
    if not ranked.live.complete or _is_short(query, ranked.live, ranked.chosen):
        yield "incomplete"
    if not ranked.order.complete:
        yield "rerank"


def _sparse(query: SearchQuery, index: ActiveIndex) -> SparseVector | None:
    if query.mode == "dense":
        return None
    terms = query_terms(query.text, index.languages)
    return terms if terms.indices else None
