"""`POST /v1/query`, whole or as server-sent events."""

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from services.query_api.generation.answers import Answer, Question, Turn
from services.query_api.generation.prompt import VERSION
from services.query_api.leaving import while_connected
from services.query_api.routers.context import Answering, Asker
from services.query_api.routers.sse import streamed
from services.query_api.schemas.query import QueryRequest, QueryResponse
from shared.auth.principal import Principal
from shared.identity import new_id
from shared.models import Problem
from shared.web import sse
from shared.web.problems import documented

router = APIRouter(tags=["query"])

# What `meta` and the `citation`s told already.
_TOLD = frozenset({"answer_id", "prompt_version", "citations"})


@router.post(
    "/v1/query",
    summary="Ask a question",
    response_model=QueryResponse,
    response_model_exclude_none=True,
    responses=documented(401, 403, 404, 422, 502, 503, 504),
)
async def query(
    body: QueryRequest, caller: Asker, answerer: Answering, request: Request
) -> QueryResponse | StreamingResponse:
    """Answer from a collection's passages, each statement with its source.

    With `stream` the answer comes as events: `meta`, `token`s (a verified sentence each),
    `citation`s, then one `done` or `error`. What fails before the first event is a problem with
    its own status.
    """
    question = _question(body, caller)
    asked = await while_connected(request, answerer.retrieve(question))
    if not body.stream:
        return QueryResponse.of(await while_connected(request, answerer.write(asked)))
    meta = {"answer_id": question.answer_id, "model": answerer.model_of(question)}
    begun = sse.event("meta", {**meta, "prompt_version": VERSION})
    return streamed(begun, answerer.stream(asked), tell=_told, fail=_failed)


def _told(one: str | Answer) -> list[str]:
    if isinstance(one, str):
        return [sse.event("token", {"text": one})]
    whole = QueryResponse.of(one).model_dump(mode="json", exclude_none=True)
    return [
        *(sse.event("citation", citation) for citation in whole["citations"]),
        sse.event("done", {key: whole[key] for key in whole if key not in _TOLD}),
    ]


def _failed(problem: Problem) -> str:
    return sse.event("error", problem.model_dump(mode="json", exclude_none=True))


def _question(body: QueryRequest, caller: Principal) -> Question:
    return Question(
        answer_id=new_id(),
        tenant_id=caller.tenant_id,
        text=body.question,
        collection=body.collection,
        context_limit=body.context_limit,
        filters=body.filters,
        score_threshold=body.score_threshold,
        temperature=body.temperature,
        model=body.model,
        neighbours=body.neighbours,
        distinct=body.distinct,
        max_per_document=body.max_per_document,
        rerank=body.rerank,
        asked_by=caller.subject,
        history=[Turn(turn.role, turn.content) for turn in body.history],
    )
