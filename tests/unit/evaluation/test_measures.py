"""The measures, against values computed by hand."""

import math

import pytest

from citewell.evaluation.measures import ndcg, recall, reciprocal_rank

# Grades 3, 2 and 1 are wanted; x and y are not.
WANTED = {"a": 3, "b": 2, "c": 1}
RANKING = ["b", "x", "a", "y", "c"]


def test_ndcg_discounts_by_rank_with_linear_gain() -> None:
    # 2/1 + 0 + 3/2 + 0 + 1/log2(6) over 3/1 + 2/log2(3) + 1/2.
    gained = 2 + 1.5 + 1 / 2.584962500721156
    ideal = 3 + 2 / 1.584962500721156 + 0.5
    assert ndcg(RANKING, WANTED, 10) == pytest.approx(gained / ideal)
    assert ndcg(RANKING, WANTED, 10) == pytest.approx(0.8162, abs=5e-5)


def test_ndcg_of_the_ideal_order_is_one_and_of_nothing_zero() -> None:
    assert ndcg(["a", "b", "c"], WANTED, 10) == 1
    assert ndcg([], WANTED, 10) == 0
    assert ndcg(["x"], {}, 10) == 0


def test_ndcg_looks_at_the_first_k_and_so_does_its_ideal() -> None:
    assert ndcg(RANKING, WANTED, 1) == pytest.approx(2 / 3)
    many = {str(number): 1 for number in range(20)}
    assert ndcg([str(number) for number in range(10)], many, 10) == 1


def test_a_single_hit_in_second_place() -> None:
    assert ndcg(["x", "a"], {"a": 1}, 10) == pytest.approx(1 / math.log2(3))


def test_recall_is_of_what_is_wanted() -> None:
    assert recall(RANKING, WANTED, 3) == pytest.approx(2 / 3)
    assert recall(RANKING, WANTED, 10) == 1
    assert recall(RANKING, {}, 10) == 0


def test_the_reciprocal_rank_is_that_of_the_first_hit() -> None:
    assert reciprocal_rank(["x", "y", "a", "b"], WANTED, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "y", "a"], WANTED, 2) == 0
