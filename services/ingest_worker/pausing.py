"""Pausing and resuming a batch of any size: the decision at once, the marks in slices.

The batch's own row decides. Marks only take its waiting work out of the dispatcher's and the
embedders' sight, so they are set after it and, but for a few, taken off before it.
"""

from uuid import UUID

from shared.database.engine import Database
from shared.database.pauses import FIRST, Pauses


class Pausing:
    """Holds back the batches of one tenant and lets them go on; both may be repeated."""

    def __init__(self, database: Database, tenant_id: str, *, deadline_s: float) -> None:
        """Take the tenant; jobs that go on have at least `deadline_s` from then."""
        self._database = database
        self._tenant_id = tenant_id
        self._deadline_s = deadline_s

    async def pause(self, batch_id: UUID) -> None:
        """Begin no more work of a batch."""
        await self._set(batch_id, paused=True)
        after: UUID | None = FIRST
        while after is not None:
            async with self._database.tenant(self._tenant_id) as connection:
                pauses = Pauses(connection, deadline_s=self._deadline_s)
                after = await pauses.mark_some(batch_id, after=after)

    async def resume(self, batch_id: UUID) -> None:
        """Let a batch go on."""
        after: UUID | None = FIRST
        while after is not None:
            async with self._database.tenant(self._tenant_id) as connection:
                pauses = Pauses(connection, deadline_s=self._deadline_s)
                after = await pauses.unmark_some(batch_id, after=after)
        await self._set(batch_id, paused=False)

    async def _set(self, batch_id: UUID, *, paused: bool) -> None:
        async with self._database.tenant(self._tenant_id) as connection:
            await Pauses(connection, deadline_s=self._deadline_s).set(batch_id, paused=paused)
