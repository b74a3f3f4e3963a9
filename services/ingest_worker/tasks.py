"""Celery's tasks: each hands one coroutine of a use case to its process's runner."""

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from services.ingest_worker.celery_app import app
from services.ingest_worker.messages import (
    CHUNK_JOB,
    CLEAN_UP,
    EMBED_CHUNKS,
    PARSE_PARTS,
    RECUT_DOCUMENTS,
    WATCH_QUALITY,
)
from services.ingest_worker.process import WorkerContext
from shared.database.parts import PartKey
from shared.errors import ConfigurationInvalid

# A drain has a budget of its own; this ends one that hangs, and a busy machine is slow.
EMBED_LIMIT_S = 1800

Work = Callable[[WorkerContext], Coroutine[Any, Any, str]]


def _run(work: Work) -> str:
    if app.process is None:
        raise ConfigurationInvalid("Start the workers with `--pool prefork`.")
    return app.process.run(work)


@app.task(name=PARSE_PARTS)
def parse_parts(parts: list[str]) -> str:
    """Parse parts, each named as `version/number`; chunk the documents that are all in."""
    keys = [PartKey.parse(part) for part in parts]
    return _run(lambda context: context.parse_parts(keys))


@app.task(name=CHUNK_JOB)
def chunk_job(job_id: str) -> str:
    """Chunk a document whose parts are all in."""
    return _run(lambda context: context.chunk_job(UUID(job_id)))


@app.task(name=RECUT_DOCUMENTS)
def recut_documents(reindex_id: str) -> str:
    """Cut the next documents of a collection for its new index."""
    return _run(lambda context: context.recut_documents(UUID(reindex_id)))


@app.task(name=EMBED_CHUNKS, time_limit=EMBED_LIMIT_S)
def embed_chunks() -> str:
    """Embed what is queued, across documents."""
    return _run(lambda context: context.embed_chunks())


@app.task(name=CLEAN_UP)
def clean_up() -> str:
    """Remove events nobody can ask for any more."""
    return _run(lambda context: context.clean_up())


@app.task(name=WATCH_QUALITY)
def watch_quality() -> str:
    """Tell the query service that canaries are due."""
    return _run(lambda context: context.watch_quality())
