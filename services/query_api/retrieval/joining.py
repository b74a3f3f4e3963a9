"""Neighbouring chunks put together: each repeats the end of the one before, which is told once."""

from collections.abc import Sequence
from itertools import pairwise

# What a text begins and the one before ends with by chance is shorter.
LEAST_OVERLAP = 12
_APART = "\n\n"


def pieces(texts: Sequence[str], *, whole: int = 0) -> list[str]:
    """Return the texts of consecutive chunks less what a neighbour repeats; joined, they read on.

    The one at `whole` stays as it is: those before lose their ends, those after their beginnings.
    Where nothing is repeated a blank line is set between two.
    """
    overlaps = [overlap(above, below) for above, below in pairwise(texts)]
    before = [
        text[: len(text) - shared] if shared else text + _APART
        for text, shared in zip(texts[:whole], overlaps, strict=False)
    ]
    after = [
        text[shared:] if shared else _APART + text
        for text, shared in zip(texts[whole + 1 :], overlaps[whole:], strict=True)
    ]
    return [*before, texts[whole], *after]


def overlap(above: str, below: str) -> int:
    """Return how many characters the end of one text and the beginning of the next share."""
    # Each place where the beginning stands, the earliest first: the longest one that fits counts.
    begins = below[:LEAST_OVERLAP]
    at = above.find(begins) if len(begins) == LEAST_OVERLAP else -1
    while at >= 0 and not below.startswith(above[at:]):
        at = above.find(begins, at + 1)
    return len(above) - at if at >= 0 else 0
