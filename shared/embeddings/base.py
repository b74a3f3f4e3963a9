"""The embedder's port: texts in, unit vectors of one space out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.embeddings.rate_limits import RateLimits
from shared.errors import EmbeddingUnavailable, Kind
from shared.models import EmbeddingSpace

Vectors = NDArray[np.float32]


class EmbeddingTimedOut(EmbeddingUnavailable):
    """The embedding provider did not answer in time."""

    kind = Kind.UPSTREAM_TIMED_OUT


class EmbeddingLimited(EmbeddingUnavailable):
    """The embedding provider takes no more requests or tokens for now."""

    def __init__(
        self, detail: str, limits: RateLimits, *, retry_after_s: float | None = None
    ) -> None:
        """Keep what the provider said of its limits."""
        super().__init__(detail, retry_after_s=retry_after_s)
        self.limits = limits


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit vectors of shape (texts, dimensions), and the tokens the provider counted.

    `limits` is what the provider said of its limits with this answer.
    """

    vectors: Vectors
    tokens: int
    limits: RateLimits = field(default_factory=RateLimits)


class Embedder(Protocol):
    """Embeds texts in one space.

    Raises `EmbeddingUnavailable` when trying later may help (`retry_after_s` if the provider said
    when), its kind `EmbeddingLimited` for too much at once, `EmbeddingUnauthorized` for a refused
    key, `EmbeddingMisconfigured` for an unknown model or vectors of another size, `QuotaExceeded`
    for an empty account, and `EmbeddingRejected` when these texts will never be taken. It never
    retries by itself.
    """

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector this embedder makes."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Embed texts to be found; order is kept, an empty sequence makes no call."""
        ...

    async def embed_query(self, text: str) -> Vectors:
        """Embed one question; returns shape (dimensions,)."""
        ...

    async def aclose(self) -> None:
        """Close connections and free the model."""
        ...
