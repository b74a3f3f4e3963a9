"""Small apps with what both services' doors share, and clients for them."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from shared.web.app import build_app


@asynccontextmanager
async def _no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


def bare_app(*, streaming_paths: Collection[str] = ()) -> FastAPI:
    """Return an app with errors, ids, limits and metrics, and no route."""
    return build_app(
        service="test",
        title="Test",
        description="",
        version="1",
        tags=[],
        lifespan=_no_lifespan,
        streaming_paths=streaming_paths,
    )


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    """Return a client that calls an app in this process."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=headers
    )
