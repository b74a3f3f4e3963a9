"""Parts: the unit of parse work. A claim takes a lease; a write without the claim is refused.

One claim may hold several parts: small files are taken together. Time is the database's own
throughout. A part is `queued`, `leased`, `done`, or `stopped` with its job, until that is retried.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

KEYS = "unnest(CAST(:versions AS uuid[]), CAST(:numbers AS int[])) AS k(version_id, number)"

# Jobs before parts, as everywhere.
LOCK_JOBS = text(f"""
SELECT id FROM jobs WHERE id IN (
    SELECT p.job_id FROM parts p JOIN {KEYS} USING (version_id, number)
) ORDER BY id FOR UPDATE
""")  # noqa: S608 - constants of this module only
CLAIM = text(f"""
UPDATE parts p
SET state = 'leased', claim = :claim, lease_until = now() + make_interval(secs => :lease_s),
    lost_leases = lost_leases + (p.state = 'leased')::int
FROM {KEYS}, jobs j JOIN versions v ON v.id = j.version_id
WHERE p.version_id = k.version_id AND p.number = k.number AND j.id = p.job_id
  AND j.state IN ('queued', 'parsing')
  AND (p.state = 'queued' OR (p.state = 'leased' AND p.lease_until < now()))
RETURNING p.version_id, p.number, p.claim, p.tenant_id, p.job_id, p.page_start, p.page_end,
          j.collection_id, j.document_id, j.filename, j.parts_total, v.blob_id, v.options
""")  # noqa: S608
RENEW = text(f"""
UPDATE parts p SET lease_until = now() + make_interval(secs => :lease_s)
FROM {KEYS}, jobs j
WHERE p.version_id = k.version_id AND p.number = k.number AND p.claim = :claim
  AND j.id = p.job_id AND j.state = 'parsing'
RETURNING p.version_id, p.number
""")  # noqa: S608
# What failed goes in a message of its own from then on: it must not take others along again.
RELEASE = text("""
UPDATE parts
SET state = 'queued', claim = NULL, lease_until = NULL, published_at = NULL,
    crashes = crashes + :crashes, timeouts = timeouts + :timeouts,
    alone = alone OR :crashes + :timeouts > 0,
    not_before = now() + make_interval(secs => :delay_s)
WHERE version_id = :version_id AND number = :number AND claim = :claim
RETURNING crashes, timeouts, lost_leases
""")
GIVE_BACK = text(f"""
UPDATE parts p
SET state = 'queued', claim = NULL, lease_until = NULL, published_at = NULL
FROM {KEYS}
WHERE p.version_id = k.version_id AND p.number = k.number AND p.claim = :claim
""")  # noqa: S608
PLAN = text("""
INSERT INTO parts (version_id, number, tenant_id, job_id, page_start, page_end, bulk, alone)
SELECT p.version_id, n, p.tenant_id, p.job_id, s, e, p.bulk, true
FROM parts p, unnest(:numbers ::int[], :starts ::int[], :ends ::int[]) AS plan(n, s, e)
WHERE p.version_id = :version_id AND p.number = 0 AND p.claim = :claim
ON CONFLICT (version_id, number) DO UPDATE
SET page_start = excluded.page_start, page_end = excluded.page_end
""")
FINISH = text("""
UPDATE parts
SET state = 'done', claim = NULL, lease_until = NULL, elements = :elements,
    warnings = CAST(:warnings AS jsonb)
