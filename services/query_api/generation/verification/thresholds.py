"""How much is enough: fitted by benchmarks/claims_fit.py on half of its articles, nowhere else.

Figures on the other half, and what each limit costs: benchmarks/answers-2026-11.md.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """How much of what a claim says is there.

    `share` is that of the weight of its terms and numbers, `weakest` that of its clause with the
    least; `unsaid` is how many terms in a row are not there.
    """

    share: float
    weakest: float
    unsaid: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A logistic regression: how likely it is that a claim so worded is held up.

    `nearness` is a cosine.
    """

    constant: float
    share: float
    weakest: float
    unsaid: float
    nearness: float = 0.0

    def of(self, wording: Wording, nearness: float = 0.0) -> float:
        """Return the probability."""
        logit = (
            self.constant
            + self.share * wording.share
            + self.weakest * wording.weakest
            + self.unsaid * wording.unsaid
            + self.nearness * nearness
        )
        return 1 / (1 + math.exp(-logit))


WORDS = Fit(constant=-8.5, share=7.5, weakest=11.5, unsaid=-0.53)
# In spaces whose cosines were measured.
MEANING: Mapping[str, Fit] = {
    "local/bge-small-en-v1.5": Fit(-19.6, share=-4.5, weakest=16.1, unsaid=-0.64, nearness=20.3),
}


@dataclass(frozen=True, slots=True)
class Rival:
    """How much better another must fit into a place: so many times, and so much more."""

    times: float
    margin: float


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a claim is held up.

    `support` is the least probability. Between `hopeless` and `sure` by its words a model is asked
    if there is one. A number or name of the sentence that holds the claim up was put in another's
    place if the other fits by so much better. One from farther away was if another fits better
    (`stranger` times) or it fits nowhere (`fits`). A word that may be capital for beginning a
    sentence is a name if one of the source fits its place so well (`capital`).
    """

    support: float = 0.4
    hopeless: float = 0.01
    sure: float = 0.9
    number: Rival = Rival(times=1.5, margin=0.2)
    name: Rival = Rival(times=1.5, margin=0.12)
    stranger: float = 1.0
    fits: float = 0.1
    capital: float = 0.6


LIMITS = Limits()
