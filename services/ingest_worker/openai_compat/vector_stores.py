"""`/openai/v1/vector_stores`: stores, which are collections named by their ids."""

from fastapi import APIRouter

from services.ingest_worker.openai_compat.reading import (
    Listing,
    attachments,
    read_place,
    refuse_expiry,
    refuse_static,
)
from services.ingest_worker.openai_compat.schemas import (
    ListResponse,
    VectorStore,
    VectorStoreDeleted,
    VectorStorePatch,
    VectorStoreRequest,
)
from services.ingest_worker.openai_compat.shown import listed, vector_store
from services.ingest_worker.routers.dependencies import Context, Loader, Reader
from services.ingest_worker.stores import (
    StoreMaker,
    StoreWish,
    delete_store,
    find_store,
    shown_store,
)
from shared.database.stores import Stores
from shared.database.windows import Window
from shared.openai_ids import read_store_id
from shared.web.openai_errors import openai_documented

router = APIRouter(
    tags=["openai"], prefix="/openai/v1/vector_stores", responses=openai_documented(401, 403, 503)
)


@router.post("", summary="Make a vector store", responses=openai_documented(400, 404, 429, 507))
async def create_vector_store(
    context: Context, caller: Loader, wish: VectorStoreRequest | None = None
) -> VectorStore:
    """Make a store, perhaps with files; whoever sends it twice has two."""
    wish = wish or VectorStoreRequest()
    refuse_expiry(wish.expires_after)
    refuse_static(wish.chunking_strategy)
    maker = StoreMaker(
        database=context.database, attacher=context.attacher, default_space=context.default_space
    )
    store_id = await maker.make(
        caller.tenant_id,
        StoreWish(
            title=wish.name or "",
            description=wish.description or "",
            metadata=wish.metadata or {},
            files=attachments(wish.file_ids or ()),
        ),
    )
    async with context.database.tenant(caller.tenant_id) as connection:
        return vector_store(await shown_store(connection, store_id))


@router.get("", summary="List vector stores", responses=openai_documented(400))
async def list_vector_stores(
    query: Listing, context: Context, caller: Reader
) -> ListResponse[VectorStore]:
    """List the stores."""
    window = Window(
        query.limit,
        query.order == "asc",
        read_place("after", query.after, read_store_id),
        read_place("before", query.before, read_store_id),
    )
    async with context.database.tenant(caller.tenant_id) as connection:
        page, more = window.page(await Stores(connection).listed(window))
    return listed([vector_store(row) for row in page], more=more)


@router.get("/{vector_store_id}", summary="Show a vector store", responses=openai_documented(404))
async def get_vector_store(vector_store_id: str, context: Context, caller: Reader) -> VectorStore:
    """Show a store, its files counted by status."""
    async with context.database.tenant(caller.tenant_id) as connection:
        return vector_store(await shown_store(connection, read_store_id(vector_store_id)))


@router.post(
    "/{vector_store_id}", summary="Change a vector store", responses=openai_documented(400, 404)
)
async def change_vector_store(
    vector_store_id: str, patch: VectorStorePatch, context: Context, caller: Loader
) -> VectorStore:
    """Set a store's name, or all of its metadata."""
    refuse_expiry(patch.expires_after)
    store_id = read_store_id(vector_store_id)
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_store(connection, store_id)
        await Stores(connection).change(store_id, title=patch.name, metadata=patch.metadata)
        return vector_store(await shown_store(connection, store_id))


@router.delete(
    "/{vector_store_id}", summary="Delete a vector store", responses=openai_documented(404)
)
async def delete_vector_store(
    vector_store_id: str, context: Context, caller: Loader
) -> VectorStoreDeleted:
    """Delete a store with all that was made of its files; the files themselves are kept."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await delete_store(connection, read_store_id(vector_store_id), grace_s=context.grace_s)
    return VectorStoreDeleted(id=vector_store_id)
