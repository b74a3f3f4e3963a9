"""What is read of a folder with a model, and what makes it another model."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, processors

from shared.errors import ConfigurationInvalid
from shared.model_folders import DESCRIPTION, model_file, read_folder, special_tokens

SPECIAL = [("[CLS]", 0), ("[SEP]", 1)]


def write(path: Path, **said: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as sentence-transformers writes one; what is in the model does not matter here."""
    path = tmp_path / "mine"
    write(path / "config.json", hidden_size=768, max_position_embeddings=514)
    write(path / "1_Pooling" / "config.json", pooling_mode_mean_tokens=True)
    write(path / "config_sentence_transformers.json", prompts={"query": "q: ", "passage": "p: "})
    (path / "model.onnx").write_bytes(b"model")
    (path / "tokenizer.json").write_bytes(b"tokenizer")
    read_folder.cache_clear()
    return path


def fingerprint(folder: Path) -> str:
    read_folder.cache_clear()
    return read_folder(folder).fingerprint


def test_what_sentence_transformers_writes_is_read(folder: Path) -> None:
    found = read_folder(folder)
    assert found.name == "mine"
    assert found.description.model_dump() == {
        "pooling": "mean",
        "dimensions": 768,
        "window": 514,
        "query_prefix": "q: ",
        "document_prefix": "p: ",
    }


@pytest.mark.parametrize(
    ("file", "said", "window"),
    [
        ("tokenizer_config.json", {"model_max_length": 512}, 512),
        ("tokenizer_config.json", {"model_max_length": 10**30}, 514),
        ("sentence_bert_config.json", {"max_seq_length": 256}, 256),
        (DESCRIPTION, {"window": 128}, 128),
    ],
)
def test_the_nearest_word_on_the_window_counts(
    folder: Path, file: str, said: dict[str, Any], window: int
) -> None:
    write(folder / file, **said)
    assert read_folder(folder).description.window == window


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {},
    ],
)
def test_a_pooling_that_is_not_known_asks_for_a_description(
    folder: Path, pooling: dict[str, bool]
) -> None:
    write(folder / "1_Pooling" / "config.json", **pooling)
    with pytest.raises(ConfigurationInvalid, match=r"mine/citewell\.json .*pooling"):
        read_folder(folder)
    write(folder / DESCRIPTION, pooling="last")
    assert read_folder(folder).description.pooling == "last"


def test_a_description_of_anything_else_is_refused(folder: Path) -> None:
    write(folder / DESCRIPTION, poling="cls")
    with pytest.raises(ConfigurationInvalid, match="poling"):
        read_folder(folder)


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff"])
def test_a_file_that_is_no_json_object_is_named(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ConfigurationInvalid, match=r"config\.json"):
        read_folder(folder)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ConfigurationInvalid, match=f"CITEWELL_EMBEDDING_MODEL_DIRS.*{file}"):
        read_folder(folder)


def test_the_model_may_lie_where_exports_put_it(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert model_file(folder) == folder / "onnx" / "model.onnx"


def test_a_name_that_cannot_stand_in_a_space_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="rename"):
        read_folder(folder.rename(folder.parent / "my model"))


def test_whatever_changes_the_vectors_changes_the_fingerprint(folder: Path) -> None:
    seen = {fingerprint(folder)}
    assert fingerprint(folder) in seen
    for change in (
        lambda: (folder / "model.onnx").write_bytes(b"another"),
        lambda: (folder / "model.onnx_data").write_bytes(b"weights"),
        lambda: (folder / "tokenizer.json").write_bytes(b"another"),
        lambda: write(folder / DESCRIPTION, query_prefix="ask: "),
    ):
        change()
        assert fingerprint(folder) not in seen
        seen.add(fingerprint(folder))
    # The name alone makes no vector.
    assert fingerprint(folder.rename(folder.parent / "renamed")) in seen


def test_a_tokenizer_that_is_none_is_named(folder: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"tokenizer\.json cannot be read"):
        special_tokens(folder)


@pytest.mark.parametrize(
    "processor",
    [
        None,
        processors.ByteLevel(),
        processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0)),
        processors.RobertaProcessing(("</s>", 1), ("<s>", 0)),
        processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=SPECIAL),
        processors.TemplateProcessing(single="$A [SEP]", special_tokens=SPECIAL),
        processors.Sequence(
            [
                processors.ByteLevel(),
                processors.TemplateProcessing(single="$A [SEP]", special_tokens=SPECIAL),
            ]
        ),
    ],
)
def test_special_tokens_are_as_many_as_the_tokenizer_puts(
    folder: Path, processor: processors.PostProcessor | None
) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[CLS]": 0, "[SEP]": 1, "a": 2}, unk_token="a"))  # noqa: S106
    if processor is not None:
        tokenizer.post_processor = processor
    tokenizer.save(str(folder / "tokenizer.json"))
    assert special_tokens(folder) == tokenizer.num_special_tokens_to_add(is_pair=False)
