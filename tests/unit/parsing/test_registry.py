"""The one way into the parsers, and what every text and error is held to there."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing import registry
from services.ingest_worker.parsing.base import Parsed, Parser, Source
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileEncrypted, TypeUnsupported
from shared.models import Element, ElementKind, JobWarning


class Scripted:
    """A parser of plain text that does as it is told."""

    name = "scripted/1"
    media_types = frozenset({"text/plain"})

    def __init__(self, outcome: Parsed | BaseException) -> None:
        self._outcome = outcome

    def plan(self, source: Source) -> int:
        return self.parse(source, None).pages

    def parse(self, source: Source, pages: range | None) -> Parsed:
        del source, pages
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "blob"
    path.write_text("words")
    return Source(path, "a.txt")


def scripted(outcome: Parsed | BaseException) -> Parsers:
    parser: Parser = Scripted(outcome)
    return Parsers([parser])


def paragraph(text: str) -> Element:
    return Element(kind=ElementKind.PARAGRAPH, text=text)


def test_a_plan_names_type_pages_and_reader(source: Source) -> None:
    plan = scripted(Parsed([], pages=7)).plan(source)
    assert (plan.media_type, plan.pages, plan.parser) == ("text/plain", 7, "scripted/1")


def test_every_text_field_is_scrubbed(source: Source) -> None:
    warning = JobWarning(code="truncated", detail="bad\x00\x1b" + "x" * 1000)
    parsed = scripted(Parsed([paragraph("a\x00b\r\nc\n")], warnings=[warning])).parse(source, None)
    assert [one.text for one in parsed.elements] == ["ab\nc"]
    assert parsed.warnings[0].detail.startswith("badxxx")
    assert len(parsed.warnings[0].detail) == registry.MAX_DETAIL_CHARS


def test_what_nobody_can_see_is_no_element(source: Source) -> None:
    invisible = [paragraph(text) for text in ("", " \n\u00a0", "\u200b\ufeff\u00ad", "\x00\x07")]
    parsed = scripted(Parsed(invisible)).parse(source, None)
    assert parsed.elements == []
    assert [one.code for one in parsed.warnings] == ["page_without_text"]


def test_a_wrong_name_is_told_with_the_first_page_only(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_text("words")
    parsers = scripted(Parsed([paragraph("words")], pages=9))
    for pages, codes in ((None, 1), (range(1, 5), 1), (range(5, 9), 0)):
        warnings = parsers.parse(Source(path, "a.pdf"), pages).warnings
        assert [one.code for one in warnings] == ["type_corrected"] * codes


def test_a_library_s_error_is_a_corrupt_file(source: Source) -> None:
    with pytest.raises(FileCorrupt) as raised:
        scripted(ValueError("bad\x00 thing\n at  1" + "." * 999)).parse(source, None)
    assert raised.value.detail.startswith("The file cannot be read: bad thing at 1...")
    assert len(raised.value.detail) < 400
    with pytest.raises(FileCorrupt, match="RuntimeError"):
        scripted(RuntimeError()).plan(source)


@pytest.mark.parametrize("error", [FileEncrypted("locked"), MemoryError(), KeyboardInterrupt()])
def test_other_errors_pass(source: Source, error: BaseException) -> None:
    with pytest.raises(type(error)):
        scripted(error).parse(source, None)


def test_a_type_without_parser_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_text("# words")
    with pytest.raises(TypeUnsupported):
        scripted(Parsed([])).plan(Source(path, "a.md"))


def test_a_file_that_is_not_there_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(FileCorrupt):
        Parsers().plan(Source(tmp_path / "missing", "a.txt"))
