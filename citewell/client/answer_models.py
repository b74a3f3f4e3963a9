"""What a question is answered, typed: the text, its proof, and how far to trust it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from shared.models import Box, Value


class Turn(Value):
    """What was said before a question, by whom."""

    role: Literal["user", "assistant"]
    content: str


class Citation(Value):
    """Where a claim of the answer stands, in the document's own words."""

    marker: str
    document_id: UUID
    filename: str
    page: int
    section: tuple[str, ...] = ()
    quote: str
    chunk_id: UUID
    score: float
    boxes: tuple[Box, ...] = ()


class Verification(Value):
    """How many sentences stated something, and how many of them a passage holds up."""

    statements: int = 0
    supported: int = 0


class Answer(Value):
    """An answer with its sources, or an abstention with none; `abstention` says why."""

    answer_id: UUID | str
    answer: str
    sources: tuple[str, ...] = ()
    confidence: float
    citations: tuple[Citation, ...] = ()
    abstained: bool
    abstention: str | None = None
    verification: Verification = Verification()
    searched_for: str | None = None
    best_score: float | None = None
    fallback: str | None = None
    degraded: tuple[str, ...] | None = None
    model: str | None = None
    prompt_version: str | None = None
    usage: dict[str, Any] = Field(default_factory=dict)
    timings: dict[str, Any] = Field(default_factory=dict)


class Feedback(Value):
    """What this credential last said of an answer."""

    rating: Literal["up", "down"]
    comment: str | None = None
    given_by: str
    given_at: datetime
