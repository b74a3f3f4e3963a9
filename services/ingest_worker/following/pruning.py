"""Removes events nobody can ask for any more, in slices: no transaction is long."""

from shared.database.engine import Database
from shared.database.events import Events

KEPT_DAYS = 7
SLICE = 10_000


async def prune_events(database: Database, *, days: int = KEPT_DAYS, most: int = SLICE) -> int:
    """Remove events older than `days`, `most` in a transaction; return how many.

    Raises:
        DatabaseUnavailable: Postgres does not answer; what was removed stays so.
    """
    removed = 0
    while True:
        async with database.worker() as connection:
            count = await Events(connection).prune(days=days, most=most)
        removed += count
        if count < most:
            return removed
