"""The names of chunkings say the size where it is not the space's own."""

import pytest

from services.ingest_worker.chunking.names import chunk_tokens_of, chunker_name
from shared.embeddings.spaces import LOCAL, OPENAI_SMALL
from shared.errors import InvalidInput


def test_a_size_of_its_own_is_in_the_name() -> None:
    assert chunker_name(LOCAL, None) == chunker_name(LOCAL, 510) == "sections-1"
    assert chunker_name(OPENAI_SMALL, 510) == "sections-1@510"
    assert chunk_tokens_of("sections-1@510") == 510
    assert chunk_tokens_of("sections-1") is None


@pytest.mark.parametrize("tokens", [0, 63, 511, 1000])
def test_a_size_that_the_model_does_not_take_is_refused(tokens: int) -> None:
    with pytest.raises(InvalidInput, match="takes 64 to 510"):
        chunker_name(LOCAL, tokens)
