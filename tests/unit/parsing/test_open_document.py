"""OpenDocument: text, sheets and slides, packed and flat."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office import ods
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileEncrypted
from tests.support.office import flat_odf, write_odf, write_zip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, name: str, pages: range | None = None) -> Parsed:
    return Parsers().parse(Source(path, name), pages)


def told(parsed: Parsed) -> list[tuple[str, str]]:
    return [(one.kind.value, one.text) for one in parsed.elements]


def row(*cells: str) -> str:
    inside = "".join(
        f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells
    )
    return f"<table:table-row>{inside}</table:table-row>"


TEXT = (
    "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
    '<text:h text:outline-level="2">The <text:span>heading</text:span></text:h>'
    '<text:section><text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d'
    "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note</text:p>"
    "</text:note-body></text:note> e</text:p></text:section>"
    "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>deep</text:p>"
    "</text:list-item></text:list></text:list-item></text:list>"
    f"<table:table><table:table-header-rows>{row('h', 'i')}</table:table-header-rows>"
    f"{row('1', '2')}</table:table>"
    "<text:p><draw:frame><draw:text-box><text:p>Boxed</text:p></draw:text-box></draw:frame></text:p>"
)
READ = [
    ("title", "The heading"),
    ("paragraph", "a  b\tc\nd e"),
    ("paragraph", "The note"),
    ("list_item", "one"),
    ("list_item", "deep"),
    ("table", "h | i\n1 | 2"),
    ("paragraph", "Boxed"),
]


def test_text_in_its_order(path: Path) -> None:
    write_odf(path, "text", TEXT)
    parsed = read(path, "a.odt")
    assert told(parsed) == READ
    assert parsed.elements[0].level == 2


def test_a_flat_document_reads_the_same(path: Path) -> None:
    path.write_text(flat_odf("text", TEXT))
    assert told(read(path, "a.fodt")) == READ


def test_margins_once_each_and_never_alone(path: Path) -> None:
    styles = "".join(
        f"<style:master-page><style:header><text:p>Head</text:p></style:header>"
        f"<style:footer><text:p>Foot {at}<text:page-number>1</text:page-number></text:p>"
        "</style:footer></style:master-page>"
        for at in "aab"
    )
    write_odf(path, "text", "<text:p>Body</text:p>", styles=styles)
    assert [text for _, text in told(read(path, "a.odt"))] == ["Head", "Body", "Foot a", "Foot b"]
    write_odf(path, "text", "<text:p/>", styles=styles)
    assert read(path, "a.odt").elements == []


def test_comments_follow_their_paragraph_without_their_author(path: Path) -> None:
    note = (
        '<office:annotation><dc:creator xmlns:dc="urn:dc">Ada</dc:creator><text:p>Why?</text:p>'
        "</office:annotation>"
    )
    write_odf(path, "text", f"<text:p>Claim{note}</text:p>")
    assert [text for _, text in told(read(path, "a.odt"))] == ["Claim", "Why?"]


def test_a_locked_package_is_encrypted(path: Path) -> None:
    entry = "<m:file-entry><m:encryption-data/></m:file-entry>"
    write_odf(path, "text", "", manifest=f'<m:manifest xmlns:m="urn:m">{entry}</m:manifest>')
    with pytest.raises(FileEncrypted):
        read(path, "a.odt")


def test_a_package_without_content_is_corrupt(path: Path) -> None:
    write_zip(path, {"mimetype": "application/vnd.oasis.opendocument.text"})
    with pytest.raises(FileCorrupt, match=r"content\.xml"):
        read(path, "a.odt")


def test_sheets_are_pages(path: Path) -> None:
    body = (
        f'<table:table table:name="A">{row("n", "m")}{row("1", "2,50 €")}</table:table>'
        '<table:table table:name="Empty"><table:table-row/></table:table>'
        f'<table:table table:name="B">{row("only")}</table:table>'
    )
    write_odf(path, "spreadsheet", body)
    assert Parsers().plan(Source(path, "a.ods")).pages == 3
    parsed = read(path, "a.ods")
    assert [(one.text, one.page) for one in parsed.elements] == [
        ("A", 1),
        ("n | m\n1 | 2,50 €", 1),
        ("B", 3),
        ("only", 3),
    ]
    assert [warning.page for warning in parsed.warnings] == [2]
    assert [one.text for one in read(path, "a.ods", range(3, 4)).elements] == ["B", "only"]


def test_repeated_cells_and_rows_are_written_out_within_limits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ods, "MAX_REPEATS", 3)
    cell = (
        '<table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell>'
    )
    gap = '<table:table-cell table:number-columns-repeated="1020"/>'
    last = "<table:table-cell><text:p>y</text:p></table:table-cell>"
    body = (
        f'<table:table-row table:number-rows-repeated="99">{cell}{gap}{last}</table:table-row>'
        '<table:table-row table:number-rows-repeated="1048000"/>'
    )
    write_odf(path, "spreadsheet", f'<table:table table:name="A">{body}</table:table>')
    assert [one.text for one in read(path, "a.ods").elements] == ["A", "\n".join(["x | x | y"] * 3)]


def test_slides_are_pages_title_first(path: Path) -> None:
    box = "<draw:frame{}><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    first = (
        box.format("", "words")
        + box.format(' presentation:class="title"', "Title")
        + f"<presentation:notes>{box.format('', 'Notes')}</presentation:notes>"
    )
    body = f"<draw:page>{first}</draw:page><draw:page/>"
    write_odf(path, "presentation", body)
    assert Parsers().plan(Source(path, "a.odp")).pages == 2
    parsed = read(path, "a.odp")
    assert told(parsed) == [("title", "Title"), ("paragraph", "words"), ("paragraph", "Notes")]
    assert [warning.page for warning in parsed.warnings] == [2]
