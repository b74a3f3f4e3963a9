"""A claim laid beside the sentence it was made of: what was put in the place of what.

Where both say the same words before and behind, what differs between them was exchanged.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise

from services.query_api.generation.verification.readings import Reading

# So many equal words must stand around what was exchanged, on both sides together.
_LEAST_AROUND = 3


def exchanged(claim: Reading, source: Reading) -> Iterator[tuple[range, range]]:
    """Yield which words of the claim stand in the place of which words of the source.

    At the beginning and the end of the claim its own end stands for an equal word.
    """
    said = [word.folded for word in claim.words]
    there = [word.folded for word in source.words]
    blocks = SequenceMatcher(None, said, there, autojunk=False).get_matching_blocks()
    for one, after in pairwise([(0, 0, 0), *blocks]):
        first = range(one[0] + one[2], after[0])
        other = range(one[1] + one[2], after[1])
        if first and other and one[2] + after[2] >= _LEAST_AROUND:
            yield first, other
