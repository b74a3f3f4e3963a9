"""The first hits of a search put in order anew: where they stood, and what the model says of them.

Weighed, never replaced. What was measured of this and other ways, and of the constants:
docs/decisions/0170-reranking-is-blended-within-a-budget.md.
"""

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

# What the model weighs; the fused score has the rest.
WEIGHT = 0.35
# Logits are divided by it before they become a share of 1.
TEMPERATURE = 2.0

Id = TypeVar("Id", bound=Hashable)


def blended(fused: Mapping[Id, float], logits: Mapping[Id, float]) -> list[Id]:
    """Return all ids, those with a logit in their new order, at the places that they had.

    `fused` holds scores in [0, 1], best first, of more ids than `logits`: what the model has not
    read stays where it was. A logit counts as it is and not against the others, so where the model
    says nearly the same of all, as in a script that it does not know, little moves.
    """
    score = {one: _score(fused[one], logit) for one, logit in logits.items()}
    order = iter(sorted(logits, key=lambda one: -score[one]))
    return [next(order) if one in logits else one for one in fused]


def share(logit: float, *, temperature: float = 1.0) -> float:
    """Return a logit as a share of 1: its sigmoid."""
    return 1 / (1 + math.exp(-logit / temperature))


def _score(fused: float, logit: float) -> float:
    return (1 - WEIGHT) * fused + WEIGHT * share(logit, temperature=TEMPERATURE)
