"""Brings a database to the newest schema: `citewell migrate`, the embedded stack, tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from shared.database.engine import async_url

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for a direct (not pooled) Postgres URL."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = async_url(url)
    return config


def migrate(direct_url: str) -> None:
    """Upgrade to the newest revision; safe to run again and by several at once.

    Raises:
        sqlalchemy.exc.OperationalError: Postgres does not answer at this URL.
    """
    command.upgrade(alembic_config(direct_url), "head")
