"""Fusion: what it gives by hand, and what holds of any two lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.retrieval.fusion import DENSE_WEIGHTS, RANKS_SHARE, K, fuse

LISTS = st.dictionaries(st.integers(0, 30), st.floats(0, 100), max_size=20).map(
    lambda found: dict(sorted(found.items(), key=lambda item: -item[1]))
)


def test_ranks_and_scaled_scores_are_weighed() -> None:
    fused = fuse({"a": 0.9, "b": 0.8, "c": 0.5}, {"b": 12.0, "d": 4.0})
    ranks, scores = RANKS_SHARE, 1 - RANKS_SHARE
    # Only two of three have any of the words, so these tell them apart.
    dense = DENSE_WEIGHTS[0]
    b = dense * (ranks * (K + 1) / (K + 2) + scores * 0.75) + (1 - dense)
    assert fused == pytest.approx(
        {
            "b": b,
            "a": dense,
            "c": dense * ranks * (K + 1) / (K + 3),
            "d": (1 - dense) * ranks * (K + 1) / (K + 2),
        }
    )
    assert next(iter(fused)) == "b"


def test_a_near_tie_in_one_list_yields_to_a_clear_lead_in_the_other() -> None:
    assert (
        next(iter(fuse({"x": 0.80, "y": 0.79, "z": 0.5}, {"y": 20.0, "x": 5.0, "w": 4.0}))) == "y"
    )


def test_a_word_that_one_chunk_has_beats_the_nearest_vector() -> None:
    near = {number: 0.8 - number / 100 for number in range(20)}
    assert next(iter(fuse(near, {99: 14.0}))) == 99
    assert next(iter(fuse(near, {99: 14.0, **dict.fromkeys(range(20, 40), 3.0)}))) == 99


def test_words_that_many_chunks_have_alike_leave_it_to_the_vectors() -> None:
    near = {number: 0.8 - number / 100 for number in range(20)}
    words = {number: 14.0 - number / 100 for number in range(20, 40)}
    assert next(iter(fuse(near, words))) == 0


@pytest.mark.parametrize("fused", [fuse({"a": 3.0, "b": 1.0}, {}), fuse({}, {"a": 3.0, "b": 1.0})])
def test_one_list_alone_keeps_its_order_and_begins_with_one(fused: dict[str, float]) -> None:
    assert list(fused) == ["a", "b"]
    assert fused["a"] == 1.0


def test_scores_that_are_all_alike_leave_it_to_the_ranks() -> None:
    fused = fuse({"a": 0.7, "b": 0.7}, {})
    assert fused["a"] == 1.0 > fused["b"]


@given(LISTS, LISTS)
def test_every_id_is_there_once_in_order_within_bounds(
    dense: dict[int, float], sparse: dict[int, float]
) -> None:
    fused = fuse(dense, sparse)
    assert set(fused) == {*dense, *sparse}
    assert list(fused.values()) == sorted(fused.values(), reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in fused.values())
