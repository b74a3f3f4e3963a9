"""The span of a passage that a claim rests on: the sentence that shares most with it."""

import math

from services.query_api.generation.sentences import spans
from shared.embeddings.sparse import terms

# Longer spans (a table without full stops) are cut at a word's end; what is left is still exact.
MAX_QUOTE_CHARS = 400


def quote_for(claim: str, passage: str) -> str:
    """Return the sentence of the passage that shares most terms with the claim.

    Of equals the earlier one; a passage that shares nothing is quoted from its beginning.
    """
    wanted = set(terms(claim))
    sentences = [passage[start:end] for start, end in spans(passage)]
    if not sentences:
        return ""
    best = max(sentences, key=lambda sentence: _shared(wanted, sentence))
    return shortened(best)


def shortened(span: str, most: int = MAX_QUOTE_CHARS) -> str:
    """Return the span, or its beginning up to the last whole word that fits."""
    if len(span) <= most:
        return span
    cut = span.rfind(" ", 0, most + 1)
    return span[: cut if cut > 0 else most].rstrip()


def _shared(wanted: set[str], sentence: str) -> float:
    found = set(terms(sentence))
    # A long sentence shares more by being long: the root keeps that in bounds.
    return len(wanted & found) / math.sqrt(1 + len(found))
