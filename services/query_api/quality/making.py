"""Canaries made from the corpus: what a chunk says of its own, with words dropped."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from services.query_api.generation.sentences import spans
from shared.database.quality import NewCanary, SampledChunk
from shared.embeddings.terms import terms

# Chunks looked at for each canary: there must be some with a sentence worth asking for.
SAMPLED_FOR_EACH = 4
LEAST_WORDS, MOST_WORDS = 6, 40
# Each fourth word is left out, and what is asked is no longer than people's longer questions.
DROPPED_EVERY, ASKED_WORDS = 4, 16
# Of a text without sentences or without blanks, this many characters.
CUT = 120


def make_canaries(
    sample: Sequence[SampledChunk], *, most: int, known: Iterable[UUID] = ()
) -> list[NewCanary]:
    """Return up to `most` canaries, the same ones for the same sample.

    The most distinctive sentence of a chunk is asked; each document has its turn before one has a
    second. Chunks in `known` have one already.
    """
    rarity = _rarity(sample)
    taken, made = set(known), list[NewCanary]()
    for chunk in _document_by_document(sample):
        question = "" if chunk.id in taken else _question(chunk.text, rarity)
        if question and len(made) < most:
            made.append(NewCanary(question, chunk.document, chunk.page, chunk.id))
    return made


def _document_by_document(sample: Sequence[SampledChunk]) -> Iterator[SampledChunk]:
    seen: Counter[UUID] = Counter()
    turns = []
    for at, chunk in enumerate(sample):
        turns.append((seen[chunk.document_id], at))
        seen[chunk.document_id] += 1
    return (sample[at] for _, at in sorted(turns))


def _rarity(sample: Sequence[SampledChunk]) -> Mapping[str, float]:
    """Return each term's inverse document frequency in the sample (Spärck Jones 1972)."""
    counts = Counter(term for chunk in sample for term in set(terms(chunk.text)))
    return {term: math.log(len(sample) / count) for term, count in counts.items()}


def _question(text: str, rarity: Mapping[str, float]) -> str:
    sentences = [text[start:end] for start, end in spans(text)]
    fitting = [one for one in sentences if LEAST_WORDS <= len(one.split()) <= MOST_WORDS]
    if not fitting:
        return text.strip()[:CUT]
    words = max(fitting, key=lambda one: _distinct(one, rarity)).split()
    kept = [word for at, word in enumerate(words, start=1) if at % DROPPED_EVERY]
    return " ".join(kept[:ASKED_WORDS])[:1000]


def _distinct(sentence: str, rarity: Mapping[str, float]) -> float:
    found = terms(sentence)
    return sum(rarity.get(term, 0.0) for term in found) / max(1, len(found))
