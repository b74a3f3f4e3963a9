from hypothesis import given
from hypothesis import strategies as st

from shared.embeddings.batches import by_length

LENGTHS = st.lists(st.integers(min_value=1, max_value=600), max_size=200)


@given(LENGTHS)
def test_every_text_is_in_one_batch(lengths: list[int]) -> None:
    places = [place for batch in by_length(lengths) for place in batch]
    assert sorted(places) == list(range(len(lengths)))


@given(LENGTHS)
def test_a_padded_batch_keeps_the_budget(lengths: list[int]) -> None:
    for batch in by_length(lengths, most=1024):
        assert len(batch) * max(lengths[place] for place in batch) <= 1024


def test_a_text_over_the_budget_stands_alone() -> None:
    assert list(by_length([5, 2000, 5], most=1024)) == [[1], [0, 2]]
