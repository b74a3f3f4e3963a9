"""What every parser promises, whatever the format, on documents made here."""

import contextlib
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pptx
import pytest
import xlsxwriter  # type: ignore[import-untyped]
import xlwt  # type: ignore[import-untyped]
from fpdf import FPDF

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers, build_parsers
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileRejected
from shared.models import ElementKind
from tests.support.compound import Para, Slide, write_doc, write_message, write_ppt
from tests.support.office import write_epub, write_odf, write_xlsb
from tests.support.pictures import encoded, writing

FACTS = ["The kettle boils at ninety degrees.", "A lynx was seen in the valley.", "Rain fell."]


def pdf(path: Path) -> None:
    document = FPDF()
    document.set_font("helvetica", size=11)
    for fact in FACTS:
        document.add_page()
        document.cell(text=fact)
    document.output(str(path))


def word(path: Path) -> None:
    document = docx.Document()
    for fact in FACTS:
        document.add_paragraph(fact)
    document.save(str(path))


def powerpoint(path: Path) -> None:
    show = pptx.Presentation()
    for fact in FACTS:
        slide = show.slides.add_slide(show.slide_layouts[5])
        slide.shapes.title.text = fact
    show.save(str(path))


def old_powerpoint(path: Path) -> None:
    write_ppt(path, [Slide([(0, fact)]) for fact in FACTS])


def old_word(path: Path) -> None:
    write_doc(path, [Para(f"{fact}\r") for fact in FACTS])


def excel(path: Path) -> None:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for row, fact in enumerate(FACTS):
            sheet.write_row(row, 0, [row, fact])


