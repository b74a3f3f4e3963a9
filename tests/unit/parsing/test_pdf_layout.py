"""Lines of a page into elements; no PDF needed."""

import math

import pytest

from services.ingest_worker.parsing.pdf.layout import (
    Profile,
    body_height,
    page_elements,
    page_items,
    plain,
)
from services.ingest_worker.parsing.pdf.lines import Line, PageContent, Ruling, Word
from services.ingest_worker.parsing.pdf.space import Space, turned_back
from shared.models import Element, ElementKind

PLAIN = Profile(body=12)


def line(
    text: str,
    top: float,
    x0: float = 50,
    x1: float = 500,
    height: float = 12,
    *,
    hyphenated: bool = False,
    bold: bool = False,
) -> Line:
    return Line(text, x0, top, x1, top + height, height, hyphenated, bold=bold)


def laid(lines: list[Line], page: int, profile: Profile) -> list[Element]:
    content = PageContent(lines, width=600, height=800)
    return page_elements(page_items(content, page, {}), page, profile, content)


def texts(*lines: Line, profile: Profile = PLAIN) -> list[str]:
    return [one.text for one in laid(list(lines), 1, profile)]


def row(top: float, *cells: tuple[str, float], height: float = 12) -> Line:
    """Return a line whose words stand at these places, each six points a letter wide."""
    words = [Word(text, x, x + 6 * len(text)) for text, x in cells]
    text = " ".join(word.text for word in words)
    return Line(text, words[0].x0, top, words[-1].x1, top + height, height, words=words)


def grid(xs: list[float], ys: list[float]) -> list[Ruling]:
    level = [Ruling(xs[0], y, xs[-1], y) for y in ys]
    return level + [Ruling(x, ys[0], x, ys[-1]) for x in xs]


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
        assert [one.text for one in laid(lines, 7, PLAIN)] == ["words words words"]


@pytest.mark.parametrize("number", ["2024", "9", "7 apples"])
def test_other_numbers_stay(number: str) -> None:
    body = [line("words", 100 + 14 * i) for i in range(3)]
    assert len(laid([*body, line(number, 780)], 7, PLAIN)) == 2


def test_a_number_inside_the_text_stays() -> None:
    body = [line("words", 100 + 14 * i) for i in range(3)]
    assert len(laid([line("7", 110, x0=10, x1=20), *body], 7, PLAIN)) >= 1
    assert "7" in " ".join(texts(*body, line("7", 60)))  # Drawn last, but at the top... of it.


@pytest.mark.parametrize(("height", "level"), [(12, None), (13.5, None), (14, 3), (17, 2), (22, 1)])
def test_levels_by_size(height: float, level: int | None) -> None:
    (found,) = laid([line("A title", 100, height=height)], 1, PLAIN)
    assert found.level == level


@pytest.mark.parametrize("text", ["12", "* * *", "word " * 60])
def test_what_is_large_and_no_title(text: str) -> None:
    (found,) = laid([line(text, 100, height=30)], 1, PLAIN)
    assert found.level is None


def test_without_text_nothing_is_a_title() -> None:
    (found,) = laid([line("A title", 100, height=30)], 1, Profile(body=0))
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
    (found,) = laid([line(text, 100, height=30)], 1, profile)
    assert found.level == level
    (elsewhere,) = laid([line(text, 100)], 2, profile)
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
    (found,) = laid([wild], 1, PLAIN)
    assert found.box is not None
    assert (found.box.x0, found.box.y0, found.box.x1) == (-100_000, 0, 100_000)


def test_words_in_columns_row_after_row_are_a_table() -> None:
    rows = [
        row(100 + 14 * at, (name, 50), (count, 200), (price, 300))
        for at, (name, count, price) in enumerate(
            (("Item", "Count", "Price"), ("Bolt", "12", "3.50"), ("Nut", "7", "0.25"))
        )
    ]
    (found,) = laid(rows, 1, PLAIN)
    assert found.kind is ElementKind.TABLE
    assert found.text == "Item | Count | Price\nBolt | 12 | 3.50\nNut | 7 | 0.25"


def test_a_cell_that_goes_on_below_stays_one_cell() -> None:
    rows = [
        row(100, ("Code", 50), ("Meaning", 200)),
        row(114, ("A1", 50), ("begins", 200)),
        row(128, ("here", 200)),
        row(142, ("B2", 50), ("alone", 200)),
    ]
    (found,) = laid(rows, 1, PLAIN)
    assert found.text == "Code | Meaning\nA1 | begins here\nB2 | alone"


def test_an_empty_cell_keeps_its_place() -> None:
    rows = [
        row(100, ("Name", 50), ("Low", 200), ("High", 300)),
        row(114, ("one", 50), ("1", 200), ("9", 300)),
        row(128, ("two", 50), ("8", 300)),
        row(142, ("six", 50), ("2", 200), ("7", 300)),
    ]
    (found,) = laid(rows, 1, PLAIN)
    assert found.text.splitlines()[2] == "two |  | 8"


def test_a_list_with_bullets_is_no_table() -> None:
    rows = [row(100 + 14 * at, ("•", 50), (word, 80)) for at, word in enumerate("abc")]
    found = laid(rows, 1, PLAIN)
    assert [(one.kind, one.text) for one in found] == [
        (ElementKind.LIST_ITEM, f"• {word}") for word in "abc"
    ]


def test_contents_are_no_table() -> None:
    rows = [row(100 + 14 * at, (f"Chapter{at}", 50), (str(3 * at + 1), 400)) for at in range(4)]
    assert {one.kind for one in laid(rows, 1, PLAIN)} == {ElementKind.PARAGRAPH}


