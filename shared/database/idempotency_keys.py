"""Idempotency keys: which request is under way with a key, and what was answered to it.

A row is a claim with a lease until there is an answer, then the answer until it is too old. Time is
the database's own throughout.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A claim whose lease ran out, and an answer that is too old, are as good as no row.
CLAIM = text("""
INSERT INTO idempotency_keys AS k (tenant_id, key, claim, until)
VALUES (:tenant_id, :key, :claim, now() + make_interval(secs => :lease_s))
ON CONFLICT (tenant_id, key) DO UPDATE
SET claim = excluded.claim, until = excluded.until, fingerprint = NULL, answer = NULL
WHERE k.until < now()
RETURNING claim
""")
SEEN = text("""
SELECT fingerprint, answer, greatest(0, extract(epoch FROM until - now()))::float AS left_s
FROM idempotency_keys WHERE tenant_id = :tenant_id AND key = :key
""")
# An answer was committed by this very claim: its time is not the lease's any more.
RENEW = text("""
UPDATE idempotency_keys
SET until = CASE WHEN answer IS NULL THEN now() + make_interval(secs => :lease_s) ELSE until END
WHERE tenant_id = :tenant_id AND key = :key AND claim = :claim
""")
ANSWER = text("""
UPDATE idempotency_keys
SET fingerprint = :fingerprint, answer = :answer, until = now() + make_interval(secs => :kept_s)
WHERE tenant_id = :tenant_id AND key = :key AND claim = :claim
""")
RELEASE = text("""
DELETE FROM idempotency_keys
WHERE tenant_id = :tenant_id AND key = :key AND claim = :claim AND answer IS NULL
""")
PRUNE = text("DELETE FROM idempotency_keys WHERE until < now()")


@dataclass(frozen=True, slots=True)
class ClaimedKey:
    """A key and the right to answer it."""

    tenant_id: str
    key: str
    claim: UUID

    @property
    def bind(self) -> dict[str, object]:
        """The parameters that name this claim in SQL."""
        return {"tenant_id": self.tenant_id, "key": self.key, "claim": self.claim}


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key that another request holds, or was answered with; `left_s` is until that ends."""

    fingerprint: bytes | None
    answer: str | None
    left_s: float


class IdempotencyKeys:
    """The keys' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def claim(self, key: ClaimedKey, *, lease_s: float) -> bool:
        """Take a key that nobody holds and that has no answer; False when it is not to be had."""
        result = await self._connection.execute(CLAIM, key.bind | {"lease_s": lease_s})
        return result.one_or_none() is not None

    async def seen(self, key: ClaimedKey) -> SeenKey | None:
        """Return what is known of a key, whoever holds it."""
        parameters = {"tenant_id": key.tenant_id, "key": key.key}
        row = (await self._connection.execute(SEEN, parameters)).mappings().one_or_none()
        return None if row is None else SeenKey(**row)

    async def renew(self, key: ClaimedKey, *, lease_s: float) -> bool:
        """Extend the claim's lease; False when another has taken the key."""
        result = await self._connection.execute(RENEW, key.bind | {"lease_s": lease_s})
        return result.rowcount == 1

    async def answer(
        self, key: ClaimedKey, *, fingerprint: bytes, answer: str, kept_s: float
    ) -> bool:
        """Keep the answer for `kept_s`; False when the claim is lost and nothing may be done."""
        kept = {"fingerprint": fingerprint, "answer": answer, "kept_s": kept_s}
        return (await self._connection.execute(ANSWER, key.bind | kept)).rowcount == 1

    async def release(self, key: ClaimedKey) -> None:
        """Free a claimed key without an answer; what is answered stays."""
        await self._connection.execute(RELEASE, key.bind)

    async def prune(self) -> int:
        """Remove old answers and claims whose lease is long over; return how many."""
        return (await self._connection.execute(PRUNE)).rowcount
