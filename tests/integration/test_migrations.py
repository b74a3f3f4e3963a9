"""The schema: what the migrations make is what the tables say, and every table is secured."""

from alembic import command
from sqlalchemy import text

from shared.database.engine import Database
from shared.database.migrate import alembic_config, migrate
from shared.database.upkeep_tables import metadata


def test_migrations_make_the_tables_as_they_are_written(database_url: str) -> None:
    command.check(alembic_config(database_url))


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    command.check(alembic_config(database_url))


async def test_every_table_forces_row_level_security(database: Database) -> None:
    async with database.worker() as connection:
        secured = await connection.execute(
            text(
                "SELECT relname FROM pg_class"
                " WHERE relkind = 'r' AND relrowsecurity AND relforcerowsecurity"
            )
        )
        assert set(secured.scalars()) == set(metadata.tables)


async def test_no_tenant_means_no_rows(database: Database) -> None:
    async with database.worker() as connection:
        await connection.execute(text("INSERT INTO tenants (tenant_id) VALUES ('acme')"))
    async with database.tenant("") as connection:
        assert (await connection.execute(text("SELECT * FROM tenants"))).all() == []
    async with database.tenant("acme") as connection:
        assert len((await connection.execute(text("SELECT * FROM tenants"))).all()) == 1
