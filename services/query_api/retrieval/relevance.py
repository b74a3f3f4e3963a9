"""A hit's relevance in [0, 1]: how near its vector is, how much of the question it speaks of.

Simple for now, and the same in every mode: a logistic of two features. Its weights were fitted on
judged passages of five sets against the best passages for another set's questions, then halved so
that scores spread out (docs/decisions/0021-relevance-and-floor.md).
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


# Words that ask for something but are not what is asked for, beside the analyser's stop words.
_ASKING = frozenset(
    terms(
        "many much get got give given make made take use find need want know tell mean happen come"
        " go say call please explain describe"
    )
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
    # Any model's: most lie in between.
    "onnx": _Cosines(0.40, 0.70),
    "fake": _Cosines(0.10, 0.40),
}


class Relevance:
    """Scores the passages of one question."""

    def __init__(self, question: str, space: EmbeddingSpace) -> None:
        """Take the question, and the space its cosines come from."""
        self._asked = frozenset() if _UNSPACED.search(question) else _asked(question)
        self._cosines = _COSINES[space.provider]

    def of(self, text: str, cosine: float | None) -> float:
        """Return the relevance of a passage; `cosine` is None in a search by words alone."""
        nearness = None if cosine is None else self._nearness(cosine)
        coverage = self._coverage(text)
        if nearness is None:
            logit = -10.0 if coverage is None else 7.5 * coverage - 3.3
        elif coverage is None:
            logit = 2.6 * nearness - 0.8
        else:
            logit = 2.2 * nearness + 2.4 * coverage - 1.8
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


def _asked(question: str) -> frozenset[str]:
    found = frozenset(terms(question))
    return found - _ASKING or found
