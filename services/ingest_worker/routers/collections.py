"""`/v1/collections`: a tenant's named corpora."""

from fastapi import APIRouter

from services.ingest_worker.attributes import check_field_name
from services.ingest_worker.collections import CollectionWish
from services.ingest_worker.documents import delete_collection as delete_with_documents
from services.ingest_worker.routers.dependencies import Context, Loader, Reader, keeper_of
from services.ingest_worker.schemas import (
    CollectionName,
    CollectionRequest,
    CollectionResponse,
    Page,
)
from shared.database.collections import CollectionRow, Collections
from shared.embeddings.spaces import embedding_space
from shared.errors import EmbeddingMisconfigured, InvalidInput
from shared.settings import Settings
from shared.web.paging import Cursor, Limit, cursor_of, page, text_after
from shared.web.problems import documented

router = APIRouter(
    prefix="/v1/collections", tags=["collections"], responses=documented(401, 403, 503)
)


@router.put("/{name}", summary="Make or change a collection", responses=documented(409, 422))
async def put_collection(
    name: CollectionName, wish: CollectionRequest, context: Context, caller: Loader
) -> CollectionResponse:
    """Make a collection, or bring the one of that name in line; may be repeated.

    Another `space` than a collection has is a conflict: that takes a reindex.
    """
    space = _named(wish.space, context.settings) if wish.space else None
    for field in wish.fields or {}:
        check_field_name(field)
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await keeper_of(context, caller, connection).put(
            CollectionWish(name, space, wish.description, wish.fields)
        )
    return _shown(row)


@router.get("", summary="List collections", responses=documented(422))
async def list_collections(
    context: Context, caller: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Page[CollectionResponse]:
    """List the tenant's collections in the order of names."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await keeper_of(context, caller, connection).ensure_default()
        rows = await Collections(connection).listed(after=text_after(cursor), limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[_shown(row) for row in shown],
        next_cursor=cursor_of(shown[-1].name) if more else None,
    )


@router.get("/{name}", summary="Show a collection", responses=documented(404))
async def get_collection(name: str, context: Context, caller: Reader) -> CollectionResponse:
    """Show one collection; `default` is there from the start."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await keeper_of(context, caller, connection).shown(name)
    return _shown(row)


@router.delete("/{name}", status_code=204, summary="Delete a collection", responses=documented(404))
async def delete_collection(name: str, context: Context, caller: Loader) -> None:
    """Delete a collection with all its documents; no query that starts afterwards sees them."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await keeper_of(context, caller, connection).shown(name)
        await delete_with_documents(connection, name, grace_s=context.grace_s)


def _named(space: str, settings: Settings) -> str:
    """Return a space's full name; one whose model cannot be had here cannot be wished for."""
    try:
        return embedding_space(space, settings.embedding.model_dirs).name
    except EmbeddingMisconfigured as error:
        raise InvalidInput(error.detail) from error


def _shown(row: CollectionRow) -> CollectionResponse:
    return CollectionResponse(
        name=row.name,
        description=row.description,
        space=row.space,
        fields=row.fields,
        documents=row.documents,
        created_at=row.created_at,
    )
