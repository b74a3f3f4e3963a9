"""Usage: what a tenant holds, and what its jobs and its questions took from providers."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.answer_views import ChatUsageRow, ChatUsages
from shared.database.usage import JobSums, UsageSums
from shared.errors import InvalidInput

DAY_S = 86_400
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(slots=True)
class EmbeddingSums:
    """What embedding took; `cached` counts texts whose vector was there already."""

    tokens: int = 0
    provider_calls: int = 0
    cached: int = 0


@dataclass(slots=True)
class Sums:
    """What is held, and the jobs by state."""

    name: str = ""
    documents: int = 0
    versions: int = 0
    chunks: int = 0
    stored_bytes: int = 0
    jobs: Counter[str] = field(default_factory=Counter)
    embedding: EmbeddingSums = field(default_factory=EmbeddingSums)

    def add_jobs(self, sums: JobSums) -> None:
        """Add the jobs of one state."""
        self.jobs[sums.state] += sums.jobs
        self.embedding.tokens += sums.tokens
        self.embedding.provider_calls += sums.provider_calls
        self.embedding.cached += sums.cached


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """The sums of a tenant and of its collections, in the order of names.

    The total's bytes count each content once, so they may be fewer than the collections' together;
    its jobs include those of collections that are deleted and not removed yet.
    """

    since: datetime | None
    until: datetime | None
    total: Sums
    collections: Iterable[Sums]
    chat: Sequence[ChatUsageRow]


async def add_up(
    connection: AsyncConnection, *, since: datetime | None, until: datetime | None
) -> TenantUsage:
    """Add up what a tenant holds now, and the jobs made in a span of time.

    Five sums, however much there is. Holdings read each document, version and job of the tenant
    once; jobs are read by the index (tenant, state, id), so a span costs what is in it. Measured
    with a million documents and jobs on two cores: 5 s in all, of which all jobs take 0.4 s and
    those of one week 0.02 s. An index for the holdings would be one more to write with every job.

    Deleted documents took their jobs along, so the sums are of what is still there.

    Raises:
        InvalidInput: the span ends before it begins.
    """
    if since and until and until <= since:
        raise InvalidInput("until: it must be after `since`.")
    sums = UsageSums(connection)
    total = Sums(stored_bytes=await sums.all_bytes())
    by_id = {id_: Sums(name=name) for id_, name in (await sums.collections()).items()}
    await _add_holdings(sums, by_id, total)
    for row in await sums.jobs(since=since, until=until):
        total.add_jobs(row)
        if row.collection_id in by_id:
            by_id[row.collection_id].add_jobs(row)
    chat = await _chat(connection, since, until)
    return TenantUsage(since, until, total, by_id.values(), chat)


async def _chat(
    connection: AsyncConnection, since: datetime | None, until: datetime | None
) -> Sequence[ChatUsageRow]:
    """Return what questions took on the days (UTC) that a span touches, the newest first."""
    first = _day(math.floor(since.timestamp() / DAY_S)) if since else None
    end = _day(math.ceil(until.timestamp() / DAY_S)) if until else None
    return await ChatUsages(connection).days(since=first, until=end)


def _day(number: int) -> date:
    """Return a day (UTC) by its number since 1970; at the ends of the calendar it stays inside."""
    return date.fromordinal(min(max(0, number) + EPOCH, date.max.toordinal()))


async def _add_holdings(sums: UsageSums, by_id: Mapping[UUID, Sums], total: Sums) -> None:
    stored = await sums.bytes_by_collection()
    for held in await sums.held():
        one = by_id.get(held.collection_id, Sums())
        one.stored_bytes = stored.get(held.collection_id, 0)
        for each in (one, total):
            each.documents += held.documents
            each.versions += held.versions
            each.chunks += held.chunks
