"""A model that the operator brought along: the wheel's own, under another name."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from shared.embeddings.build import Embedders
from shared.embeddings.pooling import pooled
from shared.embeddings.spaces import LOCAL, embedding_space, searched_space
from shared.errors import EmbeddingMisconfigured, EmbeddingRejected, InvalidInput
from shared.settings import AuthSettings, DatabaseSettings, Settings
from shared.settings_embedding import EmbeddingSettings
from shared.weights import weights_folder
from tests.support.model_folders import forget_folders, model_folder

TEXT = "Antibodies are proteins that bind to viruses and bacteria."


@pytest.fixture(autouse=True)
def _anew() -> None:
    forget_folders()


def embedders(*folders: Path) -> Embedders:
    return Embedders(
        Settings(
            database=DatabaseSettings(url="postgresql://nowhere/none"),
            auth=AuthSettings(secret=SecretStr("s" * 32)),
            embedding=EmbeddingSettings(model_dirs=folders),
        )
    )


async def test_its_vectors_are_those_of_the_same_model(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    space = embedding_space("onnx/mine", [folder])
    assert (space.dimensions, space.window, space.special_tokens) == (384, 512, 2)
    made = embedders(folder)
    for question in (True, False):
        vectors = []
        for name in (space.name, LOCAL.name):
            one = made.of(name)
            vectors.append(
                await one.embed_query(TEXT)
                if question
                else (await one.embed_documents([TEXT])).vectors[0]
            )
        assert np.allclose(vectors[0], vectors[1], atol=1e-6)
    with pytest.raises(EmbeddingRejected, match="512"):
        await made.of(space.name).embed_documents(["long " * 600])
    await made.aclose()


async def test_a_reranker_is_refused_as_an_embedder(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine", weights_folder().parent / "reranker_en")
    made = embedders(folder)
    with pytest.raises(EmbeddingMisconfigured, match=r"gives 1 dimensions, `onnx/mine@.*` has 384"):
        await made.of("onnx/mine").embed_documents([TEXT])
    await made.aclose()


async def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    (folder / "model.onnx").write_bytes(b"no model")
    made = embedders(folder)
    with pytest.raises(EmbeddingMisconfigured, match="cannot be read"):
        await made.of("onnx/mine").embed_query(TEXT)
    await made.aclose()


def test_an_index_keeps_to_the_model_it_was_made_with(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    made_with = embedding_space("onnx/mine", [folder])
    assert made_with.name.startswith("onnx/mine@")
    assert embedding_space(made_with.name, [folder]) == made_with
    model_folder(folder, query_prefix="")
    forget_folders()
    with pytest.raises(EmbeddingMisconfigured, match=f"was made with `{made_with.name}`"):
        embedding_space(made_with.name, [folder])
    assert embedding_space("onnx/mine", [folder]).name != made_with.name


def test_a_folder_that_is_gone_leaves_the_words(tmp_path: Path) -> None:
    name = embedding_space("onnx/mine", [model_folder(tmp_path / "mine")]).name
    with pytest.raises(EmbeddingMisconfigured, match="CITEWELL_EMBEDDING_MODEL_DIRS"):
        embedding_space(name)
    assert searched_space(name).name == name
    with pytest.raises(InvalidInput, match="There is no folder `mine`"):
        embedding_space("onnx/mine")


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same name"):
        EmbeddingSettings(model_dirs=(tmp_path / "a" / "mine", tmp_path / "b" / "mine"))


def test_tokens_are_pooled_without_what_fills_the_row() -> None:
    states = np.array([[[1, 0], [3, 4], [9, 9]], [[2, 2], [4, 0], [0, 4]]], np.float32)
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int64)
    assert pooled(states, mask, "cls").tolist() == [[1, 0], [2, 2]]
    assert pooled(states, mask, "mean").tolist() == [[2, 2], [2, 2]]
    assert pooled(states, mask, "last").tolist() == [[3, 4], [0, 4]]
    ready = np.ones((2, 4), np.float32)
    assert pooled(ready, mask, "mean") is ready
