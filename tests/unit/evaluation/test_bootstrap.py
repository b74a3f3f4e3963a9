"""Intervals hold what they should, and a difference is judged question by question."""

import numpy as np
import pytest

from citewell.evaluation.bootstrap import Numbers, differences, estimates


def measured(*rows: list[float]) -> Numbers:
    return np.array(rows, dtype=np.float64)


def test_the_interval_is_that_of_the_mean() -> None:
    draw = np.random.default_rng(7)
    values = draw.normal(0.4, 0.3, (1, 400))
    [one] = estimates(values)
    # By the central limit theorem: 1.96 standard errors on either side.
    error = values.std() / 20
    assert one.mean == pytest.approx(values.mean())
    assert one.low == pytest.approx(one.mean - 1.96 * error, abs=0.005)
    assert one.high == pytest.approx(one.mean + 1.96 * error, abs=0.005)


def test_it_holds_the_true_mean_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(11)
    held = 0
    for seed in range(200):
        [one] = estimates(draw.random((1, 100)), rounds=400, seed=seed)
        held += one.low <= 0.5 <= one.high
    assert 180 <= held <= 199


def test_a_steady_small_difference_is_sure_though_questions_differ_widely() -> None:
    first = np.random.default_rng(3).random(200)
    [apart] = differences(np.stack([first, first - 0.01]))
    assert (apart.low, apart.high) == pytest.approx((-0.01, -0.01))


def test_without_a_difference_the_interval_holds_zero() -> None:
    draw = np.random.default_rng(5)
    [apart] = differences(draw.random((2, 200)))
    assert apart.low < 0 < apart.high


def test_it_comes_out_the_same_each_time_and_of_one_question_too() -> None:
    assert estimates(measured([1, 0, 1])) == estimates(measured([1, 0, 1]))
    [one] = estimates(measured([0.5]))
    assert (one.mean, one.low, one.high) == (0.5, 0.5, 0.5)


def test_many_questions_are_drawn_in_pieces() -> None:
    values = np.random.default_rng(1).random((3, 30_000))
    assert all(one.low < one.mean < one.high for one in estimates(values, rounds=50))
