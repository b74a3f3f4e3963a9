"""How much work waits: counted only as far as a limit, so that a count has a longest time."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OPEN = """
SELECT count(*) FROM (
    SELECT FROM jobs WHERE state IN ('queued', 'parsing', 'embedding') {of_whom} LIMIT :most
) q
"""
OF_ALL = text(OPEN.format(of_whom=""))
OF_TENANT = text(OPEN.format(of_whom="AND tenant_id = :tenant_id"))


class Backlog:
    """Counts of jobs that have not ended, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction: a tenant's own, or the workers' for all tenants."""
        self._connection = connection

    async def of_all(self, *, most: int) -> int:
        """Count the open jobs of every tenant, up to `most`."""
        return int((await self._connection.execute(OF_ALL, {"most": most})).scalar_one())

    async def of_tenant(self, tenant_id: str, *, most: int) -> int:
        """Count one tenant's open jobs, up to `most`."""
        parameters = {"tenant_id": tenant_id, "most": most}
        return int((await self._connection.execute(OF_TENANT, parameters)).scalar_one())
