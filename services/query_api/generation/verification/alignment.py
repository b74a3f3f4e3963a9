"""A claim laid beside the sentence it was made of: what was put in the place of what.

Where both say the same words before and behind, what differs between them was exchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from services.query_api.generation.verification.readings import Reading

# So many equal words must stand around what was exchanged, on both sides together.
_LEAST_AROUND = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """Words of the claim (`said`) that stand where the source has others (`there`).

    `before` and `behind` tell on which of its sides both say the same.
    """

    said: range
    there: range
    before: bool
    behind: bool

    def are_level(self, mine: int, other: int) -> bool:
        """Tell whether two words of it stand equally far from what both say."""
        left = mine - self.said.start == other - self.there.start
        right = self.said.stop - mine == self.there.stop - other
        return (self.before and left) or (self.behind and right)


def exchanged(claim: Reading, source: Reading) -> Iterator[Gap]:
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
            yield Gap(first, other, one[2] > 0, after[2] > 0)
