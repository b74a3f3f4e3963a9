"""Fixtures every suite may use: a migrated database for each test, on one real Postgres a run."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from shared.database.engine import Database, build_database
from shared.database.migrate import migrate
from shared.settings import DatabaseSettings
from tests.support.pooler import PoolerTestSettings, start_pooler
from tests.support.postgres import PATIENT_S, start_postgres

TEMPLATE = "citewell_template"


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Postgres with a migrated template database."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    with start_postgres(folder) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(TEMPLATE)))
        migrate(_with_name(url, TEMPLATE))
        yield url


@pytest.fixture(scope="session")
def services_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """How the services reach that Postgres: as it is, or through a pooler if so asked."""
    if not PoolerTestSettings().citewell_test_pooler:
        yield postgres_url
        return
    with start_pooler(tmp_path_factory.mktemp("pooler"), postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def database_names() -> Iterator[int]:
    """Numbers for the names of databases."""
    return itertools.count()


@pytest.fixture
def database_url(
    postgres_url: str, services_url: str, database_names: Iterator[int]
) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    name = f"test_{next(database_names)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(TEMPLATE))
        )
        yield _with_name(services_url, name)
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The pooled database of the test's own."""
    database = build_database(DatabaseSettings(url=database_url, pool_timeout_s=PATIENT_S))
    yield database
    await database.aclose()


def _with_name(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + f"/{name}"
