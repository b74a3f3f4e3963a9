"""`/v1/keys`: the tenant's API keys, for admins."""

from uuid import UUID

from fastapi import APIRouter

from services.ingest_worker.routers.dependencies import Admin, Context
from services.ingest_worker.schemas import KeyRequest, KeyResponse, NewKeyResponse, Page
from shared.auth.keys import generate_key, hash_key, key_prefix
from shared.database.keys import KeyRow, Keys
from shared.errors import NotFound
from shared.identity import new_id
from shared.web.paging import Cursor, Limit, cursor_of, id_after, page
from shared.web.problems import documented

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=documented(401, 403, 503))


@router.post("", status_code=201, summary="Make an API key", responses=documented(422))
async def create_key(wish: KeyRequest, context: Context, caller: Admin) -> NewKeyResponse:
    """Make a key for the caller's own tenant. It is shown this once: only its hash is kept."""
    key = generate_key()
    secret = context.settings.auth.secret.get_secret_value()
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await Keys(connection).add(
            new_id(),
            tenant_id=caller.tenant_id,
            key_hash=hash_key(secret, key),
            prefix=key_prefix(key),
            scopes=sorted({scope.value for scope in wish.scopes}),
            description=wish.description,
            expires_at=wish.expires_at,
        )
    return NewKeyResponse(**_shown(row).model_dump(), key=key)


@router.get("", summary="List API keys", responses=documented(422))
async def list_keys(
    context: Context, caller: Admin, cursor: Cursor = None, limit: Limit = 50
) -> Page[KeyResponse]:
    """List the keys that are not revoked, newest first."""
    after = id_after(cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await Keys(connection).listed(after=after, limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[_shown(row) for row in shown],
        next_cursor=cursor_of(shown[-1].id) if more else None,
    )


@router.delete(
    "/{key_id}", status_code=204, summary="Revoke an API key", responses=documented(404, 422)
)
async def revoke_key(key_id: UUID, context: Context, caller: Admin) -> None:
    """Revoke a key: refused here at once, in every other process within five seconds."""
    async with context.database.tenant(caller.tenant_id) as connection:
        revoked = await Keys(connection).revoke(key_id)
    if not revoked:
        raise NotFound(f"There is no key {key_id}.")
    context.authenticator.forget()


def _shown(row: KeyRow) -> KeyResponse:
    return KeyResponse.model_validate(row, from_attributes=True)