WHERE version_id = :version_id AND number = :number AND claim = :claim
""")
ELEMENTS = text("""
SELECT elements FROM parts
WHERE version_id = :version_id AND elements IS NOT NULL ORDER BY number
""")
WARNINGS = text("""
SELECT w FROM parts, jsonb_array_elements(warnings) w
WHERE version_id = :version_id ORDER BY number
""")
# Distinct tenants by a loose scan of the index, then a few parts of each: a tenant with 50,000
# waiting files costs the same as one with five.
TAKE_WAITING = text("""
WITH RECURSIVE waiting(tenant_id) AS (
    (SELECT tenant_id FROM parts WHERE state = 'queued' AND published_at IS NULL AND NOT held
     ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.tenant_id FROM parts p
            WHERE p.state = 'queued' AND p.published_at IS NULL AND NOT p.held
              AND p.tenant_id > w.tenant_id
            ORDER BY p.tenant_id LIMIT 1)
    FROM waiting w WHERE w.tenant_id IS NOT NULL
), offered AS (
    SELECT o.*, row_number() OVER (PARTITION BY w.tenant_id ORDER BY o.bulk, o.created_at) AS turn,
           t.served_at
    FROM waiting w LEFT JOIN tenants t USING (tenant_id)
    CROSS JOIN LATERAL (
        SELECT p.version_id, p.number, p.bulk, p.created_at, p.alone
        FROM parts p JOIN jobs j ON j.id = p.job_id JOIN batches b ON b.id = j.batch_id
        WHERE p.tenant_id = w.tenant_id AND p.state = 'queued' AND p.published_at IS NULL
          AND NOT p.held AND p.not_before <= now()
          AND j.state IN ('queued', 'parsing') AND NOT b.paused
        ORDER BY p.bulk, p.created_at, p.version_id, p.number LIMIT :room
    ) o
), weighed AS (
    SELECT version_id, number, row_number() OVER turns AS place,
           sum(CASE WHEN alone THEN CAST(:weight AS int) ELSE 1 END) OVER turns AS upto
    FROM offered WINDOW turns AS (ORDER BY turn, served_at NULLS FIRST, created_at, version_id,
                                  number ROWS UNBOUNDED PRECEDING)
), chosen AS (
    SELECT version_id, number, place FROM weighed WHERE upto <= :room OR place = 1
    ORDER BY place LIMIT :room
), taken AS (
    UPDATE parts p SET published_at = now()
    FROM chosen c, jobs j
    WHERE p.version_id = c.version_id AND p.number = c.number AND j.id = p.job_id
    RETURNING p.version_id, p.number, p.tenant_id, p.alone, j.filename, j.parts_total, c.place
) SELECT version_id, number, tenant_id, alone, filename, parts_total FROM taken ORDER BY place
""")
SERVED = text("""
INSERT INTO tenants (tenant_id, served_at) SELECT unnest(:tenants ::text[]), clock_timestamp()
ON CONFLICT (tenant_id) DO UPDATE SET served_at = excluded.served_at
""")
OUT = text("""
SELECT coalesce(sum(CASE WHEN alone THEN CAST(:weight AS int) ELSE 1 END), 0)
FROM parts WHERE state <> 'done' AND published_at IS NOT NULL
""")
UNPUBLISH_LOST = text("""
UPDATE parts SET published_at = NULL
WHERE state = 'queued' AND published_at < now() - make_interval(secs => :after_s)
""")
# Jobs before parts; what another holds is put back by the next sweep.
EXPIRE = text("""
WITH overdue AS (
    SELECT job_id FROM parts WHERE state = 'leased' AND lease_until < now()
), held AS (
    SELECT id FROM jobs WHERE id IN (SELECT job_id FROM overdue)
    ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE parts
SET state = 'queued', claim = NULL, lease_until = NULL, published_at = NULL, alone = true,
    lost_leases = lost_leases + 1,
    not_before = now() + make_interval(secs => least(60, power(2, lost_leases) - 1))
WHERE state = 'leased' AND lease_until < now() AND job_id IN (SELECT id FROM held)
RETURNING job_id, lost_leases
""")
REOPEN = text("""
UPDATE parts
SET state = CASE state WHEN 'done' THEN 'done' ELSE 'queued' END,
    crashes = 0, timeouts = 0, lost_leases = 0,
    claim = NULL, lease_until = NULL, published_at = NULL, not_before = now(), held = false
WHERE version_id IN (SELECT version_id FROM jobs WHERE id = ANY(:ids))
""")


@dataclass(frozen=True, slots=True)
class PartKey:
    """What a message carries: the version and the part's number in it."""

    version_id: UUID
    number: int

    @classmethod
    def parse(cls, name: str) -> "PartKey":
        """Read what `str` writes: `version/number`."""
        version, _, number = name.partition("/")
        return cls(UUID(version), int(number))

    @override
    def __str__(self) -> str:
        """Name the part in a message."""
        return f"{self.version_id}/{self.number}"


@dataclass(frozen=True, slots=True)
class WaitingPart:
    """A part to publish, with what an operator wants to read about it.

    One that goes `alone` shares no message with others.
    """

    key: PartKey
    tenant_id: str
    alone: bool
    filename: str
    parts_total: int


@dataclass(frozen=True, slots=True)
class ClaimedPart:
    """A part and the right to finish it; pages are null until the part plan is made."""

    key: PartKey
    claim: UUID
    tenant_id: str
    job_id: UUID
    collection_id: UUID
    document_id: UUID
    filename: str
    blob_id: UUID
    options: Mapping[str, Any]
    page_start: int | None
    page_end: int | None
    parts_total: int

    @property
    def bind(self) -> dict[str, Any]:
        """The parameters that name this claim in SQL."""
        return {
            "version_id": self.key.version_id,
            "number": self.key.number,
            "claim": self.claim,
        }


@dataclass(frozen=True, slots=True)
class Failures:
    """How often one part failed, by kind of death."""

    crashes: int
    timeouts: int
    lost_leases: int


class Parts:
    """The parts' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def claim(
        self, keys: Sequence[PartKey], *, claim: UUID, lease_s: float
    ) -> list[ClaimedPart]:
        """Take parts in the order asked, but those done, held by another or no longer wanted."""
        if not keys:
            return []
        await self._connection.execute(LOCK_JOBS, _named(keys))
        result = await self._connection.execute(
            CLAIM, _named(keys) | {"claim": claim, "lease_s": lease_s}
        )
        taken = {part.key: part for part in map(_claimed, result.mappings())}
        return [taken[key] for key in keys if key in taken]

    async def renew(self, parts: Sequence[ClaimedPart], *, lease_s: float) -> set[PartKey]:
        """Extend the leases of one claim; return what is still held and wanted."""
        if not parts:
            return set()
        held = _held(parts) | {"lease_s": lease_s}
        result = await self._connection.execute(RENEW, held)
        return {PartKey(row.version_id, row.number) for row in result}

    async def give_back(self, parts: Sequence[ClaimedPart]) -> None:
        """Let go of parts of one claim that were not begun; nothing is counted against them."""
        if parts:
            await self._connection.execute(GIVE_BACK, _held(parts))

    async def release(
        self, part: ClaimedPart, *, delay_s: float = 0, crashes: int = 0, timeouts: int = 0
    ) -> Failures | None:
        """Give the part back, to be tried again after `delay_s`; None when it was not ours."""
        result = await self._connection.execute(
            RELEASE, part.bind | {"delay_s": delay_s, "crashes": crashes, "timeouts": timeouts}
        )
        row = result.mappings().one_or_none()
        return None if row is None else Failures(**row)

    async def plan(self, part: ClaimedPart, windows: Sequence[tuple[int, int]]) -> None:
        """Write the part plan: the claimed part 0 gets the first window, new parts the others."""
        await self._connection.execute(
            PLAN,
            {
                "version_id": part.key.version_id,
                "claim": part.claim,
                "numbers": list(range(len(windows))),
                "starts": [start for start, _ in windows],
                "ends": [end for _, end in windows],
            },
        )

    async def finish(self, part: ClaimedPart, *, elements: bytes, warnings: str) -> bool:
        """Store the part's Elements and warnings (a JSON list); False when the claim is lost."""
        result = await self._connection.execute(
            FINISH, part.bind | {"elements": elements, "warnings": warnings}
        )
        return result.rowcount == 1

    async def elements(self, version_id: UUID) -> AsyncIterator[bytes]:
        """Stream the packed Elements of each part that is read, in the order of pages."""
        async with self._connection.stream(ELEMENTS, {"version_id": version_id}) as rows:
            async for row in rows:
                yield row.elements

    async def warnings(self, version_id: UUID) -> list[dict[str, Any]]:
        """Return every part's warnings in the order of pages."""
        result = await self._connection.execute(WARNINGS, {"version_id": version_id})
        return list(result.scalars())

    async def take_waiting(self, *, room: int, weight: int = 1) -> list[WaitingPart]:
        """Mark waiting parts as published and return them, as many as weigh up to `room`.

        A part that goes alone weighs `weight`, any other 1. The least recently served tenant
        first, small batches first within a tenant, then the oldest; tenants take turns.
        """
        result = await self._connection.execute(TAKE_WAITING, {"room": room, "weight": weight})
        taken = [
            WaitingPart(
                key=PartKey(row["version_id"], row["number"]),
                tenant_id=row["tenant_id"],
                alone=row["alone"],
                filename=row["filename"],
                parts_total=row["parts_total"],
            )
            for row in result.mappings()
        ]
        if taken:
            tenants = sorted({part.tenant_id for part in taken})
            await self._connection.execute(SERVED, {"tenants": tenants})
        return taken

    async def out(self, *, weight: int = 1) -> int:
        """Weigh the parts whose message is out or whose work is under way."""
        return int((await self._connection.execute(OUT, {"weight": weight})).scalar_one())

    async def unpublish_lost(self, *, after_s: float) -> int:
        """Take back parts whose message nobody claimed for `after_s`; return how many."""
        result = await self._connection.execute(UNPUBLISH_LOST, {"after_s": after_s})
        return result.rowcount

    async def expire(self) -> list[tuple[UUID, int]]:
        """Take back parts whose lease ran out; return their jobs and lost leases."""
        result = await self._connection.execute(EXPIRE)
        return [(row.job_id, row.lost_leases) for row in result]

    async def reopen(self, job_ids: Sequence[UUID]) -> None:
        """Let retried jobs' open parts be tried anew; done parts stay done.

        Those of versions that a job had before it was begun anew stay as they are.
        """
        await self._connection.execute(REOPEN, {"ids": list(job_ids)})


def _named(keys: Sequence[PartKey]) -> dict[str, Any]:
    return {
        "versions": [key.version_id for key in keys],
        "numbers": [key.number for key in keys],
    }


def _held(parts: Sequence[ClaimedPart]) -> dict[str, Any]:
    return _named([part.key for part in parts]) | {"claim": parts[0].claim}


def _claimed(row: RowMapping) -> ClaimedPart:
    held = {name: value for name, value in row.items() if name not in ("version_id", "number")}
    return ClaimedPart(key=PartKey(row["version_id"], row["number"]), **held)
