"""An embedding provider that costs little CPU, as a process.

    python benchmarks/provider.py PORT [BASE_MS] [MS_A_TEXT]

Speaks `POST /v1/embeddings` of OpenAI's API. A call takes BASE_MS, and MS_A_TEXT for each text; a
text's vector comes from its hash and means nothing.
"""

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np
import uvicorn

Message = MutableMapping[str, Any]
PORT, BASE_MS, MS_A_TEXT = (float(given) for given in [*sys.argv[1:], "0", "0"][:3])
DIMENSIONS = 1536


def vector(text: str) -> str:
    """Return a unit vector as OpenAI encodes it."""
    digest = hashlib.shake_128(text.encode()).digest(DIMENSIONS)
    values = np.frombuffer(digest, np.int8).astype(np.float32)
    return base64.b64encode((values / np.linalg.norm(values)).tobytes()).decode()


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer any request as one for embeddings."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    texts = json.loads(body)["input"]
    texts = [texts] if isinstance(texts, str) else texts
    await asyncio.sleep((BASE_MS + MS_A_TEXT * len(texts)) / 1000)
    answer = json.dumps(
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [
                {"object": "embedding", "index": n, "embedding": vector(text)}
                for n, text in enumerate(texts)
            ],
            "usage": {"prompt_tokens": len(body) // 4, "total_tokens": len(body) // 4},
        }
    ).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(app, port=int(PORT), log_level="warning", access_log=False, lifespan="off")
