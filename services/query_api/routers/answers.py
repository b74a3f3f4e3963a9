"""`/v1/answers`, the trail of what was answered, and `POST /v1/feedback`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from services.query_api.audit.reading import AnswerWish, Rating
from services.query_api.routers.context import Admin, Asker, Reading
from services.query_api.schemas.answers import (
    AnswerResponse,
    AnswersResponse,
    FeedbackRequest,
    FeedbackResponse,
    OutcomeName,
    WholeAnswerResponse,
)
from shared.web.paging import Cursor, Limit, cursor_of, id_after, page
from shared.web.problems import documented

router = APIRouter(prefix="/v1", tags=["answers"], responses=documented(401, 403, 503))


@router.get(
    "/answers",
    summary="List answers",
    responses=documented(422),
)
async def list_answers(
    *,
    caller: Admin,
    trail: Reading,
    since: Annotated[
        AwareDatetime | None, Query(description="Only those asked from this moment on.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(description="Only those asked before this moment.")
    ] = None,
    outcome: OutcomeName | None = None,
    rating: Annotated[
        Rating | None, Query(description="Only those that somebody rated so.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> AnswersResponse:
    """List the tenant's answers, the newest first, for as long as they are kept."""
    wish = AnswerWish(since, until, id_after(cursor), outcome, rating)
    rows, more = page(await trail.listed(caller.tenant_id, wish, limit=limit + 1), limit)
    return AnswersResponse(
        items=[AnswerResponse.of(row) for row in rows],
        next_cursor=cursor_of(rows[-1].id) if more else None,
    )


@router.get("/answers/{answer_id}", summary="Show an answer", responses=documented(404, 422))
async def get_answer(answer_id: UUID, caller: Admin, trail: Reading) -> WholeAnswerResponse:
    """Show an answer with the chunks it was written from and the feedback on it."""
    return WholeAnswerResponse.whole(await trail.one(caller.tenant_id, answer_id))


@router.post("/feedback", summary="Rate an answer", responses=documented(404, 422))
async def give_feedback(body: FeedbackRequest, caller: Asker, trail: Reading) -> FeedbackResponse:
    """Say whether an answer helped; the same credential's next word takes the place of its last."""
    said = await trail.rate(caller, body.answer_id, body.rating, body.comment)
    return FeedbackResponse.of(said)
