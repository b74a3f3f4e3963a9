"""When a sentence of a text that still comes has ended, and which markers are its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.drafting import MAX_SENTENCE_CHARS, Draft


def draft(*pieces: str) -> list[tuple[str, list[int]]]:
    """Return the sentences that are certain after these pieces."""
    one = Draft()
    return [(said.text, said.numbers) for piece in pieces for said in one.add(piece)]


def test_a_stop_behind_a_marker_ends_a_sentence_at_once() -> None:
    assert draft("It is oak", " [1].") == [("It is oak.", [1])]
    assert draft("\u5b83\u662f\u6a61\u6728[1]\u3002") == [("\u5b83\u662f\u6a61\u6728\u3002", [1])]


def test_a_stop_alone_may_be_an_abbreviation_and_a_marker_may_follow() -> None:
    assert draft("See Dr.") == []
    assert draft("See Dr.", " Smith", " [1].") == [("See Dr. Smith.", [1])]
    assert draft("It is oak.", " [1]") == []
    assert draft("It is oak.", " [1]", " It") == [("It is oak.", [1])]


def test_a_line_of_a_list_ends_with_the_next() -> None:
    assert draft("- Oak [1]\n", "- White [2]", "\n- ", "More") == [("- Oak", [1]), ("- White", [2])]


def test_a_marker_speaks_for_the_sentence_it_stands_in_or_behind() -> None:
    assert draft("Oak. [1] White. [2] So") == [("Oak.", [1]), ("White.", [2])]
    assert draft("Oak [1][2], white [1]. So") == [("Oak, white.", [1, 2])]


def test_the_end_lets_out_what_is_left_with_its_white_space() -> None:
    one = Draft()
    assert [said.text for said in one.add("Oak [1].\n\nThe rest [2")] == ["Oak."]
    assert [(said.lead, said.text) for said in one.end()] == [("\n\n", "The rest [2")]
    assert one.end() == []


def test_a_text_without_any_stop_is_cut() -> None:
    (said,) = Draft().add("oak " * MAX_SENTENCE_CHARS)
    assert said.text.startswith("oak oak")


@pytest.mark.parametrize("said", ["", "  \n", "[1]", " [1] [9]"])
def test_nothing_said_is_no_sentence(said: str) -> None:
    one = Draft()
    assert [*one.add(said), *one.end()] == []


@given(st.lists(st.text(alphabet="aB .[]129\n,"), max_size=8))
def test_nothing_is_lost_but_markers(pieces: list[str]) -> None:
    texts = []
    for parts in (pieces, ["".join(pieces)]):
        one = Draft()
        said = [said for part in parts for said in one.add(part)]
        texts.append("".join(one.lead + one.text for one in [*said, *one.end()]).split())
    assert texts[0] == texts[1]
