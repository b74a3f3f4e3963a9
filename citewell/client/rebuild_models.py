"""What the client answers about rebuilds: their cost, and how far they are."""

from datetime import datetime
from uuid import UUID

from shared.models import Value


class RebuildCost(Value):
    """What rebuilding a collection takes; `unknown` of its chunks must be embedded again."""

    collection: str
    space: str
    documents: int
    chunks: int
    unknown: int
    tokens: int
    calls: int
    usd: float | None = None
    seconds: float | None = None


class Rebuild(Value):
    """A rebuild and how far it is: `left` of its `chunks` so far are to be embedded."""

    id: UUID
    collection: str
    from_empty: bool = False
    stage: str
    documents: int = 0
    chunks: int = 0
    left: int = 0
    created_at: datetime
    finished_at: datetime | None = None


class Rebuilding(Value):
    """What rebuilding takes, and what was begun."""

    costs: tuple[RebuildCost, ...] = ()
    rebuilds: tuple[Rebuild, ...] = ()


class Rebuilds(Value):
    """The newest rebuild of each collection."""

    items: tuple[Rebuild, ...] = ()
