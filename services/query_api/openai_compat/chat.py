"""`/openai/v1/chat/completions`: answers with sources, as a chat, whole or as a stream."""

from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from services.query_api.generation.answers import Answer
from services.query_api.leaving import while_connected
from services.query_api.openai_compat.asked import question_of
from services.query_api.openai_compat.completions import Chunks, completion_of
from services.query_api.openai_compat.schemas import ChatCompletion, ChatRequest
from services.query_api.routers.context import Answering, Asker
from services.query_api.routers.sse import streamed
from shared.models import Problem
from shared.web import sse
from shared.web.openai_errors import openai_documented, openai_error

router = APIRouter(tags=["openai"])

Written = AsyncGenerator[str | Answer, None]


@router.post(
    "/openai/v1/chat/completions",
    summary="Ask a question, as a chat",
    response_model=ChatCompletion,
    responses=openai_documented(400, 401, 403, 404, 502, 503, 504),
)
async def create_chat_completion(
    body: ChatRequest, caller: Asker, answerer: Answering, request: Request
) -> ChatCompletion | StreamingResponse:
    """Answer the last user message from a store's or collection's passages.

    With `stream` a chunk comes for each verified sentence, then one with the sources. What fails
    before the first sentence has a status of its own; later, an `error` ends the stream.
    """
    question = question_of(body, caller)
    asked = await while_connected(request, answerer.retrieve(question))
    if not body.stream:
        return completion_of(await while_connected(request, answerer.write(asked)))
    usage = body.stream_options is not None and body.stream_options.include_usage
    chunks = Chunks(question, answerer.model_of(question), tells_usage=usage)
    written = answerer.stream(asked)
    first = await while_connected(request, _first(written))
    begun = "".join([chunks.first(), *chunks.told(first)])
    return streamed(begun, written, tell=chunks.told, fail=_failed)


async def _first(written: Written) -> str | Answer:
    try:
        return await anext(written)
    except BaseException:
        await written.aclose()
        raise


def _failed(problem: Problem) -> str:
    return sse.data_event(openai_error(problem).model_dump_json())
