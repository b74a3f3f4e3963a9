"""What every parser promises, whatever the format, on documents made here."""

import contextlib
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from fpdf import FPDF

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers, build_parsers
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileRejected
from shared.models import ElementKind
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


def html(path: Path) -> None:
    path.write_text("".join(f"<p>{fact}</p>" for fact in FACTS), encoding="utf-8")


def text(path: Path) -> None:
    path.write_text("\n\n".join(FACTS), encoding="utf-8")


def csv(path: Path) -> None:
    path.write_text("number,fact\n" + "".join(f"1,{fact}\n" for fact in FACTS), encoding="utf-8")


def picture(path: Path) -> None:
    path.write_bytes(encoded(writing(FACTS, size=(1000, 300), height=32)))


FORMATS: dict[str, Callable[[Path], None]] = {
    "a.pdf": pdf,
    "a.docx": word,
    "a.html": html,
    "a.md": text,
    "a.txt": text,
    "a.csv": csv,
    "a.png": picture,
    "a.py": text,
}


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
    assert parsed.pages == plan.pages == (3 if source.filename == "a.pdf" else 1)
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
