"""What tools are handed and what they give, whatever carries it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from shared.auth.principal import Principal

SCHEME = "citewell"
# Where a request's scope has who calls.
CALLER = "citewell.caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, with the header that proves it: pages are drawn in the caller's own name."""

    principal: Principal
    authorization: str

    @property
    def tenant_id(self) -> str:
        """Whose documents are meant."""
        return self.principal.tenant_id


@dataclass(frozen=True, slots=True)
class Link:
    """A resource that can be read; `title` is for people."""

    uri: str
    name: str
    title: str
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Given:
    """What a tool gives: for reading, for programs, to follow, to look at (PNG)."""

    text: str
    result: BaseModel
    links: Sequence[Link] = ()
    picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """A resource that was read: text, or the bytes of a picture."""

    uri: str
    media_type: str
    content: str | bytes


def page_uri(document_id: UUID, page: int) -> str:
    """Return where a page's text is read."""
    return f"{SCHEME}://documents/{document_id}/pages/{page}"


def chunk_uri(chunk_id: UUID) -> str:
    """Return where a chunk's text is read."""
    return f"{SCHEME}://chunks/{chunk_id}"
