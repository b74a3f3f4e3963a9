"""The tables of what is done to a whole collection, slice by slice: rebuilds and reindexes."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.columns import (
    EMPTY_LIST,
    count,
    identifier,
    metadata,
    moment,
    refers,
    tenant,
)

# Collections whose points are made anew from the chunks' texts; see `services.ingest_worker`.
rebuilds = Table(
    "rebuilds",
    metadata,
    identifier(),
    tenant(),
    refers("collection_id", "collections.id"),
    # Whether the index was dropped first; else its points are overwritten one by one.
    Column("from_empty", Boolean, nullable=False, server_default=text("false")),
    # preparing, queueing, embedding, checking, mending; done.
    Column("stage", Text, nullable=False),
    # The last document whose chunks were queued: documents are taken in the order of ids.
    Column("reached", Uuid),
    count("documents"),
    count("chunks"),
    moment("created_at", now=True),
    moment("finished_at"),
    Index(
        "uq_rebuilds_open",
        "collection_id",
        unique=True,
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index("ix_rebuilds_listing", "tenant_id", "id"),
)

# Collections that get a second index, filled beside the first; see `services.ingest_worker`.
reindexes = Table(
    "reindexes",
    metadata,
    identifier(),
    tenant(),
    refers("collection_id", "collections.id"),
    # No foreign keys: the row outlives the index that goes.
    Column("old_index", Uuid, nullable=False),
    Column("new_index", Uuid, nullable=False),
    *(
        Column(f"{which}_{what}", Text, nullable=False)
        for which in ("old", "new")
        for what in ("space", "chunker")
    ),
    # preparing, cutting, embedding, checking, mending; ready, switched; removing; done.
    Column("stage", Text, nullable=False),
    # The last document that was cut: documents are taken in the order of ids.
    Column("reached", Uuid),
    count("documents_total"),
    count("documents"),
    count("chunks"),
    Column("tokens", BigInteger, nullable=False, server_default=text("0")),
    # What could not be brought over: [{version_id, detail}, …], the first few of `missing`.
    count("missing"),
    Column("problems", JSONB, nullable=False, server_default=EMPTY_LIST),
    # The slot that cuts now; there is one for each collection.
    Column("claim", Uuid),
    moment("lease_until"),
    moment("published_at"),
    moment("worked_at"),
    moment("created_at", now=True),
    moment("filled_at"),
    # When the other index last became the one that answers.
    moment("moved_at"),
    moment("finished_at"),
    Index(
        "uq_reindexes_open",
        "collection_id",
        unique=True,
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index("ix_reindexes_listing", "collection_id", "created_at"),
)
