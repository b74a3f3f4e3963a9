"""The registry of embedding spaces: a name in, what the model takes and gives out.

`openai/<model>@<dimensions>` names a space on any server that speaks OpenAI's API; the other
names are listed here.
"""

import re
from collections.abc import Mapping

from shared.errors import InvalidInput
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
    floor=0.35,
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
    floor=0.35,
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
    floor=0.35,
)

MAX_DIMENSIONS = 4096

_KNOWN = {
    space.name: space for space in (LOCAL, OPENAI_SMALL, OPENAI_LARGE, OPENAI_LARGE_1024, FAKE)
}
_SHORTENED = re.compile(r"openai/(?P<model>[A-Za-z0-9][A-Za-z0-9._:/-]{0,199})@(?P<dimensions>\d+)")


def embedding_space(name: str) -> EmbeddingSpace:
    """Return the space of this name.

    A model at its own full dimensions is one space whichever way it is written:
    `openai/text-embedding-3-large@3072` is `openai/text-embedding-3-large`.

    Raises:
        InvalidInput: there is no such space; the detail names those there are.
    """
    known = _KNOWN.get(name)
    if known is not None:
        return known
    named = _SHORTENED.fullmatch(name)
    if named is None:
        raise InvalidInput(
            f"There is no embedding space `{name}`; known are {', '.join(sorted(_KNOWN))},"
            " and `openai/<model>@<dimensions>` on a server that speaks OpenAI's API."
        )
    return _shortened(name, named["model"], int(named["dimensions"]))


def default_space(settings: Settings) -> EmbeddingSpace:
    """Return the space of a new collection: as set, else OpenAI small with a key, else local.

    Raises:
        InvalidInput: the setting names no space.
    """
    if settings.embedding.space:
        return embedding_space(settings.embedding.space)
    return OPENAI_SMALL if settings.openai.api_key else LOCAL


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
