"""Original bytes as an answer: streamed, to be saved by a browser and never run."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi.responses import StreamingResponse


@dataclass(frozen=True, slots=True)
class Attachment:
    """What bytes are called, how many there are, and of what type they are, if that is known."""

    name: str
    size: int
    media_type: str = ""


async def attachment(pieces: AsyncIterator[bytes], sent: Attachment) -> StreamingResponse:
    """Stream bytes; the first of them are read before the answer begins.

    So a store that is down is a 503, not a broken download.
    """
    first = await anext(pieces, b"")
    return StreamingResponse(_joined(first, pieces), headers=_headers(sent))


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _headers(stored: Attachment) -> dict[str, str]:
    name = PurePosixPath(stored.name.replace("\\", "/")).name or "document"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return {
        "Content-Type": stored.media_type or "application/octet-stream",
        "Content-Length": str(stored.size),
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
