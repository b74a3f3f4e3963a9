"""A real Postgres for tests, from the wheel, made anew in a folder of the test's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from citewell.embedded.parts import free_port
from citewell.embedded.postgres import PostgresPasswords, find_postgres, postgres_url
from citewell.embedded.settings import EmbeddedSettings
from tests.support.processes import running

PASSWORDS = PostgresPasswords(superuser="test-superuser", login="test-login")
# For speed: a machine that crashes during a test run has nothing to keep. Autovacuum: its worker
# is the superuser's, and while one is in a database, its owner may not drop that WITH (FORCE).
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# On a machine that several test runs share, a transaction may take long to begin.
PATIENT_S = 15.0


@contextmanager
def start_postgres(folder: Path) -> Iterator[str]:
    """Start a server with an empty database `citewell`; the URL's user may create databases."""
    postgres = find_postgres(EmbeddedSettings())
    data = folder / "postgres"
    postgres.create(data, PASSWORDS)
    port = free_port()
    part = postgres.part(data, port, PASSWORDS.login, FAST)
    with running(part, folder / "postgres.log"):
        yield postgres_url(port, PASSWORDS.login)


def superuser_url(url: str) -> str:
    """Return the superuser's URL of a server that was started here."""
    there = urlsplit(url)
    return there._replace(
        netloc=f"postgres:{PASSWORDS.superuser}@{there.hostname}:{there.port}"
    ).geturl()


async def cut_connections(database_url: str) -> None:
    """End every connection to a database but the one that asks for it."""
    async with await psycopg.AsyncConnection.connect(database_url) as cutter:
        await cutter.execute(CUT)
