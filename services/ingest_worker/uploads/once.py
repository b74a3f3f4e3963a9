"""A request that carries an `Idempotency-Key` is done once, however often it is sent.

The key is claimed with a lease before the body is read, renewed while it comes, and answered in
the upload's own transaction: a process that dies leaves a lease that runs out, never a lock.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.leases import LeaseLost, while_leased
from services.ingest_worker.uploads.receiving import Received, ReceivedFile, RefusedFile
from shared.database.engine import Database
from shared.database.idempotency_keys import ClaimedKey, IdempotencyKeys, SeenKey
from shared.errors import DatabaseUnavailable, KeyUsedDifferently, RequestUnderWay
from shared.identity import new_id

KEPT_S = 24 * 3600.0
# What is under way is worth asking for again soon, though its lease may be renewed for long.
ASK_AGAIN_S = 2.0

T = TypeVar("T")


class Once:
    """One request's hold on its key; without a key nothing is held and nothing is kept."""

    def __init__(self, database: Database, held: ClaimedKey | None, *, lease_s: float) -> None:
        """Take the claim, which `claimed` has made."""
        self._database = database
        self._held = held
        self._lease_s = lease_s

    async def work(self, work: Awaitable[T]) -> T:
        """Run the request's work and renew the lease meanwhile.

        Raises:
            RequestUnderWay: the lease was lost and another took the key; the work was stopped.
        """
        if self._held is None:
            return await work
        try:
            return await while_leased(work, self._renew, every_s=self._lease_s / 3)
        except LeaseLost as error:
            raise _under_way() from error

    async def answer(
        self, connection: AsyncConnection, received: Received, word: Callable[[], str]
    ) -> str:
        """Word the answer, and keep it in the transaction that does what it says.

        Raises:
            RequestUnderWay: another took the key; the transaction must not be committed.
        """
        answer = word()
        if self._held is not None:
            kept = await IdempotencyKeys(connection).answer(
                self._held, fingerprint=fingerprint(received), answer=answer, kept_s=KEPT_S
            )
            if not kept:
                raise _under_way()
        return answer

    async def _renew(self) -> bool:
        held = self._held
        if held is None:
            return True
        async with self._database.tenant(held.tenant_id) as connection:
            return await IdempotencyKeys(connection).renew(held, lease_s=self._lease_s)


@asynccontextmanager
async def claimed(
    database: Database, tenant_id: str, key: str | None, *, lease_s: float
) -> AsyncIterator[Once | SeenKey]:
    """Yield the hold on a key, or what was answered to it before.

    A request that fails frees its key, unless its answer was committed after all.

    Raises:
        RequestUnderWay: the first request with this key has not been answered yet.
    """
    if key is None:
        yield Once(database, None, lease_s=lease_s)
        return
    held = ClaimedKey(tenant_id, key, new_id())
    seen = await _claim(database, held, lease_s=lease_s)
    if seen is not None:
        yield seen
        return
    try:
        yield Once(database, held, lease_s=lease_s)
    except BaseException:
        await asyncio.shield(_release(database, held))
        raise


def replayed(seen: SeenKey, received: Received) -> str:
    """Return the first answer, if this is the request it was given to.

    Raises:
        KeyUsedDifferently: the key came with other fields or files the first time.
    """
    if seen.answer is None or seen.fingerprint != fingerprint(received):
        raise KeyUsedDifferently
    return seen.answer


def fingerprint(received: Received) -> bytes:
    """Return what makes two requests the same: their fields, and their files in order.

    A refused file has no hash; its name and the reason stand for it.
    """
    files = [(file.name, _digest(file)) for file in received.files]
    told = json.dumps([sorted(received.fields.items()), files])
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).digest()


def _digest(file: ReceivedFile | RefusedFile) -> str:
    return file.sha256.hex() if isinstance(file, ReceivedFile) else file.error.code


async def _claim(database: Database, held: ClaimedKey, *, lease_s: float) -> SeenKey | None:
    """Take the key, or return its answer; raises RequestUnderWay while there is none."""
    async with database.tenant(held.tenant_id) as connection:
        keys = IdempotencyKeys(connection)
        if await keys.claim(held, lease_s=lease_s):
            return None
        seen = await keys.seen(held)
    if seen is None or seen.answer is None:
        raise _under_way()
    return seen


async def _release(database: Database, held: ClaimedKey) -> None:
    # Without a database the lease runs out by itself.
    with suppress(DatabaseUnavailable):
        async with database.tenant(held.tenant_id) as connection:
            await IdempotencyKeys(connection).release(held)


_under_way = partial(RequestUnderWay, retry_after_s=ASK_AGAIN_S)
