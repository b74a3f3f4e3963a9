"""A provider that speaks Anthropic's Messages API over real HTTP, as strict as version 2026-10-21.

with start_anthropic() as provider:
    provider.fail(529, times=2)
    …AsyncAnthropic(base_url=provider.url)…
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from typing_extensions import override

from tests.support.provider import KEY, Failure, Provider
from tests.support.wire import serving

NO_CREDIT = "Your credit balance is too low to access the Anthropic API."
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicProvider(Provider):
    """The stand-in; `page` is sent in place of a message, as events if it begins with one."""

    def __init__(self) -> None:
        super().__init__()
        self.page: str | None = None

    @override
    def behave(self) -> None:
        super().behave()
        self.page = None


@contextmanager
def start_anthropic() -> Iterator[AnthropicProvider]:
    """Serve on a free port of the loopback until the block ends."""
    provider = AnthropicProvider()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/v1/messages")
    async def messages(request: Request) -> Response:
        body = await request.json()
        provider.requests.append(body)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid x-api-key")
        failure = provider.next_failure()
        if failure is not None:
            await asyncio.sleep(failure.hang_s)
            if failure.status != 200:
                return _told(failure)
        return _refused(body) or _message(provider, body)

    with serving(app) as url:
        provider.url = url
        yield provider


def _refused(body: dict[str, Any]) -> Response | None:
    """Refuse what the API refuses."""
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            return _error(400, f"{name}: Extra inputs are not permitted")
    if "max_tokens" not in body:
        return _error(400, "max_tokens: Field required")
    if any(turn["role"] not in {"user", "assistant"} for turn in body["messages"]):
        return _error(400, 'messages: Unexpected role "system".')
    return None


def _message(provider: AnthropicProvider, body: dict[str, Any]) -> Response:
    if provider.page is not None:
        told = "text/event-stream" if provider.page.startswith("event: ") else "text/html"
        return PlainTextResponse(provider.page, media_type=told)
    assert body["stream"] is True
    return StreamingResponse(_events(provider, body), media_type="text/event-stream")


async def _events(provider: AnthropicProvider, body: dict[str, Any]) -> AsyncIterator[str]:
    texts = [body.get("system", ""), *(turn["content"] for turn in body["messages"])]
    usage = {"input_tokens": sum(len(text.split()) for text in texts), "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield _event("message_start", message=message)
    yield _event("ping")
    thinking = {"type": "thinking_delta", "thinking": "Hm [7]."}
    yield _event("content_block_delta", index=0, delta=thinking)
    if provider.choices:
        async for word in provider.words():
            delta = {"type": "text_delta", "text": word}
            yield _event("content_block_delta", index=1, delta=delta)
    ends = {"stop_reason": provider.manner.ends or "end_turn", "stop_sequence": None}
    counted = {"output_tokens": len(provider.chat_text.split())}
    yield _event("message_delta", delta=ends, usage=counted)
    yield _event("message_stop")


def _event(name: str, **fields: Any) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n"


def _told(failure: Failure) -> Response:
    message = NO_CREDIT if failure.status == 400 else "As told."
    return _error(failure.status, message, failure.code, dict(failure.headers))


def _error(
    status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    error: dict[str, Any] = {"type": ERROR_TYPES.get(status, "api_error"), "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    whole = {"type": "error", "error": error, "request_id": "req_1"}
    return JSONResponse(whole, status_code=status, headers=headers)
