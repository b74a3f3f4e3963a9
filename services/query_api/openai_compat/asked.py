"""A chat as a question: what is asked, and where the answer is looked for."""

from services.query_api.generation.answers import Question
from services.query_api.openai_compat.filters import our_filters
from services.query_api.openai_compat.schemas import (
    DEFAULT_MODEL,
    ChatRequest,
    Grounds,
    RankingOptions,
)
from shared.errors import InvalidInput
from shared.identity import new_id
from shared.openai_ids import read_store_id, shown_store_id

LONGEST = 1000
DEFAULT_COLLECTION = "default"


def question_of(body: ChatRequest, tenant_id: str) -> Question:
    """Return the question of a chat: its last user message.

    What was said before it, and what a system message wishes, has no bearing on the answer.

    Raises:
        InvalidInput: no user message says anything, it is too long, or a filter is wrong.
        NotFound: it names no vector store.
    """
    grounds = _grounds(body)
    ranking = grounds.ranking_options or RankingOptions()
    return Question(
        answer_id=new_id(),
        tenant_id=tenant_id,
        text=_text(body),
        collection=_collection(grounds),
        context_limit=grounds.max_num_results,
        filters=our_filters(grounds.filters),
        score_threshold=ranking.score_threshold,
        temperature=body.temperature,
        model=None if body.model == DEFAULT_MODEL else body.model,
        rerank=ranking.reranks,
    )


def _text(body: ChatRequest) -> str:
    asked = [message.text.strip() for message in body.messages if message.role == "user"]
    if not asked or not asked[-1]:
        raise InvalidInput("messages: the last user message is the question; there is none.")
    if len(asked[-1]) > LONGEST:
        raise InvalidInput(f"messages: a question may have at most {LONGEST} characters.")
    return asked[-1]


def _grounds(body: ChatRequest) -> Grounds:
    if body.tools and (body.vector_store_ids or body.collection):
        raise InvalidInput("tools: name the store here or in `vector_store_ids`, not in both.")
    return body.tools[0] if body.tools else body


def _collection(grounds: Grounds) -> str:
    if not grounds.vector_store_ids:
        return grounds.collection or DEFAULT_COLLECTION
    if grounds.collection:
        raise InvalidInput("collection: send this or `vector_store_ids`, not both.")
    return shown_store_id(read_store_id(grounds.vector_store_ids[0]))
