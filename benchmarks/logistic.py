"""Logistic regression by Newton's method, and what says how good probabilities are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

BINS = 10
# Keeps weights finite where a feature tells everything; far below what it could change here.
_RIDGE = 1e-4
_ROUNDS = 25
_FARTHEST = 30.0


@dataclass(frozen=True, slots=True)
class Logistic:
    """A constant, and a weight for each column."""

    constant: float
    weights: Numbers

    def of(self, columns: Numbers) -> Numbers:
        """Return the probability of each row."""
        logits = np.clip(self.constant + columns @ self.weights, -_FARTHEST, _FARTHEST)
        return np.asarray(1 / (1 + np.exp(-logits)))


def fitted(columns: Numbers, happened: Numbers, counts: Numbers) -> Logistic:
    """Fit rows of features, of shape (rows, features), to what happened; a row counts `counts`."""
    middle, spread = columns.mean(0), columns.std(0) + 1e-9
    rows = np.c_[np.ones(len(columns)), (columns - middle) / spread]
    ridge = np.diag([0.0, *[_RIDGE] * columns.shape[1]])
    shares, found = counts / counts.sum(), np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        chance = Logistic(0.0, found).of(rows)
        slope = rows.T @ (shares * (chance - happened)) + ridge @ found
        bend = (rows.T * (shares * chance * (1 - chance))) @ rows + ridge
        found = found - np.linalg.solve(bend, slope)
    weights = found[1:] / spread
    return Logistic(float(found[0] - weights @ middle), weights)


def brier(chance: Numbers, happened: Numbers, counts: Numbers) -> float:
    """Return the mean squared error (Brier 1950)."""
    return float(np.average((chance - happened) ** 2, weights=counts))


def skill(chance: Numbers, happened: Numbers, counts: Numbers) -> float:
    """Return the share of the Brier score of the mean that is spared; below 0 is worse than it."""
    mean = float(np.average(happened, weights=counts))
    return 1 - brier(chance, happened, counts) / (mean * (1 - mean))


def reliability(
    chance: Numbers, happened: Numbers, counts: Numbers
) -> list[tuple[float, float, float]]:
    """Return share, mean chance and frequency of each tenth of [0, 1] that has any."""
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    return [
        (
            float(counts[inside].sum() / counts.sum()),
            float(np.average(chance[inside], weights=counts[inside])),
            float(np.average(happened[inside], weights=counts[inside])),
        )
        for inside in (bins == one for one in range(BINS))
        if counts[inside].sum()
    ]


def calibration_error(chance: Numbers, happened: Numbers, counts: Numbers) -> float:
    """Return the expected calibration error (Naeini et al., AAAI 2015) over tenths of [0, 1]."""
    return sum(
        share * abs(mean - often) for share, mean, often in reliability(chance, happened, counts)
    )


def auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Return how often one of `higher` is above one of `lower`; a tie counts half."""
    values = np.array([*higher, *lower])
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    above = ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2
    return float(above / (len(higher) * len(lower)))
