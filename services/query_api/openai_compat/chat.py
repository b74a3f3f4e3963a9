"""`/openai/v1/chat/completions`: answers with sources, as a chat, whole or as a stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from services.query_api.generation.answers import Answer
from services.query_api.openai_compat.asked import question_of
from services.query_api.openai_compat.completions import Chunks, completion_of
from services.query_api.openai_compat.schemas import ChatCompletion, ChatRequest
from services.query_api.retrieval.stopwatch import Stopwatch
from services.query_api.routers.context import Answering, Asker, Conversing
from services.query_api.routers.leaving import while_connected
from services.query_api.routers.sse import with_pauses
from shared.problems import problem_of
from shared.web import sse
from shared.web.openai_errors import openai_documented, openai_error

router = APIRouter(tags=["openai"])
logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.query")

Written = AsyncGenerator[str | Answer, None]


@router.post(
    "/openai/v1/chat/completions",
    summary="Ask a question, as a chat",
    response_model=ChatCompletion,
    responses=openai_documented(400, 401, 403, 404, 502, 503, 504),
)
async def create_chat_completion(
    body: ChatRequest,
    caller: Asker,
    answerer: Answering,
    conversation: Conversing,
    request: Request,
) -> ChatCompletion | StreamingResponse:
    """Answer the last user message from a store's or collection's passages.

    With `stream` a chunk comes for each verified sentence, then one with the sources. What fails
    before the first sentence has a status of its own; later, an `error` ends the stream.
    """
    question, watch = question_of(body, caller), Stopwatch()
    question = await while_connected(request, conversation.understood(question, watch))
    found = await while_connected(request, answerer.retrieve(question))
    if not body.stream:
        return completion_of(await while_connected(request, answerer.write(question, found, watch)))
    usage = body.stream_options is not None and body.stream_options.include_usage
    chunks = Chunks(question, answerer.model_of(question), tells_usage=usage)
    written = answerer.stream(question, found, watch)
    first = await while_connected(request, _first(written))
    return StreamingResponse(
        _events(chunks, first, written), media_type=sse.MEDIA_TYPE, headers=sse.HEADERS
    )


async def _first(written: Written) -> str | Answer:
    try:
        return await anext(written)
    except BaseException:
        await written.aclose()
        raise


async def _events(chunks: Chunks, first: str | Answer, written: Written) -> AsyncIterator[str]:
    try:
        async with aclosing(with_pauses(written)) as rest:
            yield chunks.first()
            for told in _told(chunks, first):
                yield told
            async for one in rest:
                for told in _told(chunks, one):
                    yield told
    except Exception as error:
        logger.exception("stream_failed", error=type(error).__name__)
        yield sse.data_event(openai_error(problem_of(error)).model_dump_json())


def _told(chunks: Chunks, one: str | Answer | None) -> list[str]:
    if one is None:
        return [sse.COMMENT]
    return [chunks.text(one)] if isinstance(one, str) else list(chunks.last(one))