def test_numbered_items_begin_after_a_sentence_only() -> None:
    found = laid(
        [line("Two things:", 100), line("1. the first", 114), line("2. the second", 128)], 1, PLAIN
    )
    assert [one.kind for one in found] == [
        ElementKind.PARAGRAPH,
        ElementKind.LIST_ITEM,
        ElementKind.LIST_ITEM,
    ]
    assert texts(line("It was in the year of", 100), line("5. May it rest", 114)) == [
        "It was in the year of 5. May it rest"
    ]


def test_columns_drawn_row_by_row_are_read_one_after_the_other() -> None:
    words = ["where", "many", "words", "go", "on", "and", "on"]
    rows = []
    for at in range(6):
        places = [6.0 * len(" ".join([*words[:i], ""])) for i in range(len(words))]
        left = [(word, 40 + x) for word, x in zip(words, places, strict=True)]
        right = [(word.replace("w", "v"), 330 + x) for word, x in zip(words, places, strict=True)]
        rows.append(row(100 + 14 * at, *left, *right))
    found = " ".join(texts(*rows))
    assert found.rindex("where") < found.index("vhere")


def test_a_page_drawn_upside_down_is_read_from_the_top() -> None:
    lines = [line(f"line{at}.", 700 - 100 * at) for at in range(7)]
    assert texts(*lines) == [f"line{at}." for at in range(6, -1, -1)]


def test_a_bold_line_of_its_own_is_a_title() -> None:
    body = [line("words of the text", 120 + 14 * at) for at in range(3)]
    found = laid([line("Terms", 100, x1=90, bold=True), *body], 1, PLAIN)
    assert [(one.kind, one.level) for one in found] == [
        (ElementKind.TITLE, 4),
        (ElementKind.PARAGRAPH, None),
    ]
    whole = laid([line("All of it", 100 + 14 * at, bold=True) for at in range(3)], 1, PLAIN)
    assert [one.kind for one in whole] == [ElementKind.PARAGRAPH]


def test_merged_cells_have_their_text_once() -> None:
    rules = grid([50, 150, 250, 350], [100, 120, 140, 160])
    rules = [one for one in rules if one != Ruling(150, 100, 150, 160)]
    rules.append(Ruling(150, 120, 150, 160))
    lines = [
        row(104, ("Both", 130), ("Third", 260)),
        row(124, ("a", 60), ("b", 160), ("c", 260)),
        row(144, ("d", 60), ("e", 160), ("f", 260)),
    ]
    content = PageContent(lines, rules, 600, 800)
    (found,) = page_elements(page_items(content, 1, {}), 1, PLAIN, content)
    assert found.text == "Both |  | Third\na | b | c\nd | e | f"


def test_a_frame_around_text_is_no_table() -> None:
    content = PageContent(
        [line("words", 110 + 14 * i) for i in range(3)], grid([40, 510], [90, 160])
    )
    (found,) = page_elements(page_items(content, 1, {}), 1, PLAIN, content)
    assert found.kind is ElementKind.PARAGRAPH


def test_the_rules_of_a_chart_are_no_table() -> None:
    rules = grid([float(x) for x in range(50, 450, 40)], [float(y) for y in range(50, 450, 40)])
    lines = [line("peak", 60, x0=100, x1=130), line("low", 300, x0=200, x1=230)]
    content = PageContent(lines, rules, 600, 800)
    found = page_elements(page_items(content, 1, {}), 1, PLAIN, content)
    assert [one.kind for one in found] == [ElementKind.PARAGRAPH] * 2


@pytest.mark.parametrize("quarter", range(4))
def test_turning_back_undoes_the_turn(quarter: int) -> None:
    upright = Space(0, 0, 600, 800)
    turned = upright.turned(quarter)
    corners = (100.0, 700.0, 150.0, 650.0)
    assert turned_back(turned.box(corners), quarter, *turned.size) == upright.box(corners)


def test_a_narrow_gap_is_cut_where_its_column_begins() -> None:
    rows = [
        row(100, ("x", 50), ("number", 116)),
        row(114, ("y", 50), ("word", 116)),
        row(128, ("triangular", 50), ("yes", 116)),
        row(142, ("z", 50), ("text", 116)),
    ]
    (found,) = laid(rows, 1, PLAIN)
    assert found.text.splitlines()[2] == "triangular | yes"


def test_remarks_beside_a_program_are_no_table() -> None:
    rows = [row(100 + 14 * at, (f"call{at}()", 50), ("#", 200), ("why", 212)) for at in range(4)]
    assert {one.kind for one in laid(rows, 1, PLAIN)} == {ElementKind.PARAGRAPH}


def test_columns_that_meet_are_parted_by_a_gap_through_every_row() -> None:
    """One aligned right, the next left: hardly more than a space stays between them."""
    figures = ("Count", "3", "44", "155")
    rows = [
        row(100 + 14 * at, (name, 50), (figure, 200 - 6 * len(figure)), (note, 205.5))
        for at, (name, figure, note) in enumerate(
            zip(
                ("Part", "bolt", "nut", "pin"), figures, ("Note", "new", "old", "gone"), strict=True
            )
        )
    ]
    (found,) = laid(rows, 1, PLAIN)
    assert found.text.splitlines()[2] == "nut | 44 | old"


def test_the_last_row_belongs_to_its_table_with_one_cell_too() -> None:
    rows = [row(100 + 14 * at, ("bolt", 50), ("12.5", 200)) for at in range(4)]
    found = laid([*rows, row(156, ("nut", 50)), line("What follows it.", 200)], 1, PLAIN)
    assert found[0].text.splitlines()[-1] == "nut | "
    assert found[1].text == "What follows it."
