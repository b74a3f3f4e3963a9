"""Word documents: built with python-docx, and by hand where it cannot."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml

from services.ingest_worker.parsing import packages
from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileTooLarge
from shared.models import Element, ElementKind

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
NOTES = {
    "word/footnotes.xml": f'<w:footnotes {W}><w:footnote w:id="2"><w:p><w:r><w:t>The note'
    "</w:t></w:r></w:p></w:footnote></w:footnotes>",
    "word/comments.xml": f'<w:comments {W}><w:comment w:id="0"><w:p><w:r><w:t>A remark'
    "</w:t></w:r></w:p></w:comment></w:comments>",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path) -> list[Element]:
    return Parsers().parse(Source(path, "a.docx"), None).elements


def saved(path: Path, write: Callable[[Document], object]) -> list[Element]:
    document = docx.Document()
    write(document)
    document.save(str(path))
    return read(path)


def raw(path: Path, body: str, parts: dict[str, str] | None = None) -> list[Element]:
    """A document of its main part alone, and of what is given."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>"
        )
        for name, content in (parts or {}).items():
            archive.writestr(name, content)
    return read(path)


def test_headings_lists_and_tables(path: Path) -> None:
    def write(document: Document) -> None:
        document.add_heading("Report", 0)
        document.add_heading("Part", 1)
        document.add_heading("Detail", 3)
        document.add_paragraph("Some words.")
        document.add_paragraph("first", style="List Bullet")
        document.add_paragraph("second", style="List Number")
        table = document.add_table(rows=2, cols=2)
        for row, texts in zip(table.rows, (("a", "b"), ("1", "two\nlines")), strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text

    assert [(one.kind, one.level, one.text) for one in saved(path, write)] == [
        (ElementKind.TITLE, 1, "Report"),
        (ElementKind.TITLE, 1, "Part"),
        (ElementKind.TITLE, 3, "Detail"),
        (ElementKind.PARAGRAPH, None, "Some words."),
        (ElementKind.LIST_ITEM, None, "first"),
        (ElementKind.LIST_ITEM, None, "second"),
        (ElementKind.TABLE, None, "a | b\n1 | two lines"),
    ]


def test_headers_come_first_and_footers_last_each_once(path: Path) -> None:
    def write(document: Document) -> None:
        document.add_paragraph("Body.")
        document.sections[0].header.paragraphs[0].text = "The header"
        document.sections[0].footer.paragraphs[0].text = "The footer"
        second = document.add_section()
        second.header.is_linked_to_previous = False
        second.header.paragraphs[0].text = "The header"

    assert [one.text for one in saved(path, write)] == ["The header", "Body.", "The footer"]


def test_margins_alone_are_no_text(path: Path) -> None:
    def write(document: Document) -> None:
        document.sections[0].header.paragraphs[0].text = "The header"

    assert saved(path, write) == []


def test_merged_and_nested_cells(path: Path) -> None:
    def write(document: Document) -> None:
        table = document.add_table(rows=3, cols=2)
        table.cell(0, 0).text = "tall"
        table.cell(0, 0).merge(table.cell(1, 0))
        table.cell(0, 1).text = "x"
        table.cell(1, 1).text = "y"
        inner = table.cell(2, 1).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "side"

    (table,) = saved(path, write)
    assert table.text == "tall | x\n | y\n | in side"


def test_notes_and_comments_follow_their_paragraph(path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>Claim</w:t></w:r>"
        '<w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>'
        "<w:p><w:r><w:t>Next.</w:t></w:r></w:p>"
    )
    found = [one.text for one in raw(path, body, NOTES)]
    assert found == ["Claim", "The note", "A remark", "Next."]


def test_text_boxes_are_read_once(path: Path) -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent>"
    body = (
        '<w:p><w:r><w:t>Around</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="urn:mc">'
        f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>"
    )
    assert [one.text for one in raw(path, body)] == ["Around", "Boxed"]


def test_changes_are_read_as_if_accepted(path: Path) -> None:
    body = (
        "<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"
        "<w:del><w:p><w:r><w:t>gone</w:t></w:r></w:p></w:del>"
    )
    assert [one.text for one in raw(path, body)] == ["new"]


def test_content_controls_fields_and_breaks(path: Path) -> None:
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:hyperlink><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t>"
        "<w:noBreakHyphen/><w:t>d</w:t></w:r></w:hyperlink>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
        "<w:tbl><w:tr><w:sdt><w:sdtContent><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc>"
        "</w:sdtContent></w:sdt></w:tr></w:tbl>"
    )
    assert [one.text for one in raw(path, body)] == ["In control", "a\tb\nc-d", "cell"]


