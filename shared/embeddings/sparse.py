"""BM25 terms: a chunk or a question in, a sparse vector out; one analyser for both sides.

Qdrant multiplies each matching pair of weights and its collection's idf (modifier `idf`), so the
sum is BM25 (Robertson and Zaragoza 2009) if a document's weight is the saturated term frequency
and a question's weight is 1.
"""

import re
import threading
import unicodedata
import zlib
from collections import Counter

import Stemmer

from shared.vectors.base import SparseVector

K1 = 1.2
B = 0.75
# The length a chunk is taken to have on average, in terms without stop words. A constant, because a
# weight is stored once while a collection's true average moves. On five sets, anywhere from 80
# to 200 nDCG@10 moves by less than .013 (docs/decisions/0020-sparse-terms.md).
AVERAGE_TERMS = 128

# Lucene's English list, and the words that ask: they say nothing of what is asked for.
_LUCENE = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""
_ASKING = """
about also am been being between can could did do does during had has have he her him his how i its
may me might my our s she should so t than we were what when where which who whom whose why would
you your
"""
STOP_WORDS = frozenset((_LUCENE + _ASKING).split())

_WORD = re.compile(r"[^\W_]+")
# Codes, versions, paths, addresses, decimals: `INV-2024-7`, `v1.2.3`, `max_retries`, `1,000`.
# From a word's first letter only, and never giving letters back: else each letter is tried anew.
_WHOLE = re.compile(
    r"(?<![^\W_])(?:[^\W_]++(?:(?:[-./_:@+]++|(?<=\d),(?=\d))[^\W_]++)++|[a-z](?:\+\+|#))"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")

_of_thread = threading.local()


def document_terms(text: str) -> SparseVector:
    """Return the terms of a chunk, each with its saturated, length-normalised frequency."""
    words, wholes = _analyse(text)
    length = K1 * (1 - B + B * len(words) / AVERAGE_TERMS)
    # Two terms of one id are counted together before the weight, as if they were one word.
    counts = Counter(map(_id, words + wholes))
    return SparseVector(
        indices=tuple(counts),
        values=tuple(count * (K1 + 1) / (count + length) for count in counts.values()),
    )


def query_terms(text: str) -> SparseVector:
    """Return the terms of a question, each with weight 1; empty if it has only stop words."""
    indices = tuple(dict.fromkeys(map(_id, terms(text))))
    return SparseVector(indices=indices, values=(1.0,) * len(indices))


def terms(text: str) -> list[str]:
    """Return the terms of a text in order: stems of its words, then identifiers kept whole.

    Example:
        `terms("The invoice INV-7 was paid")` is `["invoic", "inv", "7", "paid", "inv-7"]`.
    """
    words, wholes = _analyse(text)
    return words + wholes


def _analyse(text: str) -> tuple[list[str], list[str]]:
    # NFKC: PDFs are full of ligatures and wide forms. No lower case changes it afterwards.
    plain = unicodedata.normalize("NFKC", text).lower()
    words = [word for word in _WORD.findall(plain) if word not in STOP_WORDS]
    wholes = [_whole(found) for found in _WHOLE.findall(plain) if _is_identifier(found)]
    return _stemmer().stemWords(words), wholes


def _is_identifier(found: str) -> bool:
    """Tell a code from words that a hyphen or a missing blank joins."""
    return any(character.isdigit() or character in "_@/:.+#" for character in found)


def _whole(found: str) -> str:
    return found.replace(",", "") if _THOUSANDS.fullmatch(found) else found


def _id(term: str) -> int:
    return zlib.crc32(term.encode())


def _stemmer() -> Stemmer.Stemmer:
    """Return this thread's stemmer: PyStemmer's are not to be shared between threads."""
    stemmer: Stemmer.Stemmer | None = getattr(_of_thread, "stemmer", None)
    if stemmer is None:
        stemmer = _of_thread.stemmer = Stemmer.Stemmer("english")
    return stemmer
