"""Rebuild: the points of whole collections are made anew from the texts that Postgres has.

Told first what that takes, then rows: a loop in every ingest API queues the chunks slice by slice
behind all new work. It may die anywhere and goes on where it was. Nothing is parsed again.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from services.ingest_worker.upkeep.stepping import keep_stepping
from shared.database.engine import Database
from shared.database.rebuilds import CollectionSize, OpenRebuild, RebuildRow, Rebuilds, RebuildStage
from shared.embeddings.spaces import embedding_space, price_of, searched_space
from shared.embeddings.sparse import ANALYSER
from shared.errors import Conflict, NotFound
from shared.settings_embedding import EmbeddingSettings
from shared.vectors.base import VectorStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Step = Callable[[OpenRebuild], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What rebuilding a collection takes; all but documents and chunks are estimates.

    `unknown` chunks have no point whose vector could be taken: they and their `tokens` are sent to
    the embedder, in `calls` requests. `usd` is None where no price is known, `seconds` where
    nothing was loaded yet that tells the pace.
    """

    collection: str
    space: str
    documents: int
    chunks: int
    unknown: int
    tokens: int
    calls: int
    usd: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Plans and begins the rebuilds of one tenant."""

    database: Database
    vectors: VectorStore
    tenant_id: str
    embedding: EmbeddingSettings

    async def cost(self, name: str | None, *, from_empty: bool) -> list[Cost]:
        """Say what rebuilding a collection, or all, would take now.

        Raises:
            NotFound: there is no such collection.
            VectorStoreUnavailable: it does not say how many points there are.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            rebuilds = Rebuilds(connection)
            sizes = _found(await rebuilds.sizes(name), name)
            lengths = [await rebuilds.tokens_a_chunk(size.active_index) for size in sizes]
            pace = await rebuilds.pace()
        costs: list[Cost] = []
        for size, length in zip(sizes, lengths, strict=True):
            there = 0 if from_empty else await self._points(size)
            costs.append(self._cost(size, max(0, size.chunks - there), length, pace))
        return costs

    async def begin(self, name: str | None, *, from_empty: bool) -> list[RebuildRow]:
        """Begin to rebuild a collection, or all; what is under way already goes on as it is.

        Raises:
            NotFound: there is no such collection.
            Conflict: one is under way that did not begin as this one is to.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            rebuilds = Rebuilds(connection)
            sizes = _found(await rebuilds.sizes(name), name)
            await rebuilds.add([size.id for size in sizes], from_empty=from_empty)
            names = {size.name for size in sizes}
            begun = [row for row in await rebuilds.listed() if row.collection in names]
            for row in begun:
                if row.finished_at is None and row.from_empty is not from_empty:
                    raise Conflict(f"`{row.collection}` is being rebuilt already, in another way.")
        return begun

    async def listed(self) -> list[RebuildRow]:
        """Return the newest rebuild of each collection."""
        async with self.database.tenant(self.tenant_id) as connection:
            return await Rebuilds(connection).listed()

    async def _points(self, size: CollectionSize) -> int:
        return sum([await self.vectors.count(index_id) for index_id in size.indexes])

    def _cost(self, size: CollectionSize, unknown: int, length: float, pace: float | None) -> Cost:
        tokens = round(unknown * length)
        space = searched_space(size.space, self.embedding.model_dirs)
        price = price_of(space, self.embedding.prices)
        most = min(self.embedding.batch_tokens, space.batch_tokens)
        calls = max(math.ceil(unknown / self.embedding.batch_inputs), math.ceil(tokens / most))
        return Cost(
            collection=size.name,
            space=size.space,
            documents=size.documents,
            chunks=size.chunks,
            unknown=unknown,
            tokens=tokens,
            calls=calls,
            usd=None if price is None else round(tokens * price / 1e6, 4),
            seconds=round(size.chunks / pace, 1) if pace else None,
        )


class Rebuilder:
    """Goes on with the rebuilds that were begun, whoever began them."""

    def __init__(
        self,
        *,
        database: Database,
        vectors: VectorStore,
        mend: Callable[[str], Awaitable[int]],
        wake: Callable[[], None],
        pause_s: float,
        folders: Sequence[Path] = (),
    ) -> None:
        """Take the stores and the dispatcher's bell; looks for work every `pause_s`.

        `folders` have the models of one's own.

        `mend` compares a tenant's points and returns how many it queued.
        """
        self._database = database
        self._vectors = vectors
        self._mend = mend
        self._wake = wake
        self._pause_s = pause_s
        self._folders = folders
        self._steps: Mapping[str, Step] = {
            "preparing": self._prepare,
            "queueing": self._queue,
            "embedding": partial(self._wait, then="checking"),
            "checking": self._check,
            "mending": partial(self._wait, then="done"),
        }

    async def run(self) -> None:
        """Go on with what there is, until cancelled."""
        await keep_stepping(self.step, pause_s=self._pause_s, waits="rebuild_waits")

    async def step(self) -> bool:
        """Do one step of each open rebuild; False when all of them wait for others.

        Raises:
            DatabaseUnavailable, VectorStoreUnavailable: doing it again goes on.
        """
        async with self._database.worker() as connection:
            open_ = await Rebuilds(connection).open()
        moved = [await self._steps[rebuild.stage](rebuild) for rebuild in open_]
        if any(moved):
            self._wake()
        return any(moved)

    async def _prepare(self, rebuild: OpenRebuild) -> bool:
        if rebuild.from_empty:
            for index_id in rebuild.indexes:
                await self._vectors.drop_index(index_id)
        await self._make_indexes(rebuild)
        return await self._move(rebuild, "queueing")

    async def _queue(self, rebuild: OpenRebuild) -> bool:
        async with self._database.worker() as connection:
            documents = await Rebuilds(connection).queue_slice(rebuild)
        if documents == 0:
            return await self._move(rebuild, "embedding")
        return documents is not None

    async def _wait(self, rebuild: OpenRebuild, *, then: RebuildStage) -> bool:
        async with self._database.worker() as connection:
            if await Rebuilds(connection).is_left(rebuild):
                return False
        return await self._move(rebuild, then)

    async def _check(self, rebuild: OpenRebuild) -> bool:
        """Compare what is there now; what was lost or left over meanwhile is mended, once.

        A text that the embedder refuses would be missing for ever: the doctor tells of it.
        """
        await self._make_indexes(rebuild)
        queued = await self._mend(rebuild.tenant_id)
        return await self._move(rebuild, "mending" if queued else "done")

    async def _make_indexes(self, rebuild: OpenRebuild) -> None:
        """Make what is gone: an embed worker takes an index that it once made for granted."""
        for index_id, space in zip(rebuild.indexes, rebuild.spaces, strict=True):
            dimensions = embedding_space(space, self._folders).dimensions
            await self._vectors.create_index(index_id, dimensions=dimensions)

    async def _move(self, rebuild: OpenRebuild, stage: RebuildStage) -> bool:
        async with self._database.worker() as connection:
            moved = await Rebuilds(connection).move(rebuild, stage)
            if moved and stage == "done":
                await Rebuilds(connection).analysed(rebuild, analyser=ANALYSER)
        if moved:
            said: dict[str, Any] = {"rebuild_id": str(rebuild.id), "stage": stage}
            log.info("rebuild_moved", **said)
        return moved


def _found(sizes: Sequence[CollectionSize], name: str | None) -> Sequence[CollectionSize]:
    if name is not None and not sizes:
        raise NotFound(f"There is no collection `{name}`.")
    return sizes
