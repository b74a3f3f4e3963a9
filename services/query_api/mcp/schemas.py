"""What MCP tools take."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from services.query_api.schemas.base import CollectionName, Request, Text1000

Filters = Annotated[
    dict[str, Any],
    Field(
        default_factory=dict,
        description='Conditions on attributes, such as `{"year": {"gte": 2020}}`.',
    ),
]
Collection = Annotated[CollectionName, Field(description="Where to look; see list_collections.")]


class SearchArguments(Request):
    """A search of one collection."""

    query: Text1000 = Field(description="What to look for, in words or as a question.")
    collection: Collection = "default"
    limit: int = Field(default=8, ge=1, le=50, description="Most passages.")
    mode: Literal["hybrid", "dense", "sparse"] = Field(
        default="hybrid", description="`sparse` for exact names and numbers."
    )
    filters: Filters
    max_per_document: Annotated[int, Field(ge=1, le=50)] | None = Field(
        default=None, description="Most passages of one document."
    )


class AskArguments(Request):
    """A question to one collection."""

    question: Text1000 = Field(description="A whole question, understood without what came before.")
    collection: Collection = "default"
    context_limit: int = Field(default=5, ge=1, le=20, description="Most passages to answer from.")
    filters: Filters


class ListCollectionsArguments(Request):
    """Which page of the list."""

    cursor: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="`next_cursor` of the call before."
    )


class GetPageArguments(Request):
    """Which page of which document."""

    document_id: UUID = Field(description="As search and ask give it.")
    page: int = Field(default=1, ge=1, le=1_000_000, description="From 1.")
    chunk_id: UUID | None = Field(
        default=None, description="Mark in the picture where this passage stands."
    )
    from_ordinal: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Passage to begin with, by its `ordinal`; for long texts without pages.",
    )
    picture: bool = Field(default=True, description="Also show the page, where it can be drawn.")
