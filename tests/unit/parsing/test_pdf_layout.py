"""Lines of a page into elements; no PDF needed."""

import math

import pytest

from services.ingest_worker.parsing.pdf_layout import (
    Line,
    Profile,
    body_height,
    page_elements,
    plain,
)

PLAIN = Profile(body=12)


def line(
    text: str, top: float, x0: float = 50, x1: float = 500, height: float = 12, **more: bool
) -> Line:
    return Line(text, x0, top, x1, top + height, height, **more)


def texts(*lines: Line, profile: Profile = PLAIN) -> list[str]:
    return [one.text for one in page_elements(list(lines), 1, profile)]


def test_full_lines_are_joined_and_short_ones_kept_apart() -> None:
    assert texts(
        line("goes on", 100), line("to its end", 114, x1=200), line("a short line", 128)
    ) == ["goes on to its end\na short line"]


def test_a_wider_gap_begins_a_paragraph() -> None:
    assert texts(*(line("one", 100 + 14 * i) for i in range(3)), line("two", 150)) == [
        "one one one",
        "two",
    ]


def test_an_indented_line_after_a_sentence_begins_a_paragraph() -> None:
    assert texts(
        line("Words here.", 100), line("    Next one", 114, x0=65), line("goes on", 128)
    ) == ["Words here.", "    Next one goes on"]
    assert texts(line("Words here", 100), line("hanging", 114, x0=65)) == ["Words here hanging"]


def test_columns_are_apart() -> None:
    left = [line("left", 100 + 14 * i, x1=250) for i in range(3)]
    right = [line("right", 100 + 14 * i, x0=300) for i in range(3)]
    assert texts(*left, *right) == ["left left left", "right right right"]


def test_pieces_of_one_row_are_joined() -> None:
    assert texts(line("Name", 100, x1=100), line("Value", 101, x0=300)) == ["Name Value"]


def test_another_size_is_another_block() -> None:
    assert texts(line("text", 100), line("small print", 113, height=8)) == ["text", "small print"]


def test_hyphens_are_closed_at_line_ends_only() -> None:
    assert texts(line("exten", 100, hyphenated=True), line("sion", 114)) == ["extension"]
    assert texts(line("well", 100, x1=100, hyphenated=True), line("known", 100, x0=105)) == [
        "well-known"
    ]


@pytest.mark.parametrize("number", ["7", "- 7 -", "Page 7", "vii", "3"])
def test_the_page_s_number_is_left_out(number: str) -> None:
    body = [line("words", 100 + 14 * i) for i in range(3)]
    for lines in ([*body, line(number, 780)], [line(number, 20), *body]):
        assert [one.text for one in page_elements(lines, 7, PLAIN)] == ["words words words"]


@pytest.mark.parametrize("number", ["2024", "9", "7 apples"])
def test_other_numbers_stay(number: str) -> None:
    body = [line("words", 100 + 14 * i) for i in range(3)]
    assert len(page_elements([*body, line(number, 780)], 7, PLAIN)) == 2


def test_a_number_inside_the_text_stays() -> None:
    body = [line("words", 100 + 14 * i) for i in range(3)]
    assert len(page_elements([line("7", 110, x0=10, x1=20), *body], 7, PLAIN)) >= 1
    assert "7" in " ".join(texts(*body, line("7", 60)))  # Drawn last, but at the top... of it.


@pytest.mark.parametrize(("height", "level"), [(12, None), (13.5, None), (14, 3), (17, 2), (22, 1)])
def test_levels_by_size(height: float, level: int | None) -> None:
    (found,) = page_elements([line("A title", 100, height=height)], 1, PLAIN)
    assert found.level == level


@pytest.mark.parametrize("text", ["12", "* * *", "word " * 60])
def test_what_is_large_and_no_title(text: str) -> None:
    (found,) = page_elements([line(text, 100, height=30)], 1, PLAIN)
    assert found.level is None


def test_without_text_nothing_is_a_title() -> None:
    (found,) = page_elements([line("A title", 100, height=30)], 1, Profile(body=0))
    assert found.level is None


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Methods", 2),
        ("METHODS.", 2),
        ("3.1 Methods", 2),
        ("Chapter 4 Results", 1),
        ("Results of others", None),
        ("Methods and results", None),
        ("...", None),
    ],
)
def test_titles_of_the_outline(text: str, level: int | None) -> None:
    profile = Profile(0, {1: {plain("Methods"): 2, plain("Results"): 1}})
    (found,) = page_elements([line(text, 100, height=30)], 1, profile)
    assert found.level == level
    (elsewhere,) = page_elements([line(text, 100)], 2, profile)
    assert elsewhere.level is None


def test_a_title_of_two_lines_is_one() -> None:
    assert texts(line("A long", 100, x1=200, height=24), line("title", 126, x1=150, height=24)) == [
        "A long title"
    ]


def test_the_body_is_what_most_characters_are_set_in() -> None:
    lines = [line("Title", 0, height=30), line("words " * 20, 50, height=11.9)]
    assert body_height(lines) == 12
    assert body_height([]) == 0


def test_impossible_coordinates_are_bounded() -> None:
    wild = Line("x", -math.inf, math.nan, 1e300, 5, 12)
    (found,) = page_elements([wild], 1, PLAIN)
    assert found.box is not None
    assert (found.box.x0, found.box.y0, found.box.x1) == (-100_000, 0, 100_000)
