"""One look at batches: what they are now, and which of their jobs changed since a position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.batches import Batches, BatchRow
from shared.database.events import Change, Events, Position, Wanted

# Events of one batch read at once.
MOST = 1000


@dataclass(eq=False, slots=True)
class Look:
    """What was seen of one batch, from just after `after` up to `upto`.

    After a break, `safe` is where to go on. `more` has to be looked at again. `rendered` is for
    readers to keep what they made of it, so that a hundred make it once.
    """

    after: Position
    upto: Position
    safe: Position
    changes: Sequence[Change]
    batch: BatchRow
    more: bool
    rendered: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the batch has ended and this is all of it."""
        return self.batch.ended and not self.more


async def look_at(
    connection: AsyncConnection, starts: Mapping[UUID, Position], *, most: int = MOST
) -> dict[UUID, Look]:
    """Look at batches, each from its position; one that is gone is left out.

    The batches are read first: when one has ended then, all its events are visible afterwards,
    and it need not be asked which transactions are still under way.
    """
    batches = await Batches(connection).by_ids(list(starts))
    wanted = {id_: Wanted(starts[id_], whole=batch.ended) for id_, batch in batches.items()}
    found = await Events(connection).changes(wanted, most=most)
    return {
        id_: Look(starts[id_], one.upto, one.safe, one.changes, batches[id_], one.more)
        for id_, one in found.items()
    }
