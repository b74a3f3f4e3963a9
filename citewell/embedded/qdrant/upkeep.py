"""What the server does by itself: flushes, unloads, and optimises collections in the quiet.

A collection is optimised as a copy, by another process (`compaction`), while the original goes on
answering; the copy takes its place unless a write came in between, which ends the attempt at once.
So a request never waits for it, and a kill at any moment leaves one whole shard or the other.
"""

import asyncio
import logging
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Iterable
from pathlib import Path
from signal import SIGKILL

from citewell.embedded.parts import Part
from citewell.embedded.qdrant.catalogue import Catalogue, Collection
from citewell.embedded.qdrant.refusals import Refused

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_FLUSH_AFTER_S = 5.0  # as Qdrant does; until then the log has it
_UNLOAD_AFTER_S = 600.0
_MOST_LOADED = 64  # a loaded shard takes about 20 MB, most of it file cache, and some 10 files
_LOOK_EVERY_S = 0.1
# Below this a search reads every vector within about a millisecond, and is exact.
_WORTH_POINTS = 10_000
_WORTH_SHARE = 5
_NICENESS = 19
_CHILD = Path(__file__).with_name("compaction.py")


class Upkeep:
    """Looks after all the collections, until it is cancelled."""

    def __init__(
        self, catalogue: Catalogue, *, quiet_s: float, worth_points: int = _WORTH_POINTS
    ) -> None:
        """Optimise after `quiet_s` seconds without a write; 0 leaves it to a `PATCH`.

        It is worth it from `worth_points` new points on, and from a fifth of all.
        """
        self._catalogue = catalogue
        self._quiet_s = quiet_s
        self._worth_points = worth_points

    async def run(self) -> None:
        """Flush and unload every second; optimise one collection at a time beside that."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._tidy())
            both.create_task(self._optimize())

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            collections = self._catalogue.all()
            for collection in [one for one in collections if one.shard.dirty_s > _FLUSH_AFTER_S]:
                await _logged(asyncio.to_thread(collection.shard.flush))
            for collection in _unneeded(collections):
                await _logged(asyncio.to_thread(collection.shard.close))

    async def _optimize(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            for collection in self._catalogue.all():
                if collection.asked or self._is_quiet(collection):
                    await _logged(self._consider(collection))

    def _is_quiet(self, collection: Collection) -> bool:
        shard = collection.shard
        return (
            self._quiet_s > 0
            and shard.is_open
            and shard.writes != collection.judged
            and time.monotonic() - shard.written_at >= self._quiet_s
        )

    async def _consider(self, collection: Collection) -> None:
        asked, writes = collection.asked, collection.shard.writes
        collection.asked = False
        if asked or await asyncio.to_thread(self._is_worth_it, collection):
            collection.optimizing = True
            try:
                await self._replace(collection)
            finally:
                collection.optimizing = False
        collection.judged = writes

    def _is_worth_it(self, collection: Collection) -> bool:
        points = collection.shard.read(lambda engine: engine.info().points_count)
        since_settled = collection.shard.writes - collection.settled
        news = max(abs(points - collection.entry.optimized), since_settled)
        return news >= max(self._worth_points, points // _WORTH_SHARE)

    async def _replace(self, collection: Collection) -> None:
        copy, writes = await asyncio.to_thread(self._catalogue.copy, collection)
        if await self._compacted(collection, copy, writes):
            await asyncio.to_thread(self._catalogue.adopt, collection, copy, writes)
        else:
            await asyncio.to_thread(self._catalogue.discard, copy)

    async def _compacted(self, collection: Collection, copy: str, writes: int) -> bool:
        child = await asyncio.create_subprocess_exec(
            *_compaction(self._catalogue.copy_path(copy)).launch(),
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            while collection.shard.writes == writes:
                code = await _ended(child)
                if code is not None:
                    return code == 0
            return False
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()


def _compaction(folder: Path) -> Part:
    """Return the process that optimises a shard: it stands back, and dies with this one."""
    return Part(
        name="compaction",
        command=(sys.executable, "-P", str(_CHILD), str(folder)),
        folder=folder,
        stop_signal=SIGKILL,
        niceness=_NICENESS,
    )


def _unneeded(collections: Iterable[Collection]) -> list[Collection]:
    loaded = sorted(
        (one for one in collections if one.shard.is_open), key=lambda one: one.shard.used_at
    )
    old = time.monotonic() - _UNLOAD_AFTER_S
    surplus = len(loaded) - _MOST_LOADED
    return [one for n, one in enumerate(loaded) if n < surplus or one.shard.used_at < old]


async def _ended(child: Process) -> int | None:
    try:
        return await asyncio.wait_for(child.wait(), _LOOK_EVERY_S)
    except TimeoutError:
        return None


async def _logged(work: Awaitable[object]) -> None:
    """Await work that nobody waits for; what fails is logged and tried again in its time."""
    try:
        await work
    except Refused as refusal:  # dropped meanwhile
        log.info("upkeep of a collection ended: %s", refusal.message)
    except Exception:
        log.exception("upkeep of a collection failed")
