"""Server-sent events (WHATWG HTML, 9.2): events of JSON, comments between."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

from fastapi.encoders import jsonable_encoder

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
KEEP_ALIVE_S = 15.0

T = TypeVar("T")


def event(name: str, data: Any) -> str:
    """Return one event; JSON has no line breaks of its own, so one `data` line holds it."""
    return f"event: {name}\ndata: {json.dumps(jsonable_encoder(data), ensure_ascii=False)}\n\n"


async def comments_until(
    work: "asyncio.Task[T]", every_s: float = KEEP_ALIVE_S
) -> AsyncGenerator[str, None]:
    """Yield a comment every so often until the task is done; a reader that leaves cancels it."""
    try:
        while not (await asyncio.wait({work}, timeout=every_s))[0]:
            yield ": still working\n\n"
    finally:
        work.cancel()
