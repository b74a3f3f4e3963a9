"""The tokenizer's port: text in, counts and cuts in a model's own tokens out.

It never counts the special tokens a model adds; `EmbeddingSpace.special_tokens` does.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Counts text in the tokens of one model; the text holds no lone surrogates."""

    def count(self, text: str) -> int:
        """Return how many tokens `text` has, special tokens left out."""
        ...

    def count_all(self, texts: Iterable[str]) -> list[int]:
        """Count many texts; the bulk form of `count`."""
        ...

    def starts(self, text: str) -> Sequence[int]:
        """Return the character offset at which each token begins, ascending.

        Two tokens inside one character begin at the same offset; text that makes no token (white
        space, for some models) belongs to the token before it.
        """
        ...
