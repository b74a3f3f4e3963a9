"""A chat as a question: what is asked, and where the answer is looked for."""

from collections.abc import Iterator, Sequence

from services.query_api.generation.answers import (
    LONGEST_QUESTION,
    LONGEST_TURN,
    MOST_HISTORY_CHARS,
    MOST_TURNS,
    Question,
    Turn,
)
from services.query_api.openai_compat.filters import our_filters
from services.query_api.openai_compat.schemas import (
    DEFAULT_MODEL,
    ChatMessage,
    ChatRequest,
    Grounds,
    RankingOptions,
)
from shared.auth.principal import Principal
from shared.database.collections import DEFAULT_COLLECTION
from shared.errors import InvalidInput
from shared.identity import new_id
from shared.openai_ids import read_store_id, shown_store_id


def question_of(body: ChatRequest, caller: Principal) -> Question:
    """Return the question of a chat: its last user message, with what was said before it.

    What a system message wishes has no bearing on the answer.

    Raises:
        InvalidInput: no user message says anything, it is too long, or a filter is wrong.
        NotFound: it names no vector store.
    """
    grounds = _grounds(body)
    ranking = grounds.ranking_options or RankingOptions()
    asked, before = _asked(body.messages)
    return Question(
        answer_id=new_id(),
        tenant_id=caller.tenant_id,
        text=asked,
        collection=_collection(grounds),
        context_limit=grounds.max_num_results,
        filters=our_filters(grounds.filters),
        score_threshold=ranking.score_threshold,
        temperature=body.temperature,
        model=None if body.model == DEFAULT_MODEL else body.model,
        rerank=ranking.reranks,
        asked_by=caller.subject,
        history=list(_newest(before))[::-1],
    )


def _asked(messages: Sequence[ChatMessage]) -> tuple[str, Sequence[ChatMessage]]:
    """Return what the last user message says, and the messages before it."""
    places = [at for at, message in enumerate(messages) if message.role == "user"]
    text = messages[places[-1]].text.strip() if places else ""
    if not text:
        raise InvalidInput("messages: the last user message is the question; there is none.")
    if len(text) > LONGEST_QUESTION:
        raise InvalidInput(f"messages: a question may have at most {LONGEST_QUESTION} characters.")
    return text, messages[: places[-1]]


def _newest(messages: Sequence[ChatMessage]) -> Iterator[Turn]:
    """Yield the turns that count, the newest first; a long one is cut."""
    turns, left = 0, MOST_HISTORY_CHARS
    for message in reversed(messages):
        text = message.text.strip()[:LONGEST_TURN]
        if message.role not in ("user", "assistant") or not text:
            continue
        turns, left = turns + 1, left - len(text)
        if turns > MOST_TURNS or left < 0:
            return
        yield Turn(message.role, text)


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
