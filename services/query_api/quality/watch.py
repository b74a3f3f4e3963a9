"""The quality watch: a round over a collection's canaries, judged by the rounds before it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.query_api.quality.asking import Round, Search, ask
from services.query_api.quality.fresh import FreshEmbedders
from services.query_api.quality.gauges import PROVIDER_CALLS, TICKS, QualityGauges
from services.query_api.quality.making import SAMPLED_FOR_EACH, make_canaries
from services.query_api.quality.verdict import BASELINE_TICKS, baseline, reasons
from shared.database.collections import DEFAULT_COLLECTION
from shared.database.engine import Database
from shared.database.quality import (
    CanaryRow,
    NewCanary,
    NewTick,
    Quality,
    TickRow,
    Watched,
)
from shared.embeddings.base import Embedder
from shared.errors import CitewellError, InvalidInput, NotFound
from shared.settings_quality import QualitySettings

log: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.quality")

SearchOf = Callable[[Callable[[str], Embedder]], Search]


@dataclass(frozen=True, slots=True)
class RunWish:
    """Which collections to go over: one or all; only those that are `due`; `rebase` them first."""

    tenant_id: str
    collection: str | None = None
    due: bool = False
    rebase: bool = False


@dataclass(frozen=True, slots=True)
class Ticked:
    """A collection and its new tick; None where it has nothing a canary could be made from."""

    collection: Watched
    tick: TickRow | None


@dataclass(frozen=True, slots=True)
class History:
    """A collection's ticks, newest first, and the `baseline` that the next is measured by."""

    collection: str
    collection_id: UUID | None
    baseline: dict[str, float]
    ticks: Sequence[TickRow]


