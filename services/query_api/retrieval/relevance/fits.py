"""What was fitted: for each space and way of search, what its features weigh, and its floor.

Made by `benchmarks/calibration.py`; how, and what came out, is told in
docs/decisions/0175-relevance-is-calibrated.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Feature = Literal["nearness", "rise", "coverage", "weight", "place", "few", "reading"]
# `meaning`: a search by vectors for a question whose words cannot be told apart. `reranked`: a hit
# that a cross-encoder has read, however it was found.
Way = Literal["hybrid", "dense", "meaning", "sparse", "reranked"]


@dataclass(frozen=True, slots=True)
class Fit:
    """A logistic regression of relevance: a constant, and a weight for each feature it uses.

    `floor` is the least relevance of the best hit at which a question is answered.
    """

    constant: float
    weights: Mapping[Feature, float]
    floor: float


# Spaces whose own cosines were measured.
MEASURED: Mapping[str, Mapping[Way, Fit]] = {
    "local/bge-small-en-v1.5": {
        "hybrid": Fit(
            -10.35, {"nearness": 10.88, "weight": 2.46, "place": 1.40, "few": 1.75}, floor=0.14
        ),
        "dense": Fit(
            -10.71, {"nearness": 10.61, "coverage": 2.26, "place": 1.55, "few": 2.30}, floor=0.13
        ),
        "meaning": Fit(-13.03, {"nearness": 14.91, "place": 1.86, "few": 2.21}, floor=0.13),
        "reranked": Fit(
            -8.09,
            {"nearness": 8.28, "weight": 1.61, "place": 1.26, "few": 4.21, "reading": 0.09},
            floor=0.12,
        ),
    },
}
# For any space: none of these features depends on where a model's cosines lie.
SHARED: Mapping[Way, Fit] = {
    "hybrid": Fit(-4.05, {"rise": 4.46, "coverage": 2.33, "place": 1.34, "few": 0.54}, floor=0.16),
    "dense": Fit(-4.34, {"rise": 4.87, "coverage": 2.72, "place": 1.01, "few": 1.02}, floor=0.14),
    "meaning": Fit(-4.06, {"rise": 7.91, "place": 0.99, "few": 0.37}, floor=0.19),
    "sparse": Fit(-4.43, {"coverage": 3.76, "place": 1.88, "few": 1.34}, floor=0.16),
    "reranked": Fit(-1.71, {"reading": 0.21, "place": 1.79, "few": 2.40}, floor=0.16),
}


def fit_of(space: str, way: Way) -> Fit:
    """Return what was fitted for a space, else what was fitted without regard to any."""
    return MEASURED.get(space, {}).get(way) or SHARED[way]


def reranked_fit(space: str, way: Way) -> Fit:
    """Return what was fitted for hits that a cross-encoder has read, found in this way.

    A space's own was measured with both lists.
    """
    return fit_of(space, "reranked") if way == "hybrid" else SHARED["reranked"]
