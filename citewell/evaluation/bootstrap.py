"""How sure a mean is: percentile intervals of a paired bootstrap over the questions.

Questions are drawn with replacement, the same ones for each mode, so that a difference between
two modes is judged question by question (Efron and Tibshirani 1993, chapters 13 and 16; Sakai,
SIGIR 2006, for retrieval).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

ROUNDS = 2000
LEVEL = 0.95
# Numbers held at once while drawing.
_HELD = 2_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with the two ends of its interval, which holds 95 % of the redrawn means."""

    mean: float
    low: float
    high: float


def estimates(values: Numbers, *, rounds: int = ROUNDS, seed: int = 0) -> list[Estimate]:
    """Return the mean of each row of `values`, of shape (modes, questions)."""
    drawn = _drawn_means(values, rounds, seed)
    return [_estimate(row.mean(), means) for row, means in zip(values, drawn, strict=True)]


def differences(values: Numbers, *, rounds: int = ROUNDS, seed: int = 0) -> list[Estimate]:
    """Return how far the mean of each row but the first lies above that of the first."""
    return estimates(values[1:] - values[0], rounds=rounds, seed=seed)


def _estimate(mean: float, drawn: Numbers) -> Estimate:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Estimate(float(mean), float(low), float(high))


def _drawn_means(values: Numbers, rounds: int, seed: int) -> Numbers:
    """Return the means of redrawn questions, of shape (modes, rounds); the same for each seed."""
    draw = np.random.default_rng(seed)
    modes, questions = values.shape
    means = np.empty((modes, rounds))
    at_once = max(1, _HELD // (questions * max(1, modes)))
    for begin in range(0, rounds, at_once):
        end = min(rounds, begin + at_once)
        drawn = draw.integers(0, questions, (end - begin, questions))
        means[:, begin:end] = values[:, drawn].mean(axis=2)
    return means
