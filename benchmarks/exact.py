"""Exact search over a few thousand chunks in memory: what a benchmark of rankings starts from."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.spaces import embedding_space
from shared.embeddings.sparse import document_terms, query_terms
from shared.settings_embedding import EmbeddingSettings

SPACE = "local/bge-small-en-v1.5"
DEPTH = 100
BATCH = 64


class ExactIndex:
    """Chunks with their dense and sparse vectors, searched whole."""

    def __init__(self, chunks: Sequence[str], dense: np.ndarray) -> None:
        """Weigh the chunks' terms."""
        self._dense = dense
        self._postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, text in enumerate(chunks):
            terms = document_terms(text)
            for term, weight in zip(terms.indices, terms.values, strict=True):
                self._postings[term].append((number, weight))
        self._count = len(chunks)

    def search(
        self, question: str, vector: np.ndarray
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Return the first chunks by vectors and by words, each with its score, best first."""
        cosines = self._dense @ vector
        first = np.argsort(-cosines, kind="stable")[:DEPTH]
        return {int(at): float(cosines[at]) for at in first}, self._by_words(question)

    def _by_words(self, question: str) -> dict[int, float]:
        scores = defaultdict[int, float](float)
        for term in query_terms(question).indices:
            postings = self._postings.get(term, [])
            held = len(postings)
            idf = math.log(1 + (self._count - held + 0.5) / (held + 0.5))
            for number, weight in postings:
                scores[number] += idf * weight
        return dict(sorted(scores.items(), key=lambda item: -item[1])[:DEPTH])


def local_embedder() -> LocalEmbedder:
    """Return the shipped model."""
    return LocalEmbedder(
        embedding_space(SPACE), folder=local_folder, threads=EmbeddingSettings().threads
    )


async def embedded(embedder: LocalEmbedder, chunks: Sequence[str]) -> np.ndarray:
    """Return a unit vector for each chunk."""
    parts = [chunks[first : first + BATCH] for first in range(0, len(chunks), BATCH)]
    return np.vstack([(await embedder.embed_documents(part)).vectors for part in parts])


def rows(path: Path) -> list[dict[str, str]]:
    """Return the objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
