from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.budget import fitting
from tests.unit.query_api.hits import make_passages


def test_the_best_passages_that_fit_together_are_shown() -> None:
    passages = make_passages("one two three", "four five", "six")
    assert [one.number for one in fitting(passages, 5)] == [1, 2]
    assert fitting(passages, 6) == passages


def test_the_best_one_is_shown_even_if_it_does_not_fit() -> None:
    assert [one.number for one in fitting(make_passages("one two three", "four"), 1)] == [1]
    assert fitting([], 1) == []


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 200))
def test_what_is_shown_begins_with_the_best_and_has_no_gaps(sizes: list[int], room: int) -> None:
    passages = make_passages(*("word " * size for size in sizes))
    shown = fitting(passages, room)
    assert shown == passages[: len(shown)]
