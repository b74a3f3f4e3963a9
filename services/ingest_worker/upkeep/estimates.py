"""What a reindex will take, told before it begins: from what the collection has, and a sample."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest_worker.chunking.names import chunk_tokens_of
from services.ingest_worker.chunking.sizes import largest_chunk
from shared.database.rebuilds import CollectionSize, SampledText
from shared.database.reindexes import NewIndex
from shared.embeddings.spaces import embedding_space, price_of, searched_space
from shared.errors import ConfigurationInvalid
from shared.models import EmbeddingSpace
from shared.settings_embedding import EmbeddingSettings
from shared.tokens.build import build_tokenizer

# Chunks of long documents are this full: a section ends where it ends (benchmarks/chunking.py).
FILL = 0.75


@dataclass(frozen=True, slots=True)
class ReindexCost:
    """What reindexing a collection takes; all but `documents` are estimates, `tokens` at most.

    Texts that are in the space already cost nothing; how many is known only when they are cut.
    `usd` is None where no price is known, `seconds` where nothing was loaded yet that tells the
    pace.
    """

    collection: str
    space: str
    chunker: str
    dimensions: int
    documents: int
    chunks: int
    tokens: int
    calls: int
    usd: float | None
    seconds: float | None


async def estimate(
    size: CollectionSize,
    index: NewIndex,
    sample: Sequence[SampledText],
    *,
    pace: float | None,
    embedding: EmbeddingSettings,
) -> ReindexCost:
    """Estimate from a sample of the chunks there are; `pace` is chunks a second."""
    space = embedding_space(index.space, embedding.model_dirs)
    length = await asyncio.to_thread(_length_in, space, size, sample, embedding)
    tokens = round(size.chunks * length)
    most = chunk_tokens_of(index.chunker) or largest_chunk(space)
    chunks = max(size.documents, _chunks(size, most, length))
    price = price_of(space, embedding.prices)
    a_call = min(embedding.batch_tokens, space.batch_tokens)
    return ReindexCost(
        collection=size.name,
        space=index.space,
        chunker=index.chunker,
        dimensions=space.dimensions,
        documents=size.documents,
        chunks=chunks,
        tokens=tokens,
        calls=max(math.ceil(chunks / embedding.batch_inputs), math.ceil(tokens / a_call)),
        usd=None if price is None else round(tokens * price / 1e6, 4),
        seconds=round(chunks / pace, 1) if pace else None,
    )


def _length_in(
    space: EmbeddingSpace,
    size: CollectionSize,
    sample: Sequence[SampledText],
    embedding: EmbeddingSettings,
) -> float:
    """Return the mean tokens of today's chunks, as the new space counts them."""
    if not sample:
        return 0.0
    mean = sum(one.tokens for one in sample) / len(sample)
    if searched_space(size.space, embedding.model_dirs).tokenizer == space.tokenizer:
        return mean
    try:
        tokenizer = build_tokenizer(space)
    except ConfigurationInvalid:
        # Only the workers have that vocabulary: then a token is a token.
        return mean
    return sum(tokenizer.count(one.text) for one in sample) / len(sample)


def _chunks(size: CollectionSize, most: int, length: float) -> int:
    """Estimate how many chunks there will be: short documents stay whole, long ones are recut."""
    whole = length * size.chunks / max(1, size.documents)
    if whole <= most:
        return size.documents
    return round(size.chunks * length / (most * FILL))
