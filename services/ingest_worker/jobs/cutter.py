"""Cuts what was parsed of a version into chunks for every index of its collection."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import structlog

from services.ingest_worker.chunking.chunker import chunk
from services.ingest_worker.chunking.names import chunk_tokens_of
from services.ingest_worker.chunking.sizes import ChunkSizes
from services.ingest_worker.jobs.cut_chunks import CutChunks
from services.ingest_worker.parsing.packing import stream_elements
from shared.database.chunks import NewChunk, Owner, TargetIndex
from shared.embeddings.spaces import embedding_space
from shared.errors import CitewellError, NoTextFound
from shared.models import Chunk, EmbeddingSpace
from shared.tokens.base import Tokenizer

log = structlog.get_logger(__name__)


class SectionCutter:
    """Cuts by sections, in the tokens of each index's space."""

    def __init__(
        self, tokenizer_of: Callable[[EmbeddingSpace], Tokenizer], folders: Sequence[Path] = ()
    ) -> None:
        """Take a way to the tokenizer of a space, and the folders of models of one's own."""
        self._tokenizer_of = tokenizer_of
        self._folders = folders

    def cut(
        self, owner: Owner, packed: Sequence[bytes], indexes: Sequence[TargetIndex]
    ) -> Collection[NewChunk]:
        """Return the chunks of a version, index by index."""
        made = CutChunks(owner)
        try:
            for index in indexes:
                made.add(index, self._cut(packed, index))
        except CitewellError:
            raise
        except Exception as error:
            log.exception("cutting_failed", version_id=str(owner.version_id))
            raise CitewellError("The document's text could not be cut into chunks.") from error
        if not made:
            raise NoTextFound
        return made

    def _cut(self, packed: Sequence[bytes], index: TargetIndex) -> Iterator[Chunk]:
        space = embedding_space(index.space, self._folders)
        tokenizer = self._tokenizer_of(space)
        most = chunk_tokens_of(index.chunker)
        sizes = ChunkSizes.for_space(space, tokenizer, most=most)
        elements = (element for part in packed for element in stream_elements(part))
        return chunk(elements, tokenizer=tokenizer, sizes=sizes)
