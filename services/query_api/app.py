"""The query service's door: `uvicorn services.query_api.app:app`."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI
from starlette.routing import Route

from services.query_api.context import build_context
from services.query_api.mcp.door import PATH, McpDoor
from services.query_api.openai_compat import chat, models, searching
from services.query_api.routers import answers, compare, quality, query, search
from shared.settings import Settings, read_settings
from shared.telemetry.logs import set_up_logs
from shared.web.app import build_app
from shared.web.health import Check, health_router

VERSION = "0.1.0"


def create_app(settings: Callable[[], Settings] = read_settings) -> FastAPI:
    """Return the app; settings are read and everything is built when it starts.

    Raises:
        ConfigurationInvalid: (when it starts) a setting is missing, such as CITEWELL_AUTH_SECRET.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        known = settings()
        set_up_logs(known.log, service="query")
        app.state.context = context = build_context(known)
        app.state.authenticator = context.authenticator
        _leave_out_what_stays()
        showing = asyncio.create_task(context.watch.gauges.run())
        try:
            yield
        finally:
            # It may be connecting: what it has begun is ended before the database is closed.
            showing.cancel()
            await asyncio.wait({showing})
            await context.aclose()

    app = build_app(
        service="query",
        title="Citewell query",
        description="Search, and answers with sources.",
        version=VERSION,
        tags=[
            {"name": "search", "description": "Passages."},
            {"name": "query", "description": "Answers with sources."},
            {"name": "answers", "description": "What was answered, and what was said of it."},
            {"name": "quality", "description": "Canary questions, asked by the clock."},
            {"name": "openai", "description": "Search and answers as OpenAI's clients know them."},
            {"name": "operations", "description": "Health and metrics."},
        ],
        lifespan=lifespan,
    )
    app.include_router(search.router)
    app.include_router(compare.router)
    app.include_router(query.router)
    app.include_router(answers.router)
    app.include_router(quality.router)
    app.router.routes.append(Route(PATH, endpoint=McpDoor(), include_in_schema=False))
    for room in (searching, models, chat):
        app.include_router(room.router)
    app.include_router(health_router(lambda: _checks(app)))
    return app


@cache
def _leave_out_what_stays() -> None:
    """Look through what the process begins with once: it took all streams a quarter of a second."""
    gc.collect()
    gc.freeze()


def _checks(app: FastAPI) -> list[Check]:
    context = app.state.context
    return [
        Check("postgres", context.database.ping),
        Check("qdrant", context.upstreams.check_store),
        Check("embedder", context.upstreams.check_embedders, required=False),
    ]


app = create_app()
