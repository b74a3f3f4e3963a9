"""What the query process makes once and closes once; the one place that wires it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.query_api.audit.answering import RecordedAnswerer
from services.query_api.audit.reading import TrailReader
from services.query_api.audit.trail import Trail
from services.query_api.chat_models.base import ChatModel
from services.query_api.chat_models.build import build_chat_model
from services.query_api.generation.answering import Answerer
from services.query_api.generation.answers import EXTRACTIVE
from services.query_api.generation.composing import Composer
from services.query_api.generation.conversation import Conversation
from services.query_api.generation.verification.verifier import Verifier
from services.query_api.mcp.door import McpServing
from services.query_api.mcp.pages import PageTexts
from services.query_api.mcp.pictures import PagePictures
from services.query_api.mcp.tools import Toolbox
from services.query_api.quality.watch import QualityWatch
from services.query_api.rerank.reranker import Reranker, build_reranker
from services.query_api.retrieval.compare import Comparer
from services.query_api.retrieval.results import ResultCache
from services.query_api.retrieval.search import Retriever
from services.query_api.upstreams import Upstreams
from shared.auth.authenticator import Authenticator
from shared.database.engine import Database, build_database
from shared.embeddings.build import Embedders
from shared.embeddings.spaces import LOCAL
from shared.settings import Settings
from shared.settings_mcp import McpSettings
from shared.vectors.base import VectorStore
from shared.vectors.build import build_vector_store


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """The use cases, and the parts they stand on."""

    database: Database
    vectors: VectorStore
    upstreams: Upstreams
    embedders: Embedders
    results: ResultCache
    reranker: Reranker
    chat_model: ChatModel | None
    authenticator: Authenticator
    retriever: Retriever
    comparer: Comparer
    trail: Trail
    trail_reader: TrailReader
    answerer: RecordedAnswerer
    mcp: McpServing
    mcp_settings: McpSettings
    models: Sequence[str]
    watch: QualityWatch

    async def aclose(self) -> None:
        """Close everything, in the reverse order of its making."""
        await self.mcp.aclose()
        await self.watch.aclose()
        await self.trail.aclose()
        if self.chat_model is not None:
            await self.chat_model.aclose()
        self.results.close()
        self.reranker.close()
        await self.embedders.aclose()
        await self.vectors.aclose()
        await self.database.aclose()


def build_context(settings: Settings) -> ProcessContext:
    """Build everything; nothing connects before it is used."""
    database = build_database(settings.database)
    query = settings.query
    vectors = build_vector_store(settings.qdrant, most_s=query.store_timeout_s)
    upstreams = Upstreams(vectors, query)
    # One question is too short to be shared out: more threads cost more and are no sooner done.
    embedders = Embedders(settings, wrap=upstreams.wrap, threads=1)
    results = ResultCache(database, max_bytes=query.result_cache_bytes, ttl_s=query.result_cache_s)
    reranker = build_reranker(settings.rerank)
    chat_model = build_chat_model(
        openai=settings.openai, anthropic=settings.anthropic, order=query.providers
    )
    searching = partial(
        Retriever,
        database=database,
        vectors=upstreams.searcher,
        reranker=reranker,
        depth=query.depth,
    )
    retriever = searching(embedder_of=embedders.of, results=results)
    # A round's own: what is remembered for callers would hide what has changed.
    forgetful = partial(searching, results=ResultCache(database, max_bytes=0, ttl_s=0))
    composer = Composer(
        chat_model=chat_model,
        check_of=lambda passages: Verifier(passages, embedders.of(LOCAL.name)).check,
        settings=query,
        answers=settings.answers,
    )
    answerer = Answerer(
        retriever=retriever,
        conversation=Conversation(chat_model, budget_s=settings.answers.condense_s),
        chat_model=chat_model,
        composer=composer,
        context_tokens=settings.answers.context_tokens,
    )
    trail = Trail(database)
    recorded = RecordedAnswerer(answerer, trail, settings.trail)
    toolbox = Toolbox(
        database=database,
        retriever=retriever,
        answerer=recorded,
        pages=PageTexts(database),
        pictures=PagePictures(settings.mcp),
    )
    return ProcessContext(
        database=database,
        vectors=vectors,
        upstreams=upstreams,
        embedders=embedders,
        results=results,
        reranker=reranker,
        chat_model=chat_model,
        authenticator=Authenticator(database, settings.auth),
        retriever=retriever,
        comparer=Comparer(database, retriever),
        trail=trail,
        trail_reader=TrailReader(database),
        answerer=recorded,
        mcp=McpServing(toolbox),
        mcp_settings=settings.mcp,
        models=[*(chat_model.models if chat_model else ()), EXTRACTIVE],
        watch=QualityWatch(
            database=database,
            search_of=lambda embedder_of: forgetful(embedder_of=embedder_of).search,
            embedder_of=embedders.of,
            settings=settings.quality,
        ),
    )
