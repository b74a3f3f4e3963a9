"""The trail's reading: answers with what they rested on and what was said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A deleted document's words are not shown from that moment on, and removed a little later.
_SHOWN = """
SELECT a.id, a.asked_at, a.asked_by, a.collection, a.outcome, a.problem_code, a.question,
       CASE WHEN NOT r.redacted THEN a.text END AS text, r.redacted, a.model, a.prompt_version,
       a.fallback, a.abstention, a.statements, a.supported, a.confidence, a.best_score, a.degraded,
       a.prompt_tokens, a.completion_tokens, a.cost, a.timings
FROM answers a CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE s.redacted OR d.id IS NULL) > 0 AS redacted
    FROM answer_sources s LEFT JOIN documents d ON d.id = s.document_id AND d.deleted_at IS NULL
    WHERE s.answer_id = a.id
) r
"""
ONE = text(f"{_SHOWN} WHERE a.id = :id")
LISTED = text(f"""{_SHOWN}
WHERE a.id < :before AND a.id >= :since
  AND (CAST(:outcome AS text) IS NULL OR a.outcome = :outcome)
  AND (CAST(:rating AS text) IS NULL OR EXISTS (
      SELECT FROM feedback f WHERE f.answer_id = a.id AND f.rating = :rating))
ORDER BY a.id DESC LIMIT :limit
""")
SOURCES = text("""
SELECT s.chunk_id, s.document_id, s.version_id, s.version, s.page, s.score, s.cited,
       d.name AS filename, s.redacted OR d.id IS NULL AS redacted,
       CASE WHEN d.id IS NOT NULL THEN s.quotes END AS quotes
FROM answer_sources s LEFT JOIN documents d ON d.id = s.document_id AND d.deleted_at IS NULL
WHERE s.answer_id = :id ORDER BY s.place
""")
FEEDBACK = text("""
SELECT rating, comment, given_by, given_at FROM feedback
WHERE answer_id = :id ORDER BY given_at DESC LIMIT :limit
""")
# The answer is held: one that is pruned meanwhile is not found, rather than half there.
RATE = text("""
INSERT INTO feedback (answer_id, given_by, tenant_id, rating, comment)
SELECT id, :given_by, tenant_id, :rating, :comment FROM answers WHERE id = :id FOR KEY SHARE
ON CONFLICT (answer_id, given_by) DO UPDATE SET
    rating = EXCLUDED.rating, comment = EXCLUDED.comment, given_at = now()
RETURNING rating, comment, given_by, given_at
""")
USED = text("""
SELECT day, model, answers, prompt_tokens, completion_tokens, cost, unpriced
FROM chat_usage
WHERE (CAST(:since AS date) IS NULL OR day >= :since)
  AND (CAST(:until AS date) IS NULL OR day < :until)
ORDER BY day DESC, model
""")
MOST_FEEDBACK = 100


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """An answer of the trail; `redacted` if a document that it rested on is deleted."""

    id: UUID
    asked_at: datetime
    asked_by: str
    collection: str
    outcome: str
    problem_code: str | None
    question: str | None
    text: str | None
    redacted: bool
    model: str
    prompt_version: str
    fallback: str | None
    abstention: str | None
    statements: int
    supported: int
    confidence: float
    best_score: float | None
    degraded: Sequence[str]
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    timings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A chunk an answer rested on; name and quotes are None once its document is deleted."""

    chunk_id: UUID
    document_id: UUID
    version_id: UUID
    version: int
    page: int
    score: float
    cited: bool
    filename: str | None
    redacted: bool
    quotes: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """What one credential said of an answer."""

    rating: str
    comment: str | None
    given_by: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class ChatUsageRow:
    """What a model took on one day (UTC); `cost` is without the `unpriced` answers."""

    day: date
    model: str
    answers: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Span:
    """Which answers to list: ids from `since` on and before `before`, and of what kind."""

    since: UUID
    before: UUID
    outcome: str | None = None
    rating: str | None = None


class AnswerViews:
    """One tenant's trail, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def one(self, answer_id: UUID) -> AnswerRow | None:
        """Return an answer; None if the tenant has no such one, or not any more."""
        row = (await self._connection.execute(ONE, {"id": answer_id})).mappings().one_or_none()
        return None if row is None else AnswerRow(**row)

    async def listed(self, span: Span, *, limit: int) -> list[AnswerRow]:
        """Return up to `limit` answers, the newest first."""
        parameters = {
            "since": span.since,
            "before": span.before,
            "outcome": span.outcome,
            "rating": span.rating,
            "limit": limit,
        }
        result = await self._connection.execute(LISTED, parameters)
        return [AnswerRow(**row) for row in result.mappings()]

    async def sources(self, answer_id: UUID) -> list[SourceRow]:
        """Return what an answer was written from, as it was shown to the model."""
        result = await self._connection.execute(SOURCES, {"id": answer_id})
        return [SourceRow(**row) for row in result.mappings()]

    async def feedback(self, answer_id: UUID) -> list[FeedbackRow]:
        """Return what was said of an answer, the newest first, a hundred at most."""
        parameters = {"id": answer_id, "limit": MOST_FEEDBACK}
        result = await self._connection.execute(FEEDBACK, parameters)
        return [FeedbackRow(**row) for row in result.mappings()]

    async def rate(
        self, answer_id: UUID, *, given_by: str, rating: str, comment: str | None
    ) -> FeedbackRow | None:
        """Put a credential's word on an answer in the place of its last; None without an answer."""
        parameters = {"id": answer_id, "given_by": given_by, "rating": rating, "comment": comment}
        row = (await self._connection.execute(RATE, parameters)).mappings().one_or_none()
        return None if row is None else FeedbackRow(**row)


class ChatUsages:
    """What one tenant's questions took, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def days(self, *, since: date | None, until: date | None) -> list[ChatUsageRow]:
        """Return what each model took on each day from `since` on and before `until` (UTC)."""
        result = await self._connection.execute(USED, {"since": since, "until": until})
        return [ChatUsageRow(**row) for row in result.mappings()]
