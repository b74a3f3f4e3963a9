"""What the tools that are MCP's own give."""

from uuid import UUID

from pydantic import BaseModel, Field

from shared.models import Problem


class CollectionItem(BaseModel):
    """A collection."""

    name: str
    description: str
    documents: int
    space: str = Field(description="What its texts are embedded with.")
    fields: dict[str, str] = Field(description="Attributes for filters, with their types.")


class CollectionsResult(BaseModel):
    """A page of the tenant's collections."""

    items: list[CollectionItem]
    next_cursor: str | None = Field(description="Send it as `cursor`; null on the last page.")


class PageResult(BaseModel):
    """A page's text, and what became of its picture."""

    document_id: UUID
    version: int
    filename: str
    page: int
    text: str
    chunk_ids: list[UUID] = Field(description="The passages that stand on it, in order.")
    next_ordinal: int | None = Field(
        description="Where the rest of the page begins: send it as `from_ordinal`."
    )
    picture: bool = Field(description="Whether the page is shown as a picture too.")
    picture_problem: Problem | None = Field(
        default=None, description="Why it is not, where it was asked for."
    )
