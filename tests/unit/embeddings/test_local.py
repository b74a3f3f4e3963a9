"""The real model, and folders that are not what they should be."""

import pytest

from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.spaces import LOCAL
from shared.errors import EmbeddingMisconfigured
from shared.weights import weights_folder

QUESTION = "How do vaccines protect against disease?"
# From most to least related; int8 on a processor without VNNI can saturate and mix them up.
IN_ORDER = [
    "Vaccines train the immune system to recognise a pathogen before an infection.",
    "Antibodies are proteins that bind to viruses and bacteria.",
    "The hospital's cafeteria is open from eight to five.",
    "The stock market fell by three per cent on Monday.",
]


async def test_the_model_agrees_with_what_was_measured() -> None:
    embedder = LocalEmbedder(LOCAL, folder=weights_folder)
    question = await embedder.embed_query(QUESTION)
    documents = (await embedder.embed_documents(IN_ORDER)).vectors
    cosines = (documents @ question).tolist()
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[0] == pytest.approx(0.738, abs=0.02)
    assert cosines[0] - cosines[-1] > 0.3
    await embedder.aclose()


async def test_batching_moves_vectors_only_a_little() -> None:
    embedder = LocalEmbedder(LOCAL, folder=weights_folder)
    texts = [*IN_ORDER, "long " * 400, "x"]
    together = (await embedder.embed_documents(texts)).vectors
    for text, vector in zip(texts, together, strict=True):
        alone = (await embedder.embed_documents([text])).vectors[0]
        # The int8 model scales its activations by the whole batch, so neighbours move a vector:
        # .983 was the worst here.
        assert float(alone @ vector) > 0.97
    await embedder.aclose()


async def test_a_question_over_the_window_is_cut() -> None:
    embedder = LocalEmbedder(LOCAL, folder=weights_folder)
    assert (await embedder.embed_query("word " * 900)).shape == (384,)
    await embedder.aclose()


async def test_a_model_of_other_dimensions_is_refused() -> None:
    wrong = LOCAL.model_copy(update={"dimensions": 768})
    embedder = LocalEmbedder(wrong, folder=weights_folder)
    with pytest.raises(EmbeddingMisconfigured, match="384"):
        await embedder.embed_query(QUESTION)
    await embedder.aclose()


def test_the_folder_is_the_wheels() -> None:
    assert local_folder() == weights_folder()
