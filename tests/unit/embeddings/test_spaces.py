import pytest
from pydantic import SecretStr

from shared.embeddings.build import Embedders, build_embedder
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.local import LocalEmbedder
from shared.embeddings.openai import OpenAIEmbedder
from shared.embeddings.spaces import (
    FAKE,
    LOCAL,
    OPENAI_LARGE,
    OPENAI_SMALL,
    default_space,
    embedding_space,
)
from shared.errors import EmbeddingUnauthorized, InvalidInput
from shared.settings import AuthSettings, DatabaseSettings, Settings
from shared.settings_embedding import EmbeddingSettings
from shared.settings_providers import OpenAISettings


def settings(openai: OpenAISettings | None = None, space: str = "") -> Settings:
    return Settings(
        database=DatabaseSettings(url="postgresql://nowhere/none"),
        auth=AuthSettings(secret=SecretStr("s" * 32)),
        openai=openai or OpenAISettings(api_key=None),
        embedding=EmbeddingSettings(space=space),
    )


def test_a_known_name_is_its_space() -> None:
    assert embedding_space("local/bge-small-en-v1.5") is LOCAL
    assert embedding_space("openai/text-embedding-3-large@1024").dimensions == 1024


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"local/bge-small-en-v1\.5"):
        embedding_space("local/word2vec")


def test_any_model_of_a_compatible_server_is_a_space() -> None:
    space = embedding_space("openai/BAAI/bge-m3@1024")
    assert (space.provider, space.model, space.dimensions) == ("openai", "BAAI/bge-m3", 1024)


def test_full_dimensions_written_out_are_the_same_space() -> None:
    assert embedding_space("openai/text-embedding-3-large@3072") is OPENAI_LARGE


@pytest.mark.parametrize(
    "name",
    [
        "openai/text-embedding-3-small@1537",
        "openai/text-embedding-3-small@0",
        "openai/other@4097",
        "openai/other",
        "openai/@3",
        "",
    ],
)
def test_impossible_dimensions_and_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        embedding_space(name)


def test_the_default_is_local_without_a_key_and_openai_with_one() -> None:
    assert default_space(settings()) is LOCAL
    assert default_space(settings(OpenAISettings(api_key=SecretStr("sk-x")))) is OPENAI_SMALL
    assert default_space(settings(space="fake/bytes")) is FAKE


def test_each_provider_has_its_embedder() -> None:
    keyed = settings(OpenAISettings(api_key=SecretStr("sk-x")))
    assert isinstance(build_embedder(LOCAL, settings()), LocalEmbedder)
    assert isinstance(build_embedder(FAKE, settings()), HashingEmbedder)
    assert isinstance(build_embedder(OPENAI_SMALL, keyed), OpenAIEmbedder)


def test_openai_without_a_key_names_the_variable() -> None:
    with pytest.raises(EmbeddingUnauthorized, match="CITEWELL_OPENAI_API_KEY"):
        build_embedder(OPENAI_SMALL, settings())


def test_a_server_of_ones_own_needs_no_key() -> None:
    own = settings(OpenAISettings(api_key=None, base_url="http://127.0.0.1:1/v1"))
    assert build_embedder(OPENAI_SMALL, own).space is OPENAI_SMALL


async def test_a_process_makes_each_embedder_once_and_closes_it() -> None:
    embedders = Embedders(settings())
    assert embedders.of("fake/bytes") is embedders.of("fake/bytes")
    await embedders.aclose()