def old_excel(path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Facts")
    for row, fact in enumerate(FACTS):
        sheet.write(row, 0, row)
        sheet.write(row, 1, fact)
    book.save(str(path))


def binary_excel(path: Path) -> None:
    write_xlsb(path, [[row, fact] for row, fact in enumerate(FACTS)])


def open_text(path: Path) -> None:
    write_odf(path, "text", "".join(f"<text:p>{fact}</text:p>" for fact in FACTS))


def open_sheet(path: Path) -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    rows = "".join(f"<table:table-row>{cell.format(fact)}</table:table-row>" for fact in FACTS)
    write_odf(path, "spreadsheet", f'<table:table table:name="Facts">{rows}</table:table>')


def open_show(path: Path) -> None:
    frame = "<draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    pages = "".join(f"<draw:page>{frame.format(fact)}</draw:page>" for fact in FACTS)
    write_odf(path, "presentation", pages)


def book(path: Path) -> None:
    write_epub(path, {f"{at}.xhtml": f"<p>{fact}</p>" for at, fact in enumerate(FACTS)})


def rich_text(path: Path) -> None:
    path.write_text("{\\rtf1 " + "".join(f"{fact}\\par " for fact in FACTS) + "}")


def html(path: Path) -> None:
    path.write_text("".join(f"<p>{fact}</p>" for fact in FACTS), encoding="utf-8")


def text(path: Path) -> None:
    path.write_text("\n\n".join(FACTS), encoding="utf-8")


def csv(path: Path) -> None:
    path.write_text("number,fact\n" + "".join(f"1,{fact}\n" for fact in FACTS), encoding="utf-8")


def data(path: Path) -> None:
    path.write_text(json.dumps([{"fact": fact} for fact in FACTS]), encoding="utf-8")


def xml(path: Path) -> None:
    facts = "".join(f"<fact>{fact}</fact>" for fact in FACTS)
    path.write_text(f"<?xml version='1.0'?><facts>{facts}</facts>", encoding="utf-8")


def notebook(path: Path) -> None:
    cells = [{"cell_type": "markdown", "source": fact} for fact in FACTS]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")


def subtitles(path: Path) -> None:
    cues = [f"{n}\n00:00:0{n},0 --> 00:00:0{n},9\n{fact}\n" for n, fact in enumerate(FACTS)]
    path.write_text("\n".join(cues), encoding="utf-8")


def mail(path: Path) -> None:
    text(path)
    path.write_bytes(b"From: a@b.example\n\n" + path.read_bytes())


def message(path: Path) -> None:
    write_message(path, {"0037": FACTS[0], "1000": "\n\n".join(FACTS[1:])})


def web_archive(path: Path) -> None:
    html(path)
    path.write_bytes(b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + path.read_bytes())


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        for fact in FACTS:
            made.writestr(fact, fact)


def picture(path: Path) -> None:
    path.write_bytes(encoded(writing(FACTS, size=(1000, 300), height=32)))


FORMATS: dict[str, Callable[[Path], None]] = {
    "a.pdf": pdf,
    "a.docx": word,
    "a.doc": old_word,
    "a.pptx": powerpoint,
    "a.ppt": old_powerpoint,
    "a.xlsx": excel,
    "a.xls": old_excel,
    "a.xlsb": binary_excel,
    "a.odt": open_text,
    "a.ods": open_sheet,
    "a.odp": open_show,
    "a.epub": book,
    "a.rtf": rich_text,
    "a.html": html,
    "a.md": text,
    "a.txt": text,
    "a.csv": csv,
    "a.png": picture,
    "a.py": text,
    "a.log": text,
    "a.rst": text,
    "a.org": text,
    "a.json": data,
    "a.xml": xml,
    "a.ipynb": notebook,
    "a.srt": subtitles,
    "a.eml": mail,
    "a.msg": message,
    "a.mhtml": web_archive,
    "a.zip": archive,
}
# Pages of those that have some.
PAGES = dict.fromkeys(("a.pdf", "a.pptx", "a.ppt", "a.odp"), len(FACTS))


@pytest.fixture(params=sorted(FORMATS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    path = tmp_path / "blob"
    FORMATS[request.param](path)
    return Source(path, request.param)


@pytest.fixture(scope="module")
def parsers() -> Parsers:
    return Parsers()


def test_each_media_type_has_one_parser() -> None:
    kinds = [kind for parser in build_parsers() for kind in parser.media_types]
    assert len(kinds) == len(set(kinds))


def test_every_parser_has_a_document_here(tmp_path: Path, parsers: Parsers) -> None:
    found = set()
    for filename, write in FORMATS.items():
        write(tmp_path / filename)
        found.add(parsers.plan(Source(tmp_path / filename, filename)).parser)
    assert found == {parser.name for parser in build_parsers()}


def test_all_text_is_found_in_order(source: Source, parsers: Parsers) -> None:
    whole = " ".join(one.text for one in parsers.parse(source, None).elements)
    places = [whole.index(fact) for fact in FACTS]
    assert places == sorted(places)


def test_the_plan_is_what_is_read(source: Source, parsers: Parsers) -> None:
    plan, parsed = parsers.plan(source), parsers.parse(source, None)
    assert parsed.pages == plan.pages == PAGES.get(source.filename, 1)
    assert all(1 <= one.page <= plan.pages for one in parsed.elements)
    told = ["page_ocred"] if source.filename == "a.png" else []
    assert [one.code for one in parsed.warnings] == told


def test_reading_twice_gives_the_same(source: Source, parsers: Parsers) -> None:
    assert parsers.parse(source, None) == Parsers().parse(source, None)


def test_pages_one_by_one_make_up_the_whole(source: Source, parsers: Parsers) -> None:
    pages = parsers.plan(source).pages
    parts = [parsers.parse(source, range(page, page + 1)) for page in range(1, pages + 1)]
    assert sum(part.pages for part in parts) == pages
    whole = parsers.parse(source, None).elements
    assert [one for part in parts for one in part.elements] == whole


def test_levels_are_the_titles_alone(source: Source, parsers: Parsers) -> None:
    for one in parsers.parse(source, None).elements:
        assert (one.level is not None) == (one.kind is ElementKind.TITLE)
        assert one.text == scrub(one.text)


@pytest.mark.parametrize("seed", range(20))
def test_damage_ends_in_text_or_a_typed_error(source: Source, parsers: Parsers, seed: int) -> None:
    """Flipped, cut and mixed bytes: anything may come out but another exception."""
    chance = random.Random(seed)
    content = bytearray(source.path.read_bytes())
    for _ in range(chance.randint(1, 30)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    source.path.write_bytes(content[: chance.randint(1, len(content))])
    with contextlib.suppress(FileRejected):
        parsers.plan(source)
        found = parsers.parse(source, None)
        assert all(one.text == scrub(one.text) for one in found.elements)


def test_an_encrypted_member_is_a_corrupt_document(tmp_path: Path, parsers: Parsers) -> None:
    path = tmp_path / "blob"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<x/>")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 1)
    path.write_bytes(content)
    with pytest.raises(FileRejected):
        parsers.parse(Source(path, "a.docx"), None)
