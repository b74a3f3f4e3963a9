import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.retrieval.fusion import K, fuse

RANKINGS = st.lists(st.lists(st.integers(0, 50), unique=True), max_size=4)


def test_ranks_of_several_lists_add_up() -> None:
    assert fuse(["a", "b"], ["b"]) == {
        "b": pytest.approx(1 / 62 + 1 / 61),
        "a": pytest.approx(1 / 61),
    }


def test_what_both_lists_hold_comes_first() -> None:
    assert next(iter(fuse(["x", "both"], ["y", "both"]))) == "both"


def test_the_earlier_list_decides_a_tie() -> None:
    assert list(fuse(["dense"], ["sparse"])) == ["dense", "sparse"]


def test_one_list_keeps_its_order() -> None:
    assert list(fuse([3, 1, 2], [])) == [3, 1, 2]


@given(RANKINGS)
def test_every_id_is_there_once_best_first(rankings: list[list[int]]) -> None:
    fused = fuse(*rankings)
    assert set(fused) == {id_ for ranking in rankings for id_ in ranking}
    assert list(fused.values()) == sorted(fused.values(), reverse=True)
    assert all(0 < score <= len(rankings) / (K + 1) for score in fused.values())
