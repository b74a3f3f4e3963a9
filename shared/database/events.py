"""Events: one row for each change of a job or batch, written in the change's own transaction."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import events


class Events:
    """Writes what happened; readers follow by (xid, seq)."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction of the change."""
        self._connection = connection

    async def add_job_events(self, rows: list[dict[str, Any]]) -> None:
        """Note the present state of jobs.

        Args:
            rows: mappings with `id`, `tenant_id`, `batch_id`, `state`, `stage`, `revision`.
        """
        if rows:
            await self._connection.execute(insert(events), [_job_event(row) for row in rows])


def _job_event(row: dict[str, Any]) -> dict[str, Any]:
    job_id: UUID = row["id"]
    return {
        "tenant_id": row["tenant_id"],
        "batch_id": row["batch_id"],
        "job_id": job_id,
        "kind": "job",
        "data": {
            "job_id": str(job_id),
            "state": row["state"],
            "stage": row["stage"],
            "revision": row["revision"],
        },
    }
