"""BM25 terms: a chunk or a question in, a sparse vector out; one analyser for both sides.

Qdrant multiplies each matching pair of weights and its collection's idf (modifier `idf`), so the
sum is BM25 (Robertson and Zaragoza 2009) if a document's weight is the saturated term frequency
and a question's weight is 1. A chunk's language is told by its stop words; a question is too short
for that, so it is analysed in each language that the index has.
"""

import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shared.embeddings.languages import (
    LANGUAGES,
    languages_of,
    leading,
    runs_of,
    stems,
    stop_words,
)
from shared.embeddings.terms import FIRST, stemmed
from shared.embeddings.words import joined_of, plain, wholes_of, words_of
from shared.vectors.base import SparseVector

# Kept with each index: terms of two analysers do not match. Raise it with any change of a term.
ANALYSER = "2"

K1 = 1.2
B = 0.75
# The length a chunk is taken to have on average, in terms without stop words. A constant, because a
# weight is stored once while a collection's true average moves. On five sets, anywhere from 80
# to 200 nDCG@10 moves by less than .013 (docs/decisions/0020-sparse-terms.md).
AVERAGE_TERMS = 128

# A question without stop words is taken for each language that has this share of the chunks.
_SHARE = 0.1

NO_LANGUAGES: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChunkTerms:
    """A chunk's terms, and the languages their stems are of."""

    vector: SparseVector
    languages: frozenset[str]


def chunk_terms(text: str) -> ChunkTerms:
    """Return the terms of a chunk, each with its saturated, length-normalised frequency."""
    simple = plain(text)
    words = words_of(simple)
    languages = languages_of(words)
    kept = stemmed(words, languages)
    length = K1 * (1 - B + B * len(kept) / AVERAGE_TERMS)
    # Two terms of one id are counted together before the weight, as if they were one word.
    counts = Counter(map(_id, kept + wholes_of(simple)))
    vector = SparseVector(
        indices=tuple(counts),
        values=tuple(count * (K1 + 1) / (count + length) for count in counts.values()),
    )
    return ChunkTerms(vector, frozenset(languages.values()))


def document_terms(text: str) -> SparseVector:
    """Return the terms of a chunk without its languages."""
    return chunk_terms(text).vector


def query_terms(text: str, languages: Mapping[str, int] = NO_LANGUAGES) -> SparseVector:
    """Return the terms of a question, each with weight 1; empty if it has only stop words.

    `languages` are those of the index, each with the number of its chunks. A word has a stem in
    each language that the question may be in.
    """
    simple = plain(text)
    words = words_of(simple)
    scripts = {script for script, _ in runs_of(words)}
    there = [one for script in scripts for one in LANGUAGES.get(script, ()) if one in languages]
    lead = leading(words, there or FIRST.values())
    asked = [word for word in words if not any(word in stop_words(one) for one in lead)]
    spoken = {script: _spoken(script, lead, languages) for script in scripts}
    found = [*_variants(asked, spoken), *wholes_of(simple), *joined_of(simple)]
    indices = tuple(dict.fromkeys(map(_id, found)))
    return SparseVector(indices=indices, values=(1.0,) * len(indices))


def _spoken(script: str, lead: Collection[str], languages: Mapping[str, int]) -> Sequence[str]:
    """Return the languages of a script that a question may be in.

    The one of most chunks is among them: a stop word may be another language's noun. Without any
    stop words the question is in one of those that many chunks are in.
    """
    able = LANGUAGES.get(script, ())
    counts = {one: languages[one] for one in able if one in languages}
    if not counts:
        return able[:1]
    led = [one for one in counts if one in lead]
    least = max(counts.values()) if led else _SHARE * sum(counts.values())
    return led + [one for one, count in counts.items() if count >= least and one not in led]


def _variants(words: Sequence[str], spoken: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the stems of each word in every language that has something to say with it."""
    for script, asked in runs_of(words):
        if not spoken[script]:
            yield from stems(asked, None)
        for language in spoken[script]:
            said = stop_words(language)
            yield from stems([word for word in asked if word not in said], language)


def _id(term: str) -> int:
    return zlib.crc32(term.encode())
