"""Fixtures every suite may use: a migrated database for each test, on one real Postgres a run."""

import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.database.engine import Database, build_database
from shared.settings import DatabaseSettings
from tests.support.databases import Databases, with_name
from tests.support.pooler import PoolerTestSettings, start_pooler
from tests.support.postgres import PATIENT_S, start_postgres, superuser_url


def pytest_collection_finish() -> None:
    """Leave the collected tests out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Postgres."""
    with start_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """Its databases for tests."""
    databases = Databases(postgres_url, superuser_url(postgres_url))
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def services_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """How the services reach that Postgres: as it is, or through a pooler if so asked."""
    if not PoolerTestSettings().citewell_test_pooler:
        yield postgres_url
        return
    with start_pooler(tmp_path_factory.mktemp("pooler"), postgres_url) as url:
        yield url


@pytest.fixture
def database_url(databases: Databases, services_url: str) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    with databases.lent() as name:
        yield with_name(services_url, name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The pooled database of the test's own."""
    database = build_database(DatabaseSettings(url=database_url, pool_timeout_s=PATIENT_S))
    yield database
    await database.aclose()
