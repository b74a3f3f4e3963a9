"""What the parse and chunk steps need of the chunker, and of who takes in files inside files."""

from collections.abc import Collection, Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.parsing.frames import MemberPiece
from shared.database.chunks import NewChunk, Owner, TargetIndex
from shared.database.parts import ClaimedPart
from shared.models import JobWarning


class Intake(Protocol):
    """Takes in the files inside one file, and adds them with its end."""

    async def take(self, piece: MemberPiece, data: bytes) -> None:
        """Take the next bytes of a member; `ArchiveUnsafe` when it is too much."""
        ...

    async def received(self) -> list[JobWarning]:
        """Wait until every member is durable; return what is to be told of those refused."""
        ...

    async def lock(self, connection: AsyncConnection) -> None:
        """Take all locks that come before the file's own."""
        ...

    async def add(self, connection: AsyncConnection) -> None:
        """Add the members' rows, once the file's part is finished."""
        ...

    async def tidy(self) -> None:
        """Remove what was written and is not needed after all."""
        ...

    async def undo(self) -> None:
        """Remove everything that was written."""
        ...


class IntakeDoor(Protocol):
    """Opens the intake of a file that holds files."""

    async def open(self, part: ClaimedPart) -> Intake | None:
        """Return the intake of a part's file; None when it lies too deep in others."""
        ...


class Cutter(Protocol):
    """Cuts packed Elements; call it from a thread, it is CPU work."""

    def cut(
        self, owner: Owner, packed: Sequence[bytes], indexes: Sequence[TargetIndex]
    ) -> Collection[NewChunk]:
        """Return the chunks of a version, index by index.

        Raises:
            NoTextFound: there is no text to make a chunk of.
            FileCorrupt: the packed Elements are none.
            CitewellError: a fault of ours kept them from being cut.
        """
        ...
