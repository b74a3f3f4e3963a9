"""The tables: the glossary's nouns as rows, each with `tenant_id` and forced row-level security."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database.columns import AGAIN, EMPTY_LIST, EMPTY_OBJECT, analysed
from shared.database.columns import count as _count
from shared.database.columns import identifier as _id
from shared.database.columns import metadata as _metadata
from shared.database.columns import moment as _moment
from shared.database.columns import refers as _refers
from shared.database.columns import tenant as _tenant
from shared.database.search_tables import generations_table

metadata = _metadata
generations = generations_table(metadata)

tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    # When the dispatcher last published work of this tenant: the least recent goes first.
    _moment("served_at", now=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    _tenant(),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    _moment("created_at", now=True),
    _moment("expires_at"),
    _moment("revoked_at"),
)

collections = Table(
    "collections",
    metadata,
    _id(),
    _tenant(),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("fields", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # No foreign key: an index refers to its collection, and a cycle could not be filled.
    Column("active_index", Uuid, nullable=False),
    _moment("created_at", now=True),
    _moment("deleted_at"),
    Index(
        "uq_collections_name",
        "tenant_id",
        "name",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

indexes = Table(
    "indexes",
    metadata,
    _id(),
    _tenant(),
    _refers("collection_id", "collections.id"),
    Column("space", Text, nullable=False),
    Column("chunker", Text, nullable=False),
    # True once the vector store has its collection; the dispatcher creates it before work starts.
    Column("ready", Boolean, nullable=False, server_default=text("false")),
    *analysed(),
    # Since when nothing new is written to it: it is being removed.
    _moment("leaving_at"),
    _moment("created_at", now=True),
    Index("ix_indexes_collection_id", "collection_id"),
)

blobs = Table(
    "blobs",
    metadata,
    _id(),
    _tenant(),
    Column("sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    _moment("created_at", now=True),
    UniqueConstraint("tenant_id", "sha256"),
)

documents = Table(
    "documents",
    metadata,
    _id(),
    _tenant(),
    _refers("collection_id", "collections.id"),
    Column("name", Text, nullable=False),
    Column("attributes", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # The kept file it was made of, if any. No foreign key: a deleted document may outlive its file.
    Column("file_id", Uuid),
    # The number of the version that queries see; it only rises.
    Column("live_version", Integer),
    _count("newest_version"),
    # Its bytes as they came, so that a store's are added up from these rows alone.
    Column("newest_size", BigInteger, nullable=False, server_default=text("0")),
    _moment("created_at", now=True),
    _moment("updated_at", now=True),
    _moment("deleted_at"),
    Index(
        "ix_documents_name", "collection_id", "name", postgresql_where=text("deleted_at IS NULL")
    ),
    Index("ix_documents_listing", "tenant_id", "collection_id", "id"),
    Index("ix_documents_file_id", "file_id", postgresql_where=text("file_id IS NOT NULL")),
)

versions = Table(
    "versions",
    metadata,
    _id(),
    _tenant(),
    _refers("document_id", "documents.id"),
    Column("number", Integer, nullable=False),
    Column("blob_id", Uuid, ForeignKey("blobs.id"), nullable=False),
    Column("media_type", Text, nullable=False, server_default=""),
    Column("options", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("parser", Text, nullable=False, server_default=""),
    Column("pages", Integer),
    _moment("created_at", now=True),
    UniqueConstraint("document_id", "number"),
    Index("ix_versions_blob_id", "blob_id"),
)

batches = Table(
    "batches",
    metadata,
    _id(),
    _tenant(),
    _refers("collection_id", "collections.id"),
    _count("total"),
    Column("sealed", Boolean, nullable=False, server_default=text("true")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    _moment("created_at", now=True),
    Index("ix_batches_listing", "tenant_id", "id"),
    Index("ix_batches_paused", "id", postgresql_where=text("paused")),
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
    _tenant(),
    _refers("batch_id", "batches.id"),
    _refers("collection_id", "collections.id"),
    _refers("document_id", "documents.id"),
    _refers("version_id", "versions.id"),
    Column("version", Integer, nullable=False),
    Column("filename", Text, nullable=False),
    Column("duplicate_of", Uuid),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    _count("revision"),
    # Rises whenever older claims must no longer write; a late write with an older fence is refused.
    _count("fence"),
    _count("attempts"),
    *(_count(name) for name in ("parts_total", "parts_left", "pages_total", "pages_done")),
    *(_count(name) for name in ("chunks_total", "chunks_left")),
    # How deep in archives it lies, the job of the outermost, and what that one has unpacked to.
    *(_count(name) for name in ("depth", "members", "member_kib")),
    Column("origin", Uuid),
    Column("waiting_for", JSONB),
    Column("problem", JSONB),
    # Columns of their own: under row-level security no index serves an expression on JSON.
    Column("problem_code", Text, Computed("problem->>'code'", persisted=True)),
    Column("retryable", Boolean, Computed("(problem->>'retryable')::boolean", persisted=True)),
    Column("warnings", JSONB, nullable=False, server_default=EMPTY_LIST),
    Column("timings", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("usage", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # The chunk step's claim; parts and queued chunks carry their own.
    Column("claim", Uuid),
    _moment("lease_until"),
    _moment("published_at"),
    _moment("not_before", now=True),
    _moment("deadline", now=True),
    _moment("created_at", now=True),
    _moment("updated_at", now=True),
    # When the stage it is in began: what it has done since then is its rate.
    _moment("stage_at", now=True),
    _moment("finished_at"),
    CheckConstraint("parts_left >= 0 AND chunks_left >= 0", name="counters"),
    Index("ix_jobs_batch_state", "batch_id", "state"),
    Index("ix_jobs_listing", "tenant_id", "state", "id"),
    Index("ix_jobs_document_id", "document_id"),
    Index(
        "ix_jobs_failed",
        "tenant_id",
        "problem_code",
        "id",
        postgresql_where=text("state = 'failed'"),
    ),
    Index(
        "ix_jobs_undone",
        "collection_id",
        postgresql_where=text("state IN ('queued', 'parsing', 'embedding', 'failed', 'cancelled')"),
    ),
    Index("ix_jobs_version_id", "version_id"),
    Index(
        "ix_jobs_open",
        "deadline",
        postgresql_where=text("state IN ('queued', 'parsing', 'embedding')"),
    ),
)

parts = Table(
    "parts",
    metadata,
    Column("version_id", Uuid, ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    _tenant(),
    _refers("job_id", "jobs.id"),
    # Null until the part plan is made: a worker that claims part 0 plans first.
    Column("page_start", Integer),
    Column("page_end", Integer),
    Column("state", Text, nullable=False, server_default="queued"),
    # True for a file of a batch of more than 20: those go after the small batches.
    Column("bulk", Boolean, nullable=False, server_default=text("false")),
    # False for a small file that never failed: several such go in one message.
    Column("alone", Boolean, nullable=False, server_default=text("true")),
    # True only while its batch is paused, so that nobody has to pass it over.
    Column("held", Boolean, nullable=False, server_default=text("false")),
    _count("crashes"),
    _count("timeouts"),
    _count("lost_leases"),
    Column("claim", Uuid),
    _moment("lease_until"),
    _moment("published_at"),
    _moment("not_before", now=True),
    # The part's Elements: a JSON list, compressed with zlib.
    Column("elements", LargeBinary),
    Column("warnings", JSONB, nullable=False, server_default=EMPTY_LIST),
    _moment("created_at", now=True),
    Index("ix_parts_job_id", "job_id"),
    Index(
        "ix_parts_waiting",
        "tenant_id",
        "bulk",
        "created_at",
        "version_id",
        "number",
        postgresql_where=text("state = 'queued' AND published_at IS NULL AND NOT held"),
    ),
    Index(
        "ix_parts_out",
        "published_at",
        postgresql_where=text("state <> 'done' AND published_at IS NOT NULL"),
    ),
)

chunks = Table(
    "chunks",
    metadata,
    _id(),
    _tenant(),
    _refers("index_id", "indexes.id"),
    _refers("document_id", "documents.id"),
    _refers("version_id", "versions.id"),
    Column("ordinal", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("page_start", Integer, nullable=False),
    Column("page_end", Integer, nullable=False),
    # Where in the text a later page begins: [[character offset, page], …].
    Column("page_turns", JSONB, nullable=False, server_default=EMPTY_LIST),
    Column("section", ARRAY(Text), nullable=False),
    Column("boxes", JSONB, nullable=False, server_default=EMPTY_LIST),
    # sha256 of the exact text sent to the embedder: the key of the embedding cache.
    Column("text_sha256", LargeBinary, nullable=False),
    UniqueConstraint("version_id", "index_id", "ordinal"),
    Index("ix_chunks_cache", "index_id", "text_sha256"),
    Index("ix_chunks_document_id", "document_id"),
)

embed_queue = Table(
    "embed_queue",
    metadata,
    Column("chunk_id", Uuid, ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, nullable=False, server_default=text("nextval('embed_queue_seq')")),
    _tenant(),
    _refers("job_id", "jobs.id"),
    _refers("index_id", "indexes.id"),
    Column("space", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    _count("attempts"),
    Column("claim", Uuid),
    _moment("lease_until"),
    _moment("not_before", now=True),
    # As that of a part.
    Column("held", Boolean, nullable=False, server_default=text("false")),
    Index("ix_embed_queue_space", "space", "seq", postgresql_where=text("NOT held")),
    Index("ix_embed_queue_job_id", "job_id"),
    # Of what is embedded again alone: how much of an index is left.
    Index("ix_embed_queue_again", "index_id", postgresql_where=text(f"seq >= {AGAIN}")),
)

parked_spaces = Table(
    "parked_spaces",
    metadata,
    Column("space", Text, primary_key=True),
    # Nobody's: a space is every tenant's, and each may read why it waits.
    _tenant(),
    _count("failures"),
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # Null: it failed, but not yet often enough to be parked.
    _moment("until"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, server_default=text("nextval('events_seq')")),
    _tenant(),
    # The writing transaction's number: commits come out of order, so readers go by it first.
    Column(
        "xid",
        BigInteger,
        nullable=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
    ),
    Column("batch_id", Uuid, nullable=False),
    # Null for a change of the batch itself.
    Column("job_id", Uuid),
    _moment("created_at", now=True),
    Index("ix_events_batch_id", "batch_id", "xid", "seq"),
)

tombstones = Table(
    "tombstones",
    metadata,
    _id(),
    _tenant(),
    _refers("index_id", "indexes.id"),
    Column("document_id", Uuid, nullable=False),
    Column("version_id", Uuid, nullable=False),
    # Points of the version are removed again until this moment has passed and none is left.
    _moment("until", now=True),
    _moment("created_at", now=True),
    UniqueConstraint("index_id", "version_id"),
)

# Upload requests that carry an `Idempotency-Key`: under way (a claim, no answer) or answered.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("claim", Uuid, nullable=False),
    Column("fingerprint", LargeBinary),
    # The answer's body as it was sent, to the byte.
    Column("answer", Text),
    # The end of the claim's lease; once there is an answer, how long that is kept.
    _moment("until", now=True),
    Index("ix_idempotency_keys_until", "until"),
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("name", Text, primary_key=True),
    _tenant(),
    _moment("swept_at", now=True),
)
