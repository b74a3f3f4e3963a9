"""The tables of the quality watch: canary questions, and what each tick measured."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database.columns import identifier, metadata, moment, refers, tenant

canaries = Table(
    "canaries",
    metadata,
    identifier(),
    tenant(),
    refers("collection_id", "collections.id"),
    Column("question", Text, nullable=False),
    # The name of the document that is to be found, and the page if one is expected.
    Column("document", Text, nullable=False),
    Column("page", Integer),
    # The chunk it was made from, which is to be found itself; null for one that was given.
    Column("chunk_id", Uuid),
    # The cosine of what it found in its first good tick, and the index that was asked.
    Column("cosine", Double),
    Column("index_id", Uuid),
    moment("created_at", now=True),
    UniqueConstraint("collection_id", "chunk_id"),
)

quality_ticks = Table(
    "quality_ticks",
    metadata,
    identifier(),
    tenant(),
    refers("collection_id", "collections.id"),
    Column("state", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    # Measure: value; see `services.query_api.quality`.
    Column("measures", JSONB, nullable=False),
    Column("questions", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("provider_calls", Integer, nullable=False),
    # False once the canaries were changed or the baseline was begun anew.
    Column("counts", Boolean, nullable=False, server_default=text("true")),
    moment("created_at", now=True),
    Index("ix_quality_ticks_newest", "collection_id", "created_at"),
)
