"""The trail's writing: answers as they were given, and their words going when they must.

Answers are locked before their sources, by id, after documents: so everyone goes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Outcome = Literal["generated", "extractive", "abstained", "failed", "left"]

# Whoever writes is cut off long before the time of grace of a deletion is over: what was read as
# undeleted is in its table when the words of the deleted are looked for.
BOUNDS = text("""
SELECT set_config('statement_timeout', '3s', true),
       set_config('idle_in_transaction_session_timeout', '2s', true)
""")
# One statement, so one view of which documents are deleted; again is the same answer once.
ADD = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:answers AS jsonb)) AS a(
        id uuid, tenant_id text, asked_at timestamptz, asked_by text, collection text,
        outcome text, problem_code text, question text, text text, model text, paid_model text,
        prompt_version text, fallback text, abstention text, statements int,
        supported int, confidence float8, best_score float8,
        degraded text[], prompt_tokens int, completion_tokens int, cost float8, timings jsonb)
), rested AS MATERIALIZED (
    SELECT s.*, d.id IS NULL AS gone
    FROM jsonb_to_recordset(CAST(:sources AS jsonb)) AS s(
        answer_id uuid, place int, tenant_id text, chunk_id uuid, document_id uuid,
        version_id uuid, version int, page int, score float8, cited bool, quotes text[])
    LEFT JOIN documents d ON d.id = s.document_id AND d.deleted_at IS NULL
), added AS (
    INSERT INTO answers (id, tenant_id, asked_at, asked_by, collection, outcome, problem_code,
        question, text, model, prompt_version, fallback, abstention, statements, supported,
        confidence, best_score, degraded, prompt_tokens, completion_tokens, cost, timings)
    SELECT id, tenant_id, asked_at, asked_by, collection, outcome, problem_code, question,
        CASE WHEN NOT EXISTS (SELECT FROM rested r WHERE r.answer_id = g.id AND r.gone)
             THEN text END,
        model, prompt_version, fallback, abstention, statements, supported, confidence,
        best_score, degraded, prompt_tokens, completion_tokens, cost, timings
    FROM given g ON CONFLICT (id) DO NOTHING
    RETURNING id, tenant_id, asked_at, model, prompt_tokens, completion_tokens, cost
), noted AS (
    INSERT INTO answer_sources (answer_id, place, tenant_id, chunk_id, document_id, version_id,
        version, page, score, cited, quotes, redacted)
    SELECT answer_id, place, r.tenant_id, chunk_id, document_id, version_id, version, page, score,
        cited, CASE WHEN NOT gone THEN quotes END, gone
    FROM rested r JOIN added ON added.id = r.answer_id
)
INSERT INTO chat_usage (tenant_id, day, model, answers, prompt_tokens, completion_tokens, cost,
    unpriced)
SELECT tenant_id, (asked_at AT TIME ZONE 'UTC')::date AS day, model,
       count(*) FILTER (WHERE outcome NOT IN ('failed', 'left')), sum(prompt_tokens),
       sum(completion_tokens), coalesce(sum(cost), 0),
       count(*) FILTER (WHERE cost IS NULL AND prompt_tokens + completion_tokens > 0)
FROM (
    SELECT a.tenant_id, a.asked_at, g.outcome, coalesce(g.paid_model, a.model) AS model,
           a.prompt_tokens, a.completion_tokens, a.cost
    FROM added a JOIN given g USING (id)
) spent WHERE model <> '' GROUP BY tenant_id, day, model ORDER BY tenant_id, day, model
ON CONFLICT (tenant_id, day, model) DO UPDATE SET
    answers = chat_usage.answers + EXCLUDED.answers,
    prompt_tokens = chat_usage.prompt_tokens + EXCLUDED.prompt_tokens,
    completion_tokens = chat_usage.completion_tokens + EXCLUDED.completion_tokens,
    cost = chat_usage.cost + EXCLUDED.cost,
    unpriced = chat_usage.unpriced + EXCLUDED.unpriced
""")
# Document by document: those that are not deleted may have any number of answers.
WITH_WORDS_OF = text("""
WITH deleted AS MATERIALIZED (
    SELECT id FROM documents WHERE id = ANY(:ids) AND deleted_at IS NOT NULL
)
SELECT DISTINCT answer_id FROM (
    SELECT s.answer_id FROM deleted CROSS JOIN LATERAL (
        SELECT answer_id FROM answer_sources
        WHERE document_id = deleted.id AND NOT redacted LIMIT :limit
    ) s LIMIT :limit
) found
""")
LOCK = text("SELECT id FROM answers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
# The answer's own words are those of all it rested on, so they go whole.
DROP_TEXTS = text("UPDATE answers SET text = NULL WHERE id = ANY(:ids) AND text IS NOT NULL")
DROP_QUOTES = text("""
UPDATE answer_sources SET quotes = NULL, redacted = true
WHERE answer_id = ANY(:ids) AND NOT redacted AND document_id IN (
    SELECT id FROM documents WHERE id = ANY(:documents) AND deleted_at IS NOT NULL
)
""")
# The oldest by id are the oldest by time, but for processes' clocks.
PRUNE = text("""
DELETE FROM answers WHERE id IN (
    SELECT id FROM answers WHERE id IN (
        SELECT id FROM (SELECT id, asked_at FROM answers ORDER BY id LIMIT :most) oldest
        WHERE asked_at < now() - make_interval(days => :days)
    ) ORDER BY id FOR UPDATE SKIP LOCKED
)
""")


@dataclass(frozen=True, slots=True)
class NewSource:
    """A chunk that an answer was written from; `quotes` are spans of its text, if it was cited."""

    chunk_id: UUID
    document_id: UUID
    version_id: UUID
    version: int
    page: int
    score: float
    cited: bool
    quotes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer as it was given, or what became of the question; milliseconds by stage.

    `model` is empty where none was chosen yet; `paid_model` took the tokens, None if that is the
    same. `cost` is None where it has no price.
    """

    id: UUID
    tenant_id: str
    asked_at: datetime
    asked_by: str
    collection: str
    outcome: Outcome
    problem_code: str | None = None
    question: str | None = None
    text: str | None = None
    model: str = ""
    paid_model: str | None = None
    prompt_version: str = ""
    fallback: str | None = None
    abstention: str | None = None
    statements: int = 0
    supported: int = 0
    confidence: float = 0.0
    best_score: float | None = None
    degraded: Sequence[str] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    timings: Mapping[str, float] | None = None
    sources: Sequence[NewSource] = ()


class Answers:
    """Writes answers, and takes their words away; inside a transaction of the workers' role."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def add(self, answers: Sequence[NewAnswer]) -> None:
        """Write answers of any tenants, with what their models took; the first of an id stays.

        Words of a document that is deleted by now are not written.
        """
        await self._connection.execute(BOUNDS)
        first = {answer.id: answer for answer in reversed(answers)}.values()
        sources = [row for answer in first for row in _source_rows(answer)]
        rows = [_row(answer) for answer in first]
        await self._connection.execute(ADD, {"answers": _json(rows), "sources": _json(sources)})

    async def redact(self, document_ids: Sequence[UUID], *, limit: int) -> int:
        """Take up to `limit` sources' words of deleted documents away, and their answers' texts.

        Returns:
            Of how many answers; fewer than `limit` sources are left only when it is 0.
        """
        documents = {"ids": list(document_ids), "limit": limit}
        found = list((await self._connection.execute(WITH_WORDS_OF, documents)).scalars())
        if not found:
            return 0
        await self._connection.execute(LOCK, {"ids": found})
        await self._connection.execute(DROP_TEXTS, {"ids": found})
        await self._connection.execute(DROP_QUOTES, {"ids": found, "documents": list(document_ids)})
        return len(found)

    async def prune(self, *, days: int, most: int) -> int:
        """Remove up to `most` answers older than `days`, with all that hangs on them."""
        parameters = {"days": days, "most": most}
        return (await self._connection.execute(PRUNE, parameters)).rowcount


def _row(answer: NewAnswer) -> dict[str, Any]:
    row = {name: value for name, value in asdict(answer).items() if name != "sources"}
    return {**row, "timings": dict(answer.timings or {})}


def _source_rows(answer: NewAnswer) -> list[dict[str, Any]]:
    return [
        {"answer_id": answer.id, "place": place, "tenant_id": answer.tenant_id, **asdict(source)}
        for place, source in enumerate(answer.sources)
    ]


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows down; Postgres stores no NUL, which a question or a model may hold."""
    return json.dumps(_storable(list(rows)), default=str)


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {key: _storable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case _:
            return value
