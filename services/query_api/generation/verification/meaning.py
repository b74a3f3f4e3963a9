"""How near a sentence is in meaning to what may hold it up: a local model's word on it."""

from collections.abc import Sequence

import numpy as np

from services.query_api.generation.verification.thresholds import MEANING, Wording
from shared.embeddings.base import Embedder
from shared.errors import CitewellError

# Longer texts would pass the model's window; what decides stands at their beginning.
_MOST_CHARACTERS = 1000


class Meaning:
    """Compares texts by an embedder in a space whose cosines were measured."""

    def __init__(self, embedder: Embedder | None) -> None:
        """Take the embedder; None, or one of a space that was not measured, tells nothing."""
        self._fit = MEANING.get(embedder.space.name) if embedder else None
        self._embedder = embedder

    async def support(self, wording: Wording, said: str, texts: Sequence[str]) -> float | None:
        """Return how likely texts hold up what is said in such words; None if it cannot be told."""
        if self._embedder is None or self._fit is None:
            return None
        try:
            embedded = await self._embedder.embed_documents(
                [text[:_MOST_CHARACTERS] for text in (said, *texts)]
            )
        except CitewellError:
            # Words alone decide, as where there is no model.
            return None
        nearness = float(np.max(embedded.vectors[1:] @ embedded.vectors[0]))
        return self._fit.of(wording, nearness)
