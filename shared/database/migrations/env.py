"""Alembic's entry: one connection, one lock, so that migrations started at once queue up."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from shared.database.upkeep_tables import metadata

# "citewell" as a number; held for the transaction, so a killed migration frees it.
LOCK = 0x63697465

config = context.config


def run() -> None:
    engine = create_engine(config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=metadata, compare_server_default=False
        )
        with context.begin_transaction():
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            context.run_migrations()
    engine.dispose()


run()
