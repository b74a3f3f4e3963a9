"""`/v1/chunks`: one chunk with its surroundings, to show where a citation comes from."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from services.ingest_worker.routers.dependencies import Context, Reader
from services.ingest_worker.schemas import ChunkResponse, ChunkWithNeighbours
from shared.database.job_views import ChunkViews
from shared.errors import NotFound
from shared.web.problems import documented

router = APIRouter(prefix="/v1/chunks", tags=["documents"], responses=documented(401, 403, 503))


@router.get("/{chunk_id}", summary="Show a chunk", responses=documented(404, 422))
async def get_chunk(
    chunk_id: UUID,
    context: Context,
    caller: Reader,
    neighbours: Annotated[int, Query(ge=0, le=10, description="Chunks on either side.")] = 0,
) -> ChunkWithNeighbours:
    """Show a chunk of a live version, with the chunks before and after it."""
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await ChunkViews(connection).around(chunk_id, neighbours=neighbours)
    places = {row.id: place for place, row in enumerate(rows)}
    if chunk_id not in places:
        raise NotFound(f"There is no chunk {chunk_id}.")
    chunks = [ChunkResponse.model_validate(row, from_attributes=True) for row in rows]
    place = places[chunk_id]
    return ChunkWithNeighbours(
        **chunks[place].model_dump(), before=chunks[:place], after=chunks[place + 1 :]
    )
