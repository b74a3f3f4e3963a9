"""Chunk sizes follow the space."""

import pytest

from services.ingest_worker.chunking.sizes import ChunkSizes
from shared.embeddings.spaces import FAKE, LOCAL, OPENAI_SMALL
from shared.models import EmbeddingSpace
from shared.tokens.build import build_tokenizer


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (OPENAI_SMALL, ChunkSizes(1000, 500, 50, 100)),
        (LOCAL, ChunkSizes(510, 255, 50, 100)),
        (FAKE, ChunkSizes(1000, 500, 50, 100)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_sizes_of_the_known_spaces(space: EmbeddingSpace, expected: ChunkSizes) -> None:
    assert ChunkSizes.for_space(space, build_tokenizer(space)) == expected


def test_a_document_prefix_takes_its_tokens_off() -> None:
    prefixed = FAKE.model_copy(update={"window": 100, "document_prefix": "passage: "})
    assert ChunkSizes.for_space(prefixed, build_tokenizer(prefixed)).max_tokens == 91


def test_a_small_window_overlaps_less() -> None:
    assert ChunkSizes.of(100) == ChunkSizes(100, 50, 10, 20)
