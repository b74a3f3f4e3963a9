"""`/v1/documents/{id}/pages/{n}.png`: a page as it looks, with a chunk's places marked."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response

from services.ingest_worker.page_pictures import entity_tag
from services.ingest_worker.parsing.base import Drawing
from services.ingest_worker.routers.dependencies import Context, Reader
from shared.web.problems import documented

router = APIRouter(prefix="/v1/documents", tags=["documents"], responses=documented(401, 403, 503))

_PNG = {"content": {"image/png": {}}, "description": "The page."}
_SAME = {"description": "The page is the one that `If-None-Match` names."}


@router.get(
    "/{document_id}/pages/{page}.png",
    summary="Draw a page",
    response_class=Response,
    responses={200: _PNG, 304: _SAME, **documented(404, 415, 422, 429)},
)
async def get_page_picture(
    *,
    document_id: UUID,
    page: Annotated[int, Path(ge=1, le=1_000_000, description="Page of the file, from 1.")],
    context: Context,
    caller: Reader,
    chunk: Annotated[UUID | None, Query(description="Mark where this chunk stands.")] = None,
    version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="The live one, else the newest.")
    ] = None,
    longest: Annotated[int, Query(ge=64, le=3000, description="Most pixels along a side.")] = 1600,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """Draw a page of a PDF or a picture file as PNG; other formats have no looks: 415."""
    pictures = context.pictures
    stored, boxes = await pictures.find(
        caller.tenant_id, document_id, version=version, chunk_id=chunk
    )
    marks = tuple(box for box in boxes if box.page == page)
    drawing = Drawing(page, marks, longest)
    tag = entity_tag(stored, drawing)
    # Asked for each time, so that what is deleted is gone; drawn only if it has changed.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if tag in (if_none_match or ""):
        return Response(status_code=304, headers=headers)
    drawn = await pictures.draw(stored, drawing)
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(drawn, media_type="image/png", headers=headers)
