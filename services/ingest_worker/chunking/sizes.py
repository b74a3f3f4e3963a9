"""How large chunks are in a space: the rule in one place."""

from dataclasses import dataclass
from typing import Self

from shared.models import EmbeddingSpace
from shared.tokens.base import Tokenizer

MAX_TOKENS = 1000
OVERLAP_TOKENS = (50, 100)


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """Bounds of a chunk in the space's own tokens.

    No chunk has more than `max_tokens`. Prose that is cut gives chunks of at least `min_tokens`
    (a word less where only that keeps the last two fair), each beginning with the last
    `overlap_min` to `overlap_max` tokens of the one before. Whole rows, whole code and page
    numbers that stay true may make smaller ones.
    """

    max_tokens: int
    min_tokens: int
    overlap_min: int
    overlap_max: int

    @classmethod
    def of(cls, max_tokens: int) -> Self:
        """Derive the other bounds from the largest size; small windows overlap less."""
        low, high = OVERLAP_TOKENS
        return cls(
            max_tokens=max_tokens,
            min_tokens=max_tokens // 2,
            overlap_min=min(low, max_tokens // 10),
            overlap_max=min(high, max_tokens // 5),
        )

    @classmethod
    def for_space(
        cls, space: EmbeddingSpace, tokenizer: Tokenizer, *, most: int | None = None
    ) -> Self:
        """Return the sizes that fit a space's window, special tokens and prefix taken off.

        With `most` no chunk has more tokens than that.
        """
        prefix = space.document_prefix
        prefixed = tokenizer.count(prefix) if prefix else 0
        fits = min(largest_chunk(space), space.window - space.special_tokens - prefixed)
        return cls.of(fits if most is None else min(fits, most))


def largest_chunk(space: EmbeddingSpace) -> int:
    """Return the most tokens a chunk of this space may have, its prefix left out of account."""
    return min(MAX_TOKENS, space.window - space.special_tokens)
