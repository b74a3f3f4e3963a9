"""The deterministic double: words hashed into vectors, so texts that share words are near."""

import zlib
from collections.abc import Sequence

import numpy as np

from shared.embeddings.base import Embedded, Vectors
from shared.embeddings.terms import terms
from shared.embeddings.texts import refuse_blank
from shared.errors import EmbeddingRejected
from shared.models import EmbeddingSpace


class HashingEmbedder:
    """Counts each text's terms in hashed buckets; no model, no network, the same for ever.

    `failure`, once set, is raised by every call: a provider that is down.
    """

    def __init__(self, space: EmbeddingSpace) -> None:
        """Take the space; `calls` counts what was asked."""
        self._space = space
        self.calls = 0
        self.failure: Exception | None = None

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector."""
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Embed texts to be found."""
        if not texts:
            return Embedded(np.empty((0, self._space.dimensions), np.float32), 0)
        self._answer(texts)
        tokens = [len(text.encode()) for text in texts]
        if max(tokens) > self._space.window:
            raise EmbeddingRejected(f"A text has {max(tokens)} bytes, over {self._space.window}.")
        return Embedded(np.stack([self._vector(text) for text in texts]), sum(tokens))

    async def embed_query(self, text: str) -> Vectors:
        """Embed one question."""
        self._answer([text])
        return self._vector(text)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _answer(self, texts: Sequence[str]) -> None:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        refuse_blank(texts)

    def _vector(self, text: str) -> Vectors:
        vector = np.zeros(self._space.dimensions, np.float32)
        for term in terms(text) or [text]:
            hashed = zlib.crc32(term.encode())
            vector[hashed % self._space.dimensions] += 1 if hashed & 0x80000000 else -1
        length = float(np.linalg.norm(vector))
        if length == 0:
            # Every term met its opposite: rare, but a vector must have a direction.
            vector[0] = length = 1.0
        unit: Vectors = vector / length
        return unit
