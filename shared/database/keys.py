"""API key rows: looked up by hash when a request comes in, listed and revoked by admins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, extract, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import api_keys


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that works now; `expires_in_s` is None when it never expires."""

    tenant_id: str
    prefix: str
    scopes: tuple[str, ...]
    expires_in_s: float | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as an admin sees it; never the key itself."""

    id: UUID
    prefix: str
    scopes: tuple[str, ...]
    description: str
    created_at: datetime
    expires_at: datetime | None


_SHOWN = (
    api_keys.c.id,
    api_keys.c.prefix,
    api_keys.c.scopes,
    api_keys.c.description,
    api_keys.c.created_at,
    api_keys.c.expires_at,
)


class Keys:
    """The API keys of a tenant, or the one key of a `Database.credentials` transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the caller's transaction."""
        self._connection = connection

    async def by_hash(self, key_hash: bytes) -> StoredKey | None:
        """Return the key of this hash unless it is revoked or expired, by the database's clock."""
        left = extract("epoch", api_keys.c.expires_at - func.now())
        found = await self._connection.execute(
            select(api_keys.c.tenant_id, api_keys.c.prefix, api_keys.c.scopes, left)
            .where(api_keys.c.hash == key_hash, api_keys.c.revoked_at.is_(None))
            .where(or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now()))
        )
        row = found.one_or_none()
        if row is None:
            return None
        return StoredKey(row[0], row[1], tuple(row[2]), None if row[3] is None else float(row[3]))

    async def add(
        self,
        key_id: UUID,
        *,
        tenant_id: str,
        key_hash: bytes,
        prefix: str,
        scopes: Sequence[str],
        description: str,
        expires_at: datetime | None = None,
    ) -> KeyRow:
        """Insert a key and return it as it is listed."""
        added = await self._connection.execute(
            insert(api_keys)
            .values(
                id=key_id,
                tenant_id=tenant_id,
                hash=key_hash,
                prefix=prefix,
                scopes=list(scopes),
                description=description,
                expires_at=expires_at,
            )
            .returning(*_SHOWN)
        )
        return _shown(added.mappings().one())

    async def listed(self, *, after: UUID | None, limit: int) -> list[KeyRow]:
        """Return up to `limit` keys that are not revoked, newest first, below the id `after`."""
        query = select(*_SHOWN).where(api_keys.c.revoked_at.is_(None))
        if after is not None:
            query = query.where(api_keys.c.id < after)
        rows = await self._connection.execute(query.order_by(api_keys.c.id.desc()).limit(limit))
        return [_shown(row) for row in rows.mappings()]

    async def revoke(self, key_id: UUID) -> bool:
        """Revoke a key; False when there is no such key or it was revoked before."""
        revoked = await self._connection.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=func.now())
        )
        return revoked.rowcount > 0


def _shown(row: RowMapping) -> KeyRow:
    return KeyRow(
        id=row["id"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"]),
        description=row["description"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
