"""What was read of a version, as text: page by page, from the Elements its parts keep."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.parsing.packing import stream_elements
from shared.database.parts import Parts
from shared.models import Element

# A sheet of a million rows is one page: its text comes in several pieces.
PIECE_CHARACTERS = 100_000


async def packed_text(connection: AsyncConnection, version_id: UUID) -> list[bytes]:
    """Return what was read of a version, packed; empty before anything was."""
    return [part async for part in Parts(connection).elements(version_id)]


def pieces_of_text(packed: Sequence[bytes]) -> Iterator[str]:
    """Yield the text of each page, a long page in several pieces.

    Raises:
        FileCorrupt: what is stored cannot be read.
    """
    elements = (element for part in packed for element in stream_elements(part))
    for _, on_page in groupby(elements, key=lambda element: element.page):
        yield from _pieces(on_page)


def _pieces(elements: Iterator[Element]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for element in elements:
        if size + len(element.text) > PIECE_CHARACTERS and held:
            yield "\n\n".join(held)
            held, size = [], 0
        held.append(element.text)
        size += len(element.text)
    yield "\n\n".join(held)
