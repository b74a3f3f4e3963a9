"""What the client answers about reindexes: their cost, how far they are, how alike the two are."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from citewell.client.models import Count
from shared.models import Value, WaitingFor


class ReindexCost(Value):
    """What a reindex takes; all but `documents` are estimates, `tokens` at most."""

    collection: str
    space: str
    chunker: str
    dimensions: int
    documents: int
    chunks: int
    tokens: int
    calls: int
    usd: float | None = None
    seconds: float | None = None


class Side(Value):
    """One of the two indexes."""

    space: str
    chunker: str


class NotBroughtOver(Value):
    """A version that could not be brought over, and why."""

    version_id: UUID
    detail: str


class Reindex(Value):
    """A reindex: `state` is filling, ready, switched, removing or done."""

    id: UUID
    collection: str
    state: str
    stage: str
    old: Side
    new: Side
    answers: Literal["old", "new"]
    documents: Count
    chunks: Count
    tokens: int = 0
    usd: float | None = None
    waiting_for: WaitingFor | None = None
    missing: int = 0
    problems: tuple[NotBroughtOver, ...] = ()
    eta_s: float | None = None
    created_at: datetime
    filled_at: datetime | None = None
    moved_at: datetime | None = None
    finished_at: datetime | None = None


class Reindexing(Value):
    """What a reindex takes, and what was begun; nothing after a dry run."""

    cost: ReindexCost
    reindex: Reindex | None = None


class ComparedIndex(Value):
    """One of the two; `recall` is the share of known documents among the first ten."""

    space: str
    recall: float | None = None


class ComparedQuestion(Value):
    """One question in both; a rank is that of the document known to answer it."""

    question: str
    overlap: float
    document_id: UUID | None = None
    active_rank: int | None = None
    other_rank: int | None = None


class Comparison(Value):
    """How alike the two indexes answer; `overlap` is of the first ten documents."""

    active: ComparedIndex
    other: ComparedIndex
    overlap: float | None = None
    questions: tuple[ComparedQuestion, ...] = ()
