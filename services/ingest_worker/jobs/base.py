"""What the parse and chunk steps need of the chunker."""

from collections.abc import Sequence
from typing import Protocol

from shared.database.chunks import NewChunk, Owner, TargetIndex


class Cutter(Protocol):
    """Cuts packed Elements; call it from a thread, it is CPU work."""

    def cut(
        self, owner: Owner, packed: Sequence[bytes], indexes: Sequence[TargetIndex]
    ) -> list[NewChunk]:
        """Return the chunks of a version, index by index.

        Raises:
            NoTextFound: there is no text to make a chunk of.
            FileCorrupt: the packed Elements are none.
        """
        ...
