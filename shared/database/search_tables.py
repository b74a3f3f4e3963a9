"""What searches remember by: how often each collection changed in what a search of it may find."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    Uuid,
)


def generations_table(metadata: MetaData) -> Table:
    """Return the table of generations.

    A collection's generation is the sum of its rows. A transaction that changes what is live
    raises one that nobody else holds, or adds one: it waits for nobody, so it can be in no
    deadlock, and there are as many rows as transactions were ever under way at once.
    """
    return Table(
        "generations",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("tenant_id", Text, nullable=False),
        Column(
            "collection_id", Uuid, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False
        ),
        Column("raised", BigInteger, nullable=False),
        # By which transaction last: each raises it once, however many documents it changes.
        Column("xid", BigInteger, nullable=False),
        Index("ix_generations_collection_id", "collection_id"),
    )


RAISE_GENERATION = """
CREATE FUNCTION raise_generation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mine bigint := pg_current_xact_id()::text::bigint;
BEGIN
    PERFORM FROM generations WHERE collection_id = NEW.collection_id AND xid = mine;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE generations SET raised = raised + 1, xid = mine WHERE id = (
        SELECT id FROM generations WHERE collection_id = NEW.collection_id
        LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO generations (id, tenant_id, collection_id, raised, xid)
        VALUES (gen_random_uuid(), NEW.tenant_id, NEW.collection_id, 1, mine);
    END IF;
    RETURN NULL;
END $$
"""
# Texts, vectors and filters' fields are written before a version is live, and never change then.
WHEN_LIVE_CHANGES = """
CREATE TRIGGER raise_generation
AFTER UPDATE OF live_version, deleted_at, attributes ON documents FOR EACH ROW
WHEN (OLD.live_version IS DISTINCT FROM NEW.live_version
      OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at
      OR OLD.attributes IS DISTINCT FROM NEW.attributes)
EXECUTE FUNCTION raise_generation()
"""
