"""What goes into the intake and comes out of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.uploads.receiving import Received


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose body has not been read: who sends it, and the length it says (0: none)."""

    tenant_id: str
    body: AsyncIterator[bytes]
    content_type: str
    announced_bytes: int = 0
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer's body; `replayed` when this is what the first such request was answered."""

    body: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """What a transaction has committed: the blobs it needs, and what is answered."""

    kept: Collection[UUID]
    answer: str


# Words the answer and keeps it for whoever sends the same request again: the last statement.
KeepAnswer = Callable[[AsyncConnection, Received, Callable[[], str]], Awaitable[str]]
# Writes the rows of what was received, in one transaction.
Commit = Callable[[Received, KeepAnswer], Awaitable[Committed]]
Take = Callable[[Incoming, Commit], Awaitable[Answered]]