def test_outline_levels_make_headings_without_styles(path: Path) -> None:
    styles = (
        f"<w:styles {W}>"
        '<w:style w:styleId="A"><w:name w:val="Mine"/><w:basedOn w:val="B"/></w:style>'
        '<w:style w:styleId="B"><w:name w:val="Base"/><w:basedOn w:val="A"/>'
        '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style></w:styles>'
    )
    body = (
        '<w:p><w:pPr><w:outlineLvl w:val="2"/></w:pPr><w:r><w:t>direct</w:t></w:r></w:p>'
        '<w:p><w:pPr><w:pStyle w:val="A"/></w:pPr><w:r><w:t>inherited</w:t></w:r></w:p>'
        '<w:p><w:pPr><w:pStyle w:val="A"/><w:outlineLvl w:val="9"/></w:pPr>'
        "<w:r><w:t>body</w:t></w:r></w:p>"
    )
    found = raw(path, body, {"word/styles.xml": styles})
    assert [(one.text, one.level) for one in found] == [
        ("direct", 3),
        ("inherited", 2),
        ("body", None),
    ]


def test_a_list_switched_off_is_none(path: Path) -> None:
    number = (
        '<w:p><w:pPr><w:numPr><w:numId w:val="{}"/></w:numPr></w:pPr><w:r><w:t>x</w:t></w:r></w:p>'
    )
    kinds = [one.kind for one in raw(path, number.format(1) + number.format(0))]
    assert kinds == [ElementKind.LIST_ITEM, ElementKind.PARAGRAPH]


def test_the_main_part_may_have_another_name(path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Elsewhere.")
    document.save(str(path))
    moved = path.with_name("moved")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(moved, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "_rels/.rels":
                content = content.replace(b"word/document.xml", b"word/main.xml")
            new.writestr("word/main.xml" if name == "word/document.xml" else name, content)
    assert [one.text for one in read(moved)] == ["Elsewhere."]


def test_external_entities_are_not_followed(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "word/document.xml",
            f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><w:document {W}><w:body><w:p><w:r>'
            "<w:t>seen &x;</w:t></w:r></w:p></w:body></w:document>",
        )
    assert [one.text for one in read(path)] == ["seen"]


def test_a_bomb_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.member, "__defaults__", (10_000,))
    with pytest.raises(FileTooLarge):
        raw(path, "<w:p><w:r><w:t>" + "0" * 100_000 + "</w:t></w:r></w:p>")


@pytest.mark.parametrize("body", ["<w:p>", "<w:p></w:t></w:p>"])
def test_broken_xml_is_corrupt(path: Path, body: str) -> None:
    with pytest.raises(FileCorrupt):
        raw(path, body)


def test_a_missing_part_is_corrupt(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/styles.xml", f"<w:styles {W}/>")
    with pytest.raises(FileCorrupt, match=r"word/document\.xml"):
        read(path)


def test_parsed_xml_is_python_docx_s(path: Path) -> None:
    """Raw XML inside a real document: what other programs write."""

    def write(document: Document) -> None:
        document.element.body.insert(0, parse_xml(f"<w:p {W}><w:r><w:t>First</w:t></w:r></w:p>"))

    assert saved(path, write)[0].text == "First"
