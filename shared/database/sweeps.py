"""The sweeper's and dispatcher's own marks: one at a time, and when it last happened."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The sweeper's round, by name, for its lock and its mark.
SWEEP = "sweep"
# Sweeps that fail for this long make the process not ready.
STALE_S = 60.0

TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
NOTE = text("""
INSERT INTO sweeps (name, tenant_id, swept_at) VALUES (:name, '', now())
ON CONFLICT (name) DO UPDATE SET swept_at = excluded.swept_at
""")
AGE = text("SELECT extract(epoch FROM now() - swept_at)::float FROM sweeps WHERE name = :name")


class Sweeps:
    """Queries about rounds of housekeeping, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction; locks end with it."""
        self._connection = connection

    async def try_lock(self, name: str) -> bool:
        """Take the named lock unless another holds it."""
        return bool((await self._connection.execute(TRY_LOCK, {"name": name})).scalar_one())

    async def lock(self, name: str) -> None:
        """Wait for the named lock and take it."""
        await self._connection.execute(LOCK, {"name": name})

    async def note(self, name: str) -> None:
        """Write down that this round happened now."""
        await self._connection.execute(NOTE, {"name": name})

    async def age_s(self, name: str) -> float | None:
        """Return the seconds since the last such round; None if there was none yet."""
        return (await self._connection.execute(AGE, {"name": name})).scalar_one_or_none()
