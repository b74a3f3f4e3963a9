"""An embeddings provider that counts exactly what it is sent, as a process of its own.

    with start_counting_provider() as provider:
        …CITEWELL_OPENAI_BASE_URL = provider.url…
        provider.counts().inputs

It speaks OpenAI's `POST /v1/embeddings`. An input counts when it has arrived, answered or not: that
is what would be paid for. While it is held, requests arrive and wait.
"""

import asyncio
import base64
import hashlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI, Request

from citewell.embedded.parts import LOOPBACK, free_port

ROOT = Path(__file__).parents[3]
DIMENSIONS = 64
SPACE = f"openai/drill@{DIMENSIONS}"
READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What came in so far: requests, inputs, different texts; and the requests that wait now."""

    requests: int
    inputs: int
    texts: int
    waiting: int


@dataclass(frozen=True, slots=True)
class CountingProvider:
    """The running stand-in, from outside."""

    url: str
    process: subprocess.Popen[bytes]

    def settings(self) -> dict[str, str]:
        """Return what makes a stack embed here."""
        return {"CITEWELL_OPENAI_BASE_URL": self.url, "CITEWELL_EMBEDDING_SPACE": SPACE}

    def counts(self) -> Counts:
        """Ask what came in so far."""
        return Counts(**httpx.get(f"{self.url}/counts", timeout=30).json())

    def answers(self) -> bool:
        """Tell whether it is there."""
        try:
            self.counts()
        except httpx.TransportError:
            return False
        return True

    def hold(self) -> None:
        """Let requests wait from now on."""
        httpx.post(f"{self.url}/hold", timeout=30).raise_for_status()

    def release(self) -> None:
        """Answer what waits, and all that comes."""
        httpx.post(f"{self.url}/release", timeout=30).raise_for_status()


@contextmanager
def start_counting_provider(*, delay_s: float = 0.0) -> Iterator[CountingProvider]:
    """Start one that answers after `delay_s`, and end it in the end."""
    port = free_port()
    command = [sys.executable, "-m", "tests.faults.kit.provider", str(port), str(delay_s)]
    process = subprocess.Popen(command, cwd=ROOT)
    provider = CountingProvider(f"http://{LOOPBACK}:{port}/v1", process)
    try:
        _wait_until_ready(provider)
        yield provider
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(provider: CountingProvider) -> None:
    end = time.monotonic() + READY_S
    while not provider.answers():
        assert provider.process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


def build_app(delay_s: float) -> FastAPI:
    """Return the stand-in's app."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    seen: Counter[bytes] = Counter()
    requests = waiting = 0
    open_now = asyncio.Event()
    open_now.set()

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> dict[str, Any]:
        nonlocal requests, waiting
        body = await request.json()
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        requests += 1
        seen.update(hashlib.sha256(text.encode()).digest() for text in texts)
        waiting += 1
        try:
            await asyncio.sleep(delay_s)
            await open_now.wait()
        finally:
            waiting -= 1
        return _answer(texts, body)

    @app.get("/v1/counts")
    async def counts() -> dict[str, int]:
        told = {"requests": requests, "inputs": seen.total(), "texts": len(seen)}
        return told | {"waiting": waiting}

    @app.post("/v1/hold")
    async def hold() -> None:
        open_now.clear()

    @app.post("/v1/release")
    async def release() -> None:
        open_now.set()

    return app


def _answer(texts: list[str], body: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {"object": "embedding", "index": index, "embedding": _embedding(text, body)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": rows, "model": body["model"], "usage": usage}


def _embedding(text: str, body: dict[str, Any]) -> str | list[float]:
    """Hash the words: equal texts have equal vectors, and those that share words lie near."""
    vector = np.zeros(DIMENSIONS, np.float32)
    for word in text.lower().split():
        vector[int.from_bytes(hashlib.md5(word.encode()).digest()[:2]) % DIMENSIONS] += 1  # noqa: S324 - no secret
    vector /= max(float(np.linalg.norm(vector)), 1.0)
    if body.get("encoding_format") == "base64":
        return base64.b64encode(vector.tobytes()).decode()
    return [float(one) for one in vector]


if __name__ == "__main__":
    uvicorn.run(
        build_app(float(sys.argv[2])), host=LOOPBACK, port=int(sys.argv[1]), log_level="warning"
    )
