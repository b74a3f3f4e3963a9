"""What every embedder refuses, so that all adapters do alike."""

from collections.abc import Sequence

from shared.errors import EmbeddingRejected


def refuse_blank(texts: Sequence[str]) -> None:
    """Raise for a text of white space alone: a provider refuses it, a model makes noise of it.

    Raises:
        EmbeddingRejected: one of the texts is blank.
    """
    for position, text in enumerate(texts):
        if not text or text.isspace():
            raise EmbeddingRejected(f"Text {position} of {len(texts)} is blank.")
