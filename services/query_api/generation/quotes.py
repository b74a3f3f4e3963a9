"""The span of a passage that a claim rests on: the sentence that shares most with it."""

import math
from collections.abc import Sequence

from services.query_api.generation.sentences import spans
from shared.database.live_chunks import LiveChunk
from shared.embeddings.sparse import terms

# Longer spans (a table without full stops) are cut at a word's end; what is left is still exact.
MAX_QUOTE_CHARS = 400


def quote_for(claim: str, chunks: Sequence[LiveChunk]) -> tuple[LiveChunk, str]:
    """Return the sentence of the chunks that shares most terms with the claim, and whose it is.

    Of equals the earlier one; where nothing is shared, the beginning of the first chunk.
    """
    wanted = set(terms(claim))
    sentences = [
        (chunk, chunk.text[start:end]) for chunk in chunks for start, end in spans(chunk.text)
    ]
    if not sentences:
        return chunks[0], ""
    chunk, best = max(sentences, key=lambda one: _shared(wanted, one[1]))
    return chunk, shortened(best)


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
