from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.markers import Mark, MarkerReader


def read(*pieces: str) -> tuple[str, list[Mark]]:
    reader = MarkerReader()
    parts = [*map(reader.read, pieces), reader.rest()]
    return "".join(text for text, _ in parts), [mark for _, marks in parts for mark in marks]


def meant(*pieces: str) -> list[list[int]]:
    return [list(mark.numbers) for mark in read(*pieces)[1]]


@pytest.mark.parametrize(
    ("said", "plain", "numbers"),
    [
        ("The mast is oak [1].", "The mast is oak.", [[1]]),
        ("The mast is oak[1].", "The mast is oak.", [[1]]),
        ("The mast is oak. [1]", "The mast is oak.", [[1]]),
        ("Oak and white [1, 2].", "Oak and white.", [[1, 2]]),
        ("Oak and white [1][2].", "Oak and white.", [[1, 2]]),
        ("Oak and white [1-2].", "Oak and white.", [[1, 2]]),
        ("Oak [Passage 1].", "Oak.", [[1]]),
        ("Oak \u30101\u2020source\u3011.", "Oak.", [[1]]),
        ("Oak [Source: 1.pdf, page 1], white [2].", "Oak, white.", [[], [2]]),
        ("[1] says oak.", " says oak.", [[1]]),
    ],
)
def test_markers_are_parted_from_the_words(said: str, plain: str, numbers: list[list[int]]) -> None:
    assert (read(said)[0], meant(said)) == (plain, numbers)


def test_a_bracket_that_is_no_marker_is_text() -> None:
    assert read("An [old] mast [1, see a [note") == ("An [old] mast [1, see a [note", [])


@given(st.text(alphabet="ab .[]12390,-S:ource\n"), st.lists(st.integers(0, 40)))
def test_however_it_is_cut_the_words_are_the_same(said: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(said)]
    pieces = [said[start:end] for start, end in pairwise(places)]
    assert read(*pieces)[0] == read(said)[0]


@given(st.text(alphabet="ab .[]1239,-\n"))
def test_no_marker_is_left_in_the_words(said: str) -> None:
    assert "[2]" not in read(said)[0]
