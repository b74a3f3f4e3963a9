"""A provider that speaks OpenAI's API over real HTTP, and misbehaves as it is told.

with start_provider() as provider:
    provider.fail(429, times=2, retry_after_s=1)
    …OpenAI(base_url=provider.url)…
"""

import asyncio
import base64
import hashlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.support.limits import HardLimits
from tests.support.wire import serving

KEY = "sk-test-0123456789abcdef"
WINDOW_BYTES = 8192 * 4


@dataclass(frozen=True, slots=True)
class Failure:
    """What one coming request meets in place of an answer."""

    status: int
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    hang_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is written: word by word, a pause after each; at a word it may hang or break.

    `ends` is the reason it gives for its end, None for the usual one.
    """

    pause_s: float = 0.0
    hangs_at: int | None = None
    hang_s: float = 0.0
    breaks_at: int | None = None
    ends: str | None = None


class Broken(Exception):
    """The connection is cut on purpose."""


class Provider:
    """The stand-in: its address, what it was asked, and what it is to do next."""

    def __init__(self) -> None:
        self.url = ""
        self.chat_text = "A canned answer [1]."
        self.manner = Manner()
        self.left = 0
        self.choices = 1
        self.dimensions: int | None = None
        self.key = KEY
        self.limits: HardLimits | None = None
        self.down = False
        self.requests: list[dict[str, Any]] = []
        self._failures: deque[Failure] = deque()

    def fail(
        self,
        status: int,
        *,
        times: int = 1,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Answer the next requests with an error."""
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:g}"),)
        self._failures.extend([Failure(status, code, headers)] * times)

    def hang(self, seconds: float, *, times: int = 1) -> None:
        """Let the next requests wait for so long."""
        self._failures.extend([Failure(200, hang_s=seconds)] * times)

    def behave(self) -> None:
        """Forget what was told and asked."""
        self._failures.clear()
        self.requests.clear()
        self.chat_text = "A canned answer [1]."
        self.manner, self.left = Manner(), 0
        self.choices = 1
        self.dimensions = None
        self.key, self.limits, self.down = KEY, None, False

    async def words(self) -> AsyncIterator[str]:
        """Yield the answer in its manner; `left` counts those who did not stay to its end."""
        manner, text = self.manner, self.chat_text
        try:
            for at, word in enumerate(re.findall(r"\S+\s*|\s+", text)):
                if at == manner.breaks_at:
                    raise Broken
                await asyncio.sleep(manner.hang_s if at == manner.hangs_at else 0)
                yield word
                await asyncio.sleep(manner.pause_s)
        except asyncio.CancelledError:
            self.left += 1
            raise

    def next_failure(self) -> Failure | None:
        return self._failures.popleft() if self._failures else None


@contextmanager
def start_provider() -> Iterator[Provider]:
    """Serve on a free port of the loopback until the block ends."""
    provider = Provider()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_routes(app, provider)
    with serving(app) as url:
        provider.url = f"{url}/v1"
        yield provider


def _add_routes(app: FastAPI, provider: Provider) -> None:
    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        body = await request.json()
        refused = await _received(provider, request, body)
        return refused or _embeddings(provider, body)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        refused = await _received(provider, request, body)
        return refused or _completion(provider, body)


async def _received(provider: Provider, request: Request, body: Any) -> Response | None:
    provider.requests.append(body)
    if provider.down:
        return _error(503, None, "Down for a while.")
    if request.headers.get("authorization") != f"Bearer {provider.key}":
        return _error(401, "invalid_api_key", "Incorrect API key provided.")
    failure = provider.next_failure()
    if failure is None:
        return None
    await asyncio.sleep(failure.hang_s)
    if failure.status == 200:
        return None
    return _error(failure.status, failure.code, "As told.", dict(failure.headers))


def _embeddings(provider: Provider, body: dict[str, Any]) -> Response:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    if any(not text for text in texts):
        return _error(400, None, "Invalid 'input': input cannot be an empty string.")
    if any(len(text.encode()) > WINDOW_BYTES for text in texts):
        return _error(400, None, "This model's maximum context length is 8192 tokens.")
    status, headers = provider.limits.meet(texts) if provider.limits else (200, None)
    if status != 200:
        return _error(status, "rate_limit_exceeded", "Too much for this minute.", headers)
    dimensions = provider.dimensions or body.get("dimensions") or 1536
    rows = [_row(index, text, dimensions, body) for index, text in enumerate(texts)]
    count = provider.limits.count if provider.limits else lambda text: len(text.split())
    tokens = sum(map(count, texts))
    # Reversed: the order of the answer is its `index`, not its place.
    answer = {"object": "list", "data": rows[::-1], "model": body["model"]}
    answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse(answer, headers=headers)


def _row(index: int, text: str, dimensions: int, body: dict[str, Any]) -> dict[str, Any]:
    vector = _vector(text, dimensions)
    encoded: Any = vector.tolist()
    if body.get("encoding_format") == "base64":
        encoded = base64.b64encode(vector.tobytes()).decode()
    return {"object": "embedding", "index": index, "embedding": encoded}


def _vector(text: str, dimensions: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.zeros(dimensions, np.float32)
    for word in text.lower().replace(".", " ").replace("?", " ").split():
        hashed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
        vector[hashed % dimensions] += 1
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _completion(provider: Provider, body: dict[str, Any]) -> Response:
    assert body["stream"] is True
    return StreamingResponse(_chunks(provider, body), media_type="text/event-stream")


async def _chunks(provider: Provider, body: dict[str, Any]) -> AsyncIterator[str]:
    asked = sum(len(str(message["content"]).split()) for message in body["messages"])
    said = len(provider.chat_text.split())
    ends = provider.manner.ends or "stop"
    if provider.choices:
        async for word in provider.words():
            yield _chunk(body, [{"index": 0, "delta": {"content": word}}])
        yield _chunk(body, [{"index": 0, "delta": {}, "finish_reason": ends}])
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    if body.get("stream_options", {}).get("include_usage"):
        yield _chunk(body, [], usage=usage)
    yield "data: [DONE]\n\n"


def _chunk(body: dict[str, Any], choices: list[dict[str, Any]], **more: Any) -> str:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
        "choices": choices,
        **more,
    }
    return f"data: {json.dumps(chunk)}\n\n"


def _error(
    status: int, code: str | None, message: str, headers: dict[str, str] | None = None
) -> Response:
    problem = {"message": message, "type": "error", "param": None, "code": code}
    return JSONResponse({"error": problem}, status_code=status, headers=headers)
