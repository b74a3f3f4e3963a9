"""Transactions: every one begins by taking a role and, for a tenant's work, naming the tenant.

Works behind a transaction pooler: no prepared statements, no session state; what is set is set
for the transaction alone.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.errors import ConfigurationInvalid, DatabaseUnavailable
from shared.settings import DatabaseSettings

APP_ROLE = "citewell_app"
WORKER_ROLE = "citewell_worker"

_BEGIN = text(
    "SELECT set_config('role', :role, true), set_config('app.tenant', :tenant, true),"
    " set_config('app.key_hash', :key_hash, true)"
)

T = TypeVar("T")


# So long may what nobody waits for any more go on while everything is closed.
GIVEN_UP_S = 2.0


class Database:
    """Opens transactions for a tenant (app role) or for the workers (worker role)."""

    def __init__(self, engine: AsyncEngine, *, begin_timeout_s: float) -> None:
        """Take an engine; the caller keeps no other use of it.

        A tenant's transaction begins within `begin_timeout_s` or not at all.
        """
        self._engine = engine
        self._begin_timeout_s = begin_timeout_s
        self._given_up: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def tenant(self, tenant_id: str) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that sees this tenant's rows and no others; commits at the end.

        Raises:
            DatabaseUnavailable: Postgres does not answer in time, or the connection broke.
        """
        async with self._transaction(
            APP_ROLE, tenant=tenant_id, within_s=self._begin_timeout_s
        ) as connection:
            yield connection

    @asynccontextmanager
    async def credentials(self, key_hash: bytes) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that sees the one API key of this hash, whoever's it is."""
        async with self._transaction(
            APP_ROLE, key_hash=key_hash.hex(), within_s=self._begin_timeout_s
        ) as connection:
            yield connection

    async def in_time(self, reading: Coroutine[Any, Any, T]) -> T:
        """Return what a short read finds, within the time in which a transaction must begin.

        One that Postgres stops answering in the middle of is left to itself: it ends, and gives
        its connection back, when Postgres is there again or the connection breaks. It must not
        write, for nobody learns what becomes of it.

        Raises:
            DatabaseUnavailable: there was no answer in time.
        """
        task = asyncio.create_task(reading)
        try:
            await asyncio.wait({task}, timeout=self._begin_timeout_s)
        finally:
            if not task.done():
                leaving = asyncio.create_task(_outlive(task))
                self._given_up.add(leaving)
                leaving.add_done_callback(self._given_up.discard)
        if not task.done():
            raise DatabaseUnavailable
        return task.result()

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for work across tenants (dispatch, claims, sweeps)."""
        async with self._transaction(WORKER_ROLE) as connection:
            yield connection

    async def ping(self) -> None:
        """Return when Postgres answers and the schema is there, else raise DatabaseUnavailable."""
        async with self.worker() as connection:
            await connection.execute(text("SELECT 1 FROM sweeps LIMIT 1"))

    async def aclose(self) -> None:
        """Close every pooled connection, once reads that were left to themselves have ended."""
        if self._given_up:
            await asyncio.wait(self._given_up, timeout=GIVEN_UP_S)
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(
        self, role: str, *, tenant: str = "", key_hash: str = "", within_s: float | None = None
    ) -> AsyncIterator[AsyncConnection]:
        begun = {"role": role, "tenant": tenant, "key_hash": key_hash}
        try:
            connection = await self._begin(begun, within_s)
            try:
                yield connection
                await connection.commit()
            finally:  # Closing rolls back what was not committed, also when we are cancelled.
                await asyncio.shield(connection.close())
        except (OperationalError, PoolTimeout) as error:
            raise DatabaseUnavailable from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable from error
            raise

    async def _begin(self, begun: dict[str, str], within_s: float | None) -> AsyncConnection:
        """Take a connection and begin; one that does not answer is left to itself.

        Cancelling instead would wait for the server: psycopg asks it to stop and listens on.
        """
        beginning = asyncio.ensure_future(self._begun(begun))
        try:
            await asyncio.wait({beginning}, timeout=within_s)
        finally:
            if not beginning.done():
                giving_up = asyncio.create_task(_give_back(beginning))
                self._given_up.add(giving_up)
                giving_up.add_done_callback(self._given_up.discard)
        if not beginning.done():
            raise DatabaseUnavailable
        return await beginning

    async def _begun(self, begun: dict[str, str]) -> AsyncConnection:
        connection = await self._engine.connect()
        try:
            await connection.execute(_BEGIN, begun)
        except BaseException:
            await connection.close()
            raise
        return connection


async def _give_back(beginning: asyncio.Future[AsyncConnection]) -> None:
    with suppress(Exception):
        await (await beginning).close()


async def _outlive(reading: asyncio.Task[Any]) -> None:
    with suppress(Exception):
        await reading


def async_url(url: str) -> str:
    """Name the driver in a Postgres URL: `postgres://…` becomes `postgresql+psycopg://…`.

    Raises:
        ConfigurationInvalid: it is the URL of something else, or none.
    """
    scheme, _, rest = url.partition("://")
    if not rest or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationInvalid(
            f"`{scheme}` begins no Postgres URL: postgresql://user@host/name"
        )
    return f"postgresql+psycopg://{rest}"


def build_database(settings: DatabaseSettings) -> Database:
    """Build the pooled engine; connects on first use.

    `pool_pre_ping` and `recycle_s` outlive a serverless Postgres that suspends and cuts idle
    connections; `prepare_threshold=None` is what a transaction pooler needs (psycopg#1151).
    """
    engine = create_async_engine(
        async_url(settings.url),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=settings.pool_timeout_s,
        pool_recycle=settings.recycle_s,
        pool_pre_ping=True,
        connect_args={
            "prepare_threshold": None,
            "connect_timeout": settings.connect_timeout_s,
            "application_name": "citewell",
        },
    )
    return Database(engine, begin_timeout_s=settings.pool_timeout_s)
