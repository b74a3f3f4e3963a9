"""Reindex: a collection gets a second index, in another space or chunking, beside the first.

Told first what that takes, then begun, and at any time before its end one of the two answers: each
of these is one short transaction. `refill.py` does the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ingest_worker.chunking.names import chunker_name
from services.ingest_worker.upkeep.estimates import ReindexCost, estimate
from services.ingest_worker.upkeep.moves import tell_move
from shared.database.engine import Database
from shared.database.rebuilds import Rebuilds
from shared.database.reindexes import (
    IndexedCollection,
    LockedReindex,
    NewIndex,
    Reindexes,
    ReindexRow,
    ReindexStage,
)
from shared.embeddings.spaces import embedding_space
from shared.errors import Conflict, NotFound
from shared.identity import new_id
from shared.settings_embedding import EmbeddingSettings


@dataclass(frozen=True, slots=True)
class ReindexWish:
    """What a collection is to be: None for the space leaves it, for the size it is the space's."""

    collection: str
    space: str | None = None
    chunk_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reindex:
    """Plans, begins and decides the reindexes of one tenant."""

    database: Database
    tenant_id: str
    embedding: EmbeddingSettings

    async def cost(self, wish: ReindexWish) -> ReindexCost:
        """Say what a reindex would take now.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: there is no such space, or it takes no such chunks.
            Conflict: the collection is so already.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            found = await Reindexes(connection).collection(wish.collection)
            there = _there(found, wish.collection)
            index = _target(there, wish, self.embedding.model_dirs)
            rebuilds = Rebuilds(connection)
            [size] = await rebuilds.sizes(wish.collection)
            sample = await rebuilds.sample(size.active_index)
            pace = await rebuilds.pace()
        return await estimate(size, index, sample, pace=pace, embedding=self.embedding)

    async def begin(self, wish: ReindexWish) -> ReindexRow:
        """Begin to fill a second index; new versions are written to both from here on.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: there is no such space, or it takes no such chunks.
            Conflict: the collection is so already, or another reindex or a rebuild is under way.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            reindexes = Reindexes(connection)
            collection = await _locked(reindexes, wish.collection)
            index = _target(collection, wish, self.embedding.model_dirs)
            under_way = await reindexes.open_of(collection.id)
            if under_way is not None:
                raise Conflict(
                    f"A reindex of `{wish.collection}` is under way ({under_way.stage}):"
                    " finish it first."
                )
            await _refuse_rebuilding(reindexes, collection, wish.collection)
            await reindexes.add(new_id(), collection, index)
            return _told(await reindexes.newest(wish.collection), wish.collection, "preparing")

    async def shown(self, name: str) -> ReindexRow:
        """Return the newest reindex of a collection, open or done.

        Raises:
            NotFound: there is no such collection, or it was never reindexed.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            return _found(await Reindexes(connection).newest(name), name)

    async def switch(self, name: str, *, accept_missing: bool = False) -> ReindexRow:
        """Let the new index answer every query that begins from here on; again is no change.

        Raises:
            NotFound: there is no such collection, or no open reindex of it.
            Conflict: it is not filled; the detail says what is missing.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            reindexes = Reindexes(connection)
            collection, reindex = await _open(reindexes, name)
            if reindex.stage == "switched":
                return _found(await reindexes.newest(name), name)
            await self._check_filled(reindexes, name, reindex, accept_missing=accept_missing)
            await _refuse_rebuilding(reindexes, collection, name)
            await reindexes.let_answer(collection.id, reindex, reindex.new_index, "switched")
            return _told(await reindexes.newest(name), name, "switched")

    async def rollback(self, name: str) -> ReindexRow:
        """Let the old index answer again; again is no change.

        Raises:
            NotFound: there is no such collection, or no open reindex of it.
            Conflict: it was not switched, or one of the two indexes is being removed.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            reindexes = Reindexes(connection)
            collection, reindex = await _open(reindexes, name)
            if reindex.stage not in {"switched", "ready"}:
                raise Conflict(f"Nothing to roll back: the reindex of `{name}` is {reindex.stage}.")
            if reindex.stage == "ready":
                return _found(await reindexes.newest(name), name)
            await reindexes.let_answer(collection.id, reindex, reindex.old_index, "ready")
            return _told(await reindexes.newest(name), name, "ready")

    async def finish(self, name: str) -> ReindexRow:
        """Keep the index that answers and remove the other; again is no change.

        Before the switch that gives the reindex up.

        Raises:
            NotFound: there is no such collection, or no open reindex of it.
        """
        async with self.database.tenant(self.tenant_id) as connection:
            reindexes = Reindexes(connection)
            _, reindex = await _open(reindexes, name)
            if reindex.stage == "removing":
                return _found(await reindexes.newest(name), name)
            await reindexes.begin_removal(reindex)
            return _told(await reindexes.newest(name), name, "removing")

    async def _check_filled(
        self, reindexes: Reindexes, name: str, reindex: LockedReindex, *, accept_missing: bool
    ) -> None:
        if reindex.stage != "ready":
            row = _found(await reindexes.newest(name), name)
            raise Conflict(f"The new index of `{name}` is not filled: {_progress(row)}.")
        if reindex.missing and not accept_missing:
            raise Conflict(
                f"The new index of `{name}` lacks {reindex.missing} chunks or documents that could"
                " not be brought over; `accept_missing` switches without them."
                f" {_first_problem(reindex)}"
            )


def _progress(row: ReindexRow) -> str:
    documents = f"{row.documents} of {row.documents_total} documents are cut"
    return f"{row.stage}, {documents}, {row.left} of {row.chunks} chunks are to be embedded"


def _first_problem(reindex: LockedReindex) -> str:
    return str(reindex.problems[0]["detail"]) if reindex.problems else ""


def _target(collection: IndexedCollection, wish: ReindexWish, folders: Sequence[Path]) -> NewIndex:
    space = embedding_space(wish.space or collection.space, folders)
    chunker = chunker_name(space, wish.chunk_tokens)
    if (space.name, chunker) == (collection.space, collection.chunker):
        raise Conflict(
            f"`{wish.collection}` is in the space `{space.name}` with this chunking already:"
            " there is nothing to do."
        )
    return NewIndex(new_id(), space.name, chunker)


def _there(collection: IndexedCollection | None, name: str) -> IndexedCollection:
    if collection is None:
        raise NotFound(f"There is no collection `{name}`.")
    return collection


async def _locked(reindexes: Reindexes, name: str) -> IndexedCollection:
    return _there(await reindexes.collection(name, lock=True), name)


async def _open(reindexes: Reindexes, name: str) -> tuple[IndexedCollection, LockedReindex]:
    collection = await _locked(reindexes, name)
    reindex = await reindexes.open_of(collection.id)
    if reindex is None:
        raise NotFound(f"No reindex of `{name}` is under way.")
    return collection, reindex


async def _refuse_rebuilding(
    reindexes: Reindexes, collection: IndexedCollection, name: str
) -> None:
    if await reindexes.is_rebuilding(collection.id):
        raise Conflict(f"The points of `{name}` are being rebuilt: wait until that is done.")


def _found(row: ReindexRow | None, name: str) -> ReindexRow:
    if row is None:
        raise NotFound(f"There is no collection `{name}`, or it was never reindexed.")
    return row


def _told(row: ReindexRow | None, name: str, stage: ReindexStage) -> ReindexRow:
    found = _found(row, name)
    tell_move(stage, reindex_id=str(found.id))
    return found
