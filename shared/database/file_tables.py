"""The tables of files that are kept apart from collections, and of stores that they are put in."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.columns import EMPTY_OBJECT, identifier, metadata, moment, tenant

# Bytes under a name, in no collection; a document made of one has its id (`documents.file_id`).
files = Table(
    "files",
    metadata,
    identifier(),
    tenant(),
    Column("blob_id", Uuid, ForeignKey("blobs.id"), nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    moment("created_at", now=True),
    Index("ix_files_blob_id", "blob_id"),
    Index("ix_files_listing", "tenant_id", "id"),
)

# Collections that were made as vector stores: the row's id is the collection's.
stores = Table(
    "stores",
    metadata,
    Column(
        "collection_id", Uuid, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    ),
    tenant(),
    Column("title", Text, nullable=False, server_default=""),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Index("ix_stores_listing", "tenant_id", "collection_id"),
)
