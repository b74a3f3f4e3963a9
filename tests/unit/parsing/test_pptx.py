"""Presentations: written with python-pptx, and by hand where it cannot."""

from pathlib import Path

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from tests.support.office import write_zip

A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TITLE_ONLY, TITLE_AND_CONTENT = 5, 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, pages: range | None = None) -> Parsed:
    return Parsers().parse(Source(path, "a.pptx"), pages)


def told(parsed: Parsed) -> list[tuple[str, str, int]]:
    return [(one.kind.value, one.text, one.page) for one in parsed.elements]


def relations(*found: tuple[str, str, str]) -> str:
    nodes = "".join(
        f'<Relationship Id="{key}" Type="{R}/{kind}" Target="{target}"/>'
        for key, kind, target in found
    )
    return f"<Relationships>{nodes}</Relationships>"


def raw(path: Path, shapes: str, parts: dict[str, str], *found: tuple[str, str, str]) -> Parsed:
    """A presentation of one slide of these shapes, with relations to other parts."""
    spaces = f'xmlns:p="{P}" xmlns:a="{A}" xmlns:r="{R}"'
    show = (
        f'<p:presentation {spaces}><p:sldIdLst><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>'
    )
    slide = f"<p:sld {spaces}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
    write_zip(
        path,
        {
            "[Content_Types].xml": "<Types/>",
            "ppt/presentation.xml": show,
            "ppt/_rels/presentation.xml.rels": relations(("r1", "slide", "slides/one.xml")),
            "ppt/slides/one.xml": slide,
            "ppt/slides/_rels/one.xml.rels": relations(*found),
            **parts,
        },
    )
    return read(path)


def shape(text: str, place: str = "") -> str:
    return (
        f"<p:sp><p:nvSpPr><p:nvPr>{place}</p:nvPr></p:nvSpPr>"
        f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def test_slides_are_pages_with_titles_lists_tables_and_notes(path: Path) -> None:
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[TITLE_AND_CONTENT])
    first.shapes.title.text = "The plan"
    first.placeholders[1].text = "one\ntwo"
    first.notes_slide.notes_text_frame.text = "Say it slowly."
    second = show.slides.add_slide(show.slide_layouts[TITLE_ONLY])
    second.shapes.title.text = "Figures"
    table = second.shapes.add_table(2, 3, *map(Inches, (1, 2, 6, 1))).table
    for at, text in enumerate(("a", "b", "c", "1", "2\n3", "4")):
        table.cell(at // 3, at % 3).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    second.shapes.add_textbox(*map(Inches, (1, 5, 3, 1))).text_frame.text = "A box"
    show.save(str(path))
    assert told(read(path)) == [
        ("title", "The plan", 1),
        ("list_item", "one", 1),
        ("list_item", "two", 1),
        ("paragraph", "Say it slowly.", 1),
        ("title", "Figures", 2),
        ("table", "a | b c | \n1 | 2 3 | 4", 2),
        ("paragraph", "A box", 2),
    ]


def test_groups_and_charts(path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[TITLE_ONLY])
    group = slide.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(*map(Inches, (1, 1, 1, 1))).text_frame.text = "Deep inside"
    data = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["East", "West"]
    data.add_series("Sales of boots", (3, 4))  # type: ignore[no-untyped-call]
    chart = slide.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, *map(Inches, (1, 1, 5, 3)), data
    ).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Boots"
    show.save(str(path))
    texts = [text for _, text, _ in told(read(path))]
    assert texts == ["Deep inside", "Boots", "Sales of boots", "East, West"]


def test_the_title_comes_first_and_numbers_are_left_out(path: Path) -> None:
    shapes = (
        shape("words")
        + shape("7", '<p:ph type="sldNum"/>')
        + shape("The footer", '<p:ph type="ftr"/>')
        + shape("Title", '<p:ph type="ctrTitle"/>')
    )
    assert told(raw(path, shapes, {})) == [
        ("title", "Title", 1),
        ("paragraph", "words", 1),
        ("paragraph", "The footer", 1),
    ]


def test_smart_art_and_comments(path: Path) -> None:
    frame = (
        "<p:graphicFrame><a:graphic><a:graphicData>"
        f'<dgm:relIds xmlns:dgm="urn:dgm" r:dm="r2" xmlns:r="{R}"/>'
        "</a:graphicData></a:graphic></p:graphicFrame>"
    )
    diagram = (
        f'<d:dataModel xmlns:d="urn:dgm" xmlns:a="{A}"><d:pt><d:t><a:bodyPr/><a:p><a:r><a:t>Step'
        "</a:t></a:r></a:p></d:t></d:pt></d:dataModel>"
    )
    comments = f'<p:cmLst xmlns:p="{P}"><p:cm><p:text>Is this so?</p:text></p:cm></p:cmLst>'
    parts = {"ppt/diagrams/data.xml": diagram, "ppt/comments/c.xml": comments}
    found = (
        ("r2", "diagramData", "../diagrams/data.xml"),
        ("r3", "comments", "../comments/c.xml"),
    )
    assert [text for _, text, _ in told(raw(path, frame, parts, *found))] == ["Step", "Is this so?"]


def test_an_alternative_is_read_once(path: Path) -> None:
    both = f"<m:Choice>{shape('new')}</m:Choice><m:Fallback>{shape('old')}</m:Fallback>"
    shapes = f'<m:AlternateContent xmlns:m="urn:mc">{both}</m:AlternateContent>'
    assert [text for _, text, _ in told(raw(path, shapes, {}))] == ["new"]


def test_bullets_make_list_items(path: Path) -> None:
    text = "<a:p><a:pPr><a:{}/></a:pPr><a:r><a:t>x</a:t></a:r></a:p>"
    body = "".join(map(text.format, ("buNone", "buAutoNum")))
    shapes = f"<p:sp><p:nvSpPr><p:nvPr/></p:nvSpPr><p:txBody>{body}</p:txBody></p:sp>"
    assert [kind for kind, _, _ in told(raw(path, shapes, {}))] == ["paragraph", "list_item"]


def test_a_slide_without_text_is_told(path: Path) -> None:
    show = pptx.Presentation()
    for text in ("words", ""):
        show.slides.add_slide(show.slide_layouts[TITLE_ONLY]).shapes.title.text = text
    show.save(str(path))
    (warning,) = read(path).warnings
    assert (warning.code, warning.page) == ("page_without_text", 2)
    assert read(path, range(1, 2)).warnings == []
