"""A chat as a question: what is asked, and where the answer is looked for."""

from collections.abc import Sequence

from services.query_api.generation.answers import Question, Turn
from services.query_api.openai_compat.filters import our_filters
from services.query_api.openai_compat.schemas import (
    DEFAULT_MODEL,
    ChatMessage,
    ChatRequest,
    Grounds,
    RankingOptions,
)
from shared.auth.principal import Principal
from shared.errors import InvalidInput
from shared.identity import new_id
from shared.openai_ids import read_store_id, shown_store_id

LONGEST = 1000
DEFAULT_COLLECTION = "default"
# Of what was said before so many turns are taken, the newest, and so much of each and of all.
MOST_TURNS, LONGEST_TURN, LONGEST_HISTORY = 20, 4000, 16_000


def question_of(body: ChatRequest, caller: Principal) -> Question:
    """Return the question of a chat: its last user message.

    What was said before it makes a follow-up whole; what a system message wishes has no bearing on
    the answer.

    Raises:
        InvalidInput: no user message says anything, it is too long, or a filter is wrong.
        NotFound: it names no vector store.
    """
    grounds = _grounds(body)
    ranking = grounds.ranking_options or RankingOptions()
    asked = _asked(body.messages)
    return Question(
        answer_id=new_id(),
        tenant_id=caller.tenant_id,
        asked_by=caller.subject,
        text=body.messages[asked].text.strip(),
        collection=_collection(grounds),
        context_limit=grounds.max_num_results,
        filters=our_filters(grounds.filters),
        score_threshold=ranking.score_threshold,
        temperature=body.temperature,
        model=None if body.model == DEFAULT_MODEL else body.model,
        rerank=ranking.reranks,
        history=_history(body.messages[:asked]),
    )


def _asked(messages: Sequence[ChatMessage]) -> int:
    """Return which message is the question.

    Raises:
        InvalidInput: none is, or it is too long.
    """
    users = [at for at, message in enumerate(messages) if message.role == "user"]
    if not users or not messages[users[-1]].text.strip():
        raise InvalidInput("messages: the last user message is the question; there is none.")
    if len(messages[users[-1]].text.strip()) > LONGEST:
        raise InvalidInput(f"messages: a question may have at most {LONGEST} characters.")
    return users[-1]


def _history(before: Sequence[ChatMessage]) -> list[Turn]:
    turns: list[Turn] = []
    room = LONGEST_HISTORY
    for message in reversed(before):
        said = message.text.strip()[:LONGEST_TURN]
        if message.role not in {"user", "assistant"} or not said:
            continue
        room -= len(said)
        if room < 0 or len(turns) == MOST_TURNS:
            break
        turns.append(Turn("user" if message.role == "user" else "assistant", said))
    return turns[::-1]


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
