"""How many passages a prompt has room for."""

from collections.abc import Sequence
from itertools import accumulate

from services.query_api.generation.passages import Passage


def fitting(passages: Sequence[Passage], tokens: int) -> list[Passage]:
    """Return the first passages that fit together; the best one always does.

    Counted as they were cut: in the tokens of the collection's embedding space.
    """
    sizes = accumulate(sum(chunk.tokens for chunk in one.chunks) for one in passages)
    return [
        one
        for at, (one, size) in enumerate(zip(passages, sizes, strict=True))
        if not at or size <= tokens
    ]
