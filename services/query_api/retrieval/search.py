"""The search use case: a question in one collection, its live hits out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from services.query_api.rerank.reranker import Reranker
from services.query_api.retrieval.choosing import Chosen
from services.query_api.retrieval.hits import Degradation, Found, Live, Order, SearchQuery
from services.query_api.retrieval.live import MAX_ROUNDS, LiveSearch, Wanted
from services.query_api.retrieval.neighbours import with_neighbours
from services.query_api.retrieval.ranking import rank
from services.query_api.retrieval.relevance.scoring import Relevance
from services.query_api.retrieval.reranking import reranked
from services.query_api.retrieval.results import ResultCache
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.collections import DEFAULT_COLLECTION
from shared.database.engine import Database
from shared.database.live_chunks import ActiveIndex, LiveChunks
from shared.embeddings.base import Embedder
from shared.embeddings.sparse import ANALYSER, query_terms
from shared.errors import CitewellError, NotFound
from shared.vectors.base import SparseVector, VectorQuery
from shared.vectors.filters import parse_filters
from shared.vectors.guarded import Searcher

SEARCHES_DEGRADED = Counter(
    "citewell_searches_degraded", "Searches that had to do without something.", ("what",)
)

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.search")


class _Ranked(NamedTuple):
    """What there is, in what order, and what of it is shown."""

    live: Live
    relevance: Relevance
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
    ) -> None:
        """Take the stores, a way to a space's embedder, and the candidates asked of each list.

        Store, embedder and reranker give up by themselves in good time.
        """
        self._database = database
        self._live = LiveSearch(database=database, vectors=vectors)
        self._embedder_of = embedder_of
        self._results = results
        self._reranker = reranker
        self._depth = depth

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
        ranked = await self._ranked(query, index, asked, watch)
        degraded = (*degraded, *_shortcomings(query, index, ranked))
        for what in degraded:
            SEARCHES_DEGRADED.labels(what).inc()
        return Found(ranked.chosen.hits, ranked.relevance.floor, degraded, watch.milliseconds())

    async def _ranked(
        self, query: SearchQuery, index: ActiveIndex, asked: VectorQuery, watch: Stopwatch
    ) -> _Ranked:
        """Find and rank; deeper, where so much was passed over that there are too few hits."""
        wanted = self._wanted(query)
        live = await self._live.find(index.id, asked, wanted=wanted, watch=watch)
        ranked = _rank(query, index, asked, live, watch)
        for _ in range(MAX_ROUNDS - 1):
            if not _is_short(query, ranked):
                break
            # Of a document that has its share nothing further is of use.
            full = sorted(ranked.chosen.full)
            asked = replace(asked, depth=asked.depth * 2, excluded_versions=full)
            further = await self._live.find(index.id, asked, wanted=wanted, watch=watch)
            ranked = _rank(query, index, asked, ranked.live.joined(further), watch)
        return await self._reranked(query, ranked, watch) if query.rerank else ranked

    async def _reranked(self, query: SearchQuery, ranked: _Ranked, watch: Stopwatch) -> _Ranked:
        with watch.stage("rerank"):
            order = await reranked(self._reranker, query.text, ranked.live, ranked.order)
        chosen = rank(query, ranked.live, order, ranked.relevance.of)
        return ranked._replace(order=order, chosen=chosen)

    def _wanted(self, query: SearchQuery) -> Wanted:
        hits = max(query.limit, self._reranker.candidates) if query.rerank else query.limit
        # Who passes hits over may have to go through all of them.
        passes = query.distinct or query.max_per_document or query.score_threshold is not None
        return Wanted(hits, None if passes else hits)

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


def _rank(
    query: SearchQuery, index: ActiveIndex, asked: VectorQuery, live: Live, watch: Stopwatch
) -> _Ranked:
    with watch.stage("rank"):
        relevance = Relevance(query, live, index.space, _searched(index, asked, live))
        order = Order(live.fused)
        return _Ranked(live, relevance, order, rank(query, live, order, relevance.of))


def _is_short(query: SearchQuery, ranked: _Ranked) -> bool:
    """Tell whether hits that were passed over left fewer than asked for, and others may be there.

    Where some candidates were not relevant enough, those that lie deeper are not either.
    """
    live, chosen = ranked.live, ranked.chosen
    passed_over = len(chosen.hits) < chosen.weighed == len(live.fused)
    return passed_over and len(chosen.hits) < query.limit and not live.all


def _searched(index: ActiveIndex, asked: VectorQuery, live: Live) -> int:
    """Return about how many chunks the index has.

    A list of vectors that ends far before its depth holds all there are. Else it is as many as
    were ever cut, those of superseded versions too.
    """
    listed = max(len(live.dense), len(live.sparse))
    if live.dense and not asked.filters and listed < asked.depth // 2:
        return listed
    return max(listed, sum(index.languages.values()))


def _shortcomings(query: SearchQuery, index: ActiveIndex, ranked: _Ranked) -> Iterator[Degradation]:
    if query.mode != "dense" and index.analyser not in ("", ANALYSER):
        # Some of its words were cut otherwise than the question's: a rebuild makes them alike.
        yield "analyser"
    if not ranked.live.complete or _is_short(query, ranked):
        yield "incomplete"
    if not ranked.order.complete:
        yield "rerank"


def _sparse(query: SearchQuery, index: ActiveIndex) -> SparseVector | None:
    if query.mode == "dense":
        return None
    terms = query_terms(query.text, index.languages)
    return terms if terms.indices else None
