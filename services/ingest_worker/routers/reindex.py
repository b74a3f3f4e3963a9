"""`/v1/collections/{name}/reindex`: another space or chunking, with no downtime."""

from fastapi import APIRouter, Response

from services.ingest_worker.context import IngestContext
from services.ingest_worker.routers.dependencies import Admin, Context, Reader, keeper_of
from services.ingest_worker.schemas import CollectionName
from services.ingest_worker.upkeep.reindex import Reindex, ReindexWish
from services.ingest_worker.upkeep.reindex_schemas import (
    ReindexAnswer,
    ReindexRequest,
    ReindexResponse,
    SwitchRequest,
    shown_cost,
    shown_reindex,
)
from shared.auth.principal import Principal
from shared.database.reindexes import ReindexRow
from shared.web.problems import documented

router = APIRouter(
    prefix="/v1/collections/{name}/reindex",
    tags=["reindex"],
    responses=documented(401, 403, 404, 422, 503),
)


@router.post(
    "",
    summary="Give a collection another space or chunking",
    status_code=202,
    responses=documented(409)
    | {200: {"model": ReindexAnswer, "description": "A dry run: the cost alone."}},
)
async def begin_reindex(
    name: CollectionName, wish: ReindexRequest, context: Context, caller: Admin, response: Response
) -> ReindexAnswer:
    """Fill a second index beside the one that answers; nothing is parsed again.

    Uploads go first, and new versions are written to both. With `dry_run` only the cost is told.
    """
    await _make_default(name, context, caller)
    reindex = _reindex(context, caller)
    asked = ReindexWish(name, wish.space, wish.chunk_tokens)
    cost = shown_cost(await reindex.cost(asked))
    if wish.dry_run:
        response.status_code = 200
        return ReindexAnswer(cost=cost, reindex=None)
    begun = await reindex.begin(asked)
    context.wake()
    return ReindexAnswer(cost=cost, reindex=_shown(begun, context))


@router.get("", summary="Follow a reindex")
async def get_reindex(name: CollectionName, context: Context, caller: Reader) -> ReindexResponse:
    """Show the newest reindex of a collection and how far it is."""
    return _shown(await _reindex(context, caller).shown(name), context)


@router.post("/switch", summary="Let the new index answer", responses=documented(409))
async def switch_index(
    name: CollectionName, context: Context, caller: Admin, wish: SwitchRequest | None = None
) -> ReindexResponse:
    """Every query that begins from here on is answered by the new index, once it is filled."""
    asked = wish or SwitchRequest()
    row = await _reindex(context, caller).switch(name, accept_missing=asked.accept_missing)
    return _shown(row, context)


@router.post("/rollback", summary="Let the old index answer again", responses=documented(409))
async def roll_back(name: CollectionName, context: Context, caller: Admin) -> ReindexResponse:
    """Undo the switch; the new index stays filled, so that it can be switched to once more."""
    return _shown(await _reindex(context, caller).rollback(name), context)


@router.post("/finish", summary="Remove the index that does not answer", status_code=202)
async def finish_reindex(name: CollectionName, context: Context, caller: Admin) -> ReindexResponse:
    """Keep the index that answers and remove the other; before the switch, give it up.

    The removal goes on by itself: look at `state` until it is `done`.
    """
    return _shown(await _reindex(context, caller).finish(name), context)


def _shown(row: ReindexRow, context: IngestContext) -> ReindexResponse:
    return shown_reindex(row, context.settings.embedding.prices)


def _reindex(context: IngestContext, caller: Principal) -> Reindex:
    return Reindex(
        database=context.database,
        tenant_id=caller.tenant_id,
        embedding=context.settings.embedding,
    )


async def _make_default(name: str, context: IngestContext, caller: Principal) -> None:
    """Make the default collection on its first need; any other must be there."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await keeper_of(context, caller, connection).find(name)
