"""What the client answers about quality: canaries, and what the rounds over them came to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.models import Value


class Canary(Value):
    """A question and the document it should find; made from a chunk, or given."""

    question: str
    document: str
    page: int | None = None
    chunk_id: UUID | None = None
    live: bool = True


class Canaries(Value):
    """A collection's canaries."""

    items: tuple[Canary, ...] = ()


class Tick(Value):
    """One round over a collection's canaries; `reasons` are the measures past a threshold."""

    id: UUID
    created_at: datetime
    state: Literal["ok", "degraded"]
    reasons: tuple[str, ...] = ()
    measures: Mapping[str, float] = Field(default_factory=dict)
    questions: int = 0
    skipped: int = 0
    errors: int = 0
    provider_calls: int = 0


class CollectionTick(Value):
    """A collection's new tick; None where there is nothing to ask of it."""

    collection: str
    tick: Tick | None = None


class QualityRun(Value):
    """The collections that were gone over."""

    items: tuple[CollectionTick, ...] = ()


class Quality(Value):
    """A collection's ticks, newest first, and the baseline that the next is measured by."""

    collection: str
    collection_id: UUID | None = None
    state: Literal["ok", "degraded", "unknown"]
    baseline: Mapping[str, float] = Field(default_factory=dict)
    ticks: tuple[Tick, ...] = ()
