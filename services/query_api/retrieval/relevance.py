"""A hit's relevance in [0, 1]: how near its vector is, how much of the question it speaks of.

Simple for now, and the same in every mode: a logistic of two features whose weights were fitted on
SciFact's and SQuAD's judged passages against passages for questions of the other set, then
halved so that scores spread out (docs/decisions/0021-relevance-and-floor.md).
"""

import math
import re
from typing import NamedTuple

from shared.embeddings.sparse import terms
from shared.models import EmbeddingSpace

# Scripts written without blanks: their words cannot be told apart here, so only vectors count.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
)


class _Cosines(NamedTuple):
    """A model's cosine with the best passage where nothing fits the question, and with a good one.

    Models differ in where their cosines lie; between these two anchors they become alike.
    """

    unrelated: float
    related: float


_COSINES = {
    # Measured: medians over SciFact and SQuAD.
    "local": _Cosines(0.62, 0.77),
    # Not measured (no key here): from published examples of text-embedding-3.
    "openai": _Cosines(0.25, 0.50),
    "fake": _Cosines(0.10, 0.40),
}


class Relevance:
    """Scores the passages of one question."""

    def __init__(self, question: str, space: EmbeddingSpace) -> None:
        """Take the question, and the space its cosines come from."""
        self._asked = frozenset() if _UNSPACED.search(question) else frozenset(terms(question))
        self._cosines = _COSINES[space.provider]

    def of(self, text: str, cosine: float | None) -> float:
        """Return the relevance of a passage; `cosine` is None in a search by words alone."""
        nearness = None if cosine is None else self._nearness(cosine)
        coverage = self._coverage(text)
        if nearness is None:
            logit = -10.0 if coverage is None else 6.3 * coverage - 2.8
        elif coverage is None:
            logit = 2.4 * nearness - 0.5
        else:
            logit = 2.0 * nearness + 5.0 * coverage - 2.6
        return 1 / (1 + math.exp(-logit))

    def _nearness(self, cosine: float) -> float:
        """Return 0 for an unrelated passage's cosine, 1 for a related one's."""
        low, high = self._cosines
        return (cosine - low) / (high - low)

    def _coverage(self, text: str) -> float | None:
        """Return the share of the question's terms that the passage has."""
        if not self._asked:
            return None
        return len(self._asked.intersection(terms(text))) / len(self._asked)
