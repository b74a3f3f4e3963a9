"""A chat provider that writes slowly and remembers when, as a process.

    python benchmarks/chat_provider.py PORT [MS_A_TOKEN]

Speaks the streamed `POST /v1/chat/completions` of OpenAI's API: says the sentences of the first
passage in other words, each with its marker, a token every so often. `GET /written` tells when the
last token of each numbered sentence was sent, in seconds of the machine's monotonic clock.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

PORT, MS_A_TOKEN = (float(given) for given in [*sys.argv[1:], "30"][:2])
_SENTENCE = re.compile(r"Entry (?P<number>[\d-]+): (?P<ship>\w+) (?P<said>[^.]+)\.")
_TOKEN = re.compile(r"\s*\S+")

app = FastAPI()
written: dict[str, float] = {}


def retold(found: "re.Match[str]") -> str:
    """Return a sentence of a passage as a model might tell it."""
    return f"According to entry {found['number']}, the {found['ship']} {found['said']} [1]."


async def chunks(prompt: str) -> AsyncIterator[str]:
    """Yield the answer token by token, each no sooner than its time."""
    passage = prompt.partition('<passage number="1">')[2].partition("</passage>")[0]
    due = time.monotonic()
    for found in _SENTENCE.finditer(passage):
        for token in _TOKEN.findall(f" {retold(found)}"):
            due += MS_A_TOKEN / 1000
            await asyncio.sleep(due - time.monotonic())
            yield chunk([{"index": 0, "delta": {"content": token}}])
        written[found["number"]] = time.monotonic()
    yield chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield "data: [DONE]\n\n"


def chunk(choices: list[dict[str, Any]]) -> str:
    """Return one event of a stream."""
    whole = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "slow"}
    return f"data: {json.dumps({**whole, 'choices': choices})}\n\n"


@app.post("/v1/chat/completions")
async def complete(request: Request) -> StreamingResponse:
    """Answer any question."""
    prompt = (await request.json())["messages"][-1]["content"]
    return StreamingResponse(chunks(prompt), media_type="text/event-stream")


@app.get("/written")
async def told() -> dict[str, float]:
    """Tell when each sentence was written, and forget it."""
    known = dict(written)
    written.clear()
    return known


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning")
