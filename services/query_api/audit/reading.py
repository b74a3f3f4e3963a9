"""What a tenant looks up in its trail, and what it says of answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from prometheus_client import Counter

from shared.auth.principal import Principal
from shared.database.answer_views import (
    AnswerRow,
    AnswerViews,
    FeedbackRow,
    SourceRow,
    Span,
)
from shared.database.engine import Database
from shared.errors import InvalidInput, NotFound
from shared.identity import first_id

Rating = Literal["up", "down"]

FEEDBACK = Counter("citewell_feedback", "Words on answers, repeated ones too.", ("rating",))

_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer with what it rested on and what was said of it."""

    answer: AnswerRow
    sources: list[SourceRow]
    feedback: list[FeedbackRow]


@dataclass(frozen=True, slots=True)
class AnswerWish:
    """Which answers to list: asked from `since` on, before `until` and `before`."""

    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    outcome: str | None = None
    rating: Rating | None = None


class TrailReader:
    """Reads the trail of one tenant at a time."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def one(self, tenant_id: str, answer_id: UUID) -> WholeAnswer:
        """Return an answer with everything about it.

        Raises:
            NotFound: there is no such answer, not any more, or it is another tenant's.
            DatabaseUnavailable: Postgres does not answer.
        """
        async with self._database.tenant(tenant_id) as connection:
            views = AnswerViews(connection)
            answer = await views.one(answer_id)
            if answer is None:
                raise _not_found(answer_id)
            sources = await views.sources(answer_id)
            return WholeAnswer(answer, sources, await views.feedback(answer_id))

    async def listed(self, tenant_id: str, wish: AnswerWish, *, limit: int) -> list[AnswerRow]:
        """Return up to `limit` answers, the newest first.

        Raises:
            InvalidInput: the span ends before it begins.
            DatabaseUnavailable: Postgres does not answer.
        """
        async with self._database.tenant(tenant_id) as connection:
            return await AnswerViews(connection).listed(_span(wish), limit=limit)

    async def rate(
        self, caller: Principal, answer_id: UUID, rating: Rating, comment: str | None
    ) -> FeedbackRow:
        """Put a caller's word on an answer in the place of its last one.

        Raises:
            NotFound: there is no such answer, not any more, or it is another tenant's.
            DatabaseUnavailable: Postgres does not answer.
        """
        async with self._database.tenant(caller.tenant_id) as connection:
            said = await AnswerViews(connection).rate(
                answer_id, given_by=caller.subject, rating=rating, comment=comment
            )
        if said is None:
            raise _not_found(answer_id)
        FEEDBACK.labels(rating).inc()
        return said


def _span(wish: AnswerWish) -> Span:
    if wish.since and wish.until and wish.until <= wish.since:
        raise InvalidInput("until: it must be after `since`.")
    since = first_id(wish.since) if wish.since else UUID(int=0)
    until = first_id(wish.until) if wish.until else _LAST
    before = min(until, wish.before or _LAST)
    return Span(since=since, before=before, outcome=wish.outcome, rating=wish.rating)


def _not_found(answer_id: UUID) -> NotFound:
    return NotFound(f"There is no answer {answer_id}.")
