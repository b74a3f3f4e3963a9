"""What the query process makes once and closes once; the one place that wires it."""

from dataclasses import dataclass

from services.query_api.chat_models.base import ChatModel
from services.query_api.chat_models.build import build_chat_model
from services.query_api.generation.answering import Answerer
from services.query_api.retrieval.compare import Comparer
from services.query_api.retrieval.search import Retriever
from shared.auth.authenticator import Authenticator
from shared.database.engine import Database, build_database
from shared.embeddings.build import Embedders
from shared.embeddings.cached import CachedEmbedder
from shared.settings import Settings
from shared.vectors.base import VectorStore
from shared.vectors.build import build_vector_store


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """The use cases, and the parts they stand on."""

    database: Database
    vectors: VectorStore
    embedders: Embedders
    chat_model: ChatModel | None
    authenticator: Authenticator
    retriever: Retriever
    comparer: Comparer
    answerer: Answerer

    async def aclose(self) -> None:
        """Close everything, in the reverse order of its making."""
        if self.chat_model is not None:
            await self.chat_model.aclose()
        await self.embedders.aclose()
        await self.vectors.aclose()
        await self.database.aclose()


def build_context(settings: Settings) -> ProcessContext:
    """Build everything; nothing connects before it is used."""
    database = build_database(settings.database)
    vectors = build_vector_store(settings.qdrant)
    embedders = Embedders(settings, wrap=CachedEmbedder)
    chat_model = build_chat_model(
        openai=settings.openai, anthropic=settings.anthropic, order=settings.query.providers
    )
    retriever = Retriever(
        database=database,
        vectors=vectors,
        embedder_of=embedders.of,
        depth=settings.query.depth,
    )
    return ProcessContext(
        database=database,
        vectors=vectors,
        embedders=embedders,
        chat_model=chat_model,
        authenticator=Authenticator(database, settings.auth),
        retriever=retriever,
        comparer=Comparer(database, retriever),
        answerer=Answerer(retriever=retriever, chat_model=chat_model, settings=settings.query),
    )
