"""The OpenAI embedder: the official SDK against OpenAI or any server that speaks its API."""

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.embeddings.base import Embedded, EmbeddingLimited, EmbeddingTimedOut, Vectors
from shared.embeddings.rate_limits import rate_limits
from shared.embeddings.retry_after import retry_after_s
from shared.embeddings.texts import refuse_blank
from shared.errors import (
    CitewellError,
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnauthorized,
    EmbeddingUnavailable,
    QuotaExceeded,
)
from shared.models import EmbeddingSpace

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAIError
    from openai.types import CreateEmbeddingResponse

_NEVER_TAKEN = frozenset({400, 413, 422})
_UNKNOWN = 404
_REFUSED = frozenset({401, 403})
_TOO_MANY = 429
# Models that can shorten their vectors; others refuse the parameter.
_SHORTENING = "text-embedding-3-"


class OpenAIEmbedder:
    """Embeds through `POST /embeddings`; one call each, never retried here.

    The caller packs batches (2,048 inputs, 300,000 tokens) and owns the retry budget: the SDK's
    own retries would multiply with it and replay what was paid for.
    """

    def __init__(
        self, space: EmbeddingSpace, *, api_key: str, base_url: str, timeout_s: float
    ) -> None:
        """Open a pooled client; nothing is sent yet."""
        # Imported here: half a second that a process without a provider never spends.
        import openai  # noqa: PLC0415

        self._space = space
        self._vendor = openai
        self._timeout_s = timeout_s
        self._client = openai.AsyncOpenAI(
            api_key=api_key, base_url=base_url, timeout=timeout_s, max_retries=0
        )

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector."""
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Embed texts to be found, in one call."""
        if not texts:
            return Embedded(np.empty((0, self._space.dimensions), np.float32), 0)
        refuse_blank(texts)
        return await self._embed([self._space.document_prefix + text for text in texts])

    async def embed_query(self, text: str) -> Vectors:
        """Embed one question."""
        refuse_blank([text])
        embedded = await self._embed([self._space.query_prefix + text])
        first: Vectors = embedded.vectors[0]
        return first

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _embed(self, texts: list[str]) -> Embedded:
        # As base64, and decoded here: the SDK makes a Python float of every number on the way.
        vendor = self._vendor
        shortens = self._space.model.startswith(_SHORTENING)
        try:
            response = await self._client.embeddings.with_raw_response.create(
                model=self._space.model,
                input=texts,
                dimensions=self._space.dimensions if shortens else vendor.omit,
                encoding_format="base64",
            )
            answer = response.parse()
        except vendor.APITimeoutError as error:
            raise EmbeddingTimedOut(
                f"The embedding provider did not answer within {self._timeout_s:g} s."
            ) from error
        except vendor.APIStatusError as error:
            raise translated(error) from error
        except vendor.OpenAIError as error:
            raise EmbeddingUnavailable(_unreachable(error)) from error
        vectors = self._vectors(answer, len(texts))
        return Embedded(vectors, answer.usage.prompt_tokens, rate_limits(response.headers))

    def _vectors(self, answer: "CreateEmbeddingResponse", count: int) -> Vectors:
        rows = sorted(answer.data, key=lambda row: row.index)
        if len(rows) != count:
            raise EmbeddingUnavailable(f"The provider sent {len(rows)} vectors for {count} texts.")
        decoded = [_decoded(row.embedding) for row in rows]
        wrong = {len(vector) for vector in decoded} - {self._space.dimensions}
        if wrong:
            raise EmbeddingMisconfigured(
                f"`{self._space.model}` gives {wrong.pop()} dimensions,"
                f" `{self._space.name}` has {self._space.dimensions}."
            )
        vectors = np.stack(decoded)
        # OpenAI's come as unit vectors; a compatible server's may not.
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def _decoded(sent: Sequence[float] | str) -> Vectors:
    """Return a vector that came as base64, or as numbers from a server that knows no base64."""
    if not isinstance(sent, str):
        return np.array(sent, np.float32)
    try:
        return np.frombuffer(base64.b64decode(sent, validate=True), "<f4")
    except (binascii.Error, ValueError) as error:
        raise EmbeddingUnavailable("The provider sent a vector that is none.") from error


def translated(error: "APIStatusError") -> CitewellError:
    """Return the error that an answer with an error status is, in our words.

    `insufficient_quota` comes as a 429 but no waiting helps it: someone must pay.
    """
    told = f"The embedding provider answered {error.status_code}: {error.message}"
    if error.status_code in _REFUSED:
        return EmbeddingUnauthorized(told)
    if error.status_code == _UNKNOWN:
        return EmbeddingMisconfigured(told)
    if error.status_code in _NEVER_TAKEN:
        return EmbeddingRejected(told)
    if error.status_code == _TOO_MANY and error.code == "insufficient_quota":
        return QuotaExceeded(told)
    wait_s = retry_after_s(error.response.headers)
    if error.status_code == _TOO_MANY:
        return EmbeddingLimited(told, rate_limits(error.response.headers), retry_after_s=wait_s)
    return EmbeddingUnavailable(told, retry_after_s=wait_s)


def _unreachable(error: "OpenAIError") -> str:
    return f"The embedding provider cannot be reached: {error}"
