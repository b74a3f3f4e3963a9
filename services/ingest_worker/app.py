"""The ingest API: `uvicorn services.ingest_worker.app:app`. Importing reads no environment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI

from services.ingest_worker.context import IngestContext, Loop, Outside, build_context
from services.ingest_worker.openai_compat import (
    file_batches,
    files,
    store_files,
    vector_stores,
)
from services.ingest_worker.publishing import build_publisher
from services.ingest_worker.routers import (
    admin,
    batch_events,
    batches,
    chunks,
    collections,
    documents,
    jobs,
    keys,
    page_pictures,
    reindex,
    uploads,
    usage,
)
from services.ingest_worker.stopping import when_told_to_stop
from shared.settings import Settings, read_settings
from shared.telemetry.logs import set_up_logs
from shared.vectors.build import build_vector_store
from shared.web.app import build_app
from shared.web.health import health_router

SERVICE = "ingest"
VERSION = "0.1.0"
# A loop that died for an unforeseen reason begins again after this pause.
LOOP_PAUSE_S = 1.0

DESCRIPTION = """\
Documents in: collections, uploads, jobs and batches. Errors are `application/problem+json`.

Every call but the operations needs `Authorization: Bearer <API key or JWT>`; the tenant comes
from there and nowhere else.
"""
TAGS = [
    {"name": "collections", "description": "Named corpora, each in one embedding space."},
    {"name": "reindex", "description": "Another space or chunking, with no downtime."},
    {"name": "documents", "description": "Uploads, documents, their versions, bytes and chunks."},
    {"name": "jobs", "description": "What becomes of one file."},
    {"name": "batches", "description": "What becomes of one upload."},
    {"name": "usage", "description": "What is held, and what embedding it took."},
    {"name": "keys", "description": "API keys of the tenant; needs the scope `admin`."},
    {"name": "admin", "description": "Comparing and mending; needs the scope `admin`."},
    {"name": "openai", "description": "Files and vector stores as OpenAI's clients know them."},
    {"name": "operations", "description": "Health and metrics; open."},
]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def build_outside(settings: Settings) -> Outside:
    """Build the clients of what lies outside: Qdrant, and Celery's broker."""
    publisher = build_publisher(settings)
    return Outside(
        vectors=build_vector_store(settings.qdrant),
        publisher=publisher,
        ping_broker=partial(asyncio.to_thread, publisher.ping),
    )


def create_app(
    *,
    settings: Callable[[], Settings] = read_settings,
    outside: Callable[[Settings], Outside] = build_outside,
    loops: bool = True,
) -> FastAPI:
    """Return the app; settings are read and everything is built when it starts.

    Without `loops` it only serves: nothing is dispatched or swept by this process.

    Raises:
        ConfigurationInvalid: (at its start) a setting is missing or wrong; nothing was started.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        read = settings()
        set_up_logs(read.log, service=SERVICE)
        context = build_context(read, outside(read))
        app.state.context = context
        app.state.authenticator = context.authenticator
        async with AsyncExitStack() as stack:
            stack.push_async_callback(context.aclose)
            stack.enter_context(when_told_to_stop(context.feed.stop))
            await stack.enter_async_context(_running(context.loops if loops else ()))
            yield

    app = build_app(
        service=SERVICE,
        title="Citewell ingest API",
        description=DESCRIPTION,
        version=VERSION,
        tags=TAGS,
        lifespan=lifespan,
        streaming_paths=(uploads.UPLOAD_PATH, files.FILES_PATH),
    )
    rooms = (
        collections,
        reindex,
        uploads,
        documents,
        page_pictures,
        chunks,
        jobs,
        batches,
        batch_events,
        usage,
        keys,
        admin,
        files,
        vector_stores,
        store_files,
        file_batches,
    )
    for room in rooms:
        app.include_router(room.router)
    app.include_router(health_router(lambda: _context(app).checks))
    return app


def _context(app: FastAPI) -> IngestContext:
    context: IngestContext = app.state.context
    return context


@asynccontextmanager
async def _running(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run the loops for as long as the app serves."""
    tasks = [asyncio.create_task(_kept_running(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_running(loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:
            # Whatever it was, work that nobody dispatches or sweeps would wait for ever.
            log.exception("loop_died")
        await asyncio.sleep(LOOP_PAUSE_S)


app = create_app()
