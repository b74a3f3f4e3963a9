"""Both services' apps in a test's own process, started and stopped again and again.

Building an app and its routes takes longer than most tests of it, so one that was stopped is
started again with other settings.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

import services.ingest_worker.app as ingest
import services.query_api.app as query
from services.ingest_worker.context import Outside
from shared.settings import Settings


@dataclass(slots=True)
class _Parts:
    """What an app is made of when it starts."""

    settings: Settings | None = None
    outside: Outside | None = None

    def read(self) -> Settings:
        assert self.settings
        return self.settings

    def reach(self, _: Settings) -> Outside:
        assert self.outside
        return self.outside


class _Apps:
    """Apps of one kind that nobody uses now."""

    def __init__(self, build: Callable[[_Parts], FastAPI]) -> None:
        self._build = build
        self._idle: list[tuple[FastAPI, _Parts]] = []

    @asynccontextmanager
    async def started(
        self, settings: Settings, outside: Outside | None = None
    ) -> AsyncIterator[FastAPI]:
        app, parts = self._idle.pop() if self._idle else self._made()
        parts.settings, parts.outside = settings, outside
        async with app.router.lifespan_context(app):
            yield app
        self._idle.append((app, parts))

    def _made(self) -> tuple[FastAPI, _Parts]:
        parts = _Parts()
        return self._build(parts), parts


_QUERY = _Apps(lambda parts: query.create_app(parts.read))
_INGEST = _Apps(lambda parts: _build_ingest(parts, loops=False))
_LOOPING = _Apps(lambda parts: _build_ingest(parts, loops=True))


def query_app(settings: Settings) -> AbstractAsyncContextManager[FastAPI]:
    """Start the query service's app, and stop it."""
    return _QUERY.started(settings)


def ingest_app(
    settings: Settings, outside: Outside, *, loops: bool
) -> AbstractAsyncContextManager[FastAPI]:
    """Start the ingest service's app, and stop it."""
    return (_LOOPING if loops else _INGEST).started(settings, outside)


def _build_ingest(parts: _Parts, *, loops: bool) -> FastAPI:
    return ingest.create_app(settings=parts.read, outside=parts.reach, loops=loops)