class QualityWatch:
    """Asks canaries and keeps what came of it."""

    def __init__(
        self,
        *,
        database: Database,
        search_of: SearchOf,
        embedder_of: Callable[[str], Embedder],
        settings: QualitySettings,
    ) -> None:
        """Take the database, and how a search is built on embedders of the watch's own."""
        self._database = database
        self._search_of = search_of
        self._embedder_of = embedder_of
        self._settings = settings
        self.gauges = QualityGauges(database, series=settings.series)
        self._begun: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def run(self, wish: RunWish) -> list[Ticked]:
        """Go over a tenant's collections, one after the other.

        Raises:
            NotFound: the tenant has no such collection.
            VectorStoreUnavailable, DatabaseUnavailable: a store does not answer; what was
                measured before stays.
        """
        watched = await self._watched(wish)
        ticked = [Ticked(one, await self._tick(wish, one)) for one in watched]
        await self.gauges.refresh()
        return ticked

    def begin(self, wish: RunWish) -> None:
        """Go over a tenant's collections behind the caller's back, once at a time."""
        if wish.tenant_id not in self._begun:
            task = asyncio.create_task(self._run_alone(wish))
            self._begun[wish.tenant_id] = task
            task.add_done_callback(lambda _: self._begun.pop(wish.tenant_id, None))

    async def history(self, tenant_id: str, collection: str, *, limit: int) -> History:
        """Return a collection's ticks and what the next one is measured by.

        Raises:
            NotFound: the tenant has no such collection.
        """
        async with self._database.tenant(tenant_id) as connection:
            quality = Quality(connection)
            id_ = await _known(quality, collection)
            if id_ is None:
                return History(collection, None, {}, ())
            before = await quality.baseline(id_, limit=BASELINE_TICKS)
            ticks = await quality.newest(id_, limit=limit)
        return History(collection, id_, baseline(before), ticks)

    async def canaries(self, tenant_id: str, collection: str) -> list[CanaryRow]:
        """Return a collection's canaries.

        Raises:
            NotFound: the tenant has no such collection.
        """
        async with self._database.tenant(tenant_id) as connection:
            quality = Quality(connection)
            id_ = await _known(quality, collection)
            return await quality.canaries(id_) if id_ else []

    async def put_canaries(
        self, tenant_id: str, collection: str, given: Sequence[NewCanary]
    ) -> list[CanaryRow]:
        """Let these canaries take the place of those there are; none: they are made again.

        The baseline begins anew: other questions are not measured by it.

        Raises:
            NotFound: the tenant has no such collection.
            InvalidInput: they are more than one tick may ask.
        """
        if len(given) > self._settings.questions:
            raise InvalidInput(
                f"A tick asks at most {self._settings.questions} canaries"
                " (CITEWELL_QUALITY_QUESTIONS)."
            )
        async with self._database.tenant(tenant_id) as connection:
            quality = Quality(connection)
            id_ = await _id_of(quality, collection)
            await quality.remove_canaries(id_)
            await quality.add_canaries(tenant_id, id_, given)
            await quality.rebase(id_)
            return await quality.canaries(id_)

    async def aclose(self) -> None:
        """Stop what was begun; the next tick of the clock does it again."""
        begun = list(self._begun.values())
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)

    async def _run_alone(self, wish: RunWish) -> None:
        try:
            async with self._turn:
                await self.run(wish)
        except CitewellError as error:
            log.warning("quality_not_measured", code=error.code, detail=error.detail)

    async def _watched(self, wish: RunWish) -> list[Watched]:
        # Half a round: a tick that comes twice is one, and one that is a little early is in time.
        younger_s = self._settings.every_s / 2 if wish.due else 0.0
        async with self._database.tenant(wish.tenant_id) as connection:
            quality = Quality(connection)
            if wish.collection is not None:
                await _known(quality, wish.collection)
            return await quality.collections(
                wish.collection, younger_s=younger_s, limit=self._settings.collections
            )

    async def _tick(self, wish: RunWish, watched: Watched) -> TickRow | None:
        canaries, skipped = await self._renewed(wish, watched)
        if not canaries:
            return None
        embedders, asked = FreshEmbedders(self._embedder_of), Round()
        search = self._search_of(embedders.of)
        try:
            for canary in canaries:
                await ask(search, wish.tenant_id, watched.name, canary, asked)
        finally:
            PROVIDER_CALLS.inc(embedders.provider_calls)
        tick = await self._judged(wish, watched, asked, skipped, embedders.provider_calls)
        if tick.state == "ok":
            await self._note(wish, watched, canaries, asked)
        return tick

    async def _renewed(self, wish: RunWish, watched: Watched) -> tuple[list[CanaryRow], int]:
        """Return the canaries to ask, and how many given ones expect what is not there.

        Made ones whose chunk is gone are replaced, and none is made beside given ones.
        """
        async with self._database.tenant(wish.tenant_id) as connection:
            quality = Quality(connection)
            if wish.rebase:
                await quality.rebase(watched.id)
            rows = await quality.canaries(watched.id)
            if not any(row.chunk_id is None for row in rows):
                rows = await self._made(quality, wish.tenant_id, watched, rows)
        live = [row for row in rows if row.live][: self._settings.questions]
        return live, sum(not row.live for row in rows)

    async def _made(
        self, quality: Quality, tenant_id: str, watched: Watched, rows: Sequence[CanaryRow]
    ) -> list[CanaryRow]:
        dead = [row.id for row in rows if not row.live]
        missing = self._settings.questions - len(rows) + len(dead)
        if missing <= 0 and not dead:
            return list(rows)
        await quality.remove_canaries(watched.id, dead)
        sample = await quality.sample(
            watched.index_id, limit=SAMPLED_FOR_EACH * self._settings.questions
        )
        known = [row.chunk_id for row in rows if row.live and row.chunk_id]
        made = make_canaries(sample, most=max(0, missing), known=known)
        await quality.add_canaries(tenant_id, watched.id, made)
        return await quality.canaries(watched.id)

    async def _judged(
        self, wish: RunWish, watched: Watched, asked: Round, skipped: int, provider_calls: int
    ) -> TickRow:
        measures = asked.measures()
        async with self._database.tenant(wish.tenant_id) as connection:
            quality = Quality(connection)
            before = await quality.baseline(watched.id, limit=BASELINE_TICKS)
            past = reasons(measures, before, self._settings)
            new = NewTick(
                state="degraded" if past else "ok",
                reasons=past,
                measures=measures,
                questions=len(asked.ranks["hybrid"]),
                skipped=skipped,
                errors=asked.errors,
                provider_calls=provider_calls,
            )
            tick = await quality.add_tick(wish.tenant_id, watched.id, new, keep=self._settings.keep)
        _tell(watched, tick, baseline(before))
        return tick

    async def _note(
        self, wish: RunWish, watched: Watched, canaries: Sequence[CanaryRow], asked: Round
    ) -> None:
        """Keep the cosines of canaries that had their first good tick."""
        first = {one.id for one in canaries if one.cosine is None}
        cosines = {id_: cosine for id_, cosine in asked.cosines.items() if id_ in first}
        async with self._database.tenant(wish.tenant_id) as connection:
            await Quality(connection).note_cosines(watched.index_id, cosines)


def _tell(watched: Watched, tick: TickRow, before: dict[str, float]) -> None:
    TICKS.labels(tick.state).inc()
    if tick.state == "degraded":
        log.warning(
            "quality_degraded",
            collection_id=str(watched.id),
            collection=watched.name,
            reasons=list(tick.reasons),
            measures=dict(tick.measures),
            baseline=before,
        )


async def _known(quality: Quality, collection: str) -> UUID | None:
    """Return a collection's id; None for `default`, whose row comes with the first upload."""
    if collection != DEFAULT_COLLECTION:
        return await _id_of(quality, collection)
    return await quality.collection_id(collection)


async def _id_of(quality: Quality, collection: str) -> UUID:
    id_ = await quality.collection_id(collection)
    if id_ is None:
        raise NotFound(f"There is no collection `{collection}`.")
    return id_
