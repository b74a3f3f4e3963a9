"""What speaks for a hit of one search: the features that its relevance is made of.

All are cheap; only `coverage` reads a text. Which of them tell something, and what else was tried:
docs/decisions/0175-relevance-is-calibrated.md.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from statistics import fmean
from typing import Generic, NamedTuple, TypeVar

from services.query_api.retrieval.relevance.fits import Feature
from shared.embeddings.terms import terms, terms_among
from shared.embeddings.words import has_unspaced

Id = TypeVar("Id", bound=Hashable)

# Candidates of a list that are looked at; its lower half is what else the collection speaks of.
DEPTH = 100
# One chunk more in the lower half: what a list of one or two is compared with at all. Models give
# texts that have nothing to do with each other cosines between 0 and 0.7.
_UNRELATED = 0.3
_SURE = 0.999999
# Words that ask for something but are not what is asked for, beside the analyser's stop words.
_ASKING = frozenset(
    terms(
        "many much get got given give make made take use find need want know tell mean happen come"
        " go say call please explain describe"
    )
)


class Asked:
    """What a question asks for.

    `terms` leaves out what merely asks, unless there is nothing else. They are not `told_apart`
    where there are none, or in a script without blanks, whose terms are pairs of characters.
    """

    def __init__(self, question: str) -> None:
        """Take the question."""
        found = frozenset(terms(question))
        self.terms = found - _ASKING or found
        self.told_apart = bool(found) and not has_unspaced(question)

    def coverage(self, text: str) -> float:
        """Return the share of the terms that a text has, 0 without any."""
        return len(terms_among(text, self.terms)) / max(1, len(self.terms))


class Seen(NamedTuple, Generic[Id]):
    """A hit: its fused score, its text, and the share of 1 that a cross-encoder gives it."""

    id: Id
    fused: float
    text: str
    reading: float | None = None


class Evidence(Generic[Id]):
    """The features of the hits of one search.

    - `nearness` is the cosine. A hit outside the dense list has the least of the list, which
      bounds its own.
    - `rise` is how far the cosine has come on the way from the lower half of the dense list to 1.
      It needs no knowledge of where a model's cosines lie.
    - `coverage` is the share of the question's terms that the text has.
    - `weight` is the BM25 sum, of what it were if the hit had each term once and each were rare.
    - `place` is the square of the fused score.
    - `few` is one in so many chunks: where there are few, the one that is wanted is likelier any.
    - `reading` is the logit of what a cross-encoder says.
    """

    def __init__(
        self,
        question: str,
        dense: Mapping[Id, float],
        sparse: Mapping[Id, float],
        chunks: int,
    ) -> None:
        """Take both lists, best first, and about how many chunks were searched."""
        self.asked = Asked(question)
        self._dense, self._sparse = dense, sparse
        cosines = list(dense.values())[:DEPTH]
        self._least = cosines[-1] if cosines else 0.0
        self._background = fmean([*cosines[len(cosines) // 2 :], _UNRELATED])
        self._most_weight = max(1, len(self.asked.terms)) * _idf_of_the_rarest(chunks)
        self._few = 1 / max(1, chunks)
        self._told: Mapping[Feature, Callable[[Seen[Id]], float]] = {
            "nearness": self._nearness,
            "rise": self._rise,
            "coverage": self._coverage,
            "weight": self._weight,
            "place": _place,
            "few": self._fewness,
            "reading": _reading,
        }

    @property
    def has_vectors(self) -> bool:
        """Whether anything was found by vectors."""
        return bool(self._dense)

    def of(self, feature: Feature, hit: Seen[Id]) -> float:
        """Return a feature of a hit."""
        return self._told[feature](hit)

    def _nearness(self, hit: Seen[Id]) -> float:
        return self._dense.get(hit.id, self._least)

    def _rise(self, hit: Seen[Id]) -> float:
        return (self._nearness(hit) - self._background) / max(1 - _SURE, 1 - self._background)

    def _coverage(self, hit: Seen[Id]) -> float:
        return self.asked.coverage(hit.text)

    def _weight(self, hit: Seen[Id]) -> float:
        return min(1.0, self._sparse.get(hit.id, 0.0) / self._most_weight)

    def _fewness(self, _: Seen[Id]) -> float:
        return self._few


def _idf_of_the_rarest(chunks: int) -> float:
    """Return BM25's idf of a term that one chunk has."""
    return math.log(1 + (max(1, chunks) - 0.5) / 1.5)


def _place(hit: Seen[Id]) -> float:
    return hit.fused**2


def _reading(hit: Seen[Id]) -> float:
    share = min(_SURE, max(1 - _SURE, hit.reading or 0.0))
    return math.log(share / (1 - share))
