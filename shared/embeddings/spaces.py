"""The registry of embedding spaces: a name in, what the model takes and gives out.

`openai/<model>@<dimensions>` names a space on any server that speaks OpenAI's API. `onnx/<name>` is
the model in a folder of that name, `onnx/<name>@<fingerprint>` no other model than it was; an index
keeps the second. The other names are listed here.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from shared.errors import ConfigurationInvalid, EmbeddingMisconfigured, InvalidInput
from shared.model_folders import SETTING, read_folder, special_tokens
from shared.models import EmbeddingSpace
from shared.settings import Settings

LOCAL = EmbeddingSpace(
    name="local/bge-small-en-v1.5",
    provider="local",
    model="bge-small-en-v1.5",
    dimensions=384,
    window=512,
    # About 2 s of work for two cores: a claim's lease and a task's budget hold many of them.
    batch_tokens=8192,
    special_tokens=2,
    query_prefix="Represent this sentence for searching relevant passages: ",
    tokenizer="bge",
    usd_per_million_tokens=0.0,
)
# Prices as OpenAI lists them (2026-10); `CITEWELL_EMBEDDING_PRICES` says otherwise.
OPENAI_SMALL = EmbeddingSpace(
    name="openai/text-embedding-3-small",
    provider="openai",
    model="text-embedding-3-small",
    dimensions=1536,
    window=8192,
    tokenizer="cl100k",
    usd_per_million_tokens=0.02,
)
OPENAI_LARGE = OPENAI_SMALL.model_copy(
    update={
        "name": "openai/text-embedding-3-large",
        "model": "text-embedding-3-large",
        "dimensions": 3072,
        "usd_per_million_tokens": 0.13,
    }
)
OPENAI_LARGE_1024 = OPENAI_LARGE.model_copy(
    update={"name": "openai/text-embedding-3-large@1024", "dimensions": 1024}
)
FAKE = EmbeddingSpace(
    name="fake/bytes",
    provider="fake",
    model="bytes",
    dimensions=256,
    window=8192,
    tokenizer="bytes",
)

MAX_DIMENSIONS = 4096

_KNOWN = {
    space.name: space for space in (LOCAL, OPENAI_SMALL, OPENAI_LARGE, OPENAI_LARGE_1024, FAKE)
}
# Stands for an `onnx/…` space whose model cannot be had here; nothing embeds in it.
_ABSENT = FAKE.model_copy(update={"provider": "onnx", "model": ""})
_OWN = re.compile(
    r"onnx/(?P<model>[A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:@(?P<fingerprint>[0-9a-f]{12}))?"
)
_SHORTENED = re.compile(r"openai/(?P<model>[A-Za-z0-9][A-Za-z0-9._:/-]{0,199})@(?P<dimensions>\d+)")


def embedding_space(name: str, folders: Sequence[Path] = ()) -> EmbeddingSpace:
    """Return the space of this name; `folders` are those with models of one's own.

    A model at its own full dimensions is one space whichever way it is written:
    `openai/text-embedding-3-large@3072` is `openai/text-embedding-3-large`.

    Raises:
        InvalidInput: there is no such space; the detail names those there are.
        EmbeddingMisconfigured: the folder of the space is gone, broken or holds another model.
    """
    known = _KNOWN.get(name)
    if known is not None:
        return known
    own = _OWN.fullmatch(name)
    if own is not None:
        return _of_folder(own["model"], own["fingerprint"], folders)
    named = _SHORTENED.fullmatch(name)
    if named is None:
        raise InvalidInput(
            f"There is no embedding space `{name}`; known are {', '.join(sorted(_KNOWN))},"
            " `openai/<model>@<dimensions>` on a server that speaks OpenAI's API, and"
            f" `onnx/<name>` for each folder in {SETTING}."
        )
    return _shortened(name, named["model"], int(named["dimensions"]))


def searched_space(name: str, folders: Sequence[Path] = ()) -> EmbeddingSpace:
    """Return the space of an index that is searched, perhaps by words alone.

    Where its model cannot be had, nothing of it is known but the name.

    Raises:
        InvalidInput: there is no such space.
    """
    try:
        return embedding_space(name, folders)
    except EmbeddingMisconfigured:
        return _ABSENT.model_copy(update={"name": name})


def default_space(settings: Settings) -> EmbeddingSpace:
    """Return the space of a new collection: as set, else OpenAI small with a key, else local.

    Raises:
        InvalidInput: the setting names no space.
        EmbeddingMisconfigured: the space's folder is broken or holds another model.
    """
    if settings.embedding.space:
        return embedding_space(settings.embedding.space, settings.embedding.model_dirs)
    return OPENAI_SMALL if settings.openai.api_key else LOCAL


def _of_folder(name: str, fingerprint: str | None, folders: Sequence[Path]) -> EmbeddingSpace:
    path = next((one for one in folders if one.name == name), None)
    if path is None and fingerprint is None:
        raise InvalidInput(f"There is no folder `{name}` in {SETTING}.")
    if path is None:
        raise EmbeddingMisconfigured(
            f"`onnx/{name}` has no model: name its folder in {SETTING} on every machine."
        )
    try:
        space = own_space(path)
    except ConfigurationInvalid as error:
        raise EmbeddingMisconfigured(error.detail) from error
    if fingerprint is not None and space.name != f"onnx/{name}@{fingerprint}":
        raise EmbeddingMisconfigured(
            f"{path} holds `{space.name}`, the index was made with `onnx/{name}@{fingerprint}`:"
            " put the old model back, or reindex to the new one under another folder's name."
        )
    return space


@cache
def own_space(path: Path) -> EmbeddingSpace:
    """Return the space of the model in a folder; read once in a process.

    Raises:
        ConfigurationInvalid: the folder is not what it should be.
    """
    folder = read_folder(path)
    described = folder.description
    return EmbeddingSpace(
        name=f"onnx/{folder.name}@{folder.fingerprint}",
        provider="onnx",
        model=folder.name,
        dimensions=described.dimensions,
        window=described.window,
        special_tokens=special_tokens(path),
        query_prefix=described.query_prefix,
        document_prefix=described.document_prefix,
        batch_tokens=max(LOCAL.batch_tokens, described.window),
        tokenizer="folder",
        usd_per_million_tokens=0.0,
        folder=path,
        pooling=described.pooling,
    )


def price_of(space: EmbeddingSpace, prices: Mapping[str, float]) -> float | None:
    """Return US dollars a million tokens: as `prices` says by name, else the list price."""
    return prices.get(space.name, space.usd_per_million_tokens)


def _shortened(name: str, model: str, dimensions: int) -> EmbeddingSpace:
    whole = _KNOWN.get(f"openai/{model}")
    if whole is not None and dimensions == whole.dimensions:
        return whole
    most = whole.dimensions if whole else MAX_DIMENSIONS
    if not 1 <= dimensions <= most:
        raise InvalidInput(f"`openai/{model}` gives 1 to {most} dimensions, not {dimensions}.")
    price = whole.usd_per_million_tokens if whole else None
    return (whole or OPENAI_SMALL).model_copy(
        update={
            "name": name,
            "model": model,
            "dimensions": dimensions,
            "usd_per_million_tokens": price,
        }
    )
