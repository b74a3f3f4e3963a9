"""What a search answers, typed: hits, and what stands around them."""

from typing import Any
from uuid import UUID

from pydantic import Field

from shared.models import Value


class Neighbour(Value):
    """A chunk beside a hit; `text` is what the one nearer the hit does not repeat."""

    chunk_id: UUID
    ordinal: int
    page_start: int
    page_end: int
    section: tuple[str, ...] = ()
    text: str


class Context(Value):
    """What stands around a hit, in order."""

    before: tuple[Neighbour, ...] = ()
    after: tuple[Neighbour, ...] = ()


class Duplicate(Value):
    """A copy of a hit that was left out."""

    document_id: UUID
    filename: str
    chunk_id: UUID
    page_start: int


class HitScores(Value):
    """The scores a hit's relevance was made from; None where a method did not find it."""

    dense: float | None = None
    sparse: float | None = None
    fused: float | None = None
    rerank: float | None = None


class Hit(Value):
    """A chunk with its relevance, from 0 to 1.

    `context` is there where neighbours were asked for, `duplicates` in a distinct search.
    """

    chunk_id: UUID
    document_id: UUID
    version: int
    ordinal: int = 0
    collection: str | None = None
    filename: str
    attributes: dict[str, Any] = Field(default_factory=dict)
    page_start: int
    page_end: int
    section: tuple[str, ...] = ()
    text: str
    score: float
    scores: HitScores = HitScores()
    context: Context | None = None
    duplicates: tuple[Duplicate, ...] | None = None

    @property
    def text_in_context(self) -> str:
        """The hit's text with what stands before and after it; what chunks repeat is there once."""
        around = self.context or Context()
        before, after = (
            "".join(one.text for one in side) for side in (around.before, around.after)
        )
        return before + self.text + after


class SearchResult(Value):
    """Hits, best first; `degraded` names what the search had to do without."""

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] | None = None
    timings: dict[str, Any] = Field(default_factory=dict)
