"""Makes the trail's rows: of a question, of what was found for it, of what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from services.query_api.audit.prices import priced
from services.query_api.generation.answers import EXTRACTIVE, Answer, Question, Retrieved
from services.query_api.generation.passages import Claim
from services.query_api.retrieval.hits import Hit
from shared.database.answers import NewAnswer, NewSource, Outcome
from shared.database.live_chunks import LiveChunk
from shared.settings_trail import TrailSettings


def unanswered(
    question: Question, settings: TrailSettings, outcome: Outcome, code: str | None = None
) -> NewAnswer:
    """Return the row of a question that got no answer: it `failed`, or its asker `left`."""
    usage = priced(question.spent.usage, settings.prices)
    return NewAnswer(
        id=question.answer_id,
        tenant_id=question.tenant_id,
        asked_at=_moment(question.answer_id),
        asked_by=question.asked_by,
        collection=question.collection,
        outcome=outcome,
        problem_code=code,
        question=question.text if settings.keep_questions else None,
        paid_model=usage.model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost=usage.cost,
    )


def answered(asked: Retrieved, answer: Answer, settings: TrailSettings) -> NewAnswer:
    """Return the row of an answer; its words are in it only if they are to be kept."""
    return replace(
        unanswered(asked.question, settings, _outcome(answer)),
        text=answer.text if settings.keep_texts else None,
        model=answer.model,
        prompt_version=answer.prompt_version,
        fallback=answer.fallback,
        abstention=answer.abstained,
        statements=answer.statements,
        supported=answer.supported,
        confidence=answer.confidence,
        best_score=answer.best_score,
        degraded=answer.degraded,
        timings=answer.timings,
        sources=_sources(asked.found.hits, answer.claims),
    )


def _moment(answer_id: UUID) -> datetime:
    """Return when an id was made, as it says itself (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((answer_id.int >> 80) / 1000, UTC)


def _outcome(answer: Answer) -> Outcome:
    if answer.abstained:
        return "abstained"
    return "extractive" if answer.model == EXTRACTIVE else "generated"


def _sources(hits: Sequence[Hit], claims: Sequence[Claim]) -> list[NewSource]:
    """Return each chunk once: what was found, best first, then what is cited from around it."""
    scores = {hit.chunk.id: hit.score for hit in hits}
    cited: dict[UUID, list[Claim]] = {}
    for claim in claims:
        cited.setdefault(claim.chunk.id, []).append(claim)
    chunks: Mapping[UUID, LiveChunk] = {
        chunk.id: chunk
        for chunk in (*(hit.chunk for hit in hits), *(claim.chunk for claim in claims))
    }
    return [_source(chunk, cited.get(id_, []), scores.get(id_)) for id_, chunk in chunks.items()]


def _source(chunk: LiveChunk, claims: Sequence[Claim], score: float | None) -> NewSource:
    return NewSource(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        version_id=chunk.version_id,
        version=chunk.version,
        page=claims[0].page if claims else chunk.page_start,
        score=score if score is not None else claims[0].score,
        cited=bool(claims),
        quotes=list(dict.fromkeys(claim.quote for claim in claims)),
    )
