"""Chunks put together again: as the chunker cuts them, what it repeats is there once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.chunking.chunker import chunk
from services.ingest_worker.chunking.sizes import ChunkSizes
from services.query_api.retrieval.joining import overlap, pieces
from shared.embeddings.spaces import FAKE
from shared.models import Element, ElementKind
from shared.tokens.build import build_tokenizer

SENTENCES = st.lists(st.integers(3, 12), min_size=5, max_size=60)


def prose(lengths: list[int]) -> str:
    """Return sentences of so many words, no word of which comes twice."""
    words = (f"word{number}" for number in range(10_000))
    return " ".join(" ".join(next(words) for _ in range(many)) + "." for many in lengths)


def chunks_of(text: str, size: int) -> list[str]:
    elements = [Element(kind=ElementKind.PARAGRAPH, text=text)]
    cut = chunk(elements, tokenizer=build_tokenizer(FAKE), sizes=ChunkSizes.of(size))
    return [one.text for one in cut]


@given(SENTENCES, st.sampled_from([300, 510]), st.data())
def test_joined_chunks_are_the_text_they_were_cut_from(
    lengths: list[int], size: int, data: st.DataObject
) -> None:
    text = prose(lengths)
    texts = chunks_of(text, size)
    whole = data.draw(st.integers(0, len(texts) - 1))
    joined = pieces(texts, whole=whole)
    assert "".join(joined) == text
    assert joined[whole] == texts[whole]


def test_the_chunks_of_this_test_do_overlap() -> None:
    texts = chunks_of(prose([8] * 40), 510)
    assert len(texts) > 2
    assert all(overlap(above, below) for above, below in pairwise(texts))


def test_what_repeats_nothing_is_set_apart() -> None:
    assert pieces(["One.", "Two.", "Three."], whole=1) == ["One.\n\n", "Two.", "\n\nThree."]
    assert pieces(["One."]) == ["One."]


@pytest.mark.parametrize(
    ("above", "below", "shared"),
    [
        ("It ends so and not otherwise.", "and not otherwise. It goes on.", 18),
        ("aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaab", 20),
        ("They went home.", "home. They slept.", 0),
        ("The same beginning, then more.", "The same beginning, then less.", 0),
        ("", "anything at all", 0),
        ("anything at all", "", 0),
    ],
)
def test_an_overlap_is_the_longest_end_that_is_a_beginning(
    above: str, below: str, shared: int
) -> None:
    assert overlap(above, below) == shared
