"""Removes answers that are older than they are kept, in slices: no transaction is long."""

from shared.database.answers import Answers
from shared.database.engine import Database

# With their sources, of which each has up to about twenty.
SLICE = 500


async def prune_answers(database: Database, *, days: int, most: int = SLICE) -> int:
    """Remove answers older than `days`, `most` in a transaction; return how many.

    Raises:
        DatabaseUnavailable: Postgres does not answer; what was removed stays so.
    """
    removed = 0
    while True:
        async with database.worker() as connection:
            count = await Answers(connection).prune(days=days, most=most)
        removed += count
        if not count:
            return removed
