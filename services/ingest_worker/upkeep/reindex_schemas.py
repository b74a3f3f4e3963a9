"""The wire of reindexes: what is asked, what it will take, how far it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest_worker.chunking.names import LEAST_TOKENS
from services.ingest_worker.chunking.sizes import MAX_TOKENS
from services.ingest_worker.schemas import Request, ShortText
from services.ingest_worker.upkeep.estimates import ReindexCost
from shared.database.reindexes import ReindexRow, ReindexStage
from shared.embeddings.spaces import price_of, searched_space
from shared.models import WaitingFor

State = Literal["filling", "ready", "switched", "removing", "done"]


class ReindexRequest(Request):
    """What a collection is to be."""

    space: ShortText | None = Field(
        default=None, description="Its new embedding space; without it the one it has."
    )
    chunk_tokens: int | None = Field(
        default=None,
        ge=LEAST_TOKENS,
        le=MAX_TOKENS,
        description="Most tokens of a chunk; without it as the space suggests.",
    )
    dry_run: bool = Field(default=False, description="Tell what it takes and do nothing.")


class SwitchRequest(Request):
    """How sure one is."""

    accept_missing: bool = Field(
        default=False, description="Switch although some could not be brought over."
    )


class ReindexCostResponse(BaseModel):
    """What a reindex takes; all but `documents` are estimates."""

    collection: str
    space: str
    chunker: str
    dimensions: int
    documents: int
    chunks: int
    tokens: int = Field(description="At most: texts known in that space cost nothing.")
    calls: int = Field(description="Requests to the embedder.")
    usd: float | None = Field(description="At the price that is set or listed, if one is known.")
    seconds: float | None = Field(description="At the pace of a recent large upload, if any.")


class SideResponse(BaseModel):
    """One of the two indexes."""

    space: str
    chunker: str


class DoneOf(BaseModel):
    """How much of something is done."""

    done: int
    total: int


class ProblemResponse(BaseModel):
    """A version that could not be brought over."""

    version_id: UUID
    detail: str


class ReindexResponse(BaseModel):
    """A reindex and how far it is."""

    id: UUID
    collection: str
    state: State
    stage: ReindexStage = Field(description="Where in `state` it is.")
    old: SideResponse
    new: SideResponse
    answers: Literal["old", "new"] = Field(description="Which of the two queries see.")
    documents: DoneOf = Field(description="Cut anew, of those there were when it began.")
    chunks: DoneOf = Field(description="Embedded, of those cut so far.")
    tokens: int = Field(description="Of the chunks cut so far.")
    usd: float | None = Field(description="What those cost at most, if a price is known.")
    waiting_for: WaitingFor | None = Field(description="Why the new space does not embed now.")
    missing: int = Field(description="Chunks and documents that could not be brought over.")
    problems: Sequence[ProblemResponse] = Field(description="The first of those, and why.")
    eta_s: float | None = Field(description="Until it is filled, at the pace so far.")
    created_at: datetime
    filled_at: datetime | None
    moved_at: datetime | None = Field(description="When the answering index last changed.")
    finished_at: datetime | None


class ReindexAnswer(BaseModel):
    """What it takes, and what was begun; nothing after a dry run."""

    cost: ReindexCostResponse
    reindex: ReindexResponse | None


def shown_cost(cost: ReindexCost) -> ReindexCostResponse:
    """Return a cost as it is sent."""
    return ReindexCostResponse.model_validate(cost, from_attributes=True)


def shown_reindex(row: ReindexRow, prices: Mapping[str, float]) -> ReindexResponse:
    """Return a reindex as it is sent; `prices` are those that are set."""
    price = price_of(searched_space(row.new_space), prices)
    return ReindexResponse(
        id=row.id,
        collection=row.collection,
        state=_state(row.stage),
        stage=row.stage,
        old=SideResponse(space=row.old_space, chunker=row.old_chunker),
        new=SideResponse(space=row.new_space, chunker=row.new_chunker),
        answers="new" if row.new_answers else "old",
        documents=DoneOf(done=row.documents, total=max(row.documents, row.documents_total)),
        chunks=DoneOf(done=row.chunks - row.left, total=row.chunks),
        tokens=row.tokens,
        usd=None if price is None else round(row.tokens * price / 1e6, 4),
        waiting_for=_waiting_for(row),
        missing=row.missing,
        problems=[ProblemResponse(**one) for one in row.problems],
        eta_s=_eta_s(row),
        created_at=row.created_at,
        filled_at=row.filled_at,
        moved_at=row.moved_at,
        finished_at=row.finished_at,
    )


def _state(stage: ReindexStage) -> State:
    match stage:
        case "ready" | "switched" | "removing" | "done":
            return stage
        case _:
            return "filling"


def _waiting_for(row: ReindexRow) -> WaitingFor | None:
    if row.waiting_kind is None or row.finished_at is not None:
        return None
    return WaitingFor(
        kind=row.waiting_kind,
        until=row.waiting_until.isoformat() if row.waiting_until else None,
        code=row.waiting_code,
        detail=row.waiting_detail,
    )


def _eta_s(row: ReindexRow) -> float | None:
    """Estimate from what was embedded since it began; None where nothing was or is left."""
    embedded = row.chunks - row.left
    if _state(row.stage) != "filling" or not (embedded and row.documents):
        return None
    total = row.chunks * max(1.0, row.documents_total / row.documents)
    return round(row.age_s * (total - embedded) / embedded, 1)
