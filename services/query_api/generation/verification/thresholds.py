"""How much is enough: measured by benchmarks/claims.py, and nowhere else.

Figures and what each of them costs: benchmarks/answers-2026-11.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sentence must have of its passages.

    Of the weight of its terms: below `least` it is not held up, from `enough` on it is; between
    them meaning decides, or `middle` where no model is at hand. `clause` is the same for each of
    its clauses. `rival` is how much better another number or name must fit into a place.
    """

    least: float = 0.3
    middle: float = 0.5
    enough: float = 0.7
    clause: float = 0.25
    number_rival: float = 1.5
    name_rival: float = 1.5


LIMITS = Limits()
# The least cosine of a sentence and what holds it up, in spaces where it was measured.
MEANING: Mapping[str, float] = {"local/bge-small-en-v1.5": 0.8}
