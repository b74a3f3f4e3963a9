"""Folders with an ONNX model that the operator brought along: what is in one, and whose vectors.

The tokenizer and the embedder both read them. What sentence-transformers writes beside a model says
how its vectors are made; `citewell.json` says what is missing there, or otherwise.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import ConfigurationInvalid

SETTING = "CITEWELL_EMBEDDING_MODEL_DIRS"
DESCRIPTION = "citewell.json"
TOKENIZER = "tokenizer.json"
# Exports for the hub put the model in a folder of its own.
_MODELS = ("model.onnx", "onnx/model.onnx")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
# What tokenizers write where no length is set.
_UNBOUNDED = 10**6
_FINGERPRINT_CHARS = 12

Pooling = Literal["cls", "mean", "last"]


class ModelDescription(BaseModel):
    """How a model's vectors are made: `citewell.json`, whole or in part.

    `window` is the most tokens of one text, special tokens included; the prefixes are put before
    questions and chunks. Vectors are always made unit length.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pooling: Pooling
    dimensions: int = Field(ge=1, le=4096)
    window: int = Field(ge=16)
    query_prefix: str = ""
    document_prefix: str = ""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's files; the fingerprint is of all that makes its vectors what they are."""

    path: Path
    description: ModelDescription
    fingerprint: str

    @property
    def name(self) -> str:
        """The folder's name: the space is `onnx/<name>`."""
        return self.path.name


@cache
def read_folder(path: Path) -> ModelFolder:
    """Read what a folder holds; its files are hashed once in a process (1 s a GB).

    Raises:
        ConfigurationInvalid: a file is missing or wrong, or nothing says how to pool; the detail
            names the folder and what to write.
    """
    if not _NAME.fullmatch(path.name):
        raise ConfigurationInvalid(
            f"{SETTING}: `{path.name}` cannot name a space; rename the folder to letters, digits,"
            " `.`, `_` and `-`."
        )
    description = _description(path)
    return ModelFolder(path, description, _fingerprint(path, description))


def model_file(path: Path) -> Path:
    """Return the model of a folder.

    Raises:
        ConfigurationInvalid: there is none.
    """
    for name in _MODELS:
        if (path / name).is_file():
            return path / name
    raise ConfigurationInvalid(f"{SETTING}: there is no {path / _MODELS[0]}")


def tokenizer_file(path: Path) -> Path:
    """Return the tokenizer of a folder.

    Raises:
        ConfigurationInvalid: there is none.
    """
    if not (path / TOKENIZER).is_file():
        raise ConfigurationInvalid(f"{SETTING}: there is no {path / TOKENIZER}")
    return path / TOKENIZER


def special_tokens(path: Path) -> int:
    """Return how many special tokens a folder's tokenizer puts around a text.

    Raises:
        ConfigurationInvalid: the tokenizer is missing or is none.
    """
    return _put_around(_json(tokenizer_file(path)).get("post_processor") or {})


def _put_around(processor: Mapping[str, Any]) -> int:
    match processor.get("type"):
        case "TemplateProcessing":
            return sum("SpecialToken" in piece for piece in processor["single"])
        case "Sequence":
            return sum(map(_put_around, processor["processors"]))
        case "BertProcessing" | "RobertaProcessing":
            return 2
        case _:
            return 0


def _description(path: Path) -> ModelDescription:
    given = {**_of_sentence_transformers(path), **_json(path / DESCRIPTION)}
    try:
        return ModelDescription.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'all'}: {item['msg']}" for item in error.errors()
        )
        raise ConfigurationInvalid(
            f"{SETTING}: write {path / DESCRIPTION} with what is not known of this model ({wrong});"
            ' such as {"pooling": "mean", "dimensions": 384, "window": 512}.'
        ) from error


def _of_sentence_transformers(path: Path) -> dict[str, Any]:
    """Return what the files that sentence-transformers writes say; what none says is left out."""
    pooling = _json(path / "1_Pooling" / "config.json")
    model = _json(path / "config.json")
    prompts = _json(path / "config_sentence_transformers.json").get("prompts") or {}
    said = {
        "pooling": _pooling(pooling),
        "dimensions": pooling.get("word_embedding_dimension") or model.get("hidden_size"),
        "window": _window(path, model),
        "query_prefix": prompts.get("query"),
        "document_prefix": prompts.get("document") or prompts.get("passage"),
    }
    return {key: value for key, value in said.items() if value is not None}


def _pooling(config: Mapping[str, Any]) -> str | None:
    """Return how to pool; None for none, or for several put together, which is not known here."""
    used = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    return _POOLINGS.get(used[0]) if len(used) == 1 else None


def _window(path: Path, model: Mapping[str, Any]) -> int | None:
    told = (
        _json(path / "sentence_bert_config.json").get("max_seq_length"),
        _json(path / "tokenizer_config.json").get("model_max_length"),
        model.get("max_position_embeddings"),
    )
    return next((int(one) for one in told if one and one < _UNBOUNDED), None)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(f"{SETTING}: {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationInvalid(f"{SETTING}: {path} is no JSON object.")
    return found


def _fingerprint(path: Path, description: ModelDescription) -> str:
    whole = hashlib.sha256(description.model_dump_json().encode())
    for file in _hashed(path):
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()[:_FINGERPRINT_CHARS]


def _hashed(path: Path) -> Iterator[Path]:
    """Yield the tokenizer, the model, and what lies beside it with a large one's weights."""
    yield tokenizer_file(path)
    model = model_file(path)
    yield from sorted(model.parent.glob(f"{model.name}*"))
