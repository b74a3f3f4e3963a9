"""What one ingest API process makes once and closes once; every route is handed it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from services.ingest_worker.dispatch import Dispatcher
from services.ingest_worker.following.feed import Feed
from services.ingest_worker.following.streams import Streams
from services.ingest_worker.following.waiting import Waiting
from services.ingest_worker.kept_files import FileRemover
from services.ingest_worker.messages import Publisher
from services.ingest_worker.page_pictures import PagePictures
from services.ingest_worker.parsing.sandbox.required import tell_isolation
from services.ingest_worker.retrying import Retrier
from services.ingest_worker.upkeep.deletion import bury, remove_orphans
from services.ingest_worker.upkeep.doctor import mend_points
from services.ingest_worker.upkeep.rebuild import Rebuilder
from services.ingest_worker.upkeep.refill import Refiller
from services.ingest_worker.upkeep.repair import queue_missing_points
from services.ingest_worker.upkeep.sweeper import Sweeper
from services.ingest_worker.uploads.attaching import Attacher
from services.ingest_worker.uploads.intake import Intake
from services.ingest_worker.uploads.keeping import FileKeeper
from services.ingest_worker.uploads.restoring import VersionRestorer
from services.ingest_worker.uploads.room import Room
from services.ingest_worker.uploads.upload import UploadDoor
from shared.auth.authenticator import Authenticator
from shared.blobs.build import build_blob_store
from shared.blobs.listed import ListedBlobStore
from shared.database.engine import Database, build_database
from shared.database.sweeps import STALE_S, Sweeps
from shared.embeddings.spaces import default_space
from shared.errors import (
    CitewellError,
    ConfigurationInvalid,
    EmbeddingMisconfigured,
    InvalidInput,
    Unavailable,
)
from shared.settings import IngestSettings, Settings
from shared.vectors.base import VectorStore
from shared.web.health import Check

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ORPHANS = "orphans"
ORPHANS_EVERY_S = 3600.0

Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outside:
    """What an ingest API process reaches through clients that only its entry point may import."""

    vectors: VectorStore
    publisher: Publisher
    ping_broker: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class IngestContext:
    """The process's stores and use cases.

    `loops` run for as long as the process serves; `grace_s` is how long a paused worker may still
    write after its work was taken from it.
    """

    settings: Settings
    database: Database
    blobs: ListedBlobStore
    outside: Outside
    authenticator: Authenticator
    uploads: UploadDoor
    files: FileKeeper
    remover: FileRemover
    attacher: Attacher
    restorer: VersionRestorer
    retrier: Retrier
    default_space: str
    grace_s: float
    wake: Callable[[], None]
    feed: Feed
    waiting: Waiting
    streams: Streams
    pictures: PagePictures
    loops: Sequence[Loop]
    checks: Sequence[Check]

    async def aclose(self) -> None:
        """Let go who still waits, and close every connection."""
        await self.feed.aclose()
        await self.pictures.aclose()
        self.outside.publisher.close()
        await self.outside.vectors.aclose()
        await self.database.aclose()
        self.blobs.close()


def build_context(settings: Settings, outside: Outside) -> IngestContext:
    """Build everything from settings; nothing connects before it is used.

    Raises:
        ConfigurationInvalid: a setting cannot work.
    """
    database = build_database(settings.database)
    blobs = build_blob_store(settings.blobs)
    space = _default_space(settings)
    grace_s = settings.late_write_s
    dispatcher = Dispatcher(
        database=database, publisher=outside.publisher, settings=settings.ingest
    )
    sweeper = Sweeper(
        database=database,
        bury=partial(bury, database, outside.vectors, blobs, grace_s=grace_s),
        wake=dispatcher.wake,
        settings=settings.ingest,
        grace_s=grace_s,
    )
    rebuilder = Rebuilder(
        database=database,
        vectors=outside.vectors,
        mend=partial(mend_points, database, outside.vectors, blobs),
        wake=dispatcher.wake,
        pause_s=settings.ingest.sweep_s,
        folders=settings.embedding.model_dirs,
    )
    refiller = Refiller(
        database=database,
        vectors=outside.vectors,
        wake=dispatcher.wake,
        pause_s=settings.ingest.dispatch_s,
        grace_s=grace_s,
        folders=settings.embedding.model_dirs,
    )
    room = Room(database=database, blobs=blobs, ingest=settings.ingest, storage=settings.blobs)
    intake = Intake(database=database, blobs=blobs, room=room, settings=settings.ingest)
    feed = Feed(database)
    return IngestContext(
        settings=settings,
        database=database,
        blobs=blobs,
        outside=outside,
        authenticator=Authenticator(database, settings.auth),
        uploads=UploadDoor(
            intake.take,
            database=database,
            room=room,
            deadline_s=settings.ingest.job_deadline_s,
            default_space=space,
            wake=dispatcher.wake,
        ),
        files=FileKeeper(intake.take, database),
        remover=FileRemover(database=database, remove=intake.remove, grace_s=grace_s),
        attacher=Attacher(
            database=database,
            blobs=blobs,
            room=room,
            default_space=space,
            deadline_s=settings.ingest.job_deadline_s,
            wake=dispatcher.wake,
        ),
        restorer=VersionRestorer(
            database=database,
            blobs=blobs,
            default_space=space,
            deadline_s=settings.ingest.job_deadline_s,
        ),
        retrier=Retrier(database, deadline_s=settings.ingest.job_deadline_s),
        default_space=space,
        grace_s=grace_s,
        wake=dispatcher.wake,
        feed=feed,
        waiting=Waiting(database, feed),
        streams=Streams(settings.ingest.max_streams),
        pictures=PagePictures(database=database, blobs=blobs, settings=settings.ingest),
        loops=(
            dispatcher.run,
            sweeper.run,
            rebuilder.run,
            refiller.run,
            partial(_remove_orphans_hourly, database, blobs),
            partial(_compare_at_start, settings.ingest, database, outside.vectors),
        ),
        checks=(
            Check("postgres", database.ping),
            Check("blobs", blobs.ping),
            Check("sweeper", partial(_check_sweeper, sweeper, since=time.monotonic())),
            Check("redis", outside.ping_broker, required=False),
            Check("qdrant", outside.vectors.ping, required=False),
            Check("parser_isolation", tell_isolation, required=False),
        ),
    )


def _default_space(settings: Settings) -> str:
    try:
        return default_space(settings).name
    except (InvalidInput, EmbeddingMisconfigured) as error:
        raise ConfigurationInvalid(f"CITEWELL_EMBEDDING_SPACE: {error.detail}") from error


async def _check_sweeper(sweeper: Sweeper, *, since: float) -> None:
    """Raise when nobody has swept for a minute: dead work would wait for ever.

    Before the very first sweep the process's own age counts; `since` is when it began.
    """
    age_s = await sweeper.age_s()
    if age_s is None:
        age_s = time.monotonic() - since
    if age_s > STALE_S:
        raise Unavailable(f"No sweep for {round(age_s)} s.")


async def _compare_at_start(
    settings: IngestSettings, database: Database, vectors: VectorStore
) -> None:
    """Queue, once in the life of the process, what the vector store lost; then wait for its end."""
    done = not settings.compare_at_start
    while not done:
        try:
            queued = await queue_missing_points(database, vectors)
            log.info("points_compared", queued=queued)
            done = True
        except CitewellError as error:
            log.warning("points_not_compared", code=error.code, detail=error.detail)
            await asyncio.sleep(settings.sweep_s)
    await asyncio.Event().wait()


async def _remove_orphans_hourly(database: Database, blobs: ListedBlobStore) -> None:
    """Remove orphaned bytes now and then, one process at a time, until cancelled."""
    while True:
        await asyncio.sleep(ORPHANS_EVERY_S)
        try:
            async with database.worker() as connection:
                age_s = await Sweeps(connection).age_s(ORPHANS)
                if age_s is not None and age_s < ORPHANS_EVERY_S / 2:
                    continue
                await Sweeps(connection).note(ORPHANS)
            await remove_orphans(database, blobs)
        except CitewellError as error:
            log.warning("orphans_not_removed", code=error.code, detail=error.detail)
