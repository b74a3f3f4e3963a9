"""Events: one row for each change of a job, written in the change's own transaction.

A row says that a job changed, not how: readers get the job as it is now. So nothing they see goes
back, whatever order the transactions came in, and ten changes between two looks are one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.job_views import COLUMNS, JobRow

# Below this every transaction has ended: what is not visible there will never be.
HORIZON = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"

ADD = text("""
INSERT INTO events (tenant_id, batch_id, job_id)
SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:batches AS uuid[]), CAST(:jobs AS uuid[]))
""")
HEAD = text(f"SELECT {HORIZON} AS xid, extract(epoch FROM now())::bigint AS at_s")  # noqa: S608
MOVED = text("""
SELECT w.batch_id
FROM unnest(CAST(:batches AS uuid[]), CAST(:xids AS bigint[]), CAST(:seqs AS bigint[]))
    AS w(batch_id, xid, seq)
WHERE EXISTS (
    SELECT FROM events e WHERE e.batch_id = w.batch_id AND (e.xid, e.seq) > (w.xid, w.seq)
)
""")
# Of several changes of one job the last counts; it stands where that one stands.
CHANGES = text(f"""
SELECT c.batch_id AS of_batch, c.xid AS at_xid, c.seq AS at_seq, c.read, c.xid < {HORIZON} AS safe,
       extract(epoch FROM c.created_at)::bigint AS at_s, j.*
FROM (
    SELECT DISTINCT ON (e.batch_id, e.job_id) e.*
    FROM unnest(CAST(:batches AS uuid[]), CAST(:xids AS bigint[]), CAST(:seqs AS bigint[]),
                CAST(:whole AS bool[])) AS w(batch_id, xid, seq, whole)
    CROSS JOIN LATERAL (
        SELECT o.*, count(*) OVER () AS read FROM (
            SELECT batch_id, job_id, xid, seq, created_at FROM events
            WHERE batch_id = w.batch_id AND (xid, seq) > (w.xid, w.seq)
              AND (w.whole OR xid < {HORIZON})
            ORDER BY xid, seq LIMIT :most
        ) o
    ) e
    ORDER BY e.batch_id, e.job_id, e.xid DESC, e.seq DESC
) c
LEFT JOIN LATERAL (SELECT {COLUMNS} FROM jobs WHERE id = c.job_id) j ON true
ORDER BY c.xid, c.seq
""")  # noqa: S608 - constants of this module and another
# The oldest by number are the oldest by time, but for a transaction's length.
PRUNE = text("""
DELETE FROM events WHERE seq IN (
    SELECT seq FROM (SELECT seq, created_at FROM events ORDER BY seq LIMIT :most) oldest
    WHERE created_at < now() - make_interval(days => :days)
)
""")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the order of events, by transaction and then by number.

    `at_s` is the moment of the event there, as seconds of the database's clock since 1970.
    """

    xid: int
    seq: int
    at_s: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Change:
    """A job that changed, as it is now; without a job, it is gone or the batch itself changed."""

    position: Position
    job: JobRow | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of one batch after a position, up to `upto`.

    Nothing at or before `safe` can still come. `more` says that the limit cut the rest off.
    """

    changes: Sequence[Change]
    upto: Position
    safe: Position
    more: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """From where to read a batch's changes.

    `whole`: also those that younger, unfinished transactions may yet precede. Only what has ended
    for good is read so.
    """

    after: Position
    whole: bool


class Events:
    """Notes what changed, and reads it; inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction, for a note that of the change."""
        self._connection = connection

    async def add_job_events(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note that jobs changed, in one statement.

        Args:
            rows: mappings with the jobs' `id`, `tenant_id` and `batch_id`.
        """
        await self._add([(row["tenant_id"], row["batch_id"], row["id"]) for row in rows])

    async def add_batch_event(self, tenant_id: str, batch_id: UUID) -> None:
        """Note that a batch itself changed: paused, grown, or less by what was deleted."""
        await self._add([(tenant_id, batch_id, None)])

    async def head(self) -> Position:
        """Return the position that every later event comes after."""
        row = (await self._connection.execute(HEAD)).one()
        return Position(row.xid, 0, row.at_s)

    async def moved(self, heads: Mapping[UUID, Position]) -> list[UUID]:
        """Return those of these batches that have events after their position."""
        result = await self._connection.execute(MOVED, _columns(heads))
        return list(result.scalars())

    async def changes(self, wanted: Mapping[UUID, Wanted], *, most: int) -> dict[UUID, Changes]:
        """Read up to `most` events of each batch, as the jobs they are about."""
        starts = {batch_id: one.after for batch_id, one in wanted.items()}
        parameters = _columns(starts) | {
            "whole": [one.whole for one in wanted.values()],
            "most": most,
        }
        result = await self._connection.execute(CHANGES, parameters)
        rows: dict[UUID, list[dict[str, Any]]] = {batch_id: [] for batch_id in wanted}
        for row in result.mappings():
            rows[row["of_batch"]].append(dict(row))
        return {
            batch_id: _changes(found, wanted[batch_id].after, most)
            for batch_id, found in rows.items()
        }

    async def prune(self, *, days: int, most: int) -> int:
        """Remove up to `most` events older than this; return how many."""
        result = await self._connection.execute(PRUNE, {"days": days, "most": most})
        return result.rowcount

    async def _add(self, rows: Sequence[tuple[str, UUID, UUID | None]]) -> None:
        if rows:
            tenants, batches, jobs = (list(column) for column in zip(*rows, strict=True))
            parameters = {"tenants": tenants, "batches": batches, "jobs": jobs}
            await self._connection.execute(ADD, parameters)


def _columns(positions: Mapping[UUID, Position]) -> dict[str, Any]:
    return {
        "batches": list(positions),
        "xids": [one.xid for one in positions.values()],
        "seqs": [one.seq for one in positions.values()],
    }


def _changes(rows: list[dict[str, Any]], after: Position, most: int) -> Changes:
    read = [(row.pop("safe"), row.pop("read"), _change(row)) for row in rows]
    safe = [change.position for is_safe, _, change in read if is_safe]
    return Changes(
        changes=[change for _, _, change in read],
        upto=read[-1][2].position if read else after,
        safe=safe[-1] if safe else after,
        more=bool(read) and read[0][1] == most,
    )


def _change(row: dict[str, Any]) -> Change:
    del row["of_batch"]
    position = Position(row.pop("at_xid"), row.pop("at_seq"), row.pop("at_s"))
    return Change(position, None if row["id"] is None else JobRow(**row))
