"""The first schema: tables, sequences, roles, forced row-level security.

May be rewritten until 1.0; until then it makes the tables as `shared.database.tables` and
`upkeep_tables` have them.
"""

from alembic import op
from sqlalchemy import text

from shared.database.upkeep_tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APP, WORKER = "citewell_app", "citewell_worker"

ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN NOINHERIT;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
GRANT_ROLE = """
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{role}', 'SET') THEN
        EXECUTE format('GRANT {role} TO %I', current_user);
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$
"""
GRANT_ROLE_BEFORE_16 = GRANT_ROLE.replace("'SET'", "'MEMBER'")

TENANT = "tenant_id = current_setting('app.tenant', true)"
OWN_KEY = "encode(hash, 'hex') = current_setting('app.key_hash', true)"


def upgrade() -> None:
    for sequence in ("embed_queue_seq", "events_seq"):
        op.execute(f"CREATE SEQUENCE {sequence}")
    metadata.create_all(op.get_bind())
    _make_roles()
    for table in metadata.sorted_tables:
        _secure(table.name)
    op.execute(f"CREATE POLICY own_key ON api_keys FOR SELECT TO {APP} USING ({OWN_KEY})")
    op.execute(f"CREATE POLICY shown ON parked_spaces FOR SELECT TO {APP} USING (true)")
    # Rows updated many times a second: room for in-page updates, and early vacuuming.
    op.execute("ALTER TABLE jobs SET (fillfactor = 70)")
    op.execute("ALTER TABLE embed_queue SET (autovacuum_vacuum_scale_factor = 0.02)")


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
    for sequence in ("embed_queue_seq", "events_seq"):
        op.execute(f"DROP SEQUENCE {sequence}")


def _make_roles() -> None:
    version = op.get_bind().execute(text("SHOW server_version_num")).scalar_one()
    grant = GRANT_ROLE if int(version) >= 160000 else GRANT_ROLE_BEFORE_16  # noqa: PLR2004
    for role in (APP, WORKER):
        op.execute(ROLE.format(role=role))
        op.execute(grant.format(role=role))
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    op.execute(f"REVOKE ALL ON alembic_version FROM {APP}, {WORKER}")


def _secure(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(f"CREATE POLICY worker ON {table} TO {WORKER} USING (true) WITH CHECK (true)")
