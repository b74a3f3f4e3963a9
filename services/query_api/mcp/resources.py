"""What links lead to: pages as text or as pictures, and chunks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.query_api.mcp.pages import PageText, PageTexts
from services.query_api.mcp.pictures import PagePictures, Place
from services.query_api.mcp.values import SCHEME, Caller, Content
from shared.errors import NotFound, Unavailable

TEXT, PNG = "text/plain", "image/png"

_ID = r"(?P<id>[0-9a-fA-F-]{36})"
_PAGE = re.compile(rf"{SCHEME}://documents/{_ID}/pages/(?P<page>[1-9][0-9]{{0,5}})")
_PICTURE = re.compile(rf"{_PAGE.pattern}\.png(?:\?chunk=(?P<chunk>[0-9a-fA-F-]{{36}}))?")
_CHUNK = re.compile(rf"{SCHEME}://chunks/{_ID}")


@dataclass(frozen=True, slots=True)
class Template:
    """A family of resources: how their addresses are made (RFC 6570)."""

    uri: str
    name: str
    description: str
    media_type: str


TEMPLATES: Sequence[Template] = (
    Template(
        f"{SCHEME}://documents/{{document_id}}/pages/{{page}}",
        "page",
        "The text of a page of a document; a long one is cut, and `get_document_page` goes on.",
        TEXT,
    ),
    Template(
        f"{SCHEME}://documents/{{document_id}}/pages/{{page}}.png{{?chunk}}",
        "page picture",
        "The page as it looks, with a chunk's places marked; for documents that can be drawn.",
        PNG,
    ),
    Template(f"{SCHEME}://chunks/{{chunk_id}}", "chunk", "The text of a chunk.", TEXT),
)


class Resources:
    """Reads what links lead to, for the caller that follows them."""

    def __init__(self, pages: PageTexts, pictures: PagePictures) -> None:
        """Take what reads texts and what has pages drawn."""
        self._pages = pages
        self._pictures = pictures

    async def read(self, uri: str, caller: Caller) -> Content:
        """Return what an address names.

        Raises:
            NotFound: nothing of the caller's has this address, or its pages cannot be drawn.
            Unavailable: what draws pages is not there.
            DatabaseUnavailable: Postgres does not answer.
        """
        if match := _CHUNK.fullmatch(uri):
            chunk = await self._pages.chunk(caller.tenant_id, _id(match["id"]))
            return Content(uri, TEXT, chunk.text)
        if match := _PAGE.fullmatch(uri):
            page = await self._page(match, caller)
            return Content(uri, TEXT, page.text)
        if match := _PICTURE.fullmatch(uri):
            return Content(uri, PNG, await self._picture(match, caller))
        raise _unknown(uri)

    async def _page(self, match: re.Match[str], caller: Caller) -> PageText:
        return await self._pages.page(caller.tenant_id, _id(match["id"]), int(match["page"]))

    async def _picture(self, match: re.Match[str], caller: Caller) -> bytes:
        first = (await self._page(match, caller)).chunks[0]
        marked = _id(match["chunk"]) if match["chunk"] else None
        place = Place(first.document_id, first.version, int(match["page"]), marked)
        drawn = await self._pictures.draw(place, caller)
        if isinstance(drawn, bytes):
            return drawn
        error = Unavailable if drawn.retryable else NotFound
        raise error(drawn.detail)


def _id(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError as error:
        raise _unknown(written) from error


def _unknown(uri: str) -> NotFound:
    return NotFound(f"Nothing has the address `{uri[:200]}`.")
