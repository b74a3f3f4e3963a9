"""The official OpenAI client against a service in a test's own process."""

import httpx2
from fastapi import FastAPI
from openai import AsyncOpenAI


def openai_client(app: FastAPI, key: str) -> AsyncOpenAI:
    """Return a client that holds no connection; nothing is tried again."""
    return AsyncOpenAI(
        api_key=key,
        base_url="http://citewell/openai/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app)),
    )
