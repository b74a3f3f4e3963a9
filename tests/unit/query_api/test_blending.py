"""The order of hits some of which a cross-encoder has read."""

from hypothesis import given
from hypothesis import strategies as st

from services.query_api.rerank.blending import blended

FUSED = {"a": 1.0, "b": 0.8, "c": 0.5, "d": 0.2}

fused_scores = st.lists(st.floats(0, 1), max_size=30).map(
    lambda scores: dict(enumerate(sorted(scores, reverse=True)))
)
logits = st.lists(st.floats(-12, 12), max_size=30)


def test_what_the_model_says_moves_hits_up() -> None:
    assert blended(FUSED, {"a": -9.0, "b": 8.0, "c": -9.0, "d": -9.0}) == ["b", "a", "c", "d"]
    assert blended(FUSED, {"a": 8.0, "b": 7.0, "c": -9.0, "d": -9.0}) == list(FUSED)


def test_the_place_before_weighs_more_than_a_small_difference() -> None:
    assert blended(FUSED, {"a": 4.0, "b": 4.5, "c": -9.0, "d": -9.0}) == list(FUSED)


def test_without_logits_nothing_moves() -> None:
    assert blended(FUSED, {}) == list(FUSED)
    assert blended({}, {}) == []
    assert blended({"a": 0.4}, {"a": -3.0}) == ["a"]


def test_equal_scores_keep_their_order() -> None:
    assert blended(dict.fromkeys("abc", 0.5), dict.fromkeys("abc", 2.0)) == list("abc")


@given(fused_scores, logits)
def test_what_was_not_read_keeps_its_place(fused: dict[int, float], said: list[float]) -> None:
    read = dict(zip(fused, said, strict=False))
    order = blended(fused, read)
    assert sorted(order) == sorted(fused)
    assert order[len(read) :] == list(fused)[len(read) :]


@given(fused_scores.filter(bool), logits.filter(bool), st.data())
def test_the_best_in_both_comes_first(
    fused: dict[int, float], said: list[float], data: st.DataObject
) -> None:
    read = dict(zip(fused, said, strict=False))
    read[0] = max(read.values()) + data.draw(st.floats(0, 5))
    assert blended(fused, read)[0] == 0
