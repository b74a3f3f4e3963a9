"""An answer without a model: the sentences of the passages that answer the question's words.

Used where no provider is configured, or the one there is fails. Nothing is written that does not
stand in a document.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.query_api.generation.passages import Cited, Claim, Passage
from services.query_api.generation.quotes import shortened
from services.query_api.generation.sentences import spans
from shared.database.live_chunks import LiveChunk
from shared.embeddings.terms import terms

MAX_SENTENCES = 3
# A further sentence must be this good beside the best, or one good one would bring poor ones.
NEAR_THE_BEST = 0.6


@dataclass(frozen=True, slots=True)
class _Sentence:
    passage: Passage
    chunk: LiveChunk
    text: str
    terms: frozenset[str]


def extract(question: str, passages: Sequence[Passage]) -> Cited:
    """Return the best sentences, each followed by its source; empty if none shares a term.

    A sentence's worth is the share of the question it speaks of, each term weighted by its rarity
    among these sentences, times the relevance of its passage.
    """
    asked = frozenset(terms(question))
    sentences = _sentences(passages)
    weights = _rarity(asked, sentences)
    ranked = sorted(
        ((_worth(sentence, weights), sentence) for sentence in sentences),
        key=lambda pair: -pair[0],
    )
    claims: dict[str, Claim] = {}
    for worth, one in ranked[: 4 * MAX_SENTENCES]:
        if len(claims) == MAX_SENTENCES or worth <= 0 or worth < NEAR_THE_BEST * ranked[0][0]:
            break
        quote = shortened(one.text)
        start = one.chunk.text.find(quote)
        claims.setdefault(quote, Claim(one.passage, one.chunk, quote, quote, start))
    text = " ".join(f"{claim.quote} {claim.source}" for claim in claims.values())
    return Cited(text, list(claims.values()))


def _sentences(passages: Sequence[Passage]) -> list[_Sentence]:
    # What one chunk repeats of the one before is one sentence, and that of the better chunk.
    found: dict[tuple[int, str], tuple[Passage, LiveChunk]] = {}
    for passage in passages:
        for chunk, text in _spoken(passage):
            found.setdefault((passage.number, text), (passage, chunk))
    return [
        _Sentence(passage, chunk, text, frozenset(terms(text)))
        for (_, text), (passage, chunk) in found.items()
    ]


def _spoken(passage: Passage) -> Iterator[tuple[LiveChunk, str]]:
    for chunk in passage.best_first:
        for start, end in spans(chunk.text):
            yield chunk, chunk.text[start:end]


def _rarity(asked: frozenset[str], sentences: Sequence[_Sentence]) -> Mapping[str, float]:
    """Return BM25's idf of each asked term, over these sentences."""
    having = Counter(term for sentence in sentences for term in asked & sentence.terms)
    count = len(sentences)
    return {
        term: math.log(1 + (count - having[term] + 0.5) / (having[term] + 0.5)) for term in asked
    }


def _worth(sentence: _Sentence, weights: Mapping[str, float]) -> float:
    total = sum(weights.values())
    found = sum(weights[term] for term in weights.keys() & sentence.terms)
    return found / total * sentence.passage.score_of(sentence.chunk) if total else 0.0
